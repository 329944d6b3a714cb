//! Records that were read lately, for as long as the store has not heard of a change to them.
//!
//! Devices share policies, and come back with the certificate that they had. The store's feed is
//! asked each time, so that whoever was told of a change finds it made; where asking costs what a
//! read costs, nothing is remembered.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{Changes, Direction, Entry, Key, KeyRange, Sequence, Store, StoreError, Versioned};

/// What may be remembered; beyond that all is forgotten.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a record takes beside its key and its value.
const RECORD_BYTES: usize = 128;

/// The records.
pub(super) struct Records {
    store: Store,
    recent: Mutex<Recent>,
}

/// What is true of the store, as of a place in its feed.
#[derive(Default)]
struct Recent {
    at: Sequence,
    records: BTreeMap<Key, Option<Versioned>>,
    /// All that lies below a key. Of two such keys neither lies below the other.
    families: BTreeMap<Key, Vec<Entry>>,
    bytes: usize,
}

impl Records {
    /// Remembers nothing yet.
    pub(super) fn new(store: &Store) -> Self {
        Self { store: store.clone(), recent: Mutex::default() }
    }

    /// The records at `keys`, in their order. While a commit is under way, some may be of before
    /// and some of after it.
    pub(super) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Option<Versioned>>, StoreError> {
        let since = self.store.newest_at_hand();
        if let Some(found) = self.recall(|recent| {
            keys.iter().map(|key| recent.records.get(key).cloned()).collect::<Option<Vec<_>>>()
        }) {
            return Ok(found);
        }
        let found = self.store.get_many(keys).await?;
        self.remember(since, |recent, changed| {
            for (key, record) in keys.iter().zip(&found).filter(|(key, _)| !changed.contains(key)) {
                recent.add_record(key, record);
            }
        });
        Ok(found)
    }

    /// The record at `key`.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let found = self.get_many(std::slice::from_ref(key)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The first `max` records below `parent`.
    pub(super) async fn below(&self, parent: &Key, max: u32) -> Result<Vec<Entry>, StoreError> {
        let since = self.store.newest_at_hand();
        if let Some(found) = self.recall(|recent| recent.families.get(parent).cloned()) {
            return Ok(found);
        }
        let range = KeyRange::prefix(parent);
        let page = self.store.scan(range, None, max, Direction::Forward).await?;
        self.remember(since, |recent, changed| {
            if !changed.iter().any(|key| is_below(key, parent)) {
                recent.add_family(parent, &page.entries);
            }
        });
        Ok(page.entries)
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// What `look` finds among that which is still true.
    fn recall<T>(&self, look: impl FnOnce(&Recent) -> Option<T>) -> Option<T> {
        let newest = self.store.newest_at_hand()?;
        let mut recent = self.lock();
        if recent.at < newest {
            let changes = self.store.changes_at_hand(recent.at)?;
            recent.hear(&changes);
        }
        look(&recent)
    }

    /// Has `add` remember what was read after `since`, without that which has changed again.
    fn remember(&self, since: Option<Sequence>, add: impl FnOnce(&mut Recent, &[Key])) {
        let Some(since) = since else { return };
        let mut recent = self.lock();
        // From whichever is earlier: what is heard of twice is only forgotten twice.
        let from = since.min(recent.at);
        let Some(changes) = self.store.changes_at_hand(from) else { return };
        recent.hear(&changes);
        if let Changes::Since { keys, .. } = &changes {
            add(&mut recent, keys);
        }
        if recent.bytes > BYTES_MAX {
            recent.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn hear(&mut self, changes: &Changes) {
        match changes {
            Changes::Since { keys, upto } => {
                keys.iter().for_each(|key| self.forget(key));
                self.at = *upto;
            }
            Changes::Lost { upto } => {
                self.clear();
                self.at = *upto;
            }
        }
    }

    /// Forgets what is no longer true once `changed` has changed. A removed range is told by its
    /// first key, which is what all of it begins with.
    fn forget(&mut self, changed: &Key) {
        let from = (Bound::Included(changed.clone()), Bound::Unbounded);
        let gone = self.records.range(from).take_while(|(key, _)| is_below(key, changed));
        let gone: Vec<Key> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            let record = self.records.remove(&key).flatten();
            self.bytes -= record_bytes(&key, record.as_ref());
        }
        let around = self.families.range(..=changed).next_back();
        let around = around.filter(|(parent, _)| is_below(changed, parent));
        if let Some(parent) = around.map(|(parent, _)| parent.clone())
            && let Some(entries) = self.families.remove(&parent)
        {
            self.bytes -= family_bytes(&parent, &entries);
        }
    }

    fn add_record(&mut self, key: &Key, record: &Option<Versioned>) {
        self.bytes += record_bytes(key, record.as_ref());
        if let Some(before) = self.records.insert(key.clone(), record.clone()) {
            self.bytes -= record_bytes(key, before.as_ref());
        }
    }

    fn add_family(&mut self, parent: &Key, entries: &[Entry]) {
        self.bytes += family_bytes(parent, entries);
        if let Some(before) = self.families.insert(parent.clone(), entries.to_vec()) {
            self.bytes -= family_bytes(parent, &before);
        }
    }

    fn clear(&mut self) {
        *self = Self { at: self.at, ..Self::default() };
    }
}

/// Whether `key` is `parent`, or begins with it.
fn is_below(key: &Key, parent: &Key) -> bool {
    key.as_bytes().starts_with(parent.as_bytes())
}

fn record_bytes(key: &Key, record: Option<&Versioned>) -> usize {
    RECORD_BYTES + key.as_bytes().len() + record.map_or(0, |record| record.value.len())
}

fn family_bytes(parent: &Key, entries: &[Entry]) -> usize {
    let bytes = |entry: &Entry| RECORD_BYTES + entry.key.as_bytes().len() + entry.value.len();
    RECORD_BYTES + parent.as_bytes().len() + entries.iter().map(bytes).sum::<usize>()
}

#[cfg(test)]
mod tests;
