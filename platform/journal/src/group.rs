//! What the writer has taken over: what comes in the next commit, and what need not come at all.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use foldhash::HashMap;

use crate::queues::Queues;
use crate::{JournalError, Mark, Pending, QueueId, Sequence};

/// The longest body: MQTT's longest packet, and room for what the caller adds.
pub(crate) const BODY_BYTES_MAX: usize = 300 << 20;

/// What each queue of an entry counts for while it waits.
const QUEUE_BYTES: usize = 16;

/// Told what became of something.
pub(crate) type Settled = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

/// What callers hand over, in their order.
pub(crate) enum Work {
    Append(Entry),
    Release(QueueId, Sequence),
    ReleaseSafely(QueueId, Sequence, Settled),
    MarkSafely(QueueId, Sequence, Mark, Settled),
    Forget(QueueId),
}

/// An entry on its way to the disk.
pub(crate) struct Entry {
    pub(crate) sequence: Sequence,
    pub(crate) queues: Queues,
    what: Arc<dyn Pending>,
    /// What it counts for while it waits.
    pub(crate) bytes: u64,
    /// Marks that it took on while it waited.
    marked: Vec<Settled>,
    /// Where its body is in the group's.
    body: Range<usize>,
}

impl Entry {
    pub(crate) fn new(
        sequence: Sequence,
        queues: Vec<(QueueId, Mark)>,
        what: Arc<dyn Pending>,
    ) -> Self {
        let bytes = (what.bytes() + QUEUE_BYTES * queues.len()) as u64;
        let queues = queues.into_iter().collect();
        Self { sequence, queues, what, bytes, marked: Vec::new(), body: 0..0 }
    }

    pub(crate) fn settle(self, result: &Result<(), JournalError>) {
        self.what.settled(result.clone());
        for settled in self.marked {
            settled(result.clone());
        }
    }
}

/// One commit: written whole, or not at all.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) forgotten: Vec<QueueId>,
    pub(crate) released: Vec<(QueueId, Sequence)>,
    pub(crate) marked: Vec<(QueueId, Sequence, Mark)>,
    /// Behind all that is forgotten, released and marked.
    pub(crate) entries: Vec<Entry>,
    bodies: Vec<u8>,
    /// Sequences up to here may be given from now on.
    pub(crate) reserve: Option<Sequence>,
    /// Who waits for what is released and marked.
    settled: Vec<Settled>,
    /// What is released and has somebody waiting for it.
    pub(crate) released_safely: Vec<(QueueId, Sequence)>,
}

impl Group {
    pub(crate) fn is_empty(&self) -> bool {
        !self.must_be_safe()
            && self.forgotten.is_empty()
            && self.released.is_empty()
            && self.marked.is_empty()
    }

    /// Whether somebody waits for it to be on disk.
    pub(crate) fn must_be_safe(&self) -> bool {
        !self.entries.is_empty() || !self.settled.is_empty() || self.reserve.is_some()
    }

    pub(crate) fn body(&self, entry: &Entry) -> &[u8] {
        self.bodies.get(entry.body.clone()).expect("a body lies in the group that encoded it")
    }

    /// All that is released, safely or not.
    pub(crate) fn all_released(&self) -> impl Iterator<Item = (QueueId, Sequence)> {
        self.released.iter().chain(&self.released_safely).copied()
    }

    /// Tells everybody what became of the group.
    fn settle(&mut self, result: &Result<(), JournalError>) {
        for entry in self.entries.drain(..) {
            entry.settle(result);
        }
        for settled in self.settled.drain(..) {
            settled(result.clone());
        }
    }
}

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct Backlog {
    /// In their order; one that was taken out leaves its place empty.
    entries: VecDeque<Option<Entry>>,
    /// How many entries came before the first.
    passed: u64,
    places: HashMap<Sequence, u64>,
    /// What is not an entry.
    rest: Group,
    /// Entries and marks that need not be written any more.
    unneeded: Vec<Unneeded>,
    /// What entries that left have counted for.
    left_bytes: u64,
}

enum Unneeded {
    Entry(Entry),
    Other(Settled),
}

impl Backlog {
    pub(crate) fn take(&mut self, work: Work) {
        match work {
            Work::Append(entry) => self.append(entry),
            Work::Release(queue, sequence) => {
                if !self.release(queue, sequence) {
                    self.rest.released.push((queue, sequence));
                }
            }
            Work::ReleaseSafely(queue, sequence, settled) => {
                if self.release(queue, sequence) {
                    self.unneeded.push(Unneeded::Other(settled));
                } else {
                    self.rest.released_safely.push((queue, sequence));
                    self.rest.settled.push(settled);
                }
            }
            Work::MarkSafely(queue, sequence, mark, settled) => {
                match self.entry(sequence).and_then(|entry| entry.as_mut()) {
                    Some(entry) => entry.mark(queue, mark, settled),
                    None => {
                        self.rest.marked.push((queue, sequence, mark));
                        self.rest.settled.push(settled);
                    }
                }
            }
            Work::Forget(queue) => self.forget(queue),
        }
    }

    fn append(&mut self, entry: Entry) {
        let place = self.passed + self.entries.len() as u64;
        if entry.queues.is_empty() {
            self.entries.push_back(None);
            self.drop_unneeded(entry);
            return;
        }
        self.places.insert(entry.sequence, place);
        self.entries.push_back(Some(entry));
    }

    fn entry(&mut self, sequence: Sequence) -> Option<&mut Option<Entry>> {
        let place = self.places.get(&sequence)?;
        self.entries.get_mut(usize::try_from(place - self.passed).ok()?)
    }

    /// Releases an entry that waits; returns whether it does.
    fn release(&mut self, queue: QueueId, sequence: Sequence) -> bool {
        let Some(slot) = self.entry(sequence) else { return false };
        let Some(entry) = slot else { return false };
        entry.queues.release(queue);
        if entry.queues.is_empty()
            && let Some(entry) = slot.take()
        {
            self.places.remove(&sequence);
            self.drop_unneeded(entry);
        }
        true
    }

    fn forget(&mut self, queue: QueueId) {
        let of_queue = |entry: &&Entry| entry.queues.mark_of(queue).is_some();
        let waiting = self.entries.iter().flatten().filter(of_queue);
        let sequences: Vec<_> = waiting.map(|entry| entry.sequence).collect();
        for sequence in sequences {
            self.release(queue, sequence);
        }
        self.rest.forgotten.push(queue);
    }

    fn drop_unneeded(&mut self, entry: Entry) {
        self.left_bytes += entry.bytes;
        self.unneeded.push(Unneeded::Entry(entry));
    }

    /// Tells those whose entries were not needed any more before they were written.
    pub(crate) fn settle_unneeded(&mut self) {
        for unneeded in self.unneeded.drain(..) {
            match unneeded {
                Unneeded::Entry(entry) => entry.settle(&Ok(())),
                Unneeded::Other(settled) => settled(Ok(())),
            }
        }
    }

    pub(crate) fn has_entries(&self) -> bool {
        !self.entries.is_empty() || self.rest.must_be_safe()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.rest.is_empty()
    }

    /// The next commit: all that is not an entry, and entries until they are `bytes_max` long.
    pub(crate) fn next_group(&mut self, bytes_max: u64) -> Group {
        let mut group = std::mem::take(&mut self.rest);
        while (group.bodies.len() as u64) < bytes_max
            && let Some(slot) = self.entries.pop_front()
        {
            self.passed += 1;
            let Some(mut entry) = slot else { continue };
            self.places.remove(&entry.sequence);
            self.left_bytes += entry.bytes;
            match encode(&mut entry, &mut group.bodies) {
                Ok(()) => group.entries.push(entry),
                Err(error) => entry.settle(&Err(error)),
            }
        }
        group
    }

    /// Ends a commit. What a full disk has refused without anybody waiting for it is tried again.
    pub(crate) fn settle(&mut self, mut group: Group, result: &Result<(), JournalError>) {
        group.settle(result);
        if matches!(result, Err(JournalError::Full)) {
            self.rest.forgotten.append(&mut group.forgotten);
            self.rest.released.append(&mut group.released);
        }
    }

    /// Tells everybody that nothing is written any more.
    pub(crate) fn refuse(mut self) {
        let stopped = Err(JournalError::Stopped);
        self.settle_unneeded();
        for entry in self.entries.drain(..).flatten() {
            entry.settle(&stopped);
        }
        self.rest.settle(&stopped);
    }

    /// Entries that came so far and do not wait any more.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// What the entries have counted for that left since this was asked last.
    pub(crate) fn take_left_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.left_bytes)
    }
}

impl Entry {
    /// Notes a mark before it is written.
    fn mark(&mut self, queue: QueueId, mark: Mark, settled: Settled) {
        self.queues.mark(queue, mark);
        self.marked.push(settled);
    }
}

fn encode(entry: &mut Entry, bodies: &mut Vec<u8>) -> Result<(), JournalError> {
    let start = bodies.len();
    entry.what.encode(bodies);
    entry.body = start..bodies.len();
    let bytes = entry.body.len();
    if bytes > BODY_BYTES_MAX {
        bodies.truncate(start);
        return Err(JournalError::TooLarge { bytes });
    }
    Ok(())
}
