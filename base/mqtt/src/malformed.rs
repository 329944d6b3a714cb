//! The ways in which a packet can be wrong, each by name.

use crate::packet::PacketType;
use crate::reason;

/// Why bytes are not a packet that may be sent. The connection cannot go on after one.
///
/// Clauses are named `MQTT-…`: as MQTT 5 counts them, unless 3.1.1 is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// MQTT-3.1.0-1.
    #[error("the first packet must be CONNECT")]
    NotConnect,
    /// MQTT-3.1.0-2.
    #[error("CONNECT was sent twice")]
    SecondConnect,
    /// A packet that only a server sends (2.1.2) came to a server.
    #[error("{0} is not for a client to send")]
    NotFromClient(PacketType),
    /// A type that the standard reserves: 0, and 15 in 3.1.1 (2.1.2).
    #[error("there is no packet of type {0}")]
    ReservedType(u8),
    /// MQTT-2.1.3-1; in 3.1.1 MQTT-2.2.2-2.
    #[error("{0} has flags other than the fixed ones")]
    Flags(PacketType),
    /// MQTT-3.3.1-4.
    #[error("PUBLISH has QoS 3")]
    PublishQos3,
    /// MQTT-3.3.1-2.
    #[error("PUBLISH of QoS 0 is marked as a duplicate")]
    DuplicateOfQos0,
    /// Variable byte integers end after four bytes (1.5.5; 2.2.3 in 3.1.1).
    #[error("a variable byte integer has more than four bytes")]
    IntegerTooLong,
    /// MQTT-1.5.5-1; 3.1.1 allows it.
    #[error("a variable byte integer has more bytes than it needs")]
    IntegerPadded,
    /// The receiver's own bound (MQTT-3.1.2-24).
    #[error("the packet has {bytes} bytes, and at most {max} are taken")]
    TooLarge {
        /// The fixed header's bytes and those it announces.
        bytes: usize,
        /// What the decoder was made with.
        max: usize,
    },
    /// A field reaches beyond the end of its packet or of its properties.
    #[error("the packet ends in the middle of a field")]
    Truncated,
    /// Something follows the last field that the packet can have.
    #[error("the packet goes on after its last field")]
    TrailingBytes,
    /// MQTT-1.5.4-1; in 3.1.1 MQTT-1.5.3-1.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// MQTT-1.5.4-2; in 3.1.1 MQTT-1.5.3-2.
    #[error("a string has the character U+0000")]
    NullCharacter,
    /// MQTT-2.2.1-3; in 3.1.1 MQTT-2.3.1-1.
    #[error("the packet identifier is 0")]
    PacketIdZero,

    /// MQTT-3.1.2-1 and MQTT-3.1.2-2. A server that answers does so in the form of a version that
    /// the client may know: CONNACK 0x84 of MQTT 5 if `level` is above 4, else 0x01 of 3.1.1.
    #[error("the protocol is not MQTT at level 4 or 5, but at {level} or of another name")]
    UnsupportedProtocol {
        /// As sent; 3 is MQTT 3.1.
        level: u8,
    },
    /// MQTT-3.1.2-3.
    #[error("the reserved flag of CONNECT is set")]
    ConnectReservedFlag,
    /// MQTT-3.1.2-11 and MQTT-3.1.2-13; in 3.1.1 MQTT-3.1.2-13 and MQTT-3.1.2-15.
    #[error("CONNECT has a QoS or a retain flag for a will that it does not have")]
    FlagsWithoutWill,
    /// MQTT-3.1.2-12; in 3.1.1 MQTT-3.1.2-14.
    #[error("the will has QoS 3")]
    WillQos3,
    /// MQTT-3.1.2-22 of 3.1.1.
    #[error("CONNECT has a password without a user name")]
    PasswordWithoutUserName,
    /// The reserved bits of CONNACK's flags: MQTT-3.2.2-1.
    #[error("the reserved flags of CONNACK are set")]
    ConnackReservedFlags,
    /// MQTT-3.2.2-6; in 3.1.1 MQTT-3.2.2-4.
    #[error("CONNACK refuses, and says that a session is present")]
    SessionOfRefused,
    /// The table of the packet's codes: MQTT-3.2.2-8, 3.4.2-1, 3.9.3-2, 3.14.2-1 and so on.
    #[error("{packet} has the code {code:#04x}, which is none of its codes")]
    Code {
        /// Which packet.
        packet: PacketType,
        /// As sent.
        code: u8,
    },

    /// MQTT-4.7.3-1; MQTT 5 allows it in a PUBLISH with a topic alias (3.3.2.1).
    #[error("a topic name is empty")]
    TopicEmpty,
    /// MQTT-3.3.2-2.
    #[error("a topic name has a wildcard")]
    TopicWildcard,
    /// MQTT-3.3.2-14.
    #[error("the response topic has a wildcard")]
    ResponseTopicWildcard,
    /// MQTT-3.3.2-8.
    #[error("the topic alias is 0")]
    TopicAliasZero,
    /// MQTT-3.3.4-6.
    #[error("a client's PUBLISH has a subscription identifier")]
    SubscriptionIdFromClient,

    /// MQTT-3.8.3-2 and MQTT-3.10.3-2; in 3.1.1 MQTT-3.8.3-3 and MQTT-3.10.3-2.
    #[error("{0} has no topic filter")]
    NoFilters(PacketType),
    /// MQTT-3.8.3-5; in 3.1.1 MQTT-3.8.3-4.
    #[error("reserved bits of a subscription's options are set")]
    SubscriptionReservedBits,
    /// The maximum QoS of a subscription (3.8.3.1); in 3.1.1 MQTT-3.8.3-4.
    #[error("a subscription has QoS 3")]
    SubscriptionQos3,
    /// The retain handling of a subscription (3.8.3.1).
    #[error("a subscription has retain handling 3")]
    RetainHandling3,
    /// MQTT-3.8.3-4.
    #[error("a shared subscription is not to have its own messages")]
    NoLocalOfShared,
    /// SUBACK, and UNSUBACK of MQTT 5, answer for at least one filter (3.9.3, 3.11.3).
    #[error("{0} has no code")]
    NoCodes(PacketType),

    /// An identifier that is unknown, or not for this packet (2.2.2.2).
    #[error("property {0:#04x} is unknown, or not allowed here")]
    PropertyNotAllowed(u32),
    /// A property that may be there once (2.2.2.2).
    #[error("property {0:#04x} is there twice")]
    PropertyTwice(u8),
    /// A property that is 0 or 1.
    #[error("property {0:#04x} is neither 0 nor 1")]
    PropertyNotBoolean(u8),
    /// Receive maximum, maximum packet size and subscription identifier are not 0.
    #[error("property {0:#04x} is 0")]
    PropertyZero(u8),
    /// Authentication data without a method (3.1.2.11.10).
    #[error("there is authentication data without a method")]
    AuthenticationDataAlone,
    /// An AUTH that says anything names its method (3.15.2.2.2).
    #[error("AUTH names no method")]
    AuthenticationMethodMissing,
}

impl Malformed {
    /// What a DISCONNECT or CONNACK of MQTT 5 says of it.
    pub fn reason_code(&self) -> u8 {
        match self {
            Self::TooLarge { .. } => reason::PACKET_TOO_LARGE,
            Self::UnsupportedProtocol { .. } => reason::UNSUPPORTED_PROTOCOL_VERSION,
            Self::TopicAliasZero => reason::TOPIC_ALIAS_INVALID,
            Self::NotConnect
            | Self::SecondConnect
            | Self::NotFromClient(_)
            | Self::PacketIdZero
            | Self::SessionOfRefused
            | Self::Code { .. }
            | Self::TopicEmpty
            | Self::ResponseTopicWildcard
            | Self::SubscriptionIdFromClient
            | Self::NoFilters(_)
            | Self::SubscriptionQos3
            | Self::RetainHandling3
            | Self::NoLocalOfShared
            | Self::NoCodes(_)
            | Self::PropertyTwice(_)
            | Self::PropertyNotBoolean(_)
            | Self::PropertyZero(_)
            | Self::AuthenticationDataAlone
            | Self::AuthenticationMethodMissing => reason::PROTOCOL_ERROR,
            _ => reason::MALFORMED_PACKET,
        }
    }
}
