//! Access keys and who may have them made.

use std::sync::Arc;

use serde_json::{Value, json};
use service::{AccessKeys as _, Caller, Cx};
use testing::Server;

use crate::identity::{self, Identity};
use crate::{call, create_account, create_key, delete_key, server};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

#[tokio::test]
async fn a_key_is_found_with_its_secret_until_it_is_deleted() {
    let (server, identity) = server().await;
    let (id, secret) = create_key(&server, json!({ "name": "ci" })).await.unwrap();
    for _ in 0..2 {
        let key = identity.find(&id).await.unwrap().unwrap();
        assert_eq!(key.secret.expose(), secret);
        assert_eq!(key.arn, "arn:aws:iam::000000000000:user/ci");
        assert!(key.user_id.starts_with("AIDA"));
    }
    delete_key(&server, &id).await.unwrap();
    assert!(identity.find(&id).await.unwrap().is_none());
    assert_eq!(delete_key(&server, &id).await.unwrap_err().code, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_list_shows_no_secret() {
    let (server, _) = server().await;
    let (id, secret) = create_key(&server, json!({ "policy": POLICY })).await.unwrap();
    let listed = call(&server, "GET", "/_ferrite/v1/access-keys", Value::Null).await.unwrap();
    let text = listed.to_string();
    assert!(text.contains(&id) && !text.contains(&secret), "{text}");
    let keys = listed["accessKeys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["id"] == *id).unwrap();
    assert_eq!(key["policy"]["Statement"][0]["Action"], "iot:*");
    assert_eq!(key["arn"], format!("arn:aws:iam::000000000000:user/{id}"));
}

#[tokio::test]
async fn a_policy_is_a_document_or_its_text() {
    let (server, identity) = server().await;
    let document: Value = serde_json::from_str(POLICY).unwrap();
    for policy in [json!(POLICY), document] {
        let (id, _) = create_key(&server, json!({ "policy": policy })).await.unwrap();
        assert!(identity.find(&id).await.unwrap().unwrap().policy.is_some());
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let (server, _) = server().await;
    let cases = [
        (json!({ "policy": "hello" }), "MalformedPolicyException"),
        (json!({ "policy": {} }), "MalformedPolicyException"),
        (json!({ "name": "a b" }), "InvalidRequestException"),
        (json!({ "acount": "000000000000" }), "InvalidRequestException"),
        (json!({ "account": "999999999999" }), "ResourceNotFoundException"),
    ];
    for (request, code) in cases {
        let refusal = create_key(&server, request.clone()).await.unwrap_err();
        assert_eq!(refusal.code, code, "{request}: {refusal}");
    }
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_keys() {
    let (server, _) = server().await;
    let max = server.app().limits.access_keys_per_account_max;
    for _ in 1..max {
        create_key(&server, json!({})).await.unwrap();
    }
    let refusal = create_key(&server, json!({})).await.unwrap_err();
    assert_eq!(refusal.code, "LimitExceededException");
}

#[tokio::test]
async fn the_last_root_key_of_the_servers_account_stays() {
    let (server, identity) = server().await;
    let root = identity.bootstrap().await.unwrap();
    create_key(&server, json!({ "name": "user" })).await.unwrap();
    assert_eq!(delete_key(&server, &root.id).await.unwrap_err().code, "DeleteConflictException");
    create_key(&server, json!({})).await.unwrap();
    delete_key(&server, &root.id).await.unwrap();
    assert!(identity.find(&root.id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_account_sees_and_changes_its_own_keys_alone() {
    let (server, identity) = server().await;
    let root = identity.bootstrap().await.unwrap();
    create_account(&server, "111122223333").await.unwrap();
    let other = server.in_account("111122223333");
    let (own, _) = create_key(&other, json!({})).await.unwrap();
    let stranger = json!({ "account": "000000000000" });
    assert_eq!(create_key(&other, stranger).await.unwrap_err().code, "AccessDeniedException");
    assert_eq!(delete_key(&other, &root.id).await.unwrap_err().code, "ResourceNotFoundException");
    let path = "/_ferrite/v1/access-keys?account=000000000000";
    let refusal = call(&other, "GET", path, Value::Null).await.unwrap_err();
    assert_eq!(refusal.code, "AccessDeniedException");
    // The server's own account reaches every other.
    create_key(&server, json!({ "account": "111122223333" })).await.unwrap();
    delete_key(&server, &own).await.unwrap();
}

#[tokio::test]
async fn a_key_that_a_policy_binds_makes_no_other() {
    let (server, identity) = server().await;
    let cx = bound(&server).await;
    let routes = identity::feature(&identity).raw_routes;
    for route in routes.iter().filter(|route| route.operation.ends_with("AccessKey")) {
        let refusal = route.call(cx.clone(), request(&identity).await).await.unwrap_err();
        let is_refused = ["AccessDeniedException", "ResourceNotFoundException"];
        assert!(is_refused.contains(&refusal.code), "{}: {refusal}", route.operation);
    }
}

async fn bound(server: &Server) -> Cx {
    let cx = server.cx("CreateAccessKey").await;
    let caller = Caller { is_root: false, ..(*cx.caller).clone() };
    Cx { caller: Arc::new(caller), ..cx }
}

async fn request(identity: &Identity) -> service::RawRequest {
    let root = identity.bootstrap().await.unwrap();
    service::RawRequest {
        method: "POST".into(),
        path: format!("/_ferrite/v1/access-keys/{}", root.id),
        query: String::new(),
        headers: http::HeaderMap::new(),
        body: Default::default(),
        source_ip: std::net::Ipv4Addr::LOCALHOST.into(),
    }
}
