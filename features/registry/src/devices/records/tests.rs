//! Records remembered and forgotten, against real stores.

use bytes::Bytes;
use env::Env;
use store::{Batch, Kind, Options, StoreUrl};
use types::{TenantId, Timestamp};

use super::*;

async fn empty() -> (Store, Records) {
    let env = Env::simulated(Timestamp::EPOCH, 1);
    let store = Store::open(Options { url: StoreUrl::Memory }, &env).await.unwrap();
    let records = Records::new(&store);
    (store, records)
}

fn key(name: &str) -> Key {
    Key::new(TenantId(1), Kind(1)).text(name)
}

async fn put(store: &Store, key: Key, value: &'static str) {
    let mut batch = Batch::new();
    batch.put(key, Bytes::from_static(value.as_bytes()));
    store.commit(batch).await.unwrap();
}

async fn read(records: &Records, key: &Key) -> Option<Bytes> {
    records.get(key).await.unwrap().map(|record| record.value)
}

fn remembers(records: &Records, key: &Key) -> bool {
    records.recall(|recent| recent.records.get(key).cloned()).is_some()
}

fn bytes(records: &Records) -> usize {
    records.lock().bytes
}

#[tokio::test]
async fn a_record_is_remembered_until_it_changes() {
    let (store, records) = empty().await;
    assert_eq!(read(&records, &key("a")).await, None);
    assert!(remembers(&records, &key("a")));
    put(&store, key("b"), "other").await;
    assert!(remembers(&records, &key("a")));
    put(&store, key("a"), "first").await;
    assert!(!remembers(&records, &key("a")));
    assert_eq!(read(&records, &key("a")).await.as_deref(), Some(&b"first"[..]));
    put(&store, key("a"), "second").await;
    assert_eq!(read(&records, &key("a")).await.as_deref(), Some(&b"second"[..]));
}

#[tokio::test]
async fn a_family_is_remembered_until_one_of_it_changes() {
    let (store, records) = empty().await;
    put(&store, key("p").number(1), "one").await;
    // A record of its own, between the family's key and that of the next member.
    read(&records, &key("p").number(1)).await;
    assert_eq!(records.below(&key("p"), 9).await.unwrap().len(), 1);
    let remembered = || records.recall(|recent| recent.families.get(&key("p")).cloned());
    put(&store, key("q").number(1), "other").await;
    assert_eq!(remembered().map(|entries| entries.len()), Some(1));
    put(&store, key("p").number(2), "two").await;
    assert_eq!(remembered(), None);
    assert_eq!(records.below(&key("p"), 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_removed_range_is_forgotten_whole() {
    let (store, records) = empty().await;
    put(&store, key("p").number(7), "seven").await;
    assert!(read(&records, &key("p").number(7)).await.is_some());
    let mut batch = Batch::new();
    batch.delete_range(KeyRange::prefix(&key("p")));
    store.commit(batch).await.unwrap();
    assert_eq!(read(&records, &key("p").number(7)).await, None);
}

#[tokio::test]
async fn an_emptied_store_is_forgotten_whole() {
    let (store, records) = empty().await;
    put(&store, key("a"), "first").await;
    assert!(read(&records, &key("a")).await.is_some());
    store.wipe().await.unwrap();
    assert_eq!(read(&records, &key("a")).await, None);
}

#[tokio::test]
async fn what_changed_while_it_was_read_is_not_remembered() {
    let (store, records) = empty().await;
    let since = store.newest_at_hand();
    let old = store.get(&key("a")).await.unwrap();
    put(&store, key("a"), "first").await;
    // Others have heard of the change before the slow reader is done.
    assert!(read(&records, &key("b")).await.is_none());
    records.remember(since, |recent, changed| {
        assert_eq!(changed, [key("a")]);
        if !changed.contains(&key("a")) {
            recent.add_record(&key("a"), &old);
        }
    });
    assert!(!remembers(&records, &key("a")));
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let (store, records) = empty().await;
    let large = String::leak("x".repeat(BYTES_MAX / 2));
    for name in ["a", "b", "c"] {
        put(&store, key(name), large).await;
        read(&records, &key(name)).await;
        assert!(bytes(&records) <= BYTES_MAX);
    }
    records.clear();
    read(&records, &key("none")).await;
    read(&records, &key("none")).await;
    assert_eq!(bytes(&records), record_bytes(&key("none"), None));
    put(&store, key("none"), "there").await;
    assert!(!remembers(&records, &key("none")));
    assert_eq!(bytes(&records), 0);
}
