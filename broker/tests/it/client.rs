//! A scripted client: sends what a test says and hands over what comes back.

use std::time::Duration;

use crate::world::settle;
use bytes::BytesMut;
use bytestring::ByteString;
use mqtt::{
    Ack, Connect, ConnectProperties, Decoder, Disconnect, Packet, PacketId, Publish, QoS,
    RetainHandling, Subscribe, SubscribeProperties, Subscription, SubscriptionOptions, Unsubscribe,
    Version, Will,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// Larger than anything that the broker sends.
const PACKET_BYTES_MAX: usize = 1 << 20;
/// Longer than any timer of the broker.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One connection, as its device sees it.
pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    decoder: Decoder,
    input: BytesMut,
    pub(crate) version: Version,
    last_id: u16,
}

impl Client {
    pub(crate) fn new(stream: DuplexStream, version: Version) -> Self {
        let decoder = Decoder::of(version, PACKET_BYTES_MAX);
        Self { stream, decoder, input: BytesMut::new(), version, last_id: 0 }
    }

    /// Sends a packet. That the broker may have closed meanwhile shows in what comes back.
    pub(crate) async fn send(&mut self, packet: Packet) {
        self.write(&bytes_of(self.version, &packet)).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes).await);
    }

    /// The next packet; none once the broker has closed.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        let read = async {
            loop {
                if let Some(packet) = self.decoder.decode(&mut self.input).unwrap() {
                    return Some(packet);
                }
                if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                    assert!(self.input.is_empty(), "the broker closed within a packet");
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the broker says something")
    }

    /// The next packet, which must come.
    pub(crate) async fn packet(&mut self) -> Packet {
        self.next().await.expect("the connection is open")
    }

    /// The next packet, which must be a message.
    pub(crate) async fn message(&mut self) -> Publish {
        match self.packet().await {
            Packet::Publish(publish) => publish,
            other => panic!("a message is expected, not {other:?}"),
        }
    }

    /// Sends CONNECT, which must be accepted.
    pub(crate) async fn let_in(&mut self, connect: Connect) {
        self.send(Packet::Connect(Box::new(connect))).await;
        match self.packet().await {
            Packet::Connack(connack) => assert_eq!(connack.code, 0, "{connack:?}"),
            other => panic!("CONNACK comes first, not {other:?}"),
        }
    }

    /// All that has come by now. What was left in the mailbox before the first PINGREQ is read
    /// goes out before the second is.
    pub(crate) async fn pending(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        for _ in 0..2 {
            self.send(Packet::Pingreq).await;
            loop {
                match self.packet().await {
                    Packet::Pingresp => break,
                    packet => packets.push(packet),
                }
            }
        }
        packets
    }

    /// All that comes until the broker closes.
    pub(crate) async fn rest(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some(packet) = self.next().await {
            packets.push(packet);
        }
        packets
    }

    /// Holds that the connection is closed, and that an MQTT 5 client is told `code` alone.
    pub(crate) async fn is_cut_off(&mut self, code: u8) {
        let told: Vec<u8> = self.rest().await.iter().map(disconnect_code).collect();
        let expected = if self.version == Version::V5 { vec![code] } else { Vec::new() };
        assert_eq!(told, expected, "in {:?}", self.version);
    }

    /// Subscribes, and says how each filter was answered.
    pub(crate) async fn ask_for(&mut self, subscriptions: &[(&str, QoS)]) -> Vec<u8> {
        let subscriptions = subscriptions.iter().map(|(filter, qos)| subscription(filter, *qos));
        self.subscribe_with(subscriptions.collect()).await
    }

    /// As [`Client::ask_for`], with all options.
    pub(crate) async fn subscribe_with(&mut self, subscriptions: Vec<Subscription>) -> Vec<u8> {
        let packet_id = self.new_id();
        let properties = SubscribeProperties::default();
        let subscribe = Subscribe { packet_id, properties, subscriptions };
        self.send(Packet::Subscribe(subscribe)).await;
        match self.packet().await {
            Packet::Suback(suback) if suback.packet_id == packet_id => suback.codes,
            other => panic!("SUBACK is expected, not {other:?}"),
        }
    }

    /// Subscribes to one filter, which must be granted.
    pub(crate) async fn subscribe(&mut self, filter: &str, qos: QoS) {
        assert_eq!(self.ask_for(&[(filter, qos)]).await, [qos as u8], "{filter} is granted");
    }

    /// Ends subscriptions, and says how each filter was answered.
    pub(crate) async fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let packet_id = self.new_id();
        let filters = filters.iter().map(|filter| ByteString::from(*filter)).collect();
        let user_properties = Vec::new();
        self.send(Packet::Unsubscribe(Unsubscribe { packet_id, user_properties, filters })).await;
        match self.packet().await {
            Packet::Unsuback(unsuback) if unsuback.packet_id == packet_id => unsuback.codes,
            other => panic!("UNSUBACK is expected, not {other:?}"),
        }
    }

    /// Publishes with QoS 1, and says how it was answered.
    pub(crate) async fn deliver(&mut self, topic: &str, payload: &str) -> u8 {
        let publish = self.at_least_once(topic, payload);
        self.deliver_with(publish).await
    }

    /// As [`Client::deliver`], for a message made by the test.
    pub(crate) async fn deliver_with(&mut self, publish: Publish) -> u8 {
        let packet_id = publish.packet_id;
        self.send(Packet::Publish(publish)).await;
        match self.packet().await {
            Packet::Puback(ack) if Some(ack.packet_id) == packet_id => ack.code,
            other => panic!("PUBACK is expected, not {other:?}"),
        }
    }

    /// A message of QoS 1 with an id of its own.
    pub(crate) fn at_least_once(&mut self, topic: &str, payload: &str) -> Publish {
        let packet_id = Some(self.new_id());
        Publish { qos: QoS::AtLeastOnce, packet_id, ..publish(topic, payload) }
    }

    /// A message of QoS 2 with an id of its own.
    pub(crate) fn exactly_once(&mut self, topic: &str, payload: &str) -> Publish {
        Publish { qos: QoS::ExactlyOnce, ..self.at_least_once(topic, payload) }
    }

    /// All messages that have come once nothing is left to do.
    pub(crate) async fn messages(&mut self) -> Vec<Publish> {
        settle().await;
        let message = |packet| match packet {
            Packet::Publish(publish) => publish,
            other => panic!("a message is expected, not {other:?}"),
        };
        self.pending().await.into_iter().map(message).collect()
    }

    /// The payloads of all messages that have come once nothing is left to do, acknowledged one by
    /// one until no more come.
    pub(crate) async fn take_all(&mut self) -> Vec<String> {
        let mut payloads = Vec::new();
        loop {
            let messages = self.messages().await;
            if messages.is_empty() {
                return payloads;
            }
            for message in messages {
                if message.qos != QoS::AtMostOnce {
                    self.acknowledge(&message).await;
                }
                payloads.push(payload(&message));
            }
        }
    }

    /// Sends an acknowledgement of QoS 2.
    pub(crate) async fn answer(&mut self, kind: fn(Ack) -> Packet, packet_id: PacketId) {
        self.send(kind(Ack { packet_id, code: 0, properties: None })).await;
    }

    /// Acknowledges a message.
    pub(crate) async fn acknowledge(&mut self, publish: &Publish) {
        let packet_id = publish.packet_id.unwrap();
        self.send(Packet::Puback(Ack { packet_id, code: 0, properties: None })).await;
    }

    /// Says goodbye, and waits until the broker has closed.
    pub(crate) async fn leave(mut self) {
        self.send(Packet::Disconnect(Disconnect::default())).await;
        assert_eq!(self.rest().await, []);
    }

    pub(crate) fn new_id(&mut self) -> PacketId {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        PacketId::new(self.last_id).unwrap()
    }
}

/// A plain CONNECT.
pub(crate) fn connect(version: Version, id: &str) -> Connect {
    Connect {
        version,
        clean: true,
        keep_alive_s: 1200,
        client_id: id.into(),
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

/// A CONNECT whose session is kept for an hour.
pub(crate) fn keeping(version: Version, id: &str) -> Connect {
    let mut asked = Connect { clean: false, ..connect(version, id) };
    asked.properties.session_expiry_s = (version == Version::V5).then_some(3600);
    asked
}

/// A plain Will.
pub(crate) fn will(topic: &str, payload: &'static str) -> Will {
    Will {
        topic: topic.into(),
        payload: payload.into(),
        qos: QoS::AtLeastOnce,
        retain: false,
        delay_s: None,
        properties: None,
    }
}

/// A plain message of QoS 0.
pub(crate) fn publish(topic: &str, payload: &str) -> Publish {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: topic.into(),
        packet_id: None,
        properties: None,
        payload: payload.to_owned().into(),
    }
}

/// A subscription without MQTT 5's options.
pub(crate) fn subscription(filter: &str, qos: QoS) -> Subscription {
    let options = SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
    };
    Subscription { filter: filter.into(), options }
}

/// A packet as it goes over the wire.
pub(crate) fn bytes_of(version: Version, packet: &Packet) -> BytesMut {
    let mut bytes = BytesMut::new();
    packet.encode(version, &mut bytes);
    bytes
}

/// The topics and payloads of messages, as texts.
pub(crate) fn texts(packets: &[Packet]) -> Vec<(String, String)> {
    let text = |packet: &Packet| match packet {
        Packet::Publish(message) => {
            let payload = String::from_utf8(message.payload.to_vec()).unwrap();
            (message.topic.to_string(), payload)
        }
        other => panic!("a message is expected, not {other:?}"),
    };
    packets.iter().map(text).collect()
}

/// What a message says.
pub(crate) fn payload(message: &Publish) -> String {
    String::from_utf8(message.payload.to_vec()).unwrap()
}

fn disconnect_code(packet: &Packet) -> u8 {
    match packet {
        Packet::Disconnect(disconnect) => disconnect.code,
        other => panic!("DISCONNECT is expected, not {other:?}"),
    }
}
