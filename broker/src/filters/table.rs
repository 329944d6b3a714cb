//! A table in many small parts: one that is large stands still while it grows, and is held twice.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, OccupiedEntry};

/// So many that each is small where there are a million filters, and none costs much if there are
/// few.
const PARTS: usize = 64;

/// Values by text.
#[derive(Debug)]
pub(super) struct Table<T> {
    hasher: RandomState,
    parts: Box<[Part<T>]>,
}

type Part<T> = HashTable<(Arc<str>, T)>;

impl<T> Default for Table<T> {
    fn default() -> Self {
        let parts = std::iter::repeat_with(HashTable::new).take(PARTS).collect();
        Self { hasher: RandomState::default(), parts }
    }
}

impl<T> Table<T> {
    pub(super) fn get(&self, text: &str) -> Option<&T> {
        let hash = self.hasher.hash_one(text);
        let found = self.parts[part_of(hash)].find(hash, |(key, _)| **key == *text);
        found.map(|(_, value)| value)
    }

    /// The place of `text`, whether something is there or not.
    pub(super) fn entry(&mut self, text: &str) -> Entry<'_, (Arc<str>, T)> {
        let Self { hasher, parts } = self;
        let hash = hasher.hash_one(text);
        let hash_of = |(key, _): &(Arc<str>, T)| hasher.hash_one(&**key);
        parts[part_of(hash)].entry(hash, |(key, _)| **key == *text, hash_of)
    }

    /// The place of `text`, if something is there.
    pub(super) fn find(&mut self, text: &str) -> Option<OccupiedEntry<'_, (Arc<str>, T)>> {
        let hash = self.hasher.hash_one(text);
        self.parts[part_of(hash)].find_entry(hash, |(key, _)| **key == *text).ok()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }
}

/// By bits that a part does not look at itself: it takes those at either end.
fn part_of(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or_default() % PARTS
}
