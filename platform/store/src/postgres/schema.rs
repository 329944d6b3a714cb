//! The tables of the store, their format, and the way from each format to the next.

use tokio_postgres::Error;

use super::connection::Connection;
use crate::StoreError;

/// Format `n` is made from format `n - 1` by step `n - 1`; a database without our tables has
/// format 0. Room is left in the pages of records, so that most updates stay in their page.
const STEPS: [&str; 1] = ["CREATE TABLE ferrite_records (
         key bytea NOT NULL PRIMARY KEY,
         version bigint NOT NULL,
         value bytea NOT NULL
     ) WITH (fillfactor = 85);
     CREATE TABLE ferrite_changes (
         sequence bigint NOT NULL,
         txid xid8 NOT NULL,
         key bytea NOT NULL
     );
     CREATE INDEX ferrite_changes_in_order ON ferrite_changes (txid, sequence);
     CREATE SEQUENCE ferrite_sequence;
     CREATE TABLE ferrite_meta (name text NOT NULL PRIMARY KEY, value bigint NOT NULL);
     INSERT INTO ferrite_meta (name, value) VALUES ('format', 0), ('forgotten', 0);"];

/// The newest format that this program reads and the only one that it writes.
const FORMAT: i64 = STEPS.len() as i64;

/// Whoever migrates holds this lock ("ferrite" in ASCII), so that nodes may start together.
const LOCK: &str = "SELECT pg_advisory_xact_lock(28820005117588581)";

/// A database restored from a dump has the changes of another cluster, whose transactions are
/// numbered differently.
const FORGET_FOREIGN: &str = "
    DELETE FROM ferrite_changes WHERE txid >= pg_snapshot_xmax(pg_current_snapshot());
    UPDATE ferrite_meta SET value = pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1
    WHERE name = 'forgotten' AND value >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

/// Brings the tables to the newest format.
pub(super) async fn migrate(connection: &Connection) -> Result<(), StoreError> {
    connection.run("BEGIN").await?;
    connection.run(LOCK).await?;
    let found = format(connection).await?;
    if found > FORMAT {
        return Err(StoreError::NewerFormat { found, known: FORMAT });
    }
    let done = usize::try_from(found).unwrap_or_default();
    for sql in STEPS.iter().skip(done) {
        connection.run(sql).await?;
    }
    if found < FORMAT {
        let sql = "UPDATE ferrite_meta SET value = $1 WHERE name = 'format'";
        connection.execute(sql, &[&FORMAT]).await?;
    }
    connection.run(FORGET_FOREIGN).await?;
    connection.run("COMMIT").await?;
    Ok(())
}

async fn format(connection: &Connection) -> Result<i64, Error> {
    let sql = "SELECT to_regclass('ferrite_meta') IS NOT NULL";
    let tables = connection.query(sql, &[]).await?;
    let has_tables = tables.first().map(|row| row.try_get(0)).transpose()?;
    if has_tables != Some(true) {
        return Ok(0);
    }
    let sql = "SELECT value FROM ferrite_meta WHERE name = 'format'";
    let found = connection.query(sql, &[]).await?;
    Ok(found.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
}
