//! The embedded store: one SQLite file in the data directory.
//!
//! Reads run where they are asked for: a point read costs a few microseconds, less than handing
//! it to another thread and back. Writes go through one committer thread that commits many
//! batches at once.

mod committer;
mod directory;
mod migrations;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;
use env::Env;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, ToSql, params};

use self::committer::Committer;
use self::directory::Lock;
use crate::feed::Feed;
use crate::{
    Batch, CommitError, Direction, Entry, Key, KeyRange, Page, Sequence, StoreError, Versioned,
};

pub(crate) use self::directory::backup;
pub use self::directory::{BackupReport, restore};

/// The store's file in the data directory.
pub(crate) const FILE: &str = "ferrite.db";
/// Connections that read; more than the workers that ask would only wait.
const READERS: usize = 4;
/// Prepared statements per connection.
const STATEMENTS_MAX: usize = 32;

pub(crate) struct Sqlite {
    path: PathBuf,
    readers: Vec<Mutex<Connection>>,
    next_reader: AtomicUsize,
    committer: Committer,
    pub(crate) feed: Arc<Feed>,
    /// Held as long as the store is open.
    _lock: Lock,
}

impl Sqlite {
    pub(crate) fn open(directory: &Path, env: &Env) -> Result<Self, StoreError> {
        let lock = Lock::take(directory)?;
        let path = directory.join(FILE);
        let mut writer = Connection::open(&path)?;
        configure(&writer)?;
        let sequence = migrations::migrate(&mut writer)?;
        let readers =
            (0..READERS).map(|_| reader(&path).map(Mutex::new)).collect::<Result<_, _>>()?;
        let feed = Arc::new(Feed::new(sequence));
        let committer = Committer::start(writer, sequence, Arc::clone(&feed), env.tasks.clone())?;
        Ok(Self { path, readers, next_reader: AtomicUsize::new(0), committer, feed, _lock: lock })
    }

    pub(crate) fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let reader = self.reader();
        if keys.len() < 2 {
            return keys.iter().map(|key| get(&reader, key)).collect();
        }
        // One transaction, so that all keys are seen at one moment.
        let snapshot = reader.unchecked_transaction()?;
        keys.iter().map(|key| get(&snapshot, key)).collect()
    }

    pub(crate) fn scan(
        &self,
        range: &KeyRange,
        after: Option<&Key>,
        limit: usize,
        direction: Direction,
    ) -> Result<Page, StoreError> {
        let reader = self.reader();
        let (start, end) = (range.start.as_bytes(), range.end.as_bytes());
        let after = after.map(Key::as_bytes);
        let rows_max = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut entries = match direction {
            Direction::Forward => {
                let sql = "SELECT key, value, version FROM records \
                           WHERE key >= ?1 AND key < ?2 AND (?3 IS NULL OR key > ?3) \
                           ORDER BY key LIMIT ?4";
                // A cursor beyond the start is the start: the scan must not walk up to it.
                let from = after.map_or(start, |after| after.max(start));
                select(&reader, sql, params![from, end, after, rows_max])?
            }
            Direction::Backward => {
                let sql = "SELECT key, value, version FROM records \
                           WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3";
                let until = after.map_or(end, |after| after.min(end));
                select(&reader, sql, params![start, until, rows_max])?
            }
        };
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        Ok(Page { entries, has_more })
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        self.committer.commit(batch).await
    }

    pub(crate) async fn wipe(&self) -> Result<(), CommitError> {
        self.committer.wipe().await
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn close(&self) {
        self.committer.close().await;
    }

    /// A reader that nobody uses, else the next one in turn.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        for reader in &self.readers {
            match reader.try_lock() {
                Ok(free) => return free,
                Err(TryLockError::Poisoned(free)) => return free.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        let reader = self.readers.get(turn).expect("the turn is below the number of readers");
        reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Page size before WAL: rows over about 1 kB would spill at SQLite's default of 4 KiB.
///
/// Measured with updates anywhere among 100,000 records of a kilobyte: a cache of 256 MiB makes them
/// no faster, since the kernel has the file's pages anyhow; checkpoints of 4000 pages make them a
/// tenth faster, and the slowest of a hundred wait twice as long.
fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(
        "PRAGMA page_size = 8192;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 1000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -8192;",
    )?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}

fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // No `mmap_size`: each commit has a reader unmap the whole file, which costs more than reading it.
    // 16 MiB hold the upper levels of a store with a hundred million records; a small one never
    // needs as much.
    connection.execute_batch("PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;")?;
    // Else each range is planned anew for its values, which costs several times its reading.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn get(connection: &Connection, key: &Key) -> Result<Option<Versioned>, StoreError> {
    let sql = "SELECT value, version FROM records WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Versioned { value: bytes(row, 0)?, version: version(row, 1)? }))
}

fn select(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<Entry>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let key = Key::from_bytes(row.get_ref(0)?.as_blob().map_err(wrong_type)?.to_vec());
        entries.push(Entry { key, value: bytes(row, 1)?, version: version(row, 2)? });
    }
    Ok(entries)
}

fn bytes(row: &Row<'_>, column: usize) -> Result<Bytes, StoreError> {
    Ok(Bytes::copy_from_slice(row.get_ref(column)?.as_blob().map_err(wrong_type)?))
}

fn version(row: &Row<'_>, column: usize) -> Result<Sequence, StoreError> {
    let number: i64 = row.get(column)?;
    Ok(Sequence(u64::try_from(number).unwrap_or_default()))
}

fn wrong_type(error: rusqlite::types::FromSqlError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
}
