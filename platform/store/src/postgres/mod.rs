//! The store on PostgreSQL: one table of records, shared by any number of nodes.
//!
//! A commit locks what its conditions and writes name, in the order of the keys, and is checked
//! against what it locked. That nothing lies in a range is certain only together with a lock:
//! whoever adds under a parent demands that the parent exists, and whoever demands that nothing is
//! under it removes or writes the parent in the same batch.

mod changes;
mod committer;
mod connection;
mod group;
mod pool;
mod schema;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use env::{Env, TaskKind};
use tokio::sync::mpsc;
use tokio_postgres::Row;

use self::committer::Committers;
use self::connection::Connection;
use self::pool::Pool;
use crate::{
    Batch, Changes, CommitError, Direction, Entry, Key, KeyRange, Page, Sequence, StoreError,
    Versioned,
};

const GET: &str = "SELECT key, value, version FROM ferrite_records WHERE key = ANY ($1::bytea[])";
const SCAN_FORWARD: &str = "SELECT key, value, version FROM ferrite_records \
     WHERE key >= $1 AND key < $2 AND ($3::bytea IS NULL OR key > $3) ORDER BY key LIMIT $4";
const SCAN_BACKWARD: &str = "SELECT key, value, version FROM ferrite_records \
     WHERE key >= $1 AND key < $2 ORDER BY key DESC LIMIT $3";
const WIPE: &str = "BEGIN; TRUNCATE ferrite_records, ferrite_changes; \
     UPDATE ferrite_meta SET value = pg_current_xact_id()::text::bigint \
     WHERE name = 'forgotten'; COMMIT";

pub(crate) struct Postgres {
    pool: Arc<Pool>,
    committers: Committers,
}

impl Postgres {
    pub(crate) async fn open(url: &str, env: &Env) -> Result<Self, StoreError> {
        let config = connection::configuration(url)?;
        let connection = Connection::open(&config, &env.tasks).await?;
        schema::migrate(&connection).await?;
        drop(connection);
        let pool = Arc::new(Pool::new(config.clone(), env.tasks.clone()));
        let (trim, mut grown) = mpsc::channel(1);
        let committers = Committers::start(&config, &env.tasks, &trim).await?;
        let trimmed = Arc::clone(&pool);
        env.tasks.spawn("store-trimmer", TaskKind::Transient, async move {
            while grown.recv().await.is_some() {
                changes::trim(&trimmed).await;
            }
        });
        Ok(Self { pool, committers })
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Option<Versioned>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let bytes: Vec<&[u8]> = keys.iter().map(Key::as_bytes).collect();
        let rows = self.pool.query(GET, &[&bytes]).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let Entry { key, value, version } = entry(row)?;
            found.insert(key, Versioned { value, version });
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    pub(crate) async fn scan(
        &self,
        range: &KeyRange,
        after: Option<&Key>,
        limit: usize,
        direction: Direction,
    ) -> Result<Page, StoreError> {
        let (start, end) = (range.start.as_bytes(), range.end.as_bytes());
        let after = after.map(Key::as_bytes);
        let rows_max = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let rows = match direction {
            Direction::Forward => {
                let from = after.map_or(start, |after| after.max(start));
                self.pool.query(SCAN_FORWARD, &[&from, &end, &after, &rows_max]).await?
            }
            Direction::Backward => {
                let until = after.map_or(end, |after| after.min(end));
                self.pool.query(SCAN_BACKWARD, &[&start, &until, &rows_max]).await?
            }
        };
        let has_more = rows.len() > limit;
        let entries = rows.iter().take(limit).map(entry).collect::<Result<_, _>>()?;
        Ok(Page { entries, has_more })
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        self.committers.commit(batch).await
    }

    pub(crate) async fn changes(&self, after: Sequence) -> Result<Changes, StoreError> {
        changes::since(&self.pool, after).await
    }

    pub(crate) async fn changed(&self, after: Sequence) {
        changes::changed(&self.pool, after).await;
    }

    pub(crate) async fn current(&self) -> Result<Sequence, StoreError> {
        changes::current(&self.pool).await
    }

    /// Waits for the commits under way, and tells every reader of the changes to reload.
    pub(crate) async fn wipe(&self) -> Result<(), CommitError> {
        self.committers.check()?;
        Ok(self.pool.run(WIPE).await?)
    }

    pub(crate) async fn close(&self) {
        self.committers.close().await;
        self.pool.close();
    }
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    let (key, value): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    let version: i64 = row.try_get(2)?;
    Ok(Entry {
        key: Key::from_bytes(key.to_vec()),
        value: Bytes::copy_from_slice(value),
        version: Sequence(u64::try_from(version).unwrap_or_default()),
    })
}
