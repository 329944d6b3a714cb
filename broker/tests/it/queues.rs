//! Queues of sessions: what is promised with an acknowledgement, and what bounds them.

use std::time::Duration;

use env::Random;
use mqtt::{Packet, Publish, PublishProperties, QoS, Version, reason};
use service::Dialect;
use testing::Choices;

use crate::BOTH;
use crate::client::{Client, keeping, payload, subscription};
use crate::world::{World, knock, settle};

const QOS_1: QoS = QoS::AtLeastOnce;
/// More than a mailbox holds here.
const FLOOD: usize = 500;

/// Leaves a session that subscribes to `t`.
async fn leave_session(world: &World, version: Version) {
    let mut lamp = world.connect_with(keeping(version, "lamp")).await;
    lamp.subscribe("t", QOS_1).await;
    lamp.leave().await;
}

async fn back(world: &World) -> Client {
    let (lamp, is_present) = world.come(keeping(Version::V5, "lamp")).await;
    assert!(is_present);
    lamp
}

/// Sends a message of QoS 1 without waiting for its acknowledgement.
async fn send(client: &mut Client, text: &str) {
    let message = client.at_least_once("t", text);
    client.send(Packet::Publish(message)).await;
}

/// The codes of all PUBACK that have come once nothing is left to do.
async fn acknowledged(client: &mut Client) -> Vec<u8> {
    settle().await;
    let code = |packet| match packet {
        Packet::Puback(ack) => ack.code,
        other => panic!("PUBACK is expected, not {other:?}"),
    };
    client.pending().await.into_iter().map(code).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_full_queue_drops_its_newest_entry() {
    let bounds: [fn(&mut Choices); 2] = [
        |choices| choices.limits.mqtt_queue_messages_max = 2,
        // What two messages of one byte count for, on a topic of one byte.
        |choices| choices.limits.mqtt_queue_bytes_max = 2 * 130 + 129,
    ];
    for bound in bounds {
        let world = World::with(bound).await;
        leave_session(&world, Version::V5).await;
        let mut fan = world.connect(Version::V5, "fan").await;
        for text in ["a", "b", "c", "d"] {
            assert_eq!(fan.deliver("t", text).await, reason::SUCCESS, "the publisher goes on");
        }
        assert_eq!(world.reasons("Queued"), vec![("lamp".to_owned(), "QUEUE_FULL"); 2]);
        let mut lamp = back(&world).await;
        assert_eq!(lamp.take_all().await, ["a", "b"]);
        fan.deliver("t", "e").await;
        assert_eq!(lamp.take_all().await, ["e"], "there is room again");
    }
}

#[tokio::test]
async fn a_message_expires_in_the_queue_and_tells_what_is_left_of_its_life() {
    let mut world = World::new().await;
    leave_session(&world, Version::V5).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    for (text, message_expiry_s) in [("short", Some(10)), ("long", Some(100)), ("ever", None)] {
        let properties = PublishProperties { message_expiry_s, ..PublishProperties::default() };
        let properties = Some(Box::new(properties));
        let message = Publish { properties, ..fan.at_least_once("t", text) };
        fan.deliver_with(message).await;
    }
    fan.leave().await;
    world.pass(Duration::from_secs(40)).await;
    world.restart().await;
    let mut lamp = back(&world).await;
    let left = |message: &Publish| message.properties.as_ref().and_then(|p| p.message_expiry_s);
    let messages = lamp.messages().await;
    let found: Vec<_> = messages.iter().map(|message| (payload(message), left(message))).collect();
    assert_eq!(found, [("long".to_owned(), Some(60)), ("ever".to_owned(), None)]);
}

#[tokio::test]
async fn a_message_is_acknowledged_once_it_is_on_disk() {
    let world = World::new().await;
    leave_session(&world, Version::V5).await;
    for version in BOTH {
        let mut fan = world.connect(version, "fan").await;
        world.disk.set_delay(Duration::from_secs(100));
        send(&mut fan, "a").await;
        tokio::time::sleep(Duration::from_secs(99)).await;
        assert!(acknowledged(&mut fan).await.is_empty());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(acknowledged(&mut fan).await, [reason::SUCCESS]);
        world.disk.set_delay(Duration::ZERO);
        fan.leave().await;
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_written_is_not_acknowledged() {
    for version in BOTH {
        let mut world = World::new().await;
        leave_session(&world, Version::V5).await;
        let mut fan = world.connect(version, "fan").await;
        fan.deliver("t", "a").await;
        world.disk.fail_commit(1);
        send(&mut fan, "b").await;
        let refused = if version == Version::V5 { vec![reason::UNSPECIFIED_ERROR] } else { vec![] };
        assert_eq!(acknowledged(&mut fan).await, refused);
        assert_eq!(world.panic().as_deref(), Some("the journal failed to write"));
        drop(fan);
        world.crash(&Random::seeded(3)).await;
        let mut lamp = back(&world).await;
        assert_eq!(lamp.take_all().await[0], "a", "what was acknowledged is there");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_messages_until_there_is_room() {
    let world = World::new().await;
    leave_session(&world, Version::V5).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    world.disk.set_full(true);
    assert_eq!(fan.deliver("t", "a").await, reason::UNSPECIFIED_ERROR);
    world.disk.set_full(false);
    assert_eq!(fan.deliver("t", "b").await, reason::SUCCESS);
    assert_eq!(back(&world).await.take_all().await, ["b"]);
}

#[tokio::test]
async fn what_is_acknowledged_before_it_is_written_is_not_written() {
    let mut world = World::new().await;
    let mut lamp = world.connect_with(keeping(Version::V5, "lamp")).await;
    lamp.subscribe("t", QOS_1).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    world.disk.set_delay(Duration::from_secs(100));
    send(&mut fan, "a").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The first is being written, and no other may be.
    world.disk.fail_commit(1);
    send(&mut fan, "b").await;
    assert_eq!(lamp.take_all().await, ["a", "b"]);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(acknowledged(&mut fan).await, [reason::SUCCESS; 2]);
    assert_eq!(world.panic(), None, "there was no second commit");
    drop((lamp, fan));
    world.crash(&Random::seeded(1)).await;
}

#[tokio::test]
async fn what_a_slow_client_does_not_take_waits_on_disk() {
    for (dialect, qos_max) in [(Dialect::aws(), QOS_1), (Dialect::standard(), QoS::ExactlyOnce)] {
        let world = World::with(move |choices| {
            choices.dialect = dialect.clone();
            choices.limits.mqtt_waiting_messages_max = 20;
        });
        let world = world.await;
        let mut lamp = world.dial_as(Version::V5, knock(), 256);
        lamp.let_in(keeping(Version::V5, "lamp")).await;
        lamp.subscribe("t", qos_max).await;
        let mut fan = world.connect(Version::V5, "fan").await;
        for number in numbers(0..FLOOD) {
            assert_eq!(fan.deliver("t", &number).await, reason::SUCCESS);
        }
        assert_eq!(world.server.app().journal.size().entries, FLOOD as u64);
        assert_eq!(lamp.take_all().await, numbers(0..FLOOD), "all of it, in order");
        for number in numbers(0..3) {
            fan.deliver("t", &number).await;
        }
        assert_eq!(lamp.take_all().await, numbers(0..3));
        assert_eq!(world.logged("Publish-Out").len(), 0, "nothing is dropped");
    }
}

#[tokio::test]
async fn stored_messages_come_at_a_pace_and_new_ones_pass_them() {
    let world = World::with(|choices| choices.limits.mqtt_queue_drain_per_s = 10).await;
    leave_session(&world, Version::V5).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    for number in numbers(0..25) {
        fan.deliver("t", &number).await;
    }
    let mut lamp = back(&world).await;
    assert_eq!(lamp.take_all().await, numbers(0..10));
    fan.deliver("t", "new").await;
    assert_eq!(lamp.take_all().await, ["new"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(lamp.take_all().await, numbers(10..20));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(lamp.take_all().await, numbers(20..25));
}

#[tokio::test]
async fn no_more_is_in_flight_than_the_client_wants() {
    let world = World::new().await;
    leave_session(&world, Version::V5).await;
    let mut fan = world.connect(Version::V5, "fan").await;
    for number in numbers(0..7) {
        fan.deliver("t", &number).await;
    }
    let mut asked = keeping(Version::V5, "lamp");
    asked.properties.receive_maximum = Some(3);
    let (mut lamp, _) = world.come(asked).await;
    let messages = lamp.messages().await;
    let texts: Vec<_> = messages.iter().map(payload).collect();
    assert_eq!(texts, numbers(0..3));
    lamp.acknowledge(&messages[1]).await;
    let messages = lamp.messages().await;
    assert_eq!(messages.iter().map(payload).collect::<Vec<_>>(), ["3"]);
    assert_eq!(messages[0].qos, QOS_1);
}

#[tokio::test]
async fn identifiers_of_subscriptions_come_with_what_waited() {
    let mut world = World::standard().await;
    let mut lamp = world.connect_with(keeping(Version::V5, "lamp")).await;
    let packet_id = lamp.new_id();
    let properties = mqtt::SubscribeProperties { subscription_id: Some(7), ..Default::default() };
    let subscriptions = vec![subscription("t", QOS_1)];
    lamp.send(Packet::Subscribe(mqtt::Subscribe { packet_id, properties, subscriptions })).await;
    lamp.packet().await;
    lamp.leave().await;
    world.restart().await;
    let mut fan = world.connect(Version::V5, "fan").await;
    fan.deliver("t", "a").await;
    let messages = back(&world).await.messages().await;
    let told = messages[0].properties.as_ref().map(|properties| &properties.subscription_ids);
    assert_eq!(told, Some(&vec![7]));
}
