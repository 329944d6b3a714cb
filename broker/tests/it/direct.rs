//! Direct messages: from the API to one client.

use std::time::Duration;

use model::iot_data::op::SendDirectMessage;
use mqtt::{Ack, Packet, Publish, PublishProperties, QoS, Version, reason};
use serde_json::{Value, json};
use service::ApiError;
use tokio::time::Instant;

use crate::BOTH;
use crate::client::{Client, connect, keeping, publish};
use crate::world::{World, knock, policy};

/// `hello`, as JSON carries bytes.
const HELLO: &str = "aGVsbG8=";

/// Sends `hello` to `lamp`, with these members besides.
async fn send(world: &World, more: Value) -> Result<Value, ApiError> {
    let mut input = json!({"clientId": "lamp", "topic": "t", "payload": HELLO});
    for (member, value) in more.as_object().unwrap() {
        input[member] = value.clone();
    }
    world.server.call::<SendDirectMessage>(input).await
}

async fn refusal(world: &World, more: Value) -> (&'static str, String) {
    let error = send(world, more.clone()).await.expect_err(&more.to_string());
    (error.code, error.message)
}

#[tokio::test]
async fn a_message_reaches_its_client_and_nobody_else() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("#", QoS::AtLeastOnce).await;
    for version in BOTH {
        let mut lamp = world.connect(version, "lamp").await;
        let answer = send(&world, json!({})).await.unwrap();
        assert_eq!(answer["message"], "OK");
        assert_eq!(answer["traceId"].as_str().unwrap().len(), 36);
        assert_eq!(lamp.pending().await, [Packet::Publish(publish("t", "hello"))]);
        lamp.leave().await;
    }
    assert_eq!(ear.pending().await, []);
}

#[tokio::test]
async fn a_message_has_the_properties_that_are_named() {
    let world = World::new().await;
    let more = json!({
        "contentType": "text/plain",
        "responseTopic": "answers/lamp",
        "payloadFormatIndicator": "UTF8_DATA",
        "correlationData": "AQI=",
        "userProperties": r#"[{"a":"1"},{"b":"2"},{"a":"3"}]"#,
    });
    let properties = PublishProperties {
        payload_is_utf8: Some(true),
        content_type: Some("text/plain".into()),
        response_topic: Some("answers/lamp".into()),
        correlation_data: Some(vec![1, 2].into()),
        user_properties: [("a", "1"), ("b", "2"), ("a", "3")]
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec(),
        ..PublishProperties::default()
    };
    for (version, properties) in [(Version::V5, Some(Box::new(properties))), (Version::V311, None)]
    {
        let mut lamp = world.connect(version, "lamp").await;
        send(&world, more.clone()).await.unwrap();
        assert_eq!(lamp.message().await, Publish { properties, ..publish("t", "hello") });
        lamp.leave().await;
    }
}

#[tokio::test]
async fn user_properties_may_be_the_text_of_a_text() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    send(&world, json!({"userProperties": r#""[{\"a\":\"1\"}]""#})).await.unwrap();
    let properties = lamp.message().await.properties.unwrap();
    assert_eq!(properties.user_properties, [("a".into(), "1".into())]);
}

/// Sends a message that is to be confirmed; what `act` did meanwhile.
async fn with_confirmation(world: &World, act: impl AsyncFnOnce()) -> Result<Value, ApiError> {
    let sent = send(world, json!({"confirmation": true, "timeout": 7}));
    let (sent, ()) = tokio::join!(sent, act());
    sent
}

/// Reads the message that is to be confirmed.
async fn message(client: &mut Client) -> Publish {
    let message = client.message().await;
    assert_eq!((&*message.topic, &message.payload[..]), ("t", &b"hello"[..]));
    assert_eq!(message.qos, QoS::AtLeastOnce);
    message
}

#[tokio::test]
async fn a_confirmation_waits_for_the_acknowledgement() {
    let world = World::new().await;
    for version in BOTH {
        let mut lamp = world.connect(version, "lamp").await;
        let start = Instant::now();
        let confirmed = with_confirmation(&world, async || {
            let message = message(&mut lamp).await;
            tokio::time::sleep(Duration::from_secs(6)).await;
            lamp.acknowledge(&message).await;
        });
        assert_eq!(confirmed.await.unwrap()["message"], "OK");
        assert!(start.elapsed() >= Duration::from_secs(6));
        lamp.leave().await;
    }
}

#[tokio::test]
async fn a_confirmation_that_does_not_come_is_a_timeout() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let start = Instant::now();
    let (code, why) = refusal(&world, json!({"confirmation": true})).await;
    assert_eq!((code, start.elapsed().as_secs()), ("GatewayTimeoutException", 5));
    assert!(why.contains("in time"), "{why}");
    let late = message(&mut lamp).await;
    lamp.acknowledge(&late).await;
    assert_eq!(lamp.pending().await, [], "too late does no harm");
    let refused = with_confirmation(&world, async || {
        let packet_id = message(&mut lamp).await.packet_id.unwrap();
        let ack = Ack { packet_id, code: reason::QUOTA_EXCEEDED, properties: None };
        lamp.send(Packet::Puback(ack)).await;
    });
    let error = refused.await.unwrap_err();
    assert_eq!(error.code, "GatewayTimeoutException");
    assert!(error.message.contains("0x97"), "{error}");
}

#[tokio::test]
async fn whoever_leaves_confirms_nothing() {
    let world = World::new().await;
    let lamp = world.connect(Version::V5, "lamp").await;
    let start = Instant::now();
    let left = with_confirmation(&world, async || {
        let mut lamp = lamp;
        message(&mut lamp).await;
        lamp.leave().await;
    });
    assert_eq!(left.await.unwrap_err().code, "GatewayTimeoutException");
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits for what cannot come");
}

#[tokio::test]
async fn what_is_not_confirmed_in_time_is_not_kept() {
    let world = World::new().await;
    let mut asked = connect(Version::V5, "lamp");
    asked.properties.receive_maximum = Some(1);
    let mut lamp = world.connect_with(asked).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    lamp.subscribe("other", QoS::AtLeastOnce).await;
    fan.deliver("other", "first").await;
    let first = lamp.message().await;
    let (code, _) = refusal(&world, json!({"confirmation": true})).await;
    assert_eq!(code, "GatewayTimeoutException", "there was no room for it");
    fan.deliver("other", "second").await;
    lamp.acknowledge(&first).await;
    assert_eq!(&*lamp.message().await.topic, "other");
    assert_eq!(lamp.pending().await, []);
}

#[tokio::test]
async fn whoever_may_not_receive_is_not_sent_it() {
    let world = World::new().await;
    let statements = [("Allow", "*", "*"), ("Deny", "Receive", "topic/t")];
    world.set_policy("lamp", &policy(&statements));
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let (code, why) = refusal(&world, json!({})).await;
    assert_eq!(code, "ForbiddenException");
    assert!(why.contains("iot:Receive") && why.contains("topic/t"), "{why}");
    send(&world, json!({"topic": "u"})).await.unwrap();
    assert_eq!(lamp.pending().await, [Packet::Publish(publish("u", "hello"))]);
}

#[tokio::test]
async fn a_message_to_nobody_is_not_found() {
    let world = World::new().await;
    let nobody = refusal(&world, json!({})).await;
    assert_eq!(nobody.0, "ResourceNotFoundException");
    world.connect(Version::V5, "lamp").await.leave().await;
    assert_eq!(refusal(&world, json!({})).await, nobody);
    world.connect_with(keeping(Version::V5, "lamp")).await.leave().await;
    let (code, message) = refusal(&world, json!({})).await;
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "The client lamp is not connected; its session is kept.");
}

#[tokio::test]
async fn a_message_out_of_bounds_is_refused() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for more in [
        json!({"topic": "$aws/things/lamp/shadow/get"}),
        json!({"topic": "a/+"}),
        json!({"topic": ""}),
        json!({"topic": "1/2/3/4/5/6/7/8/9"}),
        json!({"responseTopic": "a/#"}),
        json!({"contentType": "x".repeat(257)}),
        json!({"correlationData": "not base64"}),
        json!({"userProperties": "{}"}),
        json!({"userProperties": r#"[{"a":1}]"#}),
        json!({"userProperties": "nonsense"}),
        json!({"timeout": 0}),
        json!({"timeout": -1}),
        json!({"timeout": 61}),
    ] {
        let (code, why) = refusal(&world, more.clone()).await;
        assert_eq!(code, "InvalidRequestException", "{more}");
        assert!(!why.is_empty());
    }
    let large = json!({"payload": "AAAA".repeat(128 * 1024 / 3 + 1)});
    assert_eq!(refusal(&world, large).await.0, "RequestEntityTooLargeException");
    assert_eq!(lamp.pending().await, []);
}

#[tokio::test]
async fn a_packet_that_the_client_does_not_take_is_not_sent() {
    let world = World::new().await;
    let mut asked = connect(Version::V5, "lamp");
    asked.properties.maximum_packet_size = Some(512);
    let mut lamp = world.connect_with(asked).await;
    let large = json!({"payload": "AAAA".repeat(200), "confirmation": true});
    assert_eq!(refusal(&world, large).await.0, "RequestEntityTooLargeException");
    assert_eq!(lamp.pending().await, []);
}

#[tokio::test]
async fn a_client_that_does_not_read_takes_no_more() {
    let world = World::new().await;
    let mut lamp = world.dial_as(Version::V5, knock(), 64);
    lamp.let_in(connect(Version::V5, "lamp")).await;
    let large = json!({"payload": "AAAA".repeat(40_000)});
    let mut sent = 0;
    let error = loop {
        match send(&world, large.clone()).await {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 1000, "there is a bound");
    };
    assert_eq!(error.code, "ThrottlingException");
}
