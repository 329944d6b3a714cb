//! Reserved topics: who serves them, what is answered and to whom; and who hears every message.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use model::iot_data::op::Publish;
use mqtt::{Connect, Packet, QoS, TopicFilter, Version, reason};
use serde_json::json;
use service::{
    Answer, ApiError, Audience, BoxFuture, HeardMessage, Hooks, OutgoingMessage, ReservedMessage,
    ReservedTopic, Tap,
};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use types::Tenant;

use crate::BOTH;
use crate::client::{Client, bytes_of, connect, publish, texts, will};
use crate::world::{World, knock, policy};

/// Serves some topics, and hears all messages but those on `private`.
struct Desk {
    asked: Mutex<Vec<ReservedMessage>>,
    heard: Mutex<Vec<(String, Option<String>)>>,
    /// How many more requests, and messages that it hears, may be done with.
    gate: Arc<Semaphore>,
}

impl Desk {
    fn asked(&self) -> Vec<String> {
        let text = |asked: &ReservedMessage| String::from_utf8(asked.payload.to_vec()).unwrap();
        self.asked.lock().unwrap().iter().map(text).collect()
    }

    fn heard(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

impl ReservedTopic for Desk {
    fn takes(&self, topic: &str) -> Option<Audience> {
        let alone = ["$aws/rules/", "$aws/commands/", "$aws/things/lamp/jobs/get"];
        if alone.iter().any(|prefix| topic.starts_with(prefix)) {
            return Some(Audience::Service);
        }
        (topic == "$aws/things/lamp/shadow/update").then_some(Audience::Everybody)
    }

    fn can_hear(&self, filter: &TopicFilter) -> bool {
        filter.filter().starts_with("$aws/things/")
    }

    fn handle(&self, message: ReservedMessage) -> BoxFuture<'_, Result<Answer, ApiError>> {
        Box::pin(async move {
            self.gate.acquire().await.unwrap().forget();
            let (topic, payload) = (format!("{}/accepted", message.topic), message.payload.clone());
            self.asked.lock().unwrap().push(message);
            match &payload[..] {
                b"fail" => Err(ApiError::unavailable("The desk is closed.")),
                b"forbidden" => Err(ApiError::new("UnauthorizedException", "Not here.")),
                _ => Ok(Answer { to_sender: vec![OutgoingMessage::new(topic, payload)] }),
            }
        })
    }
}

impl Tap for Desk {
    fn wants(&self, _: &Tenant, topic: &str) -> bool {
        topic != "private"
    }

    fn hear(&self, message: &HeardMessage<'_>) -> Option<BoxFuture<'static, Result<(), ApiError>>> {
        let heard = (message.topic.to_owned(), message.sender.client_id.clone());
        self.heard.lock().unwrap().push(heard);
        if message.topic != "durable" {
            return None;
        }
        let (gate, fails) = (Arc::clone(&self.gate), message.payload == "fail");
        Some(Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            if fails { Err(ApiError::unavailable("The disk is full.")) } else { Ok(()) }
        }))
    }
}

const ALWAYS: usize = 1000;

/// A broker with a desk that is done with so many things at once.
async fn world(done: usize) -> (World, Arc<Desk>) {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(done));
    let desk = Arc::new(Desk { asked: Mutex::default(), heard: Mutex::default(), gate });
    let hooks = Hooks { reserved: vec![desk.clone()], taps: vec![desk.clone()] };
    world.broker.hook([Hooks::default(), hooks]);
    (world, desk)
}

const JOBS: &str = "$aws/things/lamp/jobs/get";
const SHADOW: &str = "$aws/things/lamp/shadow/update";

/// The codes of acknowledgements and the texts of messages that have come.
async fn come(client: &mut Client) -> (Vec<u8>, Vec<String>) {
    let (acks, messages): (Vec<_>, Vec<_>) =
        client.pending().await.into_iter().partition(|packet| matches!(packet, Packet::Puback(_)));
    let code = |packet: &Packet| if let Packet::Puback(ack) = packet { ack.code } else { 0 };
    let texts = texts(&messages).into_iter().map(|(_, text)| text).collect();
    (acks.iter().map(code).collect(), texts)
}

async fn ask(client: &mut Client, topic: &str, text: &str) {
    let publish = client.at_least_once(topic, text);
    client.send(Packet::Publish(publish)).await;
}

#[tokio::test]
async fn whoever_asks_is_answered_without_a_subscription_and_nobody_else_is() {
    let (world, desk) = world(ALWAYS).await;
    for version in BOTH {
        let mut ear = world.connect(version, "ear").await;
        ear.subscribe("$aws/things/#", QoS::AtLeastOnce).await;
        let mut lamp = world.connect(version, "lamp").await;
        ask(&mut lamp, JOBS, "next?").await;
        let (mut acks, mut answers) = (0, Vec::new());
        for _ in 0..2 {
            match lamp.packet().await {
                Packet::Puback(ack) => acks += usize::from(ack.code == 0),
                Packet::Publish(answer) => answers.push(answer),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((acks, answers.len()), (1, 1));
        assert_eq!(answers[0].topic, "$aws/things/lamp/jobs/get/accepted");
        assert_eq!(answers[0].payload, "next?");
        assert_eq!(ear.pending().await, [], "neither the request nor the answer");
    }
    let asked = desk.asked.lock().unwrap();
    let sender = &asked[0].sender;
    assert_eq!(sender.client_id.as_deref(), Some("lamp"));
    assert_eq!(sender.principal_id.as_deref(), Some("c0ffee"));
    assert!(sender.permissions.is_some() && sender.principal.is_some());
}

#[tokio::test]
async fn an_answer_needs_receive_and_a_request_publish() {
    let (world, desk) = world(ALWAYS).await;
    let may = |action, resource| ("Allow", action, resource);
    let both = [may("Connect", "*"), may("Publish", "topic/$aws/things/lamp/jobs/get")];
    world.set_policy("lamp", &policy(&both));
    let mut lamp = world.connect(Version::V5, "lamp").await;
    ask(&mut lamp, JOBS, "next?").await;
    assert_eq!(come(&mut lamp).await, (vec![0], vec![]));
    ask(&mut lamp, SHADOW, "on").await;
    assert_eq!(come(&mut lamp).await, (vec![reason::NOT_AUTHORIZED], vec![]));
    assert_eq!(desk.asked(), ["next?"]);
}

#[tokio::test]
async fn a_request_is_acknowledged_when_it_is_done() {
    let (world, desk) = world(0).await;
    for version in BOTH {
        let mut lamp = world.connect(version, "lamp").await;
        ask(&mut lamp, JOBS, "next?").await;
        assert_eq!(come(&mut lamp).await, (vec![], vec![]));
        desk.gate.add_permits(1);
        assert_eq!(come(&mut lamp).await, (vec![0], vec!["next?".to_owned()]));
    }
}

#[tokio::test]
async fn requests_of_one_client_are_done_in_the_order_in_which_they_came() {
    let (world, desk) = world(0).await;
    let mut lamp = world.connect(Version::V311, "lamp").await;
    for text in ["1", "2", "3"] {
        ask(&mut lamp, JOBS, text).await;
    }
    let mut other = world.connect(Version::V311, "other").await;
    ask(&mut other, JOBS, "4").await;
    assert_eq!(come(&mut lamp).await, (vec![], vec![]));
    assert_eq!(come(&mut other).await, (vec![], vec![]));
    desk.gate.add_permits(4);
    assert_eq!(come(&mut lamp).await.1, ["1", "2", "3"]);
    assert_eq!(come(&mut other).await.1, ["4"], "others do not stand in that line");
}

#[tokio::test]
async fn what_a_service_cannot_do_is_told_to_mqtt_5_and_not_acknowledged_to_3_1_1() {
    let (world, _desk) = world(ALWAYS).await;
    for (text, code) in [("fail", 0x80), ("forbidden", reason::NOT_AUTHORIZED)] {
        for version in BOTH {
            let mut lamp = world.connect(version, "lamp").await;
            ask(&mut lamp, JOBS, text).await;
            let told = if version == Version::V5 { vec![code] } else { vec![] };
            assert_eq!(come(&mut lamp).await, (told, vec![]));
        }
    }
}

#[tokio::test]
async fn subscribers_hear_a_request_that_is_for_everybody() {
    let (world, desk) = world(ALWAYS).await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("$aws/things/+/shadow/update", QoS::AtLeastOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    ask(&mut lamp, SHADOW, "on").await;
    assert_eq!(come(&mut lamp).await, (vec![0], vec!["on".to_owned()]));
    assert_eq!(ear.message().await.topic, SHADOW);
    assert_eq!(desk.asked(), ["on"]);
}

#[tokio::test]
async fn topics_that_nobody_serves_and_retained_messages_are_refused() {
    let (world, _desk) = world(ALWAYS).await;
    for version in BOTH {
        for topic in ["$aws/things/lamp/jobs", "$aws/unknown", "$x", "$SYS/broker"] {
            let mut lamp = world.connect(version, "lamp").await;
            lamp.send(Packet::Publish(publish(topic, "x"))).await;
            lamp.is_cut_off(reason::TOPIC_NAME_INVALID).await;
        }
        let mut lamp = world.connect(version, "lamp").await;
        let retained = mqtt::Publish { retain: true, ..publish(SHADOW, "x") };
        lamp.send(Packet::Publish(retained)).await;
        lamp.is_cut_off(reason::TOPIC_NAME_INVALID).await;
    }
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let asked = ["$aws/things/x/shadow/#", "$aws/rules/r", "$aws/#", "$share/g/$aws/things/+/y"];
    let codes = lamp.ask_for(&asked.map(|filter| (filter, QoS::AtMostOnce))).await;
    assert_eq!(codes, [0, 0x8F, 0x8F, 0]);
    let refused = Connect { will: Some(will(SHADOW, "x")), ..connect(Version::V5, "other") };
    let connack = world.answer(refused).await.unwrap();
    assert_eq!(connack.code, reason::TOPIC_NAME_INVALID, "a Will goes to no service");
}

#[tokio::test]
async fn basic_ingest_and_commands_have_levels_that_do_not_count() {
    let (world, desk) = world(ALWAYS).await;
    let long = format!("$aws/rules/{}/{}", "r".repeat(128), "x".repeat(256));
    let deep = "$aws/rules/r/1/2/3/4/5/6/7/8";
    let command = "$aws/commands/things/lamp/executions/1/response/accepted/json";
    for topic in [&*long, deep, command, "$aws/rules/r"] {
        let mut lamp = world.connect(Version::V5, "lamp").await;
        ask(&mut lamp, topic, topic).await;
        assert_eq!(come(&mut lamp).await.0, [0], "{topic}");
    }
    assert_eq!(desk.asked(), [&*long, deep, command, "$aws/rules/r"]);
    for topic in [format!("{long}x"), format!("{deep}/9"), format!("{command}/x")] {
        let mut lamp = world.connect(Version::V5, "lamp").await;
        ask(&mut lamp, &topic, "x").await;
        lamp.is_cut_off(reason::TOPIC_NAME_INVALID).await;
    }
}

#[tokio::test]
async fn a_client_that_asks_without_end_is_not_read_from() {
    let (world, desk) = world(0).await;
    let mut lamp = world.dial_as(Version::V311, knock(), 1024);
    lamp.let_in(connect(Version::V311, "lamp")).await;
    let one = |number: usize| Packet::Publish(publish(JOBS, &number.to_string()));
    let bytes: Vec<u8> = (0..400).flat_map(|n| bytes_of(Version::V311, &one(n))).collect();
    let mut sent = 0;
    let write = async {
        while sent < bytes.len() {
            sent += lamp.stream.write(&bytes[sent..]).await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(1), write).await.is_err());
    desk.gate.add_permits(ALWAYS);
    lamp.write(&bytes[sent..]).await;
    let mut answers = Vec::new();
    while answers.len() < 400 {
        let answer = lamp.message().await;
        lamp.acknowledge(&answer).await;
        answers.push(texts(&[Packet::Publish(answer)])[0].1.clone());
    }
    assert_eq!(answers, (0..400).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_request_over_https_is_done_when_it_is_answered() {
    let (world, desk) = world(ALWAYS).await;
    let post = async |topic: &str, text: &str, retain: bool| {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::STANDARD.encode(text);
        let input = json!({ "topic": topic, "payload": payload, "retain": retain });
        world.server.call::<Publish>(input).await.map(drop).map_err(|error| error.code)
    };
    assert_eq!(post(SHADOW, "on", false).await, Ok(()));
    assert_eq!(desk.asked(), ["on"]);
    assert_eq!(desk.asked.lock().unwrap()[0].sender.client_id, None);
    assert_eq!(post(SHADOW, "forbidden", false).await, Err("UnauthorizedException"));
    let invalid = Err("InvalidRequestException");
    assert_eq!(post(SHADOW, "on", true).await, invalid);
    assert_eq!(post("$aws/unknown", "on", false).await, invalid);
}

#[tokio::test]
async fn a_feature_publishes_to_subscribers_and_to_services() {
    let (world, desk) = world(ALWAYS).await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("$aws/things/+/shadow/update/#", QoS::AtLeastOnce).await;
    let cx = world.server.cx("Test").await;
    cx.publish(OutgoingMessage::new(format!("{SHADOW}/delta"), "off")).await.unwrap();
    let delta = ear.message().await;
    assert_eq!((&*delta.topic, delta.qos), (&*format!("{SHADOW}/delta"), QoS::AtLeastOnce));
    assert_eq!(desk.asked(), [""; 0]);
    cx.publish(OutgoingMessage::new(JOBS, "next?")).await.unwrap();
    assert_eq!(desk.asked(), ["next?"]);
    let wild = cx.publish(OutgoingMessage::new("a/+", "x")).await.unwrap_err();
    assert_eq!(wild.code, "InvalidRequestException");
}

#[tokio::test]
async fn a_tap_hears_every_message_but_what_a_service_has_alone() {
    let (world, desk) = world(ALWAYS).await;
    let left = Connect { will: Some(will("left", "x")), ..connect(Version::V5, "lamp") };
    let mut lamp = world.connect_with(left).await;
    let events = desk.heard();
    assert_eq!(events, [("$aws/events/presence/connected/lamp".to_owned(), None)]);
    for topic in ["a", "private", JOBS, SHADOW] {
        ask(&mut lamp, topic, "x").await;
    }
    lamp.pending().await;
    let of = |topic: &str, id: Option<&str>| (topic.to_owned(), id.map(str::to_owned));
    assert_eq!(desk.heard(), [of("a", Some("lamp")), of(SHADOW, Some("lamp"))]);
    drop(lamp);
    world.server.call::<Publish>(json!({ "topic": "b" })).await.unwrap();
    let cx = world.server.cx("Test").await;
    cx.publish(OutgoingMessage::new("c", "x")).await.unwrap();
    let mut other = world.connect(Version::V5, "other").await;
    other.pending().await;
    let heard = desk.heard();
    for expected in [
        of("left", Some("lamp")),
        of("$aws/events/presence/disconnected/lamp", None),
        of("b", None),
        of("c", None),
    ] {
        assert!(heard.contains(&expected), "{expected:?} in {heard:?}");
    }
}

#[tokio::test]
async fn a_message_is_acknowledged_when_a_tap_has_what_it_keeps() {
    let (world, desk) = world(0).await;
    for version in BOTH {
        let mut lamp = world.connect(version, "lamp").await;
        ask(&mut lamp, "durable", "x").await;
        assert_eq!(come(&mut lamp).await, (vec![], vec![]));
        desk.gate.add_permits(1);
        assert_eq!(come(&mut lamp).await, (vec![0], vec![]));
        desk.gate.add_permits(1);
        ask(&mut lamp, "durable", "fail").await;
        let told = if version == Version::V5 { vec![0x80] } else { vec![] };
        assert_eq!(come(&mut lamp).await, (told, vec![]));
    }
}

/// Wants nothing, and looks at a few messages of each second.
struct Window(Mutex<Vec<(String, Bytes)>>);

impl Tap for Window {
    fn wants(&self, _: &Tenant, _: &str) -> bool {
        false
    }

    fn hear(&self, _: &HeardMessage<'_>) -> Option<BoxFuture<'static, Result<(), ApiError>>> {
        unreachable!("it wants nothing")
    }

    fn samples_per_s(&self) -> u32 {
        4
    }

    fn sample(&self, message: &HeardMessage<'_>) {
        assert_eq!(message.sender.client_id.is_some(), message.topic != "https");
        let seen = (message.topic.to_owned(), Bytes::copy_from_slice(message.payload));
        self.0.lock().unwrap().push(seen);
    }
}

impl Window {
    fn seen(&self) -> Vec<String> {
        let seen = std::mem::take(&mut *self.0.lock().unwrap());
        let text = |(topic, payload): (String, Bytes)| {
            format!("{topic} {}", String::from_utf8_lossy(&payload))
        };
        seen.into_iter().map(text).collect()
    }
}

#[tokio::test]
async fn a_tap_is_shown_a_few_messages_that_it_does_not_want() {
    let world = World::new().await;
    let window = Arc::new(Window(Mutex::default()));
    world.broker.hook([Hooks { reserved: Vec::new(), taps: vec![window.clone()] }]);
    for version in BOTH {
        world.server.clock().advance(Duration::from_secs(1));
        let mut ear = world.connect(version, "ear").await;
        ear.subscribe("#", QoS::AtLeastOnce).await;
        let mut lamp = world.connect(version, "lamp").await;
        let mut bytes = BytesMut::new();
        for number in 0..6 {
            let message = Packet::Publish(publish("a", &number.to_string()));
            bytes.extend_from_slice(&bytes_of(version, &message));
        }
        lamp.stream.write_all(&bytes).await.unwrap();
        let heard: Vec<_> = texts(&ear.pending().await).into_iter().map(|(_, text)| text).collect();
        assert_eq!(heard, ["0", "1", "2", "3", "4", "5"], "subscribers have all, in order");
        assert_eq!(window.seen(), ["a 0", "a 1", "a 2", "a 3"]);
        world.server.clock().advance(Duration::from_millis(999));
        world.server.call::<Publish>(json!({ "topic": "https" })).await.unwrap();
        assert_eq!(window.seen(), [""; 0]);
        world.server.clock().advance(Duration::from_millis(1));
        world.server.call::<Publish>(json!({ "topic": "https" })).await.unwrap();
        lamp.send(Packet::Publish(publish("large", &"x".repeat(2048)))).await;
        lamp.send(Packet::Publish(publish("a", "after it"))).await;
        ear.pending().await;
        let large = format!("large {}", "x".repeat(2048));
        assert_eq!(window.seen(), ["https ", &large], "a KiB counts as one more");
    }
}
