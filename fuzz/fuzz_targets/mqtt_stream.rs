//! What holds of any stream of bytes; for the fuzz targets, and for the tests of `base/mqtt`.

use bytes::BytesMut;
use mqtt::{Decoder, Malformed, PLAIN_PUBACK_BYTES, Packet, Plain, Version};

/// Large enough for all shapes, small enough to be exceeded.
const PACKET_BYTES_MAX: usize = 4096;

/// What a decoder makes of a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// With the version that each was read in.
    packets: Vec<(Version, Packet)>,
    error: Option<Malformed>,
}

/// Reads a stream that comes in chunks of these sizes, and at the end all at once.
pub(crate) fn read(mut decoder: Decoder, stream: &[u8], sizes: &[usize]) -> Outcome {
    let mut outcome = Outcome { packets: Vec::new(), error: None };
    let (mut input, mut rest) = (BytesMut::new(), stream);
    for size in sizes.iter().copied().chain([usize::MAX]) {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        input.extend_from_slice(chunk);
        loop {
            let before = input.clone();
            let plain = decoder.plain(&before);
            match decoder.decode(&mut input) {
                Ok(Some(packet)) => {
                    check_plain(plain, &packet, before.len() - input.len());
                    let version = decoder.version().expect("CONNECT was first");
                    outcome.packets.push((version, packet));
                }
                Ok(None) => {
                    assert_eq!(input, before, "nothing is taken");
                    assert_eq!(plain, None);
                    break;
                }
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
            assert!(input.len() < before.len(), "a packet has bytes");
        }
    }
    outcome
}

/// Reads a stream as either side would, whole and byte by byte, and writes what it read.
pub(crate) fn replay(version: Version, stream: &[u8]) {
    for decoder in [Decoder::server(PACKET_BYTES_MAX), Decoder::of(version, PACKET_BYTES_MAX)] {
        let whole = read(decoder.clone(), stream, &[]);
        assert_eq!(whole, read(decoder, stream, &vec![1; stream.len()]));
        for (version, packet) in &whole.packets {
            check_written(*version, packet);
        }
    }
}

/// What is read where it stands is what is read otherwise.
fn check_plain(plain: Option<Plain<'_>>, packet: &Packet, bytes: usize) {
    match (plain, packet) {
        (Some(Plain::Puback(id)), Packet::Puback(ack)) => {
            assert_eq!((ack.packet_id, ack.code, &ack.properties), (id, 0, &None));
            assert_eq!(bytes, PLAIN_PUBACK_BYTES);
        }
        (Some(Plain::Publish(plain)), Packet::Publish(publish)) => {
            assert_eq!(plain.topic, &publish.topic.as_bytes()[..]);
            assert_eq!(plain.payload, &publish.payload[..]);
            assert_eq!((plain.packet_id, plain.packet.len()), (publish.packet_id, bytes));
            assert!(!publish.dup && !publish.retain && publish.properties.is_none());
        }
        (plain, packet) => assert_eq!(plain, None, "{packet:?}"),
    }
}

/// What was read is written as something that reads the same.
fn check_written(version: Version, packet: &Packet) {
    let mut out = BytesMut::new();
    packet.encode(version, &mut out);
    let read = Decoder::of(version, usize::MAX).decode(&mut out);
    assert_eq!(read.as_ref().map(Option::as_ref), Ok(Some(packet)));
    assert!(out.is_empty(), "and is one packet");
}
