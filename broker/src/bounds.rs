//! What AWS allows of a topic, a filter and the properties of a message, beyond the standards.

use mqtt::{PublishProperties, TopicFilter, UserProperties, reason};
use service::Limits;

use crate::ending::Fault;

/// Topics that begin so belong to AWS's services.
const RESERVED: char = '$';

/// Refuses a topic that nobody may publish to.
pub(crate) fn check_topic(topic: &str, limits: &Limits) -> Result<(), Fault> {
    let refuse =
        |why: String| Err(Fault::new(reason::TOPIC_NAME_INVALID, "TOPIC_NAME_INVALID", why));
    if let Some(why) = too_long(topic, limits) {
        return refuse(format!("the topic {topic} {why}"));
    }
    if topic.starts_with(RESERVED) {
        return refuse(format!("the topic {topic} is reserved, and nothing serves it yet"));
    }
    Ok(())
}

/// Why nobody may subscribe to `filter`, if so.
pub(crate) fn check_filter(filter: &TopicFilter, limits: &Limits) -> Result<(), String> {
    match too_long(filter.filter(), limits) {
        Some(why) => Err(format!("the topic filter {} {why}", filter.as_str())),
        None => Ok(()),
    }
}

fn too_long(topic: &str, limits: &Limits) -> Option<String> {
    let (bytes, bytes_max) = (topic.len(), limits.mqtt_topic_bytes_max);
    if bytes > bytes_max {
        return Some(format!("has {bytes} bytes of at most {bytes_max}"));
    }
    let slashes = topic.bytes().filter(|byte| *byte == b'/').count();
    let slashes_max = limits.mqtt_topic_slashes_max;
    (slashes > slashes_max).then(|| format!("has {slashes} slashes of at most {slashes_max}"))
}

/// Holds the properties of a message to AWS's bounds; a time to live beyond them is cut.
pub(crate) fn check_properties(
    properties: &mut PublishProperties,
    limits: &Limits,
) -> Result<(), Fault> {
    if !properties.subscription_ids.is_empty() {
        let why = "a client's PUBLISH has a subscription identifier (MQTT-3.3.4-6)";
        return Err(Fault::protocol(why));
    }
    check_user_properties(&properties.user_properties, limits)?;
    let content_type = properties.content_type.as_ref().map_or(0, |text| text.len());
    check_bytes("content type", content_type, limits.mqtt_content_type_bytes_max)?;
    let correlation = properties.correlation_data.as_ref().map_or(0, |data| data.len());
    check_bytes("correlation data", correlation, limits.mqtt_correlation_data_bytes_max)?;
    if let Some(expiry_s) = &mut properties.message_expiry_s {
        *expiry_s = (*expiry_s).clamp(1, limits.mqtt_message_expiry_s_max);
    }
    Ok(())
}

/// Holds the user properties of one packet to AWS's bound.
pub(crate) fn check_user_properties(
    properties: &UserProperties,
    limits: &Limits,
) -> Result<(), Fault> {
    let bytes = properties.iter().map(|(name, value)| name.len() + value.len()).sum();
    check_bytes("user properties", bytes, limits.mqtt_user_properties_bytes_max)
}

fn check_bytes(what: &str, bytes: usize, bytes_max: usize) -> Result<(), Fault> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let why = format!("the {what} of a packet has {bytes} bytes of at most {bytes_max}");
    Err(Fault::new(reason::QUOTA_EXCEEDED, "QUOTA_EXCEEDED", why))
}
