//! Retained messages: what is kept, for whom, for how long, and who may have it kept.

use std::time::Duration;

use model::iot_data::op::{GetRetainedMessage, ListRetainedMessages};
use mqtt::{
    Connect, Packet, Publish, PublishProperties, QoS, RetainHandling, Subscription,
    SubscriptionOptions, Version, reason,
};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::BOTH;
use crate::client::{Client, connect, publish, subscription, texts, will};
use crate::world::{World, policy};

/// Has a message of QoS 1 kept, and waits until it is safe.
async fn keep(lamp: &mut Client, topic: &str, payload: &str) -> u8 {
    let message = Publish { retain: true, ..lamp.at_least_once(topic, payload) };
    lamp.deliver_with(message).await
}

/// Whoever subscribes to `filter` now, and what it is brought.
async fn newcomer(world: &World, filter: &str) -> Vec<Publish> {
    let mut ear = world.connect(Version::V5, "newcomer").await;
    ear.subscribe(filter, QoS::AtLeastOnce).await;
    let brought = ear.pending().await.into_iter().map(|packet| match packet {
        Packet::Publish(publish) => publish,
        other => panic!("PUBLISH is expected, not {other:?}"),
    });
    let brought = brought.collect();
    ear.leave().await;
    brought
}

fn payloads(messages: &[Publish]) -> Vec<&[u8]> {
    messages.iter().map(|message| &*message.payload).collect()
}

#[tokio::test]
async fn whoever_subscribes_later_is_brought_the_last_message() {
    let world = World::new().await;
    for version in BOTH {
        let mut lamp = world.connect(version, "lamp").await;
        for state in ["on", "off"] {
            assert_eq!(keep(&mut lamp, "lamp/state", state).await, reason::SUCCESS);
        }
        let brought = newcomer(&world, "lamp/state").await;
        assert_eq!(payloads(&brought), [b"off"]);
        assert!(brought[0].retain && brought[0].qos == QoS::AtLeastOnce, "{brought:?}");
    }
}

#[tokio::test]
async fn an_empty_message_clears_its_topic() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    keep(&mut lamp, "lamp/state", "on").await;
    keep(&mut lamp, "lamp/state", "").await;
    assert_eq!(newcomer(&world, "lamp/state").await, []);
    keep(&mut lamp, "lamp/state", "").await;
    let listed = world.server.call::<ListRetainedMessages>(json!({})).await.unwrap();
    assert_eq!(listed, json!({ "retainedTopics": [] }));
}

#[tokio::test]
async fn a_plain_message_leaves_the_one_that_is_kept() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    keep(&mut lamp, "lamp/state", "on").await;
    lamp.deliver("lamp/state", "passing").await;
    assert_eq!(payloads(&newcomer(&world, "lamp/state").await), [b"on"]);
}

#[tokio::test]
async fn a_filter_with_wildcards_is_brought_nothing() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    keep(&mut lamp, "lamp/state", "on").await;
    for filter in ["lamp/+", "#"] {
        assert_eq!(newcomer(&world, filter).await, []);
    }
}

#[tokio::test]
async fn whoever_listens_already_hears_it_as_any_other() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    let mut published = subscription("lamp/state", QoS::AtLeastOnce);
    published.options.retain_as_published = true;
    let mut other = world.connect(Version::V5, "other").await;
    ear.subscribe("lamp/state", QoS::AtLeastOnce).await;
    other.subscribe_with(vec![published]).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    keep(&mut lamp, "lamp/state", "on").await;
    assert!(!ear.message().await.retain, "live messages are not marked");
    assert!(other.message().await.retain, "but for whoever wants them as published");
}

#[tokio::test]
async fn a_subscription_says_whether_it_wants_what_is_kept() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    keep(&mut lamp, "t", "on").await;
    let mut ear = world.connect(Version::V5, "ear").await;
    let mut ask = async |handling| {
        let SubscriptionOptions { qos, no_local, retain_as_published, .. } =
            subscription("t", QoS::AtMostOnce).options;
        let retain_handling = handling;
        let options = SubscriptionOptions { qos, no_local, retain_as_published, retain_handling };
        ear.subscribe_with(vec![Subscription { filter: "t".into(), options }]).await;
        texts(&ear.pending().await).len()
    };
    assert_eq!(ask(RetainHandling::DoNotSend).await, 0);
    assert_eq!(ask(RetainHandling::SendIfNew).await, 0, "the subscription is there");
    assert_eq!(ask(RetainHandling::Send).await, 1);
}

#[tokio::test]
async fn a_message_is_kept_for_as_long_as_it_lives_with_its_properties() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let properties = PublishProperties {
        message_expiry_s: Some(60),
        content_type: Some("text/plain".into()),
        user_properties: vec![("k".into(), "v".into())],
        ..PublishProperties::default()
    };
    let message = Publish {
        retain: true,
        properties: Some(Box::new(properties.clone())),
        ..lamp.at_least_once("t", "on")
    };
    lamp.deliver_with(message).await;
    world.server.clock().advance(Duration::from_secs(20));
    let brought = newcomer(&world, "t").await;
    let left = PublishProperties { message_expiry_s: Some(40), ..properties };
    assert_eq!(brought[0].properties.as_deref(), Some(&left));
    world.server.clock().advance(Duration::from_secs(41));
    assert_eq!(newcomer(&world, "t").await, []);
    let topic = json!({ "topic": "t" });
    world.server.call::<GetRetainedMessage>(topic).await.unwrap_err();
}

#[tokio::test]
async fn a_will_may_be_kept() {
    let world = World::new().await;
    let left = Some(mqtt::Will { retain: true, ..will("last/words", "gone") });
    let mut lamp = world.connect_with(Connect { will: left, ..connect(Version::V5, "lamp") }).await;
    lamp.stream.shutdown().await.unwrap();
    assert_eq!(lamp.rest().await, []);
    // The Will is written behind: a message that is acknowledged was written after it.
    let mut other = world.connect(Version::V5, "other").await;
    keep(&mut other, "fence", "up").await;
    assert_eq!(payloads(&newcomer(&world, "last/words").await), [b"gone"]);
}

#[tokio::test]
async fn to_keep_a_message_needs_a_permission_of_its_own() {
    let world = World::new().await;
    let without = [("Allow", "Connect", "client/*"), ("Allow", "Publish", "topic/*")];
    world.set_policy("lamp", &policy(&without));
    let mut lamp = world.connect(Version::V5, "lamp").await;
    assert_eq!(lamp.deliver("t", "on").await, reason::SUCCESS);
    assert_eq!(keep(&mut lamp, "t", "on").await, reason::NOT_AUTHORIZED);
    let refusal = world.logged("Publish-In").pop().unwrap();
    assert!(refusal.details.starts_with("iot:RetainPublish on "), "{refusal:?}");
    let left = Some(mqtt::Will { retain: true, ..will("t", "gone") });
    let told = world.answer(Connect { will: left, ..connect(Version::V5, "lamp") }).await;
    assert_eq!(told.unwrap().code, reason::NOT_AUTHORIZED);
}

#[tokio::test]
async fn what_is_kept_can_be_asked_for() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for topic in ["b/2", "a", "b/1"] {
        keep(&mut lamp, topic, "on").await;
    }
    let now = world.server.clock().now().millis();
    let told = world.server.call::<GetRetainedMessage>(json!({ "topic": "b/1" })).await.unwrap();
    let expected = json!({
        "topic": "b/1", "payload": "b24=", "qos": 1, "lastModifiedTime": now,
    });
    assert_eq!(told, expected);
    let page = world.server.call::<ListRetainedMessages>(json!({ "maxResults": 2 })).await;
    let page = page.unwrap();
    let summary =
        |topic| json!({ "topic": topic, "payloadSize": 2, "qos": 1, "lastModifiedTime": now });
    assert_eq!(page["retainedTopics"], json!([summary("a"), summary("b/1")]));
    let rest = json!({ "nextToken": page["nextToken"] });
    let rest = world.server.call::<ListRetainedMessages>(rest).await.unwrap();
    assert_eq!(rest, json!({ "retainedTopics": [summary("b/2")] }));
    let error = world.server.call::<GetRetainedMessage>(json!({ "topic": "c" })).await.unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
}

/// So many retained messages of QoS 1, as they stand on the wire.
fn many(client: &mut Client, count: usize) -> bytes::BytesMut {
    let mut bytes = bytes::BytesMut::new();
    for number in 0..count {
        let topic = format!("t/{}", number % 7);
        let message = Publish { retain: true, ..client.at_least_once(&topic, &number.to_string()) };
        Packet::Publish(message).encode(client.version, &mut bytes);
    }
    bytes
}

#[tokio::test]
async fn whoever_sends_many_at_once_has_them_all_acknowledged() {
    let world = World::new().await;
    for (version, count) in [(Version::V311, 1000), (Version::V5, 100)] {
        let mut lamp = world.connect(version, "lamp").await;
        let bytes = many(&mut lamp, count);
        lamp.write(&bytes).await;
        for _ in 0..count {
            let answer = lamp.packet().await;
            assert!(matches!(&answer, Packet::Puback(ack) if ack.code == 0), "{answer:?}");
        }
        let last = (0..count).rev().find(|number| number % 7 == 5).unwrap().to_string();
        assert_eq!(payloads(&newcomer(&world, "t/5").await), [last.as_bytes()]);
    }
}

#[tokio::test]
async fn a_client_of_mqtt_5_keeps_to_the_receive_maximum() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let bytes = many(&mut lamp, 101);
    lamp.write(&bytes).await;
    lamp.is_cut_off(reason::RECEIVE_MAXIMUM_EXCEEDED).await;
}

#[tokio::test]
async fn messages_without_an_acknowledgement_are_kept_too() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V311, "lamp").await;
    for number in 0..300 {
        let message = Publish { retain: true, ..publish("t", &number.to_string()) };
        lamp.send(Packet::Publish(message)).await;
    }
    keep(&mut lamp, "fence", "up").await;
    let brought = newcomer(&world, "t").await;
    assert_eq!(payloads(&brought), [b"299"]);
    assert_eq!(brought[0].qos, QoS::AtMostOnce);
}

#[tokio::test]
async fn where_there_is_no_room_a_new_topic_is_refused_and_an_old_one_is_written() {
    let world = World::within(|limits| limits.mqtt_retained_messages_max = 2).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let mut kept = Vec::new();
    for topic in ["a", "b", "c", "a"] {
        kept.push(keep(&mut lamp, topic, "on").await);
    }
    assert_eq!(kept, [0, 0, reason::QUOTA_EXCEEDED, 0]);
    assert_eq!(world.reasons("Publish-In"), [("lamp".to_owned(), "RETAINED_MESSAGES_EXCEEDED")]);
    assert_eq!(world.logged("Publish-In")[0].topic_name.as_deref(), Some("c"));
    keep(&mut lamp, "b", "").await;
    assert_eq!(keep(&mut lamp, "c", "on").await, 0, "there is room again");
}

#[tokio::test]
async fn a_client_of_mqtt_3_1_1_hears_nothing_of_a_message_without_room_and_goes_on() {
    let world = World::within(|limits| limits.mqtt_retained_messages_max = 0).await;
    let mut lamp = world.connect(Version::V311, "lamp").await;
    let bytes = many(&mut lamp, 200);
    lamp.write(&bytes).await;
    let plain = lamp.at_least_once("t", "plain");
    assert_eq!(lamp.deliver_with(plain).await, 0);
    let logged = world.reasons("Publish-In");
    assert!(logged.contains(&("lamp".to_owned(), "RETAINED_MESSAGES_EXCEEDED")), "{logged:?}");
}
