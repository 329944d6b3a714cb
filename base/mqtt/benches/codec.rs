//! What a message costs on its way in and out, and whether a filter wants it.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ferrite_mqtt::{
    Connect, Decoder, HashMatch, Packet, PacketId, Publish, PublishHead, QoS, TopicFilter, Version,
    Will, encode_publish,
};

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const TOPIC: &str = "fleet/eu-central-1/truck-0042/telemetry";
/// Packets that are read from one buffer, as after one read of a busy connection.
const BATCH: usize = 32;
const PACKET_BYTES_MAX: usize = 150_000;

fn publish(qos: QoS) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: TOPIC.into(),
        packet_id: (qos != QoS::AtMostOnce).then_some(PacketId::MIN),
        properties: None,
        payload: Bytes::from(vec![b'x'; 100]),
    }
}

fn connect(version: Version) -> Packet {
    let will = Will {
        topic: "fleet/eu-central-1/truck-0042/gone".into(),
        payload: Bytes::from_static(b"{}"),
        qos: QoS::AtLeastOnce,
        retain: false,
        delay_s: None,
        properties: None,
    };
    let mut connect = Connect {
        version,
        clean: true,
        keep_alive_s: 60,
        client_id: "truck-0042".into(),
        will: Some(will),
        user_name: Some("?SDK=PythonV2&Version=1.2.3".into()),
        password: None,
        properties: Default::default(),
    };
    if version == Version::V5 {
        connect.properties.session_expiry_s = Some(3600);
        connect.properties.receive_maximum = Some(100);
    }
    Packet::Connect(connect.into())
}

fn decode(c: &mut Criterion, name: &str, version: Version, packet: &Packet) {
    let mut bytes = BytesMut::new();
    for _ in 0..BATCH {
        packet.encode(version, &mut bytes);
    }
    let mut decoder = Decoder::of(version, PACKET_BYTES_MAX);
    c.bench_function(&format!("decode {BATCH} {name} {version:?}"), |b| {
        b.iter_batched(
            || bytes.clone(),
            |mut input| {
                while let Ok(Some(packet)) = decoder.decode(&mut input) {
                    black_box(packet);
                }
            },
            BatchSize::SmallInput,
        );
    });
}

fn decoding(c: &mut Criterion) {
    for version in VERSIONS {
        decode(c, "PUBLISH QoS 0", version, &Packet::Publish(publish(QoS::AtMostOnce)));
        decode(c, "PUBLISH QoS 1", version, &Packet::Publish(publish(QoS::AtLeastOnce)));
        decode(c, "CONNECT", version, &connect(version));
    }
}

fn encoding(c: &mut Criterion) {
    let mut out = BytesMut::with_capacity(4096);
    for version in VERSIONS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let publish = publish(qos);
            let head = PublishHead::of(&publish);
            c.bench_function(&format!("encode PUBLISH {qos:?} {version:?}"), |b| {
                b.iter(|| {
                    out.clear();
                    encode_publish(version, black_box(&head), &publish.payload, &mut out);
                });
            });
        }
        let connect = connect(version);
        c.bench_function(&format!("encode CONNECT {version:?}"), |b| {
            b.iter(|| {
                out.clear();
                black_box(&connect).encode(version, &mut out);
            });
        });
    }
}

fn matching(c: &mut Criterion) {
    for text in [TOPIC, "fleet/+/truck-0042/+", "fleet/eu-central-1/#"] {
        let filter = TopicFilter::parse(text.into()).expect("the filter is valid");
        c.bench_function(&format!("match {text}"), |b| {
            b.iter(|| black_box(&filter).matches(black_box(TOPIC), HashMatch::ChildrenOnly));
        });
    }
    c.bench_function("parse a filter", |b| {
        b.iter(|| TopicFilter::parse(black_box("fleet/+/truck-0042/#").into()));
    });
}

criterion_group!(benches, decoding, encoding, matching);
criterion_main!(benches);
