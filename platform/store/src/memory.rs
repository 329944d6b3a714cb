//! The store in memory, for tests and simulation, with faults on demand.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::batch::Operation;
use crate::feed::Feed;
use crate::{
    Batch, CommitError, Condition, Direction, Entry, Key, KeyRange, Page, Sequence, StoreError,
    Versioned,
};

/// Faults that a test can cause.
#[derive(Debug, Default)]
pub struct Faults {
    is_full: AtomicBool,
    /// Commits until one fails; zero is never.
    fails_in: AtomicU64,
}

impl Faults {
    /// Whether every commit is refused because the disk is full.
    pub fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    /// Makes the `n`-th commit from now fail, once.
    pub fn fail_commit(&self, n: u64) {
        self.fails_in.store(n, Ordering::SeqCst);
    }

    fn strike(&self) -> Result<(), CommitError> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(CommitError::Full);
        }
        let countdown = |n: u64| n.checked_sub(1);
        match self.fails_in.fetch_update(Ordering::SeqCst, Ordering::SeqCst, countdown) {
            Ok(1) => Err(CommitError::Store(StoreError::Stopped)),
            _ => Ok(()),
        }
    }
}

pub(crate) struct Memory {
    state: Mutex<State>,
    pub(crate) feed: Feed,
    pub(crate) faults: Faults,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    records: BTreeMap<Key, Versioned>,
    sequence: u64,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let feed = Feed::new(Sequence(0));
        Self { state: Mutex::default(), feed, faults: Faults::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_many(&self, keys: &[Key]) -> Vec<Option<Versioned>> {
        let state = self.state();
        keys.iter().map(|key| state.records.get(key).cloned()).collect()
    }

    pub(crate) fn scan(
        &self,
        range: &KeyRange,
        after: Option<&Key>,
        limit: usize,
        direction: Direction,
    ) -> Page {
        let state = self.state();
        let (mut low, mut high) = (Bound::Included(&range.start), Bound::Excluded(&range.end));
        match (after, direction) {
            (Some(key), Direction::Forward) if *key >= range.start => low = Bound::Excluded(key),
            (Some(key), Direction::Backward) if *key < range.end => high = Bound::Excluded(key),
            _ => {}
        }
        if range.start >= range.end || after.is_some_and(|key| is_past(key, range, direction)) {
            return Page { entries: Vec::new(), has_more: false };
        }
        let records = state.records.range::<Key, _>((low, high));
        let entry = |(key, v): (&Key, &Versioned)| Entry {
            key: key.clone(),
            value: v.value.clone(),
            version: v.version,
        };
        let mut entries: Vec<Entry> = match direction {
            Direction::Forward => records.take(limit + 1).map(entry).collect(),
            Direction::Backward => records.rev().take(limit + 1).map(entry).collect(),
        };
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        Page { entries, has_more }
    }

    pub(crate) fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        let mut state = self.state();
        if state.is_closed {
            return Err(StoreError::Stopped.into());
        }
        for condition in &batch.conditions {
            if !state.holds(condition) {
                return Err(CommitError::Conflict(condition.clone()));
            }
        }
        self.faults.strike()?;
        state.sequence += 1;
        let sequence = Sequence(state.sequence);
        let mut changed = Vec::new();
        for operation in batch.operations {
            changed.push(state.apply(operation, sequence));
        }
        self.feed.push(sequence, changed);
        Ok(sequence)
    }

    pub(crate) fn close(&self) {
        self.state().is_closed = true;
    }

    pub(crate) fn wipe(&self) -> Result<(), CommitError> {
        let mut state = self.state();
        if state.is_closed {
            return Err(StoreError::Stopped.into());
        }
        state.records.clear();
        state.sequence += 1;
        self.feed.lose(Sequence(state.sequence));
        Ok(())
    }
}

/// Whether nothing of the range lies beyond `key`.
fn is_past(key: &Key, range: &KeyRange, direction: Direction) -> bool {
    match direction {
        Direction::Forward => *key >= range.end,
        Direction::Backward => *key <= range.start,
    }
}

impl State {
    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Absent(key) => !self.records.contains_key(key),
            Condition::Exists(key) => self.records.contains_key(key),
            Condition::Version(key, version) => {
                self.records.get(key).is_some_and(|v| v.version == *version)
            }
            Condition::Empty(range) => {
                range.start >= range.end
                    || self.records.range(range.start.clone()..range.end.clone()).next().is_none()
            }
        }
    }

    fn apply(&mut self, operation: Operation, version: Sequence) -> Key {
        match operation {
            Operation::Put(key, value) => {
                self.records.insert(key.clone(), Versioned { value, version });
                key
            }
            Operation::Delete(key) => {
                self.records.remove(&key);
                key
            }
            Operation::DeleteRange(KeyRange { start, end }) => {
                if start < end {
                    // Costs what lies in the range, not what lies in the store.
                    let removed = self.records.extract_if(start.clone()..end, |_, _| true);
                    removed.for_each(drop);
                }
                start
            }
        }
    }
}
