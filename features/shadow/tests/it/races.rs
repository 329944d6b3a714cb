//! Many writers: no update is lost, and no version is used twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testing::Server;
use tokio::task::JoinSet;

use crate::{delete, get, post, refusal, server, shadow, update};

#[tokio::test]
async fn writers_of_one_shadow_lose_nothing() {
    let server = server().await;
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let server = server.clone();
        writers.spawn(async move {
            let mut versions = Vec::new();
            for n in 0..8 {
                let key = format!("w{writer}_{n}");
                let body = json!({"state": {"reported": {key: n}}});
                versions.push(update(&server, "lamp", body).await["version"].as_u64().unwrap());
            }
            assert!(versions.is_sorted());
            versions
        });
    }
    let versions: BTreeSet<u64> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(versions, (1..=128).collect());
    let shadow = get(&server, "lamp").await.unwrap();
    assert_eq!(shadow["state"]["reported"].as_object().unwrap().len(), 128);
    assert_eq!(shadow["version"], 128);
}

#[tokio::test]
async fn of_writers_that_name_a_version_one_wins() {
    let server = server().await;
    update(&server, "lamp", json!({"state": {"reported": {"on": 0}}})).await;
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let server = server.clone();
        let body = json!({"state": {"reported": {"on": writer}}, "version": 1}).to_string();
        writers.spawn(async move { post(&server, "lamp", None, body).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) =
        writers.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for lost in lost {
        assert_eq!(refusal(lost).0, "ConflictException");
    }
    assert_eq!(get(&server, "lamp").await.unwrap()["version"], 2);
}

#[tokio::test]
async fn a_version_is_never_used_again_whoever_deletes_in_between() {
    let server = server().await;
    let mut work = JoinSet::new();
    for _ in 0..8 {
        let server = server.clone();
        work.spawn(async move {
            let mut versions = Vec::new();
            for _ in 0..8 {
                let accepted = update(&server, "lamp", json!({"state": {"reported": {"a": 1}}}));
                versions.push(accepted.await["version"].as_u64().unwrap());
                // Somebody else may have deleted it.
                drop(delete(&server, "lamp").await);
            }
            versions
        });
    }
    let versions: Vec<u64> = work.join_all().await.into_iter().flatten().collect();
    let distinct: BTreeSet<u64> = versions.iter().copied().collect();
    assert_eq!(distinct.len(), versions.len());
    let left: Result<Value, _> = get(&server, "lamp").await;
    assert!(left.is_err(), "the last one deleted it");
}

#[tokio::test]
async fn servers_of_one_store_lose_nothing_of_each_other() {
    let one = server().await;
    let store = one.app().store.clone();
    let other = Server::build_with(
        |choices| {
            choices.store = Some(store);
            choices.seed = 8;
        },
        |app| vec![shadow::feature(app)],
    )
    .await;
    let mut writers = JoinSet::new();
    for (writer, server) in [(0, &one), (1, &other), (2, &one), (3, &other)] {
        let server = server.clone();
        writers.spawn(async move {
            for n in 0..8 {
                let key = format!("w{writer}_{n}");
                update(&server, "lamp", json!({"state": {"reported": {key: n}}})).await;
                tokio::task::yield_now().await;
            }
        });
    }
    writers.join_all().await;
    let shadow = get(&one, "lamp").await.unwrap();
    assert_eq!(shadow["version"], 32);
    assert_eq!(shadow["state"]["reported"].as_object().unwrap().len(), 32);
}
