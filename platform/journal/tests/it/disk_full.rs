//! A full disk refuses entries, reading goes on, and it recovers by itself when there is room.

use std::path::Path;
use std::process::Command;

use ferrite_journal::{Journal, JournalError, JournalUrl, Options, QueueId};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::env;
use crate::witness::{append, append_safely, release_safely};

/// Names the journal's directory to the child, which is this test binary once more.
const CHILD: &str = "FERRITE_JOURNAL_FULL_CHILD";
const A: QueueId = QueueId(1);

/// How long this process's files may become.
fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

async fn open(directory: &Path) -> (Journal, env::Env, usize) {
    let env = env();
    let url = JournalUrl::Segments { directory: directory.into() };
    let (journal, recovered) = Journal::open(url, Options::default(), &env).await.unwrap();
    let entries = recovered.queues.get(&A).map_or(0, Vec::len);
    (journal, env, entries)
}

/// Does nothing unless it is the child: then it fills its files, and goes on when they may grow.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the parent says by it that this is the child")]
async fn child_whose_files_may_not_grow() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let directory = Path::new(&directory);
    let (journal, env, _) = open(directory).await;
    limit_files(Some(100_000));
    let mut written = Vec::new();
    let full = loop {
        let receipt = append(&journal, &[(A, 0)], [7; 3000]).unwrap();
        let sequence = receipt.sequence;
        match receipt.settled().await {
            Ok(()) => written.push(sequence),
            Err(error) => break error,
        }
        assert!(written.len() < 40, "the limit does not hold");
    };
    assert!(matches!(full, JournalError::Full), "{full:?}");
    for _ in 0..3 {
        let refused = append(&journal, &[(A, 0)], [7; 3000]).unwrap().settled().await;
        assert!(matches!(refused, Err(JournalError::Full)), "{refused:?}");
        let bodies = journal.read(written.clone()).await.unwrap();
        assert!(bodies.iter().all(Option::is_some));
    }
    journal.release([(A, written[0])]);
    limit_files(None);
    written.push(append_safely(&journal, &[(A, 0)], [7; 3000]).await);
    release_safely(&journal, A, written[1]).await;
    assert_eq!((env.tasks.shutdown_reason(), journal.has_failed()), (None, false));
    journal.close().await;
    drop(journal);
    let (_, _, entries) = open(directory).await;
    assert_eq!(entries, written.len() - 2);
    println!("went on");
}

#[test]
fn a_full_disk_refuses_entries_until_there_is_room() {
    let directory = TempDir::new().unwrap();
    // A write beyond the limit is to fail, not to kill.
    let script = "trap '' XFSZ; exec \"$0\" --exact disk_full::child_whose_files_may_not_grow \
                  --nocapture";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, directory.path())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success() && output.contains("went on"), "{output}{errors}");
}
