//! What was settled is there after `kill -9`.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ferrite_journal::{Journal, JournalUrl, Options, QueueId, Recovered};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::env;
use crate::witness::{append_safely, release_safely, waiting};

/// Names the journal's directory to the child, which is this test binary once more.
const CHILD: &str = "FERRITE_JOURNAL_CHILD";
const KILLS: u32 = 50;
const KEPT: QueueId = QueueId(1);
const RELEASED: QueueId = QueueId(2);

async fn open(directory: &Path) -> (Journal, Recovered) {
    // Small segments, so that it is killed while it cleans as well.
    let options = Options { segment_bytes: 20_000, ..Options::default() };
    let url = JournalUrl::Segments { directory: directory.into() };
    Journal::open(url, options, &env()).await.unwrap()
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Does nothing unless it is the child: then it writes entry after entry until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::disallowed_methods, reason = "the parent says by it that this is the child")]
async fn child_writes_until_killed() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let (journal, _) = open(Path::new(&directory)).await;
    let next = Arc::new(AtomicU32::new(0));
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let (journal, next) = (journal.clone(), Arc::clone(&next));
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let passing = append_safely(&journal, &[(RELEASED, 0)], [7; 1000]).await;
                let name = format!("{}-{number}", std::process::id());
                append_safely(&journal, &[(KEPT, number), (RELEASED, 0)], &name).await;
                tell(&format!("written {name} {number}"));
                release_safely(&journal, RELEASED, passing).await;
                tell(&format!("released {}", passing.0));
            }
        });
    }
    writers.join_all().await;
}

#[derive(Default)]
struct Told {
    written: BTreeSet<(String, u32)>,
    released: BTreeSet<u64>,
}

/// Runs the child until it has told so many lines, kills it, and notes all that it told.
fn run_child(directory: &Path, lines_max: u8, told: &mut Told) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_writes_until_killed", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut count = 0;
    for line in lines.map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').collect();
        // A line that was cut off tells nothing: a number may lack digits.
        match words[..] {
            [.., "written", name, number] if name.ends_with(&format!("-{number}")) => {
                told.written.insert((name.to_owned(), number.parse().unwrap()));
            }
            ["released", sequence] if count <= u32::from(lines_max) => {
                told.released.insert(sequence.parse().unwrap());
            }
            _ => continue,
        }
        count += 1;
        if count == u32::from(lines_max) + 1 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

#[tokio::test]
async fn what_was_settled_is_there_after_kill() {
    let directory = TempDir::new().unwrap();
    let random = env::Random::seeded(8431);
    let mut told = Told::default();
    for _ in 0..KILLS {
        let [lines] = random.bytes();
        run_child(directory.path(), lines, &mut told);
    }
    let (journal, recovered) = open(directory.path()).await;
    let found: BTreeSet<_> = waiting(&journal, &recovered, KEPT).await.into_iter().collect();
    let lost: Vec<_> = told.written.difference(&found).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let is_back = |sequence: &u64| told.released.contains(sequence);
    let back: Vec<_> =
        recovered.queues[&RELEASED].iter().map(|e| e.sequence.0).filter(is_back).collect();
    assert!(back.is_empty(), "{back:?}");
    assert!(told.written.len() >= KILLS as usize && told.released.len() >= KILLS as usize);
}
