//! The properties of MQTT 5: a list for each packet, everything else is refused.

use bytestring::ByteString;

use super::reader::Reader;
use crate::malformed::Malformed;
use crate::packet::Version;
use crate::properties::{
    AckProperties, AuthProperties, ConnackProperties, ConnectProperties, DisconnectProperties,
    PublishProperties, SubscribeProperties, UserProperties,
};
use crate::property as id;

pub(super) fn connect(body: &mut Reader, version: Version) -> Result<ConnectProperties, Malformed> {
    let mut found = ConnectProperties::default();
    each(body, version, |id, value| match id {
        id::SESSION_EXPIRY_INTERVAL => once(&mut found.session_expiry_s, id, value.u32()?),
        id::RECEIVE_MAXIMUM => once(&mut found.receive_maximum, id, positive(id, value.u16()?)?),
        id::MAXIMUM_PACKET_SIZE => {
            once(&mut found.maximum_packet_size, id, positive(id, value.u32()?)?)
        }
        id::TOPIC_ALIAS_MAXIMUM => once(&mut found.topic_alias_maximum, id, value.u16()?),
        id::REQUEST_RESPONSE_INFORMATION => {
            once(&mut found.request_response_information, id, boolean(id, value)?)
        }
        id::REQUEST_PROBLEM_INFORMATION => {
            once(&mut found.request_problem_information, id, boolean(id, value)?)
        }
        id::AUTHENTICATION_METHOD => once(&mut found.authentication_method, id, value.string()?),
        id::AUTHENTICATION_DATA => once(&mut found.authentication_data, id, value.binary()?),
        id::USER_PROPERTY => push(&mut found.user_properties, value),
        _ => not_allowed(id),
    })?;
    if found.authentication_data.is_some() && found.authentication_method.is_none() {
        return Err(Malformed::AuthenticationDataAlone);
    }
    Ok(found)
}

pub(super) fn connack(body: &mut Reader, version: Version) -> Result<ConnackProperties, Malformed> {
    let mut found = ConnackProperties::default();
    each(body, version, |id, value| match id {
        id::SESSION_EXPIRY_INTERVAL => once(&mut found.session_expiry_s, id, value.u32()?),
        id::RECEIVE_MAXIMUM => once(&mut found.receive_maximum, id, positive(id, value.u16()?)?),
        id::MAXIMUM_QOS => once(&mut found.maximum_qos, id, boolean(id, value)?.into()),
        id::RETAIN_AVAILABLE => once(&mut found.retain_available, id, boolean(id, value)?),
        id::MAXIMUM_PACKET_SIZE => {
            once(&mut found.maximum_packet_size, id, positive(id, value.u32()?)?)
        }
        id::ASSIGNED_CLIENT_IDENTIFIER => once(&mut found.assigned_client_id, id, value.string()?),
        id::TOPIC_ALIAS_MAXIMUM => once(&mut found.topic_alias_maximum, id, value.u16()?),
        id::REASON_STRING => once(&mut found.reason_string, id, value.string()?),
        id::WILDCARD_SUBSCRIPTION_AVAILABLE => {
            once(&mut found.wildcard_subscription_available, id, boolean(id, value)?)
        }
        id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE => {
            once(&mut found.subscription_identifiers_available, id, boolean(id, value)?)
        }
        id::SHARED_SUBSCRIPTION_AVAILABLE => {
            once(&mut found.shared_subscription_available, id, boolean(id, value)?)
        }
        id::SERVER_KEEP_ALIVE => once(&mut found.server_keep_alive_s, id, value.u16()?),
        id::RESPONSE_INFORMATION => once(&mut found.response_information, id, value.string()?),
        id::SERVER_REFERENCE => once(&mut found.server_reference, id, value.string()?),
        id::AUTHENTICATION_METHOD => once(&mut found.authentication_method, id, value.string()?),
        id::AUTHENTICATION_DATA => once(&mut found.authentication_data, id, value.binary()?),
        id::USER_PROPERTY => push(&mut found.user_properties, value),
        _ => not_allowed(id),
    })?;
    Ok(found)
}

/// None if there are no properties, which costs nothing.
pub(super) fn publish(
    body: &mut Reader,
    version: Version,
) -> Result<Option<Box<PublishProperties>>, Malformed> {
    let mut found: Option<Box<PublishProperties>> = None;
    each(body, version, |id, value| {
        let found = found.get_or_insert_default();
        match id {
            id::TOPIC_ALIAS => match value.u16()? {
                0 => Err(Malformed::TopicAliasZero),
                alias => once(&mut found.topic_alias, id, alias),
            },
            id::SUBSCRIPTION_IDENTIFIER => {
                found.subscription_ids.push(positive(id, value.integer()?)?);
                Ok(())
            }
            _ => message(found, id, value),
        }
    })?;
    Ok(found)
}

/// The delay of a will, and the properties of its message.
pub(super) fn will(
    body: &mut Reader,
    version: Version,
) -> Result<(Option<u32>, Option<Box<PublishProperties>>), Malformed> {
    let mut delay_s = None;
    let mut found: Option<Box<PublishProperties>> = None;
    each(body, version, |id, value| match id {
        id::WILL_DELAY_INTERVAL => once(&mut delay_s, id, value.u32()?),
        _ => message(found.get_or_insert_default(), id, value),
    })?;
    Ok((delay_s, found))
}

/// A property that both a PUBLISH and a will may have.
fn message(found: &mut PublishProperties, id: u8, value: &mut Reader) -> Result<(), Malformed> {
    match id {
        id::PAYLOAD_FORMAT_INDICATOR => once(&mut found.payload_is_utf8, id, boolean(id, value)?),
        id::MESSAGE_EXPIRY_INTERVAL => once(&mut found.message_expiry_s, id, value.u32()?),
        id::CONTENT_TYPE => once(&mut found.content_type, id, value.string()?),
        id::RESPONSE_TOPIC => {
            let topic = value.topic(Malformed::ResponseTopicWildcard)?;
            if topic.is_empty() {
                return Err(Malformed::TopicEmpty);
            }
            once(&mut found.response_topic, id, topic)
        }
        id::CORRELATION_DATA => once(&mut found.correlation_data, id, value.binary()?),
        id::USER_PROPERTY => push(&mut found.user_properties, value),
        _ => not_allowed(id),
    }
}

/// None if there are no properties.
pub(super) fn ack(
    body: &mut Reader,
    version: Version,
) -> Result<Option<Box<AckProperties>>, Malformed> {
    let mut found: Option<Box<AckProperties>> = None;
    each(body, version, |id, value| {
        let found = found.get_or_insert_default();
        match id {
            id::REASON_STRING => once(&mut found.reason_string, id, value.string()?),
            id::USER_PROPERTY => push(&mut found.user_properties, value),
            _ => not_allowed(id),
        }
    })?;
    Ok(found)
}

pub(super) fn subscribe(
    body: &mut Reader,
    version: Version,
) -> Result<SubscribeProperties, Malformed> {
    let mut found = SubscribeProperties::default();
    each(body, version, |id, value| match id {
        id::SUBSCRIPTION_IDENTIFIER => {
            once(&mut found.subscription_id, id, positive(id, value.integer()?)?)
        }
        id::USER_PROPERTY => push(&mut found.user_properties, value),
        _ => not_allowed(id),
    })?;
    Ok(found)
}

/// Those of UNSUBSCRIBE.
pub(super) fn user(body: &mut Reader, version: Version) -> Result<UserProperties, Malformed> {
    let mut found = UserProperties::new();
    each(body, version, |id, value| match id {
        id::USER_PROPERTY => push(&mut found, value),
        _ => not_allowed(id),
    })?;
    Ok(found)
}

pub(super) fn disconnect(body: &mut Reader) -> Result<DisconnectProperties, Malformed> {
    let mut found = DisconnectProperties::default();
    each(body, Version::V5, |id, value| match id {
        id::SESSION_EXPIRY_INTERVAL => once(&mut found.session_expiry_s, id, value.u32()?),
        id::REASON_STRING => once(&mut found.reason_string, id, value.string()?),
        id::SERVER_REFERENCE => once(&mut found.server_reference, id, value.string()?),
        id::USER_PROPERTY => push(&mut found.user_properties, value),
        _ => not_allowed(id),
    })?;
    Ok(found)
}

pub(super) fn auth(body: &mut Reader) -> Result<AuthProperties, Malformed> {
    let mut found = AuthProperties::default();
    each(body, Version::V5, |id, value| match id {
        id::AUTHENTICATION_METHOD => once(&mut found.authentication_method, id, value.string()?),
        id::AUTHENTICATION_DATA => once(&mut found.authentication_data, id, value.binary()?),
        id::REASON_STRING => once(&mut found.reason_string, id, value.string()?),
        id::USER_PROPERTY => push(&mut found.user_properties, value),
        _ => not_allowed(id),
    })?;
    Ok(found)
}

/// Reads each property of a section with `read`, which is given its identifier and takes its
/// value.
fn each(
    body: &mut Reader,
    version: Version,
    mut read: impl FnMut(u8, &mut Reader) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut section = body.properties(version)?;
    while !section.is_empty() {
        let id = section.integer()?;
        let id = u8::try_from(id).map_err(|_| Malformed::PropertyNotAllowed(id))?;
        read(id, &mut section)?;
    }
    Ok(())
}

fn once<T>(slot: &mut Option<T>, id: u8, value: T) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::PropertyTwice(id)),
    }
}

fn push(found: &mut Vec<(ByteString, ByteString)>, value: &mut Reader) -> Result<(), Malformed> {
    found.push((value.string()?, value.string()?));
    Ok(())
}

fn boolean(id: u8, value: &mut Reader) -> Result<bool, Malformed> {
    match value.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::PropertyNotBoolean(id)),
    }
}

fn positive<T: Default + PartialEq>(id: u8, value: T) -> Result<T, Malformed> {
    if value == T::default() { Err(Malformed::PropertyZero(id)) } else { Ok(value) }
}

fn not_allowed(id: u8) -> Result<(), Malformed> {
    Err(Malformed::PropertyNotAllowed(id.into()))
}
