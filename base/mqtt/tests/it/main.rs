//! The codec from outside: bytes against values, in both versions.

mod v311;

use bytes::BytesMut;
use mqtt::{Decoder, Malformed, Packet, Version};

/// Larger than any packet of these tests.
const PACKET_BYTES_MAX: usize = 1 << 20;

/// The one packet that `bytes` are, as any side would read it.
fn decode(version: Version, bytes: &[u8]) -> Result<Packet, Malformed> {
    let mut input = BytesMut::from(bytes);
    let packet = Decoder::of(version, PACKET_BYTES_MAX).decode(&mut input)?;
    assert!(input.is_empty(), "a whole packet is taken");
    Ok(packet.expect("the packet is whole"))
}

/// Holds that a value is written as `bytes` and read from them.
fn check(version: Version, bytes: &[u8], packet: &Packet) {
    let mut out = BytesMut::new();
    packet.encode(version, &mut out);
    assert_eq!(&out[..], bytes, "{packet:?} is encoded");
    assert_eq!(decode(version, bytes).as_ref(), Ok(packet));
}
