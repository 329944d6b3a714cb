//! What AWS allows of a topic, a filter and the properties of a message, beyond the standards.

use mqtt::{PublishProperties, TopicFilter, UserProperties, reason};
use service::{Dialect, Limits};

use crate::ending::Fault;
use crate::routing::{RESERVED, Routing};

/// What goes to one rule alone (Basic Ingest); the rule's name follows.
const BASIC_INGEST: &str = "$aws/rules/";
/// Topics of commands, which are one level deeper than others may be.
const COMMANDS: &str = "$aws/commands/";

/// Refuses a topic that no direct message goes to.
pub(crate) fn check_topic(topic: &str, limits: &Limits) -> Result<(), Fault> {
    check_length(topic, limits)?;
    if topic.starts_with(RESERVED) {
        return Err(invalid(format!("the topic {topic} is reserved")));
    }
    Ok(())
}

/// Refuses a topic that no Will goes to: one of a service, whether there is one or not.
pub(crate) fn check_will_topic(
    topic: &str,
    limits: &Limits,
    routing: &Routing,
) -> Result<(), Fault> {
    check_length(topic, limits)?;
    if routing.is_reserved(topic) {
        return Err(invalid(format!("the topic {topic} is reserved")));
    }
    Ok(())
}

/// Refuses a payload that is too large.
pub(crate) fn check_payload(topic: &str, payload: &[u8], limits: &Limits) -> Result<(), Fault> {
    let (bytes, most) = (payload.len(), limits.mqtt_payload_bytes_max);
    if bytes <= most {
        return Ok(());
    }
    let why = format!("the message on {topic} has {bytes} bytes of at most {most}");
    Err(Fault::new(reason::PACKET_TOO_LARGE, "PAYLOAD_TOO_LARGE", why))
}

/// Refuses a topic that nobody may publish to.
pub(crate) fn check_destination(
    topic: &str,
    retain: bool,
    limits: &Limits,
    routing: &Routing,
) -> Result<(), Fault> {
    check_length(topic, limits)?;
    if !routing.is_reserved(topic) {
        return Ok(());
    }
    if routing.server(topic).is_none() {
        return Err(invalid(format!("the topic {topic} is reserved, and nothing serves it")));
    }
    if retain {
        return Err(invalid(format!("the topic {topic} is reserved, where nothing is retained")));
    }
    Ok(())
}

fn check_length(topic: &str, limits: &Limits) -> Result<(), Fault> {
    match too_long(topic, limits) {
        Some(why) => Err(invalid(format!("the topic {topic} {why}"))),
        None => Ok(()),
    }
}

fn invalid(why: String) -> Fault {
    Fault::new(reason::TOPIC_NAME_INVALID, "TOPIC_NAME_INVALID", why)
}

/// Why nobody may subscribe to `filter`, if so.
pub(crate) fn check_filter(
    filter: &TopicFilter,
    limits: &Limits,
    routing: &Routing,
) -> Result<(), String> {
    let text = filter.as_str();
    let name_chars_max = limits.mqtt_share_name_chars_max;
    if filter.share().is_some_and(|name| name.chars().count() > name_chars_max) {
        return Err(format!(
            "the topic filter {text} has a share name of over {name_chars_max} characters"
        ));
    }
    if let Some(why) = too_long(filter.filter(), limits) {
        return Err(format!("the topic filter {text} {why}"));
    }
    if routing.is_reserved(filter.filter()) && !routing.can_hear(filter) {
        return Err(format!("the topic filter {text} is reserved, and nothing serves it"));
    }
    Ok(())
}

fn too_long(topic: &str, limits: &Limits) -> Option<String> {
    let counted = own_part(topic);
    let (bytes, bytes_max) = (counted.len(), limits.mqtt_topic_bytes_max);
    if bytes > bytes_max {
        return Some(format!("has {bytes} bytes of at most {bytes_max}"));
    }
    let slashes = counted.bytes().filter(|byte| *byte == b'/').count();
    let deeper = usize::from(topic.starts_with(COMMANDS));
    let slashes_max = limits.mqtt_topic_slashes_max + deeper;
    (slashes > slashes_max).then(|| format!("has {slashes} slashes of at most {slashes_max}"))
}

/// What counts of a topic: of Basic Ingest, what follows the rule's name.
fn own_part(topic: &str) -> &str {
    let Some(rest) = topic.strip_prefix(BASIC_INGEST) else { return topic };
    rest.split_once('/').map_or("", |(_, own)| own)
}

/// Refuses a payload that is said to be UTF-8 and is not, where that is looked at.
pub(crate) fn check_format(
    payload: &[u8],
    properties: Option<&PublishProperties>,
    dialect: &Dialect,
) -> Result<(), Fault> {
    let is_text = properties.is_some_and(|properties| properties.payload_is_utf8 == Some(true));
    if !is_text || !dialect.checks_payload_format || std::str::from_utf8(payload).is_ok() {
        return Ok(());
    }
    let why = "the payload is said to be UTF-8 and is not";
    Err(Fault::new(reason::PAYLOAD_FORMAT_INVALID, "PAYLOAD_FORMAT_INVALID", why))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_bounds_and_some_are_reserved() {
        let check = |topic: &str| check_topic(topic, &Limits::default()).map_err(|f| f.code);
        let (good, bad) = (Ok(()), Err(reason::TOPIC_NAME_INVALID));
        assert_eq!(check("a/b"), good);
        assert_eq!(check(&"x".repeat(256)), good);
        assert_eq!(check(&"x".repeat(257)), bad);
        assert_eq!(check(&"é".repeat(128)), good);
        assert_eq!(check(&"é".repeat(129)), bad, "bytes count, not characters");
        assert_eq!(check("1/2/3/4/5/6/7/8"), good);
        assert_eq!(check("1/2/3/4/5/6/7/8/"), bad);
        assert_eq!(check("$aws/things/lamp/shadow/get"), bad);
        assert_eq!(check("a/$aws"), good);
    }

    #[test]
    fn filters_have_bounds_beside_their_share() {
        let check = |text: &str| {
            let filter = TopicFilter::parse(text.into()).unwrap();
            check_filter(&filter, &Limits::default(), &Routing::default()).is_ok()
        };
        assert!(check(&"x".repeat(256)));
        assert!(!check(&"x".repeat(257)));
        assert!(check("1/2/3/4/5/6/+/#"));
        assert!(!check("1/2/3/4/5/6/7/+/#"));
        assert!(check("$share/group/1/2/3/4/5/6/7/8"));
        assert!(check(&format!("$share/group/{}", "x".repeat(256))));
        assert!(check(&format!("$share/{}/x", "é".repeat(128))));
        assert!(!check(&format!("$share/{}/x", "é".repeat(129))));
        assert!(check("$aws/events/presence/connected/+"));
        assert!(check("$aws/events/presence/connected/1/2/3/4"));
        assert!(!check("$aws/events/presence/connected/1/2/3/4/5"));
        assert!(!check("$aws/things/lamp/shadow/get"), "nothing is there to be heard yet");
    }

    #[test]
    fn the_properties_of_a_message_have_bounds() {
        type Change = fn(&mut PublishProperties);
        let cases: [(Change, Result<(), u8>); 8] = [
            (|_| {}, Ok(())),
            (|p| p.content_type = Some("x".repeat(256).into()), Ok(())),
            (|p| p.content_type = Some("x".repeat(257).into()), Err(reason::QUOTA_EXCEEDED)),
            (|p| p.correlation_data = Some(vec![0; 8192].into()), Ok(())),
            (|p| p.correlation_data = Some(vec![0; 8193].into()), Err(reason::QUOTA_EXCEEDED)),
            (|p| p.user_properties = vec![("k".into(), "v".into()); 4096], Ok(())),
            (
                |p| p.user_properties = vec![("k".into(), "v".into()); 4097],
                Err(reason::QUOTA_EXCEEDED),
            ),
            (|p| p.subscription_ids = vec![7], Err(reason::PROTOCOL_ERROR)),
        ];
        for (change, expected) in cases {
            let mut properties = PublishProperties::default();
            change(&mut properties);
            let found = check_properties(&mut properties, &Limits::default());
            assert_eq!(found.map_err(|fault| fault.code), expected, "{properties:?}");
        }
    }

    #[test]
    fn a_life_that_is_too_short_or_too_long_is_cut() {
        let lives = [(None, None), (Some(0), Some(1)), (Some(1), Some(1)), (Some(60), Some(60))];
        let longest = [(Some(604_800), Some(604_800)), (Some(u32::MAX), Some(604_800))];
        for (asked_s, given_s) in lives.into_iter().chain(longest) {
            let mut properties =
                PublishProperties { message_expiry_s: asked_s, ..PublishProperties::default() };
            check_properties(&mut properties, &Limits::default()).unwrap();
            assert_eq!(properties.message_expiry_s, given_s);
        }
    }
}
