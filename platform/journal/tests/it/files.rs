//! What the files promise: torn ends are cut off, damage is told, the log stays short.

use std::fs;
use std::path::{Path, PathBuf};

use ferrite_journal::{
    Journal, JournalError, JournalUrl, Options, QueueId, Recovered, Sequence, check_segment,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::env;
use crate::witness::{append, append_safely, mark_safely, release_safely, waiting};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);

async fn try_open(
    directory: &Path,
    segment_bytes: u64,
) -> Result<(Journal, Recovered), JournalError> {
    let options = Options { segment_bytes, release_s: 0, ..Options::default() };
    Journal::open(JournalUrl::Segments { directory: directory.into() }, options, &env()).await
}

async fn open(directory: &Path, segment_bytes: u64) -> (Journal, Recovered) {
    try_open(directory, segment_bytes).await.unwrap()
}

/// The segments of a directory, from the oldest.
fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Copies a directory's files as they are at one moment, the newest last, which alone grows.
pub(crate) fn copy(from: &Path, to: &Path) {
    loop {
        let paths = segments(from);
        let is_copied =
            paths.iter().all(|path| fs::copy(path, to.join(path.file_name().unwrap())).is_ok());
        if is_copied && paths == segments(from) {
            return;
        }
        segments(to).iter().for_each(|path| fs::remove_file(path).unwrap());
    }
}

pub(crate) fn bytes(directory: &Path) -> u64 {
    segments(directory).iter().map(|path| path.metadata().unwrap().len()).sum()
}

/// Three entries, a mark and a release in one segment.
async fn write_some(directory: &Path) {
    let (journal, _) = open(directory, 1 << 20).await;
    append_safely(&journal, &[(A, 1)], "one").await;
    let two = append_safely(&journal, &[(A, 2), (B, 2)], "two").await;
    let three = append_safely(&journal, &[(A, 3)], "three").await;
    mark_safely(&journal, A, two, 7).await;
    release_safely(&journal, A, three).await;
}

#[tokio::test]
async fn an_end_that_is_torn_anywhere_is_cut_off() {
    let written = TempDir::new().unwrap();
    write_some(written.path()).await;
    let file = segments(written.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    let mut seen = Vec::new();
    for end in 0..whole.len() {
        let torn = TempDir::new().unwrap();
        let path = torn.path().join(file.file_name().unwrap());
        fs::write(&path, &whole[..end]).unwrap();
        let (journal, recovered) = open(torn.path(), 1 << 20).await;
        let found: Vec<_> = waiting(&journal, &recovered, A).await;
        if end % 8 == 0 {
            append_safely(&journal, &[(B, 0)], "later").await;
            drop(journal);
            let (journal, recovered) = open(torn.path(), 1 << 20).await;
            assert_eq!(waiting(&journal, &recovered, A).await, found);
            assert_eq!(waiting(&journal, &recovered, B).await.last().unwrap().0, "later");
        }
        seen.push(found.iter().map(|(body, mark)| format!("{body} {mark}")).collect::<Vec<_>>());
    }
    seen.dedup();
    let expected: [&[&str]; 5] = [
        &[],
        &["one 1"],
        &["one 1", "two 2"],
        &["one 1", "two 2", "three 3"],
        &["one 1", "two 7", "three 3"],
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_end_of_zeros_or_noise_is_cut_off() {
    for noise in [vec![0; 4096], vec![0xff; 100], b"what was here before".repeat(50)] {
        let directory = TempDir::new().unwrap();
        write_some(directory.path()).await;
        let file = segments(directory.path()).remove(0);
        let mut torn = fs::read(&file).unwrap();
        let length = torn.len();
        torn.extend(noise);
        fs::write(&file, &torn).unwrap();
        let (journal, recovered) = open(directory.path(), 1 << 20).await;
        assert_eq!(recovered.queues[&A].len(), 2);
        drop(journal);
        assert!(fs::read(&file).unwrap().len() < length + 100);
    }
}

#[tokio::test]
async fn damage_is_told_with_its_file_and_offset() {
    let directory = TempDir::new().unwrap();
    write_some(directory.path()).await;
    let file = segments(directory.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    let first = whole.windows(3).position(|bytes| bytes == b"one").unwrap();
    for at in [0, 12, 30, 42, first, first + 2] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&file, &damaged).unwrap();
        let error = try_open(directory.path(), 1 << 20).await.err().unwrap();
        let JournalError::Damaged { file: named, offset, .. } = &error else { panic!("{error:?}") };
        assert_eq!(named, &file);
        assert!(*offset <= at as u64 && at as u64 - offset < 60, "{offset} for {at}");
        assert!(error.to_string().contains("backup"), "{error}");
        // Nothing was changed: the operator decides.
        assert_eq!(fs::read(&file).unwrap(), damaged);
    }
}

#[tokio::test]
async fn an_older_segment_must_be_whole_and_there() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(directory.path(), 100).await;
    for _ in 0..5 {
        append_safely(&journal, &[(A, 0)], [7; 100]).await;
    }
    drop(journal);
    let files = segments(directory.path());
    assert!(files.len() > 3);
    let whole = fs::read(&files[1]).unwrap();
    fs::write(&files[1], &whole[..whole.len() - 1]).unwrap();
    let error = try_open(directory.path(), 100).await.err().unwrap();
    assert!(matches!(&error, JournalError::Damaged { file, .. } if *file == files[1]), "{error:?}");
    fs::remove_file(&files[1]).unwrap();
    let error = try_open(directory.path(), 100).await.err().unwrap();
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(matches!(&error, JournalError::Damaged { file, .. } if *file == files[1]), "{error:?}");
    fs::write(&files[1], whole).unwrap();
    open(directory.path(), 100).await;
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let directory = TempDir::new().unwrap();
    write_some(directory.path()).await;
    let file = segments(directory.path()).remove(0);
    let mut newer = fs::read(&file).unwrap();
    newer[32] = 2;
    let sum = crc32fast::hash(&newer[..36]);
    newer[36..40].copy_from_slice(&sum.to_le_bytes());
    fs::write(&file, newer).unwrap();
    let error = try_open(directory.path(), 1 << 20).await.err().unwrap();
    assert!(matches!(error, JournalError::NewerFormat { found: 2, known: 1 }), "{error:?}");
}

#[tokio::test]
async fn a_segment_that_was_being_made_is_made_anew() {
    let directory = TempDir::new().unwrap();
    write_some(directory.path()).await;
    fs::write(directory.path().join("0000000000000002.segment"), b"FERRJ").unwrap();
    fs::write(directory.path().join("notes.txt"), b"nobody's").unwrap();
    let (journal, recovered) = open(directory.path(), 100).await;
    assert_eq!(waiting(&journal, &recovered, A).await.len(), 2);
    append_safely(&journal, &[(A, 0)], "later").await;
    drop(journal);
    assert_eq!(segments(directory.path()).len(), 3);
    let (journal, recovered) = open(directory.path(), 100).await;
    assert_eq!(waiting(&journal, &recovered, A).await.len(), 3);
}

#[tokio::test]
async fn sequences_grow_although_every_segment_that_had_them_is_gone() {
    let directory = TempDir::new().unwrap();
    let mut last = Sequence(0);
    for _ in 0..3 {
        let (journal, _) = open(directory.path(), 200).await;
        for _ in 0..20 {
            last = append_safely(&journal, &[(A, 0)], [7; 100]).await;
            release_safely(&journal, A, last).await;
        }
        drop(journal);
        assert!(segments(directory.path()).len() <= 3);
        let (journal, recovered) = open(directory.path(), 200).await;
        assert_eq!(recovered, Recovered::default());
        assert!(journal.next_sequence() > last);
    }
    assert!(last > Sequence(0));
}

#[tokio::test]
async fn the_log_stays_short_while_one_old_entry_waits() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(directory.path(), 10_000).await;
    let old = append_safely(&journal, &[(A, 1), (B, 1)], "old").await;
    release_safely(&journal, B, old).await;
    mark_safely(&journal, A, old, 5).await;
    let mut largest = 0;
    for _ in 0..1000 {
        let passing = append_safely(&journal, &[(B, 0)], [7; 1000]).await;
        journal.release([(B, passing)]);
        largest = largest.max(bytes(directory.path()));
    }
    assert!((40_000..60_000).contains(&largest), "{largest}");
    assert_eq!(journal.read(vec![old]).await.unwrap(), [Some("old".into())]);
    drop(journal);
    let (journal, recovered) = open(directory.path(), 10_000).await;
    assert_eq!(waiting(&journal, &recovered, A).await, [("old".to_owned(), 5)]);
    assert_eq!(recovered.queues.len(), 1);
}

#[tokio::test]
async fn the_log_is_at_most_twice_as_long_as_what_is_live() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(directory.path(), 10_000).await;
    let mut kept = Vec::new();
    for number in 0..2000_u32 {
        let receipt = append(&journal, &[(A, number)], [number as u8; 500]).unwrap();
        let sequence = receipt.safe().await;
        if number % 4 == 0 {
            kept.push((number, sequence));
        } else {
            journal.release([(A, sequence)]);
        }
    }
    journal.close().await;
    let size = journal.size();
    assert_eq!(size.bytes, bytes(directory.path()));
    assert_eq!(size.entries, 500);
    assert!(size.bytes <= 2 * size.live_bytes + 30_000, "{size:?}");
    drop(journal);
    let (journal, recovered) = open(directory.path(), 10_000).await;
    let found: Vec<_> = recovered.queues[&A].iter().map(|e| (e.mark, e.sequence)).collect();
    assert_eq!(found, kept);
    let bodies = journal.read(kept.iter().map(|(_, sequence)| *sequence).collect()).await.unwrap();
    for ((number, _), body) in kept.iter().zip(bodies) {
        assert_eq!(body.unwrap(), vec![*number as u8; 500]);
    }
}

#[tokio::test]
async fn an_idle_journal_cleans_itself() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(directory.path(), 10_000).await;
    let mut written = Vec::new();
    for _ in 0..300 {
        written.push(append_safely(&journal, &[(A, 0)], [7; 1000]).await);
    }
    assert!(bytes(directory.path()) > 300_000);
    journal.release(written.iter().skip(1).map(|sequence| (A, *sequence)));
    // Nothing is written any more; the size is looked at until it has settled.
    while journal.size().bytes > 50_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(journal.read(vec![written[0]]).await.unwrap()[0].as_ref().unwrap().len(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_while_the_log_is_cleaned_is_whole() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(directory.path(), 5_000).await;
    let mut kept = Vec::new();
    for number in 0..50_u8 {
        kept.push(append_safely(&journal, &[(A, 0)], [number; 300]).await);
    }
    let (reader, sequences) = (journal.clone(), kept.clone());
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        for _ in 0..300 {
            let bodies = reader.read(sequences.clone()).await.unwrap();
            for (number, body) in bodies.into_iter().enumerate() {
                assert_eq!(body.unwrap(), vec![number as u8; 300]);
            }
        }
    });
    for _ in 0..600 {
        let passing = append_safely(&journal, &[(B, 0)], [7; 500]).await;
        journal.release([(B, passing)]);
    }
    reading.join_all().await;
}

#[test]
fn the_fuzzers_corpus_does_no_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/journal_segment");
    let (mut whole, mut broken) = (0, 0);
    for path in segments(&corpus) {
        match check_segment(&fs::read(path).unwrap()) {
            Some(report) if report.broken_at.is_none() => whole += 1,
            Some(_) => broken += 1,
            None => {}
        }
    }
    assert!(whole >= 2 && broken >= 2, "{whole} whole, {broken} broken");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 64,
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    })]

    #[test]
    fn no_bytes_make_recovery_panic(
        noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        at in 0..2000_usize,
        is_newest: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = TempDir::new().unwrap();
            write_some(directory.path()).await;
            let file = segments(directory.path()).remove(0);
            let mut bytes = fs::read(&file).unwrap();
            let at = at % (bytes.len() + 1);
            let end = (at + noise.len()).min(bytes.len());
            bytes.splice(at..end, noise);
            check_segment(&bytes);
            fs::write(&file, bytes).unwrap();
            if !is_newest {
                let next = TempDir::new().unwrap();
                write_some(next.path()).await;
                let name = directory.path().join("0000000000000002.segment");
                fs::copy(segments(next.path()).remove(0), name).unwrap();
            }
            if let Ok((journal, recovered)) = try_open(directory.path(), 1 << 20).await {
                for entries in recovered.queues.values() {
                    let sequences = entries.iter().map(|entry| entry.sequence).collect();
                    assert!(journal.read(sequences).await.unwrap().iter().all(Option::is_some));
                }
            }
        });
    }
}
