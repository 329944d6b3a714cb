//! Publishing over HTTPS: what subscribers get, and what is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::iot_data::op::Publish;
use mqtt::{PublishProperties, QoS, Version};
use serde_json::{Value, json};

use crate::BOTH;
use crate::client::{Client, publish};
use crate::world::World;

/// What a request with these members, beside a payload, is answered.
async fn post(world: &World, topic: &str, members: Value) -> Result<Value, &'static str> {
    let mut input = json!({ "topic": topic, "payload": STANDARD.encode("on") });
    input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    world.server.call::<Publish>(input).await.map_err(|error| error.code)
}

async fn listener(world: &World, version: Version) -> Client {
    let mut client = world.connect(version, &format!("ear-{version:?}")).await;
    client.subscribe("#", QoS::AtLeastOnce).await;
    client
}

#[tokio::test]
async fn what_is_listed_is_what_is_served() {
    let world = World::new().await;
    let served = ferrite_broker::feature(&world.broker).endpoints;
    let names: Vec<_> = served.iter().map(|endpoint| endpoint.spec.name).collect();
    assert_eq!(names, ferrite_broker::OPERATIONS.map(|operation| operation.name));
}

#[tokio::test]
async fn a_message_reaches_whoever_subscribes_in_either_version() {
    let world = World::new().await;
    for version in BOTH {
        let mut ear = listener(&world, version).await;
        let answer = post(&world, "lamp/state", json!({})).await.unwrap();
        assert_eq!(answer["message"], "OK");
        assert_eq!(answer["traceId"].as_str().map(str::len), Some(36));
        assert_eq!(ear.message().await, publish("lamp/state", "on"));
        post(&world, "lamp/state", json!({ "qos": 1 })).await.unwrap();
        let second = ear.message().await;
        assert_eq!((second.qos, second.retain, second.dup), (QoS::AtLeastOnce, false, false));
        ear.leave().await;
    }
}

#[tokio::test]
async fn every_property_of_mqtt_5_goes_on_to_subscribers() {
    let world = World::new().await;
    let mut ear = listener(&world, Version::V5).await;
    let members = json!({
        "contentType": "text/plain",
        "responseTopic": "answers/1",
        "messageExpiry": 60,
        "payloadFormatIndicator": "UTF8_DATA",
        "correlationData": STANDARD.encode([0, 255]),
        "userProperties": r#"[{"b":"1"},{"a":"2"},{"b":"3"}]"#,
    });
    post(&world, "lamp", members).await.unwrap();
    let text = |text: &'static str| text.into();
    let expected = PublishProperties {
        payload_is_utf8: Some(true),
        message_expiry_s: Some(60),
        response_topic: Some(text("answers/1")),
        correlation_data: Some(vec![0, 255].into()),
        user_properties: vec![
            (text("b"), text("1")),
            (text("a"), text("2")),
            (text("b"), text("3")),
        ],
        content_type: Some(text("text/plain")),
        ..PublishProperties::default()
    };
    assert_eq!(ear.message().await.properties.as_deref(), Some(&expected));
}

#[tokio::test]
async fn user_properties_that_were_encoded_twice_are_the_same() {
    let world = World::new().await;
    let mut ear = listener(&world, Version::V5).await;
    let twice = json!(r#"[{"b":"1"}]"#).to_string();
    post(&world, "lamp", json!({ "userProperties": twice })).await.unwrap();
    let properties = ear.message().await.properties.unwrap();
    assert_eq!(properties.user_properties, [("b".into(), "1".into())]);
}

#[tokio::test]
async fn a_life_is_cut_to_what_mqtt_allows() {
    let world = World::new().await;
    let mut ear = listener(&world, Version::V5).await;
    for (asked, given) in [(0, 1), (604_801, 604_800), (i64::MAX, 604_800)] {
        post(&world, "lamp", json!({ "messageExpiry": asked })).await.unwrap();
        let properties = ear.message().await.properties.unwrap();
        assert_eq!(properties.message_expiry_s, Some(given), "{asked}");
    }
}

#[tokio::test]
async fn a_message_without_a_body_is_an_empty_message() {
    let world = World::new().await;
    let mut ear = listener(&world, Version::V311).await;
    world.server.call::<Publish>(json!({ "topic": "lamp" })).await.unwrap();
    assert_eq!(ear.message().await, publish("lamp", ""));
}

#[tokio::test]
async fn what_mqtt_would_refuse_is_refused_and_reaches_nobody() {
    let world = World::new().await;
    let mut ear = listener(&world, Version::V5).await;
    let invalid = Err("InvalidRequestException");
    for (topic, members) in [
        ("lamp/+", json!({})),
        ("#", json!({})),
        ("a\0b", json!({})),
        ("$aws/rules/r", json!({})),
        ("1/2/3/4/5/6/7/8/9", json!({})),
        (&*"x".repeat(257), json!({})),
        ("lamp", json!({ "retain": true })),
        ("lamp", json!({ "responseTopic": "a/+" })),
        ("lamp", json!({ "responseTopic": "" })),
        ("lamp", json!({ "messageExpiry": -1 })),
        ("lamp", json!({ "contentType": "x".repeat(257) })),
        ("lamp", json!({ "correlationData": "not base64!" })),
        ("lamp", json!({ "correlationData": STANDARD.encode(vec![0; 8193]) })),
        ("lamp", json!({ "userProperties": "{}" })),
        ("lamp", json!({ "userProperties": r#"[{"a":"1","b":"2"}]"# })),
        ("lamp", json!({ "userProperties": "[{}]" })),
        ("lamp", json!({ "userProperties": r#"[{"a":1}]"# })),
        ("lamp", json!({ "userProperties": format!(r#"[{{"a":"{}"}}]"#, "x".repeat(8192)) })),
    ] {
        assert_eq!(post(&world, topic, members.clone()).await, invalid, "{topic} {members}");
    }
    let large = |bytes| json!({ "payload": STANDARD.encode(vec![b'x'; bytes]) });
    let too_large = post(&world, "lamp", large(128 * 1024 + 1)).await;
    assert_eq!(too_large, Err("RequestEntityTooLargeException"));
    assert_eq!(ear.pending().await, []);
    post(&world, "lamp", large(128 * 1024)).await.unwrap();
    assert_eq!(ear.message().await.payload.len(), 128 * 1024);
}

#[tokio::test]
async fn a_message_stays_in_the_region_of_its_caller() {
    let world = World::new().await;
    let mut ear = listener(&world, Version::V5).await;
    let abroad = world.server.in_region("eu-west-1");
    abroad.call::<Publish>(json!({ "topic": "lamp" })).await.unwrap();
    assert_eq!(ear.pending().await, []);
}
