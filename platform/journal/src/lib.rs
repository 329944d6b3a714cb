//! Messages that wait, durably: entries shared by queues, in segments on disk, on PostgreSQL or in
//! memory.
//!
//! An entry is written once, whoever waits for it, and commits that wait together share one
//! `fdatasync`. What is given back is written lazily: after a crash an entry may be there again.

mod error;
mod group;
mod inbox;
mod index;
mod journal;
mod memory;
mod metrics;
mod options;
mod postgres;
mod queues;
mod segments;
mod writer;

use foldhash::HashMap;

pub use error::{Full, JournalError};
pub use journal::Journal;
pub use memory::MemoryDisk;
pub use options::{JournalUrl, Options};
pub use segments::{SegmentReport, check_segment};

/// One queue: a persistent session's, a shared subscription's. The caller gives it, at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

/// An entry's place in the order of all entries: it grows, and is never used again, not even after
/// a restart. It has gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub u64);

/// What a queue wants to know about an entry besides its body: the caller's own bits.
pub type Mark = u32;

/// Something to be written, shared by all queues that it is for.
pub trait Pending: Send + Sync {
    /// Appends the bytes to keep. Called by the writer, once, and not at all if nobody needs them
    /// any more.
    fn encode(&self, bytes: &mut Vec<u8>);

    /// Told once that it is safe (or need not be: every queue released it first), or why it is
    /// not. Called by the writer, who waits for the return; only after [`Journal::close`] the
    /// caller of [`Journal::append`] is told so at once.
    fn settled(&self, result: Result<(), JournalError>);

    /// About how many bytes it will be, for the bounds on what waits and on the disk.
    fn bytes(&self) -> usize {
        ENTRY_BYTES_ASSUMED
    }
}

/// What an entry is taken for that does not know its size.
const ENTRY_BYTES_ASSUMED: usize = 512;

/// What was there when the journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Every queue's entries, in their order. A queue without entries is not there.
    pub queues: HashMap<QueueId, Vec<RecoveredEntry>>,
}

/// An entry that waited when the journal was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveredEntry {
    /// Its place in the order.
    pub sequence: Sequence,
    /// The queue's last safe mark, or the one that it was appended with.
    pub mark: Mark,
    /// The length of its body.
    pub bytes: u32,
}

/// How large the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes on disk.
    pub bytes: u64,
    /// Those bytes of them that belong to entries which a queue still needs.
    pub live_bytes: u64,
    /// Bytes that wait to be written, about.
    pub waiting_bytes: u64,
    /// Entries that a queue still needs.
    pub entries: u64,
    /// Queues that have entries.
    pub queues: u64,
    /// Files.
    pub segments: u64,
}
