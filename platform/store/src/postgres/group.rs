//! One transaction that writes a group of batches.
//!
//! What the batches name is locked first, in the order of the keys, so that groups do not wait
//! for each other in a circle. Then the batches are taken in turn: each sees the locked records
//! and what the batches before it have written. Most groups are written in three round trips.
//!
//! A record that is not there cannot be locked. That it stays absent is enforced by inserting it:
//! whoever else inserts the key waits for us, or we find theirs. A key that is demanded to be
//! absent and not written is inserted and removed again, which nobody ever sees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{self, Future};
use std::pin::Pin;
use std::task::Poll;

use tokio_postgres::{Error, Row};

use super::connection::{Connection, Fault, Parameter};
use crate::batch::Operation;
use crate::key::sha256;
use crate::{Batch, Condition, Key, KeyRange, Sequence};

const LOCK_RANGES: &str = "SELECT pg_advisory_xact_lock(n) FROM unnest($1::bigint[]) AS n";
/// Nobody else changes or removes these, or relies on them.
const LOCK: &str = "SELECT key, version FROM ferrite_records WHERE key = ANY ($1::bytea[]) \
     ORDER BY key FOR UPDATE";
/// Nobody else removes these; many transactions rely on one record at the same time.
const LOCK_SHARED: &str = "SELECT key, version FROM ferrite_records WHERE key = ANY ($1::bytea[]) \
     ORDER BY key FOR KEY SHARE";
const NEXT_SEQUENCES: &str =
    "SELECT nextval('ferrite_sequence') FROM generate_series(1, $1::bigint)";
const IS_OCCUPIED: &str = "SELECT 1 FROM ferrite_records WHERE key >= $1 AND key < $2 LIMIT 1";
/// A key of `$4` must be new: if it is not, fewer rows are written than were given.
const PUT: &str = "INSERT INTO ferrite_records AS r (key, version, value) \
     SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[]) \
     ON CONFLICT (key) DO UPDATE SET version = excluded.version, value = excluded.value \
     WHERE r.key <> ALL ($4::bytea[])";
const RACED: &str = "SELECT key FROM ferrite_records \
     WHERE key = ANY ($1::bytea[]) AND version <> ALL ($2::bigint[]) LIMIT 1";
const DELETE: &str = "DELETE FROM ferrite_records WHERE key = ANY ($1::bytea[])";
const DELETE_RANGE: &str = "DELETE FROM ferrite_records WHERE key >= $1 AND key < $2";
const TELL: &str = "INSERT INTO ferrite_changes (sequence, txid, key) \
     SELECT c.sequence, pg_current_xact_id(), c.key \
     FROM unnest($1::bigint[], $2::bytea[]) AS c (sequence, key)";

/// What a connection that writes groups must have prepared: a statement that is sent on the heels
/// of another cannot wait for its preparation.
pub(super) const STATEMENTS: [&str; 9] =
    [LOCK_RANGES, LOCK, LOCK_SHARED, NEXT_SEQUENCES, IS_OCCUPIED, PUT, DELETE, DELETE_RANGE, TELL];

/// What became of one batch.
pub(super) type Outcome = Result<Sequence, Condition>;

/// What became of a group.
pub(super) struct Written {
    pub(super) outcomes: Vec<Outcome>,
    /// Keys that were added to the feed.
    pub(super) keys: usize,
}

/// Writes those batches whose conditions hold, durably, or nothing at all.
pub(super) async fn write(connection: &Connection, batches: &[Batch]) -> Result<Written, Fault> {
    match prepare(connection, batches).await {
        Ok(written) if written.outcomes.iter().any(Result::is_ok) => {
            // On a closed connection nothing is sent, and so nothing can have been done.
            let meaning = if connection.is_closed() { Fault::from } else { Fault::at_commit };
            connection.run("COMMIT").await.map_err(meaning)?;
            Ok(written)
        }
        Ok(written) => {
            connection.run("ROLLBACK").await?;
            Ok(written)
        }
        Err(fault) => {
            // A connection that cannot even do this is of no more use.
            connection.run("ROLLBACK").await.map_err(Fault::Lost)?;
            Err(fault)
        }
    }
}

async fn prepare(connection: &Connection, batches: &[Batch]) -> Result<Written, Fault> {
    let names = Names::of(batches);
    let mut group = Group::begin(connection, &names, batches.len()).await?;
    let mut outcomes = Vec::with_capacity(batches.len());
    for batch in batches {
        outcomes.push(group.batch(batch).await?);
    }
    let absent: Vec<&Key> = group.absent.iter().copied().collect();
    group.enforce(absent);
    group.flush().await?;
    Ok(Written { outcomes, keys: group.keys_told })
}

/// What a group of batches names, in order.
struct Names<'b> {
    /// Whether the key is locked for ourselves alone.
    keys: BTreeMap<&'b Key, bool>,
    /// Hashes that stand for ranges which must be empty.
    ranges: BTreeSet<i64>,
}

impl<'b> Names<'b> {
    fn of(batches: &'b [Batch]) -> Self {
        let mut names = Self { keys: BTreeMap::new(), ranges: BTreeSet::new() };
        for batch in batches {
            for condition in &batch.conditions {
                match condition {
                    Condition::Absent(key) | Condition::Version(key, _) => names.add(key, true),
                    Condition::Exists(key) => names.add(key, false),
                    Condition::Empty(range) => {
                        names.ranges.insert(range_hash(range));
                    }
                }
            }
            for operation in &batch.operations {
                if let Operation::Put(key, _) | Operation::Delete(key) = operation {
                    names.add(key, true);
                }
            }
        }
        names
    }

    fn add(&mut self, key: &'b Key, is_exclusive: bool) {
        *self.keys.entry(key).or_insert(false) |= is_exclusive;
    }

    async fn lock_ranges(&self, connection: &Connection) -> Result<(), Error> {
        if !self.ranges.is_empty() {
            let ranges: Vec<i64> = self.ranges.iter().copied().collect();
            connection.query(LOCK_RANGES, &[&ranges]).await?;
        }
        Ok(())
    }

    /// Locks the records that there are, in the order of their keys, and returns them.
    async fn lock_keys(&self, connection: &Connection) -> Result<Vec<Row>, Error> {
        let lock = |(is_exclusive, keys): (bool, Vec<&'b [u8]>)| -> Sent<'_, _> {
            let sql = if is_exclusive { LOCK } else { LOCK_SHARED };
            Box::pin(async move { connection.query(sql, &[&keys]).await })
        };
        let answers = in_order(self.runs().into_iter().map(lock).collect()).await;
        let rows: Vec<Vec<Row>> = answers.into_iter().collect::<Result<_, _>>()?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The keys in order, in runs that are locked alike.
    fn runs(&self) -> Vec<(bool, Vec<&'b [u8]>)> {
        let mut runs: Vec<(bool, Vec<&[u8]>)> = Vec::new();
        for (key, is_exclusive) in &self.keys {
            match runs.last_mut() {
                Some((kind, run)) if kind == is_exclusive => run.push(key.as_bytes()),
                _ => runs.push((*is_exclusive, vec![key.as_bytes()])),
            }
        }
        runs
    }
}

fn range_hash(range: &KeyRange) -> i64 {
    let hash = sha256(range.start.as_bytes());
    let head = hash.first_chunk().expect("SHA-256 has 32 bytes");
    i64::from_be_bytes(*head)
}

/// A record as the transaction sees it.
#[derive(Clone, Copy, Default)]
struct Held {
    version: Option<Sequence>,
    /// Nobody else can write it before the transaction ends.
    is_ours: bool,
}

struct Group<'b> {
    connection: &'b Connection,
    held: HashMap<&'b Key, Held>,
    sequences: std::vec::IntoIter<Sequence>,
    /// Not yet sent: what is put, and `None` for what is deleted.
    pending: BTreeMap<&'b Key, Option<(Sequence, &'b [u8])>>,
    /// What conditions found absent, and nobody has made certain of yet.
    absent: BTreeSet<&'b Key>,
    /// Not yet told to the feed.
    changed: Vec<(Sequence, &'b Key)>,
    keys_told: usize,
}

impl<'b> Group<'b> {
    /// Begins the transaction and locks all that is named. The numbers are drawn behind the
    /// locks, so that a record's versions grow.
    async fn begin(
        connection: &'b Connection,
        names: &Names<'b>,
        batches: usize,
    ) -> Result<Self, Fault> {
        let count = i64::try_from(batches).unwrap_or(i64::MAX);
        let numbers = async { connection.query(NEXT_SEQUENCES, &[&count]).await };
        // Polled in this order, they are sent in this order.
        let (begun, ranges, rows, numbers) = tokio::join!(
            biased;
            connection.run("BEGIN ISOLATION LEVEL READ COMMITTED"),
            names.lock_ranges(connection),
            names.lock_keys(connection),
            numbers
        );
        begun?;
        ranges?;
        let mut held: HashMap<&Key, Held> =
            names.keys.keys().map(|key| (*key, Held::default())).collect();
        for row in rows? {
            let key = Key::from_bytes(row.try_get(0)?);
            if let Some(held) = held.get_mut(&key) {
                *held = Held { version: Some(sequence(&row, 1)?), is_ours: true };
            }
        }
        let sequences =
            numbers?.iter().map(|row| sequence(row, 0)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            connection,
            held,
            sequences: sequences.into_iter(),
            pending: BTreeMap::new(),
            absent: BTreeSet::new(),
            changed: Vec::new(),
            keys_told: 0,
        })
    }

    async fn batch(&mut self, batch: &'b Batch) -> Result<Outcome, Fault> {
        let mut absent = Vec::new();
        for condition in &batch.conditions {
            if !self.holds(condition).await? {
                return Ok(Err(condition.clone()));
            }
            match condition {
                Condition::Absent(key) if !self.held(key).is_ours => absent.push(key),
                _ => {}
            }
        }
        self.absent.extend(absent);
        let sequence = self.sequences.next().expect("there is a number for each batch");
        for operation in &batch.operations {
            self.apply(operation, sequence).await?;
        }
        Ok(Ok(sequence))
    }

    async fn holds(&mut self, condition: &Condition) -> Result<bool, Fault> {
        Ok(match condition {
            Condition::Absent(key) => self.held(key).version.is_none(),
            Condition::Exists(key) => self.held(key).version.is_some(),
            Condition::Version(key, version) => self.held(key).version == Some(*version),
            Condition::Empty(range) => {
                self.flush().await?;
                let (start, end) = (range.start.as_bytes(), range.end.as_bytes());
                self.connection.query(IS_OCCUPIED, &[&start, &end]).await?.is_empty()
            }
        })
    }

    async fn apply(&mut self, operation: &'b Operation, version: Sequence) -> Result<(), Fault> {
        match operation {
            Operation::Put(key, value) => {
                self.pending.insert(key, Some((version, value)));
                self.held.entry(key).or_default().version = Some(version);
                self.changed.push((version, key));
            }
            Operation::Delete(key) => {
                self.pending.insert(key, None);
                self.held.entry(key).or_default().version = None;
                self.changed.push((version, key));
            }
            Operation::DeleteRange(range) => {
                self.delete_range(range).await?;
                self.changed.push((version, &range.start));
            }
        }
        Ok(())
    }

    async fn delete_range(&mut self, range: &KeyRange) -> Result<(), Fault> {
        // Otherwise a record that somebody else has just inserted would be removed unnoticed.
        let absent = self.absent.iter().copied().filter(|key| range.contains(key)).collect();
        self.enforce(absent);
        self.flush().await?;
        let (start, end) = (range.start.as_bytes(), range.end.as_bytes());
        self.connection.execute(DELETE_RANGE, &[&start, &end]).await?;
        for (key, held) in &mut self.held {
            if range.contains(key) {
                held.version = None;
            }
        }
        Ok(())
    }

    fn held(&self, key: &Key) -> Held {
        self.held.get(key).copied().unwrap_or_default()
    }

    /// Has these keys written with the next flush, which finds out whether they are absent.
    fn enforce(&mut self, absent: Vec<&'b Key>) {
        for key in absent {
            self.pending.entry(key).or_insert(None);
        }
    }

    /// Sends what the batches so far have written.
    async fn flush(&mut self) -> Result<(), Fault> {
        let pending = std::mem::take(&mut self.pending);
        let changed = std::mem::take(&mut self.changed);
        let rows = Rows::of(&pending, &self.absent);
        let connection = self.connection;
        let (put, deleted, told) = tokio::join!(
            biased;
            rows.put(connection),
            rows.delete(connection),
            tell(connection, &changed)
        );
        let put = put?;
        deleted?;
        told?;
        if put < rows.keys.len() as u64 {
            return Err(rows.raced(connection).await?);
        }
        self.keys_told += changed.len();
        for key in pending.keys() {
            self.absent.remove(key);
            self.held.entry(key).or_default().is_ours = true;
        }
        Ok(())
    }
}

/// The writes of one flush, by column.
#[derive(Default)]
struct Rows<'b> {
    keys: Vec<&'b [u8]>,
    versions: Vec<i64>,
    values: Vec<&'b [u8]>,
    must_be_absent: Vec<&'b [u8]>,
    deleted: Vec<&'b [u8]>,
}

impl<'b> Rows<'b> {
    fn of(
        pending: &BTreeMap<&'b Key, Option<(Sequence, &'b [u8])>>,
        absent: &BTreeSet<&'b Key>,
    ) -> Self {
        let mut rows = Self::default();
        for (key, write) in pending {
            let is_absent = absent.contains(key);
            let bytes = key.as_bytes();
            if is_absent {
                rows.must_be_absent.push(bytes);
            }
            if write.is_none() {
                rows.deleted.push(bytes);
            }
            if write.is_some() || is_absent {
                let (version, value) = write.unwrap_or_default();
                rows.keys.push(bytes);
                rows.versions.push(version.0 as i64);
                rows.values.push(value);
            }
        }
        rows
    }

    async fn put(&self, connection: &Connection) -> Result<u64, Error> {
        if self.keys.is_empty() {
            return Ok(0);
        }
        let columns: [Parameter<'_>; 4] =
            [&self.keys, &self.versions, &self.values, &self.must_be_absent];
        connection.execute(PUT, &columns).await
    }

    async fn delete(&self, connection: &Connection) -> Result<(), Error> {
        if !self.deleted.is_empty() {
            connection.execute(DELETE, &[&self.deleted]).await?;
        }
        Ok(())
    }

    /// Finds the record that somebody else made where there should be none.
    async fn raced(&self, connection: &Connection) -> Result<Fault, Fault> {
        let rows = connection.query(RACED, &[&self.must_be_absent, &self.versions]).await?;
        let key = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
        Ok(Fault::Raced(Key::from_bytes(key)))
    }
}

async fn tell(connection: &Connection, changed: &[(Sequence, &Key)]) -> Result<(), Error> {
    if !changed.is_empty() {
        let (sequences, keys): (Vec<i64>, Vec<&[u8]>) =
            changed.iter().map(|(sequence, key)| (sequence.0 as i64, key.as_bytes())).unzip();
        connection.execute(TELL, &[&sequences, &keys]).await?;
    }
    Ok(())
}

fn sequence(row: &Row, column: usize) -> Result<Sequence, Error> {
    let number: i64 = row.try_get(column)?;
    Ok(Sequence(u64::try_from(number).unwrap_or_default()))
}

type Sent<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// Runs futures side by side, which are polled, and so sent, in order.
async fn in_order<T>(mut sent: Vec<Sent<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = sent.iter().map(|_| None).collect();
    future::poll_fn(|context| {
        let mut is_ready = true;
        for (work, done) in sent.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match work.as_mut().poll(context) {
                Poll::Ready(value) => *done = Some(value),
                Poll::Pending => is_ready = false,
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
