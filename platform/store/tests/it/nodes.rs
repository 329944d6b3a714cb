//! Several nodes on one PostgreSQL, and connections that break.

use std::convert::Infallible;

use ferrite_store::{
    Batch, Changes, CommitError, Key, KeyRange, Options, Store, StoreError, StoreUrl, Versioned,
};
use tokio::task::JoinSet;

use crate::engines::{Place, execute};
use crate::{env, key};

fn url(place: &Place) -> String {
    match place.url() {
        StoreUrl::Postgres { url } => url,
        other => panic!("{other:?}"),
    }
}

fn put(name: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(key(name), "");
    batch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_share_one_store() {
    let Some(place) = Place::postgres().await else { return };
    let (one, two, three) = tokio::join!(place.open(), place.open(), place.open());
    one.commit(put("a")).await.unwrap();
    assert!(two.get(&key("a")).await.unwrap().is_some());
    assert!(three.get(&key("a")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_of_several_nodes_are_not_lost() {
    let Some(place) = Place::postgres().await else { return };
    let counters: Vec<Key> = (0..4).map(|n| key(&format!("counter-{n}"))).collect();
    let mut writers = JoinSet::new();
    for node in 0..3 {
        let store = place.open().await;
        for writer in 0..8_usize {
            let (store, counters) = (store.clone(), counters.clone());
            writers.spawn(async move {
                for round in 0..10 {
                    // Two counters at a time, named in different orders.
                    let (a, b) = ((writer + round + node) % 4, (writer * 3 + round + 1) % 4);
                    while a != b && !bump(&store, &[counters[a].clone(), counters[b].clone()]).await
                    {
                    }
                }
                (0..10)
                    .filter(|round| (writer + round + node) % 4 != (writer * 3 + round + 1) % 4)
                    .count()
            });
        }
    }
    let expected: usize = writers.join_all().await.into_iter().sum();
    let found = place.open().await.get_many(&counters).await.unwrap();
    assert_eq!(found.iter().map(|record| count(record.as_ref())).sum::<usize>(), 2 * expected);
}

fn count(record: Option<&Versioned>) -> usize {
    record.map_or(0, |record| std::str::from_utf8(&record.value).unwrap().parse().unwrap())
}

/// Whether it was written; another node may have come between too often.
async fn bump(store: &Store, keys: &[Key]) -> bool {
    let decide = |found: &[Option<Versioned>]| {
        let mut batch = Batch::new();
        for (key, found) in keys.iter().zip(found) {
            batch.put(key.clone(), (count(found.as_ref()) + 1).to_string());
        }
        Ok::<_, Infallible>((batch, ()))
    };
    store.transact(keys, decide).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_do_not_attach_to_what_another_deletes() {
    let Some(place) = Place::postgres().await else { return };
    let (one, two) = (place.open().await, place.open().await);
    for round in 0..200 {
        let (parent, child) = (key(&format!("parent-{round}")), key(&format!("child-{round}")));
        one.commit(put(&format!("parent-{round}"))).await.unwrap();
        let (mut attach, mut delete) = (Batch::new(), Batch::new());
        attach.require_exists(parent.clone()).put(child.clone(), "");
        delete.require_empty(KeyRange::prefix(&child)).delete(parent.clone());
        let (attached, deleted) = tokio::join!(one.commit(attach), two.commit(delete));
        assert_ne!(attached.is_ok(), deleted.is_ok(), "{attached:?} {deleted:?}");
        assert_eq!(two.get(&parent).await.unwrap().is_some(), attached.is_ok());
        assert_eq!(one.get(&child).await.unwrap().is_some(), attached.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_told_what_other_nodes_write() {
    let Some(place) = Place::postgres().await else { return };
    let (writer, reader) = (place.open().await, place.open().await);
    let mut cursor = reader.current().await.unwrap();
    writer.commit(put("a")).await.unwrap();
    loop {
        reader.changed(cursor).await;
        match reader.changes(cursor).await.unwrap() {
            Changes::Since { keys, .. } if keys == [key("a")] => return,
            Changes::Since { upto, .. } => cursor = upto,
            lost => panic!("{lost:?}"),
        }
    }
}

/// A transaction that began earlier and ends later is not skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_waits_for_transactions_that_still_run() {
    let Some(place) = Place::postgres().await else { return };
    let store = place.open().await;
    let cursor = store.current().await.unwrap();
    let (slow, driver) =
        tokio_postgres::connect(&url(&place), tokio_postgres::NoTls).await.unwrap();
    let mut driving = JoinSet::new();
    driving.spawn(driver);
    slow.batch_execute(
        "BEGIN; INSERT INTO ferrite_changes (sequence, txid, key) \
         VALUES (nextval('ferrite_sequence'), pg_current_xact_id(), '\\x01')",
    )
    .await
    .unwrap();
    store.commit(put("a")).await.unwrap();
    let Changes::Since { keys, upto } = store.changes(cursor).await.unwrap() else { panic!() };
    assert_eq!(keys, []);
    slow.batch_execute("COMMIT").await.unwrap();
    let mut told = Vec::new();
    let mut cursor = upto;
    while told.len() < 2 {
        store.changed(cursor).await;
        let Changes::Since { keys, upto } = store.changes(cursor).await.unwrap() else { panic!() };
        told.extend(keys);
        cursor = upto;
    }
    assert_eq!(told, [Key::from_bytes(vec![1]), key("a")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_are_made_anew() {
    let Some(place) = Place::postgres().await else { return };
    let store = place.open().await;
    for round in 0..10 {
        let name = round.to_string();
        store.commit(put(&name)).await.unwrap();
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        execute(&url(&place), others).await;
        assert!(store.get(&key(&name)).await.unwrap().is_some());
    }
    store.commit(put("last")).await.unwrap();
}

/// Connections are cut at any moment: what was acknowledged is there, and each batch whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_cut_connections() {
    let Some(place) = Place::postgres().await else { return };
    let store = place.open().await;
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            let mut written = Vec::new();
            for round in 0..100 {
                let name = format!("{writer}-{round}");
                let mut batch = put(&name);
                batch.put(key(&format!("{name}-twin")), "").require_absent(key(&name));
                match store.commit(batch).await {
                    Ok(_) => written.push(name),
                    // At a cut commit, the store stops rather than guess.
                    Err(CommitError::Store(StoreError::Stopped)) => return written,
                    Err(error) => panic!("{error:?}"),
                }
            }
            written
        });
    }
    for _ in 0..5 {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        execute(&url(&place), others).await;
    }
    let written = writers.join_all().await;
    for name in written.into_iter().flatten() {
        let keys = [key(&name), key(&format!("{name}-twin"))];
        assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_some), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_format_is_refused() {
    let Some(place) = Place::postgres().await else { return };
    place.open().await.close().await;
    execute(&url(&place), "UPDATE ferrite_meta SET value = 2 WHERE name = 'format'").await;
    let refused = Store::open(Options { url: place.url() }, &env()).await.err().unwrap();
    assert!(matches!(refused, StoreError::NewerFormat { found: 2, known: 1 }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_names_the_tool_for_it() {
    let Some(place) = Place::postgres().await else { return };
    let refused = place.open().await.backup(std::path::Path::new("anywhere")).await.unwrap_err();
    assert!(refused.to_string().contains("pg_dump"), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_said() {
    let cases = [
        ("postgres://db.example/ferrite?sslmode=require", "without TLS"),
        ("postgres://db.example/ferrite?sslmode=verify-full", "without TLS"),
        ("postgres://127.0.0.1:1/ferrite", "PostgreSQL failed"),
        ("postgres://127.0.0.1:port/ferrite", "PostgreSQL failed"),
    ];
    for (url, expected) in cases {
        let options = Options { url: StoreUrl::Postgres { url: url.into() } };
        let refused = Store::open(options, &env()).await.err().unwrap();
        assert!(refused.to_string().contains(expected), "{url}: {refused}");
    }
}

#[test]
fn a_password_is_not_shown() {
    let url = StoreUrl::Postgres { url: "postgres://ferrite:secret@db.example/ferrite".into() };
    assert!(!format!("{:?}", Options { url }).contains("secret"));
}
