//! What a group changes in the tables, each row once.

use foldhash::{HashMap, HashSet};

use super::State;
use crate::group::Group;
use crate::queues::Queues;
use crate::{Mark, QueueId, Sequence};

/// A group as rows.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Queues and sequences.
    pub(super) ended: (Vec<i64>, Vec<i64>),
    /// Queues, sequences and marks.
    pub(super) marked: (Vec<i64>, Vec<i64>, Vec<i64>),
    /// Entries that nobody needs any more.
    pub(super) gone: Vec<i64>,
}

impl Effects {
    pub(super) fn of(group: &Group, state: &State) -> Self {
        let mut effects = Self::default();
        let mut ended: HashSet<(QueueId, Sequence)> = group.all_released().collect();
        for queue in &group.forgotten {
            ended.extend(state.index.sequences_of(*queue).map(|sequence| (*queue, sequence)));
        }
        for (queue, sequence) in &ended {
            effects.ended.0.push(queue.0.cast_signed());
            effects.ended.1.push(sequence.0.cast_signed());
        }
        let sequences: HashSet<Sequence> = ended.iter().map(|(_, sequence)| *sequence).collect();
        let is_gone = |sequence: &&Sequence| {
            let queues = state.index.queues_of(**sequence);
            let mut queues = queues.into_iter().flat_map(Queues::iter);
            queues.all(|(queue, _)| ended.contains(&(queue, **sequence)))
        };
        effects.gone = sequences.iter().filter(is_gone).map(|it| it.0.cast_signed()).collect();
        let marks = group.marked.iter().map(|(queue, sequence, mark)| ((*queue, *sequence), *mark));
        let marks: HashMap<(QueueId, Sequence), Mark> =
            marks.filter(|(place, _)| !ended.contains(place)).collect();
        for ((queue, sequence), mark) in marks {
            effects.marked.0.push(queue.0.cast_signed());
            effects.marked.1.push(sequence.0.cast_signed());
            effects.marked.2.push(mark.into());
        }
        effects
    }
}

/// Takes a committed group into the index, as a log would.
pub(super) fn apply(group: &Group, state: &mut State) {
    let mut gone = 0;
    for queue in &group.forgotten {
        gone += state.index.forget(*queue).iter().map(|(_, bytes)| u64::from(*bytes)).sum::<u64>();
    }
    for (queue, sequence) in group.all_released() {
        gone += state.index.release(queue, sequence).map_or(0, u64::from);
    }
    for (queue, sequence, mark) in &group.marked {
        state.index.mark(*queue, *sequence, *mark);
    }
    state.bytes -= gone;
    for entry in &group.entries {
        let bytes = u32::try_from(group.body(entry).len()).expect("a body is at most 300 MiB");
        state.index.insert(entry.sequence, entry.queues.clone(), bytes);
        state.bytes += u64::from(bytes);
    }
}
