//! The last client with an id wins.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mqtt::{Connect, Packet, QoS, Version, reason};

use crate::BOTH;
use crate::client::{Client, bytes_of, connect, subscription, texts, will};
use crate::world::{World, policy};

#[tokio::test]
async fn whoever_connects_last_has_the_id() {
    let world = World::new().await;
    for (old, new) in [(Version::V311, Version::V5), (Version::V5, Version::V311)] {
        let mut first = world.connect(old, "lamp").await;
        first.subscribe("t", QoS::AtMostOnce).await;
        let mut second = world.connect(new, "lamp").await;
        first.is_cut_off(reason::SESSION_TAKEN_OVER).await;
        second.subscribe("t", QoS::AtMostOnce).await;
        second.deliver("t", "on").await;
        assert_eq!(second.pending().await.len(), 1);
        second.leave().await;
    }
    let taken = world.reasons("Disconnect").into_iter().filter(|(_, r)| *r == "DUPLICATE_CLIENTID");
    assert_eq!(taken.count(), 2);
}

#[tokio::test]
async fn the_old_will_is_published_before_the_new_client_is_in() {
    let world = World::new().await;
    let mut listener = world.connect(Version::V5, "listener").await;
    listener.subscribe("last", QoS::AtMostOnce).await;
    for version in BOTH {
        let left = Some(will("last", "old"));
        let mut old = world.connect_with(Connect { will: left, ..connect(version, "lamp") }).await;
        old.subscribe("last", QoS::AtMostOnce).await;
        let mut new = world.dial(version);
        new.write(&hasty(version, "lamp", "last")).await;
        assert!(matches!(new.packet().await, Packet::Connack(_)));
        assert!(matches!(new.packet().await, Packet::Suback(_)));
        assert_eq!(new.pending().await, [], "a device does not receive its own Will");
        let heard = texts(&listener.pending().await);
        assert_eq!(heard, [("last".to_owned(), "old".to_owned())]);
        old.is_cut_off(reason::SESSION_TAKEN_OVER).await;
        new.leave().await;
    }
}

#[tokio::test]
async fn a_client_that_is_refused_replaces_nobody() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    world.set_policy("lamp", &policy(&[("Allow", "Connect", "client/fan")]));
    assert_eq!(world.answer(connect(Version::V5, "lamp")).await.unwrap().code, 0x87);
    assert_eq!(lamp.pending().await, []);
}

#[tokio::test]
async fn an_old_connection_that_does_not_listen_holds_nobody_up() {
    let world = World::new().await;
    let mut old = world.dial_as(Version::V5, crate::world::knock(), 64);
    old.let_in(connect(Version::V5, "lamp")).await;
    old.subscribe("t", QoS::AtMostOnce).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    for _ in 0..100 {
        fan.deliver("t", "old does not read this").await;
    }
    let start = tokio::time::Instant::now();
    let mut new = world.connect(Version::V5, "lamp").await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(new.pending().await, []);
}

/// Whether a client still has its connection.
async fn is_alive(client: &mut Client) -> bool {
    client.send(Packet::Pingreq).await;
    match client.next().await {
        Some(Packet::Pingresp) => true,
        Some(Packet::Disconnect(told)) => {
            assert_eq!(told.code, reason::SESSION_TAKEN_OVER);
            false
        }
        other => panic!("PINGRESP or DISCONNECT is expected, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn of_three_that_race_one_has_the_id() {
    let world = Arc::new(World::in_real_time().await);
    let race = async {
        for _ in 0..100 {
            let one = || world.connect(Version::V5, "lamp");
            let (mut a, mut b, mut c) = tokio::join!(one(), one(), one());
            let mut alive = 0;
            for client in [&mut a, &mut b, &mut c] {
                alive += u32::from(is_alive(client).await);
            }
            assert_eq!(alive, 1);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), race).await.expect("nobody waits for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_device_that_comes_back_never_receives_its_own_will() {
    let world = World::in_real_time().await;
    let again = async {
        for _ in 0..300 {
            let left = Some(will("last", "old"));
            let asked = Connect { will: left, ..connect(Version::V5, "lamp") };
            let old = world.connect_with(asked).await;
            let mut new = world.dial(Version::V5);
            // The old connection is lost and replaced at the same moment.
            let bytes = hasty(Version::V5, "lamp", "last");
            tokio::join!(async { drop(old) }, new.write(&bytes));
            assert!(matches!(new.packet().await, Packet::Connack(_)));
            assert!(matches!(new.packet().await, Packet::Suback(_)));
            assert_eq!(new.pending().await, []);
            new.leave().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("nobody waits for ever");
}

/// CONNECT and at once SUBSCRIBE.
fn hasty(version: Version, id: &str, filter: &str) -> BytesMut {
    let subscribe = mqtt::Subscribe {
        packet_id: mqtt::PacketId::MIN,
        properties: mqtt::SubscribeProperties::default(),
        subscriptions: vec![subscription(filter, QoS::AtMostOnce)],
    };
    let mut bytes = bytes_of(version, &Packet::Connect(Box::new(connect(version, id))));
    Packet::Subscribe(subscribe).encode(version, &mut bytes);
    bytes
}
