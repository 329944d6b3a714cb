//! Whatever comes: the broker ends the connection or keeps talking, and others notice nothing.

use mqtt::{Packet, QoS, Version};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

use crate::client::{Client, bytes_of, connect, publish, subscription, will};
use crate::world::World;

const CASES: u32 = 400;

/// A broker, and a client that must not notice anything.
struct Stage {
    runtime: Runtime,
    world: World,
    witness: Client,
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (world, witness) = runtime.block_on(async {
            let world = World::new().await;
            let mut witness = world.connect(Version::V5, "witness").await;
            witness.subscribe("#", QoS::AtMostOnce).await;
            (world, witness)
        });
        Self { runtime, world, witness }
    }

    /// Runs many cases; each is over when its client is.
    fn run<T: std::fmt::Debug>(
        &mut self,
        cases: impl Strategy<Value = T>,
        act: impl AsyncFn(&World, T),
    ) {
        let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
        let Self { runtime, world, witness } = self;
        let witness = tokio::sync::Mutex::new(witness);
        let outcome = runner.run(&cases, |case| {
            runtime.block_on(async {
                act(world, case).await;
                let mut witness = witness.lock().await;
                for packet in witness.pending().await {
                    prop_assert!(matches!(packet, Packet::Publish(_)), "{packet:?}");
                }
                prop_assert_eq!(world.panic(), None);
                Ok(())
            })
        });
        outcome.unwrap();
    }
}

/// Packets that a client may send, as bytes.
fn sensible() -> impl Strategy<Value = Vec<u8>> {
    let topic = "[a-c/$]{1,12}";
    let packet = prop_oneof![
        (topic, ".{0,20}", any::<bool>()).prop_map(|(topic, payload, is_sure)| {
            let (qos, packet_id) = match is_sure {
                true => (QoS::AtLeastOnce, Some(mqtt::PacketId::MIN)),
                false => (QoS::AtMostOnce, None),
            };
            Packet::Publish(mqtt::Publish { qos, packet_id, ..publish(&topic, &payload) })
        }),
        "[a-c/+#$]{0,12}".prop_map(|filter| Packet::Subscribe(mqtt::Subscribe {
            packet_id: mqtt::PacketId::MIN,
            properties: mqtt::SubscribeProperties::default(),
            subscriptions: vec![subscription(&filter, QoS::AtLeastOnce)],
        })),
        "[a-c/+#$]{0,12}".prop_map(|filter| Packet::Unsubscribe(mqtt::Unsubscribe {
            packet_id: mqtt::PacketId::MIN,
            user_properties: Vec::new(),
            filters: vec![filter.into()],
        })),
        Just(Packet::Pingreq),
        any::<mqtt::PacketId>().prop_map(|packet_id| Packet::Puback(mqtt::Ack {
            packet_id,
            code: 0,
            properties: None
        })),
    ];
    packet.prop_map(|packet| bytes_of(Version::V5, &packet).to_vec())
}

/// Sensible packets with some bytes changed, or any bytes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let packets = proptest::collection::vec(sensible(), 0..8).prop_map(|packets| packets.concat());
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let changed = (packets, changes).prop_map(|(mut bytes, changes)| {
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    });
    prop_oneof![3 => changed, 1 => proptest::collection::vec(any::<u8>(), 0..200)]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V311), Just(Version::V5)]
}

#[test]
fn whatever_comes_after_connect_ends_in_good_order() {
    let cases = (version(), bytes());
    Stage::new().run(cases, async |world, (version, bytes)| {
        let mut client = world.connect(version, "hostile").await;
        client.write(&bytes).await;
        drop(client.stream.shutdown().await);
        // Each packet that comes back is a whole one.
        client.rest().await;
    });
}

#[test]
fn whatever_comes_instead_of_connect_ends_in_good_order() {
    let connect = |version| {
        let asked = mqtt::Connect {
            will: Some(will("last", "words")),
            user_name: Some("somebody".into()),
            password: Some("something".into()),
            ..connect(version, "hostile")
        };
        bytes_of(version, &Packet::Connect(Box::new(asked))).to_vec()
    };
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let changed =
        (version().prop_map(connect), changes, bytes()).prop_map(|(mut bytes, changes, more)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            [bytes, more].concat()
        });
    let cases = prop_oneof![3 => changed, 1 => bytes()];
    Stage::new().run(cases, async |world, bytes| {
        let mut client = world.dial(Version::V5);
        client.write(&bytes).await;
        drop(client.stream.shutdown().await);
        let told = async { client.stream.read_to_end(&mut Vec::new()).await };
        let patience = std::time::Duration::from_secs(3600);
        tokio::time::timeout(patience, told).await.expect("the broker closes").unwrap();
    });
}
