//! Where events of the registry stand, so that clients may subscribe to them and to nothing else.

use mqtt::TopicFilter;
use service::{Answer, ApiError, Audience, BoxFuture, ReservedMessage, ReservedTopic};

/// Where events stand.
pub(super) const PREFIX: &str = "$aws/events/";
const CHANGES: &[&str] = &["created", "updated", "deleted"];
const TIES: &[&str] = &["added", "removed"];
/// The topics of events without their last levels, which follow; `+` is a name.
const FAMILIES: [(&str, &[&str]); 6] = [
    ("thing/+", CHANGES),
    ("thingType/+", CHANGES),
    ("thingTypeAssociation/thing/+/thingType/+", TIES),
    ("thingGroup/+", CHANGES),
    ("thingGroupMembership/thingGroup/+/thing/+", TIES),
    ("thingGroupHierarchy/thingGroup/+/childThingGroup/+", TIES),
];

/// The topics of the registry's events: clients hear them, and nobody but the registry publishes
/// there.
pub(crate) struct EventTopics;

impl ReservedTopic for EventTopics {
    fn takes(&self, _: &str) -> Option<Audience> {
        None
    }

    fn can_hear(&self, filter: &TopicFilter) -> bool {
        // No name is empty.
        let is_whole = !filter.filter().contains("//");
        let overlaps = |(path, last): &(&str, &[&str])| {
            last.iter().any(|last| filter.overlaps(&format!("{PREFIX}{path}/{last}")))
        };
        is_whole && FAMILIES.iter().any(overlaps)
    }

    fn handle(&self, _: ReservedMessage) -> BoxFuture<'_, Result<Answer, ApiError>> {
        let refused = ApiError::invalid("Events are published by the registry alone.");
        Box::pin(std::future::ready(Err(refused)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can_hear(text: &str) -> bool {
        EventTopics.can_hear(&TopicFilter::parse(text.into()).expect("a test names a filter"))
    }

    #[test]
    fn filters_that_match_an_event_can_be_heard() {
        for filter in [
            "$aws/#",
            "$aws/events/#",
            "$aws/events/+/+/created",
            "$aws/events/thing/#",
            "$aws/events/thing/lamp/created",
            "$aws/events/thing/lamp/created/#",
            "$aws/events/thing/+/+",
            "$aws/events/thingType/bulb/deleted",
            "$aws/events/thingTypeAssociation/thing/lamp/thingType/+/added",
            "$aws/events/thingTypeAssociation/thing/lamp/#",
            "$aws/events/thingGroup/+/updated",
            "$aws/events/thingGroupMembership/thingGroup/g/thing/lamp/removed",
            "$aws/events/thingGroupHierarchy/thingGroup/g/childThingGroup/+/+",
            "$aws/events/+/thingGroup/#",
        ] {
            assert!(can_hear(filter), "{filter}");
        }
    }

    #[test]
    fn filters_that_match_none_cannot() {
        for filter in [
            "$aws/events",
            "$aws/events/",
            "$aws/events/+",
            "$aws/events/thing",
            "$aws/events/thing/lamp",
            "$aws/events/thing//created",
            "$aws/events/thing/lamp/added",
            "$aws/events/thing/lamp/created/more",
            "$aws/events/thingTypeAssociation/thing/lamp/bulb/added",
            "$aws/events/thingTypeAssociation/thing/lamp/thingType/bulb/created",
            "$aws/events/presence/#",
            "$aws/eventsx/thing/#",
            "events/thing/#",
        ] {
            assert!(!can_hear(filter), "{filter}");
        }
    }
}
