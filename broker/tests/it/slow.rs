//! Clients that do not read, or do not read enough: they cost others nothing and memory has a bound.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use mqtt::{Decoder, Packet, QoS, Version, reason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Client, bytes_of, publish};
use crate::world::{World, knock};

/// More than all that waits for one slow subscriber: twice the mailbox and what is on its way.
const FLOOD: usize = 25_000;

/// Counts what is counted.
#[derive(Default)]
struct Counts(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Counts {
    fn of(&self, name: &str) -> u64 {
        self.0.lock().unwrap()[name].load(Ordering::Relaxed)
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counts = self.0.lock().unwrap();
        Counter::from_arc(Arc::clone(counts.entry(key.name().to_owned()).or_default()))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Publishes the numbers from 0 on as messages of QoS 1, each of which is acknowledged.
async fn flood(world: &World, messages: usize) {
    let mut lamp = world.connect(Version::V311, "lamp").await;
    let numbers: Vec<usize> = (0..messages).collect();
    for numbers in numbers.chunks(1000) {
        let mut bytes = BytesMut::new();
        for number in numbers {
            let message = lamp.at_least_once("t", &number.to_string());
            Packet::Publish(message).encode(Version::V311, &mut bytes);
        }
        lamp.write(&bytes).await;
        for _ in numbers {
            let answer = lamp.packet().await;
            assert!(matches!(answer, Packet::Puback(_)), "PUBACK is expected, not {answer:?}");
        }
    }
    lamp.leave().await;
}

/// The numbers of the messages that have come, acknowledged where they ask for it.
async fn numbers(ear: &mut Client) -> Vec<usize> {
    let mut numbers = Vec::new();
    loop {
        let packets = ear.pending().await;
        if packets.is_empty() {
            return numbers;
        }
        for packet in packets {
            let Packet::Publish(message) = packet else { panic!("a message: {packet:?}") };
            numbers.push(std::str::from_utf8(&message.payload).unwrap().parse().unwrap());
            if message.packet_id.is_some() {
                ear.acknowledge(&message).await;
            }
        }
    }
}

/// Holds that somebody who reads only once all is sent has lost the newest messages alone.
async fn loses_the_newest(qos: QoS) {
    let counts = Counts::default();
    let recorder = metrics::set_default_local_recorder(&counts);
    let world = World::new().await;
    drop(recorder);
    let most = world.server.app().limits.mqtt_waiting_messages_max;
    let mut ear = world.dial_as(Version::V5, knock(), 4096);
    ear.let_in(crate::client::connect(Version::V5, "ear")).await;
    ear.subscribe("t", qos).await;
    let mut brisk = world.connect(Version::V5, "brisk").await;
    flood(&world, FLOOD).await;
    brisk.deliver("t", "0").await;
    let heard = numbers(&mut ear).await;
    assert!(heard.len() >= most, "{} of at least {most}", heard.len());
    assert!(heard.is_sorted_by(|a, b| a < b), "the order is kept, and nothing comes twice");
    assert_eq!(heard[..most], (0..most).collect::<Vec<_>>(), "the oldest are kept");
    let (sent, lost) = (FLOOD as u64 + 1, counts.of("ferrite_mqtt_messages_dropped_total"));
    assert_eq!(heard.len() as u64 + lost, sent, "what is lost is counted");
    assert_eq!(counts.of("ferrite_mqtt_messages_received_total"), sent);
    assert_eq!(counts.of("ferrite_mqtt_messages_delivered_total"), heard.len() as u64);
    brisk.deliver("t", "7").await;
    assert_eq!(numbers(&mut ear).await, [7], "there is room again");
    let reasons = world.reasons("Publish-Out");
    assert!(reasons.contains(&("ear".to_owned(), "QUEUE_FULL")), "{reasons:?}");
}

#[tokio::test]
async fn a_slow_subscriber_loses_the_newest_messages_and_its_publisher_nothing() {
    loses_the_newest(QoS::AtMostOnce).await;
}

#[tokio::test]
async fn a_slow_subscriber_of_qos_1_loses_the_newest_messages_alike() {
    loses_the_newest(QoS::AtLeastOnce).await;
}

#[tokio::test]
async fn what_waits_for_a_slow_subscriber_has_a_bound_in_bytes() {
    let world = World::new().await;
    let mut ear = world.dial_as(Version::V5, knock(), 4096);
    ear.let_in(crate::client::connect(Version::V5, "ear")).await;
    ear.subscribe("t", QoS::AtMostOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let large = "x".repeat(128 * 1024);
    for _ in 0..512 {
        assert_eq!(lamp.deliver("t", &large).await, reason::SUCCESS);
    }
    let bytes_max = world.server.app().limits.mqtt_waiting_bytes_max;
    let mut bytes = 0;
    loop {
        let packets = ear.pending().await;
        if packets.is_empty() {
            break;
        }
        bytes += packets.len() * large.len();
    }
    assert!(bytes > bytes_max / 2, "{bytes}");
    assert!(bytes < 2 * bytes_max + 1024 * 1024, "{bytes}");
}

#[tokio::test]
async fn properties_count_as_bytes_that_wait() {
    let world = World::new().await;
    let mut ear = world.dial_as(Version::V5, knock(), 4096);
    ear.let_in(crate::client::connect(Version::V5, "ear")).await;
    ear.subscribe("t", QoS::AtMostOnce).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let properties = mqtt::PublishProperties {
        correlation_data: Some(vec![0; 8192].into()),
        user_properties: vec![("k".into(), "v".repeat(8191).into())],
        ..mqtt::PublishProperties::default()
    };
    for _ in 0..5000 {
        let mut message = lamp.at_least_once("t", "");
        message.properties = Some(Box::new(properties.clone()));
        assert_eq!(lamp.deliver_with(message).await, reason::SUCCESS);
    }
    let bytes_max = world.server.app().limits.mqtt_waiting_bytes_max;
    let mut bytes = 0;
    loop {
        let packets = ear.pending().await;
        if packets.is_empty() {
            break;
        }
        bytes += packets.len() * 16 * 1024;
    }
    assert!(bytes < 2 * bytes_max + 1024 * 1024, "{bytes}");
}

#[tokio::test]
async fn a_subscriber_that_reads_on_gets_what_waits_without_asking() {
    let world = World::new().await;
    for pipe_bytes in [512, 16 * 1024, 96 * 1024, 1024 * 1024] {
        let mut ear = world.dial_as(Version::V311, knock(), pipe_bytes);
        ear.let_in(crate::client::connect(Version::V311, "ear")).await;
        ear.subscribe("t", QoS::AtMostOnce).await;
        let mut lamp = world.connect(Version::V311, "lamp").await;
        let padding = "x".repeat(1000);
        for number in 0..2000 {
            lamp.deliver("t", &format!("{number} {padding}")).await;
        }
        for number in 0..2000 {
            let message = ear.message().await;
            let expected = format!("{number} {padding}");
            assert_eq!(message.payload, expected, "through a pipe of {pipe_bytes} bytes");
        }
    }
}

#[tokio::test]
async fn whoever_does_not_take_acknowledgements_is_not_read_from() {
    let world = World::new().await;
    let mut lamp = world.dial_as(Version::V311, knock(), 1024);
    lamp.let_in(crate::client::connect(Version::V311, "lamp")).await;
    let message = lamp.at_least_once("t", "");
    let one = bytes_of(Version::V311, &Packet::Publish(message));
    let many = one.repeat(200_000);
    let mut written = 0;
    // The clock jumps once nothing is left to do.
    let write = async {
        while written < many.len() {
            written += lamp.stream.write(&many[written..]).await.unwrap();
        }
    };
    let stuck = tokio::time::timeout(Duration::from_secs(1), write).await;
    assert!(stuck.is_err(), "200,000 acknowledgements wait for a client that takes none");
    let taken = written / one.len() * 4;
    assert!(taken < 512 * 1024, "{taken} bytes of acknowledgements wait");

    // And it is read from again once it takes them.
    let (mut reader, mut writer) = tokio::io::split(&mut lamp.stream);
    let write = async { writer.write_all(&many[written..]).await.unwrap() };
    let read = async {
        let (mut input, mut acknowledged) = (BytesMut::new(), 0);
        let mut decoder = Decoder::of(Version::V311, 1024);
        while acknowledged < 200_000 {
            assert_ne!(reader.read_buf(&mut input).await.unwrap(), 0, "after {acknowledged}");
            while let Some(packet) = decoder.decode(&mut input).unwrap() {
                assert!(matches!(packet, Packet::Puback(_)));
                acknowledged += 1;
            }
        }
    };
    tokio::join!(write, read);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go_in_the_end() {
    let world = World::new().await;
    let mut ear = world.dial_as(Version::V311, knock(), 64);
    ear.let_in(crate::client::connect(Version::V311, "ear")).await;
    ear.subscribe("t", QoS::AtMostOnce).await;
    let mut lamp = world.connect(Version::V311, "lamp").await;
    for _ in 0..100 {
        lamp.send(Packet::Publish(publish("t", "nobody reads this"))).await;
    }
    lamp.leave().await;
    world.broker.stop();
    let tasks = &world.server.app().env.tasks;
    let left = tasks.finished(Duration::from_secs(10)).await;
    assert!(!left.contains_key("connection"), "{left:?}");
    drop(ear);
}
