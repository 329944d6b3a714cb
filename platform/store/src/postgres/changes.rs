//! The feed of changes: a table that each commit adds its keys to.
//!
//! Committers work side by side, so a later number may be committed earlier. A reader's place in
//! the feed is therefore a transaction's number, and it is shown only what lies below the oldest
//! transaction that still runs: nothing can be added there any more, and nothing is skipped. A
//! transaction of anybody in the database cluster that writes for long holds the feed back.

use std::time::Duration;

use tokio_postgres::Row;

use super::pool::Pool;
use crate::{Changes, Key, Sequence, StoreError};

/// Keys that the feed remembers, and the most that a reader is given: further back, it reloads.
const KEYS_MAX: i64 = 65_536;
/// How often the feed is asked for news.
const POLL: Duration = Duration::from_millis(250);

const HORIZON: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS upto";

const SINCE: &str = "
    SELECT now.upto, now.forgotten, c.key
    FROM (
        SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS upto,
            (SELECT value FROM ferrite_meta WHERE name = 'forgotten') AS forgotten
    ) AS now
    LEFT JOIN LATERAL (
        SELECT txid, sequence, key FROM ferrite_changes
        WHERE txid > ($1::bigint)::text::xid8 AND txid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY txid, sequence LIMIT $2
    ) AS c ON true
    ORDER BY c.txid, c.sequence";

const HAS_NEWS: &str = "
    SELECT EXISTS (
        SELECT FROM ferrite_changes
        WHERE txid > ($1::bigint)::text::xid8 AND txid < pg_snapshot_xmin(pg_current_snapshot())
    ) OR EXISTS (
        SELECT FROM ferrite_meta WHERE name = 'forgotten' AND value > $1
            AND value < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    )";

/// Whole transactions are forgotten, and in the same moment it is noted how far.
const TRIM: &str = "
    WITH last AS (
        SELECT txid FROM ferrite_changes WHERE txid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY txid DESC, sequence DESC OFFSET $1 LIMIT 1
    ), noted AS (
        UPDATE ferrite_meta SET value = greatest(value, (SELECT txid::text::bigint FROM last))
        WHERE name = 'forgotten'
    )
    DELETE FROM ferrite_changes WHERE txid <= (SELECT txid FROM last)";

/// The newest transaction below which all is visible.
pub(super) async fn current(pool: &Pool) -> Result<Sequence, StoreError> {
    let rows = pool.query(HORIZON, &[]).await?;
    let row = rows.first().ok_or(StoreError::Stopped)?;
    Ok(Sequence(number(row, 0)?))
}

pub(super) async fn since(pool: &Pool, after: Sequence) -> Result<Changes, StoreError> {
    let from = i64::try_from(after.0).unwrap_or(i64::MAX);
    let rows = pool.query(SINCE, &[&from, &(KEYS_MAX + 1)]).await?;
    let row = rows.first().ok_or(StoreError::Stopped)?;
    let (upto, forgotten) = (Sequence(number(row, 0)?), Sequence(number(row, 1)?));
    // A wipe counts from when it is below the horizon, like any other change.
    let is_forgotten = after < forgotten && forgotten <= upto;
    // A place that is yet to come is one of another cluster, from before a restoration.
    if is_forgotten || after > upto || rows.len() > KEYS_MAX as usize {
        return Ok(Changes::Lost { upto });
    }
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        let key: Option<&[u8]> = row.try_get(2)?;
        keys.extend(key.map(|bytes| Key::from_bytes(bytes.to_vec())));
    }
    Ok(Changes::Since { keys, upto })
}

/// Resolves at news, and when the feed cannot be read: asking for the changes then says why.
pub(super) async fn changed(pool: &Pool, after: Sequence) {
    let from = i64::try_from(after.0).unwrap_or(i64::MAX);
    loop {
        match pool.query(HAS_NEWS, &[&from]).await {
            Ok(rows) if rows.first().is_some_and(|row| matches!(row.try_get(0), Ok(false))) => {}
            _ => return,
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Forgets the oldest changes beyond those that the feed remembers.
pub(super) async fn trim(pool: &Pool) {
    if let Err(error) = pool.query(TRIM, &[&KEYS_MAX]).await {
        tracing::warn!(%error, "old changes were not removed; it is tried again later");
    }
}

fn number(row: &Row, column: usize) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column)?;
    Ok(u64::try_from(number).unwrap_or_default())
}
