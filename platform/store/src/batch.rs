//! Batches: conditions and operations that happen together or not at all.

use bytes::Bytes;

use crate::{Key, KeyRange, Sequence};

/// What must hold for a batch to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no record at the key.
    Absent(Key),
    /// The record at the key has the version that was read.
    Version(Key, Sequence),
    /// There is a record at the key.
    Exists(Key),
    /// There is no record in the range.
    Empty(KeyRange),
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Put(Key, Bytes),
    Delete(Key),
    DeleteRange(KeyRange),
}

/// Conditions and writes, applied in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) operations: Vec<Operation>,
}

impl Batch {
    /// Without conditions and writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Demands that there is no record at `key`.
    pub fn require_absent(&mut self, key: Key) -> &mut Self {
        self.conditions.push(Condition::Absent(key));
        self
    }

    /// Demands that the record at `key` still has `version`.
    pub fn require_version(&mut self, key: Key, version: Sequence) -> &mut Self {
        self.conditions.push(Condition::Version(key, version));
        self
    }

    /// Demands that there is a record at `key`.
    pub fn require_exists(&mut self, key: Key) -> &mut Self {
        self.conditions.push(Condition::Exists(key));
        self
    }

    /// Demands that there is no record in `range`.
    ///
    /// Where several nodes write, that is certain only by a record that both sides name: whoever
    /// adds to the range demands in the same batch that its parent exists, and this batch removes
    /// or writes that parent, or demands its version.
    pub fn require_empty(&mut self, range: KeyRange) -> &mut Self {
        self.conditions.push(Condition::Empty(range));
        self
    }

    /// Writes `value` at `key`.
    pub fn put(&mut self, key: Key, value: impl Into<Bytes>) -> &mut Self {
        self.operations.push(Operation::Put(key, value.into()));
        self
    }

    /// Removes the record at `key`, if there is one.
    pub fn delete(&mut self, key: Key) -> &mut Self {
        self.operations.push(Operation::Delete(key));
        self
    }

    /// Removes every record in `range`.
    pub fn delete_range(&mut self, range: KeyRange) -> &mut Self {
        self.operations.push(Operation::DeleteRange(range));
        self
    }

    /// Whether there is nothing to check and nothing to write.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.operations.is_empty()
    }
}
