//! Random histories against a naive list: what was settled is there, in order, with its last mark.

use std::collections::{BTreeMap, BTreeSet};

use env::Random;
use ferrite_journal::{
    Journal, JournalUrl, Mark, MemoryDisk, Options, QueueId, Recovered, Sequence,
};
use proptest::prelude::*;
use proptest::test_runner::Config;
use tempfile::TempDir;

use crate::env;
use crate::witness::{append, mark_safely, release_safely};

/// Few, so that they meet.
const QUEUES: u8 = 4;

#[derive(Clone, Debug)]
enum Step {
    /// For the queues whose bit is set.
    Append(u8, u16),
    /// Of a queue, its entry of this rank; safely or not.
    Release(u8, u8, bool),
    Mark(u8, u8, Mark),
    Forget(u8),
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let queue = 0..QUEUES;
    prop_oneof![
        8 => (1..1_u8 << QUEUES, 0..300_u16).prop_map(|(queues, length)| Step::Append(queues, length)),
        4 => (queue.clone(), any::<u8>(), any::<bool>())
            .prop_map(|(queue, rank, safely)| Step::Release(queue, rank, safely)),
        2 => (queue.clone(), any::<u8>(), any::<Mark>())
            .prop_map(|(queue, rank, mark)| Step::Mark(queue, rank, mark)),
        1 => queue.prop_map(Step::Forget),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

/// What must be there, and what may be there as well because its end was not safe.
#[derive(Debug, Default)]
struct Model {
    queues: BTreeMap<QueueId, BTreeMap<Sequence, Mark>>,
    bodies: BTreeMap<Sequence, Vec<u8>>,
    /// Released or forgotten since the last durable commit.
    may_be_back: BTreeSet<(QueueId, Sequence)>,
}

impl Model {
    /// A commit was durable, and all before it with it.
    fn settle(&mut self) {
        self.may_be_back.clear();
    }

    fn nth(&self, queue: QueueId, rank: u8) -> Option<Sequence> {
        let entries = self.queues.get(&queue).filter(|entries| !entries.is_empty())?;
        entries.keys().nth(usize::from(rank) % entries.len()).copied()
    }

    fn end(&mut self, queue: QueueId, sequence: Sequence) {
        if self.queues.entry(queue).or_default().remove(&sequence).is_some() {
            self.may_be_back.insert((queue, sequence));
        }
    }

    /// Compares with what was recovered, and takes over what came back.
    async fn check(&mut self, journal: &Journal, recovered: &Recovered, crashed: bool) {
        for queue in (0..QUEUES).map(|queue| QueueId(queue.into())) {
            let found = recovered.queues.get(&queue).cloned().unwrap_or_default();
            assert!(found.is_sorted_by(|a, b| a.sequence < b.sequence), "{found:?}");
            let expected = self.queues.entry(queue).or_default();
            for entry in &found {
                let is_back = crashed && self.may_be_back.contains(&(queue, entry.sequence));
                match expected.get(&entry.sequence) {
                    Some(mark) => assert_eq!(*mark, entry.mark, "{entry:?}"),
                    None => assert!(is_back, "{queue:?} has {entry:?}"),
                }
                expected.insert(entry.sequence, entry.mark);
            }
            assert_eq!(found.len(), expected.len(), "{queue:?}: {found:?} {expected:?}");
            let sequences: Vec<_> = expected.keys().copied().collect();
            let bodies = journal.read(sequences.clone()).await.unwrap();
            for (sequence, body) in sequences.iter().zip(bodies) {
                assert_eq!(body.as_deref(), self.bodies.get(sequence).map(Vec::as_slice));
            }
        }
        self.settle();
    }
}

/// A place whose journal can crash.
enum Disk {
    Memory(MemoryDisk, Random),
    Segments(TempDir),
}

impl Disk {
    async fn open(&self) -> (Journal, Recovered) {
        // Small segments, so that histories span many and are cleaned.
        let options = Options { segment_bytes: 1000, release_s: 0, ..Options::default() };
        let url = match self {
            Self::Memory(disk, _) => JournalUrl::Memory(disk.clone()),
            Self::Segments(directory) => {
                JournalUrl::Segments { directory: directory.path().into() }
            }
        };
        Journal::open(url, options, &env()).await.unwrap()
    }

    /// On files, a crash is their copy while the journal runs.
    async fn crash(&mut self, journal: Journal) {
        match self {
            Self::Memory(disk, random) => disk.crash(random),
            Self::Segments(directory) => {
                let copy = TempDir::new().unwrap();
                crate::files::copy(directory.path(), copy.path());
                drop(journal);
                *directory = copy;
            }
        }
    }
}

async fn run(mut disk: Disk, steps: Vec<Step>) {
    let mut model = Model::default();
    let (mut journal, _) = disk.open().await;
    for step in steps {
        match step {
            Step::Append(bits, length) => {
                let in_queue = |queue: &u8| bits & (1 << queue) != 0;
                let queues: Vec<_> = (0..QUEUES)
                    .filter(in_queue)
                    .map(|queue| (QueueId(queue.into()), Mark::from(length)))
                    .collect();
                let body = vec![bits; length.into()];
                let sequence = append(&journal, &queues, &body).unwrap().safe().await;
                for (queue, mark) in queues {
                    model.queues.entry(queue).or_default().insert(sequence, mark);
                }
                model.bodies.insert(sequence, body);
                model.settle();
            }
            Step::Release(queue, rank, safely) => {
                let queue = QueueId(queue.into());
                let Some(sequence) = model.nth(queue, rank) else { continue };
                model.end(queue, sequence);
                if safely {
                    release_safely(&journal, queue, sequence).await;
                    model.settle();
                } else {
                    journal.release([(queue, sequence)]);
                }
            }
            Step::Mark(queue, rank, mark) => {
                let queue = QueueId(queue.into());
                let Some(sequence) = model.nth(queue, rank) else { continue };
                mark_safely(&journal, queue, sequence, mark).await;
                model.queues.entry(queue).or_default().insert(sequence, mark);
                model.settle();
            }
            Step::Forget(queue) => {
                let queue = QueueId(queue.into());
                journal.forget(queue);
                for sequence in model.queues.remove(&queue).unwrap_or_default().into_keys() {
                    model.may_be_back.insert((queue, sequence));
                }
            }
            Step::Reopen => {
                journal.close().await;
                drop(journal);
                let (opened, recovered) = disk.open().await;
                model.check(&opened, &recovered, false).await;
                journal = opened;
            }
            Step::Crash => {
                disk.crash(journal).await;
                let (opened, recovered) = disk.open().await;
                model.check(&opened, &recovered, true).await;
                journal = opened;
            }
        }
    }
    journal.close().await;
    drop(journal);
    let (journal, recovered) = disk.open().await;
    model.check(&journal, &recovered, false).await;
}

fn block_on(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(work);
}

#[test]
fn a_journal_in_memory_is_as_a_list() {
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..200), seed: u64)| {
        block_on(run(Disk::Memory(MemoryDisk::new(), Random::seeded(seed)), steps));
    });
}

#[test]
fn a_journal_in_segments_is_as_a_list() {
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..100))| {
        block_on(run(Disk::Segments(TempDir::new().unwrap()), steps));
    });
}
