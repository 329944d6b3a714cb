//! The codec from outside: bytes against values, in both versions.

extern crate ferrite_mqtt as mqtt;

mod arbitrary;
mod encoding;
mod framing;
mod hostile;
mod properties;
mod refusals;
#[path = "../../../../fuzz/fuzz_targets/mqtt_stream.rs"]
mod stream;
mod topics;
mod v311;
mod v5;

use bytes::{BufMut as _, Bytes, BytesMut};
use mqtt::{Decoder, Malformed, Packet, PacketId, Version};

/// Larger than any packet of these tests.
const PACKET_BYTES_MAX: usize = 1 << 20;

/// The one packet that `bytes` are, as any side would read it.
fn decode(version: Version, bytes: &[u8]) -> Result<Packet, Malformed> {
    let mut input = BytesMut::from(bytes);
    let packet = Decoder::of(version, PACKET_BYTES_MAX).decode(&mut input)?;
    assert!(input.is_empty(), "a whole packet is taken");
    Ok(packet.expect("the packet is whole"))
}

fn encode(version: Version, packet: &Packet) -> Bytes {
    let mut out = BytesMut::new();
    packet.encode(version, &mut out);
    out.freeze()
}

/// Holds that a value is written as `bytes` and read from them.
fn check(version: Version, bytes: &[u8], packet: &Packet) {
    assert_eq!(encode(version, packet), bytes, "{packet:?} is encoded");
    assert_eq!(decode(version, bytes).as_ref(), Ok(packet));
}

/// A packet of these parts behind its first byte and its length.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[first], &section(parts)[..]].concat()
}

/// These parts behind their length, as properties stand.
fn section(parts: &[&[u8]]) -> Vec<u8> {
    let parts = parts.concat();
    assert!(parts.len() < 16_384, "tests want to be read");
    let mut section = Vec::new();
    match parts.len() {
        short @ 0..128 => section.put_u8(short as u8),
        long => section.put_slice(&[long as u8 | 0x80, (long >> 7) as u8]),
    }
    section.extend(parts);
    section
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("tests have no packet 0")
}
