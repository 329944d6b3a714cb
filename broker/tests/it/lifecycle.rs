//! What `$aws/events` tells of clients, and who may hear it.

use std::time::Duration;

use model::iot_data::op::DeleteConnection;
use mqtt::{Connect, Packet, QoS, Version, reason};
use serde_json::{Value, json};
use service::{Knock, Refusal};

use crate::BOTH;
use crate::client::{Client, connect, publish, will};
use crate::world::{World, knock, policy};

/// What the clock shows at first.
const START_MS: i64 = 1_767_323_045_000;

/// A policy that does not let a client in.
fn nothing() -> String {
    policy(&[("Allow", "Connect", "client/another")])
}

/// A client that listens to `filter`.
async fn ear(world: &World, filter: &str) -> Client {
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe(filter, QoS::AtLeastOnce).await;
    ear
}

/// The topics and contents of the events that have come, in their order.
async fn heard(ear: &mut Client) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    for packet in ear.pending().await {
        let Packet::Publish(message) = packet else { panic!("an event is expected: {packet:?}") };
        ear.acknowledge(&message).await;
        let topic = message.topic.strip_prefix("$aws/events/").unwrap().to_owned();
        events.push((topic, serde_json::from_slice(&message.payload).unwrap()));
    }
    events
}

/// As [`heard`], the topics alone.
async fn topics(ear: &mut Client) -> Vec<String> {
    heard(ear).await.into_iter().map(|(topic, _)| topic).collect()
}

/// The one event that has come, and the id of its session, which is taken out.
async fn only(ear: &mut Client) -> (String, Value, String) {
    let mut events = heard(ear).await;
    assert_eq!(events.len(), 1, "{events:?}");
    let (topic, mut event) = events.remove(0);
    let session = event.as_object_mut().unwrap().remove("sessionIdentifier").unwrap();
    let session = session.as_str().unwrap().to_owned();
    let dashes: Vec<usize> = session.match_indices('-').map(|(at, _)| at).collect();
    assert_eq!((session.len(), dashes), (36, vec![8, 13, 18, 23]), "{session}");
    (topic, event, session)
}

#[tokio::test]
async fn a_connection_is_told_of_when_it_begins_and_when_it_ends() {
    let world = World::new().await;
    let mut ear = ear(&world, "$aws/events/presence/+/lamp").await;
    let mut sessions = Vec::new();
    for (number, version) in BOTH.into_iter().enumerate() {
        let now = START_MS + 2000 * i64::try_from(number).unwrap();
        let lamp = world.connect(version, "lamp").await;
        let (topic, event, session) = only(&mut ear).await;
        let expected = json!({
            "clientId": "lamp",
            "timestamp": now,
            "eventType": "connected",
            "principalIdentifier": "c0ffee",
            "ipAddress": "127.0.0.1",
            "versionNumber": number,
        });
        assert_eq!((topic.as_str(), event), ("presence/connected/lamp", expected));
        world.server.clock().advance(Duration::from_secs(1));
        lamp.leave().await;
        let (topic, event, same_session) = only(&mut ear).await;
        let expected = json!({
            "clientId": "lamp",
            "timestamp": now + 1000,
            "eventType": "disconnected",
            "principalIdentifier": "c0ffee",
            "clientInitiatedDisconnect": true,
            "disconnectReason": "CLIENT_INITIATED_DISCONNECT",
            "versionNumber": number,
        });
        assert_eq!((topic.as_str(), event), ("presence/disconnected/lamp", expected));
        assert_eq!(session, same_session);
        sessions.push(session);
        world.server.clock().advance(Duration::from_secs(1));
    }
    assert_ne!(sessions[0], sessions[1]);
}

#[tokio::test]
async fn connections_are_counted_until_a_client_was_away_for_an_hour() {
    let world = World::new().await;
    let mut ear = ear(&world, "$aws/events/presence/connected/+").await;
    for (away_s, number) in [(0, 0), (3599, 1), (0, 2), (3600, 0), (1, 1)] {
        world.server.clock().advance(Duration::from_secs(away_s));
        let lamp = world.connect(Version::V5, "lamp").await;
        assert_eq!(only(&mut ear).await.1["versionNumber"], number);
        lamp.leave().await;
    }
    let _fan = world.connect(Version::V5, "fan").await;
    assert_eq!(only(&mut ear).await.1["versionNumber"], 0, "each client has its own");
}

/// Ends the connection of `lamp` in one of many ways.
async fn end(world: &World, mut lamp: Client, reason: &str) {
    match reason {
        "CLIENT_INITIATED_DISCONNECT" => return lamp.leave().await,
        "CONNECTION_LOST" => return drop(lamp),
        "CLIENT_ERROR" => lamp.send(Packet::Pingresp).await,
        "FORBIDDEN_ACCESS" => lamp.send(Packet::Publish(publish("forbidden", ""))).await,
        "AUTH_ERROR" => {
            let detail = "the certificate is REVOKED".to_owned();
            world.permissions("lamp").end(Refusal { reason: "CERTIFICATE_REVOKED", detail });
        }
        "API_INITIATED_DISCONNECT" => {
            let input = json!({"clientId": "lamp"});
            world.server.call::<DeleteConnection>(input).await.unwrap();
        }
        "MQTT_KEEP_ALIVE_TIMEOUT" => {}
        other => panic!("{other}?"),
    }
    lamp.rest().await;
}

#[tokio::test]
async fn the_end_of_a_connection_has_its_reason() {
    let world = World::new().await;
    let everything_but = [("Allow", "*", "*"), ("Deny", "Publish", "topic/forbidden")];
    world.set_policy("lamp", &policy(&everything_but));
    let mut ear = ear(&world, "$aws/events/presence/disconnected/+").await;
    for version in BOTH {
        for (reason, by_client) in [
            ("CLIENT_INITIATED_DISCONNECT", true),
            ("CONNECTION_LOST", false),
            ("CLIENT_ERROR", false),
            ("FORBIDDEN_ACCESS", false),
            ("AUTH_ERROR", false),
            ("API_INITIATED_DISCONNECT", false),
            ("MQTT_KEEP_ALIVE_TIMEOUT", false),
        ] {
            let asked = Connect { keep_alive_s: 30, ..connect(version, "lamp") };
            let lamp = world.connect_with(asked).await;
            end(&world, lamp, reason).await;
            let (_, event, _) = only(&mut ear).await;
            assert_eq!(event["disconnectReason"], reason);
            assert_eq!(event["clientInitiatedDisconnect"], by_client, "{reason}");
        }
    }
}

#[tokio::test]
async fn the_old_connection_ends_before_the_new_one_begins() {
    let world = World::new().await;
    let mut ear = ear(&world, "$aws/events/presence/#").await;
    let mut old = world.connect(Version::V5, "lamp").await;
    assert_eq!(only(&mut ear).await.0, "presence/connected/lamp");
    let _new = world.connect(Version::V5, "lamp").await;
    old.is_cut_off(reason::SESSION_TAKEN_OVER).await;
    let events = heard(&mut ear).await;
    let [(first, ended), (second, begun)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (first.as_str(), second.as_str()),
        ("presence/disconnected/lamp", "presence/connected/lamp")
    );
    assert_eq!(ended["disconnectReason"], "DUPLICATE_CLIENTID");
    assert_eq!((&ended["versionNumber"], &begun["versionNumber"]), (&json!(0), &json!(1)));
    assert_ne!(ended["sessionIdentifier"], begun["sessionIdentifier"]);
}

#[tokio::test]
async fn the_will_comes_before_the_event() {
    let world = World::new().await;
    let mut ear = ear(&world, "$aws/events/presence/disconnected/lamp").await;
    ear.subscribe("last/words", QoS::AtLeastOnce).await;
    let left = Some(will("last/words", "gone"));
    drop(world.connect_with(Connect { will: left, ..connect(Version::V5, "lamp") }).await);
    let topics = [ear.message().await.topic, ear.message().await.topic];
    assert_eq!(topics, ["last/words", "$aws/events/presence/disconnected/lamp"]);
}

#[tokio::test]
async fn whoever_may_not_connect_is_told_of() {
    let world = World::new().await;
    let mut ear = ear(&world, "$aws/events/presence/#").await;
    let may_connect = policy(&[("Allow", "Connect", "client/*")]);
    let left = Some(will("last/words", "gone"));
    for (text, will) in [(nothing(), None), (may_connect, left)] {
        world.set_policy("lamp", &text);
        let asked = Connect { will, ..connect(Version::V311, "lamp") };
        assert_eq!(world.answer(asked).await, None);
        let (topic, event, _) = only(&mut ear).await;
        let expected = json!({
            "clientId": "lamp",
            "timestamp": START_MS,
            "eventType": "connect_failed",
            "connectFailureReason": "AUTHORIZATION_FAILED",
            "principalIdentifier": "c0ffee",
            "ipAddress": "127.0.0.1",
        });
        assert_eq!((topic.as_str(), event), ("presence/connect_failed/lamp", expected));
    }
}

#[tokio::test]
async fn whoever_is_refused_for_another_reason_is_not_told_of() {
    let world = World::new().await;
    let mut ear = ear(&world, "$aws/events/#").await;
    topics(&mut ear).await;
    for id in ["unbound", &"x".repeat(129)] {
        assert_ne!(world.answer(connect(Version::V5, id)).await.unwrap().code, 0);
    }
    assert_eq!(topics(&mut ear).await, [""; 0]);
}

#[tokio::test]
async fn subscriptions_are_told_of_by_what_was_granted_and_what_ended() {
    let world = World::new().await;
    let only_a = [("Allow", "Connect", "*"), ("Allow", "Subscribe", "topicfilter/a*")];
    world.set_policy("lamp", &policy(&only_a));
    let mut ear = ear(&world, "$aws/events/subscriptions/#").await;
    topics(&mut ear).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let asked = [("a/+", QoS::AtLeastOnce), ("b", QoS::AtMostOnce), ("a", QoS::AtMostOnce)];
    assert_eq!(lamp.ask_for(&asked).await, [1, 0x87, 0]);
    let (topic, event, session) = only(&mut ear).await;
    let expected = json!({
        "clientId": "lamp",
        "timestamp": START_MS,
        "eventType": "subscribed",
        "principalIdentifier": "c0ffee",
        "topics": ["a/+", "a"],
    });
    assert_eq!((topic.as_str(), event), ("subscriptions/subscribed/lamp", expected));
    assert_eq!(lamp.ask_for(&[("b", QoS::AtMostOnce)]).await, [0x87]);
    assert_eq!(lamp.unsubscribe(&["b"]).await, [0]);
    assert_eq!(topics(&mut ear).await, [""; 0], "nothing was subscribed, nothing ended");
    assert_eq!(lamp.unsubscribe(&["b", "a/+"]).await, [0, 0]);
    let (topic, event, same_session) = only(&mut ear).await;
    let expected = json!({
        "clientId": "lamp",
        "timestamp": START_MS,
        "eventType": "unsubscribed",
        "principalIdentifier": "c0ffee",
        "topics": ["a/+"],
    });
    assert_eq!((topic.as_str(), event), ("subscriptions/unsubscribed/lamp", expected));
    assert_eq!(session, same_session);
    lamp.leave().await;
    assert_eq!(topics(&mut ear).await, [""; 0], "the end of the connection says enough");
}

#[tokio::test]
async fn a_client_whose_id_could_be_a_filter_has_no_events() {
    let world = World::new().await;
    let mut ear = ear(&world, "$aws/events/presence/#").await;
    for id in ["a+b", "#", "+"] {
        let mut client = world.connect(Version::V5, id).await;
        client.subscribe("t", QoS::AtMostOnce).await;
        client.leave().await;
        world.set_policy(id, &nothing());
        world.answer(connect(Version::V5, id)).await.unwrap();
    }
    assert_eq!(topics(&mut ear).await, [""; 0]);
    world.connect(Version::V5, "floor/1/lamp").await.leave().await;
    let expected = ["presence/connected/floor/1/lamp", "presence/disconnected/floor/1/lamp"];
    assert_eq!(topics(&mut ear).await, expected);
}

#[tokio::test]
async fn a_thing_is_named_to_which_the_certificate_belongs_alone() {
    let world = World::new().await;
    world.bind("lamp", "the-lamp", true);
    world.bind("fan", "fan", false);
    let mut ear = ear(&world, "$aws/events/#").await;
    topics(&mut ear).await;
    for (id, thing) in [("lamp", Some("the-lamp")), ("fan", None)] {
        let mut client = world.connect(Version::V5, id).await;
        client.subscribe("t", QoS::AtMostOnce).await;
        client.leave().await;
        let things: Vec<_> = heard(&mut ear).await;
        let things: Vec<_> = things.iter().map(|(_, event)| event.get("thingName")).collect();
        assert_eq!(things, [thing.map(|name| json!(name)).as_ref(); 3]);
    }
}

#[tokio::test]
async fn events_come_with_the_qos_of_the_subscription_to_whoever_may_receive_them() {
    let world = World::new().await;
    for (qos, action, is_heard) in [
        (QoS::AtMostOnce, "Receive", true),
        (QoS::AtLeastOnce, "Receive", true),
        (QoS::AtLeastOnce, "Publish", false),
    ] {
        let topic = "topic/$aws/events/*";
        let statements =
            [("Allow", "Connect", "*"), ("Allow", "Subscribe", "*"), ("Allow", action, topic)];
        world.set_policy("ear", &policy(&statements));
        let mut ear = world.connect(Version::V311, "ear").await;
        ear.subscribe("$aws/events/presence/connected/lamp", qos).await;
        let _lamp = world.connect(Version::V5, "lamp").await;
        let came: Vec<QoS> = ear.pending().await.iter().map(qos_of).collect();
        assert_eq!(came, vec![qos; usize::from(is_heard)]);
        ear.leave().await;
    }
}

fn qos_of(packet: &Packet) -> QoS {
    match packet {
        Packet::Publish(message) => message.qos,
        other => panic!("a message is expected, not {other:?}"),
    }
}

#[tokio::test]
async fn events_are_heard_where_they_stand_and_nowhere_else() {
    let world = World::new().await;
    let mut ear = ear(&world, "#").await;
    ear.subscribe("+/events/#", QoS::AtLeastOnce).await;
    let abroad = Knock { server_name: Some("eu-west-1".to_owned()), ..knock() };
    let mut stranger = world.dial_as(Version::V5, abroad, 64 * 1024);
    stranger.let_in(connect(Version::V5, "ear")).await;
    stranger.subscribe("$aws/events/presence/#", QoS::AtLeastOnce).await;
    world.connect(Version::V5, "lamp").await.leave().await;
    assert_eq!(ear.pending().await, []);
    assert_eq!(stranger.pending().await, []);
}

#[tokio::test]
async fn what_no_event_can_match_is_not_subscribed_to() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    for filter in ["$aws/#", "$aws/events/thing/#", "$aws/events/presence/+", "$SYS/#"] {
        let refused = [reason::TOPIC_FILTER_INVALID];
        assert_eq!(ear.ask_for(&[(filter, QoS::AtMostOnce)]).await, refused, "{filter}");
    }
    let mut ear = world.connect(Version::V311, "ear").await;
    ear.send(Packet::Publish(publish("$aws/events/presence/connected/lamp", "{}"))).await;
    ear.is_cut_off(reason::TOPIC_NAME_INVALID).await;
}
