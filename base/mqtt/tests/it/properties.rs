//! What holds of every packet, and of every stream of bytes.

use bytes::BytesMut;
use mqtt::{Decoder, Packet, PublishHead, Version, publish_len};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::stream::{read, replay};
use super::{PACKET_BYTES_MAX, arbitrary, decode, encode};

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V311), Just(Version::V5)]
}

/// A few packets of one version, with a few of their bytes changed, cut out or put in.
fn damaged(version: Version) -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<Index>(), any::<u8>(), 0..4u8);
    let packets = vec(arbitrary::packet(version), 1..4);
    (packets, vec(damage, 0..6)).prop_map(move |(packets, damages)| {
        let mut stream = BytesMut::new();
        for packet in &packets {
            packet.encode(version, &mut stream);
        }
        let mut stream = stream.to_vec();
        for (at, byte, kind) in damages {
            // Headers are more telling than payloads.
            let end = if kind == 0 { 24.min(stream.len()) } else { stream.len() };
            if end == 0 {
                break;
            }
            let at = at.index(end);
            match kind {
                0 | 1 => stream[at] = byte,
                2 => drop(stream.remove(at)),
                _ => stream.insert(at, byte),
            }
        }
        stream
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read((version, packet) in version().prop_flat_map(|version| {
        (Just(version), arbitrary::packet(version))
    })) {
        let bytes = encode(version, &packet);
        let read = decode(version, &bytes);
        prop_assert_eq!(read.as_ref(), Ok(&packet));
        if let Packet::Publish(publish) = &packet {
            let head = PublishHead::of(publish);
            prop_assert_eq!(publish_len(version, &head, publish.payload.len()), bytes.len());
        }
    }

    #[test]
    fn a_stream_may_come_in_any_chunks(
        (version, stream) in version().prop_flat_map(|version| (Just(version), damaged(version))),
        sizes in vec(0..40usize, 0..40),
    ) {
        for decoder in [Decoder::server(PACKET_BYTES_MAX), Decoder::of(version, 256)] {
            prop_assert_eq!(read(decoder.clone(), &stream, &[]), read(decoder, &stream, &sizes));
        }
    }

    #[test]
    fn damaged_packets_do_no_harm(
        (version, stream) in version().prop_flat_map(|version| (Just(version), damaged(version))),
    ) {
        replay(version, &stream);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(version in version(), stream in vec(any::<u8>(), 0..64)) {
        replay(version, &stream);
    }
}
