//! The records of rules and their destinations. The files below this one are all that knows keys.

pub(crate) mod dead_letters;
pub(crate) mod destinations;
pub(crate) mod rules;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, encode, kinds};
use store::{Batch, Key, Kind, Sequence, Versioned};
use types::TenantId;

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
    fn require_unchanged(&self, batch: &mut Batch) {
        batch.require_version(self.key.clone(), self.version);
    }
}

/// What a changed record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Whether it is a destination; a rule otherwise.
    pub(crate) is_destination: bool,
    /// Where it is.
    pub(crate) key: Key,
}

impl Change {
    /// What `key` is about, if it is that of a rule or of a destination.
    pub(crate) fn of(key: &Key) -> Option<Self> {
        let (tenant, kind) = key.tenant_and_kind()?;
        let is_destination = match kind {
            kinds::TOPIC_RULE => false,
            kinds::RULE_DESTINATION => true,
            _ => return None,
        };
        Some(Self { tenant, is_destination, key: key.clone() })
    }

    /// The name of the rule, or the id of the destination.
    pub(crate) fn name(&self) -> Option<String> {
        self.key.reader().text()
    }
}

/// How many there are of something that has a bound, as it was read.
pub(crate) struct Counter {
    key: Key,
    read: Option<Stored<Count>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    v: u32,
    number: usize,
}

impl Counter {
    async fn read(cx: &Cx, kind: Kind) -> Result<Self, ApiError> {
        let key = cx.key(kind);
        let read = load(cx, key.clone()).await?;
        Ok(Self { key, read })
    }

    /// The number.
    pub(crate) fn number(&self) -> usize {
        self.read.as_ref().map_or(0, |read| read.document.number)
    }

    /// Makes the number another, if it is still as it was read.
    pub(crate) fn set(&self, batch: &mut Batch, number: usize) {
        match &self.read {
            Some(read) => read.require_unchanged(batch),
            None => {
                batch.require_absent(self.key.clone());
            }
        }
        batch.put(self.key.clone(), encode(&Count { v: FORMAT, number }));
    }
}

async fn load<T: DeserializeOwned>(cx: &Cx, key: Key) -> Result<Option<Stored<T>>, ApiError> {
    let Some(found) = cx.store().get(&key).await? else {
        return Ok(None);
    };
    read(key, &found).map(Some)
}

fn read<T: DeserializeOwned>(key: Key, found: &Versioned) -> Result<Stored<T>, ApiError> {
    Ok(Stored { document: service::decode(found)?, key, version: found.version })
}
