//! A full disk refuses entries, reading goes on, and it recovers by itself when there is room.

use std::path::Path;
use std::process::Command;

use ferrite_journal::{Journal, JournalError, JournalUrl, Options, QueueId, Sequence};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::witness::{append, append_safely, release_safely};
use crate::{env, files};

/// Names the journal's directory to the child, which is this test binary once more.
const CHILD: &str = "FERRITE_JOURNAL_FULL_CHILD";
const A: QueueId = QueueId(1);

/// How long this process's files may become.
fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

/// A small disk in memory.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Option<Self> {
        let disk = Self(TempDir::new().unwrap());
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(disk.0.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("SKIPPED: a full disk needs a small one: run as root, who may mount it");
        }
        is_mounted.then_some(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).output());
    }
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

/// Appends until the disk is full, so that not even a short entry fits.
async fn fill(journal: &Journal) -> Vec<Sequence> {
    let mut written = Vec::new();
    for length in [10_000, 100, 1] {
        loop {
            let receipt = append(journal, &[(A, 0)], vec![7; length]).unwrap();
            let sequence = receipt.sequence;
            match receipt.settled().await {
                Ok(()) => written.push(sequence),
                Err(JournalError::Full) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    written
}

#[tokio::test]
async fn what_is_given_back_makes_room_on_a_full_disk() {
    let Some(disk) = Disk::mount() else { return };
    let (env, directory) = (env(), disk.0.path().join("journal"));
    let url = JournalUrl::Segments { directory: directory.clone() };
    let options = Options { segment_bytes: 100_000, release_s: 0, ..Options::default() };
    let (journal, _) = Journal::open(url.clone(), options.clone(), &env).await.unwrap();
    for _ in 0..3 {
        let written = fill(&journal).await;
        assert!(written.len() > 100, "{}", written.len());
        // What was half written is not there any more.
        assert_eq!(files::bytes(&directory), journal.size().bytes);
        journal.release(written.iter().map(|sequence| (A, *sequence)));
        while journal.size().bytes > 500_000 {
            tokio::task::yield_now().await;
        }
    }
    let kept = fill(&journal).await;
    assert_eq!((env.tasks.shutdown_reason(), journal.has_failed()), (None, false));
    journal.close().await;
    drop(journal);
    // A disk that is still full does not keep the journal from being opened and read.
    let (journal, recovered) = Journal::open(url, options, &env).await.unwrap();
    let found: Vec<_> = recovered.queues[&A].iter().map(|entry| entry.sequence).collect();
    assert_eq!(found, kept);
    assert!(journal.read(found).await.unwrap().iter().all(Option::is_some));
}
