//! Destinations of rules: one record each, and one for each confirmation URL, which names it.

use model::iot::TopicRuleDestinationStatus;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, Timer, TimerKind, encode, kinds};
use store::{Batch, Key, KeyRange, Versioned};
use types::{Arn, Tenant, TenantId, Timestamp};

use super::{Counter, FORMAT, Stored, load};

/// A URL that rules may send messages below, once it has confirmed that it wants them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Destination {
    v: u32,
    /// Its ARN, for ever, which ends with its id.
    pub(crate) arn: String,
    /// Where it is asked to confirm.
    pub(crate) confirmation_url: String,
    /// Whether messages may be sent.
    pub(crate) status: TopicRuleDestinationStatus,
    /// Why it has that status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_reason: Option<String>,
    /// What it was last asked.
    pub(crate) question: Question,
    /// When it was created.
    pub(crate) created: Timestamp,
    /// When it was last changed.
    pub(crate) modified: Timestamp,
}

/// What a destination is asked, and answers by a token that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question {
    /// Random.
    pub(crate) id: String,
    /// When it was asked.
    pub(crate) asked: Timestamp,
    /// Until when it may be answered.
    pub(crate) expires: Timestamp,
}

impl Destination {
    /// A destination that is created now and is to be asked.
    pub(crate) fn new(cx: &Cx, confirmation_url: String, question: Question) -> Self {
        let id = cx.new_uuid();
        Self {
            v: FORMAT,
            arn: cx.arn(&format!("ruledestination/http/{id}")),
            confirmation_url,
            status: TopicRuleDestinationStatus::InProgress,
            status_reason: None,
            question,
            created: cx.now(),
            modified: cx.now(),
        }
    }

    /// The last part of its ARN.
    pub(crate) fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// When the question is to be put, and when it is too late to answer it.
    pub(crate) fn timers(&self, tenant: TenantId) -> [Timer; 2] {
        let Question { id, asked, expires } = &self.question;
        let timer = |kind, due| Timer { tenant, kind, id: format!("{}/{id}", self.id()), due };
        [
            timer(TimerKind::DESTINATION_QUESTION, *asked),
            timer(TimerKind::DESTINATION_TIMEOUT, *expires),
        ]
    }
}

/// Where the destination of an id lies.
pub(crate) fn key(tenant: TenantId, id: &str) -> Key {
    Key::new(tenant, kinds::RULE_DESTINATION).text(id)
}

/// All destinations of a tenant.
pub(crate) fn all(tenant: TenantId) -> KeyRange {
    KeyRange::prefix(&Key::new(tenant, kinds::RULE_DESTINATION))
}

/// The id in an ARN of a destination of this tenant.
pub(crate) fn id_in<'a>(tenant: &Tenant, arn: &'a str) -> Option<&'a str> {
    let arn = Arn::parse(arn).ok().filter(|arn| arn.service == "iot" && tenant.owns(arn))?;
    arn.resource.strip_prefix("ruledestination/http/").filter(|id| !id.is_empty())
}

/// A destination from its record.
pub(crate) fn decode(found: &Versioned) -> Result<Destination, ApiError> {
    service::decode(found)
}

/// The destination of an id.
pub(crate) async fn find(cx: &Cx, id: &str) -> Result<Option<Stored<Destination>>, ApiError> {
    load(cx, key(cx.tenant.id, id)).await
}

/// Whether there is a destination with this confirmation URL.
pub(crate) async fn has_url(cx: &Cx, url: &str) -> Result<bool, ApiError> {
    Ok(cx.store().get(&url_key(cx.tenant.id, url)).await?.is_some())
}

/// How many destinations there are.
pub(crate) async fn counter(cx: &Cx) -> Result<Counter, ApiError> {
    Counter::read(cx, kinds::RULE_DESTINATION_COUNT).await
}

/// Adds destinations whose URLs must be free, counts them, and has them asked.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, new: &[Destination], counter: &Counter) {
    for destination in new {
        let url = url_key(cx.tenant.id, &destination.confirmation_url);
        batch.require_absent(url.clone());
        batch.put(url, encode(&destination.id()));
        batch.put(key(cx.tenant.id, destination.id()), encode(destination));
        for timer in destination.timers(cx.tenant.id) {
            cx.app.schedule.set(batch, &timer);
        }
    }
    counter.set(batch, counter.number() + new.len());
}

/// Replaces `before` by `after`, with the same URL. Timers are the caller's.
pub(crate) fn replace(batch: &mut Batch, before: &Stored<Destination>, after: &Destination) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
}

/// Removes a destination and all that belongs to it.
pub(crate) fn delete(
    cx: &Cx,
    batch: &mut Batch,
    destination: &Stored<Destination>,
    counter: &Counter,
) {
    destination.require_unchanged(batch);
    batch.delete(destination.key.clone());
    batch.delete(url_key(cx.tenant.id, &destination.document.confirmation_url));
    for timer in destination.document.timers(cx.tenant.id) {
        cx.app.schedule.cancel(batch, &timer);
    }
    counter.set(batch, counter.number().saturating_sub(1));
}

/// One page of the destinations, and the token of the next.
pub(crate) async fn page(
    cx: &Cx,
    page: PageRequest<'_>,
) -> Result<(Vec<Destination>, Option<String>), ApiError> {
    let listing = cx.page(all(cx.tenant.id), page).await?;
    let decode = |entry: &store::Entry| serde_json::from_slice(&entry.value);
    let found: Result<Vec<_>, _> = listing.entries.iter().map(decode).collect();
    Ok((found.map_err(ApiError::internal)?, listing.next))
}

fn url_key(tenant: TenantId, url: &str) -> Key {
    Key::new(tenant, kinds::RULE_DESTINATION_BY_URL).text(url)
}
