//! Persistent sessions and their subscriptions as they are stored.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytestring::ByteString;
use journal::QueueId;
use mqtt::{QoS, RetainHandling, SubscriptionOptions, TopicFilter, Version};
use serde::{Deserialize, Serialize};
use service::kinds;
use store::{Key, KeyRange};
use types::{Tenant, TenantId, Timestamp};

use crate::departures::{Departure, Facts};
use crate::persistent::{DelayedWill, Parts, Persistent};
use crate::stored;
use crate::subscriptions::Held;

/// The format that is written.
const FORMAT: u32 = 1;

/// A session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionRecord {
    v: u32,
    client_id: String,
    /// Its queue in the journal.
    queue: u64,
    /// MQTT's protocol level: 4 or 5.
    level: u8,
    expiry_s: u32,
    /// None while the client is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<Left>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    will: Option<WillRecord>,
}

/// How a client left.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Left {
    at: Timestamp,
    reason: String,
    version_number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thing: Option<String>,
    is_clean: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_alive_s: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<SocketAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<SocketAddr>,
}

/// A Will that waits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WillRecord {
    due: Timestamp,
    /// As in the journal, in base64.
    message: String,
}

/// The queue of a group that a persistent session is in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupRecord {
    v: u32,
    /// `$share` and name included: a key does not tell a long one.
    pub(super) filter: String,
    queue: u64,
}

/// A subscription of a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionRecord {
    v: u32,
    pub(super) client_id: String,
    filter: String,
    qos: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_local: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retain_as_published: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
}

pub(super) fn session_key(tenant: TenantId, client_id: &str) -> Key {
    Key::new(tenant, kinds::SESSION).text(client_id)
}

pub(super) fn subscription_key(tenant: TenantId, client_id: &str, filter: &str) -> Key {
    Key::new(tenant, kinds::SESSION_SUBSCRIPTION).text(client_id).text(filter)
}

/// All sessions of a tenant.
pub(super) fn sessions_range(tenant: TenantId) -> KeyRange {
    KeyRange::prefix(&Key::new(tenant, kinds::SESSION))
}

/// All subscriptions of a tenant, or those of one session.
pub(super) fn subscriptions_range(tenant: TenantId, client_id: Option<&str>) -> KeyRange {
    let all = Key::new(tenant, kinds::SESSION_SUBSCRIPTION);
    KeyRange::prefix(&match client_id {
        Some(client_id) => all.text(client_id),
        None => all,
    })
}

impl SessionRecord {
    pub(super) fn of(session: &Persistent) -> Self {
        Self {
            v: FORMAT,
            client_id: session.client_id.to_string(),
            queue: session.queue.id.0,
            level: if session.version == Version::V5 { 5 } else { 4 },
            expiry_s: session.expiry_s(),
            left: session.left().map(Left::of),
            will: session.will().map(|will| WillRecord::of(&will)),
        }
    }

    /// Where it is written.
    pub(super) fn key(&self, tenant: TenantId) -> Key {
        session_key(tenant, &self.client_id)
    }

    /// Says that the client is there, and has it kept for so long after.
    pub(super) fn is_connected(&mut self, expiry_s: u32) {
        (self.left, self.will) = (None, None);
        self.expiry_s = expiry_s;
    }

    /// The session that was written. One whose client was connected has left `now`: the server
    /// was not there to see it.
    pub(super) fn into_parts(self, number: u64, tenant: &Tenant, now: Timestamp) -> Parts {
        let left = match self.left {
            Some(left) => left.into_departure(number),
            None => Departure::unseen(number, now),
        };
        Parts {
            number,
            tenant: tenant.clone(),
            client_id: self.client_id.into(),
            version: if self.level == 5 { Version::V5 } else { Version::V311 },
            queue: QueueId(self.queue),
            expiry_s: self.expiry_s,
            left: Some(left),
            will: self.will.and_then(WillRecord::into_will),
        }
    }

    /// Whether its client was connected when the server ended.
    pub(super) fn was_connected(&self) -> bool {
        self.left.is_none()
    }
}

impl GroupRecord {
    pub(crate) fn new(filter: &TopicFilter, queue: QueueId) -> Self {
        Self { v: FORMAT, filter: filter.as_str().to_owned(), queue: queue.0 }
    }

    pub(super) fn queue(&self) -> QueueId {
        QueueId(self.queue)
    }
}

impl Left {
    fn of(departure: Departure) -> Self {
        let Departure { number: _, version_number, at, reason, facts } = departure;
        let Facts { thing, is_clean, keep_alive_s, source, target } = facts;
        let reason = reason.into_owned();
        Self { at, reason, version_number, thing, is_clean, keep_alive_s, source, target }
    }

    fn into_departure(self, number: u64) -> Departure {
        let Self { at, reason, version_number, thing, is_clean, keep_alive_s, source, target } =
            self;
        let facts = Facts { thing, is_clean, keep_alive_s, source, target };
        Departure { number, version_number, at, reason: reason.into(), facts }
    }
}

impl WillRecord {
    fn of(will: &DelayedWill) -> Self {
        let mut message = Vec::new();
        stored::encode(&will.message, &mut message);
        Self { due: will.due, message: STANDARD.encode(message) }
    }

    fn into_will(self) -> Option<DelayedWill> {
        let bytes = STANDARD.decode(self.message).ok()?;
        let message = stored::decode(&bytes.into()).ok()?;
        Some(DelayedWill { message: message.into(), due: self.due })
    }
}

impl SubscriptionRecord {
    pub(super) fn of(client_id: &str, held: &Held) -> Self {
        Self {
            v: FORMAT,
            client_id: client_id.to_owned(),
            filter: held.filter.as_str().to_owned(),
            qos: held.options.qos as u8,
            no_local: held.options.no_local,
            retain_as_published: held.options.retain_as_published,
            id: held.id,
        }
    }

    /// The subscription that was written, if its filter is still one.
    pub(super) fn into_held(self) -> Option<Held> {
        let filter = TopicFilter::parse(ByteString::from(self.filter)).ok()?;
        let options = SubscriptionOptions {
            qos: QoS::from_bits(self.qos)?,
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: RetainHandling::DoNotSend,
        };
        Some(Held { filter, options, id: self.id })
    }
}
