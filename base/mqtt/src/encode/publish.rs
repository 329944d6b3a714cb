//! PUBLISH, also without a [`Packet`](crate::Packet): one message goes to many.

use bytes::BytesMut;

use super::body::Body;
use super::frame;
use super::properties::{Message, Properties as _};
use super::sink::{Count, Sink};
use crate::packet::{PacketId, PacketType, Publish, QoS, Version};
use crate::properties::PublishProperties;

/// All of a PUBLISH but its payload.
#[derive(Debug, Clone, Copy)]
pub struct PublishHead<'a> {
    /// Whether it was sent before; only with a `qos` over 0.
    pub dup: bool,
    /// How surely it is delivered.
    pub qos: QoS,
    /// Whether it is, or was, kept.
    pub retain: bool,
    /// Without wildcards; empty only with a `topic_alias` of MQTT 5.
    pub topic: &'a str,
    /// There if and only if `qos` is not 0.
    pub packet_id: Option<PacketId>,
    /// Those of MQTT 5, of which expiry and topic alias are not looked at.
    pub properties: Option<&'a PublishProperties>,
    /// What is left of the message's time; MQTT 5 alone.
    pub message_expiry_s: Option<u32>,
    /// The alias on this connection; MQTT 5 alone.
    pub topic_alias: Option<u16>,
}

impl<'a> PublishHead<'a> {
    /// The head of a packet as it is.
    pub fn of(publish: &'a Publish) -> Self {
        let properties = publish.properties.as_deref();
        Self {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            topic: &publish.topic,
            packet_id: publish.packet_id,
            properties,
            message_expiry_s: properties.and_then(|found| found.message_expiry_s),
            topic_alias: properties.and_then(|found| found.topic_alias),
        }
    }

    fn flags(&self) -> u8 {
        u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain)
    }
}

/// Writes a PUBLISH at the end of `out`; in 3.1.1 without properties.
pub fn encode_publish(
    version: Version,
    head: &PublishHead<'_>,
    payload: &[u8],
    out: &mut BytesMut,
) {
    frame(PacketType::Publish, head.flags(), &Whole { head, payload }, version, out);
}

/// How many bytes [`encode_publish`] writes.
pub fn publish_len(version: Version, head: &PublishHead<'_>, payload_len: usize) -> usize {
    let mut count = Count::default();
    head.write(version, &mut count);
    let remaining = count.0.saturating_add(payload_len);
    let mut count = Count(remaining);
    count.u8(0);
    count.length(remaining);
    count.0
}

impl Body for PublishHead<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.string(self.topic);
        if self.qos != QoS::AtMostOnce {
            sink.u16(self.packet_id.map_or(0, PacketId::get));
        }
        if version == Version::V5 {
            let (message_expiry_s, topic_alias) = (self.message_expiry_s, self.topic_alias);
            let properties = self.properties;
            Message { message_expiry_s, topic_alias, properties }.write_section(sink);
        }
    }
}

struct Whole<'a> {
    head: &'a PublishHead<'a>,
    payload: &'a [u8],
}

impl Body for Whole<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        self.head.write(version, sink);
        sink.put(self.payload);
    }
}
