//! Events of the registry: what `$aws/events` tells of things, thing types and thing groups.
//!
//! They are messages of QoS 1 in the tenant's space, and only where UpdateEventConfigurations
//! switched them on. They are in the batch of the change, so that each is told at least once. One
//! function makes each.

pub(crate) mod groups;
pub(crate) mod topics;

use std::collections::BTreeSet;

use model::iot::EventType;
use serde_json::{Map, Value, json};
use service::{ApiError, Cx, OutgoingMessage};
use store::{Batch, CommitError};

use crate::store::event_configurations;
use crate::store::thing_types::ThingType;
use crate::store::things::Thing;

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Updated,
    Deleted,
}

/// What happened to the tie between two resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    Added,
    Removed,
}

/// An event that is told if its kind is switched on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    kind: EventType,
    topic: String,
    name: &'static str,
    operation: &'static str,
    /// Whether it says whose it is.
    names_account: bool,
    /// What it says beside what all events say.
    details: Value,
}

/// The kinds of events that the tenant has switched on. What only an event says is read if its kind
/// is among them.
pub(crate) struct Wanted(BTreeSet<EventType>);

/// What is switched on now.
pub(crate) async fn wanted(cx: &Cx) -> Result<Wanted, ApiError> {
    let stored = event_configurations::find(cx).await?;
    Ok(Wanted(stored.map(|stored| stored.document.enabled).unwrap_or_default()))
}

/// Commits `batch`, and tells of the change by those of `events` that are wanted.
pub(crate) async fn commit(
    cx: &Cx,
    batch: Batch,
    wanted: &Wanted,
    events: impl FnOnce() -> Vec<Event>,
) -> Result<(), CommitError> {
    let events = if wanted.0.is_empty() { Vec::new() } else { events() };
    let told = events.into_iter().filter(|event| wanted.has(event.kind));
    let messages = told.map(|event| event.message(cx)).collect();
    cx.commit_and_publish(batch, messages).await?;
    Ok(())
}

impl Wanted {
    /// Whether events of this kind are told.
    pub(crate) fn has(&self, kind: EventType) -> bool {
        self.0.contains(&kind)
    }
}

/// What happened to a thing, which `thing` describes after it, or before it is deleted.
pub(crate) fn thing(change: Change, thing: &Thing) -> Event {
    let Thing { name, id, type_name, attributes, version, .. } = thing;
    Event {
        kind: EventType::Thing,
        topic: format!("thing/{name}/{}", change.word()),
        name: "THING_EVENT",
        operation: change.operation(),
        names_account: true,
        details: json!({
            "thingId": id,
            "thingName": name,
            "versionNumber": version,
            "thingTypeName": type_name,
            "attributes": attributes,
        }),
    }
}

/// What happened to a thing type. Its deprecation is an update.
pub(crate) fn thing_type(change: Change, thing_type: &ThingType) -> Event {
    let ThingType { name, id, properties, deprecated, .. } = thing_type;
    let propagating = properties.mqtt5_configuration.as_ref();
    let propagating = propagating.and_then(|mqtt5| mqtt5.propagating_attributes.as_deref());
    Event {
        kind: EventType::ThingType,
        topic: format!("thingType/{name}/{}", change.word()),
        name: "THING_TYPE_EVENT",
        operation: change.operation(),
        names_account: true,
        details: json!({
            "thingTypeId": id,
            "thingTypeName": name,
            "isDeprecated": deprecated.is_some(),
            "deprecationDate": deprecated.map(|date| date.millis()),
            "searchableAttributes": properties.searchable_attributes.as_deref().unwrap_or_default(),
            "propagatingAttributes": propagating.unwrap_or_default(),
            "description": properties.thing_type_description,
        }),
    }
}

/// That a thing is now, or is no longer, of a type.
pub(crate) fn thing_type_association(tie: Tie, thing: &Thing, type_name: &str) -> Event {
    let Thing { name, id, .. } = thing;
    Event {
        kind: EventType::ThingTypeAssociation,
        topic: format!("thingTypeAssociation/thing/{name}/thingType/{type_name}/{}", tie.word()),
        name: "THING_TYPE_ASSOCIATION_EVENT",
        operation: tie.operation(),
        names_account: false,
        details: json!({ "thingId": id, "thingName": name, "thingTypeName": type_name }),
    }
}

/// What a change of a thing from `before` to `after` says of its type.
pub(crate) fn associations(before: Option<&Thing>, after: Option<&Thing>) -> Vec<Event> {
    let had = before.and_then(|thing| Some((thing, thing.type_name.as_deref()?)));
    let has = after.and_then(|thing| Some((thing, thing.type_name.as_deref()?)));
    if had.map(|(_, name)| name) == has.map(|(_, name)| name) {
        return Vec::new();
    }
    let removed = had.map(|(thing, name)| thing_type_association(Tie::Removed, thing, name));
    let added = has.map(|(thing, name)| thing_type_association(Tie::Added, thing, name));
    removed.into_iter().chain(added).collect()
}

impl Event {
    /// What is published of it.
    fn message(self, cx: &Cx) -> OutgoingMessage {
        let Self { topic, name, operation, names_account, details, .. } = self;
        let mut payload = match details {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        payload.insert("eventType".to_owned(), name.into());
        payload.insert("eventId".to_owned(), cx.new_uuid().to_string().into());
        payload.insert("timestamp".to_owned(), cx.now().millis().into());
        payload.insert("operation".to_owned(), operation.into());
        if names_account {
            payload.insert("accountId".to_owned(), cx.tenant.account.as_str().into());
        }
        OutgoingMessage::new(
            format!("{}{topic}", topics::PREFIX),
            Value::Object(payload).to_string(),
        )
    }
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }

    fn operation(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Updated => "UPDATED",
            Self::Deleted => "DELETED",
        }
    }
}

impl Tie {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }

    fn operation(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Removed => "REMOVED",
        }
    }
}
