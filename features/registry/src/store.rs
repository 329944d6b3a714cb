//! The registry's records. The files below this one are all that knows keys.
//!
//! An index entry holds the name it stands for; the document behind it is the truth.

pub(crate) mod billing_groups;
pub(crate) mod ca_certificates;
pub(crate) mod certificate_providers;
pub(crate) mod certificate_transfers;
pub(crate) mod certificates;
pub(crate) mod event_configurations;
pub(crate) mod policies;
pub(crate) mod policy_attachments;
pub(crate) mod registration_codes;
pub(crate) mod tags;
pub(crate) mod thing_group_memberships;
pub(crate) mod thing_groups;
pub(crate) mod thing_principals;
pub(crate) mod thing_types;
pub(crate) mod things;

use serde::de::DeserializeOwned;
use service::{ApiError, Cx, PageRequest};
use store::{Batch, Entry, Key, KeyRange, Sequence, Versioned};
use types::Tenant;

/// The format of the documents that this crate writes.
const FORMAT: u32 = 1;

/// A document as it was read: a change can require that it is still so.
#[derive(Debug)]
pub(crate) struct Stored<T> {
    /// What the record says.
    pub(crate) document: T,
    key: Key,
    version: Sequence,
}

impl<T> Stored<T> {
    /// Makes the batch fail if the record changed since it was read.
    pub(crate) fn require_unchanged(&self, batch: &mut Batch) {
        batch.require_version(self.key.clone(), self.version);
    }
}

/// Makes the batch fail unless the record at `key` is as it was read, or still not there.
fn require_as_read<T>(batch: &mut Batch, key: &Key, read: Option<&Stored<T>>) {
    match read {
        Some(known) => known.require_unchanged(batch),
        None => {
            batch.require_absent(key.clone());
        }
    }
}

async fn load<T: DeserializeOwned>(cx: &Cx, key: Key) -> Result<Option<Stored<T>>, ApiError> {
    let Some(found) = cx.store().get(&key).await? else {
        return Ok(None);
    };
    read(key, &found).map(Some)
}

/// The document that was found at `key`.
fn read<T: DeserializeOwned>(key: Key, found: &Versioned) -> Result<Stored<T>, ApiError> {
    Ok(Stored { document: service::decode(found)?, key, version: found.version })
}

async fn exists(cx: &Cx, key: &Key) -> Result<bool, ApiError> {
    Ok(cx.store().get(key).await?.is_some())
}

/// The documents under `keys` that are there.
async fn load_many<T: DeserializeOwned>(cx: &Cx, keys: &[Key]) -> Result<Vec<T>, ApiError> {
    let found = cx.store().get_many(keys).await?;
    found.iter().flatten().map(service::decode).collect()
}

/// What a list's page holds.
fn decode_entries<T: DeserializeOwned>(entries: &[Entry]) -> Result<Vec<T>, ApiError> {
    let decode = |entry: &Entry| serde_json::from_slice(&entry.value).map_err(ApiError::internal);
    entries.iter().map(decode).collect()
}

/// One page of the documents in `range`, or of the names in an index, and the token of the next.
async fn page_of<T: DeserializeOwned>(
    cx: &Cx,
    range: KeyRange,
    page: PageRequest<'_>,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let listing = cx.page(range, page).await?;
    Ok((decode_entries(&listing.entries)?, listing.next))
}

/// One page of the documents whose names an index has in `range`, and the token of the next. They
/// lie at `key`.
async fn page_behind<T: DeserializeOwned>(
    cx: &Cx,
    range: KeyRange,
    page: PageRequest<'_>,
    key: impl Fn(&Tenant, &str) -> Key,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let (names, next): (Vec<String>, _) = page_of(cx, range, page).await?;
    let keys: Vec<Key> = names.iter().map(|name| key(&cx.tenant, name)).collect();
    Ok((load_many(cx, &keys).await?, next))
}

/// All records below `parent`.
fn below(parent: &Key) -> KeyRange {
    KeyRange::prefix(parent)
}
