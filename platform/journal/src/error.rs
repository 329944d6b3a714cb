//! What can go wrong in the journal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is at its bound, so that an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// What may wait to be written: there is room again in a moment.
    #[error("as much waits to be written to the journal as may")]
    Waiting,
    /// The disk: there is room again when queues are emptied.
    #[error("the journal takes as much of the disk as it may")]
    Disk,
}

/// Why something is not safe, or the journal did not open. Many may be told the same.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full: nothing of it was written, and a later try may succeed.
    #[error("the disk is full")]
    Full,
    /// An entry is longer than one may be.
    #[error("an entry of {bytes} bytes is longer than the journal takes")]
    TooLarge {
        /// The body's length.
        bytes: usize,
    },
    /// The file system refused.
    #[error("{act}")]
    File {
        /// What was being done.
        act: String,
        /// Why it failed.
        #[source]
        source: Arc<io::Error>,
    },
    /// PostgreSQL refused, or could not be reached.
    #[error("PostgreSQL failed")]
    Postgres(#[source] Arc<tokio_postgres::Error>),
    /// What was asked is not what this engine does.
    #[error("{0}")]
    Unsupported(&'static str),
    /// What is on the disk is not what was written.
    #[error(
        "the journal's file {} is damaged at byte {offset}: {what}. Restore the directory from a \
         backup; or, to go on without the messages that wait, move the whole directory away and \
         start again", file.display()
    )]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The format is newer than this program.
    #[error(
        "the journal has format {found}, and this program knows formats up to {known}: run the \
         newer version that wrote it"
    )]
    NewerFormat {
        /// The journal's.
        found: u64,
        /// The newest that this program reads.
        known: u64,
    },
    /// Another server has the journal open.
    #[error("another server uses the journal {0}: stop that server, or choose another place")]
    InUse(&'static str),
    /// An earlier failure stopped the journal, or it was closed.
    #[error("the journal has stopped; restart the server to recover it")]
    Stopped,
}

/// What the failure to do `act` with `path` means.
pub(crate) fn failed<'p>(
    act: &'p str,
    path: &'p Path,
) -> impl Fn(io::Error) -> JournalError + use<'p> {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            JournalError::Full
        }
        _ => JournalError::File {
            act: format!("{act} {}", path.display()),
            source: Arc::new(source),
        },
    }
}
