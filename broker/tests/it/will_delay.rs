//! Wills that wait for their client to stay away (MQTT 5, 3.1.3.2.2).

use std::time::Duration;

use env::Random;
use model::iot_data::op::DeleteConnection;
use mqtt::{Connect, Disconnect, Packet, QoS, Version, reason};
use serde_json::json;

use crate::client::{Client, connect, keeping, will};
use crate::world::World;

/// A CONNECT whose Will waits for a minute, for a session of an hour.
fn patient(delay_s: u32) -> Connect {
    let left = mqtt::Will { delay_s: Some(delay_s), ..will("last", "gone") };
    Connect { will: Some(left), ..keeping(Version::V5, "lamp") }
}

/// Somebody who hears of Wills, whether it is there or not.
async fn ear(world: &World) -> Client {
    let mut ear = world.come(keeping(Version::V5, "ear")).await.0;
    ear.subscribe("last", QoS::AtLeastOnce).await;
    ear
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_will_waits_as_long_as_its_client_asked() {
    let world = World::standard().await;
    let mut ear = ear(&world).await;
    drop(world.connect_with(patient(60)).await);
    world.pass(seconds(59)).await;
    assert_eq!(ear.take_all().await, Vec::<String>::new());
    world.pass(seconds(1)).await;
    assert_eq!(ear.take_all().await, ["gone"]);
    world.pass(seconds(4000)).await;
    assert_eq!(ear.take_all().await, Vec::<String>::new(), "once");
}

#[tokio::test]
async fn a_will_waits_where_aws_is_spoken_too_but_not_for_a_session_that_ends() {
    let world = World::new().await;
    let mut ear = ear(&world).await;
    drop(world.connect_with(patient(60)).await);
    assert_eq!(ear.take_all().await, Vec::<String>::new());
    world.pass(seconds(60)).await;
    assert_eq!(ear.take_all().await, ["gone"]);
    let left = mqtt::Will { delay_s: Some(60), ..will("last", "at once") };
    drop(world.connect_with(Connect { will: Some(left), ..connect(Version::V5, "fan") }).await);
    assert_eq!(ear.take_all().await, ["at once"]);
}

#[tokio::test]
async fn the_will_of_a_client_that_comes_back_is_not_sent() {
    let world = World::standard().await;
    let mut ear = ear(&world).await;
    drop(world.connect_with(patient(60)).await);
    world.pass(seconds(59)).await;
    let (lamp, _) = world.come(keeping(Version::V5, "lamp")).await;
    world.pass(seconds(100)).await;
    let (mut second, _) = world.come(patient(60)).await;
    let (third, _) = world.come(patient(60)).await;
    second.is_cut_off(reason::SESSION_TAKEN_OVER).await;
    world.pass(seconds(100)).await;
    third.leave().await;
    world.pass(seconds(100)).await;
    assert_eq!(ear.take_all().await, Vec::<String>::new());
    drop(lamp);
}

#[tokio::test]
async fn a_will_is_sent_when_the_session_ends() {
    let world = World::standard().await;
    let mut ear = ear(&world).await;
    // By time, which is cut to that of the session.
    let mut short = patient(100);
    short.properties.session_expiry_s = Some(10);
    drop(world.connect_with(short).await);
    world.pass(seconds(10)).await;
    assert_eq!(ear.take_all().await, ["gone"]);
    // By a client that wants none of it.
    drop(world.connect_with(patient(60)).await);
    tokio::time::sleep(seconds(1)).await;
    drop(world.connect(Version::V5, "lamp").await);
    assert_eq!(ear.take_all().await, ["gone"]);
    // With its connection.
    let ends = Connect { properties: connect(Version::V5, "").properties, ..patient(60) };
    drop(world.connect_with(ends).await);
    assert_eq!(ear.take_all().await, ["gone"]);
    // By the API, away or not.
    for is_online in [false, true] {
        let lamp = world.connect_with(patient(60)).await;
        let online = is_online.then_some(lamp);
        tokio::time::sleep(seconds(1)).await;
        let asked = json!({"clientId": "lamp", "cleanSession": true});
        world.server.call::<DeleteConnection>(asked).await.unwrap();
        assert_eq!(ear.take_all().await, ["gone"], "online: {is_online}");
        drop(online);
    }
}

#[tokio::test]
async fn the_api_can_hold_a_will_back_that_waits() {
    let world = World::standard().await;
    let mut ear = ear(&world).await;
    drop(world.connect_with(patient(60)).await);
    tokio::time::sleep(seconds(1)).await;
    let asked = json!({"clientId": "lamp", "cleanSession": true, "preventWillMessage": true});
    world.server.call::<DeleteConnection>(asked).await.unwrap();
    world.pass(seconds(100)).await;
    assert_eq!(ear.take_all().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_goodbye_takes_the_will_with_it_unless_it_says_otherwise() {
    let world = World::standard().await;
    let mut ear = ear(&world).await;
    for (code, heard) in [(reason::NORMAL_DISCONNECTION, vec![]), (0x04, vec!["gone"])] {
        let mut lamp = world.connect_with(patient(60)).await;
        lamp.send(Packet::Disconnect(Disconnect { code, ..Disconnect::default() })).await;
        assert_eq!(lamp.rest().await, []);
        assert_eq!(ear.take_all().await, Vec::<String>::new(), "not yet");
        world.pass(seconds(60)).await;
        assert_eq!(ear.take_all().await, heard);
    }
}

#[tokio::test]
async fn a_will_that_waits_outlives_a_restart_and_a_crash() {
    for crashes in [false, true] {
        let mut world = World::standard().await;
        ear(&world).await.leave().await;
        drop(world.connect_with(patient(60)).await);
        world.pass(seconds(30)).await;
        if crashes {
            world.crash(&Random::seeded(5)).await;
        } else {
            world.restart().await;
        }
        let mut ear = ear(&world).await;
        world.pass(seconds(29)).await;
        assert_eq!(ear.take_all().await, Vec::<String>::new());
        world.pass(seconds(1)).await;
        assert_eq!(ear.take_all().await, ["gone"]);
        ear.leave().await;
        world.restart().await;
        let mut ear = world.come(keeping(Version::V5, "ear")).await.0;
        world.pass(seconds(4000)).await;
        assert_eq!(ear.take_all().await, Vec::<String>::new(), "not when the session ends too");
    }
}

#[tokio::test]
async fn the_will_of_a_client_that_was_there_when_the_server_stopped_waits_too() {
    let mut world = World::standard().await;
    ear(&world).await.leave().await;
    let lamp = world.connect_with(patient(60)).await;
    world.restart().await;
    drop(lamp);
    let mut ear = ear(&world).await;
    assert_eq!(ear.take_all().await, Vec::<String>::new());
    world.pass(seconds(60)).await;
    assert_eq!(ear.take_all().await, ["gone"]);
}
