//! A message on its way: allocated once, shared by all who receive it.

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;
use mqtt::{PublishProperties, QoS, Will};
use types::Timestamp;

/// Messages up to this size are copied out of the buffer that they were read into: a small one
/// that waits must not hold a large buffer.
const COPIED_BYTES_MAX: usize = 8 * 1024;
/// What a message takes in memory beside its topic and payload, about.
const OVERHEAD_BYTES: usize = 128;

/// A message as its publisher sent it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: ByteString,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    /// Those that go on to subscribers.
    pub(crate) properties: Option<Box<PublishProperties>>,
    /// When it is no longer worth delivering.
    pub(crate) expires: Option<Timestamp>,
    /// The number of the connection that sent it; 0 is none.
    pub(crate) from: u64,
}

impl Message {
    /// What a client published on `topic`, which stands for its alias.
    pub(crate) fn new(
        publish: mqtt::Publish,
        topic: ByteString,
        from: u64,
        now: Timestamp,
    ) -> Self {
        let (topic, payload) = detached(topic, publish.payload);
        let expires = expiry(publish.properties.as_deref(), now);
        Self { topic, payload, qos: publish.qos, properties: publish.properties, expires, from }
    }

    /// What a lost client left.
    pub(crate) fn of_will(will: Will, from: u64, now: Timestamp) -> Self {
        let expires = expiry(will.properties.as_deref(), now);
        let Will { topic, payload, qos, properties, .. } = will;
        Self { topic, payload, qos, properties, expires, from }
    }

    /// The whole seconds that are left of its life; nothing if it is over.
    pub(crate) fn expiry_s(&self, now: Timestamp) -> Option<Option<u32>> {
        let Some(expires) = self.expires else { return Some(None) };
        let left_ms = expires.millis() - now.millis();
        (left_ms >= 0).then(|| Some(u32::try_from(left_ms / 1000).unwrap_or(u32::MAX)))
    }

    /// The bytes that it counts for where memory is bounded.
    pub(crate) fn size(&self) -> usize {
        let properties = self.properties.as_deref().map_or(0, properties_size);
        self.topic.len() + self.payload.len() + properties + OVERHEAD_BYTES
    }
}

fn properties_size(properties: &PublishProperties) -> usize {
    let text = |text: &Option<ByteString>| text.as_ref().map_or(0, |text| text.len());
    let pairs = &properties.user_properties;
    size_of::<PublishProperties>()
        + pairs.len() * size_of::<(ByteString, ByteString)>()
        + pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        + text(&properties.content_type)
        + text(&properties.response_topic)
        + properties.correlation_data.as_ref().map_or(0, Bytes::len)
}

fn expiry(properties: Option<&PublishProperties>, now: Timestamp) -> Option<Timestamp> {
    let seconds = properties?.message_expiry_s?;
    Some(Timestamp::from_millis(now.millis() + i64::from(seconds) * 1000))
}

/// Topic and payload outside of the buffer that they were read into, if they are small.
fn detached(topic: ByteString, payload: Bytes) -> (ByteString, Bytes) {
    let size = topic.len() + payload.len();
    if size > COPIED_BYTES_MAX {
        return (topic, payload);
    }
    let mut body = BytesMut::with_capacity(size);
    body.put_slice(topic.as_bytes());
    body.put_slice(&payload);
    let mut body = body.freeze();
    let copied = body.split_to(topic.len());
    (ByteString::try_from(copied).unwrap_or(topic), body)
}
