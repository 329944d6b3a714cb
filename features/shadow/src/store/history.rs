//! Versions of shadows that can be asked for later, by (shadow, version, whether that was its
//! deletion).

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service::{ApiError, Limits, kinds};
use store::{Batch, Direction, Entry, Key, KeyRange, Page, Store};
use types::{Tenant, TenantId};

use super::FORMAT;
use crate::name::ShadowName;

/// Versions that are too old and are removed with a new one: more than one, so that they become
/// fewer.
const REMOVED_AT_ONCE: u32 = 4;

/// Who changed a shadow.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Author<'r> {
    /// Its ARN over HTTP, and what events call it over MQTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<Cow<'r, str>>,
    /// None over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<Cow<'r, str>>,
    /// Where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_ip: Option<IpAddr>,
}

/// A version of a shadow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Past<'r> {
    v: u32,
    /// Which.
    pub(crate) version: u64,
    /// When it was made, in seconds.
    pub(crate) timestamp: i64,
    /// By whom.
    #[serde(borrow)]
    pub(crate) by: Author<'r>,
    /// None if it was deleted then.
    #[serde(borrow)]
    pub(crate) state: Option<&'r RawValue>,
}

impl<'r> Past<'r> {
    /// A version that has just been made.
    pub(crate) fn new(
        version: u64,
        timestamp: i64,
        by: Author<'r>,
        state: Option<&'r RawValue>,
    ) -> Self {
        Self { v: FORMAT, version, timestamp, by, state }
    }

    /// The version of a record.
    pub(crate) fn read(entry: &'r Entry) -> Result<Self, ApiError> {
        serde_json::from_slice(&entry.value).map_err(ApiError::internal)
    }
}

/// Keeps `past` with the change that made it, and lets go of what is beyond the bounds.
pub(crate) async fn keep(
    store: &Store,
    batch: &mut Batch,
    tenant: &Tenant,
    name: &ShadowName,
    past: &Past<'_>,
    limits: &Limits,
) -> Result<(), ApiError> {
    let shadow = key(tenant.id, &name.label());
    let is_deletion = u64::from(past.state.is_none());
    let place = shadow.clone().number(past.version).number(is_deletion);
    batch.put(place, service::encode(past));
    let most = u64::try_from(limits.shadow_history_versions_max).unwrap_or(u64::MAX);
    if let Some(last) = past.version.checked_sub(most) {
        // All that there are, should the bound have been higher.
        let (start, end) = (shadow.clone().number(0), shadow.clone().number(last + 1));
        batch.delete_range(KeyRange { start, end });
    }
    let Some(oldest) = oldest(past.timestamp, limits) else { return Ok(()) };
    let range = KeyRange::prefix(&shadow);
    let page = store.scan(range, None, REMOVED_AT_ONCE, Direction::Forward).await?;
    for entry in &page.entries {
        // One that cannot be read says nothing to anybody.
        if Past::read(entry).map_or(true, |past| past.timestamp < oldest) {
            batch.delete(entry.key.clone());
        }
    }
    Ok(())
}

/// At most `limit` versions before `before`, the newest first.
pub(crate) async fn page(
    store: &Store,
    tenant: &Tenant,
    name: &ShadowName,
    before: Option<u64>,
    limit: u32,
) -> Result<Page, ApiError> {
    let shadow = key(tenant.id, &name.label());
    let after = before.map(|version| shadow.clone().number(version));
    let range = KeyRange::prefix(&shadow);
    Ok(store.scan(range, after, limit, Direction::Backward).await?)
}

/// Lets go of all versions of the shadow that is called `label`.
pub(super) fn forget(batch: &mut Batch, tenant: TenantId, label: &str) {
    batch.delete_range(KeyRange::prefix(&key(tenant, label)));
}

/// What is older than this, in seconds, is not kept; none if nothing is too old.
pub(crate) fn oldest(now: i64, limits: &Limits) -> Option<i64> {
    let span = i64::try_from(limits.shadow_history_s_max).unwrap_or(i64::MAX);
    (span > 0).then(|| now.saturating_sub(span))
}

fn key(tenant: TenantId, label: &str) -> Key {
    Key::new(tenant, kinds::SHADOW_HISTORY).text(label)
}
