//! Rates: what comes too fast is refused or waits, and what is acknowledged is never lost to one.

use std::time::Duration;

use model::iot_data::op::{DeleteConnection, GetConnection, ListSubscriptions, SendDirectMessage};
use model::spec::Operation;
use mqtt::{Connack, Packet, QoS, Version, reason};
use serde_json::json;
use tokio::time::Instant;

use crate::BOTH;
use crate::client::{Client, bytes_of, connect, publish, texts};
use crate::world::{World, policy};

const SECOND: Duration = Duration::from_secs(1);

/// Publishes so many numbered messages of QoS 1 at once.
async fn burst(client: &mut Client, messages: usize) {
    let mut bytes = Vec::new();
    for number in 0..messages {
        let message = client.at_least_once("lamp", &number.to_string());
        bytes.extend(bytes_of(client.version, &Packet::Publish(message)));
    }
    client.write(&bytes).await;
}

fn codes(packets: &[Packet]) -> Vec<u8> {
    let code = |packet: &Packet| match packet {
        Packet::Puback(ack) => ack.code,
        other => panic!("PUBACK is expected, not {other:?}"),
    };
    packets.iter().map(code).collect()
}

#[tokio::test]
async fn what_a_client_publishes_too_fast_is_refused_and_reaches_nobody() {
    let world = World::within(|limits| limits.mqtt_publishes_per_s = 3).await;
    for version in BOTH {
        let mut ear = world.connect(version, "ear").await;
        ear.subscribe("lamp", QoS::AtMostOnce).await;
        let id = format!("lamp-{version:?}");
        let mut lamp = world.connect(version, &id).await;
        burst(&mut lamp, 5).await;
        let answers = codes(&lamp.pending().await);
        let told = if version == Version::V5 { vec![0, 0, 0, 0x97, 0x97] } else { vec![0; 3] };
        assert_eq!(answers, told, "{version:?}");
        assert_eq!(texts(&ear.pending().await).len(), 3);
        let logged = world.reasons("Publish-In");
        assert_eq!(logged.iter().filter(|(client, _)| *client == id).count(), 2);
        assert!(logged.iter().all(|(_, reason)| *reason == "THROTTLED"), "{logged:?}");
    }
}

#[tokio::test]
async fn a_client_may_publish_again_when_time_has_passed() {
    let world = World::within(|limits| limits.mqtt_publishes_per_s = 2).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    burst(&mut lamp, 3).await;
    assert_eq!(codes(&lamp.pending().await), [0, 0, 0x97]);
    tokio::time::advance(SECOND / 2).await;
    burst(&mut lamp, 2).await;
    assert_eq!(codes(&lamp.pending().await), [0, 0x97]);
}

#[tokio::test]
async fn messages_of_qos_0_beyond_the_rate_are_dropped_and_the_connection_stays() {
    let world = World::within(|limits| limits.mqtt_publishes_per_s = 1).await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("lamp", QoS::AtMostOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for text in ["on", "off"] {
        lamp.send(Packet::Publish(publish("lamp", text))).await;
    }
    assert_eq!(lamp.pending().await, []);
    assert_eq!(texts(&ear.pending().await), [("lamp".to_owned(), "on".to_owned())]);
}

#[tokio::test]
async fn each_connection_has_a_rate_of_its_own() {
    let world = World::within(|limits| limits.mqtt_publishes_per_s = 1).await;
    for id in ["one", "two"] {
        let mut client = world.connect(Version::V5, id).await;
        assert_eq!(client.deliver("t", "x").await, 0);
    }
}

#[tokio::test]
async fn what_comes_too_fast_for_a_subscriber_waits_and_arrives_in_order() {
    let world = World::within(|limits| limits.mqtt_publishes_per_s = 10).await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("#", QoS::AtMostOnce).await;
    for id in ["one", "two", "three"] {
        let mut client = world.connect(Version::V5, id).await;
        burst(&mut client, 10).await;
        assert_eq!(codes(&client.pending().await), [0; 10]);
    }
    let start = Instant::now();
    let mut numbers = Vec::new();
    for _ in 0..30 {
        numbers.push(texts(&[Packet::Publish(ear.message().await)])[0].1.clone());
    }
    let expected: Vec<String> = (0..30).map(|n| (n % 10).to_string()).collect();
    assert_eq!(numbers, expected);
    let took = start.elapsed();
    assert!(took > SECOND * 3 / 2 && took < SECOND * 5 / 2, "{took:?}");
}

#[tokio::test]
async fn a_client_that_sends_too_many_bytes_is_not_read_from_until_it_may() {
    let world = World::within(|limits| limits.mqtt_bytes_per_s = 10_000).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let start = Instant::now();
    for _ in 0..4 {
        assert_eq!(lamp.deliver("lamp", &"x".repeat(10_000)).await, 0);
    }
    let took = start.elapsed();
    assert!(took > SECOND * 2 && took < SECOND * 4, "{took:?}");
}

#[tokio::test]
async fn what_goes_to_a_client_has_as_many_bytes_a_second() {
    let world = World::within(|limits| limits.mqtt_bytes_per_s = 10_000).await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("#", QoS::AtMostOnce).await;
    for id in ["one", "two", "three", "four"] {
        let mut client = world.connect(Version::V5, id).await;
        client.deliver("lamp", &"x".repeat(9000)).await;
    }
    let start = Instant::now();
    for _ in 0..4 {
        ear.message().await;
    }
    let took = start.elapsed();
    assert!(took > SECOND * 3 / 2 && took < SECOND * 4, "{took:?}");
}

#[tokio::test]
async fn a_client_that_has_to_wait_is_not_taken_for_silent() {
    let limits = |limits: &mut service::Limits| limits.mqtt_bytes_per_s = 100;
    let world = World::within(limits).await;
    let mut lamp = world.dial(Version::V5);
    lamp.let_in(mqtt::Connect { keep_alive_s: 30, ..connect(Version::V5, "lamp") }).await;
    // Far beyond one and a half times its keep alive.
    lamp.deliver("lamp", &"x".repeat(10_000)).await;
    assert_eq!(lamp.deliver("lamp", "x").await, 0);
}

#[tokio::test]
async fn an_account_has_so_many_connects_a_second() {
    let world = World::within(|limits| limits.mqtt_connects_per_s = 2).await;
    for (version, code) in [(Version::V5, reason::QUOTA_EXCEEDED), (Version::V311, 3)] {
        for id in ["one", "two"] {
            world.connect(version, id).await.leave().await;
        }
        let Some(connack) = world.answer(connect(version, "three")).await else {
            panic!("{version:?} is told")
        };
        assert_eq!(connack.code, code);
        tokio::time::advance(SECOND).await;
    }
    let (_, reason) = world.reasons("Connect").pop().unwrap();
    assert_eq!(reason, "THROTTLED");
}

#[tokio::test]
async fn a_client_id_connects_so_often_a_second() {
    let world = World::within(|limits| limits.mqtt_connects_per_client_per_s = 1).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let refused = world.answer(connect(Version::V5, "lamp")).await.unwrap();
    assert_eq!(refused.code, reason::QUOTA_EXCEEDED);
    assert_eq!(lamp.pending().await, [], "it is not replaced by who was not let in");
    world.connect(Version::V5, "other").await;
    tokio::time::advance(SECOND).await;
    world.connect(Version::V5, "lamp").await;
}

#[tokio::test]
async fn whoever_may_not_connect_with_an_id_takes_no_turn_from_who_may() {
    let world = World::within(|limits| limits.mqtt_connects_per_client_per_s = 1).await;
    world.set_policy("lamp", &policy(&[("Deny", "Connect", "client/lamp")]));
    let refused = world.answer(connect(Version::V5, "lamp")).await.unwrap();
    assert_eq!(refused.code, reason::NOT_AUTHORIZED);
    world.set_policy("lamp", crate::world::EVERYTHING);
    world.connect(Version::V5, "lamp").await;
}

#[tokio::test]
async fn an_account_has_so_many_connections_and_one_of_them_may_be_replaced() {
    let world = World::within(|limits| limits.mqtt_connections_per_account_max = 2).await;
    let one = world.connect(Version::V5, "one").await;
    let _two = world.connect(Version::V5, "two").await;
    for (version, code) in [(Version::V5, reason::QUOTA_EXCEEDED), (Version::V311, 3)] {
        let refused = world.answer(connect(version, "three")).await;
        assert_eq!(refused.map(|connack: Connack| connack.code), Some(code));
    }
    let one_again = world.connect(Version::V5, "one").await;
    drop(one);
    one_again.leave().await;
    world.connect(Version::V5, "three").await;
}

#[tokio::test]
async fn the_clients_of_an_account_subscribe_so_often_a_second() {
    let world = World::within(|limits| limits.mqtt_subscriptions_per_s = 2).await;
    for (version, code) in [(Version::V5, 0x97), (Version::V311, 0x80)] {
        let mut ear = world.connect(version, "ear").await;
        let asked = ["a", "b", "c"].map(|filter| (filter, QoS::AtMostOnce));
        assert_eq!(ear.ask_for(&asked).await, [0, 0, code]);
        tokio::time::advance(SECOND).await;
        assert_eq!(ear.ask_for(&asked[2..]).await, [0]);
        tokio::time::advance(SECOND).await;
    }
}

/// What a call about a client is answered: an error's name, or nothing.
async fn call<O: Operation>(world: &World, client_id: &str) -> &'static str {
    let input = json!({ "clientId": client_id, "topic": "t" });
    world.server.call::<O>(input).await.err().map_or("", |error| error.code)
}

#[tokio::test]
async fn calls_about_connections_have_rates_for_each_operation_and_client() {
    let world = World::within(|limits| {
        limits.connection_calls_per_s = 3;
        limits.connection_calls_per_client_per_s = 1;
    });
    let world = world.await;
    let _clients = [world.connect(Version::V5, "a").await, world.connect(Version::V5, "b").await];
    let throttled = "ThrottlingException";
    assert_eq!(call::<GetConnection>(&world, "a").await, "");
    assert_eq!(call::<GetConnection>(&world, "a").await, throttled, "of one client");
    assert_eq!(call::<GetConnection>(&world, "b").await, "");
    assert_eq!(call::<GetConnection>(&world, "c").await, throttled, "of the account");
    assert_eq!(call::<ListSubscriptions>(&world, "a").await, "");
    assert_eq!(call::<ListSubscriptions>(&world, "a").await, throttled);
    assert_eq!(call::<DeleteConnection>(&world, "a").await, "");
    assert_eq!(call::<DeleteConnection>(&world, "a").await, throttled);
    tokio::time::advance(SECOND).await;
    assert_eq!(call::<GetConnection>(&world, "a").await, "");
}

#[tokio::test]
async fn direct_messages_have_a_rate_of_the_account() {
    let world = World::within(|limits| limits.direct_messages_per_s = 1).await;
    let _ear = world.connect(Version::V5, "ear").await;
    assert_eq!(call::<SendDirectMessage>(&world, "ear").await, "");
    assert_eq!(call::<SendDirectMessage>(&world, "ear").await, "ThrottlingException");
}
