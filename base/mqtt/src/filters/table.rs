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
    parts: Box<[Part<T>; PARTS]>,
}

type Part<T> = HashTable<(Arc<str>, T)>;

impl<T> Default for Table<T> {
    fn default() -> Self {
        let parts = Box::new(std::array::from_fn(|_| HashTable::new()));
        Self { hasher: RandomState::default(), parts }
    }
}

impl<T> Table<T> {
    pub(super) fn get(&self, text: &str) -> Option<&T> {
        let hash = self.hasher.hash_one(text);
        let found = part_of(&self.parts, hash).find(hash, |(key, _)| **key == *text);
        found.map(|(_, value)| value)
    }

    /// The place of `text`, whether something is there or not.
    pub(super) fn entry(&mut self, text: &str) -> Entry<'_, (Arc<str>, T)> {
        let Self { hasher, parts } = self;
        let hash = hasher.hash_one(text);
        let hash_of = |(key, _): &(Arc<str>, T)| hasher.hash_one(&**key);
        part_of_mut(parts, hash).entry(hash, |(key, _)| **key == *text, hash_of)
    }

    /// The place of `text`, if something is there.
    pub(super) fn find(&mut self, text: &str) -> Option<OccupiedEntry<'_, (Arc<str>, T)>> {
        let hash = self.hasher.hash_one(text);
        part_of_mut(&mut self.parts, hash).find_entry(hash, |(key, _)| **key == *text).ok()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }
}

/// By bits that a part does not look at itself: it takes those at either end.
#[allow(clippy::indexing_slicing, reason = "a place is less than the number of parts")]
fn part_of<T>(parts: &[Part<T>; PARTS], hash: u64) -> &Part<T> {
    &parts[place(hash)]
}

/// As [`part_of`], to be changed.
#[allow(clippy::indexing_slicing, reason = "a place is less than the number of parts")]
fn part_of_mut<T>(parts: &mut [Part<T>; PARTS], hash: u64) -> &mut Part<T> {
    &mut parts[place(hash)]
}

fn place(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or_default() % PARTS
}
