//! What is written other than packet by packet.

use bytes::{Bytes, BytesMut};
use mqtt::{
    Ack, AckProperties, Auth, Connack, ConnackProperties, Disconnect, Packet, PublishHead,
    PublishProperties, QoS, Subscribe, Subscription, SubscriptionOptions, Unsuback, Version,
    encode_publish, publish_len,
};

use super::{decode, encode, id};

fn head<'a>(topic: &'a str, properties: Option<&'a PublishProperties>) -> PublishHead<'a> {
    PublishHead {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: true,
        topic,
        packet_id: Some(id(10)),
        properties,
        message_expiry_s: None,
        topic_alias: None,
    }
}

#[test]
fn expiry_and_alias_are_the_heads_and_not_the_messages() {
    let properties = PublishProperties {
        message_expiry_s: Some(60),
        topic_alias: Some(3),
        content_type: Some("t".into()),
        ..Default::default()
    };
    let mut out = BytesMut::from(&b"before"[..]);
    let told = PublishHead { message_expiry_s: Some(59), ..head("a", Some(&properties)) };
    encode_publish(Version::V5, &told, b"hi", &mut out);
    let bytes = b"before\x33\x11\0\x01a\0\x0a\x09\x02\0\0\0\x3b\x03\0\x01thi";
    assert_eq!(out, bytes[..]);
}

#[test]
fn a_publish_of_311_has_no_properties() {
    let properties = PublishProperties { content_type: Some("t".into()), ..Default::default() };
    let told = PublishHead {
        message_expiry_s: Some(59),
        topic_alias: Some(1),
        ..head("a", Some(&properties))
    };
    let mut out = BytesMut::new();
    encode_publish(Version::V311, &told, b"hi", &mut out);
    assert_eq!(out, b"\x33\x07\0\x01a\0\x0ahi"[..]);
}

#[test]
fn the_length_of_a_publish_is_known_before_it_is_written() {
    let properties = PublishProperties { content_type: Some("t".into()), ..Default::default() };
    let head = head("a/b", Some(&properties));
    for version in [Version::V311, Version::V5] {
        // Around the bounds of a remaining length of 1, 2 and 3 bytes.
        for payload_len in (0..300).chain(16_300..16_400).chain([2_097_140, 2_097_160]) {
            let payload = vec![7; payload_len];
            let mut out = BytesMut::new();
            encode_publish(version, &head, &payload, &mut out);
            assert_eq!(publish_len(version, &head, payload_len), out.len());
        }
    }
}

#[test]
fn what_311_does_not_know_is_left_out() {
    let told = AckProperties { reason_string: Some("r".into()), user_properties: Vec::new() };
    let properties = Some(Box::new(told));
    let ack = Ack { packet_id: id(10), code: 0x87, properties: properties.clone() };
    let properties_of_connack =
        ConnackProperties { receive_maximum: Some(1), ..Default::default() };
    let connack = Connack { session_present: false, code: 5, properties: properties_of_connack };
    let unsuback = Unsuback { packet_id: id(10), properties, codes: vec![0] };
    let disconnect = Disconnect { code: 0x8e, properties: Default::default() };
    for (packet, bytes) in [
        (Packet::Puback(ack), &b"\x40\x02\0\x0a"[..]),
        (Packet::Connack(connack.into()), b"\x20\x02\0\x05"),
        (Packet::Unsuback(unsuback), b"\xb0\x02\0\x0a"),
        (Packet::Disconnect(disconnect), b"\xe0\0"),
        (Packet::Auth(Auth::default()), b""),
    ] {
        assert_eq!(encode(Version::V311, &packet), bytes);
    }
}

#[test]
fn the_options_of_a_subscription_are_its_qos_in_311() {
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: mqtt::RetainHandling::DoNotSend,
    };
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: id(10),
        properties: Default::default(),
        subscriptions: vec![Subscription { filter: "a".into(), options }],
    });
    assert_eq!(encode(Version::V311, &subscribe), &b"\x82\x06\0\x0a\0\x01a\x01"[..]);
}

#[test]
fn a_reason_that_is_too_long_is_cut_between_characters() {
    let reason = format!("a{}", "é".repeat(40_000));
    let properties =
        ConnackProperties { reason_string: Some(reason.as_str().into()), ..Default::default() };
    let connack = Connack { session_present: false, code: 0x80, properties };
    let bytes = encode(Version::V5, &Packet::Connack(connack.into()));
    let Ok(Packet::Connack(read)) = decode(Version::V5, &bytes) else { panic!("it is whole") };
    let cut = read.properties.reason_string.unwrap();
    assert_eq!(cut.len(), 65_535);
    assert!(reason.starts_with(&*cut));
    let reason = "é".repeat(40_000);
    let disconnect = Disconnect {
        code: 0x80,
        properties: mqtt::DisconnectProperties {
            reason_string: Some(reason.into()),
            ..Default::default()
        },
    };
    let bytes = encode(Version::V5, &Packet::Disconnect(disconnect));
    let Ok(Packet::Disconnect(read)) = decode(Version::V5, &bytes) else { panic!("it is whole") };
    assert_eq!(read.properties.reason_string.unwrap().len(), 65_534);
}

#[test]
fn binary_fields_that_are_too_long_are_cut() {
    let properties = PublishProperties {
        correlation_data: Some(Bytes::from(vec![7; 70_000])),
        ..Default::default()
    };
    let mut out = BytesMut::new();
    encode_publish(Version::V5, &head("a", Some(&properties)), b"hi", &mut out);
    let Ok(Packet::Publish(read)) = decode(Version::V5, &out) else { panic!("it is whole") };
    assert_eq!(read.properties.unwrap().correlation_data.unwrap().len(), 65_535);
    assert_eq!(read.payload, "hi");
}
