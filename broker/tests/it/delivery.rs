//! What a subscriber gets of a message, and when.

use std::time::Duration;

use mqtt::{Packet, Publish, PublishProperties, QoS, Version, reason};
use service::Knock;

use crate::BOTH;
use crate::client::{Client, bytes_of, connect, publish, texts};
use crate::world::{World, knock};

/// A client that takes so many messages without acknowledging one.
async fn ear_with_window(world: &World, receive_maximum: u16) -> Client {
    let mut asked = connect(Version::V5, "ear");
    asked.properties.receive_maximum = Some(receive_maximum);
    let mut ear = world.connect_with(asked).await;
    ear.subscribe("#", QoS::AtLeastOnce).await;
    ear
}

fn payloads(packets: &[Packet]) -> Vec<String> {
    texts(packets).into_iter().map(|(_, payload)| payload).collect()
}

#[tokio::test]
async fn properties_go_on_to_mqtt_5_and_no_further() {
    let world = World::new().await;
    let mut ears = Vec::new();
    for version in BOTH {
        let mut ear = world.connect(version, &format!("ear-{version:?}")).await;
        ear.subscribe("ask", QoS::AtMostOnce).await;
        ears.push(ear);
    }
    let pair = |name: &'static str, value: &'static str| (name.into(), value.into());
    let properties = PublishProperties {
        payload_is_utf8: Some(true),
        message_expiry_s: Some(60),
        response_topic: Some("answer".into()),
        correlation_data: Some("42".into()),
        user_properties: vec![pair("b", "1"), pair("a", "2"), pair("b", "1")],
        content_type: Some("text/plain".into()),
        ..PublishProperties::default()
    };
    let asked = Publish { properties: Some(Box::new(properties)), ..publish("ask", "?") };
    let mut lamp = world.connect(Version::V5, "lamp").await;
    lamp.send(Packet::Publish(asked.clone())).await;
    assert_eq!(ears[0].message().await, publish("ask", "?"));
    assert_eq!(ears[1].message().await, asked);
}

#[tokio::test]
async fn the_life_of_a_message_is_counted_down_while_it_waits() {
    let world = World::new().await;
    let mut ear = ear_with_window(&world, 1).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let lives = [None, Some(10), Some(4), Some(3), Some(0), Some(700_000)];
    for (number, life_s) in lives.into_iter().enumerate() {
        let mut message = lamp.at_least_once("t", &number.to_string());
        let properties =
            PublishProperties { message_expiry_s: life_s, ..PublishProperties::default() };
        message.properties = life_s.map(|_| Box::new(properties));
        lamp.deliver_with(message).await;
    }
    let mut message = ear.message().await;
    assert_eq!(message.payload, "0");
    world.server.clock().advance(Duration::from_millis(3001));
    // 0 is taken as 1, which is over like 3; what is too long is cut to a week.
    for (payload, left_s) in [("1", 6), ("2", 0), ("5", 604_796)] {
        ear.acknowledge(&message).await;
        message = ear.message().await;
        assert_eq!(message.payload, payload);
        assert_eq!(message.properties.as_ref().unwrap().message_expiry_s, Some(left_s));
    }
    ear.acknowledge(&message).await;
    assert_eq!(ear.pending().await, []);
}

#[tokio::test]
async fn a_message_may_expire_for_an_mqtt_3_client() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V311, "ear").await;
    ear.subscribe("#", QoS::AtLeastOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for number in 0..100 {
        lamp.deliver("t", &number.to_string()).await;
    }
    let properties =
        PublishProperties { message_expiry_s: Some(1), ..PublishProperties::default() };
    let short = Publish {
        properties: Some(Box::new(properties)),
        ..lamp.at_least_once("t", "short-lived")
    };
    lamp.deliver_with(short).await;
    lamp.deliver("t", "the last").await;
    let first = ear.pending().await;
    assert_eq!(first.len(), 100, "no more go out without an acknowledgement");
    world.server.clock().advance(Duration::from_millis(1001));
    let Packet::Publish(first) = &first[0] else { panic!("a message is expected") };
    ear.acknowledge(first).await;
    assert_eq!(payloads(&ear.pending().await), ["the last"]);
}

#[tokio::test]
async fn what_is_larger_than_the_client_takes_is_left_out() {
    let world = World::new().await;
    let mut asked = connect(Version::V5, "ear");
    asked.properties.maximum_packet_size = Some(512);
    asked.properties.receive_maximum = Some(1);
    let mut ear = world.connect_with(asked).await;
    ear.subscribe("t", QoS::AtLeastOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let head = bytes_of(Version::V5, &Packet::Publish(lamp.at_least_once("t", &"x".repeat(500))));
    let room = 512 - (head.len() - 500);
    for bytes in [room + 1, room, room + 1, 1] {
        assert_eq!(lamp.deliver("t", &"x".repeat(bytes)).await, reason::SUCCESS);
    }
    let largest = ear.message().await;
    assert_eq!(bytes_of(Version::V5, &Packet::Publish(largest.clone())).len(), 512);
    ear.acknowledge(&largest).await;
    assert_eq!(payloads(&ear.pending().await), ["x"], "none was counted as sent");
}

#[tokio::test]
async fn an_acknowledgement_lets_the_next_message_out() {
    let world = World::new().await;
    let mut ear = ear_with_window(&world, 2).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for number in 0..4 {
        lamp.deliver("t", &number.to_string()).await;
    }
    lamp.send(Packet::Publish(publish("t", "QoS 0"))).await;
    lamp.pending().await;
    let (first, second) = (ear.message().await, ear.message().await);
    assert_ne!(first.packet_id, second.packet_id);
    assert_eq!(ear.pending().await, []);
    ear.acknowledge(&second).await;
    let third = ear.message().await;
    assert_eq!(third.payload, "2");
    ear.acknowledge(&second).await;
    assert_eq!(ear.pending().await, [], "an acknowledgement counts once");
    ear.acknowledge(&first).await;
    assert_eq!(payloads(&ear.pending().await), ["3", "QoS 0"], "the order is kept");
}

#[tokio::test]
async fn nobody_gets_more_than_100_messages_without_acknowledging_one() {
    let world = World::new().await;
    let mut eager = ear_with_window(&world, u16::MAX).await;
    let mut old = world.connect(Version::V311, "old").await;
    old.subscribe("#", QoS::AtLeastOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for _ in 0..101 {
        lamp.deliver("t", "on").await;
    }
    assert_eq!(eager.pending().await.len(), 100);
    assert_eq!(old.pending().await.len(), 100);
}

#[tokio::test]
async fn a_large_message_reaches_everybody_whole() {
    let world = World::new().await;
    let mut ears = Vec::new();
    for number in 0..8 {
        let mut ear = world.connect(Version::V5, &format!("ear-{number}")).await;
        ear.subscribe("t", QoS::AtMostOnce).await;
        ears.push(ear);
    }
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let large: String = ('a'..='z').cycle().take(100_000).collect();
    lamp.deliver("t", &large).await;
    for ear in &mut ears {
        assert_eq!(ear.message().await, publish("t", &large));
    }
}

#[tokio::test]
async fn tenants_do_not_see_one_another() {
    let world = World::new().await;
    let abroad = Knock { server_name: Some("eu-west-1".to_owned()), ..knock() };
    let mut there = world.dial_as(Version::V5, abroad, 4096);
    there.let_in(connect(Version::V5, "lamp")).await;
    let mut here = world.connect(Version::V5, "lamp").await;
    for client in [&mut here, &mut there] {
        client.subscribe("#", QoS::AtMostOnce).await;
    }
    here.deliver("t", "here").await;
    there.deliver("t", "there").await;
    assert_eq!(payloads(&here.pending().await), ["here"]);
    assert_eq!(payloads(&there.pending().await), ["there"], "an id is taken in one tenant alone");
}
