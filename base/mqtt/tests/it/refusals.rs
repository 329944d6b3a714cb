//! Each way to be wrong, by the clause of the standard that forbids it.

use mqtt::{Malformed, PacketType, Version, reason};

use super::{decode, packet, section};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

/// A string with a NUL.
const NULL: &[u8] = b"\0\x03a\0b";

fn refuse(versions: &[Version], cases: &[(&[u8], Malformed)]) {
    for version in versions {
        for (bytes, malformed) in cases {
            assert_eq!(decode(*version, bytes), Err(*malformed), "{version:?} {bytes:x?}");
        }
    }
}

fn refuse_in_both(cases: &[(&[u8], Malformed)]) {
    refuse(&BOTH, cases);
}

fn refuse_in_v311(cases: &[(&[u8], Malformed)]) {
    refuse(&[Version::V311], cases);
}

fn refuse_in_v5(cases: &[(&[u8], Malformed)]) {
    refuse(&[Version::V5], cases);
}

#[test]
fn types_and_flags_that_are_reserved() {
    refuse_in_both(&[(b"\x00\0", Malformed::ReservedType(0))]);
    // 3.1.1 has no AUTH: table 2.1.
    refuse_in_v311(&[(b"\xf0\0", Malformed::ReservedType(15))]);
    // [MQTT-2.1.3-1], in 3.1.1 [MQTT-2.2.2-2]; [MQTT-3.6.1-1], [MQTT-3.8.1-1], [MQTT-3.10.1-1].
    refuse_in_both(&[
        (b"\x11\0", Malformed::Flags(PacketType::Connect)),
        (b"\x21\0", Malformed::Flags(PacketType::Connack)),
        (b"\x42\x02\0\x01", Malformed::Flags(PacketType::Puback)),
        (b"\x58\x02\0\x01", Malformed::Flags(PacketType::Pubrec)),
        (b"\x60\x02\0\x01", Malformed::Flags(PacketType::Pubrel)),
        (b"\x63\x02\0\x01", Malformed::Flags(PacketType::Pubrel)),
        (b"\x71\x02\0\x01", Malformed::Flags(PacketType::Pubcomp)),
        (b"\x80\x02\0\x01", Malformed::Flags(PacketType::Subscribe)),
        (b"\x94\x02\0\x01", Malformed::Flags(PacketType::Suback)),
        (b"\xa0\x02\0\x01", Malformed::Flags(PacketType::Unsubscribe)),
        (b"\xb2\x02\0\x01", Malformed::Flags(PacketType::Unsuback)),
        (b"\xc1\0", Malformed::Flags(PacketType::Pingreq)),
        (b"\xd1\0", Malformed::Flags(PacketType::Pingresp)),
        (b"\xe1\0", Malformed::Flags(PacketType::Disconnect)),
    ]);
    refuse_in_v5(&[(b"\xf1\0", Malformed::Flags(PacketType::Auth))]);
}

#[test]
fn lengths_of_five_bytes() {
    // 1.5.5; in 3.1.1 2.2.3.
    refuse_in_both(&[
        (b"\xc0\x80\x80\x80\x80", Malformed::IntegerTooLong),
        (b"\xc0\xff\xff\xff\xff\x01", Malformed::IntegerTooLong),
    ]);
    refuse_in_v5(&[(b"\x30\x08\0\x01a\xff\xff\xff\xff\x01", Malformed::IntegerTooLong)]);
}

#[test]
fn integers_with_more_bytes_than_they_need() {
    // [MQTT-1.5.5-1]: of properties, and of a subscription identifier.
    refuse_in_v5(&[
        (b"\x30\x05\0\x01a\x80\0", Malformed::IntegerPadded),
        (b"\x30\x07\0\x01a\x03\x0b\x81\0", Malformed::IntegerPadded),
    ]);
}

#[test]
fn fields_beyond_the_end() {
    refuse_in_both(&[
        (b"\x10\0", Malformed::Truncated),
        (b"\x10\x07\0\x04MQTT\x04", Malformed::Truncated),
        (b"\x20\x01\0", Malformed::Truncated),
        (b"\x30\0", Malformed::Truncated),
        (b"\x30\x02\0\x01", Malformed::Truncated),
        (b"\x32\x04\0\x01a\0", Malformed::Truncated),
        (b"\x40\x01\0", Malformed::Truncated),
        (b"\xb0\0", Malformed::Truncated),
    ]);
    refuse_in_v311(&[
        (b"\x82\x05\0\x01\0\x01a", Malformed::Truncated),
        (b"\xa2\x04\0\x01\0\x01", Malformed::Truncated),
    ]);
    refuse_in_v5(&[
        (b"\x20\x02\0\0", Malformed::Truncated),
        (b"\x30\x03\0\x01a", Malformed::Truncated),
        (b"\x30\x04\0\x01a\x01", Malformed::Truncated),
        (b"\x30\x05\0\x01a\x01\x02", Malformed::Truncated),
        (b"\x30\x08\0\x01a\x02\x02\0\0\0", Malformed::Truncated),
        (b"\xf0\x01\0", Malformed::Truncated),
    ]);
}

#[test]
fn bytes_after_the_last_field() {
    refuse_in_both(&[
        (b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\0!", Malformed::TrailingBytes),
        (b"\xc0\x01!", Malformed::TrailingBytes),
        (b"\xd0\x01!", Malformed::TrailingBytes),
    ]);
    refuse_in_v311(&[
        (b"\x20\x03\0\0\0", Malformed::TrailingBytes),
        (b"\x40\x03\0\x01\0", Malformed::TrailingBytes),
        (b"\xb0\x03\0\x01\0", Malformed::TrailingBytes),
        (b"\xe0\x01\0", Malformed::TrailingBytes),
    ]);
    refuse_in_v5(&[
        (b"\x20\x04\0\0\0!", Malformed::TrailingBytes),
        (b"\x40\x05\0\x01\0\0!", Malformed::TrailingBytes),
        (b"\xe0\x03\0\0!", Malformed::TrailingBytes),
        (b"\xf0\x07\0\x04\x15\0\x01m!", Malformed::TrailingBytes),
    ]);
}

#[test]
fn strings_that_are_not_utf_8() {
    // [MQTT-1.5.4-1], in 3.1.1 [MQTT-1.5.3-1]: a stray byte, a long form, a surrogate.
    refuse_in_both(&[
        (b"\x30\x03\0\x01\xff", Malformed::NotUtf8),
        (b"\x30\x04\0\x02\xc0\x80", Malformed::NotUtf8),
        (b"\x30\x05\0\x03\xed\xa0\x80", Malformed::NotUtf8),
        (b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01\xff", Malformed::NotUtf8),
    ]);
    // The byte order mark is a character as any other: [MQTT-1.5.4-3].
    assert!(decode(Version::V311, b"\x30\x05\0\x03\xef\xbb\xbf").is_ok());
    assert!(decode(Version::V5, b"\x30\x06\0\x03\xef\xbb\xbf\0").is_ok());
}

#[test]
fn strings_with_a_null_character() {
    // [MQTT-1.5.4-2], in 3.1.1 [MQTT-1.5.3-2].
    let connect = packet(0x10, &[b"\0\x04MQTT\x04\x02\0\x3c", NULL]);
    let user_name = packet(0x10, &[b"\0\x04MQTT\x04\x82\0\x3c\0\0", NULL]);
    let publish = packet(0x30, &[NULL]);
    let subscribe = packet(0x82, &[b"\0\x01", NULL, b"\0"]);
    let unsubscribe = packet(0xa2, &[b"\0\x01", NULL]);
    for bytes in [&connect, &user_name, &publish, &subscribe, &unsubscribe] {
        refuse_in_v311(&[(bytes, Malformed::NullCharacter)]);
    }
    let user = packet(0x30, &[b"\0\x01a", &section(&[b"\x26\0\x01k", NULL])]);
    refuse_in_v5(&[(&user, Malformed::NullCharacter)]);
}

#[test]
fn a_packet_identifier_of_0() {
    // [MQTT-2.2.1-3], in 3.1.1 [MQTT-2.3.1-1].
    for first in [0x40, 0x50, 0x62, 0x70, 0x82, 0x90, 0xa2, 0xb0] {
        refuse_in_both(&[(&[first, 2, 0, 0], Malformed::PacketIdZero)]);
    }
    refuse_in_both(&[(b"\x32\x05\0\x01a\0\0", Malformed::PacketIdZero)]);
    refuse_in_both(&[(b"\x34\x05\0\x01a\0\0", Malformed::PacketIdZero)]);
}

#[test]
fn protocols_other_than_mqtt_at_level_4_or_5() {
    // [MQTT-3.1.2-1], [MQTT-3.1.2-2]. What follows is not looked at.
    for (bytes, level) in [
        (&b"\x10\x09\0\x06MQIsdp\x03"[..], 3),
        (b"\x10\x07\0\x04MQTT\x03", 3),
        (b"\x10\x07\0\x04MQTT\x06", 6),
        (b"\x10\x07\0\x04MQTT\x84", 0x84),
        (b"\x10\x07\0\x04mqtt\x04", 4),
        (b"\x10\x03\0\0\x05", 5),
        (b"\x10\x04\0\x01\xff\x05", 5),
    ] {
        refuse_in_both(&[(bytes, Malformed::UnsupportedProtocol { level })]);
    }
}

#[test]
fn connect_flags_that_contradict_one_another() {
    let connect = |level: u8, flags: u8| {
        packet(0x10, &[b"\0\x04MQTT", &[level, flags], b"\0\x3c\0\0\0\0\0\0\0"])
    };
    for (flags, malformed) in [
        (0b0000_0001, Malformed::ConnectReservedFlag), // [MQTT-3.1.2-3]
        (0b0000_1000, Malformed::FlagsWithoutWill),    // [MQTT-3.1.2-11]; 3.1.1: [MQTT-3.1.2-13]
        (0b0001_0000, Malformed::FlagsWithoutWill),
        (0b0010_0000, Malformed::FlagsWithoutWill), // [MQTT-3.1.2-13]; 3.1.1: [MQTT-3.1.2-15]
        (0b0001_1100, Malformed::WillQos3),         // [MQTT-3.1.2-12]; 3.1.1: [MQTT-3.1.2-14]
    ] {
        refuse_in_both(&[(&connect(4, flags), malformed), (&connect(5, flags), malformed)]);
    }
    // [MQTT-3.1.2-22] of 3.1.1.
    let alone = connect(4, 0b0100_0000);
    refuse_in_both(&[(&alone, Malformed::PasswordWithoutUserName)]);
}

#[test]
fn wills_without_a_topic_name() {
    // [MQTT-4.7.3-1], [MQTT-4.7.1-1].
    let connect = |topic: &[u8]| packet(0x10, &[b"\0\x04MQTT\x04\x06\0\x3c\0\0", topic, b"\0\0"]);
    refuse_in_both(&[
        (&connect(b"\0\0"), Malformed::TopicEmpty),
        (&connect(b"\0\x01#"), Malformed::TopicWildcard),
        (&connect(b"\0\x03a/+"), Malformed::TopicWildcard),
    ]);
}

#[test]
fn connack_with_wrong_flags_or_codes() {
    refuse_in_both(&[
        (b"\x20\x03\x02\0\0", Malformed::ConnackReservedFlags), // [MQTT-3.2.2-1]
        (b"\x20\x03\x81\0\0", Malformed::ConnackReservedFlags),
    ]);
    // [MQTT-3.2.2-4], and the table of 3.2.2.3.
    let code = |code| Malformed::Code { packet: PacketType::Connack, code };
    refuse_in_v311(&[
        (b"\x20\x02\x01\x05", Malformed::SessionOfRefused),
        (b"\x20\x02\0\x06", code(6)),
    ]);
    // [MQTT-3.2.2-6], [MQTT-3.2.2-8].
    refuse_in_v5(&[
        (b"\x20\x03\x01\x87\0", Malformed::SessionOfRefused),
        (b"\x20\x03\0\x05\0", code(5)),
    ]);
}

#[test]
fn codes_that_are_not_the_packets() {
    let code = |packet, code| Malformed::Code { packet, code };
    // [MQTT-3.9.3-2] of 3.1.1.
    refuse_in_v311(&[(b"\x90\x03\0\x01\x03", code(PacketType::Suback, 3))]);
    refuse_in_v5(&[
        (b"\x40\x03\0\x01\x92", code(PacketType::Puback, 0x92)), // [MQTT-3.4.2-1]
        (b"\x50\x03\0\x01\x01", code(PacketType::Pubrec, 1)),    // [MQTT-3.5.2-1]
        (b"\x62\x03\0\x01\x10", code(PacketType::Pubrel, 0x10)), // [MQTT-3.6.2-1]
        (b"\x70\x03\0\x01\x80", code(PacketType::Pubcomp, 0x80)), // [MQTT-3.7.2-1]
        (b"\x90\x04\0\x01\0\x03", code(PacketType::Suback, 3)),  // [MQTT-3.9.3-2]
        (b"\xb0\x04\0\x01\0\x01", code(PacketType::Unsuback, 1)), // [MQTT-3.11.3-2]
        (b"\xe0\x01\x01", code(PacketType::Disconnect, 1)),      // [MQTT-3.14.2-1]
        (b"\xf0\x02\x80\0", code(PacketType::Auth, 0x80)),       // [MQTT-3.15.2-1]
    ]);
}

#[test]
fn publish_with_flags_that_are_none() {
    refuse_in_both(&[
        (b"\x36\x05\0\x01a\0\x01", Malformed::PublishQos3), // [MQTT-3.3.1-4]
        (b"\x3e\x05\0\x01a\0\x01", Malformed::PublishQos3),
        (b"\x38\x04\0\x01a\0", Malformed::DuplicateOfQos0), // [MQTT-3.3.1-2]
    ]);
}

#[test]
fn publish_without_a_topic_name() {
    // [MQTT-4.7.3-1]; in MQTT 5 it is an error without an alias (3.3.2.1).
    refuse_in_both(&[(b"\x30\x03\0\0\0", Malformed::TopicEmpty)]);
    refuse_in_v5(&[(b"\x30\x05\0\0\x02\x01\x01", Malformed::TopicEmpty)]);
    // [MQTT-3.3.2-2].
    refuse_in_both(&[
        (b"\x30\x04\0\x01#\0", Malformed::TopicWildcard),
        (b"\x30\x06\0\x03a+b\0", Malformed::TopicWildcard),
    ]);
    refuse_in_v5(&[
        (b"\x30\x07\0\x01a\x03\x23\0\0", Malformed::TopicAliasZero), // [MQTT-3.3.2-8]
        (b"\x30\x09\0\x01a\x05\x08\0\x02a#", Malformed::ResponseTopicWildcard), // [MQTT-3.3.2-14]
        (b"\x30\x07\0\x01a\x03\x08\0\0", Malformed::TopicEmpty),     // [MQTT-4.7.3-1]
    ]);
}

#[test]
fn subscriptions_to_nothing() {
    // [MQTT-3.8.3-3] and [MQTT-3.10.3-2] of 3.1.1.
    refuse_in_v311(&[
        (b"\x82\x02\0\x01", Malformed::NoFilters(PacketType::Subscribe)),
        (b"\xa2\x02\0\x01", Malformed::NoFilters(PacketType::Unsubscribe)),
        (b"\x90\x02\0\x01", Malformed::NoCodes(PacketType::Suback)),
    ]);
    // [MQTT-3.8.3-2], [MQTT-3.10.3-2].
    refuse_in_v5(&[
        (b"\x82\x03\0\x01\0", Malformed::NoFilters(PacketType::Subscribe)),
        (b"\xa2\x03\0\x01\0", Malformed::NoFilters(PacketType::Unsubscribe)),
        (b"\x90\x03\0\x01\0", Malformed::NoCodes(PacketType::Suback)),
        (b"\xb0\x03\0\x01\0", Malformed::NoCodes(PacketType::Unsuback)),
    ]);
}

#[test]
fn subscriptions_with_options_that_are_none() {
    // [MQTT-3.8.3-4] of 3.1.1.
    refuse_in_v311(&[
        (b"\x82\x06\0\x01\0\x01a\x04", Malformed::SubscriptionReservedBits),
        (b"\x82\x06\0\x01\0\x01a\x80", Malformed::SubscriptionReservedBits),
        (b"\x82\x06\0\x01\0\x01a\x03", Malformed::SubscriptionQos3),
    ]);
    refuse_in_v5(&[
        (b"\x82\x07\0\x01\0\0\x01a\x40", Malformed::SubscriptionReservedBits), // [MQTT-3.8.3-5]
        (b"\x82\x07\0\x01\0\0\x01a\x80", Malformed::SubscriptionReservedBits),
        (b"\x82\x07\0\x01\0\0\x01a\x03", Malformed::SubscriptionQos3), // 3.8.3.1
        (b"\x82\x07\0\x01\0\0\x01a\x30", Malformed::RetainHandling3),  // 3.8.3.1
        (b"\x82\x10\0\x01\0\0\x0a$share/s/a\x05", Malformed::NoLocalOfShared), // [MQTT-3.8.3-4]
    ]);
}

/// Packets with properties: their first byte, and what stands before and after the properties.
const CARRIERS: [(PacketType, u8, &[u8], &[u8]); 10] = [
    (PacketType::Connect, 0x10, b"\0\x04MQTT\x05\0\0\0", b"\0\0"),
    (PacketType::Connack, 0x20, b"\0\0", b""),
    (PacketType::Publish, 0x30, b"\0\x01a", b""),
    (PacketType::Puback, 0x40, b"\0\x01\0", b""),
    (PacketType::Subscribe, 0x82, b"\0\x01", b"\0\x01a\0"),
    (PacketType::Suback, 0x90, b"\0\x01", b"\0"),
    (PacketType::Unsubscribe, 0xa2, b"\0\x01", b"\0\x01a"),
    (PacketType::Unsuback, 0xb0, b"\0\x01", b"\0"),
    (PacketType::Disconnect, 0xe0, b"\0", b""),
    (PacketType::Auth, 0xf0, b"\0", b""),
];

/// One of [`CARRIERS`] with these properties.
fn with_properties(packet_type: PacketType, properties: &[&[u8]]) -> Vec<u8> {
    let mut carriers = CARRIERS.into_iter();
    let carrier = carriers.find(|(carrier, ..)| *carrier == packet_type);
    let (_, first, before, after) = carrier.expect("the packet can have properties");
    packet(first, &[before, &section(properties), after])
}

/// Each property of 2.2.2.2 with a value, and the packets that may have it, twice if at all.
const PROPERTIES: [(&[u8], &[PacketType]); 26] = {
    use PacketType::{
        Auth, Connack, Connect, Disconnect, Puback, Publish, Suback, Subscribe, Unsuback,
    };
    [
        (b"\x01\x01", &[Publish]),
        (b"\x02\0\0\0\x01", &[Publish]),
        (b"\x03\0\x01t", &[Publish]),
        (b"\x08\0\x01r", &[Publish]),
        (b"\x09\0\x01c", &[Publish]),
        (b"\x0b\x01", &[Publish, Subscribe]),
        (b"\x11\0\0\0\x01", &[Connect, Connack, Disconnect]),
        (b"\x12\0\x01i", &[Connack]),
        (b"\x13\0\x01", &[Connack]),
        (b"\x15\0\x01m", &[Connect, Connack, Auth]),
        (b"\x16\0\x01d", &[Connect, Connack, Auth]),
        (b"\x17\x01", &[Connect]),
        (b"\x18\0\0\0\x01", &[]),
        (b"\x19\x01", &[Connect]),
        (b"\x1a\0\x01s", &[Connack]),
        (b"\x1c\0\x01h", &[Connack, Disconnect]),
        (b"\x1f\0\x01r", &[Connack, Puback, Suback, Unsuback, Disconnect, Auth]),
        (b"\x21\0\x01", &[Connect, Connack]),
        (b"\x22\0\x01", &[Connect, Connack]),
        (b"\x23\0\x01", &[Publish]),
        (b"\x24\x01", &[Connack]),
        (b"\x25\x01", &[Connack]),
        (b"\x27\0\0\0\x01", &[Connect, Connack]),
        (b"\x28\x01", &[Connack]),
        (b"\x29\x01", &[Connack]),
        (b"\x2a\x01", &[Connack]),
    ]
};

#[test]
fn properties_of_other_packets() {
    // 2.2.2.2: malformed.
    for (packet, ..) in CARRIERS {
        for (property, allowed) in PROPERTIES {
            // Some are refused for want of a method, which is not what is asked here.
            let wants_method = match packet {
                PacketType::Auth => property[0] != 0x15,
                _ => packet == PacketType::Connect && property[0] == 0x16,
            };
            let method = if wants_method { &b"\x15\0\x01m"[..] } else { b"" };
            let outcome = decode(Version::V5, &with_properties(packet, &[method, property]));
            if allowed.contains(&packet) {
                assert!(outcome.is_ok(), "{packet} with {property:x?}: {outcome:?}");
            } else {
                let refused = Malformed::PropertyNotAllowed(property[0].into());
                assert_eq!(outcome, Err(refused), "{packet}");
            }
        }
        let unknown = with_properties(packet, &[b"\x7f\0"]);
        refuse_in_v5(&[(&unknown, Malformed::PropertyNotAllowed(0x7f))]);
        let unknown = with_properties(packet, &[b"\x81\x02\0"]);
        refuse_in_v5(&[(&unknown, Malformed::PropertyNotAllowed(0x101))]);
    }
}

#[test]
fn properties_of_a_message_that_a_will_may_not_have() {
    // 3.1.3.2.
    for (property, id) in [(&b"\x23\0\x01"[..], 0x23), (b"\x0b\x01", 0x0b), (b"\x1f\0\x01r", 0x1f)]
    {
        let head = b"\0\x04MQTT\x05\x04\0\x3c\0\0\0";
        let bytes = packet(0x10, &[head, &section(&[property]), b"\0\x01w\0\0"]);
        refuse_in_v5(&[(&bytes, Malformed::PropertyNotAllowed(id))]);
    }
    let twice = section(&[b"\x18\0\0\0\x01\x18\0\0\0\x01"]);
    let bytes = packet(0x10, &[b"\0\x04MQTT\x05\x04\0\x3c\0\0\0", &twice, b"\0\x01w\0\0"]);
    refuse_in_v5(&[(&bytes, Malformed::PropertyTwice(0x18))]);
}

#[test]
fn properties_that_are_there_twice() {
    // A protocol error for each but user properties, and subscription identifiers of a PUBLISH.
    for (property, allowed) in PROPERTIES {
        for packet in allowed {
            let bytes = with_properties(*packet, &[property, property]);
            if (property[0], *packet) == (0x0b, PacketType::Publish) {
                assert!(decode(Version::V5, &bytes).is_ok());
            } else {
                refuse_in_v5(&[(&bytes, Malformed::PropertyTwice(property[0]))]);
            }
        }
    }
    for (packet, ..) in CARRIERS.into_iter().filter(|carrier| carrier.0 != PacketType::Auth) {
        let user = &b"\x26\0\x01k\0\x01v"[..];
        assert!(decode(Version::V5, &with_properties(packet, &[user, user])).is_ok());
    }
}

#[test]
fn properties_with_values_that_are_none() {
    for (packet, property) in [
        (PacketType::Publish, 0x01), // 3.3.2.3.2
        (PacketType::Connect, 0x17), // 3.1.2.11.7
        (PacketType::Connect, 0x19), // 3.1.2.11.6
        (PacketType::Connack, 0x24), // 3.2.2.3.4
        (PacketType::Connack, 0x25), // 3.2.2.3.5
        (PacketType::Connack, 0x28), // 3.2.2.3.11
        (PacketType::Connack, 0x29), // 3.2.2.3.12
        (PacketType::Connack, 0x2a), // 3.2.2.3.13
    ] {
        let bytes = with_properties(packet, &[&[property, 2]]);
        refuse_in_v5(&[(&bytes, Malformed::PropertyNotBoolean(property))]);
    }
    for (packet, property) in [
        (PacketType::Connect, &b"\x21\0\0"[..]), // 3.1.2.11.3
        (PacketType::Connack, b"\x21\0\0"),      // 3.2.2.3.3
        (PacketType::Connect, b"\x27\0\0\0\0"),  // 3.1.2.11.4
        (PacketType::Connack, b"\x27\0\0\0\0"),  // 3.2.2.3.6
        (PacketType::Subscribe, b"\x0b\0"),      // 3.8.2.1.2
        (PacketType::Publish, b"\x0b\0"),        // 3.3.2.3.8
    ] {
        let bytes = with_properties(packet, &[property]);
        refuse_in_v5(&[(&bytes, Malformed::PropertyZero(property[0]))]);
    }
}

#[test]
fn authentication_without_a_method() {
    let data = &b"\x16\0\x01d"[..];
    let connect = with_properties(PacketType::Connect, &[data]);
    let auth = with_properties(PacketType::Auth, &[data]);
    refuse_in_v5(&[
        (&connect, Malformed::AuthenticationDataAlone), // 3.1.2.11.10
        (&auth, Malformed::AuthenticationMethodMissing), // 3.15.2.2.2
        (b"\xf0\x02\x18\0", Malformed::AuthenticationMethodMissing),
    ]);
}

#[test]
fn a_refusal_has_a_code_for_its_disconnect() {
    for (malformed, code) in [
        (Malformed::Truncated, reason::MALFORMED_PACKET),
        (Malformed::NotUtf8, reason::MALFORMED_PACKET),
        (Malformed::PropertyNotAllowed(0x7f), reason::MALFORMED_PACKET),
        (Malformed::SecondConnect, reason::PROTOCOL_ERROR),
        (Malformed::PropertyTwice(0x21), reason::PROTOCOL_ERROR),
        (Malformed::TooLarge { bytes: 2, max: 1 }, reason::PACKET_TOO_LARGE),
        (Malformed::UnsupportedProtocol { level: 3 }, reason::UNSUPPORTED_PROTOCOL_VERSION),
        (Malformed::TopicAliasZero, reason::TOPIC_ALIAS_INVALID),
    ] {
        assert_eq!(malformed.reason_code(), code, "{malformed}");
    }
}
