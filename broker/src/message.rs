//! A message on its way: allocated once, shared by all who receive it.

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;
use mqtt::{PublishProperties, QoS, Will};
use types::Timestamp;

use crate::receipts::Receipt;

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
    /// Whether it is kept for later subscribers.
    pub(crate) retain: bool,
    /// Those that go on to subscribers.
    pub(crate) properties: Option<Box<PublishProperties>>,
    /// When it is no longer worth delivering.
    pub(crate) expires: Option<Timestamp>,
    /// The number of the connection that sent it; 0 is none.
    pub(crate) from: u64,
    /// Who waits for its acknowledgement, where it is for one client alone.
    pub(crate) receipt: Option<Receipt>,
}

impl Message {
    /// What a client published on `topic`, which stands for its alias.
    pub(crate) fn new(
        publish: mqtt::Publish,
        topic: ByteString,
        from: u64,
        now: Timestamp,
    ) -> Self {
        let mqtt::Publish { payload, mut properties, qos, retain, .. } = publish;
        let (topic, payload) = detached(topic, payload, properties.as_deref_mut());
        let expires = expiry(properties.as_deref(), now);
        Self { topic, payload, qos, retain, properties, expires, from, receipt: None }
    }

    /// What a lost client left.
    pub(crate) fn of_will(will: Will, from: u64, now: Timestamp) -> Self {
        let expires = expiry(will.properties.as_deref(), now);
        let Will { topic, payload, qos, retain, properties, .. } = will;
        Self { topic, payload, qos, retain, properties, expires, from, receipt: None }
    }

    /// What the server itself has to say.
    pub(crate) fn of_server(topic: ByteString, payload: Bytes) -> Self {
        let qos = QoS::AtLeastOnce;
        Self {
            topic,
            payload,
            qos,
            retain: false,
            properties: None,
            expires: None,
            from: 0,
            receipt: None,
        }
    }

    /// The whole seconds that are left of its life; nothing if it is over.
    pub(crate) fn expiry_s(&self, now: Timestamp) -> Option<Option<u32>> {
        seconds_left(self.expires, now)
    }

    /// The bytes that it counts for where memory is bounded.
    pub(crate) fn size(&self) -> usize {
        let properties = self.properties.as_deref().map_or(0, properties_size);
        self.topic.len() + self.payload.len() + properties + OVERHEAD_BYTES
    }
}

/// The bytes that properties count for where memory is bounded.
pub(crate) fn properties_size(properties: &PublishProperties) -> usize {
    let text = |text: &Option<ByteString>| text.as_ref().map_or(0, |text| text.len());
    let pairs = &properties.user_properties;
    size_of::<PublishProperties>()
        + pairs.len() * size_of::<(ByteString, ByteString)>()
        + pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        + text(&properties.content_type)
        + text(&properties.response_topic)
        + properties.correlation_data.as_ref().map_or(0, Bytes::len)
}

/// The whole seconds that are left until a message `expires`, if it does; nothing if it has.
pub(crate) fn seconds_left(expires: Option<Timestamp>, now: Timestamp) -> Option<Option<u32>> {
    let Some(expires) = expires else { return Some(None) };
    let left_ms = expires.millis() - now.millis();
    (left_ms >= 0).then(|| Some(u32::try_from(left_ms / 1000).unwrap_or(u32::MAX)))
}

/// When a message with these properties is no longer worth delivering, if ever.
pub(crate) fn expiry(properties: Option<&PublishProperties>, now: Timestamp) -> Option<Timestamp> {
    let seconds = properties?.message_expiry_s?;
    Some(Timestamp::from_millis(now.millis() + i64::from(seconds) * 1000))
}

/// Topic and payload outside of the buffer that they were read into, if they are small; and so
/// the properties.
fn detached(
    topic: ByteString,
    payload: Bytes,
    properties: Option<&mut PublishProperties>,
) -> (ByteString, Bytes) {
    let size = topic.len() + payload.len();
    if size > COPIED_BYTES_MAX {
        return (topic, payload);
    }
    if let Some(properties) = properties {
        detach(properties);
    }
    let mut body = BytesMut::with_capacity(size);
    body.put_slice(topic.as_bytes());
    body.put_slice(&payload);
    let mut body = body.freeze();
    let copied = body.split_to(topic.len());
    (ByteString::try_from(copied).unwrap_or(topic), body)
}

/// A Will outside of the buffer that its CONNECT was read into, which may be much larger.
pub(crate) fn detached_will(mut will: Will) -> Will {
    will.topic = ByteString::from(&*will.topic);
    will.payload = Bytes::copy_from_slice(&will.payload);
    if let Some(properties) = will.properties.as_deref_mut() {
        detach(properties);
    }
    will
}

/// Copies properties out of the buffer that they were read into.
pub(crate) fn detach(properties: &mut PublishProperties) {
    let own = |text: &mut ByteString| *text = ByteString::from(&**text);
    properties.content_type.iter_mut().for_each(own);
    properties.response_topic.iter_mut().for_each(own);
    if let Some(data) = &mut properties.correlation_data {
        *data = Bytes::copy_from_slice(data);
    }
    for (name, value) in &mut properties.user_properties {
        own(name);
        own(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client published, as slices of the buffer that it was read into.
    fn read_from(buffer: &Bytes) -> mqtt::Publish {
        let text = |range| ByteString::try_from(buffer.slice(range)).unwrap();
        let properties = PublishProperties {
            content_type: Some(text(4..8)),
            response_topic: Some(text(8..12)),
            correlation_data: Some(buffer.slice(12..16)),
            user_properties: vec![(text(16..17), text(17..20))],
            ..PublishProperties::default()
        };
        mqtt::Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: text(0..4),
            packet_id: None,
            properties: Some(Box::new(properties)),
            payload: buffer.slice(20..),
        }
    }

    fn received(buffer: &Bytes) -> Message {
        let publish = read_from(buffer);
        let topic = publish.topic.clone();
        Message::new(publish, topic, 1, Timestamp::EPOCH)
    }

    #[test]
    fn a_small_message_lets_go_of_the_buffer_that_it_came_in() {
        let buffer = Bytes::from(vec![b'x'; 100]);
        let message = received(&buffer);
        assert!(buffer.is_unique(), "nothing of it is held");
        let publish = read_from(&buffer);
        assert_eq!((message.topic, message.payload), (publish.topic, publish.payload));
        assert_eq!(message.properties, publish.properties);
    }

    #[test]
    fn a_will_lets_go_of_the_buffer_that_it_came_in() {
        let buffer = Bytes::from(vec![b'x'; 100]);
        let made = |buffer: &Bytes| {
            let mqtt::Publish { topic, payload, qos, retain, properties, .. } = read_from(buffer);
            Will { topic, payload, qos, retain, delay_s: None, properties }
        };
        let kept = detached_will(made(&buffer));
        assert!(buffer.is_unique(), "nothing of it is held");
        assert_eq!(kept, made(&buffer));
    }

    #[test]
    fn a_large_message_is_not_copied() {
        let buffer = Bytes::from(vec![b'x'; 2 * COPIED_BYTES_MAX]);
        let message = received(&buffer);
        assert_eq!(message.payload.as_ptr(), buffer.slice(20..).as_ptr());
    }

    #[test]
    fn all_that_a_message_holds_counts() {
        let bytes = |buffer: usize| received(&Bytes::from(vec![b'x'; buffer])).size();
        assert_eq!(bytes(1000) - bytes(100), 900);
        let bare = Message { properties: None, ..received(&Bytes::from(vec![b'x'; 100])) };
        assert_eq!(bare.size(), 84 + OVERHEAD_BYTES);
        assert!(bytes(100) > 100 + OVERHEAD_BYTES + size_of::<PublishProperties>());
    }

    #[test]
    fn a_message_lives_to_the_last_millisecond_of_its_time() {
        let life = |expires_ms: Option<i64>, now_ms| {
            let expires = expires_ms.map(Timestamp::from_millis);
            let message = Message { expires, ..received(&Bytes::from(vec![b'x'; 20])) };
            message.expiry_s(Timestamp::from_millis(now_ms))
        };
        assert_eq!(life(None, i64::MAX), Some(None));
        let table = [(0, Some(2)), (1, Some(1)), (1000, Some(1)), (1001, Some(0)), (2000, Some(0))];
        for (now_ms, left_s) in table {
            assert_eq!(life(Some(2000), now_ms), Some(left_s));
        }
        assert_eq!(life(Some(2000), 2001), None);
    }
}
