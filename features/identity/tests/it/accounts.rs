//! Accounts.

use std::time::Duration;

use serde_json::{Value, json};
use service::AccessKeys as _;

use crate::{call, create_account, server};

#[tokio::test]
async fn an_account_is_born_with_a_root_key() {
    let (server, identity) = server().await;
    let created = create_account(&server, "111122223333").await.unwrap();
    assert_eq!(created["accessKey"]["arn"], "arn:aws:iam::111122223333:root");
    let key = identity.find(created["accessKey"]["id"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(key.secret.expose(), created["accessKey"]["secret"].as_str().unwrap());
    assert_eq!(key.account.as_str(), "111122223333");
    assert!(key.policy.is_none());
}

#[tokio::test]
async fn accounts_are_listed_by_id() {
    let (server, _) = server().await;
    create_account(&server, "222222222222").await.unwrap();
    create_account(&server, "111111111111").await.unwrap();
    let listed = call(&server, "GET", "/_ferrite/v1/accounts", Value::Null).await.unwrap();
    let ids: Vec<_> = listed["accounts"].as_array().unwrap().iter().map(|a| &a["id"]).collect();
    assert_eq!(ids, ["000000000000", "111111111111", "222222222222"]);
}

#[tokio::test]
async fn an_account_that_exists_is_not_made_again() {
    let (server, _) = server().await;
    let error = create_account(&server, "000000000000").await.unwrap_err();
    assert_eq!(error.code, "ResourceAlreadyExistsException");
}

#[tokio::test]
async fn an_account_without_an_id_gets_a_random_one() {
    let (server, _) = server().await;
    let request = json!({ "name": "plant" });
    let created = call(&server, "POST", "/_ferrite/v1/accounts", request).await.unwrap();
    assert_eq!(created["account"]["name"], "plant");
    assert_eq!(created["account"]["id"].as_str().unwrap().len(), 12);
}

#[tokio::test]
async fn what_is_no_account_id_is_refused() {
    let (server, _) = server().await;
    for wrong in [json!({ "id": "123" }), json!({ "id": 5 }), json!({ "ID": "111122223333" })] {
        let error = call(&server, "POST", "/_ferrite/v1/accounts", wrong).await.unwrap_err();
        assert_eq!(error.code, "InvalidRequestException");
    }
}

#[tokio::test]
async fn the_first_start_makes_one_root_key_and_the_next_finds_it() {
    let (server, identity) = server().await;
    let first = identity.bootstrap().await.unwrap();
    let second = identity.bootstrap().await.unwrap();
    assert_eq!((&first.id, first.secret.expose()), (&second.id, second.secret.expose()));
    let listed = call(&server, "GET", "/_ferrite/v1/access-keys", Value::Null).await.unwrap();
    assert_eq!(listed["accessKeys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reset_leaves_the_first_root_key_alone() {
    let (server, identity) = server().await;
    let before = identity.bootstrap().await.unwrap();
    server.clock().advance(Duration::from_secs(1));
    for _ in 0..8 {
        crate::create_key(&server, json!({})).await.unwrap();
    }
    create_account(&server, "111122223333").await.unwrap();
    identity.reset().await.unwrap();
    let after = identity.find(&before.id).await.unwrap().unwrap();
    assert_eq!(after.secret.expose(), before.secret.expose());
    let keys = call(&server, "GET", "/_ferrite/v1/access-keys", Value::Null).await.unwrap();
    assert_eq!(keys["accessKeys"].as_array().unwrap().len(), 1);
    let listed = call(&server, "GET", "/_ferrite/v1/accounts", Value::Null).await.unwrap();
    assert_eq!(listed["accounts"].as_array().unwrap().len(), 1);
}
