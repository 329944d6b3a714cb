//! The broker's own routes: why a device may or may not do something, and what happened to it.

use http::StatusCode;
use mqtt::Version;
use serde_json::Value;

use crate::client::connect;
use crate::world::{World, arn, policy};

async fn get(world: &World, path_and_query: &str) -> Value {
    let (status, body) = world.server.raw("GET", path_and_query, "").await.unwrap();
    assert_eq!(status, StatusCode::OK);
    serde_json::from_slice(&body).unwrap()
}

async fn refusal(world: &World, path_and_query: &str) -> &'static str {
    world.server.raw("GET", path_and_query, "").await.unwrap_err().code
}

#[tokio::test]
async fn a_connected_client_is_explained_by_what_it_holds() {
    let world = World::new().await;
    world.set_policy(
        "lamp",
        &policy(&[
            ("Allow", "Connect", "client/*"),
            ("Allow", "Publish", "topic/lamp/*"),
            ("Deny", "Publish", "topic/lamp/secret"),
        ]),
    );
    let _lamp = world.connect(Version::V5, "lamp").await;
    for (topic, decision) in
        [("lamp/state", "ALLOWED"), ("lamp/secret", "EXPLICIT_DENY"), ("fan", "IMPLICIT_DENY")]
    {
        let query = format!("clientId=lamp&action=Publish&resource=topic/{topic}");
        let answer = get(&world, &format!("/_ferrite/v1/explain?{query}")).await;
        assert_eq!(answer["decision"], decision, "{answer}");
        assert_eq!(answer["resource"], arn(&format!("topic/{topic}")));
        assert_eq!(answer["action"], "iot:Publish");
        assert_eq!(answer["principal"]["connected"], true);
        assert_eq!(answer["principal"]["id"], "c0ffee");
        assert_eq!(answer["policies"], serde_json::json!(["its-policy"]));
    }
}

#[tokio::test]
async fn a_client_that_was_refused_is_explained_by_its_last_attempt() {
    let world = World::new().await;
    world.set_policy("lamp", &policy(&[("Allow", "Connect", "client/fan")]));
    let path = "/_ferrite/v1/explain?clientId=lamp&action=iot:Connect&resource=client/lamp";
    assert_eq!(refusal(&world, path).await, "ResourceNotFoundException");
    assert_eq!(world.answer(connect(Version::V5, "lamp")).await.unwrap().code, 0x87);
    let answer = get(&world, path).await;
    assert_eq!(answer["decision"], "IMPLICIT_DENY");
    assert_eq!(answer["principal"]["connected"], false);
    assert_eq!(answer["lastEvents"][0]["reason"], "AUTHORIZATION_FAILURE");
    assert_eq!(answer["lastEvents"][0]["clientId"], "lamp");
}

#[tokio::test]
async fn the_policy_of_the_tutorial_is_told_what_it_lacks() {
    let world = World::new().await;
    world.set_policy("lamp", &policy(&[("Allow", "*", "topic/*")]));
    assert_eq!(world.answer(connect(Version::V5, "lamp")).await.unwrap().code, 0x87);
    for (action, resource) in [("Connect", "client/lamp"), ("Subscribe", "topicfilter/a/+")] {
        let query =
            format!("clientId=lamp&action={action}&resource={}", resource.replace('+', "%2B"));
        let answer = get(&world, &format!("/_ferrite/v1/explain?{query}")).await;
        assert_eq!(answer["decision"], "IMPLICIT_DENY");
        assert_eq!(answer["resource"], arn(resource));
        let hints = answer["hints"].to_string();
        assert!(hints.contains(&arn(resource)), "{hints}");
    }
}

#[tokio::test]
async fn a_question_needs_its_parameters() {
    let world = World::new().await;
    for query in ["", "clientId=lamp&action=Publish", "action=Publish&resource=topic/t"] {
        let path = format!("/_ferrite/v1/explain?{query}");
        assert_eq!(refusal(&world, &path).await, "InvalidRequestException", "{query}");
    }
    let path = "/_ferrite/v1/device-log?max=many";
    assert_eq!(refusal(&world, path).await, "InvalidRequestException");
}

#[tokio::test]
async fn the_device_log_is_shown_newest_first_to_its_own_tenant() {
    let world = World::new().await;
    for client in ["lamp", "fan"] {
        world.connect(Version::V5, client).await.leave().await;
    }
    let answer = get(&world, "/_ferrite/v1/device-log").await;
    let shown = |event: &Value| {
        let text = |member: &str| event[member].as_str().unwrap().to_owned();
        format!("{} {}", text("clientId"), text("eventType"))
    };
    let shown: Vec<String> = answer["events"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(shown, ["fan Disconnect", "fan Connect", "lamp Disconnect", "lamp Connect"]);
    let answer = get(&world, "/_ferrite/v1/device-log?clientId=lamp&max=1").await;
    assert_eq!(answer["events"].as_array().unwrap().len(), 1);
    assert_eq!(answer["events"][0]["eventType"], "Disconnect");
    let elsewhere = world.server.in_region("eu-west-1");
    let (_, body) = elsewhere.raw("GET", "/_ferrite/v1/device-log", "").await.unwrap();
    assert_eq!(&body[..], br#"{"events":[]}"#);
}
