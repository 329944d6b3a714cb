//! The feed of changes skips nothing, and says so when it must.

use std::collections::BTreeSet;

use ferrite_store::{Batch, Changes, Key, KeyRange, Sequence, Store};
use tokio::task::JoinSet;

use crate::engines::{Place, on_every_engine};
use crate::{key, root};

on_every_engine![
    a_reader_meets_every_key_of_concurrent_writers,
    a_reader_is_told_of_puts_deletes_and_ranges,
    a_reader_that_fell_behind_reloads,
    a_reader_reloads_after_a_wipe,
    waiting_ends_with_a_change,
];

/// Waits for changes; `None` is a reload.
async fn next(store: &Store, cursor: &mut Sequence) -> Option<Vec<Key>> {
    store.changed(*cursor).await;
    let (keys, upto) = match store.changes(*cursor).await.unwrap() {
        Changes::Since { keys, upto } => (Some(keys), upto),
        Changes::Lost { upto } => (None, upto),
    };
    assert!(upto >= *cursor);
    *cursor = upto;
    keys
}

async fn a_reader_meets_every_key_of_concurrent_writers(place: Place) {
    let store = place.open().await;
    let mut cursor = store.current().await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let store = store.clone();
        writers.spawn(async move {
            for round in 0..40 {
                let mut batch = Batch::new();
                // Keys that all share make transactions wait for each other.
                batch.put(key(&format!("shared-{}", round % 3)), "");
                batch.put(key(&format!("{writer}-{round}")), "");
                store.commit(batch).await.unwrap();
            }
        });
    }
    let mut expected: BTreeSet<Key> =
        (0..16 * 40).map(|n| key(&format!("{}-{}", n / 40, n % 40))).collect();
    while !expected.is_empty() {
        for key in next(&store, &mut cursor).await.expect("nothing was forgotten") {
            expected.remove(&key);
        }
    }
    writers.join_all().await;
}

async fn a_reader_is_told_of_puts_deletes_and_ranges(place: Place) {
    let store = place.open().await;
    let mut cursor = store.current().await.unwrap();
    let range = KeyRange::text_prefix(&root(), "r-");
    let mut batch = Batch::new();
    batch.put(key("a"), "").delete(key("b")).delete_range(range.clone());
    store.commit(batch).await.unwrap();
    let mut told = BTreeSet::new();
    while told.len() < 3 {
        told.extend(next(&store, &mut cursor).await.unwrap());
    }
    assert_eq!(told, BTreeSet::from([key("a"), key("b"), range.start]));
    // On a PostgreSQL that serves others too, the cursor moves with their transactions.
    let rest = store.changes(cursor).await.unwrap();
    assert!(matches!(&rest, Changes::Since { keys, .. } if keys.is_empty()), "{rest:?}");
}

async fn a_reader_that_fell_behind_reloads(place: Place) {
    let store = place.open().await;
    let behind = store.current().await.unwrap();
    let mut fresh = behind;
    for group in 0..70 {
        let mut batch = Batch::new();
        for number in 0..1000 {
            batch.delete(key(&format!("{group}-{number}")));
        }
        store.commit(batch).await.unwrap();
        while let Some(keys) = next(&store, &mut fresh).await {
            if keys.contains(&key(&format!("{group}-999"))) {
                break;
            }
        }
    }
    let Changes::Lost { upto } = store.changes(behind).await.unwrap() else { panic!("not lost") };
    assert!(upto > behind);
    // From there on, it is told again.
    let mut cursor = upto;
    let mut batch = Batch::new();
    batch.put(key("after"), "");
    store.commit(batch).await.unwrap();
    while !next(&store, &mut cursor).await.unwrap().contains(&key("after")) {}
}

async fn a_reader_reloads_after_a_wipe(place: Place) {
    let store = place.open().await;
    let mut cursor = store.current().await.unwrap();
    let mut batch = Batch::new();
    batch.put(key("a"), "");
    store.commit(batch).await.unwrap();
    store.wipe().await.unwrap();
    while next(&store, &mut cursor).await.is_some() {}
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    let Changes::Since { keys, .. } = store.changes(cursor).await.unwrap() else {
        panic!("reloading once is enough")
    };
    assert!(keys.is_empty());
}

async fn waiting_ends_with_a_change(place: Place) {
    let store = place.open().await;
    let mut cursor = store.current().await.unwrap();
    let waiter = store.clone();
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { next(&waiter, &mut cursor).await });
    let mut batch = Batch::new();
    batch.put(key("a"), "");
    store.commit(batch).await.unwrap();
    assert_eq!(waiting.join_next().await.unwrap().unwrap(), Some(vec![key("a")]));
}
