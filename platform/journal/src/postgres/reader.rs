//! Reads bodies while the writer writes, on a connection of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Config, Row};

use super::connection::{Connection, Fault};
use super::{State, lock};
use crate::{JournalError, Sequence};

const READ: &str = "SELECT sequence, body FROM ferrite_journal_entries \
     WHERE sequence = ANY ($1::bigint[])";

/// Tries of a read whose connection breaks.
const TRIES_MAX: u32 = 5;
/// The wait before a read is tried again; it grows with each try.
const PAUSE: Duration = Duration::from_millis(50);

type Answer = Result<HashMap<Sequence, Bytes>, JournalError>;

/// Entries that somebody wants to read.
pub(super) struct Request {
    sequences: Vec<i64>,
    answer: oneshot::Sender<Answer>,
}

/// Asks the task that reads, from whatever runtime.
pub(crate) struct Reader {
    state: Arc<Mutex<State>>,
    requests: mpsc::Sender<Request>,
}

impl Reader {
    pub(super) fn new(state: Arc<Mutex<State>>, requests: mpsc::Sender<Request>) -> Self {
        Self { state, requests }
    }

    /// Whether all these entries are written, and not gone.
    pub(crate) fn has_all(&self, sequences: &[Sequence]) -> bool {
        let state = lock(&self.state);
        sequences.iter().all(|sequence| state.index.place(*sequence).is_some())
    }

    /// The bodies of entries; `None` for one that is not there.
    pub(crate) async fn read(
        &self,
        sequences: &[Sequence],
    ) -> Result<Vec<Option<Bytes>>, JournalError> {
        let (answer, answered) = oneshot::channel();
        let numbers = sequences.iter().map(|sequence| sequence.0.cast_signed()).collect();
        let request = Request { sequences: numbers, answer };
        self.requests.send(request).await.map_err(|_| JournalError::Stopped)?;
        let found = answered.await.unwrap_or(Err(JournalError::Stopped))?;
        Ok(sequences.iter().map(|sequence| found.get(sequence).cloned()).collect())
    }
}

/// Answers until nobody can ask any more.
pub(crate) struct ReadTask {
    config: Config,
    connection: Option<Connection>,
    requests: mpsc::Receiver<Request>,
}

impl ReadTask {
    pub(super) fn new(config: Config, requests: mpsc::Receiver<Request>) -> Self {
        Self { config, connection: None, requests }
    }

    pub(crate) async fn run(mut self) {
        while let Some(Request { sequences, answer }) = self.requests.recv().await {
            let read = self.read(&sequences).await.map_err(JournalError::from);
            // Whoever asked may have gone.
            drop(answer.send(read));
        }
    }

    /// Reads; on a new connection, a bounded number of times, if one turns out to be broken.
    async fn read(&mut self, sequences: &Vec<i64>) -> Result<HashMap<Sequence, Bytes>, Fault> {
        let mut tries = 1;
        loop {
            match self.read_once(sequences).await {
                Err(Fault::Lost(error)) if tries < TRIES_MAX => {
                    tracing::debug!(%error, tries, "a read is tried once more");
                    tokio::time::sleep(PAUSE * tries).await;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    async fn read_once(&mut self, sequences: &Vec<i64>) -> Result<HashMap<Sequence, Bytes>, Fault> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.config).await?,
        };
        self.read_on(connection, sequences).await
    }

    async fn read_on(
        &mut self,
        connection: Connection,
        sequences: &Vec<i64>,
    ) -> Result<HashMap<Sequence, Bytes>, Fault> {
        let rows = connection.query(READ, &[sequences]).await?;
        self.connection = Some(connection);
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let (sequence, body) = entry(row)?;
            found.insert(sequence, body);
        }
        Ok(found)
    }
}

fn entry(row: &Row) -> Result<(Sequence, Bytes), tokio_postgres::Error> {
    let sequence: i64 = row.try_get(0)?;
    let body: &[u8] = row.try_get(1)?;
    Ok((Sequence(sequence.cast_unsigned()), Bytes::copy_from_slice(body)))
}
