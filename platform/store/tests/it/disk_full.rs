//! A full disk refuses writes, reads go on, and it recovers by itself when there is room.

use std::path::Path;
use std::process::Command;

use ferrite_store::{Batch, CommitError, Direction, KeyRange, Options, Store, StoreUrl};
use tempfile::TempDir;

use crate::engines::Place;
use crate::{env, key, root};

/// A small disk in memory.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Option<Self> {
        let disk = Self(TempDir::new().unwrap());
        let is_mounted = mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], disk.0.path());
        if !is_mounted {
            println!("SKIPPED: a full disk needs a small one: run as root, who may mount it");
        }
        is_mounted.then_some(disk)
    }

    fn grow(&self) {
        assert!(mount(&["-o", "remount,size=32m"], self.0.path()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).output());
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let mounted = Command::new("mount").args(arguments).arg(path).output();
    mounted.is_ok_and(|output| output.status.success())
}

async fn put(store: &Store, number: u32) -> Result<(), CommitError> {
    let mut batch = Batch::new();
    batch.put(key(&format!("{number:05}")), vec![7; 20_000]);
    store.commit(batch).await.map(drop)
}

async fn count(store: &Store) -> usize {
    let all = KeyRange::prefix(&root());
    store.scan(all, None, 1000, Direction::Forward).await.unwrap().entries.len()
}

/// Writes until the disk is full; returns how many were written.
async fn fill(store: &Store) -> u32 {
    for number in 0..1000 {
        match put(store, number).await {
            Ok(()) => {}
            Err(CommitError::Full) => return number,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("the disk does not fill")
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_it_grows() {
    let Some(disk) = Disk::mount() else { return };
    let env = env();
    let url = StoreUrl::Sqlite { directory: disk.0.path().join("data") };
    let store = Store::open(Options { url: url.clone() }, &env).await.unwrap();
    let written = fill(&store).await;
    for _ in 0..5 {
        let refused = put(&store, written).await;
        assert!(matches!(refused, Err(CommitError::Full)), "{refused:?}");
        assert_eq!(count(&store).await, written as usize);
    }
    assert_eq!(env.tasks.shutdown_reason(), None);

    disk.grow();
    for number in written..written + 20 {
        put(&store, number).await.unwrap();
    }
    assert_eq!(count(&store).await, written as usize + 20);
    store.close().await;
    drop(store);
    let store = Store::open(Options { url }, &env).await.unwrap();
    assert_eq!(count(&store).await, written as usize + 20);
    drop(store);
}

#[tokio::test]
async fn a_simulated_full_disk_refuses_writes_until_it_has_room() {
    let store = Place::Memory.open().await;
    put(&store, 0).await.unwrap();
    store.faults().unwrap().set_full(true);
    assert!(matches!(put(&store, 1).await, Err(CommitError::Full)));
    assert_eq!(count(&store).await, 1);
    store.faults().unwrap().set_full(false);
    put(&store, 1).await.unwrap();
    store.faults().unwrap().fail_commit(2);
    put(&store, 2).await.unwrap();
    assert!(matches!(put(&store, 3).await, Err(CommitError::Store(_))));
    put(&store, 3).await.unwrap();
    assert_eq!(count(&store).await, 4);
}
