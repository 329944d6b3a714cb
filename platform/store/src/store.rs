//! The store that callers see, whichever engine it runs on.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::Env;
use tokio::sync::Mutex;

use crate::memory::{Faults, Memory};
use crate::postgres::Postgres;
use crate::sqlite::{self, Sqlite};
use crate::{
    BackupReport, Batch, Changes, CommitError, Condition, Direction, Key, KeyRange, Page, Sequence,
    StoreError, TransactError, Versioned,
};

/// Tries of a transaction that meets conflicts.
const TRANSACT_TRIES_MAX: u32 = 64;
/// Lines in which transactions wait after a conflict; different keys rarely share one.
const TRANSACT_LINES: usize = 64;
/// The longest scan that runs where it is asked for; a longer one goes to a thread of its own.
const INLINE_SCAN_MAX: u32 = 1000;

/// Where a store is.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A data directory of this machine.
    Sqlite {
        /// The directory.
        directory: PathBuf,
    },
    /// A PostgreSQL database, from version 14.
    Postgres {
        /// `postgres://user:password@host:port/database`; without TLS.
        url: String,
    },
    /// Nowhere: gone with the process.
    Memory,
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { directory } => write!(f, "Sqlite({})", directory.display()),
            // The URL may have a password.
            Self::Postgres { .. } => f.write_str("Postgres"),
            Self::Memory => f.write_str("Memory"),
        }
    }
}

/// How to open a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where it is.
    pub url: StoreUrl,
}

/// An open store. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    lines: Arc<[Mutex<()>]>,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
    Memory(Arc<Memory>),
}

impl Store {
    /// Opens the store, making it if it is not there, and bringing an older format up to date.
    pub async fn open(options: Options, env: &Env) -> Result<Self, StoreError> {
        let engine = match options.url {
            StoreUrl::Sqlite { directory } => {
                Engine::Sqlite(Arc::new(Sqlite::open(&directory, env)?))
            }
            StoreUrl::Postgres { url } => {
                Engine::Postgres(Arc::new(Postgres::open(&url, env).await?))
            }
            StoreUrl::Memory => Engine::Memory(Arc::new(Memory::new())),
        };
        let lines = (0..TRANSACT_LINES).map(|_| Mutex::new(())).collect();
        Ok(Self { engine, lines })
    }

    /// The record at `key`.
    pub async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let found = self.get_many(std::slice::from_ref(key)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The records at `keys`, in their order, as they are at one moment.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.get_many(keys),
            Engine::Postgres(postgres) => postgres.get_many(keys).await,
            Engine::Memory(memory) => Ok(memory.get_many(keys)),
        }
    }

    /// At most `limit` records of `range`, beginning behind `after`.
    pub async fn scan(
        &self,
        range: KeyRange,
        after: Option<Key>,
        limit: u32,
        direction: Direction,
    ) -> Result<Page, StoreError> {
        let rows = limit as usize;
        match &self.engine {
            Engine::Memory(memory) => Ok(memory.scan(&range, after.as_ref(), rows, direction)),
            Engine::Postgres(postgres) => {
                postgres.scan(&range, after.as_ref(), rows, direction).await
            }
            Engine::Sqlite(sqlite) if limit <= INLINE_SCAN_MAX => {
                sqlite.scan(&range, after.as_ref(), rows, direction)
            }
            Engine::Sqlite(sqlite) => {
                let sqlite = Arc::clone(sqlite);
                let scan = move || sqlite.scan(&range, after.as_ref(), rows, direction);
                tokio::task::spawn_blocking(scan).await.map_err(|_| StoreError::Stopped)?
            }
        }
    }

    /// Writes `batch` whole and durably, or nothing of it.
    pub async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.commit(batch).await,
            Engine::Postgres(postgres) => postgres.commit(batch).await,
            Engine::Memory(memory) => memory.commit(batch),
        }
    }

    /// Reads `keys`, lets `pure` decide on a batch, and commits it if nothing read has changed;
    /// otherwise all is tried again, a bounded number of times. A condition that `pure` itself
    /// made is not tried again: what it depends on was not read.
    pub async fn transact<T, E>(
        &self,
        keys: &[Key],
        mut pure: impl FnMut(&[Option<Versioned>]) -> Result<(Batch, T), E>,
    ) -> Result<T, TransactError<E>> {
        let failed = |error: StoreError| TransactError::Commit(error.into());
        let mut place = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let found = self.get_many(keys).await.map_err(failed)?;
            let (mut batch, value) = pure(&found).map_err(TransactError::Refused)?;
            if batch.is_empty() {
                return Ok(value);
            }
            for (key, read) in keys.iter().zip(&found) {
                match read {
                    Some(read) => batch.require_version(key.clone(), read.version),
                    None => batch.require_absent(key.clone()),
                };
            }
            match self.commit(batch).await {
                Ok(_) => return Ok(value),
                Err(CommitError::Conflict(condition))
                    if tries < TRANSACT_TRIES_MAX && is_stale(&condition, keys) => {}
                Err(error) => return Err(TransactError::Commit(error)),
            }
            if place.is_none() {
                place = Some(self.line(keys).lock().await);
            }
        }
    }

    /// The line in which transactions on `keys` wait after a conflict, so that a loser does not
    /// lose to all others again. What makes a transaction correct is its conditions alone.
    fn line(&self, keys: &[Key]) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        keys.first().hash(&mut hasher);
        let slot = hasher.finish() as usize % self.lines.len();
        self.lines.get(slot).expect("the slot is below the number of lines")
    }

    /// What has changed since `after`, in an order that skips nothing. `after` comes from
    /// [`Store::current`] or an earlier answer.
    pub async fn changes(&self, after: Sequence) -> Result<Changes, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => Ok(sqlite.feed.since(after)),
            Engine::Postgres(postgres) => postgres.changes(after).await,
            Engine::Memory(memory) => Ok(memory.feed.since(after)),
        }
    }

    /// Resolves when there may be changes after `after`.
    pub async fn changed(&self, after: Sequence) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.feed.changed(after).await,
            Engine::Postgres(postgres) => postgres.changed(after).await,
            Engine::Memory(memory) => memory.feed.changed(after).await,
        }
    }

    /// Where a new reader of the changes begins: what is read from now on has all up to there.
    pub async fn current(&self) -> Result<Sequence, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => Ok(sqlite.feed.newest()),
            Engine::Postgres(postgres) => postgres.current().await,
            Engine::Memory(memory) => Ok(memory.feed.newest()),
        }
    }

    /// What [`Store::current`] says, without asking anybody: only of an engine that this process
    /// has for itself.
    pub fn newest_at_hand(&self) -> Option<Sequence> {
        match &self.engine {
            Engine::Sqlite(sqlite) => Some(sqlite.feed.newest()),
            Engine::Postgres(_) => None,
            Engine::Memory(memory) => Some(memory.feed.newest()),
        }
    }

    /// What [`Store::changes`] says, without asking anybody: only of an engine that this process
    /// has for itself.
    pub fn changes_at_hand(&self, after: Sequence) -> Option<Changes> {
        match &self.engine {
            Engine::Sqlite(sqlite) => Some(sqlite.feed.since(after)),
            Engine::Postgres(_) => None,
            Engine::Memory(memory) => Some(memory.feed.since(after)),
        }
    }

    /// Copies the store as it is at one moment into `directory`, while it is used.
    pub async fn backup(&self, directory: &Path) -> Result<BackupReport, StoreError> {
        match &self.engine {
            Engine::Sqlite(store) => {
                let (path, directory) = (store.path().to_owned(), directory.to_owned());
                let copy = move || sqlite::backup(&path, &directory);
                tokio::task::spawn_blocking(copy).await.map_err(|_| StoreError::Stopped)?
            }
            Engine::Postgres(_) => Err(StoreError::Unsupported(
                "a store on PostgreSQL is backed up with its own tools, such as pg_dump".into(),
            )),
            Engine::Memory(_) => {
                Err(StoreError::Unsupported("a store in memory has no backup".into()))
            }
        }
    }

    /// Removes everything; readers of the changes are told to reload.
    pub async fn wipe(&self) -> Result<(), CommitError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.wipe().await,
            Engine::Postgres(postgres) => postgres.wipe().await,
            Engine::Memory(memory) => memory.wipe(),
        }
    }

    /// Finishes what was handed over. Later commits are refused; reading goes on.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
            Engine::Memory(memory) => memory.close(),
        }
    }

    /// The faults of a store in memory.
    pub fn faults(&self) -> Option<&Faults> {
        match &self.engine {
            Engine::Memory(memory) => Some(&memory.faults),
            Engine::Sqlite(_) | Engine::Postgres(_) => None,
        }
    }
}

/// Whether the conflict is on what the transaction read, so that reading again may help.
fn is_stale(condition: &Condition, keys: &[Key]) -> bool {
    match condition {
        Condition::Absent(key) | Condition::Version(key, _) => keys.contains(key),
        Condition::Exists(_) | Condition::Empty(_) => false,
    }
}
