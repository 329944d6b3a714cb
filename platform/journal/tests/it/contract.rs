//! What every engine promises.

use ferrite_journal::{Full, JournalError, Options, QueueId, Recovered, Sequence};

use crate::engines::{Place, on_every_engine};
use crate::witness::{append, append_safely, mark_safely, release_safely, waiting};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(u64::MAX >> 1);

on_every_engine!(
    a_new_journal_is_empty,
    what_is_safe_is_there_again_in_order,
    an_entry_is_shared_until_the_last_queue_is_done,
    the_last_safe_mark_is_there_again,
    a_mark_of_what_still_waits_is_written_with_it,
    what_nobody_needs_any_more_is_not_written,
    a_forgotten_queue_stays_forgotten,
    a_forgotten_queue_may_begin_anew,
    a_queue_forgotten_with_what_waits_leaves_nothing,
    reading_waits_for_what_is_still_to_be_written,
    reading_keeps_the_order_asked_for,
    sequences_are_never_given_twice,
    bodies_may_be_empty_or_long,
    too_much_that_waits_is_refused,
    a_full_journal_refuses_until_something_is_released,
    a_closed_journal_settles_what_waits_and_refuses_the_rest,
    an_entry_for_nobody_is_settled,
    unknown_entries_and_queues_do_no_harm,
    the_last_clone_writes_what_waits,
);

fn body(text: &str, mark: u32) -> (String, u32) {
    (text.to_owned(), mark)
}

async fn a_new_journal_is_empty(place: Place) {
    let (journal, recovered) = place.open().await;
    assert_eq!(recovered, Recovered::default());
    assert_eq!(journal.size().entries, 0);
    assert!(!journal.has_failed());
}

async fn what_is_safe_is_there_again_in_order(place: Place) {
    let (journal, _) = place.open().await;
    let receipts: Vec<_> = (0..100)
        .map(|number| append(&journal, &[(A, number), (B, 7)], format!("{number}")).unwrap())
        .collect();
    for receipt in receipts {
        receipt.safe().await;
    }
    drop(journal);
    let (journal, recovered) = place.open().await;
    let expected: Vec<_> = (0..100).map(|number| (number.to_string(), number)).collect();
    assert_eq!(waiting(&journal, &recovered, A).await, expected);
    let expected: Vec<_> = (0..100).map(|number| (number.to_string(), 7)).collect();
    assert_eq!(waiting(&journal, &recovered, B).await, expected);
    let size = journal.size();
    assert_eq!((size.entries, size.queues), (100, 2));
}

async fn an_entry_is_shared_until_the_last_queue_is_done(place: Place) {
    let (journal, _) = place.open().await;
    let shared = append_safely(&journal, &[(A, 0), (B, 0)], "shared").await;
    release_safely(&journal, A, shared).await;
    assert_eq!(journal.read(vec![shared]).await.unwrap(), [Some("shared".into())]);
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, []);
    assert_eq!(waiting(&journal, &recovered, B).await, [body("shared", 0)]);
    release_safely(&journal, B, shared).await;
    assert_eq!(journal.read(vec![shared]).await.unwrap(), [None]);
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(recovered, Recovered::default());
    assert_eq!(journal.size().live_bytes, 0);
}

async fn the_last_safe_mark_is_there_again(place: Place) {
    let (journal, _) = place.open().await;
    let entry = append_safely(&journal, &[(A, 1), (B, 1)], "entry").await;
    mark_safely(&journal, A, entry, 2).await;
    mark_safely(&journal, A, entry, u32::MAX).await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, [body("entry", u32::MAX)]);
    assert_eq!(waiting(&journal, &recovered, B).await, [body("entry", 1)]);
}

async fn a_mark_of_what_still_waits_is_written_with_it(place: Place) {
    let (journal, _) = place.open().await;
    let receipt = append(&journal, &[(A, 1)], "entry").unwrap();
    mark_safely(&journal, A, receipt.sequence, 2).await;
    receipt.safe().await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, [body("entry", 2)]);
}

async fn what_nobody_needs_any_more_is_not_written(place: Place) {
    let (journal, _) = place.open().await;
    let mut dropped = 0;
    for _ in 0..1000 {
        // The writer may take the entry before it is released; often it does not.
        let first = append(&journal, &[(B, 0)], "first").unwrap();
        let receipt = append(&journal, &[(A, 0)], "gone").unwrap();
        journal.release([(A, receipt.sequence), (B, first.sequence)]);
        first.safe().await;
        dropped += u32::from(!receipt.is_encoded());
        receipt.safe().await;
    }
    assert!(dropped > 0);
    drop(journal);
    let (_, recovered) = place.open().await;
    assert_eq!(recovered, Recovered::default());
}

async fn a_forgotten_queue_stays_forgotten(place: Place) {
    let (journal, _) = place.open().await;
    append_safely(&journal, &[(A, 0), (B, 0)], "shared").await;
    append_safely(&journal, &[(A, 0)], "own").await;
    journal.forget(A);
    append_safely(&journal, &[(B, 0)], "later").await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, []);
    assert_eq!(waiting(&journal, &recovered, B).await, [body("shared", 0), body("later", 0)]);
    assert_eq!(journal.size().entries, 2);
}

async fn a_forgotten_queue_may_begin_anew(place: Place) {
    let (journal, _) = place.open().await;
    append_safely(&journal, &[(A, 0)], "old").await;
    journal.forget(A);
    append_safely(&journal, &[(A, 0)], "new").await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, [body("new", 0)]);
}

async fn a_queue_forgotten_with_what_waits_leaves_nothing(place: Place) {
    let (journal, _) = place.open().await;
    let receipt = append(&journal, &[(A, 0)], "waits").unwrap();
    journal.forget(A);
    receipt.safe().await;
    append_safely(&journal, &[(B, 0)], "later").await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, []);
    assert_eq!(waiting(&journal, &recovered, B).await, [body("later", 0)]);
}

async fn reading_waits_for_what_is_still_to_be_written(place: Place) {
    let (journal, _) = place.open().await;
    for number in 0..200 {
        let text = format!("{number}");
        let receipt = append(&journal, &[(A, 0)], &text).unwrap();
        let read = journal.read(vec![receipt.sequence]).await.unwrap();
        assert_eq!(read, [Some(text.into())]);
        receipt.safe().await;
    }
}

async fn reading_keeps_the_order_asked_for(place: Place) {
    let (journal, _) = place.open().await;
    let one = append_safely(&journal, &[(A, 0)], "one").await;
    let two = append_safely(&journal, &[(A, 0)], "two").await;
    let none = journal.next_sequence();
    let read = journal.read(vec![two, none, one, two]).await.unwrap();
    assert_eq!(read, [Some("two".into()), None, Some("one".into()), Some("two".into())]);
    assert!(journal.read(vec![]).await.unwrap().is_empty());
}

async fn sequences_are_never_given_twice(place: Place) {
    let mut last = Sequence(0);
    for round in 0..4 {
        let (journal, _) = place.open().await;
        let first = journal.next_sequence();
        assert!(first > last, "{first:?} after {last:?}");
        if round % 2 == 0 {
            let sequence = append_safely(&journal, &[(A, 0)], "gone").await;
            release_safely(&journal, A, sequence).await;
        }
        last = journal.next_sequence();
        drop(journal);
    }
}

async fn bodies_may_be_empty_or_long(place: Place) {
    let (journal, _) = place.open().await;
    let long = "x".repeat(3 << 20);
    append_safely(&journal, &[(A, 0)], "").await;
    append_safely(&journal, &[(A, 0)], &long).await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, [body("", 0), body(&long, 0)]);
}

async fn too_much_that_waits_is_refused(place: Place) {
    let options = Options { waiting_bytes_max: 1000, ..Options::default() };
    let (journal, _) = place.open_with(options).await;
    assert_eq!(append(&journal, &[(A, 0)], "x".repeat(985)).err(), Some(Full::Waiting));
    append_safely(&journal, &[(A, 0)], "x".repeat(984)).await;
    // What was written waits no more.
    append_safely(&journal, &[(A, 0)], "x".repeat(984)).await;
    assert_eq!(journal.size().waiting_bytes, 0);
}

async fn a_full_journal_refuses_until_something_is_released(place: Place) {
    let options =
        Options { bytes_max: 400_000, segment_bytes: 50_000, release_s: 0, ..Options::default() };
    let (journal, _) = place.open_with(options).await;
    let mut written = Vec::new();
    while let Ok(receipt) = append(&journal, &[(A, 0)], [7; 5000]) {
        written.push(receipt.safe().await);
    }
    assert!((60..=80).contains(&written.len()), "{} entries", written.len());
    assert_eq!(append(&journal, &[(B, 0)], [7; 5000]).err(), Some(Full::Disk));
    journal.release(written.iter().map(|sequence| (A, *sequence)));
    release_safely(&journal, B, Sequence(1)).await;
    while journal.size().bytes > 100_000 {
        release_safely(&journal, B, Sequence(1)).await;
    }
    append_safely(&journal, &[(A, 0)], [7; 5000]).await;
}

async fn a_closed_journal_settles_what_waits_and_refuses_the_rest(place: Place) {
    let (journal, _) = place.open().await;
    let kept = append(&journal, &[(A, 0)], "kept").unwrap();
    journal.close().await;
    let sequence = kept.safe().await;
    let late = append(&journal, &[(A, 0)], "late").unwrap();
    assert!(matches!(late.settled().await, Err(JournalError::Stopped)));
    assert_eq!(journal.read(vec![sequence]).await.unwrap(), [Some("kept".into())]);
    journal.release([(A, sequence)]);
    journal.close().await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, [body("kept", 0)]);
}

async fn an_entry_for_nobody_is_settled(place: Place) {
    let (journal, _) = place.open().await;
    let receipt = append(&journal, &[], "nobody's").unwrap();
    receipt.safe().await;
    assert_eq!(journal.size().entries, 0);
}

async fn unknown_entries_and_queues_do_no_harm(place: Place) {
    let (journal, _) = place.open().await;
    let entry = append_safely(&journal, &[(A, 0)], "entry").await;
    journal.forget(QueueId(99));
    journal.release([(B, entry), (A, Sequence(u64::MAX >> 1))]);
    mark_safely(&journal, B, entry, 9).await;
    release_safely(&journal, A, journal.next_sequence()).await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, [body("entry", 0)]);
    assert_eq!(recovered.queues.len(), 1);
}

async fn the_last_clone_writes_what_waits(place: Place) {
    let (journal, _) = place.open().await;
    let clone = journal.clone();
    let receipt = append(&journal, &[(A, 0)], "kept").unwrap();
    drop(journal);
    drop(clone);
    receipt.safe().await;
    let (journal, recovered) = place.open().await;
    assert_eq!(waiting(&journal, &recovered, A).await, [body("kept", 0)]);
}
