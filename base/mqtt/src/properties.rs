//! The properties of MQTT 5, by the packet that carries them.

use bytes::Bytes;
use bytestring::ByteString;

/// Pairs of a name and a value, in order; names may repeat.
pub type UserProperties = Vec<(ByteString, ByteString)>;

/// What CONNECT may carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct ConnectProperties {
    pub session_expiry_s: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub maximum_packet_size: Option<u32>,
    pub topic_alias_maximum: Option<u16>,
    pub request_response_information: Option<bool>,
    pub request_problem_information: Option<bool>,
    pub authentication_method: Option<ByteString>,
    pub authentication_data: Option<Bytes>,
    pub user_properties: UserProperties,
}

/// What CONNACK may carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct ConnackProperties {
    pub session_expiry_s: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub maximum_qos: Option<u8>,
    pub retain_available: Option<bool>,
    pub maximum_packet_size: Option<u32>,
    pub assigned_client_id: Option<ByteString>,
    pub topic_alias_maximum: Option<u16>,
    pub reason_string: Option<ByteString>,
    pub wildcard_subscription_available: Option<bool>,
    pub subscription_identifiers_available: Option<bool>,
    pub shared_subscription_available: Option<bool>,
    pub server_keep_alive_s: Option<u16>,
    pub response_information: Option<ByteString>,
    pub server_reference: Option<ByteString>,
    pub authentication_method: Option<ByteString>,
    pub authentication_data: Option<Bytes>,
    pub user_properties: UserProperties,
}

/// What PUBLISH, and a Will's message, may carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct PublishProperties {
    /// Payload Format Indicator: whether the payload is said to be UTF-8.
    pub payload_is_utf8: Option<bool>,
    pub message_expiry_s: Option<u32>,
    pub topic_alias: Option<u16>,
    pub response_topic: Option<ByteString>,
    pub correlation_data: Option<Bytes>,
    pub user_properties: UserProperties,
    pub subscription_ids: Vec<u32>,
    pub content_type: Option<ByteString>,
}

/// What PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK may carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct AckProperties {
    pub reason_string: Option<ByteString>,
    pub user_properties: UserProperties,
}

/// What SUBSCRIBE may carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct SubscribeProperties {
    pub subscription_id: Option<u32>,
    pub user_properties: UserProperties,
}

/// What DISCONNECT may carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct DisconnectProperties {
    pub session_expiry_s: Option<u32>,
    pub reason_string: Option<ByteString>,
    pub user_properties: UserProperties,
    pub server_reference: Option<ByteString>,
}

/// What AUTH may carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names them")]
pub struct AuthProperties {
    pub authentication_method: Option<ByteString>,
    pub authentication_data: Option<Bytes>,
    pub reason_string: Option<ByteString>,
    pub user_properties: UserProperties,
}
