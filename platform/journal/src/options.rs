//! Where a journal is, and its bounds.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::MemoryDisk;

/// Where a journal is.
#[derive(Clone)]
pub enum JournalUrl {
    /// Segments in a directory, which is made if it is not there. That no other server uses it is
    /// the caller's to see to.
    Segments {
        /// The directory.
        directory: PathBuf,
    },
    /// A PostgreSQL database, from version 14, which one server uses at a time.
    Postgres {
        /// `postgres://user:password@host:port/database`; without TLS.
        url: String,
    },
    /// A disk in memory, gone with the process.
    Memory(MemoryDisk),
}

impl fmt::Debug for JournalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segments { directory } => write!(f, "Segments({})", directory.display()),
            // The URL may have a password.
            Self::Postgres { .. } => f.write_str("Postgres"),
            Self::Memory(_) => f.write_str("Memory"),
        }
    }
}

/// A journal's bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes on disk from which on no entry is taken.
    pub bytes_max: u64,
    /// Bytes of entries that may wait to be written.
    pub waiting_bytes_max: u64,
    /// Bytes from which on a segment is followed by the next.
    pub segment_bytes: u64,
    /// Bytes of entries from which on a commit takes no more.
    pub group_bytes_max: u64,
    /// How long what is written lazily may wait.
    pub release_s: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bytes_max: 10 << 30,
            waiting_bytes_max: 64 << 20,
            segment_bytes: 16 << 20,
            group_bytes_max: 4 << 20,
            release_s: 1,
        }
    }
}

impl Options {
    pub(crate) fn release_after(&self) -> Duration {
        Duration::from_secs(self.release_s)
    }
}
