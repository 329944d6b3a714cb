//! The codes of MQTT 5 by name, and in [`connack`] the return codes of a 3.1.1 CONNACK.
//!
//! One number may have several names: 0 is success, normal disconnection, or QoS 0 granted.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: u8 = $value;)*
    };
}

codes! {
    /// It was done.
    SUCCESS = 0x00;
    /// DISCONNECT: the will is not to be published.
    NORMAL_DISCONNECTION = 0x00;
    /// SUBACK.
    GRANTED_QOS_0 = 0x00;
    /// SUBACK.
    GRANTED_QOS_1 = 0x01;
    /// SUBACK.
    GRANTED_QOS_2 = 0x02;
    /// DISCONNECT from a client that wants its will published all the same.
    DISCONNECT_WITH_WILL = 0x04;
    /// PUBACK and PUBREC: accepted, but nobody subscribes.
    NO_MATCHING_SUBSCRIBERS = 0x10;
    /// UNSUBACK: there was no such subscription.
    NO_SUBSCRIPTION_EXISTED = 0x11;
    /// AUTH: the next step, please.
    CONTINUE_AUTHENTICATION = 0x18;
    /// AUTH: once more from the beginning.
    REAUTHENTICATE = 0x19;
    /// No reason is given.
    UNSPECIFIED_ERROR = 0x80;
    /// A packet could not be read.
    MALFORMED_PACKET = 0x81;
    /// A packet was out of order, or said what it may not.
    PROTOCOL_ERROR = 0x82;
    /// Valid, but not accepted by this receiver.
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83;
    /// CONNACK: another version of MQTT, please.
    UNSUPPORTED_PROTOCOL_VERSION = 0x84;
    /// CONNACK: a valid string, but no client id here.
    CLIENT_IDENTIFIER_NOT_VALID = 0x85;
    /// CONNACK.
    BAD_USER_NAME_OR_PASSWORD = 0x86;
    /// Not allowed to do this.
    NOT_AUTHORIZED = 0x87;
    /// CONNACK.
    SERVER_UNAVAILABLE = 0x88;
    /// CONNACK and DISCONNECT: try again later.
    SERVER_BUSY = 0x89;
    /// CONNACK: by an administrator.
    BANNED = 0x8A;
    /// DISCONNECT.
    SERVER_SHUTTING_DOWN = 0x8B;
    /// The method is unknown, or not the one in use.
    BAD_AUTHENTICATION_METHOD = 0x8C;
    /// DISCONNECT: silent for one and a half times the keep alive.
    KEEP_ALIVE_TIMEOUT = 0x8D;
    /// DISCONNECT: another connection has the same client id.
    SESSION_TAKEN_OVER = 0x8E;
    /// Well formed, but not accepted.
    TOPIC_FILTER_INVALID = 0x8F;
    /// Well formed, but not accepted.
    TOPIC_NAME_INVALID = 0x90;
    /// The packet identifier is in use.
    PACKET_IDENTIFIER_IN_USE = 0x91;
    /// PUBREL and PUBCOMP: nothing waits under this identifier.
    PACKET_IDENTIFIER_NOT_FOUND = 0x92;
    /// DISCONNECT: more unacknowledged messages than were allowed.
    RECEIVE_MAXIMUM_EXCEEDED = 0x93;
    /// DISCONNECT: a topic alias of 0, beyond the maximum, or not yet set.
    TOPIC_ALIAS_INVALID = 0x94;
    /// Larger than the receiver takes.
    PACKET_TOO_LARGE = 0x95;
    /// DISCONNECT.
    MESSAGE_RATE_TOO_HIGH = 0x96;
    /// A limit of the implementation or of an administrator.
    QUOTA_EXCEEDED = 0x97;
    /// DISCONNECT: by an administrator.
    ADMINISTRATIVE_ACTION = 0x98;
    /// The payload is not what its format indicator says.
    PAYLOAD_FORMAT_INVALID = 0x99;
    /// CONNACK and DISCONNECT.
    RETAIN_NOT_SUPPORTED = 0x9A;
    /// CONNACK and DISCONNECT.
    QOS_NOT_SUPPORTED = 0x9B;
    /// CONNACK and DISCONNECT: this time.
    USE_ANOTHER_SERVER = 0x9C;
    /// CONNACK and DISCONNECT: for good.
    SERVER_MOVED = 0x9D;
    /// SUBACK and DISCONNECT.
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E;
    /// CONNACK and DISCONNECT: too many connections in a short time.
    CONNECTION_RATE_EXCEEDED = 0x9F;
    /// DISCONNECT: the longest time allowed is over.
    MAXIMUM_CONNECT_TIME = 0xA0;
    /// SUBACK and DISCONNECT.
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1;
    /// SUBACK and DISCONNECT.
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2;
}

/// The failure code of a 3.1.1 SUBACK.
pub const SUBACK_FAILURE: u8 = 0x80;

/// The return codes of a 3.1.1 CONNACK.
pub mod connack {
    codes! {
        /// Connected.
        ACCEPTED = 0;
        /// The level of the protocol is not supported.
        UNACCEPTABLE_PROTOCOL_VERSION = 1;
        /// A valid string, but no client id here.
        IDENTIFIER_REJECTED = 2;
        /// MQTT is not available.
        SERVER_UNAVAILABLE = 3;
        /// The user name or the password is malformed.
        BAD_USER_NAME_OR_PASSWORD = 4;
        /// Not allowed to connect.
        NOT_AUTHORIZED = 5;
    }
}
