//! PUBLISH: what is taken, and how each thing that is not is refused.

use mqtt::{Packet, Publish, PublishProperties, QoS, Version, reason};
use service::DeviceStatus;

use crate::BOTH;
use crate::client::{Client, publish, texts};
use crate::world::{World, arn, policy};

/// Somebody who hears everything.
async fn listener(world: &World) -> Client {
    let mut client = world.connect(Version::V5, "listener").await;
    client.subscribe("#", QoS::AtLeastOnce).await;
    client
}

fn with_properties(topic: &str, change: impl FnOnce(&mut PublishProperties)) -> Publish {
    let mut properties = PublishProperties::default();
    change(&mut properties);
    Publish { properties: Some(Box::new(properties)), ..publish(topic, "on") }
}

fn with_alias(topic: &str, alias: u16) -> Publish {
    with_properties(topic, |properties| properties.topic_alias = Some(alias))
}

/// Holds that a message ends its connection, with `code` in MQTT 5, and reaches nobody.
async fn ends(world: &World, version: Version, message: Publish, code: u8) {
    let mut listener = listener(world).await;
    let mut lamp = world.connect(version, "lamp").await;
    lamp.send(Packet::Publish(message)).await;
    lamp.is_cut_off(code).await;
    assert_eq!(listener.pending().await, []);
    let last = world.logged("Disconnect").pop().unwrap();
    assert_eq!((last.client_id.as_deref(), last.status), (Some("lamp"), DeviceStatus::Failure));
    listener.leave().await;
}

#[tokio::test]
async fn a_message_reaches_whoever_subscribes_in_either_version() {
    let world = World::new().await;
    for version in BOTH {
        let mut ears = Vec::new();
        for version in BOTH {
            let mut ear = world.connect(version, &format!("ear-{version:?}")).await;
            ear.subscribe("lamp/+", QoS::AtLeastOnce).await;
            ears.push(ear);
        }
        let mut lamp = world.connect(version, "lamp").await;
        lamp.send(Packet::Publish(publish("lamp/state", "on"))).await;
        assert_eq!(lamp.deliver("lamp/state", "off").await, reason::SUCCESS);
        for ear in &mut ears {
            assert_eq!(ear.message().await, publish("lamp/state", "on"));
            let second = ear.message().await;
            let expected = Publish {
                qos: QoS::AtLeastOnce,
                packet_id: second.packet_id,
                ..publish("lamp/state", "off")
            };
            assert!(second.packet_id.is_some());
            assert_eq!(second, expected);
        }
    }
}

#[tokio::test]
async fn a_message_that_nobody_wants_is_acknowledged() {
    let world = World::new().await;
    for version in BOTH {
        let mut lamp = world.connect(version, "lamp").await;
        assert_eq!(lamp.deliver("lamp/state", "on").await, reason::SUCCESS);
    }
}

#[tokio::test]
async fn a_message_marked_as_a_duplicate_is_one_more_message() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let message = Publish { dup: true, ..lamp.at_least_once("lamp", "on") };
    assert_eq!(lamp.deliver_with(message).await, reason::SUCCESS);
    assert!(!listener.message().await.dup);
}

#[tokio::test]
async fn an_alias_stands_for_the_topic_that_it_was_last_given() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for message in [
        with_alias("one", 1),
        with_alias("eight", 8),
        with_alias("", 1),
        with_alias("uno", 1),
        with_alias("", 8),
        with_alias("", 1),
    ] {
        lamp.send(Packet::Publish(message)).await;
    }
    for topic in ["one", "eight", "one", "uno", "eight", "uno"] {
        let message = listener.message().await;
        assert_eq!(message.topic, topic);
        assert_eq!(message.properties, None, "an alias is between two parties alone");
    }
}

#[tokio::test]
async fn an_alias_that_stands_for_nothing_ends_the_connection() {
    let world = World::new().await;
    ends(&world, Version::V5, with_alias("nine", 9), reason::TOPIC_ALIAS_INVALID).await;
    ends(&world, Version::V5, with_alias("", 9), reason::TOPIC_ALIAS_INVALID).await;
    ends(&world, Version::V5, with_alias("zero", 0), reason::TOPIC_ALIAS_INVALID).await;
    ends(&world, Version::V5, with_alias("", 3), reason::PROTOCOL_ERROR).await;
}

#[tokio::test]
async fn a_topic_is_held_to_256_bytes_and_7_slashes() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let longest = "x".repeat(256);
    for topic in [longest.as_str(), "1/2/3/4/5/6/7/8", "///////"] {
        assert_eq!(lamp.deliver(topic, "on").await, reason::SUCCESS);
        assert_eq!(listener.message().await.topic, topic);
    }
    listener.leave().await;
    for version in BOTH {
        for topic in ["x".repeat(257).as_str(), "1/2/3/4/5/6/7/8/9", "////////"] {
            ends(&world, version, publish(topic, "on"), reason::TOPIC_NAME_INVALID).await;
        }
    }
}

#[tokio::test]
async fn reserved_topics_are_refused() {
    let world = World::new().await;
    for version in BOTH {
        for topic in ["$aws/things/lamp/shadow/update", "$aws/rules/r/t", "$SYS", "$"] {
            ends(&world, version, publish(topic, "{}"), reason::TOPIC_NAME_INVALID).await;
        }
    }
}

#[tokio::test]
async fn a_payload_has_at_most_128_kib() {
    let world = World::new().await;
    let largest = "x".repeat(128 * 1024);
    for version in BOTH {
        let mut listener = listener(&world).await;
        let mut lamp = world.connect(version, "lamp").await;
        assert_eq!(lamp.deliver("lamp", &largest).await, reason::SUCCESS);
        assert_eq!(listener.message().await.payload, largest);
        listener.leave().await;
        let too_large = format!("{largest}x");
        ends(&world, version, publish("lamp", &too_large), reason::PACKET_TOO_LARGE).await;
        let too_large = "x".repeat(149_504);
        ends(&world, version, publish("lamp", &too_large), reason::PACKET_TOO_LARGE).await;
    }
}

#[tokio::test]
async fn what_is_not_offered_is_refused() {
    let world = World::new().await;
    for version in BOTH {
        let once = Publish {
            qos: QoS::ExactlyOnce,
            packet_id: Some(mqtt::PacketId::MIN),
            ..publish("lamp", "on")
        };
        ends(&world, version, once, reason::QOS_NOT_SUPPORTED).await;
    }
}

#[tokio::test]
async fn properties_are_held_to_the_bounds_of_aws() {
    type Change = fn(&mut PublishProperties);
    let good: [Change; 3] = [
        |p| p.content_type = Some("x".repeat(256).into()),
        |p| p.correlation_data = Some(vec![0; 8192].into()),
        |p| p.user_properties = vec![("k".repeat(4096).into(), "v".repeat(4096).into())],
    ];
    let world = World::new().await;
    let mut listener = listener(&world).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for change in good {
        let message = with_properties("lamp", change);
        lamp.send(Packet::Publish(message.clone())).await;
        assert_eq!(listener.message().await, message);
    }
    let bad: [(Change, u8); 4] = [
        (|p| p.content_type = Some("x".repeat(257).into()), reason::QUOTA_EXCEEDED),
        (|p| p.correlation_data = Some(vec![0; 8193].into()), reason::QUOTA_EXCEEDED),
        (
            |p| {
                p.user_properties =
                    vec![("k".into(), "v".into()), ("k".into(), "v".repeat(8190).into())];
            },
            reason::QUOTA_EXCEEDED,
        ),
        (|p| p.subscription_ids = vec![1], reason::PROTOCOL_ERROR),
    ];
    for (change, code) in bad {
        ends(&world, Version::V5, with_properties("lamp", change), code).await;
    }
}

#[tokio::test]
async fn packets_that_are_not_for_a_client_to_send_end_the_connection() {
    let world = World::new().await;
    let ack = |packet: u8| [packet, 2, 0, 1];
    let cases: [(&[u8], u8); 8] = [
        (&ack(0x50), reason::PROTOCOL_ERROR),
        (&ack(0x62), reason::PROTOCOL_ERROR),
        (&ack(0x70), reason::PROTOCOL_ERROR),
        (&[0x20, 3, 0, 0, 0], reason::PROTOCOL_ERROR),
        (&[0x90, 4, 0, 1, 0, 0], reason::PROTOCOL_ERROR),
        (&[0xB0, 4, 0, 1, 0, 0], reason::PROTOCOL_ERROR),
        (&[0xD0, 0], reason::PROTOCOL_ERROR),
        (&[0x00, 0], reason::MALFORMED_PACKET),
    ];
    for version in BOTH {
        for (bytes, code) in cases {
            let mut client = world.connect(version, "lamp").await;
            client.write(bytes).await;
            client.is_cut_off(code).await;
        }
    }
    let mut client = world.connect(Version::V5, "lamp").await;
    client.write(&[0xF0, 0]).await;
    client.is_cut_off(reason::PROTOCOL_ERROR).await;
}

#[tokio::test]
async fn a_message_that_no_policy_allows_is_refused_and_explained() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    world.set_policy(
        "lamp",
        &policy(&[("Allow", "Connect", "client/lamp"), ("Allow", "Publish", "topic/lamp/*")]),
    );
    let mut lamp = world.connect(Version::V5, "lamp").await;
    assert_eq!(lamp.deliver("lamp/state", "on").await, reason::SUCCESS);
    assert_eq!(lamp.deliver("fan/state", "on").await, reason::NOT_AUTHORIZED);
    assert_eq!(lamp.deliver("lamp/state", "off").await, reason::SUCCESS);
    lamp.send(Packet::Publish(publish("fan/state", "on"))).await;
    lamp.is_cut_off(reason::NOT_AUTHORIZED).await;
    let mut lamp = world.connect(Version::V311, "lamp").await;
    let message = lamp.at_least_once("fan/state", "on");
    lamp.send(Packet::Publish(message)).await;
    lamp.is_cut_off(reason::NOT_AUTHORIZED).await;

    let heard = texts(&listener.pending().await);
    let payloads: Vec<_> = heard.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!(payloads, ["on", "off"]);
    let refused = world.logged("Publish-In");
    assert_eq!(refused.len(), 3);
    for event in refused {
        assert_eq!(
            (event.reason, event.topic_name.as_deref()),
            ("AUTHORIZATION_FAILURE", Some("fan/state"),)
        );
        let begin = format!("iot:Publish on {}", arn("topic/fan/state"));
        assert!(event.details.starts_with(&begin), "{}", event.details);
    }
}

#[tokio::test]
async fn a_client_that_wants_no_explanations_gets_none() {
    let world = World::new().await;
    world.set_policy("lamp", &policy(&[("Allow", "Connect", "client/lamp")]));
    for wants in [None, Some(true), Some(false)] {
        let mut asked = crate::client::connect(Version::V5, "lamp");
        asked.properties.request_problem_information = wants;
        let mut lamp = world.connect_with(asked).await;
        let message = lamp.at_least_once("lamp", "on");
        lamp.send(Packet::Publish(message)).await;
        let Packet::Puback(ack) = lamp.packet().await else { panic!("PUBACK is expected") };
        assert_eq!(ack.properties.is_some(), wants != Some(false));
        lamp.send(Packet::Publish(publish("lamp", "on"))).await;
        let Packet::Disconnect(told) = lamp.packet().await else {
            panic!("DISCONNECT is expected")
        };
        assert_eq!(told.properties.reason_string.is_some(), wants != Some(false));
    }
}

#[tokio::test]
async fn an_explanation_that_the_client_cannot_take_is_left_out() {
    let world = World::new().await;
    world.set_policy("lamp", &policy(&[("Allow", "Connect", "client/lamp")]));
    let mut asked = crate::client::connect(Version::V5, "lamp");
    asked.properties.maximum_packet_size = Some(512);
    let mut lamp = world.connect_with(asked).await;
    let filters: Vec<String> = (0..8).map(|n| format!("{n}{}", "x".repeat(240))).collect();
    let wanted: Vec<_> =
        filters.iter().map(|f| crate::client::subscription(f, QoS::AtMostOnce)).collect();
    lamp.send(Packet::Subscribe(mqtt::Subscribe {
        packet_id: mqtt::PacketId::MIN,
        properties: mqtt::SubscribeProperties::default(),
        subscriptions: wanted,
    }))
    .await;
    let suback = lamp.packet().await;
    let bytes = crate::client::bytes_of(Version::V5, &suback).len();
    assert!(bytes <= 512, "{bytes} bytes of at most 512");
}
