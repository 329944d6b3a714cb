//! Policies while a client is connected: what it may receive, and what changes under its feet.

use std::time::Duration;

use mqtt::{Connect, Packet, Publish, PublishProperties, QoS, UserProperties, Version, reason};
use serde_json::json;
use service::{DeviceStatus, Refusal, Rights};

use crate::BOTH;
use crate::client::{Client, connect, publish, texts, will};
use crate::world::{EVERYTHING, World, arn, policy, rights};

/// Connect, subscribe to everything, and receive below `mine/`.
const MINE_ALONE: [(&str, &str, &str); 3] = [
    ("Allow", "Connect", "client/*"),
    ("Allow", "Subscribe", "topicfilter/*"),
    ("Allow", "Receive", "topic/mine/*"),
];

async fn listener(world: &World, id: &str) -> Client {
    let mut client = world.connect(Version::V5, id).await;
    client.subscribe("#", QoS::AtLeastOnce).await;
    client
}

fn topics(packets: &[Packet]) -> Vec<String> {
    texts(packets).into_iter().map(|(topic, _)| topic).collect()
}

#[tokio::test]
async fn what_a_client_may_not_receive_is_left_out_and_logged_once() {
    let world = World::new().await;
    world.set_policy("ear", &policy(&MINE_ALONE));
    let mut ear = listener(&world, "ear").await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for topic in ["yours/a", "mine/a", "yours/a", "yours/b", "yours/a", "mine/b"] {
        assert_eq!(lamp.deliver(topic, "on").await, reason::SUCCESS);
    }
    assert_eq!(topics(&ear.pending().await), ["mine/a", "mine/b"]);
    let log = world.logged("Publish-Out");
    let logged: Vec<_> = log.iter().map(|event| event.topic_name.as_deref().unwrap()).collect();
    assert_eq!(logged, ["yours/a", "yours/b"]);
    assert_eq!((log[0].reason, log[0].status), ("AUTHORIZATION_FAILURE", DeviceStatus::Failure));
    let begin = format!("iot:Receive on {}", arn("topic/yours/a"));
    assert!(log[0].details.starts_with(&begin), "{}", log[0].details);
}

#[tokio::test]
async fn a_changed_policy_holds_for_the_next_message() {
    let world = World::new().await;
    let mut ear = listener(&world, "ear").await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    assert_eq!(lamp.deliver("yours", "1").await, reason::SUCCESS);
    world.replace_policy("ear", &policy(&MINE_ALONE));
    assert_eq!(lamp.deliver("yours", "2").await, reason::SUCCESS);
    assert_eq!(lamp.deliver("mine/a", "3").await, reason::SUCCESS);
    world.replace_policy("lamp", &policy(&MINE_ALONE));
    assert_eq!(lamp.deliver("mine/a", "4").await, reason::NOT_AUTHORIZED);
    world.replace_policy("lamp", EVERYTHING);
    assert_eq!(lamp.deliver("mine/a", "5").await, reason::SUCCESS);
    ear.message().await;
    let heard = texts(&ear.pending().await);
    let heard: Vec<_> = heard.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!(heard, ["3", "5"]);
}

#[tokio::test]
async fn a_change_is_logged_anew() {
    let world = World::new().await;
    world.set_policy("ear", &policy(&MINE_ALONE));
    let mut ear = listener(&world, "ear").await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for _ in 0..2 {
        lamp.deliver("yours", "on").await;
        lamp.deliver("yours", "on").await;
        ear.pending().await;
        world.replace_policy("ear", &policy(&MINE_ALONE));
    }
    assert_eq!(world.logged("Publish-Out").len(), 2);
}

#[tokio::test]
async fn a_subscription_outlives_the_permission_to_make_it() {
    let world = World::new().await;
    let mut ear = listener(&world, "ear").await;
    let receive = [("Allow", "Connect", "client/ear"), ("Allow", "Receive", "topic/*")];
    world.replace_policy("ear", &policy(&receive));
    assert_eq!(ear.ask_for(&[("a", QoS::AtMostOnce)]).await, [reason::NOT_AUTHORIZED]);
    let mut lamp = world.connect(Version::V5, "lamp").await;
    lamp.deliver("a", "on").await;
    assert_eq!(topics(&ear.pending().await), ["a"]);
}

#[tokio::test]
async fn a_denial_in_one_statement_outweighs_the_allowance_in_another() {
    let world = World::new().await;
    world.set_policy(
        "lamp",
        &policy(&[
            ("Allow", "*", "*"),
            ("Allow", "Connect", "client/lamp"),
            ("Allow", "Publish", "topic/*"),
            ("Deny", "Publish", "topic/secret/*"),
        ]),
    );
    let mut lamp = world.connect(Version::V5, "lamp").await;
    assert_eq!(lamp.deliver("open", "on").await, reason::SUCCESS);
    assert_eq!(lamp.deliver("secret/door", "on").await, reason::NOT_AUTHORIZED);
}

#[tokio::test]
async fn a_policy_that_asks_for_the_time_is_asked_every_time() {
    let world = World::new().await;
    let until = world.server.clock().now().plus(Duration::from_secs(60));
    let text = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
            {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*", "Condition":
                {"DateLessThan": {"aws:CurrentTime": until.to_rfc3339()}}},
        ],
    });
    world.set_policy("lamp", &text.to_string());
    let mut lamp = world.connect(Version::V5, "lamp").await;
    assert_eq!(lamp.deliver("t", "on").await, reason::SUCCESS);
    world.server.clock().advance(Duration::from_secs(59));
    assert_eq!(lamp.deliver("t", "on").await, reason::SUCCESS);
    world.server.clock().advance(Duration::from_secs(1));
    assert_eq!(lamp.deliver("t", "on").await, reason::NOT_AUTHORIZED);
}

#[tokio::test]
async fn whoever_needs_no_policy_is_asked_for_none() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    world.permissions("lamp").replace(Rights::default());
    assert_eq!(lamp.deliver("t", "on").await, reason::NOT_AUTHORIZED);
    let unlimited = Rights { is_unlimited: true, ..Rights::default() };
    world.permissions("lamp").replace(unlimited);
    assert_eq!(lamp.deliver("t", "on").await, reason::SUCCESS);
    lamp.subscribe("#", QoS::AtMostOnce).await;
    lamp.deliver("t", "on").await;
    assert_eq!(topics(&lamp.pending().await), ["t"]);
}

#[tokio::test]
async fn a_certificate_that_is_no_longer_good_ends_its_connection() {
    let world = World::new().await;
    let mut ear = listener(&world, "ear").await;
    for version in BOTH {
        let asked = Connect { will: Some(will("last", "gone")), ..connect(version, "lamp") };
        let mut lamp = world.connect_with(asked).await;
        let detail = "the certificate is REVOKED".to_owned();
        let refusal = Refusal { reason: "CERTIFICATE_REVOKED", detail };
        world.permissions("lamp").end(refusal);
        lamp.is_cut_off(reason::NOT_AUTHORIZED).await;
        assert_eq!(topics(&ear.pending().await), ["last"]);
    }
    let log = world.logged("Disconnect");
    assert_eq!(log.len(), 2);
    assert_eq!((log[0].reason, log[0].status), ("CERTIFICATE_REVOKED", DeviceStatus::Failure));
    assert_eq!(log[0].details, "the certificate is REVOKED");
}

#[tokio::test]
async fn nothing_that_comes_after_the_end_is_taken() {
    let world = World::new().await;
    let mut ear = listener(&world, "ear").await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    lamp.send(Packet::Publish(publish("t", "too late"))).await;
    let detail = "the certificate is INACTIVE".to_owned();
    world.permissions("lamp").end(Refusal { reason: "CERTIFICATE_INACTIVE", detail });
    lamp.is_cut_off(reason::NOT_AUTHORIZED).await;
    assert_eq!(ear.pending().await, []);
}

#[tokio::test]
async fn one_client_does_not_fill_the_device_log() {
    let world = World::new().await;
    world.set_policy("lamp", &policy(&[("Allow", "Connect", "client/*")]));
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for _ in 0..50 {
        assert_eq!(lamp.deliver("t", "on").await, reason::NOT_AUTHORIZED);
    }
    assert_eq!(world.logged("Publish-In").len(), 10, "the clock of the test stands still");
    world.server.clock().advance(Duration::from_secs(1));
    assert_eq!(lamp.deliver("t", "on").await, reason::NOT_AUTHORIZED);
    let logged = world.logged("Publish-In");
    assert_eq!(logged.len(), 11);
    let newest = logged.iter().filter(|event| event.details.contains("and 40 more")).count();
    assert_eq!(newest, 1, "{logged:?}");
}

/// The user properties of each message.
fn user_properties(packets: &[Packet]) -> Vec<UserProperties> {
    let of = |packet: &Packet| {
        let Packet::Publish(message) = packet else { panic!("a message is expected: {packet:?}") };
        message.properties.as_ref().map(|p| p.user_properties.clone()).unwrap_or_default()
    };
    packets.iter().map(of).collect()
}

#[tokio::test]
async fn what_is_added_to_messages_stands_after_what_the_client_sent() {
    let world = World::new().await;
    let mut ear = listener(&world, "ear").await;
    let added: UserProperties = vec![("site".into(), "north".into())];
    for version in BOTH {
        let mut lamp = world.connect(version, "lamp").await;
        let send_three = async |lamp: &mut Client| {
            for text in ["1", "2", "3"] {
                lamp.send(Packet::Publish(publish("t", text))).await;
            }
        };
        send_three(&mut lamp).await;
        assert_eq!(user_properties(&ear.pending().await), vec![UserProperties::new(); 3]);
        let more = Rights { user_properties: added.clone(), ..rights("lamp", EVERYTHING) };
        world.permissions("lamp").replace(more);
        send_three(&mut lamp).await;
        assert_eq!(user_properties(&ear.pending().await), vec![added.clone(); 3]);
        if version == Version::V5 {
            let own = ("site".into(), "south".into());
            let properties =
                PublishProperties { user_properties: vec![own], ..PublishProperties::default() };
            let message = Publish { properties: Some(Box::new(properties)), ..publish("t", "4") };
            lamp.send(Packet::Publish(message)).await;
            let both: UserProperties =
                vec![("site".into(), "south".into()), ("site".into(), "north".into())];
            assert_eq!(user_properties(&ear.pending().await), [both]);
        }
        world.replace_policy("lamp", EVERYTHING);
        send_three(&mut lamp).await;
        assert_eq!(user_properties(&ear.pending().await), vec![UserProperties::new(); 3]);
        lamp.leave().await;
    }
}
