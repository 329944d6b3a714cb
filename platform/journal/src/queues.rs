//! Who needs an entry, and with which mark: found fast, also where an entry is for thousands.

use crate::{Mark, QueueId};

/// The queues of one entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queues {
    /// In the order of the queues; what is not needed any more stays until half of them is so.
    slots: Vec<Slot>,
    needed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    queue: QueueId,
    mark: Mark,
    is_needed: bool,
}

/// Where so few are left, there is no room to win.
const SLOTS_MIN: usize = 8;

impl FromIterator<(QueueId, Mark)> for Queues {
    /// A queue that is given twice counts once.
    fn from_iter<I: IntoIterator<Item = (QueueId, Mark)>>(queues: I) -> Self {
        let slot = |(queue, mark)| Slot { queue, mark, is_needed: true };
        let mut slots: Vec<Slot> = queues.into_iter().map(slot).collect();
        slots.sort_unstable_by_key(|slot| slot.queue);
        slots.dedup_by_key(|slot| slot.queue);
        let needed = slots.len();
        Self { slots, needed }
    }
}

impl Queues {
    pub(crate) fn len(&self) -> usize {
        self.needed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.needed == 0
    }

    /// Those that need the entry.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (QueueId, Mark)> {
        self.slots.iter().filter(|slot| slot.is_needed).map(|slot| (slot.queue, slot.mark))
    }

    fn slot(&mut self, queue: QueueId) -> Option<&mut Slot> {
        let place = self.slots.binary_search_by_key(&queue, |slot| slot.queue).ok()?;
        self.slots.get_mut(place).filter(|slot| slot.is_needed)
    }

    /// A queue's mark, if it needs the entry.
    pub(crate) fn mark_of(&self, queue: QueueId) -> Option<Mark> {
        let place = self.slots.binary_search_by_key(&queue, |slot| slot.queue).ok()?;
        self.slots.get(place).filter(|slot| slot.is_needed).map(|slot| slot.mark)
    }

    /// Notes a mark; returns whether the queue needs the entry.
    pub(crate) fn mark(&mut self, queue: QueueId, mark: Mark) -> bool {
        self.slot(queue).map(|slot| slot.mark = mark).is_some()
    }

    /// Ends a queue's need.
    pub(crate) fn release(&mut self, queue: QueueId) {
        let Some(slot) = self.slot(queue) else { return };
        slot.is_needed = false;
        self.needed -= 1;
        if self.slots.len() > SLOTS_MIN && self.needed * 2 < self.slots.len() {
            self.slots.retain(|slot| slot.is_needed);
            self.slots.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn queues_are_as_a_map(
            given in prop::collection::vec((0..40_u64, any::<Mark>()), 0..60),
            steps in prop::collection::vec((0..40_u64, any::<Option<Mark>>()), 0..80),
        ) {
            let given: BTreeMap<_, _> = given.into_iter().collect();
            let given = given.into_iter().map(|(queue, mark)| (QueueId(queue), mark));
            let mut model: BTreeMap<QueueId, Mark> = given.collect();
            let mut queues: Queues = model.iter().rev().map(|(q, m)| (*q, *m)).collect();
            for (queue, mark) in steps {
                let queue = QueueId(queue);
                match mark {
                    Some(mark) => {
                        let noted = model.get_mut(&queue).map(|noted| *noted = mark);
                        prop_assert_eq!(queues.mark(queue, mark), noted.is_some());
                    }
                    None => {
                        queues.release(queue);
                        model.remove(&queue);
                    }
                }
                prop_assert_eq!(queues.mark_of(queue), model.get(&queue).copied());
                prop_assert_eq!(queues.len(), model.len());
                prop_assert!(queues.iter().eq(model.iter().map(|(q, m)| (*q, *m))));
            }
        }
    }

    #[test]
    fn a_queue_that_is_given_twice_counts_once() {
        let mut queues: Queues = [(QueueId(1), 0), (QueueId(1), 1)].into_iter().collect();
        queues.release(QueueId(1));
        assert!(queues.is_empty());
    }
}
