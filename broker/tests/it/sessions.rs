//! Persistent sessions: what is kept of a client while it is away, and for how long.

use std::time::Duration;

use env::Random;
use model::iot_data::op::{DeleteConnection, GetConnection, ListSubscriptions};
use mqtt::{Connect, Disconnect, DisconnectProperties, Packet, Publish, QoS, Version, reason};
use serde_json::json;
use service::Dialect;
use testing::Choices;

use crate::BOTH;
use crate::client::{Client, connect, keeping, payload, publish};
use crate::world::{World, policy, settle};

const QOS_1: QoS = QoS::AtLeastOnce;

/// Leaves a session that subscribes to `filter`.
async fn leave_session(world: &World, asked: Connect, filter: &str) {
    let mut lamp = world.connect_with(asked).await;
    lamp.subscribe(filter, QOS_1).await;
    lamp.leave().await;
}

/// Publishes payloads with QoS 1, each acknowledged.
async fn publish_all(world: &World, topic: &str, payloads: &[&str]) {
    let mut fan = world.connect(Version::V5, "fan").await;
    for payload in payloads {
        assert_eq!(fan.deliver(topic, payload).await, reason::SUCCESS);
    }
    fan.leave().await;
}

fn payloads(messages: &[Publish]) -> Vec<String> {
    messages.iter().map(payload).collect()
}

/// Whether the session of `asked` is there, which is resumed if it is.
async fn is_kept(world: &World, asked: Connect) -> bool {
    let (lamp, is_present) = world.come(asked).await;
    drop(lamp);
    settle().await;
    is_present
}

fn goodbye(expiry_s: u32) -> Packet {
    let properties = DisconnectProperties {
        session_expiry_s: Some(expiry_s),
        ..DisconnectProperties::default()
    };
    Packet::Disconnect(Disconnect { properties, ..Disconnect::default() })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn what_comes_while_a_client_is_away_waits_for_it_in_order() {
    let world = World::new().await;
    for version in BOTH {
        assert!(!is_kept(&world, keeping(version, "lamp")).await, "nothing is there at first");
        leave_session(&world, keeping(version, "lamp"), "t/+").await;
        publish_all(&world, "t/1", &["a", "b", "c"]).await;
        let (mut lamp, is_present) = world.come(keeping(version, "lamp")).await;
        assert!(is_present);
        assert_eq!(lamp.take_all().await, ["a", "b", "c"]);
        publish_all(&world, "t/2", &["d"]).await;
        assert_eq!(lamp.take_all().await, ["d"], "the subscription is there still");
        lamp.leave().await;
        let (mut lamp, _) = world.come(keeping(version, "lamp")).await;
        assert_eq!(lamp.take_all().await, Vec::<String>::new(), "all was acknowledged");
        drop(lamp);
        is_kept(&world, connect(version, "lamp")).await;
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_in_order() {
    for (dialect, is_marked) in [(Dialect::aws(), false), (Dialect::standard(), true)] {
        let world = World::with(move |choices| choices.dialect = dialect.clone()).await;
        for version in BOTH {
            let mut lamp = world.connect_with(keeping(version, "lamp")).await;
            lamp.subscribe("t", QOS_1).await;
            publish_all(&world, "t", &["a", "b", "c"]).await;
            let sent = lamp.messages().await;
            assert!(sent.iter().all(|message| !message.dup), "{sent:?}");
            lamp.acknowledge(&sent[1]).await;
            lamp.leave().await;
            publish_all(&world, "t", &["d"]).await;
            let (mut lamp, _) = world.come(keeping(version, "lamp")).await;
            let again = lamp.messages().await;
            assert_eq!(payloads(&again), ["a", "c", "d"]);
            let dups: Vec<bool> = again.iter().map(|message| message.dup).collect();
            assert_eq!(dups, [is_marked, is_marked, false], "AWS never says so");
            let ids = [0, 1].map(|at| again[at].packet_id);
            assert_eq!(ids, [sent[0].packet_id, sent[2].packet_id]);
            assert!(!ids.contains(&again[2].packet_id));
            drop(lamp);
            is_kept(&world, connect(version, "lamp")).await;
        }
    }
}

#[tokio::test]
async fn a_session_of_one_version_is_none_for_the_other() {
    let world = World::new().await;
    for (one, other) in [(Version::V311, Version::V5), (Version::V5, Version::V311)] {
        leave_session(&world, keeping(one, "lamp"), "t").await;
        publish_all(&world, "t", &["a"]).await;
        let (mut lamp, is_present) = world.come(keeping(other, "lamp")).await;
        assert!(!is_present && lamp.messages().await.is_empty());
        drop(lamp);
        assert!(!is_kept(&world, keeping(one, "lamp")).await, "the old one is gone");
    }
}

#[tokio::test]
async fn a_clean_start_ends_the_session() {
    let mut world = World::new().await;
    for version in BOTH {
        leave_session(&world, keeping(version, "lamp"), "t").await;
        publish_all(&world, "t", &["a"]).await;
        let (mut lamp, is_present) = world.come(connect(version, "lamp")).await;
        assert!(!is_present && lamp.messages().await.is_empty());
        drop(lamp);
        world.crash(&Random::seeded(1)).await;
        assert!(!is_kept(&world, keeping(version, "lamp")).await, "for good");
        is_kept(&world, connect(version, "lamp")).await;
    }
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(world.server.app().journal.size().queues, 0);
}

#[tokio::test]
async fn the_end_of_a_session_leaves_those_with_longer_names_alone() {
    let mut world = World::new().await;
    leave_session(&world, keeping(Version::V5, "lamp"), "t").await;
    leave_session(&world, keeping(Version::V5, "lamp2"), "t").await;
    is_kept(&world, connect(Version::V5, "lamp")).await;
    world.restart().await;
    publish_all(&world, "t", &["a"]).await;
    let (mut lamp, is_present) = world.come(keeping(Version::V5, "lamp2")).await;
    assert!(is_present && lamp.take_all().await == ["a"]);
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over_and_not_before() {
    let world = World::new().await;
    let mut short = keeping(Version::V5, "short");
    short.properties.session_expiry_s = Some(100);
    for (asked, expiry_s) in [(short, 100), (keeping(Version::V311, "lamp"), 3600)] {
        for (span, is_still_there) in
            [(seconds(expiry_s) - Duration::from_millis(1), true), (seconds(expiry_s), false)]
        {
            leave_session(&world, asked.clone(), "t").await;
            world.pass(span).await;
            let told = json!({"clientId": asked.client_id.to_string()});
            let told = world.server.call::<ListSubscriptions>(told).await;
            assert_eq!(told.is_ok(), is_still_there, "{expiry_s} s, after {span:?}: {told:?}");
            assert_eq!(is_kept(&world, asked.clone()).await, is_still_there);
            is_kept(&world, connect(asked.version, &asked.client_id)).await;
        }
    }
}

#[tokio::test]
async fn a_client_that_comes_back_in_time_keeps_its_session() {
    let world = World::new().await;
    leave_session(&world, keeping(Version::V5, "lamp"), "t").await;
    world.pass(seconds(3599)).await;
    let (lamp, is_present) = world.come(keeping(Version::V5, "lamp")).await;
    assert!(is_present);
    world.pass(seconds(10_000)).await;
    lamp.leave().await;
    world.pass(seconds(3599)).await;
    assert!(is_kept(&world, keeping(Version::V5, "lamp")).await, "its time begins anew");
}

#[tokio::test]
async fn time_goes_on_over_a_restart() {
    for while_down in [false, true] {
        let mut world = World::new().await;
        leave_session(&world, keeping(Version::V5, "lamp"), "t").await;
        world.pass(seconds(3000)).await;
        world.server.clock().advance(seconds(if while_down { 600 } else { 0 }));
        world.restart().await;
        world.pass(seconds(if while_down { 0 } else { 599 })).await;
        let count = |told: Result<serde_json::Value, service::ApiError>| told.is_ok();
        let asked = json!({"clientId": "lamp"});
        let told = world.server.call::<ListSubscriptions>(asked.clone()).await;
        assert_eq!(count(told), !while_down, "it ends at the start if it is time");
        world.pass(seconds(1)).await;
        assert!(!count(world.server.call::<ListSubscriptions>(asked).await));
        assert!(!is_kept(&world, keeping(Version::V5, "lamp")).await);
    }
}

#[tokio::test]
async fn a_session_is_kept_for_as_long_as_the_last_connection_has_asked() {
    let mut world = World::new().await;
    leave_session(&world, keeping(Version::V5, "lamp"), "t").await;
    let mut asked = keeping(Version::V5, "lamp");
    asked.properties.session_expiry_s = Some(60);
    let (lamp, _) = world.come(asked).await;
    drop(lamp);
    world.crash(&Random::seeded(1)).await;
    world.pass(seconds(59)).await;
    let asked = json!({"clientId": "lamp"});
    assert!(world.server.call::<ListSubscriptions>(asked.clone()).await.is_ok());
    world.pass(seconds(1)).await;
    world.server.call::<ListSubscriptions>(asked).await.unwrap_err();
}

#[tokio::test]
async fn a_client_is_told_of_an_expiry_that_it_did_not_ask_for() {
    let limited = |choices: &mut Choices| choices.limits.mqtt_session_expiry_s_max = 500;
    let world = World::with(limited).await;
    for (asked_s, told_s, kept_s) in
        [(None, None, 0), (Some(500), None, 500), (Some(u32::MAX), Some(500), 500)]
    {
        let mut asked = connect(Version::V5, "lamp");
        asked.properties.session_expiry_s = asked_s;
        let connack = world.answer(asked).await.unwrap();
        assert_eq!(connack.properties.session_expiry_s, told_s);
        tokio::time::sleep(seconds(1)).await;
        let told = world.server.call::<GetConnection>(json!({"clientId": "lamp"})).await.unwrap();
        assert_eq!(told["sessionExpiry"], kept_s);
    }
}

#[tokio::test]
async fn disconnect_changes_how_long_a_session_is_kept() {
    let world = World::new().await;
    for (asked_s, is_kept_after) in [(50, [true, false]), (0, [false, false])] {
        let mut lamp = world.connect_with(keeping(Version::V5, "lamp")).await;
        lamp.send(goodbye(asked_s)).await;
        assert_eq!(lamp.rest().await, []);
        for (span_s, is_there) in [49, 1].into_iter().zip(is_kept_after) {
            world.pass(seconds(span_s)).await;
            let told = world.server.call::<ListSubscriptions>(json!({"clientId": "lamp"})).await;
            assert_eq!(told.is_ok(), is_there, "{asked_s} s were asked for");
        }
    }
    let mut lamp = world.connect(Version::V5, "lamp").await;
    lamp.send(goodbye(1)).await;
    lamp.is_cut_off(reason::PROTOCOL_ERROR).await;
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_a_crash() {
    let mut world = World::new().await;
    for (round, version) in BOTH.into_iter().chain(BOTH).enumerate() {
        leave_session(&world, keeping(version, "lamp"), "t").await;
        publish_all(&world, "t", &["a", "b"]).await;
        match round % 2 {
            0 => world.restart().await,
            _ => world.crash(&Random::seeded(round as u64)).await,
        }
        publish_all(&world, "t", &["c"]).await;
        let (mut lamp, is_present) = world.come(keeping(version, "lamp")).await;
        assert!(is_present);
        assert_eq!(lamp.take_all().await, ["a", "b", "c"]);
        assert_eq!(
            lamp.unsubscribe(&["t"]).await,
            if version == Version::V5 { vec![0] } else { vec![] }
        );
        drop(lamp);
        world.restart().await;
        publish_all(&world, "t", &["d"]).await;
        let (mut lamp, _) = world.come(keeping(version, "lamp")).await;
        assert_eq!(lamp.take_all().await, Vec::<String>::new(), "it has unsubscribed");
        drop(lamp);
        is_kept(&world, connect(version, "lamp")).await;
    }
}

#[tokio::test]
async fn how_a_client_has_left_is_known_after_a_restart() {
    let mut world = World::new().await;
    leave_session(&world, keeping(Version::V5, "lamp"), "t").await;
    let _fan = world.connect_with(keeping(Version::V5, "fan")).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let known = world.server.call::<GetConnection>(json!({"clientId": "lamp"})).await.unwrap();
        assert_eq!(known["disconnectReason"], "CLIENT_INITIATED_DISCONNECT");
        told.push(known);
        world.restart().await;
    }
    assert_eq!(told[0], told[1]);
    let known = world.server.call::<GetConnection>(json!({"clientId": "fan"})).await.unwrap();
    assert_eq!(known["disconnectReason"], "SERVER_INITIATED_DISCONNECT");
    assert_eq!((&known["connected"], &known["sessionExpiry"]), (&json!(false), &json!(3600)));
}

#[tokio::test]
async fn of_a_connection_that_ended_in_a_crash_nothing_is_made_up() {
    let mut world = World::new().await;
    let lamp = world.connect_with(keeping(Version::V5, "lamp")).await;
    world.crash(&Random::seeded(1)).await;
    drop(lamp);
    let asked = json!({"clientId": "lamp", "includeSocketInformation": true});
    let known = world.server.call::<GetConnection>(asked).await.unwrap();
    assert_eq!(known["disconnectReason"], "SERVER_ERROR");
    for unknown in ["keepAliveDuration", "sourceIp", "sourcePort", "targetIp", "targetPort"] {
        assert!(known.get(unknown).is_none(), "{known}");
    }
}

#[tokio::test]
async fn a_subscription_is_acknowledged_once_it_is_written() {
    let world = World::new().await;
    let Some(faults) = world.server.app().store.faults() else { return };
    for version in BOTH {
        let mut lamp = world.connect_with(keeping(version, "lamp")).await;
        lamp.subscribe("t", QOS_1).await;
        faults.set_full(true);
        let id = lamp.new_id();
        let subscriptions = vec![crate::client::subscription("u", QOS_1)];
        let properties = mqtt::SubscribeProperties::default();
        lamp.send(Packet::Subscribe(mqtt::Subscribe { packet_id: id, properties, subscriptions }))
            .await;
        let packet_id = lamp.new_id();
        let (user_properties, filters) = (Vec::new(), vec!["t".into()]);
        lamp.send(Packet::Unsubscribe(mqtt::Unsubscribe { packet_id, user_properties, filters }))
            .await;
        assert_eq!(lamp.messages().await, [], "neither SUBACK nor UNSUBACK");
        faults.set_full(false);
        lamp.subscribe("u", QOS_1).await;
        drop(lamp);
        is_kept(&world, connect(version, "lamp")).await;
    }
}

#[tokio::test]
async fn what_is_not_to_be_acknowledged_is_not_kept() {
    let world = World::new().await;
    let mut lamp = world.connect_with(keeping(Version::V5, "lamp")).await;
    assert_eq!(lamp.ask_for(&[("low", QoS::AtMostOnce), ("high", QOS_1)]).await, [0, 1]);
    let mut fan = world.connect(Version::V5, "fan").await;
    fan.deliver("low", "a").await;
    fan.send(Packet::Publish(publish("high", "b"))).await;
    assert_eq!(payloads(&lamp.messages().await), ["a", "b"], "while it is there");
    lamp.leave().await;
    fan.deliver("low", "c").await;
    fan.send(Packet::Publish(publish("high", "d"))).await;
    fan.deliver("high", "e").await;
    let (mut lamp, _) = world.come(keeping(Version::V5, "lamp")).await;
    assert_eq!(lamp.take_all().await, ["e"]);
}

#[tokio::test]
async fn what_a_client_may_no_longer_receive_is_left_out_when_it_comes_back() {
    let world = World::new().await;
    leave_session(&world, keeping(Version::V5, "lamp"), "t/#").await;
    publish_all(&world, "t/secret", &["a"]).await;
    publish_all(&world, "t/public", &["b"]).await;
    let allowed = [("Allow", "Connect", "client/lamp"), ("Allow", "Receive", "topic/t/public")];
    world.set_policy("lamp", &policy(&allowed));
    let (mut lamp, _) = world.come(keeping(Version::V5, "lamp")).await;
    assert_eq!(lamp.take_all().await, ["b"]);
    let refused = [("lamp".to_owned(), "AUTHORIZATION_FAILURE")];
    assert_eq!(world.reasons("Publish-Out"), refused);
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(world.server.app().journal.size().entries, 0);
}

#[tokio::test]
async fn a_retained_message_is_delivered_to_a_session_at_least_once() {
    let world = World::new().await;
    let mut fan = world.connect(Version::V5, "fan").await;
    let message = Publish { retain: true, ..fan.at_least_once("t", "kept") };
    fan.deliver_with(message).await;
    for version in BOTH {
        let mut lamp = world.connect_with(keeping(version, "lamp")).await;
        lamp.subscribe("t", QOS_1).await;
        for _ in 0..2 {
            let brought = lamp.messages().await;
            assert_eq!(payloads(&brought), ["kept"]);
            assert!(brought[0].retain);
            lamp.leave().await;
            lamp = world.come(keeping(version, "lamp")).await.0;
        }
        assert_eq!(lamp.take_all().await, ["kept"]);
        drop(lamp);
        is_kept(&world, connect(version, "lamp")).await;
    }
}

#[tokio::test]
async fn the_api_tells_of_a_client_that_is_away() {
    let world = World::new().await;
    leave_session(&world, keeping(Version::V311, "lamp"), "t/#").await;
    world.pass(seconds(1900)).await;
    let asked = json!({"clientId": "lamp"});
    let told = world.server.call::<GetConnection>(asked.clone()).await.unwrap();
    assert_eq!(
        [&told["connected"], &told["cleanSession"], &told["sessionExpiry"]],
        [&json!(false), &json!(false), &json!(3600)],
    );
    let listed = world.server.call::<ListSubscriptions>(asked).await.unwrap();
    assert_eq!(listed["subscriptions"], json!([{"topicFilter": "t/#", "qos": 1}]));
}

#[tokio::test]
async fn the_api_ends_a_session_for_good_only_if_it_is_asked_to() {
    let mut world = World::new().await;
    for (is_online, ends) in [(false, false), (false, true), (true, false), (true, true)] {
        leave_session(&world, keeping(Version::V5, "lamp"), "t").await;
        let mut online = None;
        if is_online {
            online = Some(world.come(keeping(Version::V5, "lamp")).await.0);
        }
        let asked = json!({"clientId": "lamp", "cleanSession": ends});
        world.server.call::<DeleteConnection>(asked).await.unwrap();
        drop(online);
        world.crash(&Random::seeded(1)).await;
        assert_eq!(is_kept(&world, keeping(Version::V5, "lamp")).await, !ends);
        is_kept(&world, connect(Version::V5, "lamp")).await;
    }
    let gone = json!({"clientId": "lamp", "cleanSession": true});
    world.server.call::<DeleteConnection>(gone).await.unwrap_err();
}

#[tokio::test]
async fn whoever_takes_a_session_over_gets_what_was_in_flight() {
    let world = World::new().await;
    for version in BOTH {
        let mut first = world.connect_with(keeping(version, "lamp")).await;
        first.subscribe("t", QOS_1).await;
        publish_all(&world, "t", &["a", "b", "c"]).await;
        let sent = first.messages().await;
        first.acknowledge(&sent[0]).await;
        first.pending().await;
        let (mut second, is_present) = world.come(keeping(version, "lamp")).await;
        assert!(is_present);
        first.is_cut_off(reason::SESSION_TAKEN_OVER).await;
        publish_all(&world, "t", &["d"]).await;
        assert_eq!(second.take_all().await, ["b", "c", "d"]);
        drop(second);
        is_kept(&world, connect(version, "lamp")).await;
    }
}

#[tokio::test]
async fn there_are_so_many_sessions_and_no_more() {
    let world = World::with(|choices| choices.limits.mqtt_sessions_max = 1).await;
    leave_session(&world, keeping(Version::V5, "lamp"), "t").await;
    for (version, code) in [
        (Version::V5, reason::QUOTA_EXCEEDED),
        (Version::V311, reason::connack::SERVER_UNAVAILABLE),
    ] {
        assert_eq!(world.answer(keeping(version, "fan")).await.unwrap().code, code);
    }
    world.connect(Version::V5, "fan").await.leave().await;
    assert!(is_kept(&world, keeping(Version::V5, "lamp")).await);
}

#[tokio::test]
async fn connections_of_a_session_are_counted_for_as_long_as_it_is_kept() {
    let mut world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("$aws/events/presence/connected/lamp", QoS::AtMostOnce).await;
    let number = |heard: Vec<Publish>| {
        let event: serde_json::Value = serde_json::from_slice(&heard[0].payload).unwrap();
        event["versionNumber"].as_u64().unwrap()
    };
    let mut week = keeping(Version::V5, "lamp");
    week.properties.session_expiry_s = Some(604_800);
    leave_session(&world, week.clone(), "t").await;
    assert_eq!(number(ear.messages().await), 0);
    world.pass(seconds(100_000)).await;
    leave_session(&world, week.clone(), "t").await;
    assert_eq!(number(ear.messages().await), 1);
    ear.leave().await;
    world.restart().await;
    let mut ear: Client = world.connect(Version::V5, "ear").await;
    ear.subscribe("$aws/events/presence/connected/lamp", QoS::AtMostOnce).await;
    leave_session(&world, week, "t").await;
    assert_eq!(number(ear.messages().await), 2);
}

#[tokio::test]
async fn subscriptions_under_way_are_no_messages_under_way() {
    let world = World::with(|choices| choices.limits.mqtt_inflight_max = 2).await;
    let mut lamp = world.connect_with(keeping(Version::V5, "lamp")).await;
    let mut bytes = bytes::BytesMut::new();
    for filter in ["a", "b", "c"] {
        let (packet_id, properties) = (lamp.new_id(), mqtt::SubscribeProperties::default());
        let subscriptions = vec![crate::client::subscription(filter, QOS_1)];
        let subscribe = mqtt::Subscribe { packet_id, properties, subscriptions };
        Packet::Subscribe(subscribe).encode(Version::V5, &mut bytes);
    }
    Packet::Publish(lamp.at_least_once("t", "x")).encode(Version::V5, &mut bytes);
    lamp.write(&bytes).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(lamp.packet().await);
    }
    let are_subacks = answers.iter().filter(|packet| matches!(packet, Packet::Suback(_)));
    assert_eq!(are_subacks.count(), 3, "and a PUBACK: {answers:?}");
}

#[tokio::test]
async fn a_reset_leaves_nothing_of_anybody() {
    let world = World::new().await;
    leave_session(&world, keeping(Version::V5, "lamp"), "t").await;
    leave_session(&world, keeping(Version::V5, "member"), "$share/g/t").await;
    publish_all(&world, "t", &["a"]).await;
    let left = Some(crate::client::will("t", "gone"));
    let mut online = world.connect_with(Connect { will: left, ..connect(Version::V5, "on") }).await;
    let mut kept = world.connect_with(keeping(Version::V5, "kept")).await;
    world.broker.reset().await;
    online.is_cut_off(reason::ADMINISTRATIVE_ACTION).await;
    kept.is_cut_off(reason::ADMINISTRATIVE_ACTION).await;
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(world.server.app().journal.size().entries, 0);
    for id in ["lamp", "member", "kept"] {
        let (mut client, is_present) = world.come(keeping(Version::V5, id)).await;
        client.subscribe(if id == "member" { "$share/g/t" } else { "t" }, QOS_1).await;
        assert!(!is_present && client.messages().await.is_empty(), "nothing is left of {id}");
        client.leave().await;
    }
    publish_all(&world, "t", &["b"]).await;
    let (mut lamp, is_present) = world.come(keeping(Version::V5, "lamp")).await;
    assert!(is_present && lamp.take_all().await == ["b"], "all goes on");
}
