//! What can go wrong in the store.

use std::sync::Arc;

use crate::Condition;

/// A read or a start that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory cannot be used.
    #[error("{0}")]
    Directory(String),
    /// SQLite refused.
    #[error("SQLite failed")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL refused, or could not be reached.
    #[error("PostgreSQL failed")]
    Postgres(#[source] Arc<tokio_postgres::Error>),
    /// The file system refused.
    #[error("{act}")]
    File {
        /// What was being done.
        act: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The format is newer than this program.
    #[error(
        "the store has format {found}, and this program knows formats up to {known}: run the \
         newer version that wrote it"
    )]
    NewerFormat {
        /// The store's.
        found: i64,
        /// The newest that this program reads.
        known: i64,
    },
    /// An earlier failure stopped the store.
    #[error("the store stopped after a failed commit; restart the server to recover it")]
    Stopped,
    /// What was asked is not what this engine does.
    #[error("{0}")]
    Unsupported(String),
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(Arc::new(error))
    }
}

/// A commit that did not happen: nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold.
    #[error("a condition of the batch does not hold")]
    Conflict(Condition),
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The engine failed.
    #[error("the commit failed")]
    Store(#[from] StoreError),
}

/// A transaction that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The caller's function refused.
    #[error("refused")]
    Refused(E),
    /// The commit failed, or met conflicts more often than it may retry.
    #[error("the transaction could not be committed")]
    Commit(CommitError),
}
