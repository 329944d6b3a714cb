//! A retained message as it is stored, and a short form of it for lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mqtt::{PublishProperties, QoS};
use serde::{Deserialize, Serialize};
use service::kinds;
use store::{Key, KeyRange};
use types::{TenantId, Timestamp};

use crate::message::Message;

/// The format that is written.
const FORMAT: u32 = 1;

/// A message, whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    v: u32,
    topic: String,
    qos: u8,
    /// Base64.
    payload: String,
    last_modified: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_is_utf8: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_data: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<(String, String)>,
}

/// What a list tells of a message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    v: u32,
    pub(crate) topic: String,
    pub(crate) qos: u8,
    pub(crate) payload_size: u64,
    pub(crate) last_modified: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
}

/// Where all messages are, by topic.
pub(crate) fn messages_key(tenant: TenantId) -> Key {
    Key::new(tenant, kinds::RETAINED_MESSAGE)
}

/// Where the message of a topic is.
pub(crate) fn message_key(tenant: TenantId, topic: &str) -> Key {
    messages_key(tenant).text(topic)
}

/// Where the short form of it is.
pub(crate) fn summary_key(tenant: TenantId, topic: &str) -> Key {
    Key::new(tenant, kinds::RETAINED_SUMMARY).text(topic)
}

/// Where it is told how many there are.
pub(crate) fn count_key(tenant: TenantId) -> Key {
    Key::new(tenant, kinds::RETAINED_COUNT)
}

/// The short forms of all messages, by topic.
pub(crate) fn list_range(tenant: TenantId) -> KeyRange {
    KeyRange::prefix(&Key::new(tenant, kinds::RETAINED_SUMMARY))
}

impl Record {
    pub(crate) fn new(message: &Message, now: Timestamp) -> Self {
        let none = PublishProperties::default();
        let properties = message.properties.as_deref().unwrap_or(&none);
        Self {
            v: FORMAT,
            topic: message.topic.to_string(),
            qos: message.qos as u8,
            payload: STANDARD.encode(&message.payload),
            last_modified: now,
            expires: message.expires,
            payload_is_utf8: properties.payload_is_utf8,
            content_type: properties.content_type.as_ref().map(ToString::to_string),
            response_topic: properties.response_topic.as_ref().map(ToString::to_string),
            correlation_data: properties.correlation_data.as_ref().map(|d| STANDARD.encode(d)),
            user_properties: properties
                .user_properties
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            v: FORMAT,
            topic: self.topic.clone(),
            qos: self.qos,
            payload_size: self.payload_bytes().len() as u64,
            last_modified: self.last_modified,
            expires: self.expires,
        }
    }

    /// The message, unless its life is over at `now`.
    pub(crate) fn into_message(self, now: Timestamp) -> Option<Message> {
        if self.is_over(now) {
            return None;
        }
        let payload = self.payload_bytes().into();
        let properties = PublishProperties {
            payload_is_utf8: self.payload_is_utf8,
            // Those that are left are counted from `expires`.
            message_expiry_s: None,
            topic_alias: None,
            response_topic: self.response_topic.map(Into::into),
            correlation_data: self.correlation_data.and_then(|d| decode(&d)),
            user_properties: self
                .user_properties
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            subscription_ids: Vec::new(),
            content_type: self.content_type.map(Into::into),
        };
        let has_properties = properties != PublishProperties::default();
        Some(Message {
            topic: self.topic.into(),
            payload,
            qos: QoS::from_bits(self.qos).unwrap_or(QoS::AtLeastOnce),
            retain: true,
            properties: has_properties.then(|| Box::new(properties)),
            expires: self.expires,
            from: 0,
            receipt: None,
        })
    }

    /// Whether its life is over at `now`.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires < now)
    }

    pub(crate) fn payload_bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.payload).unwrap_or_default()
    }

    pub(crate) fn last_modified(&self) -> Timestamp {
        self.last_modified
    }

    pub(crate) fn qos(&self) -> u8 {
        self.qos
    }

    pub(crate) fn user_properties(&self) -> &[(String, String)] {
        &self.user_properties
    }
}

fn decode(text: &str) -> Option<Bytes> {
    STANDARD.decode(text).ok().map(Bytes::from)
}
