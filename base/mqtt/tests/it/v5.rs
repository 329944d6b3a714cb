//! Each packet of MQTT 5 as bytes and as a value.

use bytes::Bytes;
use bytestring::ByteString;
use mqtt::{
    Ack, AckProperties, Auth, AuthProperties, Connack, ConnackProperties, Connect,
    ConnectProperties, Disconnect, DisconnectProperties, Packet, Publish, PublishProperties, QoS,
    RetainHandling, Suback, Subscribe, SubscribeProperties, Subscription, SubscriptionOptions,
    Unsuback, Unsubscribe, Version, Will, reason,
};

use super::{decode, id, packet, section};

const USER: &[u8] = b"\x26\0\x01k\0\x01v";

fn user() -> Vec<(ByteString, ByteString)> {
    vec![("k".into(), "v".into())]
}

fn check(bytes: &[u8], packet: Packet) {
    super::check(Version::V5, bytes, &packet);
}

fn connect() -> Connect {
    Connect {
        version: Version::V5,
        clean: true,
        keep_alive_s: 60,
        client_id: "c".into(),
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

#[test]
fn a_connect_may_say_next_to_nothing() {
    let bytes = b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c";
    check(bytes, Packet::Connect(connect().into()));
}

#[test]
fn a_connect_has_nine_properties() {
    let properties = section(&[
        b"\x11\0\0\x0e\x10",
        b"\x21\0\x64",
        b"\x27\0\x02\0\0",
        b"\x22\0\x08",
        b"\x19\x01",
        b"\x17\0",
        b"\x15\0\x01m",
        b"\x16\0\x02\0\xff",
        USER,
        USER,
    ]);
    let bytes = packet(0x10, &[b"\0\x04MQTT\x05\x02\0\x3c", &properties, b"\0\x01c"]);
    let properties = ConnectProperties {
        session_expiry_s: Some(3600),
        receive_maximum: Some(100),
        maximum_packet_size: Some(0x20000),
        topic_alias_maximum: Some(8),
        request_response_information: Some(true),
        request_problem_information: Some(false),
        authentication_method: Some("m".into()),
        authentication_data: Some(Bytes::from_static(b"\0\xff")),
        user_properties: [user(), user()].concat(),
    };
    check(&bytes, Packet::Connect(Connect { properties, ..connect() }.into()));
}

#[test]
fn a_will_has_a_delay_and_the_properties_of_a_message() {
    let properties = section(&[
        b"\x18\0\0\0\x05",
        b"\x02\0\0\0\x07",
        b"\x01\x01",
        b"\x08\0\x01r",
        b"\x09\0\x02id",
        USER,
        b"\x03\0\x01t",
    ]);
    let head = b"\0\x04MQTT\x05\x34\0\x3c\0\0\x01c";
    let bytes = packet(0x10, &[head, &properties, b"\0\x01w\0\x04gone"]);
    let will = Will {
        topic: "w".into(),
        payload: Bytes::from_static(b"gone"),
        qos: QoS::ExactlyOnce,
        retain: true,
        delay_s: Some(5),
        properties: Some(Box::new(PublishProperties {
            payload_is_utf8: Some(true),
            message_expiry_s: Some(7),
            response_topic: Some("r".into()),
            correlation_data: Some(Bytes::from_static(b"id")),
            user_properties: user(),
            content_type: Some("t".into()),
            ..Default::default()
        })),
    };
    check(&bytes, Packet::Connect(Connect { clean: false, will: Some(will), ..connect() }.into()));
}

/// 3.1.2.9: other than in 3.1.1, a password may stand alone.
#[test]
fn a_password_needs_no_user_name() {
    let bytes = b"\x10\x11\0\x04MQTT\x05\x42\0\x3c\0\0\x01c\0\x01p";
    let password = Some(Bytes::from_static(b"p"));
    check(bytes, Packet::Connect(Connect { password, ..connect() }.into()));
}

#[test]
fn connack_may_say_nothing_more() {
    check(
        b"\x20\x03\x01\0\0",
        Packet::Connack(Box::new(Connack { session_present: true, ..Default::default() })),
    );
}

#[test]
fn connack_has_seventeen_properties() {
    let properties = section(&[
        b"\x11\0\0\0\x01",
        b"\x21\0\x02",
        b"\x24\x01",
        b"\x25\x01",
        b"\x27\0\0\0\x03",
        b"\x12\0\x01i",
        b"\x22\0\x04",
        b"\x1f\0\x01r",
        b"\x28\x01",
        b"\x29\0",
        b"\x2a\x01",
        b"\x13\0\x05",
        b"\x1a\0\x01s",
        b"\x1c\0\x01h",
        b"\x15\0\x01m",
        b"\x16\0\x01d",
        USER,
    ]);
    let bytes = packet(0x20, &[b"\0\x9d", &properties]);
    let properties = ConnackProperties {
        session_expiry_s: Some(1),
        receive_maximum: Some(2),
        maximum_qos: Some(1),
        retain_available: Some(true),
        maximum_packet_size: Some(3),
        assigned_client_id: Some("i".into()),
        topic_alias_maximum: Some(4),
        reason_string: Some("r".into()),
        wildcard_subscription_available: Some(true),
        subscription_identifiers_available: Some(false),
        shared_subscription_available: Some(true),
        server_keep_alive_s: Some(5),
        response_information: Some("s".into()),
        server_reference: Some("h".into()),
        authentication_method: Some("m".into()),
        authentication_data: Some(Bytes::from_static(b"d")),
        user_properties: user(),
    };
    let connack = Connack { session_present: false, code: reason::SERVER_MOVED, properties };
    check(&bytes, Packet::Connack(connack.into()));
}

fn publish() -> Publish {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "a/b".into(),
        packet_id: None,
        properties: None,
        payload: Bytes::from_static(b"hi"),
    }
}

#[test]
fn publish_without_properties_says_so_in_one_byte() {
    check(b"\x30\x08\0\x03a/b\0hi", Packet::Publish(publish()));
    let sure = Publish { qos: QoS::AtLeastOnce, packet_id: Some(id(10)), ..publish() };
    check(b"\x32\x0a\0\x03a/b\0\x0a\0hi", Packet::Publish(sure));
}

#[test]
fn publish_has_eight_properties() {
    let properties = section(&[
        b"\x02\0\0\0\x07",
        b"\x23\0\x01",
        b"\x01\0",
        b"\x08\0\x01r",
        b"\x09\0\x02id",
        USER,
        b"\x0b\x01",
        b"\x0b\xff\xff\xff\x7f",
        b"\x03\0\x01t",
    ]);
    let bytes = packet(0x30, &[b"\0\x03a/b", &properties, b"hi"]);
    let properties = PublishProperties {
        payload_is_utf8: Some(false),
        message_expiry_s: Some(7),
        topic_alias: Some(1),
        response_topic: Some("r".into()),
        correlation_data: Some(Bytes::from_static(b"id")),
        user_properties: user(),
        subscription_ids: vec![1, 268_435_455],
        content_type: Some("t".into()),
    };
    let properties = Some(Box::new(properties));
    check(&bytes, Packet::Publish(Publish { properties, ..publish() }));
}

#[test]
fn a_topic_may_be_left_to_its_alias() {
    let properties = PublishProperties { topic_alias: Some(8), ..Default::default() };
    let publish = Publish { topic: "".into(), properties: Some(properties.into()), ..publish() };
    check(b"\x30\x08\0\0\x03\x23\0\x08hi", Packet::Publish(publish));
}

#[test]
fn acknowledgements_are_as_short_as_can_be() {
    let ack = |code, properties| Ack { packet_id: id(10), code, properties };
    let told = || {
        let reason_string = Some("r".into());
        Some(Box::new(AckProperties { reason_string, user_properties: user() }))
    };
    check(b"\x40\x02\0\x0a", Packet::Puback(ack(0, None)));
    check(b"\x40\x03\0\x0a\x87", Packet::Puback(ack(reason::NOT_AUTHORIZED, None)));
    let bytes = b"\x50\x0f\0\x0a\x10\x0b\x1f\0\x01r\x26\0\x01k\0\x01v";
    check(bytes, Packet::Pubrec(ack(reason::NO_MATCHING_SUBSCRIBERS, told())));
    let bytes = b"\x62\x0f\0\x0a\0\x0b\x1f\0\x01r\x26\0\x01k\0\x01v";
    check(bytes, Packet::Pubrel(ack(0, told())));
    check(b"\x70\x03\0\x0a\x92", Packet::Pubcomp(ack(reason::PACKET_IDENTIFIER_NOT_FOUND, None)));
}

/// 3.4.2.1: a code of 0 may be said, and no properties counted.
#[test]
fn an_acknowledgement_may_be_longer_than_it_need() {
    let ack = Packet::Puback(Ack { packet_id: id(10), code: 0, properties: None });
    assert_eq!(decode(Version::V5, b"\x40\x03\0\x0a\0").as_ref(), Ok(&ack));
    assert_eq!(decode(Version::V5, b"\x40\x04\0\x0a\0\0").as_ref(), Ok(&ack));
}

/// The example of 3.8.3 in MQTT 5, and all that options can say.
#[test]
fn subscriptions_have_options() {
    let options = |qos, all| SubscriptionOptions {
        qos,
        no_local: all,
        retain_as_published: all,
        retain_handling: if all { RetainHandling::DoNotSend } else { RetainHandling::Send },
    };
    let subscribe = Subscribe {
        packet_id: id(10),
        properties: SubscribeProperties { subscription_id: Some(300), user_properties: user() },
        subscriptions: vec![
            Subscription { filter: "a/b".into(), options: options(QoS::AtLeastOnce, false) },
            Subscription { filter: "c/d".into(), options: options(QoS::ExactlyOnce, true) },
        ],
    };
    let properties = section(&[b"\x0b\xac\x02", USER]);
    let bytes = packet(0x82, &[b"\0\x0a", &properties, b"\0\x03a/b\x01\0\x03c/d\x2e"]);
    check(&bytes, Packet::Subscribe(subscribe));
}

#[test]
fn a_retained_message_may_be_wanted_for_a_new_subscription_alone() {
    let Ok(Packet::Subscribe(subscribe)) = decode(Version::V5, b"\x82\x07\0\x01\0\0\x01a\x11")
    else {
        panic!("it is a SUBSCRIBE")
    };
    let options = subscribe.subscriptions[0].options;
    assert_eq!(options.retain_handling, RetainHandling::SendIfNew);
}

#[test]
fn answers_have_a_code_for_each_filter() {
    let told = || {
        let reason_string = Some("r".into());
        Some(Box::new(AckProperties { reason_string, user_properties: Vec::new() }))
    };
    let suback = Suback { packet_id: id(10), properties: told(), codes: vec![0, 2, 0x8f] };
    check(b"\x90\x0a\0\x0a\x04\x1f\0\x01r\0\x02\x8f", Packet::Suback(suback));
    let unsuback = Unsuback { packet_id: id(10), properties: None, codes: vec![0, 0x11] };
    check(b"\xb0\x05\0\x0a\0\0\x11", Packet::Unsuback(unsuback));
}

#[test]
fn unsubscribe_has_user_properties() {
    let unsubscribe =
        Unsubscribe { packet_id: id(10), user_properties: user(), filters: vec!["a/b".into()] };
    check(b"\xa2\x0f\0\x0a\x07\x26\0\x01k\0\x01v\0\x03a/b", Packet::Unsubscribe(unsubscribe));
}

#[test]
fn pings_are_two_bytes() {
    check(b"\xc0\0", Packet::Pingreq);
    check(b"\xd0\0", Packet::Pingresp);
}

#[test]
fn a_goodbye_is_as_short_as_can_be() {
    let disconnect = |code, properties| Packet::Disconnect(Disconnect { code, properties });
    check(b"\xe0\0", disconnect(0, Default::default()));
    check(b"\xe0\x01\x8e", disconnect(reason::SESSION_TAKEN_OVER, Default::default()));
    let properties = DisconnectProperties {
        session_expiry_s: Some(0),
        reason_string: Some("r".into()),
        user_properties: user(),
        server_reference: Some("h".into()),
    };
    let section = section(&[b"\x11\0\0\0\0\x1f\0\x01r", USER, b"\x1c\0\x01h"]);
    check(&packet(0xe0, &[b"\x04", &section]), disconnect(4, properties));
}

/// 3.14.2.2.1: a length of 2 counts no properties.
#[test]
fn a_goodbye_may_be_longer_than_it_need() {
    let disconnect = Packet::Disconnect(Disconnect::default());
    assert_eq!(decode(Version::V5, b"\xe0\x01\0").as_ref(), Ok(&disconnect));
    assert_eq!(decode(Version::V5, b"\xe0\x02\0\0").as_ref(), Ok(&disconnect));
}

#[test]
fn auth_names_its_method() {
    let properties = AuthProperties {
        authentication_method: Some("m".into()),
        authentication_data: Some(Bytes::from_static(b"d")),
        reason_string: Some("r".into()),
        user_properties: user(),
    };
    let section = section(&[b"\x15\0\x01m\x16\0\x01d\x1f\0\x01r", USER]);
    let auth = Auth { code: reason::CONTINUE_AUTHENTICATION, properties };
    check(&packet(0xf0, &[b"\x18", &section]), Packet::Auth(auth));
    check(b"\xf0\0", Packet::Auth(Auth::default()));
}
