//! The records of shadows. Nothing else knows their keys.
//!
//! A record is JSON that a person can read, written and read by hand where it is the text that a
//! client gets; `times` is as `times.rs` says.

pub(crate) mod history;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service::{ApiError, Timer, TimerKind, kinds};
use store::{Batch, Key, KeyRange, Sequence, Store};
use types::{Tenant, TenantId, Timestamp};

use crate::document::Document;
use crate::name::ShadowName;

/// The format of the records that this crate writes.
const FORMAT: u32 = 1;

/// A shadow's record, as it stands in the store.
#[derive(Debug, Deserialize)]
pub(crate) struct Record<'r> {
    /// One more with each update.
    pub(crate) version: u64,
    /// What is desired and what is reported.
    #[serde(borrow)]
    pub(crate) state: &'r RawValue,
    /// What is desired and not reported, if anything is.
    #[serde(borrow, default)]
    pub(crate) delta: Option<&'r RawValue>,
    /// When each value was written.
    #[serde(borrow)]
    pub(crate) times: &'r RawValue,
}

/// A shadow that was deleted: its versions go on for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    v: u32,
    /// The last version.
    pub(crate) version: u64,
    /// When it is forgotten, in milliseconds.
    forgotten: i64,
}

/// A record as it was read: a change can require that it is still so.
pub(crate) struct Stored {
    value: bytes::Bytes,
    sequence: Sequence,
}

/// What there is of a shadow.
pub(crate) enum Found {
    /// It is there.
    Shadow(Stored),
    /// It was, lately.
    Deleted(Tombstone, Sequence),
    /// Neither.
    Nothing,
}

impl Stored {
    pub(crate) fn record(&self) -> Result<Record<'_>, ApiError> {
        serde_json::from_slice(&self.value).map_err(ApiError::internal)
    }
}

impl<'r> Record<'r> {
    pub(crate) fn document(&self) -> Result<Document<'r>, ApiError> {
        Document::read(self.state.get(), self.times.get())
            .map_err(|_| ApiError::internal("a stored shadow cannot be read"))
    }
}

/// What is there.
pub(crate) async fn find(
    store: &Store,
    tenant: &Tenant,
    name: &ShadowName,
) -> Result<Found, ApiError> {
    if let Some(found) = store.get(&key(tenant, name)).await? {
        return Ok(Found::Shadow(Stored { value: found.value, sequence: found.version }));
    }
    let Some(found) = store.get(&tombstone_key(tenant.id, &name.label())).await? else {
        return Ok(Found::Nothing);
    };
    Ok(Found::Deleted(service::decode(&found)?, found.version))
}

/// Writes a shadow in place of what was found.
pub(crate) fn write(
    batch: &mut Batch,
    tenant: &Tenant,
    name: &ShadowName,
    found: &Found,
    value: String,
) {
    let place = key(tenant, name);
    match found {
        Found::Shadow(stored) => {
            batch.require_version(place.clone(), stored.sequence);
        }
        Found::Deleted(_, sequence) => {
            let tombstone = tombstone_key(tenant.id, &name.label());
            batch.require_absent(place.clone());
            batch.require_version(tombstone.clone(), *sequence);
            batch.delete(tombstone);
        }
        Found::Nothing => {
            batch.require_absent(place.clone());
            batch.require_absent(tombstone_key(tenant.id, &name.label()));
        }
    }
    batch.put(place, value);
}

/// Puts a tombstone, forgotten when the timer that is returned is due, in the place of a shadow.
pub(crate) fn bury(
    batch: &mut Batch,
    tenant: &Tenant,
    name: &ShadowName,
    stored: &Stored,
    version: u64,
    forgotten: Timestamp,
) -> Timer {
    let place = key(tenant, name);
    batch.require_version(place.clone(), stored.sequence);
    batch.delete(place);
    let tombstone = Tombstone { v: FORMAT, version, forgotten: forgotten.millis() };
    batch.put(tombstone_key(tenant.id, &name.label()), service::encode(&tombstone));
    timer(tenant.id, name.label(), forgotten)
}

/// The timer of a tombstone that is no longer there.
pub(crate) fn timer_of(tenant: &Tenant, name: &ShadowName, tombstone: &Tombstone) -> Timer {
    timer(tenant.id, name.label(), Timestamp::from_millis(tombstone.forgotten))
}

/// Removes the tombstone that `timer` is about, and what was kept of the shadow, unless it was
/// deleted once more since.
pub(crate) async fn forget(store: &Store, timer: &Timer) -> Result<(), ApiError> {
    let key = tombstone_key(timer.tenant, &timer.id);
    let Some(found) = store.get(&key).await? else { return Ok(()) };
    let tombstone: Tombstone = service::decode(&found)?;
    if tombstone.forgotten > timer.due.millis() {
        return Ok(());
    }
    let mut batch = Batch::new();
    batch.require_version(key.clone(), found.version);
    batch.delete(key);
    history::forget(&mut batch, timer.tenant, &timer.id);
    store.commit(batch).await?;
    Ok(())
}

/// The text of a record of `document`, and the bytes of its sections.
pub(crate) fn text(document: &Document<'_>, version: u64, timestamp: i64) -> (String, usize) {
    let mut out = format!(r#"{{"v":{FORMAT},"version":{version},"timestamp":{timestamp},"state":"#);
    let bytes = document.write_state(&mut out);
    let difference = document.difference();
    if !difference.is_empty() {
        out.push_str(",\"delta\":");
        difference.write(&mut out);
    }
    out.push_str(",\"times\":");
    document.write_times(&mut out);
    out.push('}');
    (out, bytes)
}

/// Where the shadows that a thing has by name lie.
pub(crate) fn named(tenant: &Tenant, thing: &str) -> KeyRange {
    KeyRange::prefix(&Key::new(tenant.id, kinds::NAMED_SHADOW).text(thing))
}

/// The shadow's name in a key of [`named`].
pub(crate) fn shadow_of(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.text()?;
    reader.text()
}

fn key(tenant: &Tenant, name: &ShadowName) -> Key {
    match &name.shadow {
        None => Key::new(tenant.id, kinds::CLASSIC_SHADOW).text(&name.thing),
        Some(shadow) => Key::new(tenant.id, kinds::NAMED_SHADOW).text(&name.thing).text(shadow),
    }
}

fn tombstone_key(tenant: TenantId, label: &str) -> Key {
    Key::new(tenant, kinds::SHADOW_TOMBSTONE).text(label)
}

fn timer(tenant: TenantId, id: String, due: Timestamp) -> Timer {
    Timer { tenant, kind: TimerKind::SHADOW_TOMBSTONE, id, due }
}
