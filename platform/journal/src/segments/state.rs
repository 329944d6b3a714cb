//! What the engine knows of its segments: which entries lie where, and how much of each is live.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::format::Record;
use super::segment::Segment;
use crate::index::Index;
use crate::queues::Queues;
use crate::{QueueId, Sequence, Size};

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u32,
    /// Of the whole record.
    pub(super) bytes: u32,
    pub(super) body_bytes: u32,
}

/// A segment and what is left of it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) segment: Arc<Segment>,
    pub(super) bytes: u64,
    pub(super) live_bytes: u64,
    pub(super) live: u64,
}

/// Read by whoever wants a body, changed by the writer behind each commit.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) index: Index<Place>,
    pub(super) segments: BTreeMap<u64, Kept>,
    bytes: u64,
    live_bytes: u64,
}

impl State {
    pub(super) fn add_segment(&mut self, segment: Arc<Segment>, bytes: u64) {
        self.bytes += bytes;
        let number = segment.number();
        self.segments.insert(number, Kept { segment, bytes, live_bytes: 0, live: 0 });
    }

    pub(super) fn remove_segment(&mut self, number: u64) {
        if let Some(kept) = self.segments.remove(&number) {
            self.bytes -= kept.bytes;
        }
    }

    /// The segment ends at `bytes` now.
    pub(super) fn grow(&mut self, number: u64, bytes: u64) {
        if let Some(kept) = self.segments.get_mut(&number) {
            self.bytes += bytes - kept.bytes;
            kept.bytes = bytes;
        }
    }

    /// What lay behind `bytes` is cut off; no entry of the index lies there.
    pub(super) fn shrink(&mut self, number: u64, bytes: u64) {
        if let Some(kept) = self.segments.get_mut(&number) {
            self.bytes -= kept.bytes - bytes;
            kept.bytes = bytes;
        }
    }

    pub(super) fn oldest(&self) -> Option<&Kept> {
        self.segments.first_key_value().map(|(_, kept)| kept)
    }

    /// Takes in what a record says; `place` is where it lies.
    pub(super) fn apply(&mut self, record: Record<'_>, place: impl FnOnce(usize) -> Place) {
        match record {
            Record::Commit(_) | Record::Reserve(_) => {}
            Record::Entry { sequence, queues, body } => {
                self.insert(sequence, queues.marked_queues().collect(), place(body.len()));
            }
            Record::Release(released) => {
                released.released().for_each(|(queue, sequence)| self.release(queue, sequence));
            }
            Record::Mark(marks) => {
                for (queue, sequence, mark) in marks.marks() {
                    self.index.mark(queue, sequence, mark);
                }
            }
            Record::Forget(queues) => queues.queues().for_each(|queue| self.forget(queue)),
        }
    }

    pub(super) fn insert(&mut self, sequence: Sequence, queues: Queues, place: Place) {
        let is_needed = !queues.is_empty();
        if let Some(old) = self.index.insert(sequence, queues, place) {
            self.die(old);
        }
        if is_needed {
            self.live(place);
        }
    }

    pub(super) fn release(&mut self, queue: QueueId, sequence: Sequence) {
        if let Some(place) = self.index.release(queue, sequence) {
            self.die(place);
        }
    }

    pub(super) fn forget(&mut self, queue: QueueId) {
        for (_, place) in self.index.forget(queue) {
            self.die(place);
        }
    }

    /// An entry was copied.
    pub(super) fn move_to(&mut self, sequence: Sequence, place: Place) {
        if let Some(old) = self.index.move_to(sequence, place) {
            self.die(old);
            self.live(place);
        }
    }

    fn live(&mut self, place: Place) {
        if let Some(kept) = self.segments.get_mut(&place.segment) {
            kept.live += 1;
            kept.live_bytes += u64::from(place.bytes);
            self.live_bytes += u64::from(place.bytes);
        }
    }

    fn die(&mut self, place: Place) {
        if let Some(kept) = self.segments.get_mut(&place.segment) {
            kept.live -= 1;
            kept.live_bytes -= u64::from(place.bytes);
            self.live_bytes -= u64::from(place.bytes);
        }
    }

    pub(super) fn size(&self) -> Size {
        Size {
            bytes: self.bytes,
            live_bytes: self.live_bytes,
            waiting_bytes: 0,
            entries: self.index.entry_count(),
            queues: self.index.queue_count(),
            segments: self.segments.len() as u64,
        }
    }
}
