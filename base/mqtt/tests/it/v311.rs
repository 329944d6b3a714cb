//! Each packet of MQTT 3.1.1 as bytes and as a value.

use bytes::Bytes;
use mqtt::{Packet, PacketId, Publish, QoS, Version};

use super::check;

/// The example of 3.3.2.3: topic `a/b`, packet identifier 10.
#[test]
fn a_publish_has_a_topic_an_identifier_and_a_payload() {
    let publish = Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: "a/b".into(),
        packet_id: PacketId::new(10),
        properties: None,
        payload: Bytes::from_static(b"hi"),
    };
    check(Version::V311, b"\x32\x09\0\x03a/b\0\x0ahi", &Packet::Publish(publish));
}
