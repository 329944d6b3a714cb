//! The store's format and the way from each format to the next.

use rusqlite::{Connection, OptionalExtension as _};

use crate::{Sequence, StoreError};

/// Format `n` is made from format `n - 1` by step `n - 1`; an empty file is format 0.
const STEPS: [&str; 1] = ["CREATE TABLE records (
         key BLOB NOT NULL PRIMARY KEY,
         version INTEGER NOT NULL,
         value BLOB NOT NULL
     ) WITHOUT ROWID;
     CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID;
     INSERT INTO meta (name, value) VALUES ('sequence', 0);"];

/// The newest format that this program reads and the only one that it writes.
pub(crate) const FORMAT: i64 = STEPS.len() as i64;

/// Brings the file to the newest format and returns its last sequence.
pub(crate) fn migrate(connection: &mut Connection) -> Result<Sequence, StoreError> {
    let found = format(connection)?;
    if found > FORMAT {
        return Err(StoreError::NewerFormat { found, known: FORMAT });
    }
    let done = usize::try_from(found).unwrap_or_default();
    for (step, sql) in STEPS.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step as i64 + 1)?;
        transaction.commit()?;
    }
    let sql = "SELECT value FROM meta WHERE name = 'sequence'";
    let sequence: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(Sequence(sequence.and_then(|n| u64::try_from(n).ok()).unwrap_or_default()))
}

/// The format of a store's file.
pub(crate) fn format(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}
