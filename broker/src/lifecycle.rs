//! Lifecycle events: what `$aws/events/presence` and `$aws/events/subscriptions` tell of clients.
//!
//! They are messages of QoS 1 in the tenant's space, delivered like any other, and nobody can
//! switch them off: policies decide who reads them. An event that nobody subscribes to is not
//! even written.

use std::sync::Arc;

use std::net::IpAddr;

use mqtt::TopicFilter;
use serde::Serialize;
use service::Sender;

use crate::ending::Ending;
use crate::message::Message;
use crate::publish::post;
use crate::routing::Route;
use crate::space::{Client, Space};
use crate::turn::Turn;

/// What happened to a client.
pub(crate) enum Lifecycle<'a> {
    Connected,
    Disconnected(&'a Ending),
    /// Its policies do not allow it to connect, or its Will to be published.
    ConnectFailed,
    /// To these filters.
    Subscribed(Vec<&'a str>),
    /// From these filters.
    Unsubscribed(Vec<&'a str>),
}

/// Where events stand, and those that there are.
const PREFIX: &str = "$aws/events/";
const FAMILIES: [(&str, &[&str]); 2] = [
    ("presence", &["connected", "disconnected", "connect_failed"]),
    ("subscriptions", &["subscribed", "unsubscribed"]),
];
/// Clients with these in their ids have no events: no topic could be made of them.
const WILDCARDS: [char; 2] = ['#', '+'];

/// An event as it is read. What does not belong to its kind is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<&'a str>,
    timestamp: i64,
    event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_failure_reason: Option<&'static str>,
    session_identifier: String,
    principal_identifier: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_initiated_disconnect: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_number: Option<u64>,
}

impl Lifecycle<'_> {
    fn family(&self) -> &'static str {
        match self {
            Self::Connected | Self::Disconnected(_) | Self::ConnectFailed => "presence",
            Self::Subscribed(_) | Self::Unsubscribed(_) => "subscriptions",
        }
    }

    fn event_type(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected(_) => "disconnected",
            Self::ConnectFailed => "connect_failed",
            Self::Subscribed(_) => "subscribed",
            Self::Unsubscribed(_) => "unsubscribed",
        }
    }

    fn of<'a>(&'a self, client: &'a Client, thing: Option<&'a str>, timestamp: i64) -> Event<'a> {
        let has_address = matches!(self, Self::Connected | Self::ConnectFailed);
        let has_version = matches!(self, Self::Connected | Self::Disconnected(_));
        let ending = if let Self::Disconnected(ending) = self { Some(*ending) } else { None };
        Event {
            client_id: &client.id,
            thing_name: thing,
            timestamp,
            event_type: self.event_type(),
            connect_failure_reason: matches!(self, Self::ConnectFailed)
                .then_some("AUTHORIZATION_FAILED"),
            session_identifier: client.session_id.to_string(),
            principal_identifier: &client.principal.id,
            ip_address: has_address.then(|| client.principal.knock.peer.ip().to_canonical()),
            client_initiated_disconnect: ending
                .map(|ending| matches!(ending, Ending::Client { .. })),
            disconnect_reason: ending.map(Ending::disconnect_reason),
            topics: match self {
                Self::Subscribed(topics) | Self::Unsubscribed(topics) => Some(topics),
                _ => None,
            },
            version_number: has_version.then_some(client.version_number),
        }
    }
}

/// Tells whoever listens what happened to `client`.
///
/// What is returned is to be started once the turn is over.
#[must_use]
pub(crate) fn tell(
    space: &Space,
    client: &Client,
    what: &Lifecycle<'_>,
    turn: &mut Turn<'_>,
) -> Option<Route> {
    if client.id.contains(WILDCARDS) {
        return None;
    }
    let topic = format!("{PREFIX}{}/{}/{}", what.family(), what.event_type(), client.id);
    let timestamp = turn.now.millis();
    announce(space, topic, turn, || {
        let rights = client.permissions.rights();
        let thing = rights.thing.as_ref().filter(|thing| thing.is_exclusive);
        let event = what.of(client, thing.map(|thing| thing.name.as_str()), timestamp);
        serde_json::to_vec(&event).expect("texts and numbers can be written")
    })
}

/// Publishes what the server itself has to say, if somebody subscribes to it or hears it.
fn announce(
    space: &Space,
    topic: String,
    turn: &mut Turn<'_>,
    payload: impl FnOnce() -> Vec<u8>,
) -> Option<Route> {
    // Past the memory of matches: each client's events have topics of their own, and would drive
    // everybody else's out.
    let subscribers = space.subscribers(&topic);
    if subscribers.is_empty() && !space.routing.is_tapped(&space.tenant, &topic) {
        return None;
    }
    let message = Arc::new(Message::of_server(topic.into(), payload().into()));
    // What cannot be written is dropped, as what finds no room in a queue is.
    post(&subscribers, &message, turn).write(&message, None);
    space.route(&message, Sender::default, turn.now)
}

/// Whether `filter` matches any event that there is.
pub(crate) fn can_hear(filter: &TopicFilter) -> bool {
    let Some(rest) = filter.filter().strip_prefix(PREFIX) else { return false };
    let mut levels = rest.split('/');
    let mut level = || levels.next();
    let Some(family) = level() else { return false };
    if family == "#" {
        return true;
    }
    let mut kinds = FAMILIES.iter().filter(|(name, _)| family == "+" || family == *name);
    let Some(kind) = level() else { return false };
    let is_known = kinds.any(|(_, kinds)| ["+", "#"].contains(&kind) || kinds.contains(&kind));
    is_known
        && (kind == "#" || level().is_some_and(|client| !client.is_empty() || level().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_match_an_event_can_be_heard() {
        let can_hear = |text: &str| can_hear(&TopicFilter::parse(text.into()).unwrap());
        for filter in [
            "$aws/events/#",
            "$aws/events/+/+/lamp",
            "$aws/events/+/unsubscribed/#",
            "$aws/events/presence/#",
            "$aws/events/presence/+/lamp",
            "$aws/events/presence/connected/lamp",
            "$aws/events/presence/disconnected/+",
            "$aws/events/presence/connect_failed/floor/1/lamp",
            "$aws/events/presence/connected//lamp",
            "$aws/events/subscriptions/subscribed/#",
            "$aws/events/subscriptions/+/+",
        ] {
            assert!(can_hear(filter), "{filter}");
        }
        for filter in [
            "$aws/#",
            "$aws/+/presence/connected/lamp",
            "$aws/events",
            "$aws/events/+",
            "$aws/events/",
            "$aws/events/presence",
            "$aws/events/presence/+",
            "$aws/events/presence/connected",
            "$aws/events/presence/connected/",
            "$aws/events/presence/subscribed/lamp",
            "$aws/events/presence/subscribed/#",
            "$aws/events/subscriptions/connected/+",
            "$aws/events/thing/lamp/created",
            "$aws/events/thing/#",
            "$aws/eventsx/#",
            "events/presence/#",
        ] {
            assert!(!can_hear(filter), "{filter}");
        }
    }
}
