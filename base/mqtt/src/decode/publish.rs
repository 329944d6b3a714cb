//! PUBLISH.

use super::properties;
use super::reader::Reader;
use crate::malformed::Malformed;
use crate::packet::{Publish, QoS, Version};

const RETAIN: u8 = 0b0001;
const DUP: u8 = 0b1000;

pub(super) fn check_flags(flags: u8) -> Result<(), Malformed> {
    match QoS::from_bits(flags >> 1) {
        None => Err(Malformed::PublishQos3),
        Some(QoS::AtMostOnce) if flags & DUP != 0 => Err(Malformed::DuplicateOfQos0),
        Some(_) => Ok(()),
    }
}

pub(super) fn publish(
    flags: u8,
    body: &mut Reader,
    version: Version,
    from_client: bool,
) -> Result<Publish, Malformed> {
    let qos = QoS::from_bits(flags >> 1).ok_or(Malformed::PublishQos3)?;
    let topic = body.topic(Malformed::TopicWildcard)?;
    let packet_id = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some(body.packet_id()?),
    };
    let properties = properties::publish(body, version)?;
    if topic.is_empty() && properties.as_ref().is_none_or(|found| found.topic_alias.is_none()) {
        return Err(Malformed::TopicEmpty);
    }
    if from_client && properties.as_ref().is_some_and(|found| !found.subscription_ids.is_empty()) {
        return Err(Malformed::SubscriptionIdFromClient);
    }
    Ok(Publish {
        dup: flags & DUP != 0,
        qos,
        retain: flags & RETAIN != 0,
        topic,
        packet_id,
        properties,
        payload: body.take_rest(),
    })
}
