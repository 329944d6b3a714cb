//! What a disk in memory does on demand.

use std::time::Duration;

use env::{Env, Random};
use ferrite_journal::{
    Full, Journal, JournalError, JournalUrl, MemoryDisk, Options, QueueId, Recovered,
};

use crate::env;
use crate::witness::{append, append_safely, mark_safely, waiting};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);

async fn open(disk: &MemoryDisk, env: &Env) -> (Journal, Recovered) {
    Journal::open(JournalUrl::Memory(disk.clone()), Options::default(), env).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_entry_released_before_the_commit_is_not_encoded_and_is_settled() {
    let (journal, _) = open(&MemoryDisk::new(), &env()).await;
    let receipt = append(&journal, &[(A, 0), (B, 0)], "gone").unwrap();
    journal.release([(A, receipt.sequence)]);
    journal.release([(B, receipt.sequence)]);
    assert_eq!(journal.read(vec![receipt.sequence]).await.unwrap(), [None]);
    assert!(!receipt.is_encoded());
    receipt.safe().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_what_is_new_and_keeps_what_is_given_back() {
    let (env, disk) = (env(), MemoryDisk::new());
    let (journal, _) = open(&disk, &env).await;
    let old = append_safely(&journal, &[(A, 0)], "old").await;
    disk.set_full(true);
    journal.release([(A, old)]);
    for _ in 0..3 {
        let refused = append(&journal, &[(A, 0)], "new").unwrap().settled().await;
        assert!(matches!(refused, Err(JournalError::Full)), "{refused:?}");
    }
    disk.set_full(false);
    append_safely(&journal, &[(A, 0)], "new").await;
    assert_eq!(journal.read(vec![old]).await.unwrap(), [None]);
    assert_eq!(env.tasks.shutdown_reason(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_on_a_full_disk_is_written_once_there_is_room() {
    let (env, disk) = (env(), MemoryDisk::new());
    let (journal, _) = open(&disk, &env).await;
    let old = append_safely(&journal, &[(A, 0)], "old").await;
    disk.set_full(true);
    journal.release([(A, old)]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(journal.size().entries, 1);
    disk.set_full(false);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(journal.size().entries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_commit_stops_the_journal_and_the_server() {
    let (env, disk) = (env(), MemoryDisk::new());
    let (journal, _) = open(&disk, &env).await;
    let kept = append_safely(&journal, &[(A, 0)], "kept").await;
    disk.fail_commit(2);
    append_safely(&journal, &[(A, 0)], "kept as well").await;
    let failed = append(&journal, &[(A, 0)], "failed").unwrap().settled().await;
    assert!(matches!(failed, Err(JournalError::File { .. })), "{failed:?}");
    let later = append(&journal, &[(A, 0)], "later").unwrap().settled().await;
    assert!(matches!(later, Err(JournalError::Stopped)), "{later:?}");
    assert!(journal.has_failed());
    assert_eq!(env.tasks.shutdown_reason().as_deref(), Some("the journal failed to write"));
    assert_eq!(journal.read(vec![kept]).await.unwrap(), [Some("kept".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_keeps_what_was_settled_and_some_of_the_rest() {
    let random = Random::seeded(7);
    let (mut kept, mut lost) = (0, 0);
    for _ in 0..50 {
        let (env, disk) = (env(), MemoryDisk::new());
        let (journal, _) = open(&disk, &env).await;
        let entry = append_safely(&journal, &[(A, 1)], "settled").await;
        mark_safely(&journal, A, entry, 2).await;
        disk.set_delay(Duration::from_millis(10));
        let receipt = append(&journal, &[(B, 0)], "under way").unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        disk.crash(&random);
        assert!(matches!(receipt.settled().await, Err(JournalError::Stopped)));
        assert!(append(&journal, &[(B, 0)], "late").unwrap().settled().await.is_err());
        assert_eq!(env.tasks.shutdown_reason(), None);

        let (journal, recovered) = open(&disk, &env).await;
        assert_eq!(waiting(&journal, &recovered, A).await, [("settled".to_owned(), 2)]);
        match recovered.queues.contains_key(&B) {
            true => kept += 1,
            false => lost += 1,
        }
    }
    assert!(kept > 5 && lost > 5, "{kept} kept, {lost} lost");
}

#[tokio::test(start_paused = true)]
async fn a_release_is_lost_in_a_crash_unless_a_commit_followed() {
    let random = Random::seeded(7);
    let mut back = 0;
    for _ in 0..20 {
        let disk = MemoryDisk::new();
        let (journal, _) = open(&disk, &env()).await;
        let first = append_safely(&journal, &[(A, 0)], "first").await;
        let second = append_safely(&journal, &[(B, 0)], "second").await;
        journal.release([(A, first)]);
        append_safely(&journal, &[(B, 0)], "third").await;
        journal.release([(B, second)]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        disk.crash(&random);
        let (journal, recovered) = open(&disk, &env()).await;
        assert_eq!(waiting(&journal, &recovered, A).await, []);
        back += usize::from(waiting(&journal, &recovered, B).await.len() == 2);
    }
    assert!((5..=15).contains(&back), "{back}");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_written_within_its_time() {
    let (journal, _) = open(&MemoryDisk::new(), &env()).await;
    let entry = append_safely(&journal, &[(A, 0)], "entry").await;
    journal.release([(A, entry)]);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(journal.size().entries, 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(journal.size().entries, 0);
}

#[tokio::test(start_paused = true)]
async fn entries_that_wait_together_share_a_commit() {
    let disk = MemoryDisk::new();
    let (journal, _) = open(&disk, &env()).await;
    disk.set_delay(Duration::from_secs(1));
    let started = tokio::time::Instant::now();
    let first = append(&journal, &[(A, 0)], "first").unwrap();
    tokio::task::yield_now().await;
    let rest: Vec<_> =
        (0..100).map(|number| append(&journal, &[(A, 0)], [number]).unwrap()).collect();
    first.safe().await;
    for receipt in rest {
        receipt.safe().await;
    }
    assert_eq!(started.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_commit_takes_only_so_much() {
    let disk = MemoryDisk::new();
    let options = Options { group_bytes_max: 100, ..Options::default() };
    let url = JournalUrl::Memory(disk.clone());
    let (journal, _) = Journal::open(url, options, &env()).await.unwrap();
    disk.set_delay(Duration::from_secs(1));
    let started = tokio::time::Instant::now();
    let receipts: Vec<_> = (0..10).map(|_| append(&journal, &[(A, 0)], [7; 50]).unwrap()).collect();
    let last = receipts.last().unwrap().sequence;
    assert_eq!(journal.read(vec![last]).await.unwrap().len(), 1);
    assert_eq!(started.elapsed().as_secs(), 5);
    for receipt in receipts {
        receipt.safe().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_has_one_journal_at_a_time() {
    let disk = MemoryDisk::new();
    let (journal, _) = open(&disk, &env()).await;
    let second = Journal::open(JournalUrl::Memory(disk.clone()), Options::default(), &env()).await;
    assert!(matches!(second, Err(JournalError::InUse(_))));
    journal.close().await;
    open(&disk, &env()).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_counts_against_its_bound_until_it_is_written() {
    let disk = MemoryDisk::new();
    let options = Options { waiting_bytes_max: 100, ..Options::default() };
    let url = JournalUrl::Memory(disk.clone());
    let (journal, _) = Journal::open(url, options, &env()).await.unwrap();
    let first = append(&journal, &[(A, 0)], [7; 44]).unwrap();
    assert_eq!(append(&journal, &[(A, 0)], [7; 44]).err(), Some(Full::Waiting));
    let second = append(&journal, &[(A, 0)], [7; 24]).unwrap();
    assert_eq!(journal.size().waiting_bytes, 100);
    first.safe().await;
    second.safe().await;
    append_safely(&journal, &[(A, 0)], [7; 44]).await;
}
