//! Packets as values, one type for both versions of the protocol.

use std::fmt;
use std::num::NonZeroU16;

use bytes::Bytes;
use bytestring::ByteString;

use crate::malformed::Malformed;
use crate::properties::{
    AckProperties, AuthProperties, ConnackProperties, ConnectProperties, DisconnectProperties,
    PublishProperties, SubscribeProperties, UserProperties,
};

/// Which MQTT a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1: protocol level 4.
    V311,
    /// MQTT 5: protocol level 5.
    V5,
}

/// How surely a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// At most once.
    AtMostOnce = 0,
    /// At least once.
    AtLeastOnce = 1,
    /// Exactly once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS that the two lowest bits say; 3 is none.
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0b11 {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// A packet identifier, which is never zero (MQTT-2.3.1-1).
pub type PacketId = NonZeroU16;

/// A control packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard names them")]
pub enum Packet {
    Connect(Box<Connect>),
    Connack(Box<Connack>),
    Publish(Publish),
    Puback(Ack),
    Pubrec(Ack),
    Pubrel(Ack),
    Pubcomp(Ack),
    Subscribe(Subscribe),
    Suback(Suback),
    Unsubscribe(Unsubscribe),
    Unsuback(Unsuback),
    Pingreq,
    Pingresp,
    Disconnect(Disconnect),
    Auth(Auth),
}

/// Which packet, as its first four bits say (2.1.2). It is shown as the standard writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the standard names them")]
pub enum PacketType {
    Connect = 1,
    Connack = 2,
    Publish = 3,
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Pingreq = 12,
    Pingresp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// The type of these four bits; AUTH is reserved in 3.1.1.
    pub(crate) fn from_bits(bits: u8, version: Option<Version>) -> Result<Self, Malformed> {
        Ok(match bits {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            5 => Self::Pubrec,
            6 => Self::Pubrel,
            7 => Self::Pubcomp,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            15 if version != Some(Version::V311) => Self::Auth,
            _ => return Err(Malformed::ReservedType(bits)),
        })
    }

    /// As the standard writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Packet {
    /// Which packet it is.
    pub fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq => PacketType::Pingreq,
            Self::Pingresp => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

/// A client's first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The version it speaks from here on.
    pub version: Version,
    /// Clean Session (3.1.1) or Clean Start (5).
    pub clean: bool,
    /// Seconds; 0 is none asked for.
    pub keep_alive_s: u16,
    /// May be empty.
    pub client_id: ByteString,
    /// What to publish should the connection be lost.
    pub will: Option<Will>,
    /// As sent.
    pub user_name: Option<ByteString>,
    /// As sent.
    pub password: Option<Bytes>,
    /// MQTT 5 alone.
    pub properties: ConnectProperties,
}

/// What the broker publishes for a client that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where; not empty, without wildcards.
    pub topic: ByteString,
    /// What.
    pub payload: Bytes,
    /// How surely.
    pub qos: QoS,
    /// Whether it is kept for later subscribers.
    pub retain: bool,
    /// Will Delay Interval in seconds; MQTT 5 alone.
    pub delay_s: Option<u32>,
    /// Those of the message; MQTT 5 alone.
    pub properties: Option<Box<PublishProperties>>,
}

/// The answer to CONNECT. `code` is a return code (3.1.1) or a reason code (5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Connack {
    pub session_present: bool,
    pub code: u8,
    pub properties: ConnackProperties,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Whether it was sent before.
    pub dup: bool,
    /// How surely it is delivered.
    pub qos: QoS,
    /// Whether it is kept (from a client), or was kept (from a broker).
    pub retain: bool,
    /// Without wildcards; empty only with a topic alias.
    pub topic: ByteString,
    /// There if and only if `qos` is not 0.
    pub packet_id: Option<PacketId>,
    /// MQTT 5 alone; none where all are absent.
    pub properties: Option<Box<PublishProperties>>,
    /// The message itself.
    pub payload: Bytes,
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Ack {
    pub packet_id: PacketId,
    /// MQTT 5; 0 in 3.1.1.
    pub code: u8,
    /// MQTT 5 alone; none where all are absent.
    pub properties: Option<Box<AckProperties>>,
}

/// A request for topics; it has at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Subscribe {
    pub packet_id: PacketId,
    pub properties: SubscribeProperties,
    pub subscriptions: Vec<Subscription>,
}

/// One topic filter of a SUBSCRIBE. The filter's text is UTF-8 and no more: whether it is a filter
/// is asked with [`TopicFilter::parse`](crate::TopicFilter::parse), so that one wrong filter can
/// be refused alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Subscription {
    pub filter: ByteString,
    pub options: SubscriptionOptions,
}

/// The options of one subscription; all but `qos` are MQTT 5's and have their defaults in 3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct SubscriptionOptions {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// Which retained messages a new subscription brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RetainHandling {
    /// All.
    Send = 0,
    /// All, unless the subscription existed.
    SendIfNew = 1,
    /// None.
    DoNotSend = 2,
}

/// The answer to SUBSCRIBE: one code per filter, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Suback {
    pub packet_id: PacketId,
    pub properties: Option<Box<AckProperties>>,
    pub codes: Vec<u8>,
}

/// A request to end subscriptions; it has at least one filter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Unsubscribe {
    pub packet_id: PacketId,
    pub user_properties: UserProperties,
    pub filters: Vec<ByteString>,
}

/// The answer to UNSUBSCRIBE: one code per filter in MQTT 5, none in 3.1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Unsuback {
    pub packet_id: PacketId,
    pub properties: Option<Box<AckProperties>>,
    pub codes: Vec<u8>,
}

/// The end of a connection, by either side. In 3.1.1 only a client sends it, without a code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Disconnect {
    pub code: u8,
    pub properties: DisconnectProperties,
}

/// A step of MQTT 5's enhanced authentication.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct Auth {
    pub code: u8,
    pub properties: AuthProperties,
}
