//! Each packet of MQTT 3.1.1 as bytes and as a value.

use bytes::Bytes;
use mqtt::{
    Ack, Connack, Connect, Disconnect, Packet, Publish, QoS, RetainHandling, Suback, Subscribe,
    Subscription, SubscriptionOptions, Unsuback, Unsubscribe, Version, Will,
};

use super::id;

fn check(bytes: &[u8], packet: Packet) {
    super::check(Version::V311, bytes, &packet);
}

fn connect() -> Connect {
    Connect {
        version: Version::V311,
        clean: true,
        keep_alive_s: 60,
        client_id: "".into(),
        will: None,
        user_name: None,
        password: None,
        properties: Default::default(),
    }
}

#[test]
fn a_connect_may_say_next_to_nothing() {
    let bytes = b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0";
    check(bytes, Packet::Connect(connect().into()));
}

/// The flags and the keep alive of 3.1.2's example: all flags but the will's retain, 10 seconds.
#[test]
fn a_connect_may_say_everything() {
    let bytes = b"\x10\x1c\0\x04MQTT\x04\xce\0\x0a\0\x01c\0\x01w\0\x04gone\0\x01u\0\x01p";
    let will = Will {
        topic: "w".into(),
        payload: Bytes::from_static(b"gone"),
        qos: QoS::AtLeastOnce,
        retain: false,
        delay_s: None,
        properties: None,
    };
    let connect = Connect {
        keep_alive_s: 10,
        client_id: "c".into(),
        will: Some(will),
        user_name: Some("u".into()),
        password: Some(Bytes::from_static(b"p")),
        ..connect()
    };
    check(bytes, Packet::Connect(connect.into()));
}

/// The server answers 0x02 to it; that is no malformation (MQTT-3.1.3-8).
#[test]
fn a_kept_session_without_a_client_id_can_be_read() {
    let bytes = b"\x10\x0c\0\x04MQTT\x04\x00\0\x3c\0\0";
    check(bytes, Packet::Connect(Connect { clean: false, ..connect() }.into()));
}

#[test]
fn connack_has_a_flag_and_a_code() {
    for (bytes, session_present, code) in [
        (b"\x20\x02\x00\x00", false, mqtt::reason::connack::ACCEPTED),
        (b"\x20\x02\x01\x00", true, mqtt::reason::connack::ACCEPTED),
        (b"\x20\x02\x00\x05", false, mqtt::reason::connack::NOT_AUTHORIZED),
    ] {
        let connack = Connack { session_present, code, properties: Default::default() };
        check(bytes, Packet::Connack(connack.into()));
    }
}

fn publish(qos: QoS) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: "a/b".into(),
        packet_id: (qos != QoS::AtMostOnce).then(|| id(10)),
        properties: None,
        payload: Bytes::from_static(b"hi"),
    }
}

/// The example of 3.3.2: topic `a/b`, packet identifier 10.
#[test]
fn publish_has_an_identifier_above_qos_0() {
    check(b"\x30\x07\0\x03a/bhi", Packet::Publish(publish(QoS::AtMostOnce)));
    check(b"\x32\x09\0\x03a/b\0\x0ahi", Packet::Publish(publish(QoS::AtLeastOnce)));
    check(b"\x34\x09\0\x03a/b\0\x0ahi", Packet::Publish(publish(QoS::ExactlyOnce)));
}

#[test]
fn publish_may_be_repeated_retained_and_empty() {
    let empty = Publish { payload: Bytes::new(), ..publish(QoS::AtLeastOnce) };
    check(b"\x3a\x07\0\x03a/b\0\x0a", Packet::Publish(Publish { dup: true, ..empty.clone() }));
    check(b"\x33\x07\0\x03a/b\0\x0a", Packet::Publish(Publish { retain: true, ..empty }));
}

#[test]
fn acknowledgements_are_an_identifier() {
    let ack = || Ack { packet_id: id(0x1234), code: 0, properties: None };
    check(b"\x40\x02\x12\x34", Packet::Puback(ack()));
    check(b"\x50\x02\x12\x34", Packet::Pubrec(ack()));
    check(b"\x62\x02\x12\x34", Packet::Pubrel(ack()));
    check(b"\x70\x02\x12\x34", Packet::Pubcomp(ack()));
}

fn subscription(filter: &'static str, qos: QoS) -> Subscription {
    let options = SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
    };
    Subscription { filter: filter.into(), options }
}

/// The examples of 3.8.3 and 3.10.3: `a/b` with QoS 1 and `c/d` with QoS 2.
#[test]
fn subscriptions_begin_and_end_by_lists_of_filters() {
    let subscribe = Subscribe {
        packet_id: id(10),
        properties: Default::default(),
        subscriptions: vec![
            subscription("a/b", QoS::AtLeastOnce),
            subscription("c/d", QoS::ExactlyOnce),
        ],
    };
    check(b"\x82\x0e\0\x0a\0\x03a/b\x01\0\x03c/d\x02", Packet::Subscribe(subscribe));
    let unsubscribe = Unsubscribe {
        packet_id: id(10),
        user_properties: Vec::new(),
        filters: vec!["a/b".into(), "c/d".into()],
    };
    check(b"\xa2\x0c\0\x0a\0\x03a/b\0\x03c/d", Packet::Unsubscribe(unsubscribe));
}

/// The example of 3.9.3: QoS 0, QoS 2, failure.
#[test]
fn suback_has_a_code_for_each_filter_and_unsuback_none() {
    let suback = Suback { packet_id: id(10), properties: None, codes: vec![0, 2, 0x80] };
    check(b"\x90\x05\0\x0a\0\x02\x80", Packet::Suback(suback));
    let unsuback = Unsuback { packet_id: id(10), properties: None, codes: Vec::new() };
    check(b"\xb0\x02\0\x0a", Packet::Unsuback(unsuback));
}

#[test]
fn pings_and_goodbyes_are_two_bytes() {
    check(b"\xc0\0", Packet::Pingreq);
    check(b"\xd0\0", Packet::Pingresp);
    check(b"\xe0\0", Packet::Disconnect(Disconnect::default()));
}

/// 2.2.3 asks for no shortest form, other than MQTT 5.
#[test]
fn a_remaining_length_may_have_more_bytes_than_it_needs() {
    assert_eq!(super::decode(Version::V311, b"\xc0\x80\x80\x00"), Ok(Packet::Pingreq));
}
