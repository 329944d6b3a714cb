//! What an operator may choose where AWS and the standards differ, and what a client may ask for.

use mqtt::{
    Connect, ConnectProperties, Packet, Publish, PublishProperties, QoS, Subscribe,
    SubscribeProperties, Version, reason,
};
use service::{Dialect, RefusalV311};

use crate::client::{Client, connect, publish, subscription, texts, will};
use crate::world::{World, policy};

/// A broker that speaks AWS's dialect but for what `change` changes.
async fn speaking(change: impl Fn(&mut Dialect) + Send + Sync + 'static) -> World {
    World::with(move |choices| change(&mut choices.dialect)).await
}

#[tokio::test]
async fn a_client_of_3_1_1_that_may_not_connect_is_answered_where_that_is_chosen() {
    let answering = speaking(|dialect| dialect.refusal_v311 = RefusalV311::Answer).await;
    for id in ["lamp", "unbound"] {
        answering.set_policy("lamp", &policy(&[("Deny", "Connect", "*")]));
        let connack = answering.answer(connect(Version::V311, id)).await.unwrap();
        assert_eq!(connack.code, reason::connack::NOT_AUTHORIZED);
        let connack = answering.answer(connect(Version::V5, id)).await.unwrap();
        assert_eq!(connack.code, reason::NOT_AUTHORIZED);
    }
}

#[tokio::test]
async fn a_refused_client_hears_why_unless_it_asked_not_to() {
    let world = World::new().await;
    world.set_policy("lamp", &policy(&[("Deny", "Connect", "*")]));
    let asking = |information| Connect {
        properties: ConnectProperties {
            request_problem_information: information,
            ..ConnectProperties::default()
        },
        ..connect(Version::V5, "lamp")
    };
    for (information, is_told) in [(None, true), (Some(true), true), (Some(false), false)] {
        let connack = world.answer(asking(information)).await.unwrap();
        assert_eq!(connack.properties.reason_string.is_some(), is_told, "{information:?}");
    }
}

#[tokio::test]
async fn nobody_hears_why_where_reason_strings_are_switched_off() {
    let world = speaking(|dialect| dialect.gives_reason_strings = false).await;
    world.set_policy("lamp", &policy(&[("Deny", "Connect", "*")]));
    let connack = world.answer(connect(Version::V5, "lamp")).await.unwrap();
    assert_eq!(connack.properties.reason_string, None);
}

/// A message that is said to be text, with or without an id.
fn text(client: &mut Client, qos: QoS, payload: &'static [u8]) -> Publish {
    let mut message = client.at_least_once("lamp", "");
    if qos == QoS::AtMostOnce {
        message = publish("lamp", "");
    }
    let properties =
        PublishProperties { payload_is_utf8: Some(true), ..PublishProperties::default() };
    Publish { payload: payload.into(), properties: Some(Box::new(properties)), ..message }
}

#[tokio::test]
async fn a_payload_that_is_no_text_is_refused_where_that_is_looked_at() {
    let invalid = reason::PAYLOAD_FORMAT_INVALID;
    let world = speaking(|dialect| dialect.checks_payload_format = true).await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("lamp", QoS::AtMostOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let wrong = text(&mut lamp, QoS::AtLeastOnce, b"\xFF");
    assert_eq!(lamp.deliver_with(wrong).await, invalid);
    let right = text(&mut lamp, QoS::AtLeastOnce, "é".as_bytes());
    assert_eq!(lamp.deliver_with(right).await, 0);
    let wrong = text(&mut lamp, QoS::AtMostOnce, b"\xFF");
    lamp.send(Packet::Publish(wrong)).await;
    lamp.is_cut_off(invalid).await;
    assert_eq!(texts(&ear.pending().await), [("lamp".to_owned(), "é".to_owned())]);
    let properties = text(&mut ear, QoS::AtMostOnce, b"").properties;
    let left = mqtt::Will { payload: b"\xFF"[..].into(), properties, ..will("lamp", "") };
    let refused = Connect { will: Some(left), ..connect(Version::V5, "other") };
    assert_eq!(world.answer(refused).await.unwrap().code, invalid);
}

#[tokio::test]
async fn a_payload_is_not_looked_at_where_nobody_chose_that() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let wrong = text(&mut lamp, QoS::AtLeastOnce, b"\xFF");
    assert_eq!(lamp.deliver_with(wrong).await, 0);
}

/// A client that takes so many aliases, and subscribes to everything.
async fn taking(world: &World, aliases: u16, packet_bytes: Option<u32>) -> Client {
    let properties = ConnectProperties {
        topic_alias_maximum: Some(aliases),
        maximum_packet_size: packet_bytes,
        ..ConnectProperties::default()
    };
    let mut ear = world.connect_with(Connect { properties, ..connect(Version::V5, "ear") }).await;
    ear.subscribe("#", QoS::AtLeastOnce).await;
    ear
}

/// The topic and the alias of the next message.
async fn head(ear: &mut Client) -> (String, Option<u16>) {
    let message = ear.message().await;
    let alias = message.properties.as_ref().and_then(|properties| properties.topic_alias);
    (message.topic.to_string(), alias)
}

#[tokio::test]
async fn a_client_that_takes_aliases_is_sent_a_topic_once() {
    let world = World::new().await;
    let mut ear = taking(&world, 2, None).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for topic in ["a", "b", "a", "c", "b"] {
        lamp.deliver(topic, "x").await;
    }
    for (topic, alias) in
        [("a", Some(1)), ("b", Some(2)), ("", Some(1)), ("c", None), ("", Some(2))]
    {
        assert_eq!(head(&mut ear).await, (topic.to_owned(), alias));
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_teaches_no_alias() {
    let world = World::new().await;
    let mut ear = taking(&world, 8, Some(512)).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    lamp.deliver("a", &"x".repeat(600)).await;
    lamp.deliver("a", "x").await;
    assert_eq!(head(&mut ear).await, ("a".to_owned(), Some(1)));
}

#[tokio::test]
async fn a_client_that_takes_no_aliases_is_sent_none() {
    let world = World::new().await;
    let mut ear = taking(&world, 0, None).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for _ in 0..2 {
        lamp.deliver("a", "x").await;
        assert_eq!(head(&mut ear).await, ("a".to_owned(), None));
    }
}

/// How many messages a session is sent again that was away for so long with one in flight.
async fn sent_again(away_s: u64, retry_s: u32) -> usize {
    let world = World::within(move |limits| {
        limits.mqtt_retry_s_v5 = retry_s;
        limits.mqtt_session_expiry_s_max = 604_800;
    });
    let world = world.await;
    let session_expiry_s = Some(604_800);
    let properties = ConnectProperties { session_expiry_s, ..ConnectProperties::default() };
    let kept = Connect { clean: false, properties, ..connect(Version::V5, "ear") };
    let mut ear = world.connect_with(kept.clone()).await;
    ear.subscribe("a", QoS::AtLeastOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    assert_eq!(lamp.deliver("a", "x").await, 0);
    ear.message().await;
    ear.leave().await;
    world.server.clock().advance(std::time::Duration::from_secs(away_s));
    let mut ear = world.dial(Version::V5);
    ear.let_in(kept).await;
    let count = ear.pending().await.len();
    let told = world.reasons("Publish-Out");
    assert_eq!(told.len(), 1 - count, "what is dropped is told of: {told:?}");
    count
}

#[tokio::test]
async fn a_message_is_sent_again_for_as_long_as_was_chosen() {
    assert_eq!(sent_again(960, 960).await, 1);
}

#[tokio::test]
async fn a_message_that_was_not_acknowledged_for_so_long_is_dropped() {
    assert_eq!(sent_again(962, 960).await, 0);
}

#[tokio::test]
async fn a_message_is_sent_again_for_ever_where_nothing_else_was_chosen() {
    assert_eq!(sent_again(86_400, 0).await, 1);
}

#[tokio::test]
async fn a_will_goes_where_a_message_may_go() {
    let left = |topic| Connect { will: Some(will(topic, "x")), ..connect(Version::V5, "lamp") };
    for (world, other) in
        [(World::new().await, reason::TOPIC_NAME_INVALID), (World::standard().await, 0)]
    {
        let codes = ["t", "$other/t", "$aws/t"].map(left);
        let mut answers = Vec::new();
        for asked in codes {
            answers.push(world.answer(asked).await.unwrap().code);
        }
        assert_eq!(answers, [0, other, reason::TOPIC_NAME_INVALID]);
    }
}

#[tokio::test]
async fn what_is_no_filter_ends_a_connection_of_3_1_1_in_either_dialect() {
    for world in [World::new().await, World::standard().await] {
        for (version, codes) in
            [(Version::V311, vec![]), (Version::V5, vec![reason::TOPIC_FILTER_INVALID])]
        {
            let mut client = world.connect(version, "lamp").await;
            let packet_id = client.new_id();
            let subscriptions = vec![subscription("a/b#", QoS::AtMostOnce)];
            let properties = SubscribeProperties::default();
            let subscribe = Subscribe { packet_id, subscriptions, properties };
            client.send(Packet::Subscribe(subscribe)).await;
            match client.next().await {
                Some(Packet::Suback(suback)) => assert_eq!(suback.codes, codes),
                ended => assert!(ended.is_none() && codes.is_empty(), "{ended:?}"),
            }
        }
    }
}
