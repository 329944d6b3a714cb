//! What the journal does in a second: durable appends by 64 producers, beside the disk's plain
//! `fdatasync`; reading bodies; recovering 1 GiB.
//!
//! Segments are measured in a directory for temporary files (`TMPDIR`), PostgreSQL where
//! `FERRITE_TEST_POSTGRES_URL` says, in tables that it keeps. An engine's name as an argument
//! measures it alone.

#![allow(clippy::print_stdout, reason = "the figures are the output")]
#![allow(clippy::disallowed_methods, reason = "a measurement looks at the machine's clock")]

use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use env::Env;
use ferrite_journal::{
    Journal, JournalError, JournalUrl, MemoryDisk, Options, Pending, QueueId, Sequence,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const PRODUCERS: u64 = 64;
const BODY_BYTES: usize = 256;
const SPAN: Duration = Duration::from_secs(5);
const RECOVERED_BYTES: u64 = 1 << 30;

struct Body(Mutex<Option<oneshot::Sender<Result<(), JournalError>>>>);

impl Pending for Body {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend([b'x'; BODY_BYTES]);
    }

    fn settled(&self, result: Result<(), JournalError>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        sender.map_or(Ok(()), |sender| sender.send(result)).unwrap_or(());
    }

    fn bytes(&self) -> usize {
        BODY_BYTES
    }
}

fn main() {
    // Others than `cargo bench`, such as a test runner that lists tests, want no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        if is_asked("segments") {
            let directory = TempDir::new().expect("there is a directory for temporary files");
            let directory = directory.path().join("journal");
            let syncs = fdatasyncs();
            println!("disk: {syncs} writes of 4 kB with fdatasync a second");
            let appends = measure("segments", JournalUrl::Segments { directory }).await;
            println!("segments: {:.1} entries to a plain fdatasync", appends as f64 / syncs as f64);
            recovery().await;
        }
        if is_asked("memory") {
            measure("memory", JournalUrl::Memory(MemoryDisk::new())).await;
        }
        match std::env::var("FERRITE_TEST_POSTGRES_URL") {
            Ok(url) if is_asked("postgres") => {
                measure("PostgreSQL", JournalUrl::Postgres { url }).await;
            }
            Ok(_) => {}
            Err(_) => println!("SKIPPED: no PostgreSQL: set FERRITE_TEST_POSTGRES_URL"),
        }
    });
}

fn is_asked(engine: &str) -> bool {
    let mut asked = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    asked.next().is_none_or(|asked| engine.eq_ignore_ascii_case(&asked))
}

/// How often a second a file grows by a page, durably.
fn fdatasyncs() -> u64 {
    let mut file: File = tempfile::tempfile().expect("there is a directory for temporary files");
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < SPAN {
        file.write_all(&[7; 4096]).expect("the disk has room");
        file.sync_data().expect("the disk works");
        count += 1;
    }
    count / SPAN.as_secs()
}

async fn measure(engine: &str, url: JournalUrl) -> u64 {
    let (journal, _) =
        Journal::open(url, Options::default(), &Env::system()).await.expect("the journal opens");
    let mut last = Vec::new();
    let mut entries = 0;
    for queues in [1, 100] {
        let started = Instant::now();
        let mut producers = JoinSet::new();
        for producer in 0..PRODUCERS {
            producers.spawn(produce(journal.clone(), producer * 1000, queues, started));
        }
        let written = producers.join_all().await;
        let count: u64 = written.iter().map(|(count, _)| count).sum();
        let rate = count * 1000 / u64::try_from(started.elapsed().as_millis()).unwrap_or(1);
        println!("{engine}: {rate} entries of 256 B for {queues} queues a second, durably");
        last = written.into_iter().flat_map(|(_, last)| last).collect();
        entries = entries.max(rate);
    }
    read(engine, &journal, &last).await;
    for queue in (0..PRODUCERS).flat_map(|producer| producer * 1000..producer * 1000 + 100) {
        journal.forget(QueueId(queue));
    }
    journal.close().await;
    entries
}

/// Appends one entry after the other, each once the one before is safe, and releases all but the
/// last hundred; returns how many, and those.
async fn produce(
    journal: Journal,
    first: u64,
    queues: u64,
    started: Instant,
) -> (u64, Vec<Sequence>) {
    let queues: Vec<_> = (first..first + queues).map(|queue| (QueueId(queue), 0)).collect();
    let (mut count, mut held) = (0, std::collections::VecDeque::new());
    while started.elapsed() < SPAN {
        let (sender, settled) = oneshot::channel();
        let sequence = journal.next_sequence();
        let body = Arc::new(Body(Mutex::new(Some(sender))));
        journal.append(sequence, queues.clone(), body).expect("there is room");
        settled.await.expect("every entry is settled").expect("the disk works");
        held.push_back(sequence);
        if held.len() > 100 {
            let done = held.pop_front();
            journal.release(done.iter().flat_map(|done| queues.iter().map(|(q, _)| (*q, *done))));
        }
        count += 1;
    }
    (count, held.into())
}

async fn read(engine: &str, journal: &Journal, sequences: &[Sequence]) {
    let started = Instant::now();
    let mut count = 0_u64;
    while started.elapsed() < SPAN / 5 {
        for hundred in sequences.chunks(100) {
            let bodies = journal.read(hundred.to_vec()).await.expect("the journal can be read");
            assert!(bodies.iter().all(Option::is_some), "what is held is there");
            count += 1;
        }
    }
    let micros = started.elapsed().as_micros() / u128::from(count);
    println!("{engine}: {micros} µs to read 100 entries of 256 B");
}

async fn recovery() {
    let directory = TempDir::new().expect("there is a directory for temporary files");
    let url = || JournalUrl::Segments { directory: directory.path().into() };
    let open = async || Journal::open(url(), Options::default(), &Env::system()).await;
    let (journal, _) = open().await.expect("the journal opens");
    let mut number = 0;
    while journal.size().bytes < RECOVERED_BYTES {
        let mut last = None;
        for _ in 0..10_000 {
            let (sender, settled) = oneshot::channel();
            let body = Arc::new(Body(Mutex::new(Some(sender))));
            let queues = vec![(QueueId(number % 10_000), 0)];
            journal.append(journal.next_sequence(), queues, body).expect("there is room");
            last = Some(settled);
            number += 1;
        }
        if let Some(last) = last {
            last.await.expect("every entry is settled").expect("the disk works");
        }
    }
    journal.close().await;
    drop(journal);
    let started = Instant::now();
    let (journal, recovered) = open().await.expect("the journal opens");
    let (millis, bytes) = (started.elapsed().as_millis(), journal.size().bytes);
    let entries: usize = recovered.queues.values().map(Vec::len).sum();
    println!("segments: {millis} ms to recover {entries} entries in {bytes} bytes");
}
