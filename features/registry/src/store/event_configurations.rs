//! Which events a tenant has switched on: one record for all of them.

use std::collections::BTreeSet;

use model::iot::EventType;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, encode, kinds};
use store::{Batch, Key};
use types::Timestamp;

use super::{FORMAT, Stored, load, require_as_read};

/// What a tenant has switched on. It appears with the first change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventConfigurations {
    v: u32,
    /// Those that are told of.
    pub(crate) enabled: BTreeSet<EventType>,
    /// When they were changed for the first time.
    pub(crate) created: Timestamp,
    /// When they were last changed.
    pub(crate) modified: Timestamp,
}

impl EventConfigurations {
    /// As it is before the first change, at `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { v: FORMAT, enabled: BTreeSet::new(), created: now, modified: now }
    }
}

/// What the tenant has switched on; none before the first change.
pub(crate) async fn find(cx: &Cx) -> Result<Option<Stored<EventConfigurations>>, ApiError> {
    load(cx, place(cx)).await
}

/// Replaces what was read by `after`.
pub(crate) fn replace(
    cx: &Cx,
    batch: &mut Batch,
    before: Option<&Stored<EventConfigurations>>,
    after: &EventConfigurations,
) {
    let key = place(cx);
    require_as_read(batch, &key, before);
    batch.put(key, encode(after));
}

fn place(cx: &Cx) -> Key {
    cx.key(kinds::EVENT_CONFIGURATIONS)
}
