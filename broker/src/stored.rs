//! A message as the journal keeps it: a format, two times, and a PUBLISH of MQTT 5.

use bytes::{Buf as _, Bytes, BytesMut};
use mqtt::{Decoder, Packet, PacketId, PublishHead, QoS, Version};
use types::Timestamp;

use crate::message::Message;

/// The format that is written.
const FORMAT: u8 = 1;
/// What stands for a message without expiry.
const NEVER: i64 = i64::MAX;
/// Before the PUBLISH: the format, when the message expires, the number of its connection.
const HEAD_BYTES: usize = 1 + 8;

/// What the journal has is no message.
#[derive(Debug, thiserror::Error)]
#[error("the entry is no message in a format that is known")]
pub(crate) struct Unreadable;

/// Appends `message` to `bytes`. Who sent it is not kept: it comes to nobody's own connection.
pub(crate) fn encode(message: &Message, bytes: &mut Vec<u8>) {
    bytes.push(FORMAT);
    let expires = message.expires.map_or(NEVER, Timestamp::millis);
    bytes.extend_from_slice(&expires.to_be_bytes());
    let head = PublishHead {
        dup: false,
        qos: message.qos,
        retain: message.retain,
        topic: &message.topic,
        packet_id: (message.qos != QoS::AtMostOnce).then_some(PacketId::MIN),
        properties: message.properties.as_deref(),
        message_expiry_s: None,
        topic_alias: None,
    };
    let mut packet = BytesMut::new();
    mqtt::encode_publish(Version::V5, &head, &message.payload, &mut packet);
    bytes.extend_from_slice(&packet);
}

/// The message that [`encode`] wrote.
pub(crate) fn decode(bytes: &Bytes) -> Result<Message, Unreadable> {
    let mut rest = bytes.clone();
    if rest.len() < HEAD_BYTES || rest.get_u8() != FORMAT {
        return Err(Unreadable);
    }
    let expires = rest.get_i64();
    let mut packet = BytesMut::from(&*rest);
    let decoded = Decoder::of(Version::V5, usize::MAX).decode(&mut packet);
    let Ok(Some(Packet::Publish(publish))) = decoded else { return Err(Unreadable) };
    Ok(Message {
        topic: publish.topic,
        payload: publish.payload,
        qos: publish.qos,
        retain: publish.retain,
        properties: publish.properties,
        expires: (expires != NEVER).then(|| Timestamp::from_millis(expires)),
        from: 0,
        receipt: None,
    })
}

#[cfg(test)]
mod tests {
    use mqtt::PublishProperties;

    use super::*;

    fn message() -> Message {
        let properties = PublishProperties {
            payload_is_utf8: Some(true),
            content_type: Some("text/plain".into()),
            response_topic: Some("answers".into()),
            correlation_data: Some(Bytes::from_static(b"\x00\xFF")),
            user_properties: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
            ..PublishProperties::default()
        };
        Message {
            topic: "a/b".into(),
            payload: Bytes::from_static(b"payload"),
            qos: QoS::ExactlyOnce,
            retain: true,
            properties: Some(Box::new(properties)),
            expires: Some(Timestamp::from_millis(1234)),
            from: 7,
            receipt: None,
        }
    }

    fn bytes_of(message: &Message) -> Bytes {
        let mut bytes = Vec::new();
        encode(message, &mut bytes);
        bytes.into()
    }

    #[test]
    fn a_message_comes_back_whole() {
        let bare = Message { properties: None, expires: None, qos: QoS::AtMostOnce, ..message() };
        for sent in [message(), bare] {
            let back = decode(&bytes_of(&sent)).unwrap();
            assert_eq!(format!("{back:?}"), format!("{:?}", Message { from: 0, ..sent }));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let whole = bytes_of(&message());
        for end in 0..whole.len() {
            assert!(decode(&whole.slice(..end)).is_err(), "{end} bytes of it");
        }
        assert!(decode(&Bytes::from([b"\x63", &whole[1..]].concat())).is_err(), "another format");
    }
}
