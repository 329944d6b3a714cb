//! The journal in memory, for tests and simulation, with faults on demand.
//!
//! It is deterministic: one task, which waits for nothing but the delay that a test asks for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use env::Random;
use foldhash::HashMap;

use crate::group::Group;
use crate::inbox::Inbox;
use crate::index::Index;
use crate::queues::Queues;
use crate::writer::{Engine, RESERVED_AT_ONCE};
use crate::{JournalError, Mark, QueueId, Recovered, Sequence, Size};

/// A disk that outlives the journals on it, as a real one does. Clones are the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What survives a crash.
    safe: Contents,
    /// What a running journal sees.
    current: Contents,
    /// Written and not yet safe: a crash keeps as many of these, from the first, as it likes.
    written: Vec<Change>,
    reserved: u64,
    /// The journal that uses the disk.
    user: Option<Arc<Inbox>>,
    /// Journals from before the last crash write nothing more.
    crashes: u64,
    delay: Duration,
    is_full: bool,
    /// Commits until one fails; zero is never.
    fails_in: u64,
}

#[derive(Clone, Default)]
struct Contents {
    index: Index<u32>,
    bodies: HashMap<Sequence, Bytes>,
    bytes: u64,
}

#[derive(Clone)]
enum Change {
    Append(Sequence, Queues, Bytes),
    Release(QueueId, Sequence),
    Mark(QueueId, Sequence, Mark),
    Forget(QueueId),
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether every commit is refused because the disk is full.
    pub fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Makes the `n`-th durable commit from now fail, which stops the journal.
    pub fn fail_commit(&self, n: u64) {
        self.state().fails_in = n;
    }

    /// How long each durable commit takes.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Ends the journal on this disk as a crash does: what was settled is kept, and of what was
    /// being written or was written lazily `random` decides. The journal settles the rest with an
    /// error, and can no longer write; it does not ask its server to stop, which has crashed.
    pub fn crash(&self, random: &Random) {
        let mut state = self.state();
        let written = std::mem::take(&mut state.written);
        // As of segments, which are read up to what is torn, and of PostgreSQL: no change without
        // those before it.
        let number = usize::from(u16::from_be_bytes(random.bytes()));
        let kept = number % (written.len() + 1);
        for change in written.into_iter().take(kept) {
            state.safe.apply(change);
        }
        state.crashes += 1;
        state.user = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the disk to a journal, once the one before has closed.
    pub(crate) async fn take(&self, inbox: &Arc<Inbox>) -> Result<Opened, JournalError> {
        let before = self.state().user.clone();
        if let Some(before) = before {
            if !before.is_closed() {
                return Err(JournalError::InUse("in this memory"));
            }
            before.ended().await;
        }
        let mut state = self.state();
        state.user = Some(Arc::clone(inbox));
        state.current = state.safe.clone();
        let used = state.reserved;
        state.reserved = used.saturating_add(RESERVED_AT_ONCE);
        Ok(Opened {
            engine: Memory { disk: self.clone(), crashes: state.crashes },
            recovered: state.current.index.recovered(|bytes| bytes),
            used: Sequence(used),
            reserved: Sequence(state.reserved),
        })
    }

    pub(crate) fn has_all(&self, sequences: &[Sequence]) -> bool {
        let state = self.state();
        sequences.iter().all(|sequence| state.current.bodies.contains_key(sequence))
    }

    pub(crate) fn read(&self, sequences: &[Sequence]) -> Vec<Option<Bytes>> {
        let state = self.state();
        sequences.iter().map(|sequence| state.current.bodies.get(sequence).cloned()).collect()
    }
}

/// A journal in memory, opened.
pub(crate) struct Opened {
    pub(crate) engine: Memory,
    pub(crate) recovered: Recovered,
    pub(crate) used: Sequence,
    pub(crate) reserved: Sequence,
}

/// Writes to the disk until it crashes.
pub(crate) struct Memory {
    disk: MemoryDisk,
    crashes: u64,
}

impl Memory {
    /// The disk, unless it has crashed since.
    fn state(&self) -> Result<MutexGuard<'_, State>, JournalError> {
        let state = self.disk.state();
        (state.crashes == self.crashes).then_some(state).ok_or(JournalError::Stopped)
    }

    fn begin(&self, group: &Group) -> Result<Duration, JournalError> {
        let mut state = self.state()?;
        if state.is_full {
            return Err(JournalError::Full);
        }
        let changes = changes(group);
        state.written.extend(changes.iter().cloned());
        if group.must_be_safe() {
            state.strike()?;
            return Ok(state.delay);
        }
        Ok(Duration::ZERO)
    }

    fn end(&self, group: &Group) -> Result<(), JournalError> {
        let mut state = self.state()?;
        if group.must_be_safe() {
            state.make_safe();
        }
        if let Some(reserved) = group.reserve {
            state.reserved = reserved.0;
        }
        changes(group).into_iter().for_each(|change| state.current.apply(change));
        Ok(())
    }
}

impl Engine for Memory {
    async fn commit(&mut self, group: &mut Group) -> Result<(), JournalError> {
        let delay = self.begin(group)?;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.end(group)
    }

    fn has_chores(&self) -> bool {
        false
    }

    fn size(&self) -> Size {
        let state = self.disk.state();
        let Contents { index, bytes, .. } = &state.current;
        Size {
            bytes: *bytes,
            live_bytes: *bytes,
            waiting_bytes: 0,
            entries: index.entry_count(),
            queues: index.queue_count(),
            segments: 0,
        }
    }

    async fn close(&mut self) -> Result<(), JournalError> {
        self.state()?.make_safe();
        Ok(())
    }
}

impl State {
    fn strike(&mut self) -> Result<(), JournalError> {
        let fails_now = self.fails_in == 1;
        self.fails_in = self.fails_in.saturating_sub(1);
        if fails_now {
            let source = Arc::new(std::io::Error::other("a test asked for it"));
            return Err(JournalError::File { act: "could not write".into(), source });
        }
        Ok(())
    }

    fn make_safe(&mut self) {
        for change in std::mem::take(&mut self.written) {
            self.safe.apply(change);
        }
    }
}

/// What a group changes, in the order that the records of a segment have.
fn changes(group: &Group) -> Vec<Change> {
    let forgotten = group.forgotten.iter().map(|queue| Change::Forget(*queue));
    let released = group.all_released().map(|(queue, sequence)| Change::Release(queue, sequence));
    let marked =
        group.marked.iter().map(|(queue, sequence, mark)| Change::Mark(*queue, *sequence, *mark));
    let entries = group.entries.iter().map(|entry| {
        let body = Bytes::copy_from_slice(group.body(entry));
        Change::Append(entry.sequence, entry.queues.clone(), body)
    });
    forgotten.chain(released).chain(marked).chain(entries).collect()
}

impl Contents {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Append(sequence, queues, body) => {
                let bytes = u32::try_from(body.len()).expect("a body is at most 300 MiB");
                self.bytes += u64::from(bytes);
                self.bodies.insert(sequence, body);
                self.index.insert(sequence, queues, bytes);
            }
            Change::Release(queue, sequence) => {
                if self.index.release(queue, sequence).is_some() {
                    self.drop_body(sequence);
                }
            }
            Change::Mark(queue, sequence, mark) => {
                self.index.mark(queue, sequence, mark);
            }
            Change::Forget(queue) => {
                for (sequence, _) in self.index.forget(queue) {
                    self.drop_body(sequence);
                }
            }
        }
    }

    fn drop_body(&mut self, sequence: Sequence) {
        if let Some(body) = self.bodies.remove(&sequence) {
            self.bytes -= body.len() as u64;
        }
    }
}
