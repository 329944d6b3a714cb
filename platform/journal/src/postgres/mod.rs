//! The journal on PostgreSQL: a table of entries, and one of who needs which.
//!
//! One server owns it, by a lock of its connection's session. The writer and the reader live on a
//! thread of their own, each with its connection. While PostgreSQL is away, entries wait.

mod connection;
mod effects;
mod engine;
mod reader;
mod schema;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

pub(crate) use self::engine::Postgres;
pub(crate) use self::reader::{ReadTask, Reader};
use crate::inbox::Inbox;
use crate::index::Index;
use crate::writer::RESERVED_AT_ONCE;
use crate::{JournalError, Recovered, Sequence};

/// What the tables hold, as of the last commit.
#[derive(Default)]
struct State {
    index: Index<u32>,
    bytes: u64,
}

/// A journal on PostgreSQL, opened.
pub(crate) struct Opened {
    pub(crate) engine: Postgres,
    pub(crate) read_task: ReadTask,
    pub(crate) reader: Reader,
    pub(crate) recovered: Recovered,
    pub(crate) used: Sequence,
    pub(crate) reserved: Sequence,
}

/// Requests that wait for the reader; a further one makes its caller wait.
const READS_WAITING_MAX: usize = 64;

/// Opens the journal at `url`, and becomes its owner. What it returns stays on this runtime.
pub(crate) async fn open(url: &str, inbox: Arc<Inbox>) -> Result<Opened, JournalError> {
    let config = connection::configuration(url)?;
    let connection = connection::own(&config).await?;
    schema::migrate(&connection).await?;
    let meta = schema::open(&connection, RESERVED_AT_ONCE).await?;
    let state = schema::load(&connection).await?;
    let recovered = state.index.recovered(|bytes| bytes);
    let state = Arc::new(Mutex::new(state));
    let (requests, waiting) = mpsc::channel(READS_WAITING_MAX);
    Ok(Opened {
        engine: Postgres::new(config.clone(), connection, Arc::clone(&state), inbox, &meta),
        read_task: ReadTask::new(config, waiting),
        reader: Reader::new(state, requests),
        recovered,
        used: meta.used,
        reserved: Sequence(meta.used.0.saturating_add(RESERVED_AT_ONCE)),
    })
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
