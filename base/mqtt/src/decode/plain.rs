//! The packets that make up most of a stream, read where they stand: nothing is taken or shared.

use super::Decoder;
use super::reader::Integer;
use crate::packet::{PacketId, Version};

/// PUBLISH with QoS 0 and with QoS 1, neither sent before nor retained.
const PUBLISH_QOS_0: u8 = 0x30;
const PUBLISH_QOS_1: u8 = 0x32;
/// PUBACK that says of MQTT 3.1.1 all there is, and of MQTT 5 that all is well.
const PUBACK: [u8; 2] = [0x40, 2];

/// The length of a plain PUBACK.
pub const PLAIN_PUBACK_BYTES: usize = 4;

/// A packet in its plainest form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain<'a> {
    /// A message without properties, sent for the first time and not to be retained.
    Publish(PlainPublish<'a>),
    /// An acknowledgement without reason and properties, of [`PLAIN_PUBACK_BYTES`].
    Puback(PacketId),
}

/// A message without properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainPublish<'a> {
    /// Not looked at yet: whether it is a topic name is for whoever knows one that is the same.
    pub topic: &'a [u8],
    /// With QoS 1 alone.
    pub packet_id: Option<PacketId>,
    /// What is published.
    pub payload: &'a [u8],
    /// The whole packet, of which `payload` is the end.
    pub packet: &'a [u8],
}

impl Decoder {
    /// The packet at the front of `input`, if it is whole and plain: one that is not, or that is
    /// malformed, is for [`Decoder::decode`], which for a plain packet returns the same.
    pub fn plain<'a>(&self, input: &'a [u8]) -> Option<Plain<'a>> {
        let version = self.version?;
        if let Some(([first, second], rest)) = input.split_first_chunk()
            && [*first, *second] == PUBACK
        {
            let (id, _) = rest.split_first_chunk()?;
            return PacketId::new(u16::from_be_bytes(*id)).map(Plain::Puback);
        }
        let (first, rest) = input.split_first()?;
        let has_id = match *first {
            PUBLISH_QOS_0 => false,
            PUBLISH_QOS_1 => true,
            _ => return None,
        };
        let remaining = Integer::read(rest).ok()?.filter(|remaining| !remaining.is_padded)?;
        let body_bytes = usize::try_from(remaining.value).ok()?;
        let bytes = remaining.width.checked_add(1)?.checked_add(body_bytes)?;
        let packet = input.get(..bytes).filter(|_| bytes <= self.packet_bytes_max)?;
        let body = rest.get(remaining.width..)?.get(..body_bytes)?;
        publish(packet, body, has_id, version).map(Plain::Publish)
    }
}

fn publish<'a>(
    packet: &'a [u8],
    body: &'a [u8],
    has_id: bool,
    version: Version,
) -> Option<PlainPublish<'a>> {
    let (topic_bytes, body) = body.split_first_chunk()?;
    let (topic, mut body) = body.split_at_checked(u16::from_be_bytes(*topic_bytes).into())?;
    let mut packet_id = None;
    if has_id {
        let (id, rest) = body.split_first_chunk()?;
        packet_id = Some(PacketId::new(u16::from_be_bytes(*id))?);
        body = rest;
    }
    if version == Version::V5 {
        // The length of the properties.
        body = body.strip_prefix(&[0])?;
    }
    Some(PlainPublish { topic, packet_id, payload: body, packet })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::packet::{Ack, Packet, QoS};

    /// What the whole decoder makes of the same bytes.
    fn decoded(version: Version, input: &[u8]) -> Option<Packet> {
        Decoder::of(version, 4096).decode(&mut BytesMut::from(input)).ok().flatten()
    }

    /// Every input of up to `bytes` bytes from a few that plain packets have.
    fn inputs(bytes: usize) -> Vec<Vec<u8>> {
        let mut inputs = vec![Vec::new()];
        let mut begun = inputs.clone();
        for _ in 0..bytes {
            let longer = |input: &Vec<u8>| {
                [0, 1, 2, 4, 5, 0x30, 0x32, 0x40, 0x80].map(|byte| [&input[..], &[byte]].concat())
            };
            begun = begun.iter().flat_map(longer).collect();
            inputs.extend_from_slice(&begun);
        }
        inputs
    }

    #[test]
    fn what_is_plain_is_what_the_decoder_reads() {
        let mut plain = 0;
        for version in [Version::V311, Version::V5] {
            let decoder = Decoder::of(version, 4096);
            for input in inputs(6) {
                let Some(found) = decoder.plain(&input) else { continue };
                match (found, decoded(version, &input)) {
                    (Plain::Puback(id), Some(Packet::Puback(ack))) => {
                        assert_eq!((ack.packet_id, ack.code), (id, 0));
                        assert!(ack.properties.is_none());
                    }
                    (Plain::Publish(found), Some(Packet::Publish(publish))) => {
                        assert_eq!(found.topic, publish.topic.as_bytes());
                        assert_eq!(found.payload, publish.payload);
                        assert_eq!(found.packet_id, publish.packet_id);
                        assert!(!publish.dup && !publish.retain && publish.properties.is_none());
                        assert!(input.starts_with(found.packet));
                        plain += 1;
                    }
                    // No topic name, which is for the caller to find out.
                    (Plain::Publish(PlainPublish { topic, .. }), None) => {
                        assert!(topic.is_empty() || topic.contains(&0) || topic.contains(&0x80));
                    }
                    different => panic!("{input:?}: {different:?}"),
                }
            }
        }
        assert!(plain > 100, "{plain}");
    }

    #[test]
    fn plain_packets_are_seen_as_such() {
        for version in [Version::V311, Version::V5] {
            let mut bytes = BytesMut::new();
            let head = crate::PublishHead {
                dup: false,
                qos: QoS::AtLeastOnce,
                retain: false,
                topic: "a/b",
                packet_id: PacketId::new(7),
                properties: None,
                message_expiry_s: None,
                topic_alias: None,
            };
            crate::encode_publish(version, &head, &[b'x'; 300], &mut bytes);
            let whole = bytes.len();
            Packet::Puback(Ack { packet_id: PacketId::MAX, code: 0, properties: None })
                .encode(version, &mut bytes);
            let decoder = Decoder::of(version, 4096);
            let Some(Plain::Publish(publish)) = decoder.plain(&bytes) else { panic!() };
            assert_eq!((publish.topic, publish.packet.len()), (&b"a/b"[..], whole));
            assert_eq!(publish.payload, [b'x'; 300]);
            let (first, second) = bytes.split_at(whole);
            assert_eq!(decoder.plain(second), Some(Plain::Puback(PacketId::MAX)));
            let cut = first.split_last().unwrap().1;
            assert_eq!(decoder.plain(cut), None, "its end is not there");
            assert_eq!(Decoder::of(version, cut.len()).plain(&bytes), None, "it is too large");
        }
    }
}
