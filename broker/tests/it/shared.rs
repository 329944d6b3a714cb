//! Shared subscriptions: of each message one member of a group gets a copy.

use std::time::Duration;

use env::Random;
use mqtt::{Connect, Packet, Publish, QoS, Version, reason};
use tokio::time::timeout;

use crate::client::{Client, connect, keeping, payload};
use crate::world::World;

const QOS_1: QoS = QoS::AtLeastOnce;
const NOTHING: [&str; 0] = [];

/// A member of the group of `filter`.
async fn member(world: &World, asked: Connect, filter: &str) -> Client {
    let mut client = world.connect_with(asked).await;
    client.subscribe(filter, QOS_1).await;
    client
}

/// Publishes payloads with QoS 1, each acknowledged.
async fn publish_all(world: &World, topic: &str, payloads: &[&str]) {
    let mut fan = world.connect(Version::V5, "fan").await;
    for payload in payloads {
        assert_eq!(fan.deliver(topic, payload).await, reason::SUCCESS);
    }
    fan.leave().await;
}

fn texts(messages: &[Publish]) -> Vec<String> {
    messages.iter().map(payload).collect()
}

#[tokio::test]
async fn members_of_a_group_take_turns() {
    let world = World::new().await;
    let mut one = member(&world, connect(Version::V311, "one"), "$share/g/t/+").await;
    let mut two = member(&world, keeping(Version::V5, "two"), "$share/g/t/+").await;
    let mut other = member(&world, connect(Version::V5, "other"), "$share/h/t/+").await;
    let mut all = member(&world, connect(Version::V5, "all"), "t/#").await;
    publish_all(&world, "t/1", &["a", "b", "c", "d"]).await;
    assert_eq!(one.take_all().await, ["a", "c"]);
    assert_eq!(two.take_all().await, ["b", "d"]);
    assert_eq!(other.take_all().await, ["a", "b", "c", "d"], "each group has a copy");
    assert_eq!(all.take_all().await, ["a", "b", "c", "d"]);
    one.unsubscribe(&["$share/g/t/+"]).await;
    publish_all(&world, "t/1", &["e", "f"]).await;
    assert_eq!((one.take_all().await.len(), two.take_all().await.len()), (0, 2));
}

#[tokio::test]
async fn whoever_is_in_a_group_and_subscribes_too_has_two_copies() {
    for is_kept in [false, true] {
        let mut world = World::standard().await;
        let asked = if is_kept { keeping } else { connect };
        let mut lamp = member(&world, asked(Version::V5, "lamp"), "t").await;
        lamp.subscribe("$share/g/t", QOS_1).await;
        lamp.subscribe("$share/h/t", QOS_1).await;
        publish_all(&world, "t", &["a"]).await;
        let messages = lamp.messages().await;
        assert_eq!(texts(&messages), ["a", "a", "a"]);
        if is_kept {
            lamp.acknowledge(&messages[0]).await;
            lamp.pending().await;
            drop(lamp);
            world.restart().await;
            let mut lamp = world.come(keeping(Version::V5, "lamp")).await.0;
            assert_eq!(lamp.take_all().await, ["a", "a"], "each is acknowledged on its own");
        }
    }
}

#[tokio::test]
async fn members_that_are_away_are_passed_over() {
    let world = World::new().await;
    member(&world, keeping(Version::V5, "one"), "$share/g/t").await.leave().await;
    let mut two = member(&world, keeping(Version::V5, "two"), "$share/g/t").await;
    publish_all(&world, "t", &["a", "b"]).await;
    assert_eq!(two.take_all().await, ["a", "b"]);
    let mut one = world.come(keeping(Version::V5, "one")).await.0;
    assert_eq!(one.take_all().await, NOTHING);
    publish_all(&world, "t", &["c", "d"]).await;
    assert_eq!((one.take_all().await.len(), two.take_all().await.len()), (1, 1), "it is one still");
}

#[tokio::test]
async fn a_group_with_a_session_keeps_what_nobody_is_there_for() {
    for crashes in [None, Some(false), Some(true)] {
        let mut world = World::new().await;
        member(&world, keeping(Version::V5, "one"), "$share/g/t").await.leave().await;
        let mut clean = member(&world, connect(Version::V5, "clean"), "$share/g/t").await;
        clean.unsubscribe(&["$share/g/t"]).await;
        publish_all(&world, "t", &["a", "b"]).await;
        match crashes {
            None => {}
            Some(false) => world.restart().await,
            Some(true) => world.crash(&Random::seeded(1)).await,
        }
        // Whoever comes first, though it was not a member when they came.
        let mut newcomer = member(&world, connect(Version::V311, "newcomer"), "$share/g/t").await;
        assert_eq!(newcomer.take_all().await, ["a", "b"]);
        newcomer.leave().await;
        publish_all(&world, "t", &["c"]).await;
        let mut one = world.come(keeping(Version::V5, "one")).await.0;
        assert_eq!(one.take_all().await, ["c"]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(world.server.app().journal.size().entries, 0);
    }
}

#[tokio::test]
async fn a_group_of_clean_sessions_keeps_nothing() {
    let world = World::new().await;
    member(&world, connect(Version::V5, "one"), "$share/g/t").await.leave().await;
    publish_all(&world, "t", &["a"]).await;
    let mut one = member(&world, connect(Version::V5, "one"), "$share/g/t").await;
    assert_eq!(one.take_all().await, NOTHING);
    // Nor when the last session has left it.
    let mut two = member(&world, keeping(Version::V5, "two"), "$share/g/t").await;
    two.unsubscribe(&["$share/g/t"]).await;
    one.leave().await;
    publish_all(&world, "t", &["b"]).await;
    let mut one = member(&world, connect(Version::V5, "one"), "$share/g/t").await;
    assert_eq!(one.take_all().await, NOTHING);
    assert_eq!(world.server.app().journal.size().queues, 0);
}

#[tokio::test]
async fn what_waits_in_a_group_goes_with_its_last_session() {
    let mut world = World::new().await;
    member(&world, keeping(Version::V5, "one"), "$share/g/t").await.leave().await;
    publish_all(&world, "t", &["a"]).await;
    world.connect(Version::V5, "one").await.leave().await;
    world.restart().await;
    assert_eq!(world.server.app().journal.size().entries, 0);
    let mut one = member(&world, keeping(Version::V5, "one"), "$share/g/t").await;
    assert_eq!(one.take_all().await, NOTHING);
}

#[tokio::test]
async fn what_a_clean_member_has_not_acknowledged_goes_to_another() {
    let world = World::new().await;
    member(&world, keeping(Version::V5, "away"), "$share/g/t").await.leave().await;
    let mut one = member(&world, connect(Version::V5, "one"), "$share/g/t").await;
    publish_all(&world, "t", &["a", "b", "c"]).await;
    let messages = one.messages().await;
    assert_eq!(texts(&messages), ["a", "b", "c"]);
    one.acknowledge(&messages[1]).await;
    let mut two = member(&world, connect(Version::V5, "two"), "$share/g/t").await;
    assert_eq!(two.take_all().await, NOTHING);
    one.leave().await;
    // It sends nothing that would make the broker look.
    let first = timeout(Duration::from_secs(1), two.message()).await.unwrap();
    two.acknowledge(&first).await;
    assert_eq!((payload(&first).as_str(), two.take_all().await), ("a", vec!["c".to_owned()]));
    two.leave().await;
    let mut away = world.come(keeping(Version::V5, "away")).await.0;
    assert_eq!(away.take_all().await, NOTHING);
}

#[tokio::test]
async fn what_was_stored_is_given_back_as_well() {
    let world = World::new().await;
    member(&world, keeping(Version::V5, "away"), "$share/g/t").await.leave().await;
    publish_all(&world, "t", &["a", "b"]).await;
    let mut one = member(&world, connect(Version::V5, "one"), "$share/g/t").await;
    let messages = one.messages().await;
    assert_eq!(texts(&messages), ["a", "b"]);
    one.acknowledge(&messages[0]).await;
    one.leave().await;
    let mut away = world.come(keeping(Version::V5, "away")).await.0;
    assert_eq!(away.take_all().await, ["b"]);
}

#[tokio::test]
async fn what_a_session_was_given_waits_for_it() {
    let mut world = World::new().await;
    let mut one = member(&world, keeping(Version::V5, "one"), "$share/g/t").await;
    let mut two = member(&world, connect(Version::V5, "two"), "$share/g/t").await;
    publish_all(&world, "t", &["a", "b"]).await;
    assert_eq!(texts(&one.messages().await), ["a"]);
    one.leave().await;
    assert_eq!(two.take_all().await, ["b"]);
    drop(two);
    world.restart().await;
    let mut one = world.come(keeping(Version::V5, "one")).await.0;
    // What was acknowledged just before a crash may come again.
    assert_eq!(one.take_all().await.first().map(String::as_str), Some("a"));
}

#[tokio::test]
async fn a_slow_member_leaves_messages_to_the_group() {
    let world = World::with(|choices| {
        choices.limits.mqtt_waiting_messages_max = 10;
        choices.limits.mqtt_inflight_max = 1;
    });
    let world = world.await;
    member(&world, keeping(Version::V5, "away"), "$share/g/t").await.leave().await;
    let mut slow = member(&world, connect(Version::V5, "slow"), "$share/g/t").await;
    let numbers: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = numbers.iter().map(String::as_str).collect();
    publish_all(&world, "t", &texts).await;
    let mut taken = slow.take_all().await;
    taken.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(taken, texts, "each of them once");
}

#[tokio::test]
async fn a_member_of_qos_0_empties_the_queue() {
    let world = World::new().await;
    member(&world, keeping(Version::V5, "away"), "$share/g/t").await.leave().await;
    publish_all(&world, "t", &["a"]).await;
    let mut one = world.connect(Version::V5, "one").await;
    one.subscribe("$share/g/t", QoS::AtMostOnce).await;
    assert_eq!(one.take_all().await, ["a"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.server.app().journal.size().entries, 0);
}

#[tokio::test]
async fn stored_messages_come_at_a_pace_for_each_member() {
    let world = World::with(|choices| choices.limits.mqtt_queue_drain_per_s = 10).await;
    member(&world, keeping(Version::V5, "away"), "$share/g/t").await.leave().await;
    let numbers: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = numbers.iter().map(String::as_str).collect();
    publish_all(&world, "t", &texts).await;
    let mut one = member(&world, connect(Version::V5, "one"), "$share/g/t").await;
    assert_eq!(one.take_all().await.len(), 20);
    let mut two = member(&world, connect(Version::V5, "two"), "$share/g/t").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((one.take_all().await.len(), two.take_all().await.len()), (15, 15));
}

#[tokio::test]
async fn groups_and_their_members_are_bounded() {
    let world = World::with(|choices| {
        choices.limits.mqtt_shared_groups_max = 1;
        choices.limits.mqtt_shared_subscriptions_per_group_max = 1;
    });
    let world = world.await;
    let mut one = member(&world, keeping(Version::V5, "one"), "$share/g/t").await;
    one.subscribe("$share/g/t", QOS_1).await;
    assert_eq!(one.ask_for(&[("$share/h/t", QOS_1)]).await, [reason::QUOTA_EXCEEDED]);
    let mut two = world.connect(Version::V5, "two").await;
    assert_eq!(two.ask_for(&[("$share/g/t", QOS_1)]).await, [reason::QUOTA_EXCEEDED]);
    one.unsubscribe(&["$share/g/t"]).await;
    two.subscribe("$share/h/t", QOS_1).await;
}

#[tokio::test]
async fn a_group_whose_members_may_not_receive_loses_nothing_else() {
    let world = World::new().await;
    let allowed = [
        ("Allow", "Connect", "client/one"),
        ("Allow", "Subscribe", "topicfilter/$share/g/#"),
        ("Allow", "Receive", "topic/public"),
    ];
    world.set_policy("one", &crate::world::policy(&allowed));
    let mut one = member(&world, keeping(Version::V5, "one"), "$share/g/#").await;
    publish_all(&world, "secret", &["a"]).await;
    publish_all(&world, "public", &["b"]).await;
    assert_eq!(one.take_all().await, ["b"]);
}

#[tokio::test]
async fn what_is_of_qos_2_and_was_sent_to_one_member_is_for_no_other() {
    let world = World::standard().await;
    let mut away = world.connect_with(keeping(Version::V5, "away")).await;
    away.subscribe("$share/g/t", QoS::ExactlyOnce).await;
    away.leave().await;
    let mut fan = world.connect(Version::V5, "fan").await;
    for text in ["a", "b"] {
        let message = fan.exactly_once("t", text);
        let id = message.packet_id.unwrap();
        fan.send(Packet::Publish(message)).await;
        assert!(matches!(fan.packet().await, Packet::Pubrec(_)));
        fan.answer(Packet::Pubrel, id).await;
        assert!(matches!(fan.packet().await, Packet::Pubcomp(_)));
    }
    for (is_received, text) in [(false, "a"), (true, "b")] {
        let mut asked = connect(Version::V5, "one");
        asked.properties.receive_maximum = Some(1);
        let mut one = world.connect_with(asked).await;
        one.subscribe("$share/g/t", QoS::ExactlyOnce).await;
        let messages = one.messages().await;
        assert_eq!(texts(&messages), [text]);
        if is_received {
            one.answer(Packet::Pubrec, messages[0].packet_id.unwrap()).await;
            assert!(matches!(one.packet().await, Packet::Pubrel(_)));
        }
        one.leave().await;
    }
    let mut away = world.come(keeping(Version::V5, "away")).await.0;
    assert_eq!(away.messages().await, []);
}
