//! Documents: an ordered key-value store with conditional batches, on SQLite, PostgreSQL or in
//! memory.

mod batch;
mod error;
mod feed;
mod key;
mod memory;
mod postgres;
mod sqlite;
mod store;

use bytes::Bytes;

pub use batch::{Batch, Condition};
pub use error::{CommitError, StoreError, TransactError};
pub use feed::Changes;
pub use key::{Key, KeyRange, KeyReader, Kind};
pub use memory::Faults;
pub use sqlite::{BackupReport, restore};
pub use store::{Options, Store, StoreUrl};

/// A commit's number, as a record's version: never used again, not even after a restart.
///
/// The places in the feed of changes are sequences as well. They only grow, and are to be compared
/// with each other alone: on PostgreSQL, where several commit side by side, they count otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// A record's value and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The document.
    pub value: Bytes,
    /// The commit that wrote it.
    pub version: Sequence,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub key: Key,
    /// The document.
    pub value: Bytes,
    /// The commit that wrote it.
    pub version: Sequence,
}

/// Part of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order asked for.
    pub entries: Vec<Entry>,
    /// Whether the range goes on.
    pub has_more: bool,
}

/// The order of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// By growing keys.
    Forward,
    /// By falling keys.
    Backward,
}
