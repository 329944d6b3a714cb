//! QoS 2, which the standards' dialect offers: each message arrives once, whatever breaks.

use std::time::Duration;

use env::Random;
use mqtt::{Ack, Packet, Publish, QoS, Version, reason};

use crate::BOTH;
use crate::client::{Client, connect, keeping, payload};
use crate::world::{World, settle};

const QOS_2: QoS = QoS::ExactlyOnce;

/// A client whose session is kept, and takes `t` with QoS 2.
async fn lamp(world: &World, version: Version) -> Client {
    let mut lamp = world.connect_with(keeping(version, "lamp")).await;
    lamp.subscribe("t", QOS_2).await;
    lamp
}

async fn back(world: &World, version: Version, id: &str) -> Client {
    let (client, is_present) = world.come(keeping(version, id)).await;
    assert!(is_present, "the session of {id} is there");
    client
}

/// Publishes a message to its end.
async fn publish_fully(client: &mut Client, text: &str) {
    let message = client.exactly_once("t", text);
    let id = message.packet_id.unwrap();
    client.send(Packet::Publish(message)).await;
    assert_eq!(client.packet().await, Packet::Pubrec(plain(id.get(), 0)));
    client.answer(Packet::Pubrel, id).await;
    assert_eq!(client.packet().await, Packet::Pubcomp(plain(id.get(), 0)));
}

fn plain(id: u16, code: u8) -> Ack {
    Ack { packet_id: mqtt::PacketId::new(id).unwrap(), code, properties: None }
}

/// What has come once nothing is left to do.
async fn arrived(client: &mut Client) -> Vec<Packet> {
    settle().await;
    client.pending().await
}

/// Takes all messages to their end.
async fn take_fully(client: &mut Client) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let packets = arrived(client).await;
        if packets.is_empty() {
            return texts;
        }
        for packet in packets {
            match packet {
                Packet::Publish(message) => {
                    texts.push(payload(&message));
                    client.answer(Packet::Pubrec, message.packet_id.unwrap()).await;
                }
                Packet::Pubrel(ack) => client.answer(Packet::Pubcomp, ack.packet_id).await,
                other => panic!("a part of QoS 2 is expected, not {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_message_goes_through_all_its_packets_both_ways() {
    let world = World::standard().await;
    for version in BOTH {
        for asked in [keeping, connect] {
            let mut lamp = world.connect_with(asked(version, "lamp")).await;
            lamp.subscribe("t", QOS_2).await;
            let mut fan = world.connect_with(asked(version, "fan")).await;
            publish_fully(&mut fan, "a").await;
            publish_fully(&mut fan, "b").await;
            assert_eq!(take_fully(&mut lamp).await, ["a", "b"]);
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(world.server.app().journal.size().entries, 0, "it is forgotten");
            for id in ["lamp", "fan"] {
                world.connect(version, id).await.leave().await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_has_the_lower_qos_of_two() {
    let world = World::standard().await;
    let mut lamp = world.connect_with(keeping(Version::V5, "lamp")).await;
    let asked = [("zero", QoS::AtMostOnce), ("one", QoS::AtLeastOnce), ("two", QOS_2)];
    assert_eq!(lamp.ask_for(&asked).await, [0, 1, 2]);
    let mut fan = world.connect(Version::V5, "fan").await;
    for (topic, granted) in asked {
        let message = Publish { topic: topic.into(), ..fan.exactly_once("t", "a") };
        fan.send(Packet::Publish(message)).await;
        let Packet::Publish(message) = arrived(&mut lamp).await.remove(0) else { panic!() };
        assert_eq!(message.qos, granted);
    }
    let mut old = world.connect_with(keeping(Version::V311, "old")).await;
    assert_eq!(old.ask_for(&asked).await, [0, 1, 2]);
}

#[tokio::test]
async fn a_message_that_comes_twice_is_delivered_once() {
    let mut world = World::standard().await;
    for version in BOTH {
        let mut lamp = lamp(&world, version).await;
        let mut fan = world.connect_with(keeping(version, "fan")).await;
        let message = fan.exactly_once("t", "a");
        let id = message.packet_id.unwrap();
        let received = Packet::Pubrec(plain(id.get(), 0));
        for round in 0..4 {
            fan.send(Packet::Publish(Publish { dup: round > 0, ..message.clone() })).await;
            assert_eq!(fan.packet().await, received);
            match round {
                0 => continue,
                1 => drop(fan),
                _ => {
                    drop(fan);
                    drop(lamp);
                    world.crash(&Random::seeded(round)).await;
                    lamp = back(&world, version, "lamp").await;
                }
            }
            fan = back(&world, version, "fan").await;
        }
        fan.answer(Packet::Pubrel, id).await;
        assert_eq!(fan.packet().await, Packet::Pubcomp(plain(id.get(), 0)));
        assert_eq!(take_fully(&mut lamp).await, ["a"]);
        fan.send(Packet::Publish(message)).await;
        assert_eq!(fan.packet().await, received, "the id is free again");
        assert_eq!(take_fully(&mut lamp).await, ["a"], "and this is another message");
        for id in ["lamp", "fan"] {
            world.connect(version, id).await.leave().await;
        }
    }
}

#[tokio::test]
async fn a_publisher_that_comes_back_before_its_message_is_safe_is_told_when_it_is() {
    let world = World::standard().await;
    lamp(&world, Version::V5).await.leave().await;
    for version in BOTH {
        let mut fan = world.connect_with(keeping(version, "fan")).await;
        world.disk.set_delay(Duration::from_secs(50));
        let message = fan.exactly_once("t", "a");
        let id = message.packet_id.unwrap();
        fan.send(Packet::Publish(message.clone())).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        drop(fan);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut fan = back(&world, version, "fan").await;
        fan.send(Packet::Publish(Publish { dup: true, ..message.clone() })).await;
        assert_eq!(arrived(&mut fan).await, []);
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(arrived(&mut fan).await, [Packet::Pubrec(plain(id.get(), 0))]);
        drop(fan);
        // Or it was made safe while it was away.
        let mut fan = back(&world, version, "fan").await;
        let id = mqtt::PacketId::new(40).unwrap();
        let message = Publish { packet_id: Some(id), ..fan.exactly_once("t", "b") };
        fan.send(Packet::Publish(message.clone())).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        drop(fan);
        tokio::time::sleep(Duration::from_secs(100)).await;
        world.disk.set_delay(Duration::ZERO);
        let mut fan = back(&world, version, "fan").await;
        fan.send(Packet::Publish(Publish { dup: true, ..message })).await;
        assert_eq!(arrived(&mut fan).await, [Packet::Pubrec(plain(id.get(), 0))]);
        drop(fan);
        world.connect(version, "fan").await.leave().await;
    }
    let mut lamp = back(&world, Version::V5, "lamp").await;
    assert_eq!(take_fully(&mut lamp).await, ["a", "b", "a", "b"]);
}

#[tokio::test]
async fn a_crash_after_any_packet_to_the_subscriber_delivers_once() {
    for version in BOTH {
        for seed in 0..4 {
            let mut world = World::standard().await;
            let random = Random::seeded(seed);
            lamp(&world, version).await.leave().await;
            let mut fan = world.connect(version, "fan").await;
            publish_fully(&mut fan, "a").await;
            drop(fan);
            world.crash(&random).await;
            let mut lamp = back(&world, version, "lamp").await;
            let Packet::Publish(message) = arrived(&mut lamp).await.remove(0) else { panic!() };
            drop(lamp);
            world.crash(&random).await;
            let mut lamp = back(&world, version, "lamp").await;
            let Packet::Publish(again) = arrived(&mut lamp).await.remove(0) else { panic!() };
            assert_eq!((again.packet_id, again.dup), (message.packet_id, true));
            let id = message.packet_id.unwrap();
            lamp.answer(Packet::Pubrec, id).await;
            let release = Packet::Pubrel(plain(id.get(), 0));
            assert_eq!(lamp.packet().await, release);
            drop(lamp);
            world.crash(&random).await;
            let mut lamp = back(&world, version, "lamp").await;
            assert_eq!(arrived(&mut lamp).await, std::slice::from_ref(&release), "no message");
            lamp.answer(Packet::Pubcomp, id).await;
            assert_eq!(arrived(&mut lamp).await, []);
            drop(lamp);
            world.crash(&random).await;
            let mut lamp = back(&world, version, "lamp").await;
            for packet in arrived(&mut lamp).await {
                assert_eq!(packet, release, "at most that is said again");
            }
        }
    }
}

#[tokio::test]
async fn a_release_is_said_once_it_is_sure_that_the_message_does_not_come_again() {
    let mut world = World::standard().await;
    let mut fan = world.connect(Version::V5, "fan").await;
    lamp(&world, Version::V5).await.leave().await;
    publish_fully(&mut fan, "a").await;
    drop(fan);
    let mut lamp = back(&world, Version::V5, "lamp").await;
    let Packet::Publish(message) = arrived(&mut lamp).await.remove(0) else { panic!() };
    world.disk.set_delay(Duration::from_secs(50));
    lamp.answer(Packet::Pubrec, message.packet_id.unwrap()).await;
    assert_eq!(arrived(&mut lamp).await, []);
    drop(lamp);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut lamp = back(&world, Version::V5, "lamp").await;
    assert_eq!(arrived(&mut lamp).await, [], "nor to its next connection");
    tokio::time::sleep(Duration::from_secs(100)).await;
    let release = Packet::Pubrel(plain(message.packet_id.unwrap().get(), 0));
    assert_eq!(arrived(&mut lamp).await, std::slice::from_ref(&release));
    world.disk.set_delay(Duration::ZERO);
    drop(lamp);
    world.crash(&Random::seeded(0)).await;
    assert_eq!(arrived(&mut back(&world, Version::V5, "lamp").await).await, [release]);
}

#[tokio::test]
async fn whoever_publishes_to_itself_has_the_message_once() {
    for seed in 0..4 {
        let mut world = World::standard().await;
        let mut lamp = lamp(&world, Version::V5).await;
        let message = lamp.exactly_once("t", "a");
        let id = message.packet_id.unwrap();
        lamp.send(Packet::Publish(message)).await;
        let mut packets = arrived(&mut lamp).await;
        let at = packets.iter().position(|packet| matches!(packet, Packet::Publish(_))).unwrap();
        let Packet::Publish(received) = packets.remove(at) else { panic!() };
        assert_eq!(packets, [Packet::Pubrec(plain(id.get(), 0))]);
        lamp.answer(Packet::Pubrel, id).await;
        assert_eq!(arrived(&mut lamp).await, [Packet::Pubcomp(plain(id.get(), 0))]);
        drop(lamp);
        world.crash(&Random::seeded(seed)).await;
        let mut lamp = back(&world, Version::V5, "lamp").await;
        let Packet::Publish(again) = arrived(&mut lamp).await.remove(0) else { panic!() };
        assert_eq!(again.packet_id, received.packet_id);
        assert_eq!(take_fully(&mut lamp).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_unknown_is_answered_so() {
    let world = World::standard().await;
    for version in BOTH {
        let mut lamp = world.connect_with(keeping(version, "lamp")).await;
        let unknown = if version == Version::V5 { reason::PACKET_IDENTIFIER_NOT_FOUND } else { 0 };
        let id = lamp.new_id();
        lamp.answer(Packet::Pubrel, id).await;
        assert_eq!(lamp.packet().await, Packet::Pubcomp(plain(id.get(), unknown)));
        lamp.answer(Packet::Pubrec, id).await;
        assert_eq!(lamp.packet().await, Packet::Pubrel(plain(id.get(), unknown)));
        lamp.answer(Packet::Pubcomp, id).await;
        assert_eq!(lamp.pending().await, []);
        drop(lamp);
    }
}

#[tokio::test]
async fn a_message_that_the_client_does_not_want_is_over() {
    let world = World::standard().await;
    let mut lamp = lamp(&world, Version::V5).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    publish_fully(&mut fan, "a").await;
    let Packet::Publish(message) = arrived(&mut lamp).await.remove(0) else { panic!() };
    let id = message.packet_id.unwrap();
    lamp.send(Packet::Pubrec(plain(id.get(), reason::UNSPECIFIED_ERROR))).await;
    assert_eq!(arrived(&mut lamp).await, []);
    lamp.leave().await;
    assert_eq!(arrived(&mut back(&world, Version::V5, "lamp").await).await, []);
}

#[tokio::test]
async fn what_is_not_released_counts_for_the_receive_maximum() {
    let world = World::with(|choices| {
        choices.dialect = service::Dialect::standard();
        choices.limits.mqtt_inflight_max = 2;
    });
    let world = world.await;
    for asked in [keeping, connect] {
        let mut fan = world.connect_with(asked(Version::V5, "fan")).await;
        let mut ids = Vec::new();
        for text in ["a", "b"] {
            let message = fan.exactly_once("t", text);
            ids.extend(message.packet_id);
            fan.send(Packet::Publish(message)).await;
            assert!(matches!(fan.packet().await, Packet::Pubrec(_)));
        }
        fan.answer(Packet::Pubrel, ids[0]).await;
        assert!(matches!(fan.packet().await, Packet::Pubcomp(_)));
        for is_one_too_many in [false, true] {
            let message = fan.exactly_once("t", "c");
            fan.send(Packet::Publish(message)).await;
            if !is_one_too_many {
                assert!(matches!(fan.packet().await, Packet::Pubrec(_)));
            }
        }
        fan.is_cut_off(reason::RECEIVE_MAXIMUM_EXCEEDED).await;
        world.connect(Version::V5, "fan").await.leave().await;
    }
}

#[tokio::test]
async fn order_is_kept_among_messages_of_both_qos() {
    let world = World::standard().await;
    let mut lamp = lamp(&world, Version::V5).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    let texts: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    world.disk.set_delay(Duration::from_millis(20));
    for (number, text) in texts.iter().enumerate() {
        let message = fan.exactly_once("t", text);
        let qos = if number % 3 == 0 { QOS_2 } else { QoS::AtLeastOnce };
        fan.send(Packet::Publish(Publish { qos, ..message })).await;
        tokio::time::sleep(Duration::from_millis(number as u64)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let found = lamp.messages().await;
    assert_eq!(found.iter().map(payload).collect::<Vec<_>>(), texts);
}
