//! What holds of any stream of bytes; for the fuzz targets, and for the tests of `base/mqtt`.

use bytes::BytesMut;
use mqtt::{Decoder, Malformed, Packet, Version};

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
            match decoder.decode(&mut input) {
                Ok(Some(packet)) => {
                    let version = decoder.version().expect("CONNECT was first");
                    outcome.packets.push((version, packet));
                }
                Ok(None) => {
                    assert_eq!(input, before, "nothing is taken");
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

/// What was read is written as something that reads the same.
fn check_written(version: Version, packet: &Packet) {
    let mut out = BytesMut::new();
    packet.encode(version, &mut out);
    let read = Decoder::of(version, usize::MAX).decode(&mut out);
    assert_eq!(read.as_ref().map(Option::as_ref), Ok(Some(packet)));
    assert!(out.is_empty(), "and is one packet");
}
