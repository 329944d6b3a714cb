//! A client's Will: when it is published, and what of it arrives.

use std::time::Duration;

use mqtt::{Connect, Disconnect, Packet, Publish, PublishProperties, QoS, Version, Will, reason};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::BOTH;
use crate::client::{Client, connect, publish, texts, will};
use crate::world::World;

async fn listener(world: &World) -> Client {
    let mut client = world.connect(Version::V5, "listener").await;
    client.subscribe("last/+", QoS::AtLeastOnce).await;
    client
}

async fn mortal(world: &World, version: Version) -> Client {
    let left = Some(will("last/words", "gone"));
    world.connect_with(Connect { will: left, ..connect(version, "lamp") }).await
}

/// Holds that the Will has arrived, once.
async fn is_published(listener: &mut Client) {
    let expected = [("last/words".to_owned(), "gone".to_owned())];
    assert_eq!(texts(&listener.pending().await), expected);
}

#[tokio::test]
async fn a_lost_connection_publishes_the_will() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    for version in BOTH {
        let mut lamp = mortal(&world, version).await;
        lamp.stream.shutdown().await.unwrap();
        assert_eq!(lamp.rest().await, []);
        is_published(&mut listener).await;
    }
    assert_eq!(world.reasons("Disconnect"), vec![("lamp".to_owned(), "CONNECTION_LOST"); 2]);
}

#[tokio::test]
async fn a_goodbye_leaves_no_will() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    for version in BOTH {
        mortal(&world, version).await.leave().await;
        assert_eq!(listener.pending().await, []);
    }
    let reasons = vec![("lamp".to_owned(), "CLIENT_INITIATED_DISCONNECT"); 2];
    assert_eq!(world.reasons("Disconnect"), reasons);
}

#[tokio::test]
async fn a_goodbye_may_leave_the_will() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    let mut lamp = mortal(&world, Version::V5).await;
    let code = reason::DISCONNECT_WITH_WILL;
    lamp.send(Packet::Disconnect(Disconnect { code, ..Disconnect::default() })).await;
    assert_eq!(lamp.rest().await, []);
    is_published(&mut listener).await;
}

#[tokio::test]
async fn a_goodbye_in_anger_leaves_the_will() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    let mut lamp = mortal(&world, Version::V5).await;
    let code = reason::MALFORMED_PACKET;
    lamp.send(Packet::Disconnect(Disconnect { code, ..Disconnect::default() })).await;
    assert_eq!(lamp.rest().await, []);
    is_published(&mut listener).await;
}

#[tokio::test]
async fn what_a_client_must_not_do_publishes_its_will() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    for version in BOTH {
        let mut lamp = mortal(&world, version).await;
        lamp.send(Packet::Publish(publish("$reserved", "on"))).await;
        lamp.is_cut_off(reason::TOPIC_NAME_INVALID).await;
        is_published(&mut listener).await;
    }
    let mut lamp = mortal(&world, Version::V5).await;
    let mut goodbye = Disconnect::default();
    goodbye.properties.session_expiry_s = Some(60);
    lamp.send(Packet::Disconnect(goodbye)).await;
    lamp.is_cut_off(reason::PROTOCOL_ERROR).await;
    is_published(&mut listener).await;
}

#[tokio::test]
async fn silence_for_one_and_a_half_times_the_keep_alive_publishes_the_will() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    for (version, asked_s, lasts_s) in [(Version::V311, 1, 45), (Version::V5, 60, 90)] {
        let left = Some(will("last/words", "gone"));
        let asked = Connect { will: left, keep_alive_s: asked_s, ..connect(version, "lamp") };
        let mut lamp = world.connect_with(asked).await;
        let start = Instant::now();
        lamp.is_cut_off(reason::KEEP_ALIVE_TIMEOUT).await;
        // Timers of tokio tick in milliseconds and may be one late.
        assert_eq!(start.elapsed().as_secs(), lasts_s);
        is_published(&mut listener).await;
    }
    let reasons = vec![("lamp".to_owned(), "MQTT_KEEP_ALIVE_TIMEOUT"); 2];
    assert_eq!(world.reasons("Disconnect"), reasons);
}

#[tokio::test]
async fn every_packet_begins_the_keep_alive_anew() {
    let world = World::new().await;
    let asked = Connect { keep_alive_s: 30, ..connect(Version::V5, "lamp") };
    let mut lamp = world.connect_with(asked).await;
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(44)).await;
        lamp.pending().await;
    }
    let start = Instant::now();
    lamp.is_cut_off(reason::KEEP_ALIVE_TIMEOUT).await;
    assert_eq!(start.elapsed().as_secs(), 45);
}

#[tokio::test]
async fn what_is_sent_to_a_client_does_not_keep_it_alive() {
    let world = World::new().await;
    let asked = Connect { keep_alive_s: 30, ..connect(Version::V5, "ear") };
    let mut ear = world.connect_with(asked).await;
    ear.subscribe("t", QoS::AtMostOnce).await;
    let start = Instant::now();
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(20)).await;
        lamp.deliver("t", "on").await;
        ear.message().await;
    }
    ear.is_cut_off(reason::KEEP_ALIVE_TIMEOUT).await;
    assert_eq!(start.elapsed().as_secs(), 45);
}

#[tokio::test]
async fn a_will_arrives_with_its_properties_at_once() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    let properties = PublishProperties {
        payload_is_utf8: Some(true),
        message_expiry_s: Some(60),
        content_type: Some("text/plain".into()),
        user_properties: vec![("k".into(), "v".into())],
        ..PublishProperties::default()
    };
    let left = Will {
        qos: QoS::AtMostOnce,
        delay_s: Some(3600),
        properties: Some(Box::new(properties.clone())),
        ..will("last/words", "gone")
    };
    let asked = Connect { will: Some(left), ..connect(Version::V5, "lamp") };
    let lamp = world.connect_with(asked).await;
    world.server.clock().advance(Duration::from_secs(3600));
    drop(lamp);
    let expected =
        Publish { properties: Some(Box::new(properties)), ..publish("last/words", "gone") };
    assert_eq!(listener.message().await, expected, "its life begins when it is published");
}

#[tokio::test]
async fn the_life_of_a_will_is_held_to_the_bounds_of_a_message() {
    let world = World::new().await;
    let mut listener = listener(&world).await;
    for (asked_s, told_s) in [(0, 1), (700_000, 604_800)] {
        let properties =
            PublishProperties { message_expiry_s: Some(asked_s), ..PublishProperties::default() };
        let left = Will { properties: Some(Box::new(properties)), ..will("last/words", "gone") };
        let asked = Connect { will: Some(left), ..connect(Version::V5, "lamp") };
        drop(world.connect_with(asked).await);
        let published = listener.message().await;
        assert_eq!(published.properties.unwrap().message_expiry_s, Some(told_s));
    }
}

#[tokio::test]
async fn nobody_receives_a_will_of_their_own() {
    let world = World::new().await;
    let mut lamp = mortal(&world, Version::V5).await;
    lamp.subscribe("last/+", QoS::AtLeastOnce).await;
    lamp.send(Packet::Pingresp).await;
    lamp.is_cut_off(reason::PROTOCOL_ERROR).await;
}
