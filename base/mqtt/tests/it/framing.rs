//! Where packets end, which may come when, and what is copied.

use bytes::BytesMut;
use mqtt::{Decoder, Malformed, Packet, PacketType, Version};

use super::{PACKET_BYTES_MAX, packet};

const CONNECT_V311: &[u8] = b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0";
const CONNECT_V5: &[u8] = b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0";

fn server() -> Decoder {
    Decoder::server(PACKET_BYTES_MAX)
}

#[test]
fn nothing_is_taken_until_a_packet_is_whole() {
    let bytes = b"\x32\x09\0\x03a/b\0\x0ahi";
    for end in 0..bytes.len() {
        let mut input = BytesMut::from(&bytes[..end]);
        assert_eq!(Decoder::of(Version::V311, 100).decode(&mut input), Ok(None));
        assert_eq!(input, bytes[..end]);
    }
}

#[test]
fn packets_come_out_in_order_and_leave_the_rest() {
    let mut input = BytesMut::from(&b"\xc0\0\xd0\0\xc0"[..]);
    let mut decoder = Decoder::of(Version::V5, 100);
    assert_eq!(decoder.decode(&mut input), Ok(Some(Packet::Pingreq)));
    assert_eq!(decoder.decode(&mut input), Ok(Some(Packet::Pingresp)));
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert_eq!(input, b"\xc0"[..]);
}

#[test]
fn a_server_speaks_the_version_of_connect() {
    for (bytes, version) in [(CONNECT_V311, Version::V311), (CONNECT_V5, Version::V5)] {
        let mut decoder = server();
        assert_eq!(decoder.version(), None);
        let mut input = BytesMut::from(&[bytes, b"\x40\x02\0\x0a"].concat()[..]);
        assert!(matches!(decoder.decode(&mut input), Ok(Some(Packet::Connect(_)))));
        assert_eq!(decoder.version(), Some(version));
        assert!(matches!(decoder.decode(&mut input), Ok(Some(Packet::Puback(_)))));
    }
}

/// MQTT-3.1.0-1, as soon as the first byte is there; it may be of HTTP or of TLS.
#[test]
fn a_server_takes_nothing_before_connect() {
    for bytes in [&b"\xc0"[..], b"GET / HTTP/1.1", b"\x30\x03\0\x01a", b"\xf0\0"] {
        assert_eq!(server().decode(&mut bytes.into()), Err(Malformed::NotConnect));
    }
    let tls = &b"\x16\x03\x01\x02\0"[..];
    assert_eq!(server().decode(&mut tls.into()), Err(Malformed::Flags(PacketType::Connect)));
}

/// MQTT-3.1.0-2.
#[test]
fn a_server_takes_one_connect() {
    let mut decoder = server();
    let mut input = BytesMut::from(&[CONNECT_V5, CONNECT_V5].concat()[..]);
    assert!(decoder.decode(&mut input).is_ok());
    assert_eq!(decoder.decode(&mut input), Err(Malformed::SecondConnect));
}

#[test]
fn a_server_takes_nothing_that_only_servers_send() {
    for (bytes, packet) in [
        (&b"\x20\x02\0\0"[..], PacketType::Connack),
        (b"\x90\x03\0\x01\0", PacketType::Suback),
        (b"\xb0\x02\0\x01", PacketType::Unsuback),
        (b"\xd0\0", PacketType::Pingresp),
    ] {
        let mut decoder = server();
        let mut input = BytesMut::from(&[CONNECT_V311, bytes].concat()[..]);
        assert!(decoder.decode(&mut input).is_ok());
        assert_eq!(decoder.decode(&mut input), Err(Malformed::NotFromClient(packet)));
    }
}

/// MQTT-3.3.4-6.
#[test]
fn a_server_takes_no_subscription_identifiers_of_messages() {
    let bytes = b"\x30\x06\0\x01a\x02\x0b\x01";
    assert!(super::decode(Version::V5, bytes).is_ok(), "a client does");
    let mut decoder = server();
    let mut input = BytesMut::from(&[CONNECT_V5, bytes].concat()[..]);
    assert!(decoder.decode(&mut input).is_ok());
    assert_eq!(decoder.decode(&mut input), Err(Malformed::SubscriptionIdFromClient));
}

/// MQTT-1.5.5-1: MQTT 5 wants the shortest form, which for CONNECT is known once it is read.
#[test]
fn a_padded_length_is_refused_in_mqtt_5_alone() {
    let padded = |connect: &[u8]| [&[connect[0], connect[1] | 0x80, 0], &connect[2..]].concat();
    let mut input = BytesMut::from(&padded(CONNECT_V311)[..]);
    assert!(matches!(server().decode(&mut input), Ok(Some(Packet::Connect(_)))));
    let mut input = BytesMut::from(&padded(CONNECT_V5)[..]);
    assert_eq!(server().decode(&mut input), Err(Malformed::IntegerPadded));
    let mut input = BytesMut::from(&b"\xc0\x80\0"[..]);
    let refused = Decoder::of(Version::V5, 100).decode(&mut input);
    assert_eq!(refused, Err(Malformed::IntegerPadded));
}

#[test]
fn a_packet_may_be_as_large_as_the_bound_and_no_larger() {
    let bytes = packet(0x30, &[b"\0\x01a", &[7; 200]]);
    assert_eq!(bytes.len(), 206);
    let decode = |bytes: &[u8], max| Decoder::of(Version::V311, max).decode(&mut bytes.into());
    assert!(matches!(decode(&bytes, 206), Ok(Some(_))));
    let refused = Malformed::TooLarge { bytes: 206, max: 205 };
    assert_eq!(decode(&bytes, 205), Err(refused));
    assert_eq!(decode(&bytes[..3], 205), Err(refused), "by its header alone");
    assert_eq!(decode(&bytes[..2], 205), Ok(None));
}

#[test]
fn a_declared_length_allocates_nothing() {
    let mut input = BytesMut::from(&b"\x30\xff\xff\xff\x7f"[..]);
    let capacity = input.capacity();
    assert_eq!(Decoder::of(Version::V5, usize::MAX).decode(&mut input), Ok(None));
    assert_eq!(input.capacity(), capacity);
}

#[test]
fn strings_and_payloads_are_slices_of_what_was_read() {
    for (version, bytes) in [
        (Version::V311, &b"\x32\x09\0\x03a/b\0\x0ahi"[..]),
        (Version::V5, b"\x32\x0a\0\x03a/b\0\x0a\0hi"),
    ] {
        let mut input = BytesMut::from(bytes);
        let read = input.as_ptr_range();
        let packet = Decoder::of(version, 100).decode(&mut input);
        let Ok(Some(Packet::Publish(publish))) = packet else { panic!("it is a PUBLISH") };
        assert!(read.contains(&publish.topic.as_bytes().as_ptr()));
        assert!(read.contains(&publish.payload.as_ptr()));
        assert_eq!(publish.properties, None);
    }
}
