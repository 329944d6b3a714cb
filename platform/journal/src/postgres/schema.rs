//! The tables of the journal, their format, and what they hold when it is opened.

use tokio_postgres::Row;

use super::State;
use super::connection::{Connection, Fault};
use crate::{JournalError, Mark, QueueId, Sequence};

/// Format `n` is made from format `n - 1` by step `n - 1`.
const STEPS: [&str; 1] = ["CREATE TABLE ferrite_journal_entries (
         sequence bigint NOT NULL PRIMARY KEY,
         body bytea NOT NULL
     );
     ALTER TABLE ferrite_journal_entries ALTER COLUMN body SET STORAGE EXTERNAL;
     CREATE TABLE ferrite_journal_queues (
         sequence bigint NOT NULL,
         queue bigint NOT NULL,
         mark bigint NOT NULL,
         PRIMARY KEY (sequence, queue)
     ) WITH (fillfactor = 90);
     CREATE TABLE ferrite_journal_meta (name text NOT NULL PRIMARY KEY, value bigint NOT NULL)
         WITH (fillfactor = 50);
     INSERT INTO ferrite_journal_meta (name, value)
     VALUES ('format', 0), ('opened', 0), ('reserved', 0), ('commits', 0);"];

/// The newest format that this program reads and the only one that it writes.
const FORMAT: i64 = STEPS.len() as i64;

/// Rows that are loaded at once.
const PAGE_ROWS: i64 = 10_000;

const TABLES: &str = "SELECT to_regclass('ferrite_journal_meta') IS NOT NULL";
const META: &str = "SELECT value FROM ferrite_journal_meta WHERE name = $1";
const SET_META: &str = "UPDATE ferrite_journal_meta SET value = $2 WHERE name = $1";
const RESERVE: &str = "UPDATE ferrite_journal_meta \
     SET value = value + CASE name WHEN 'opened' THEN 1 ELSE $1::bigint END \
     WHERE name IN ('opened', 'reserved')";
const ENTRIES: &str = "SELECT sequence, octet_length(body) FROM ferrite_journal_entries \
     WHERE sequence > $1 ORDER BY sequence LIMIT $2";
const QUEUES: &str = "SELECT queue, sequence, mark FROM ferrite_journal_queues \
     WHERE (sequence, queue) > ($1, $2) ORDER BY sequence, queue LIMIT $3";

/// What the owner remembers of the journal.
pub(super) struct Meta {
    /// How often it was opened, this time included: whoever opens it next changes that.
    pub(super) opened: i64,
    /// The number of the last commit.
    pub(super) commits: i64,
    /// Sequences up to here may have been given before.
    pub(super) used: Sequence,
}

/// Brings the tables to the newest format. The owner's lock keeps others away.
pub(super) async fn migrate(connection: &Connection) -> Result<(), JournalError> {
    let found = format(connection).await?;
    if found > FORMAT {
        let [found, known] = [found, FORMAT].map(i64::cast_unsigned);
        return Err(JournalError::NewerFormat { found, known });
    }
    let done = usize::try_from(found).unwrap_or_default();
    for sql in STEPS.iter().skip(done) {
        let step = format!("BEGIN; {sql} COMMIT");
        connection.run(&step).await.map_err(Fault::from)?;
    }
    if found < FORMAT {
        connection.query(SET_META, &[&"format", &FORMAT]).await.map_err(Fault::from)?;
    }
    Ok(())
}

async fn format(connection: &Connection) -> Result<i64, Fault> {
    let tables = connection.query(TABLES, &[]).await?;
    let has_tables = tables.first().map(|row| row.try_get(0)).transpose()?;
    if has_tables != Some(true) {
        return Ok(0);
    }
    meta(connection, "format").await
}

pub(super) async fn meta(connection: &Connection, name: &str) -> Result<i64, Fault> {
    let found = connection.query(META, &[&name]).await?;
    Ok(found.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
}

/// Reserves `count` sequences, and counts that the journal is opened.
pub(super) async fn open(connection: &Connection, count: u64) -> Result<Meta, Fault> {
    let used = Sequence(meta(connection, "reserved").await?.cast_unsigned());
    connection.query(RESERVE, &[&count.cast_signed()]).await?;
    let opened = meta(connection, "opened").await?;
    Ok(Meta { opened, commits: meta(connection, "commits").await?, used })
}

/// Reads who waits for what.
pub(super) async fn load(connection: &Connection) -> Result<State, Fault> {
    let mut state = State::default();
    let mut loading = Loading::default();
    let mut after = i64::MIN;
    loop {
        let entries = connection.query(ENTRIES, &[&after, &PAGE_ROWS]).await?;
        let Some(last) = entries.last() else { break };
        after = last.try_get(0)?;
        for row in &entries {
            let bytes: i32 = row.try_get(1)?;
            loading.bytes.push((sequence(row, 0)?, bytes.cast_unsigned()));
        }
    }
    let (mut after, mut queue) = (i64::MIN, i64::MIN);
    loop {
        let rows = connection.query(QUEUES, &[&after, &queue, &PAGE_ROWS]).await?;
        let Some(last) = rows.last() else { break };
        (queue, after) = (last.try_get(0)?, last.try_get(1)?);
        for row in &rows {
            let (queue, mark): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
            let mark = Mark::try_from(mark).unwrap_or_default();
            loading.queues.push((sequence(row, 1)?, QueueId(queue.cast_unsigned()), mark));
        }
    }
    loading.finish(&mut state);
    Ok(state)
}

fn sequence(row: &Row, column: usize) -> Result<Sequence, tokio_postgres::Error> {
    let number: i64 = row.try_get(column)?;
    Ok(Sequence(number.cast_unsigned()))
}

/// Both tables, each in the order of the sequences.
#[derive(Default)]
struct Loading {
    bytes: Vec<(Sequence, u32)>,
    queues: Vec<(Sequence, QueueId, Mark)>,
}

impl Loading {
    fn finish(self, state: &mut State) {
        let mut queues = self.queues.into_iter().peekable();
        for (sequence, bytes) in self.bytes {
            let mut of_entry = Vec::new();
            while let Some((_, queue, mark)) = queues.next_if(|(of, ..)| *of <= sequence) {
                of_entry.push((queue, mark));
            }
            if !of_entry.is_empty() {
                state.bytes += u64::from(bytes);
            }
            state.index.insert(sequence, of_entry.into_iter().collect(), bytes);
        }
    }
}
