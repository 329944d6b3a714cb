//! Commits groups, each by one statement.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_postgres::{Config, Error};

use super::connection::{self, Connection, Fault};
use super::effects::{self, Effects};
use super::schema::{self, Meta};
use super::{State, lock};
use crate::group::Group;
use crate::inbox::Inbox;
use crate::writer::Engine;
use crate::{JournalError, Size};

/// Each row is named by one part alone, since all parts see the tables as they were before.
const COMMIT: &str = "WITH
     ended AS (DELETE FROM ferrite_journal_queues AS q
         USING unnest($1::bigint[], $2::bigint[]) AS e (queue, sequence)
         WHERE q.queue = e.queue AND q.sequence = e.sequence),
     marked AS (UPDATE ferrite_journal_queues AS q SET mark = m.mark
         FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS m (queue, sequence, mark)
         WHERE q.queue = m.queue AND q.sequence = m.sequence),
     gone AS (DELETE FROM ferrite_journal_entries WHERE sequence = ANY ($6::bigint[])),
     entries AS (INSERT INTO ferrite_journal_entries (sequence, body)
         SELECT * FROM unnest($7::bigint[], $8::bytea[])),
     queues AS (INSERT INTO ferrite_journal_queues (queue, sequence, mark)
         SELECT * FROM unnest($9::bigint[], $10::bigint[], $11::bigint[]))
     UPDATE ferrite_journal_meta
     SET value = CASE name WHEN 'commits' THEN $12 ELSE greatest(value, $13::bigint) END
     WHERE name = 'commits' OR name = 'reserved' AND $13::bigint > 0";

/// The wait before PostgreSQL is tried again; it doubles with each try, up to a bound.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Tries of a commit while the journal is being closed.
const LAST_TRIES: u32 = 4;

pub(crate) struct Postgres {
    config: Config,
    connection: Option<Connection>,
    state: Arc<Mutex<State>>,
    inbox: Arc<Inbox>,
    opened: i64,
    commits: i64,
}

impl Postgres {
    pub(super) fn new(
        config: Config,
        connection: Connection,
        state: Arc<Mutex<State>>,
        inbox: Arc<Inbox>,
        meta: &Meta,
    ) -> Self {
        let connection = Some(connection);
        Self { config, connection, state, inbox, opened: meta.opened, commits: meta.commits }
    }

    /// Commits unless that has happened already: an answer may have been lost.
    async fn try_commit(&mut self, group: &Rows<'_>) -> Result<(), Fault> {
        let number = self.commits + 1;
        let is_known = self.connection.as_ref().is_some_and(|known| !known.is_closed());
        if !is_known {
            self.connection = None;
            let connection = connection::own(&self.config).await?;
            if schema::meta(&connection, "opened").await? != self.opened {
                return Err(Fault::Owned);
            }
            let committed = schema::meta(&connection, "commits").await?;
            self.connection = Some(connection);
            if committed == number {
                return Ok(());
            }
        }
        if let Some(connection) = &self.connection {
            group.write(connection, number).await?;
        }
        Ok(())
    }

    /// Waits before the next try; gives up when the journal is being closed.
    async fn pause(&self, error: Error, tries: u32) -> Result<(), JournalError> {
        if self.inbox.is_closed() && tries >= LAST_TRIES {
            return Err(Fault::Lost(error).into());
        }
        tracing::warn!(%error, tries, "PostgreSQL is not reachable: messages wait");
        let pause = PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(PAUSE_MAX);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

impl Engine for Postgres {
    async fn commit(&mut self, group: &mut Group) -> Result<(), JournalError> {
        let rows = Rows::of(group, &lock(&self.state));
        let mut tries = 0;
        loop {
            match self.try_commit(&rows).await {
                Ok(()) => break,
                Err(Fault::Lost(error)) => {
                    self.connection = None;
                    tries += 1;
                    self.pause(error, tries).await?;
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        self.commits += 1;
        effects::apply(group, &mut lock(&self.state));
        Ok(())
    }

    fn has_chores(&self) -> bool {
        false
    }

    fn size(&self) -> Size {
        let state = lock(&self.state);
        Size {
            bytes: state.bytes,
            live_bytes: state.bytes,
            waiting_bytes: 0,
            entries: state.index.entry_count(),
            queues: state.index.queue_count(),
            segments: 0,
        }
    }

    async fn close(&mut self) -> Result<(), JournalError> {
        self.connection = None;
        Ok(())
    }
}

/// A group as the statement's parameters.
struct Rows<'g> {
    effects: Effects,
    sequences: Vec<i64>,
    bodies: Vec<&'g [u8]>,
    /// Queues, sequences and marks.
    queues: (Vec<i64>, Vec<i64>, Vec<i64>),
    reserve: i64,
}

impl<'g> Rows<'g> {
    fn of(group: &'g Group, state: &State) -> Self {
        let mut rows = Self {
            effects: Effects::of(group, state),
            sequences: Vec::new(),
            bodies: Vec::new(),
            queues: Default::default(),
            reserve: group.reserve.map_or(0, |reserve| reserve.0.cast_signed()),
        };
        for entry in &group.entries {
            let sequence = entry.sequence.0.cast_signed();
            rows.sequences.push(sequence);
            rows.bodies.push(group.body(entry));
            for (queue, mark) in entry.queues.iter() {
                rows.queues.0.push(queue.0.cast_signed());
                rows.queues.1.push(sequence);
                rows.queues.2.push(mark.into());
            }
        }
        rows
    }

    async fn write(&self, connection: &Connection, number: i64) -> Result<(), Error> {
        let Effects { ended, marked, gone } = &self.effects;
        connection
            .query(
                COMMIT,
                &[
                    &ended.0,
                    &ended.1,
                    &marked.0,
                    &marked.1,
                    &marked.2,
                    gone,
                    &self.sequences,
                    &self.bodies,
                    &self.queues.0,
                    &self.queues.1,
                    &self.queues.2,
                    &number,
                    &self.reserve,
                ],
            )
            .await?;
        Ok(())
    }
}
