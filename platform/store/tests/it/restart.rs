//! What outlives a restart, a wipe and a close.

use ferrite_store::{Batch, CommitError, Sequence, Store, StoreError};

use crate::engines::{Place, on_every_engine};
use crate::{env, key};

on_every_engine![
    a_version_is_never_used_again,
    a_wipe_leaves_nothing_but_the_count_of_versions,
    a_closed_store_refuses_to_write_and_reads_on,
    what_was_handed_over_is_written_before_closing,
];

async fn put(store: &Store, name: &str) -> Sequence {
    let mut batch = Batch::new();
    batch.put(key(name), "value");
    store.commit(batch).await.unwrap()
}

async fn a_version_is_never_used_again(place: Place) {
    let mut store = place.open().await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(put(&store, "a").await);
        let mut batch = Batch::new();
        batch.delete(key("a"));
        store.commit(batch).await.unwrap();
        if place.is_durable() {
            store.close().await;
            drop(store);
            store = place.open().await;
        }
    }
    assert!(seen.is_sorted_by(|earlier, later| earlier < later), "{seen:?}");
    let mut batch = Batch::new();
    put(&store, "a").await;
    batch.require_version(key("a"), seen[4]);
    assert!(matches!(store.commit(batch).await, Err(CommitError::Conflict(_))));
}

async fn a_wipe_leaves_nothing_but_the_count_of_versions(place: Place) {
    let mut store = place.open().await;
    let before = put(&store, "a").await;
    store.wipe().await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    if place.is_durable() {
        store.close().await;
        drop(store);
        store = place.open().await;
        assert_eq!(store.get(&key("a")).await.unwrap(), None);
    }
    assert!(put(&store, "a").await > before);
    assert!(store.get(&key("a")).await.unwrap().is_some());
}

async fn a_closed_store_refuses_to_write_and_reads_on(place: Place) {
    let store = place.open().await;
    put(&store, "a").await;
    tokio::join!(store.close(), store.close());
    store.close().await;
    let mut batch = Batch::new();
    batch.put(key("b"), "");
    let refused = store.commit(batch).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Stopped))), "{refused:?}");
    let refused = store.wipe().await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Stopped))), "{refused:?}");
    assert!(store.get(&key("a")).await.unwrap().is_some());
}

async fn what_was_handed_over_is_written_before_closing(place: Place) {
    let env = env();
    let options = ferrite_store::Options { url: place.url() };
    let store = Store::open(options, &env).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        writers.spawn(async move {
            let mut batch = Batch::new();
            batch.put(key(&number.to_string()), "");
            (number, store.commit(batch).await.is_ok())
        });
    }
    store.close().await;
    for (number, is_written) in writers.join_all().await {
        let found = store.get(&key(&number.to_string())).await.unwrap();
        assert_eq!(found.is_some(), is_written);
    }
    // Nothing of the store keeps the server from ending.
    drop(store);
    assert!(env.tasks.finished(std::time::Duration::from_secs(30)).await.is_empty());
}
