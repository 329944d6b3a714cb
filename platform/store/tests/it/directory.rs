//! The data directory: its lock, its format, its backups.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrite_store::{
    Batch, Direction, Entry, KeyRange, Options, Store, StoreError, StoreUrl, restore,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{env, key, root};

async fn open(directory: &Path) -> Result<Store, StoreError> {
    Store::open(Options { url: StoreUrl::Sqlite { directory: directory.into() } }, &env()).await
}

async fn put(store: &Store, name: &str, value: &str) {
    let mut batch = Batch::new();
    batch.put(key(name), value.to_owned());
    store.commit(batch).await.unwrap();
}

async fn all(store: &Store) -> Vec<Entry> {
    let page = store.scan(KeyRange::prefix(&root()), None, 100_000, Direction::Forward).await;
    page.unwrap().entries
}

/// Where the fixture of format 1 is: a store as the first release wrote it.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

/// What the fixture holds: it was made by this. A new format gets a fixture of its own.
async fn write_fixture(directory: &Path) {
    let store = open(directory).await.unwrap();
    for (name, value) in [("a", "{\"version\":1}"), ("gone", "{}"), ("ä\0", "{}"), ("a", "[2]")] {
        put(&store, name, value).await;
    }
    let mut batch = Batch::new();
    batch.delete(key("gone")).put(key(&"long".repeat(200)), "hashed");
    store.commit(batch).await.unwrap();
    store.close().await;
}

#[test]
fn sqlite_is_recent_enough() {
    // Earlier ones may corrupt a store whose log is reset while it is written.
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    let refused = open(directory.path()).await.err().unwrap().to_string();
    for expected in [&directory.path().display().to_string(), &std::process::id().to_string()] {
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(refused.contains("stop that server"), "{refused}");
    drop(store);
    open(directory.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_dropped_while_it_writes_can_be_opened_at_once() {
    let directory = TempDir::new().unwrap();
    for round in 0..20 {
        let store = open(directory.path()).await.unwrap();
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let store = store.clone();
            writers.spawn(async move { put(&store, &format!("{round}-{writer}"), "").await });
        }
        put(&store, "last", &round.to_string()).await;
        writers.shutdown().await;
    }
    let store = open(directory.path()).await.unwrap();
    let mut versions: Vec<_> = all(&store).await.iter().map(|entry| entry.version).collect();
    let count = versions.len();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), count);
}

#[tokio::test]
async fn the_first_format_is_read_and_written() {
    let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::copy(fixture().join("ferrite.db"), old.path().join("ferrite.db")).unwrap();
    write_fixture(new.path()).await;
    let (old, new) = (open(old.path()).await.unwrap(), open(new.path()).await.unwrap());
    assert_eq!(all(&old).await, all(&new).await);
    assert_eq!(all(&old).await.len(), 3);
    let before = old.current().await.unwrap();
    put(&old, "a", "3").await;
    let written = old.get(&key("a")).await.unwrap().unwrap();
    assert!(written.value == "3" && written.version > before);
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    open(directory.path()).await.unwrap().close().await;
    let path = directory.path().join("ferrite.db");
    let set = |format: i64| {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.pragma_update(None, "user_version", format).unwrap();
    };
    set(2);
    let refused = open(directory.path()).await.err().unwrap();
    assert!(matches!(refused, StoreError::NewerFormat { found: 2, known: 1 }), "{refused:?}");
    set(1);
    open(directory.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_the_store_at_one_moment_while_it_is_written() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    for number in 0..500 {
        put(&store, &format!("before-{number}"), &"x".repeat(500)).await;
    }
    let is_done = Arc::new(AtomicBool::new(false));
    let (writer, writing) = (store.clone(), Arc::clone(&is_done));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut round = 0;
        while !writing.load(Ordering::Acquire) {
            let mut batch = Batch::new();
            batch.put(key("left"), round.to_string()).put(key("right"), round.to_string());
            batch.put(key(&format!("during-{round}")), "");
            writer.commit(batch).await.unwrap();
            round += 1;
        }
    });
    let (copy, restored) = (directory.path().join("copy"), directory.path().join("restored"));
    let report = store.backup(&copy).await.unwrap();
    is_done.store(true, Ordering::Release);
    tasks.join_all().await;
    assert!(report.bytes > 500 * 500);
    assert_eq!(restore(&copy, &restored).unwrap(), report);

    let restored = open(&restored).await.unwrap();
    let (written, kept) = (all(&store).await, all(&restored).await);
    assert!(written.len() >= kept.len());
    let value = async |name| restored.get(&key(name)).await.unwrap().map(|found| found.value);
    assert_eq!(value("left").await, value("right").await);
    for entry in &kept {
        let is_moving = [key("left"), key("right")].contains(&entry.key);
        assert!(is_moving || written.contains(entry), "{:?}", entry.key);
    }
    assert!(kept.len() >= 500);
    put(&restored, "after", "").await;
}

#[tokio::test]
async fn backups_and_restorations_overwrite_nothing() {
    let directory = TempDir::new().unwrap();
    let (home, copy) = (directory.path().join("home"), directory.path().join("copy"));
    let store = open(&home).await.unwrap();
    put(&store, "a", "1").await;
    store.backup(&copy).await.unwrap();
    let refused = store.backup(&copy).await.unwrap_err().to_string();
    assert!(refused.contains("empty directory"), "{refused}");
    let refused = restore(&copy, &home).unwrap_err().to_string();
    assert!(refused.contains("empty directory"), "{refused}");
    let refused = restore(&directory.path().join("nowhere"), &copy).unwrap_err().to_string();
    assert!(refused.contains("exists") || refused.contains("is not there"), "{refused}");
    let damaged = directory.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("ferrite.db"), "no store at all").unwrap();
    assert!(restore(&damaged, &directory.path().join("target")).is_err());
}

#[tokio::test]
async fn a_log_is_neither_left_behind_nor_taken_over_by_a_restoration() {
    let directory = TempDir::new().unwrap();
    let place = |name: &str| directory.path().join(name);
    let log = |name: &str| place(name).join("ferrite.db-wal");
    let store = open(&place("home")).await.unwrap();
    put(&store, "a", "1").await;
    store.backup(&place("backup")).await.unwrap();

    // A store in use has commits that are only in its log.
    fs::create_dir(place("in-use")).unwrap();
    for name in ["ferrite.db", "ferrite.db-wal"] {
        fs::copy(place("home").join(name), place("in-use").join(name)).unwrap();
    }
    let refused = restore(&place("in-use"), &place("new")).unwrap_err().to_string();
    assert!(refused.contains("in use"), "{refused}");

    // SQLite would take a log that is left from another store for the new one's.
    fs::create_dir(place("left")).unwrap();
    fs::copy(log("home"), log("left")).unwrap();
    let refused = restore(&place("backup"), &place("left")).unwrap_err().to_string();
    assert!(refused.contains("empty directory"), "{refused}");
}
