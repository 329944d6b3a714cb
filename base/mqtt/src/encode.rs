//! Packets to bytes.
//!
//! Nothing here fails. A value that the standards forbid (a QoS 1 without a packet identifier, a
//! password of 3.1.1 without a user name) is its maker's mistake and is written as it is; strings
//! and binary fields over 65,535 bytes are cut; a packet over 268,435,460 bytes must not be made.

mod body;
mod properties;
mod publish;
mod sink;

use bytes::BytesMut;

use crate::packet::{Packet, PacketType, Version};
use body::{AckBody, Body};
pub use publish::{PublishHead, encode_publish, publish_len};
use sink::{Count, Sink as _};

/// Flags that PUBREL, SUBSCRIBE and UNSUBSCRIBE have for ever (MQTT-2.1.3-1).
const FIXED_FLAGS: u8 = 0b0010;

impl Packet {
    /// Writes the packet at the end of `out`. What `version` does not know is left out: codes and
    /// properties in 3.1.1, and AUTH altogether. CONNECT is written in its own version.
    pub fn encode(&self, version: Version, out: &mut BytesMut) {
        match self {
            Self::Connect(connect) => frame(PacketType::Connect, 0, &**connect, version, out),
            Self::Connack(connack) => frame(PacketType::Connack, 0, &**connack, version, out),
            Self::Publish(packet) => {
                encode_publish(version, &PublishHead::of(packet), &packet.payload, out);
            }
            Self::Puback(ack) => frame(PacketType::Puback, 0, &AckBody(ack), version, out),
            Self::Pubrec(ack) => frame(PacketType::Pubrec, 0, &AckBody(ack), version, out),
            Self::Pubrel(ack) => {
                frame(PacketType::Pubrel, FIXED_FLAGS, &AckBody(ack), version, out);
            }
            Self::Pubcomp(ack) => frame(PacketType::Pubcomp, 0, &AckBody(ack), version, out),
            Self::Subscribe(packet) => {
                frame(PacketType::Subscribe, FIXED_FLAGS, packet, version, out);
            }
            Self::Suback(packet) => frame(PacketType::Suback, 0, packet, version, out),
            Self::Unsubscribe(packet) => {
                frame(PacketType::Unsubscribe, FIXED_FLAGS, packet, version, out);
            }
            Self::Unsuback(packet) => frame(PacketType::Unsuback, 0, packet, version, out),
            Self::Pingreq => frame(PacketType::Pingreq, 0, &(), version, out),
            Self::Pingresp => frame(PacketType::Pingresp, 0, &(), version, out),
            Self::Disconnect(packet) => frame(PacketType::Disconnect, 0, packet, version, out),
            Self::Auth(_) if version == Version::V311 => {}
            Self::Auth(packet) => frame(PacketType::Auth, 0, packet, version, out),
        }
    }
}

/// Writes a fixed header and a body.
fn frame(packet: PacketType, flags: u8, body: &impl Body, version: Version, out: &mut BytesMut) {
    let mut count = Count::default();
    body.write(version, &mut count);
    let remaining = count.0;
    count.u8(0);
    count.length(remaining);
    out.reserve(count.0);
    out.u8((packet as u8) << 4 | flags);
    out.length(remaining);
    body.write(version, out);
}
