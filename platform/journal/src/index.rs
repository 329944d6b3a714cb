//! Which entries there are, which queues still need them, and where they lie.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _};

use crate::queues::Queues;
use crate::{Mark, QueueId, Recovered, RecoveredEntry, Sequence};

/// The index of an engine whose entries lie at places `P`.
#[derive(Clone, Debug)]
pub(crate) struct Index<P> {
    entries: HashMap<Sequence, Held<P>>,
    queues: HashMap<QueueId, BTreeSet<Sequence>>,
}

#[derive(Clone, Debug)]
struct Held<P> {
    /// Never empty.
    queues: Queues,
    place: P,
}

impl<P> Default for Index<P> {
    fn default() -> Self {
        Self { entries: HashMap::new(), queues: HashMap::new() }
    }
}

impl<P: Copy> Index<P> {
    /// Adds an entry; one with the same sequence is replaced, and its place returned.
    pub(crate) fn insert(&mut self, sequence: Sequence, queues: Queues, place: P) -> Option<P> {
        let replaced = self.remove(sequence);
        for (queue, _) in queues.iter() {
            self.queues.entry(queue).or_default().insert(sequence);
        }
        if !queues.is_empty() {
            self.entries.insert(sequence, Held { queues, place });
        }
        replaced
    }

    fn remove(&mut self, sequence: Sequence) -> Option<P> {
        let held = self.entries.remove(&sequence)?;
        for (queue, _) in held.queues.iter() {
            self.leave(queue, sequence);
        }
        Some(held.place)
    }

    fn leave(&mut self, queue: QueueId, sequence: Sequence) {
        if let Some(sequences) = self.queues.get_mut(&queue) {
            sequences.remove(&sequence);
            if sequences.is_empty() {
                self.queues.remove(&queue);
            }
        }
    }

    /// Ends a queue's need for an entry; returns the place of one that nobody needs any more.
    pub(crate) fn release(&mut self, queue: QueueId, sequence: Sequence) -> Option<P> {
        self.leave(queue, sequence);
        self.end_need(queue, sequence)
    }

    fn end_need(&mut self, queue: QueueId, sequence: Sequence) -> Option<P> {
        let held = self.entries.get_mut(&sequence)?;
        held.queues.release(queue);
        match held.queues.is_empty() {
            true => self.entries.remove(&sequence).map(|held| held.place),
            false => None,
        }
    }

    /// Notes a mark; returns whether the queue has the entry.
    pub(crate) fn mark(&mut self, queue: QueueId, sequence: Sequence, mark: Mark) -> bool {
        let held = self.entries.get_mut(&sequence);
        held.is_some_and(|held| held.queues.mark(queue, mark))
    }

    /// Drops a queue; returns the entries that nobody needs any more.
    pub(crate) fn forget(&mut self, queue: QueueId) -> Vec<(Sequence, P)> {
        let sequences = self.queues.remove(&queue).unwrap_or_default();
        let ended = |sequence| Some((sequence, self.end_need(queue, sequence)?));
        sequences.into_iter().filter_map(ended).collect()
    }

    /// Notes that an entry lies elsewhere; returns where it lay.
    pub(crate) fn move_to(&mut self, sequence: Sequence, place: P) -> Option<P> {
        let held = self.entries.get_mut(&sequence)?;
        Some(std::mem::replace(&mut held.place, place))
    }

    /// Where an entry lies.
    pub(crate) fn place(&self, sequence: Sequence) -> Option<P> {
        self.entries.get(&sequence).map(|held| held.place)
    }

    /// Who needs an entry.
    pub(crate) fn queues_of(&self, sequence: Sequence) -> Option<&Queues> {
        self.entries.get(&sequence).map(|held| &held.queues)
    }

    /// What a queue needs.
    pub(crate) fn sequences_of(&self, queue: QueueId) -> impl Iterator<Item = Sequence> {
        self.queues.get(&queue).into_iter().flatten().copied()
    }

    pub(crate) fn entry_count(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn queue_count(&self) -> u64 {
        self.queues.len() as u64
    }

    /// Everything, for whoever opens the journal; `bytes` tells an entry's length from its place.
    pub(crate) fn recovered(&self, bytes: impl Fn(P) -> u32) -> Recovered {
        let entry = |queue: QueueId, sequence: Sequence| {
            let held = self.entries.get(&sequence)?;
            let mark = held.queues.mark_of(queue)?;
            Some(RecoveredEntry { sequence, mark, bytes: bytes(held.place) })
        };
        let queue = |(queue, sequences): (&QueueId, &BTreeSet<Sequence>)| {
            (*queue, sequences.iter().filter_map(|it| entry(*queue, *it)).collect())
        };
        Recovered { queues: self.queues.iter().map(queue).collect() }
    }
}
