//! Any packet that may be sent.

use bytes::Bytes;
use bytestring::ByteString;
use mqtt::{
    Ack, AckProperties, Auth, AuthProperties, Connack, ConnackProperties, Connect,
    ConnectProperties, Disconnect, DisconnectProperties, Packet, PacketId, Publish,
    PublishProperties, QoS, RetainHandling, Suback, Subscribe, SubscribeProperties, Subscription,
    SubscriptionOptions, Unsuback, Unsubscribe, UserProperties, Version, Will,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// Any packet of a version, in the form in which it is read.
pub(super) fn packet(version: Version) -> BoxedStrategy<Packet> {
    let disconnect = if version == Version::V311 {
        Just(Disconnect::default()).boxed()
    } else {
        disconnect().boxed()
    };
    let auth = if version == Version::V311 {
        Just(Packet::Pingreq).boxed()
    } else {
        auth().prop_map(Packet::Auth).boxed()
    };
    prop_oneof![
        3 => connect(version).prop_map(|packet| Packet::Connect(packet.into())),
        1 => connack(version).prop_map(|packet| Packet::Connack(packet.into())),
        3 => publish(version).prop_map(Packet::Publish),
        1 => ack(version, &[0, 0x10, 0x87, 0x97]).prop_map(Packet::Puback),
        1 => ack(version, &[0, 0x80, 0x91]).prop_map(Packet::Pubrec),
        1 => ack(version, &[0, 0x92]).prop_map(Packet::Pubrel),
        1 => ack(version, &[0, 0x92]).prop_map(Packet::Pubcomp),
        2 => subscribe(version).prop_map(Packet::Subscribe),
        1 => suback(version).prop_map(Packet::Suback),
        1 => unsubscribe(version).prop_map(Packet::Unsubscribe),
        1 => unsuback(version).prop_map(Packet::Unsuback),
        1 => select(&[Packet::Pingreq, Packet::Pingresp][..]),
        1 => disconnect.prop_map(Packet::Disconnect),
        1 => auth,
    ]
    .boxed()
}

fn text() -> impl Strategy<Value = ByteString> {
    "[^\0]{0,8}".prop_map(ByteString::from)
}

fn topic() -> impl Strategy<Value = ByteString> {
    "[^\0+#]{1,8}".prop_map(ByteString::from)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (PacketId::MIN.get()..).prop_map(super::id)
}

fn user_properties() -> impl Strategy<Value = UserProperties> {
    vec((text(), text()), 0..3)
}

/// A default in 3.1.1, which has no properties.
fn only_v5<T: std::fmt::Debug + Clone + Default + 'static>(
    version: Version,
    of_v5: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    match version {
        Version::V311 => Just(T::default()).boxed(),
        Version::V5 => of_v5.boxed(),
    }
}

fn connect(version: Version) -> impl Strategy<Value = Connect> {
    let rest = (text(), of(text()), of(bytes()), of(will(version)));
    let properties = only_v5(version, connect_properties());
    (any::<bool>(), any::<u16>(), rest, properties).prop_map(
        move |(clean, keep_alive_s, (client_id, user_name, password, will), properties)| {
            let may_have_password = version == Version::V5 || user_name.is_some();
            let password = password.filter(|_| may_have_password);
            Connect {
                version,
                clean,
                keep_alive_s,
                client_id,
                will,
                user_name,
                password,
                properties,
            }
        },
    )
}

fn connect_properties() -> impl Strategy<Value = ConnectProperties> {
    let numbers = (of(any::<u32>()), of(1u16..), of(1u32..), of(any::<u16>()));
    let flags = (of(any::<bool>()), of(any::<bool>()));
    (numbers, flags, of((text(), of(bytes()))), user_properties()).prop_map(
        |(numbers, flags, authentication, user_properties)| ConnectProperties {
            session_expiry_s: numbers.0,
            receive_maximum: numbers.1,
            maximum_packet_size: numbers.2,
            topic_alias_maximum: numbers.3,
            request_response_information: flags.0,
            request_problem_information: flags.1,
            authentication_data: authentication.clone().and_then(|(_, data)| data),
            authentication_method: authentication.map(|(method, _)| method),
            user_properties,
        },
    )
}

fn will(version: Version) -> impl Strategy<Value = Will> {
    let v5 = only_v5(version, (of(any::<u32>()), of(publish_properties())));
    (topic(), bytes(), qos(), any::<bool>(), v5).prop_map(
        |(topic, payload, qos, retain, (delay_s, properties))| {
            let properties = properties.map(|found| PublishProperties {
                topic_alias: None,
                subscription_ids: Vec::new(),
                ..found
            });
            Will { topic, payload, qos, retain, delay_s, properties: non_empty(properties) }
        },
    )
}

/// Properties are not there if all are absent.
fn non_empty<P: Default + PartialEq>(properties: Option<P>) -> Option<Box<P>> {
    properties.filter(|properties| *properties != P::default()).map(Box::new)
}

fn connack(version: Version) -> impl Strategy<Value = Connack> {
    let codes: &[u8] = match version {
        Version::V311 => &[0, 1, 5],
        Version::V5 => &[0, 0x80, 0x87, 0x9b],
    };
    let properties = only_v5(version, connack_properties());
    (any::<bool>(), select(codes), properties).prop_map(|(session, code, properties)| Connack {
        session_present: session && code == 0,
        code,
        properties,
    })
}

fn connack_properties() -> impl Strategy<Value = ConnackProperties> {
    let numbers = (of(any::<u32>()), of(1u16..), of(0u8..=1), of(1u32..), of(any::<u16>()));
    let flag = || of(any::<bool>());
    let flags = (flag(), flag(), flag(), flag(), of(any::<u16>()));
    let texts = (of(text()), of(text()), of(text()), of(text()), of(text()), of(bytes()));
    (numbers, flags, texts, user_properties()).prop_map(
        |(numbers, flags, texts, user_properties)| ConnackProperties {
            session_expiry_s: numbers.0,
            receive_maximum: numbers.1,
            maximum_qos: numbers.2,
            maximum_packet_size: numbers.3,
            topic_alias_maximum: numbers.4,
            retain_available: flags.0,
            wildcard_subscription_available: flags.1,
            subscription_identifiers_available: flags.2,
            shared_subscription_available: flags.3,
            server_keep_alive_s: flags.4,
            assigned_client_id: texts.0,
            reason_string: texts.1,
            response_information: texts.2,
            server_reference: texts.3,
            authentication_method: texts.4,
            authentication_data: texts.5,
            user_properties,
        },
    )
}

fn publish(version: Version) -> impl Strategy<Value = Publish> {
    let properties = only_v5(version, of(publish_properties()));
    let flags = (any::<bool>(), qos(), any::<bool>(), any::<bool>());
    (flags, topic(), packet_id(), properties, bytes()).prop_map(
        |((dup, qos, retain, aliased), topic, packet_id, properties, payload)| {
            let has_alias = properties.as_ref().is_some_and(|found| found.topic_alias.is_some());
            Publish {
                dup: dup && qos != QoS::AtMostOnce,
                qos,
                retain,
                topic: if aliased && has_alias { ByteString::new() } else { topic },
                packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
                properties: non_empty(properties),
                payload,
            }
        },
    )
}

fn publish_properties() -> impl Strategy<Value = PublishProperties> {
    let numbers = (of(any::<u32>()), of(1u16..), vec(1u32..=268_435_455, 0..3));
    let texts = (of(topic()), of(bytes()), of(text()));
    (of(any::<bool>()), numbers, texts, user_properties()).prop_map(
        |(payload_is_utf8, numbers, texts, user_properties)| PublishProperties {
            payload_is_utf8,
            message_expiry_s: numbers.0,
            topic_alias: numbers.1,
            subscription_ids: numbers.2,
            response_topic: texts.0,
            correlation_data: texts.1,
            content_type: texts.2,
            user_properties,
        },
    )
}

fn ack_properties(version: Version) -> BoxedStrategy<Option<Box<AckProperties>>> {
    let properties =
        (of(text()), user_properties()).prop_map(|(reason_string, user_properties)| {
            non_empty(Some(AckProperties { reason_string, user_properties }))
        });
    only_v5(version, properties)
}

fn ack(version: Version, codes: &'static [u8]) -> impl Strategy<Value = Ack> {
    let codes = if version == Version::V311 { &[0] } else { codes };
    (packet_id(), select(codes), ack_properties(version))
        .prop_map(|(packet_id, code, properties)| Ack { packet_id, code, properties })
}

fn subscribe(version: Version) -> impl Strategy<Value = Subscribe> {
    let of_v5 = (of(1u32..=268_435_455), user_properties()).prop_map(
        |(subscription_id, user_properties)| SubscribeProperties {
            subscription_id,
            user_properties,
        },
    );
    let subscriptions = vec(subscription(version), 1..4);
    (packet_id(), only_v5(version, of_v5), subscriptions).prop_map(
        |(packet_id, properties, subscriptions)| Subscribe { packet_id, properties, subscriptions },
    )
}

fn subscription(version: Version) -> impl Strategy<Value = Subscription> {
    const HANDLING: [RetainHandling; 3] =
        [RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend];
    let options = (qos(), any::<bool>(), any::<bool>(), select(&HANDLING[..])).prop_map(
        move |(qos, no_local, retain_as_published, retain_handling)| match version {
            Version::V311 => SubscriptionOptions {
                qos,
                no_local: false,
                retain_as_published: false,
                retain_handling: RetainHandling::Send,
            },
            Version::V5 => {
                SubscriptionOptions { qos, no_local, retain_as_published, retain_handling }
            }
        },
    );
    (text(), options).prop_map(|(filter, options)| Subscription { filter, options })
}

fn suback(version: Version) -> impl Strategy<Value = Suback> {
    let codes = vec(select(&[0, 1, 2, 0x80][..]), 1..4);
    (packet_id(), ack_properties(version), codes)
        .prop_map(|(packet_id, properties, codes)| Suback { packet_id, properties, codes })
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Unsubscribe> {
    let user_properties = only_v5(version, user_properties());
    (packet_id(), user_properties, vec(text(), 1..4)).prop_map(
        |(packet_id, user_properties, filters)| Unsubscribe { packet_id, user_properties, filters },
    )
}

fn unsuback(version: Version) -> impl Strategy<Value = Unsuback> {
    let codes = only_v5(version, vec(select(&[0, 0x11, 0x8f][..]), 1..4));
    (packet_id(), ack_properties(version), codes)
        .prop_map(|(packet_id, properties, codes)| Unsuback { packet_id, properties, codes })
}

fn disconnect() -> impl Strategy<Value = Disconnect> {
    let properties = (of(any::<u32>()), of(text()), user_properties(), of(text())).prop_map(
        |(session_expiry_s, reason_string, user_properties, server_reference)| {
            DisconnectProperties {
                session_expiry_s,
                reason_string,
                user_properties,
                server_reference,
            }
        },
    );
    (select(&[0, 4, 0x81, 0x8e][..]), of(properties)).prop_map(|(code, properties)| Disconnect {
        code,
        properties: properties.unwrap_or_default(),
    })
}

fn auth() -> impl Strategy<Value = Auth> {
    let properties = (text(), of(bytes()), of(text()), user_properties()).prop_map(
        |(method, authentication_data, reason_string, user_properties)| AuthProperties {
            authentication_method: Some(method),
            authentication_data,
            reason_string,
            user_properties,
        },
    );
    let said = (select(&[0, 0x18, 0x19][..]), properties)
        .prop_map(|(code, properties)| Auth { code, properties });
    prop_oneof![4 => said, 1 => Just(Auth::default())]
}
