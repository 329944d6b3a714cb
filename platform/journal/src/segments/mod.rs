//! The embedded engine: append-only files of checksummed records, and an index of them in memory.

mod cleaning;
mod directory;
mod format;
mod log;
mod reader;
mod recovery;
mod segment;
mod state;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::Random;

pub(crate) use self::log::Log;
pub(crate) use self::reader::Reader;
pub use self::recovery::{SegmentReport, check_segment};
use self::state::State;
use crate::{JournalError, Options, Recovered, Sequence};

/// A journal's directory, opened.
pub(crate) struct Opened {
    pub(crate) log: Log,
    pub(crate) reader: Reader,
    pub(crate) recovered: Recovered,
    /// Sequences up to here may have been given.
    pub(crate) used: Sequence,
    /// Sequences up to here may be given now.
    pub(crate) reserved: Sequence,
}

/// Opens the journal in `directory`, and recovers what is there.
pub(crate) fn open(
    directory: &Path,
    options: Options,
    random: Random,
) -> Result<Opened, JournalError> {
    let found = recovery::recover(directory)?;
    let recovered = found.state.index.recovered(|place| place.body_bytes);
    let used = found.used;
    let state = Arc::new(Mutex::new(found.state));
    let reader = Reader::new(Arc::clone(&state));
    let mut log = Log::new(directory.to_owned(), options, random, state, found.head, used);
    let reserved = log.reserve(used)?;
    Ok(Opened { log, reader, recovered, used, reserved })
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
