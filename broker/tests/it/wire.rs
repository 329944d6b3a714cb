//! The stream itself: packets in pieces, packets in heaps.

use bytes::BytesMut;
use mqtt::{
    Disconnect, Packet, PacketId, QoS, Subscribe, SubscribeProperties, Unsubscribe, Version,
};

use crate::BOTH;
use crate::client::{Client, bytes_of, connect, publish, subscription};
use crate::world::{World, knock};

/// A whole conversation with oneself.
fn conversation(version: Version) -> BytesMut {
    let packet_id = PacketId::MIN;
    let message =
        mqtt::Publish { qos: QoS::AtLeastOnce, packet_id: Some(packet_id), ..publish("a/b", "on") };
    let packets = [
        Packet::Connect(Box::new(connect(version, "lamp"))),
        Packet::Subscribe(Subscribe {
            packet_id,
            properties: SubscribeProperties::default(),
            subscriptions: vec![subscription("a/+", QoS::AtMostOnce)],
        }),
        Packet::Publish(message),
        Packet::Unsubscribe(Unsubscribe {
            packet_id,
            user_properties: Vec::new(),
            filters: vec!["a/+".into()],
        }),
        Packet::Pingreq,
        Packet::Disconnect(Disconnect::default()),
    ];
    let mut bytes = BytesMut::new();
    packets.iter().for_each(|packet| packet.encode(version, &mut bytes));
    bytes
}

/// Messages, whose place is free, and answers, which keep their order.
fn apart(packets: Vec<Packet>) -> (Vec<Packet>, Vec<Packet>) {
    packets.into_iter().partition(|packet| matches!(packet, Packet::Publish(_)))
}

/// Holds that every packet of each conversation was answered alike.
fn are_all_answered(told: &[Vec<Packet>]) {
    assert_eq!(told[0].len(), 5, "{:?}", told[0]);
    assert!(told.iter().all(|answers| *answers == told[0]));
}

#[tokio::test]
async fn packets_may_come_in_pieces_of_any_size() {
    let world = World::new().await;
    for version in BOTH {
        let bytes = conversation(version);
        let mut told = Vec::new();
        for pipe_bytes in 1..=bytes.len() - 2 {
            let mut client = world.dial_as(version, knock(), pipe_bytes);
            // All but the goodbye, so that the message comes too.
            client.write(&bytes[..bytes.len() - 2]).await;
            let mut packets = Vec::new();
            for _ in 0..6 {
                packets.push(client.packet().await);
            }
            client.leave().await;
            let (messages, answers) = apart(packets);
            assert_eq!(messages, [Packet::Publish(publish("a/b", "on"))]);
            told.push(answers);
        }
        are_all_answered(&told);
    }
}

#[tokio::test]
async fn packets_may_be_cut_anywhere() {
    let world = World::new().await;
    for version in BOTH {
        let bytes = conversation(version);
        let mut told = Vec::new();
        for cut in 1..bytes.len() {
            let mut client = world.dial(version);
            client.write(&bytes[..cut]).await;
            quiet().await;
            client.write(&bytes[cut..]).await;
            // The goodbye may come before the message is on its way.
            let (_, answers) = apart(client.rest().await);
            told.push(answers);
        }
        are_all_answered(&told);
    }
}

/// Resolves when every connection waits for its client: the clock jumps only then.
async fn quiet() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

async fn subscriber(world: &World, qos: QoS) -> Client {
    let mut ear = world.connect(Version::V5, &format!("ear-{qos:?}")).await;
    ear.subscribe("t", qos).await;
    ear
}

#[tokio::test]
async fn ten_thousand_messages_at_once_arrive_in_order() {
    const MESSAGES: usize = 10_000;
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let mut ears =
        [subscriber(&world, QoS::AtMostOnce).await, subscriber(&world, QoS::AtLeastOnce).await];
    let mut bytes = BytesMut::new();
    let mut ids = Vec::new();
    for number in 0..MESSAGES {
        let message = lamp.at_least_once("t", &number.to_string());
        ids.push(message.packet_id.unwrap());
        bytes.extend_from_slice(&bytes_of(Version::V5, &Packet::Publish(message)));
    }
    let publish = async {
        lamp.write(&bytes).await;
        for id in ids {
            let ack = mqtt::Ack { packet_id: id, code: 0, properties: None };
            assert_eq!(lamp.packet().await, Packet::Puback(ack));
        }
    };
    let [first, second] = &mut ears;
    let hear = async |ear: &mut Client| {
        for number in 0..MESSAGES {
            let message = ear.message().await;
            assert_eq!(message.payload, number.to_string());
            if message.packet_id.is_some() {
                ear.acknowledge(&message).await;
            }
        }
    };
    tokio::join!(publish, hear(first), hear(second));
}
