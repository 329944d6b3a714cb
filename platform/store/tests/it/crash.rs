//! What was acknowledged is there after `kill -9`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrite_store::{Batch, Direction, Key, KeyRange, Options, Sequence, Store, StoreUrl};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{env, root};

/// Names the data directory to the child, which is this test binary once more.
const CHILD: &str = "FERRITE_STORE_CHILD";
const KILLS: u32 = 50;

fn key(number: u64) -> Key {
    root().number(number)
}

async fn open(directory: &Path) -> Store {
    let url = StoreUrl::Sqlite { directory: directory.into() };
    Store::open(Options { url }, &env()).await.unwrap()
}

/// Does nothing unless it is the child: then it writes number after number until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::disallowed_methods, reason = "the parent says by it that this is the child")]
async fn child_writes_until_killed() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let store = open(Path::new(&directory)).await;
    let last = store.scan(KeyRange::prefix(&root()), None, 1, Direction::Backward).await.unwrap();
    let first = last.entries.first().map_or(0, |entry| entry.key.reader().number().unwrap() + 1);
    let next = Arc::new(AtomicU64::new(first));
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let (store, next) = (store.clone(), Arc::clone(&next));
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let mut batch = Batch::new();
                batch.require_absent(key(number)).put(key(number), number.to_string());
                let version = store.commit(batch).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "written {number} {}", version.0).unwrap();
                out.flush().unwrap();
            }
        });
    }
    writers.join_all().await;
}

/// Runs the child until it has acknowledged `writes`, kills it, and notes all it acknowledged.
fn run_child(directory: &Path, writes: u8, written: &mut BTreeMap<u64, Sequence>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_writes_until_killed", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut count = 0;
    for line in lines.map_while(Result::ok) {
        // A line that was cut off acknowledges nothing.
        let Some((_, acknowledged)) = line.split_once("written ") else { continue };
        let Some((number, version)) = acknowledged.split_once(' ') else { continue };
        let (number, version) = (number.parse().unwrap(), version.parse().unwrap());
        assert_eq!(written.insert(number, Sequence(version)), None);
        count += 1;
        if count == u32::from(writes) + 1 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_kill() {
    let directory = TempDir::new().unwrap();
    let random = env::Random::seeded(8431);
    let mut written = BTreeMap::new();
    for _ in 0..KILLS {
        let [writes] = random.bytes();
        run_child(directory.path(), writes, &mut written);
    }
    let store = open(directory.path()).await;
    for (number, version) in &written {
        let found = store.get(&key(*number)).await.unwrap();
        let found = found.unwrap_or_else(|| panic!("{number} is lost"));
        assert_eq!((&found.value[..], found.version), (number.to_string().as_bytes(), *version));
    }
    assert!(written.len() >= KILLS as usize);
}
