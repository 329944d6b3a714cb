//! A batch is written when all its conditions hold, and otherwise nothing of it.

use ferrite_store::{Batch, CommitError, Condition, KeyRange, Sequence, Store};
use tokio::task::JoinSet;

use crate::engines::{Place, on_every_engine};
use crate::{key, root};

on_every_engine![
    a_failed_condition_is_named_and_nothing_is_written,
    conditions_see_the_batches_before,
    one_of_many_creators_wins,
    of_many_writers_with_one_version_one_wins,
    attaching_never_races_with_deleting_unless_attached,
    what_is_demanded_absent_and_not_written_stays_unseen,
    a_conflict_leaves_the_other_batches_of_its_group,
    a_batch_may_write_a_key_more_than_once,
    a_removed_range_is_empty_for_the_batches_behind,
];

async fn put(store: &Store, name: &str, value: &'static str) -> Sequence {
    let mut batch = Batch::new();
    batch.put(key(name), value);
    store.commit(batch).await.unwrap()
}

async fn value(store: &Store, name: &str) -> Option<String> {
    let found = store.get(&key(name)).await.unwrap()?;
    Some(String::from_utf8(found.value.to_vec()).unwrap())
}

async fn conflict(store: &Store, batch: &Batch) -> Condition {
    match store.commit(batch.clone()).await {
        Err(CommitError::Conflict(condition)) => condition,
        other => panic!("{other:?}"),
    }
}

async fn a_failed_condition_is_named_and_nothing_is_written(place: Place) {
    let store = place.open().await;
    let version = put(&store, "a", "1").await;
    let stale = Sequence(version.0 + 1000);
    let occupied = KeyRange::text_prefix(&root(), "a");
    let failing = [
        Condition::Absent(key("a")),
        Condition::Exists(key("b")),
        Condition::Version(key("a"), stale),
        Condition::Version(key("b"), version),
        Condition::Empty(occupied),
    ];
    for condition in failing {
        let mut batch = Batch::new();
        // One that holds before it.
        batch.require_version(key("a"), version);
        match condition.clone() {
            Condition::Absent(key) => batch.require_absent(key),
            Condition::Exists(key) => batch.require_exists(key),
            Condition::Version(key, version) => batch.require_version(key, version),
            Condition::Empty(range) => batch.require_empty(range),
        };
        batch.put(key("c"), "written").delete(key("a"));
        assert_eq!(conflict(&store, &batch).await, condition);
    }
    assert_eq!(value(&store, "a").await.as_deref(), Some("1"));
    assert_eq!(value(&store, "c").await, None);
}

async fn conditions_see_the_batches_before(place: Place) {
    let store = place.open().await;
    let mut batch = Batch::new();
    batch.require_absent(key("a")).require_empty(KeyRange::prefix(&root()));
    batch.put(key("a"), "1").put(key("b"), "1");
    let first = store.commit(batch.clone()).await.unwrap();
    assert_eq!(conflict(&store, &batch).await, Condition::Absent(key("a")));
    let mut update = Batch::new();
    update.require_version(key("a"), first).require_exists(key("b")).put(key("a"), "2");
    let second = store.commit(update.clone()).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(conflict(&store, &update).await, Condition::Version(key("a"), first));
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().version, second);
    assert_eq!(store.get(&key("b")).await.unwrap().unwrap().version, first);
}

async fn one_of_many_creators_wins(place: Place) {
    let store = place.open().await;
    for round in 0..10 {
        let name = format!("thing-{round}");
        let mut creators = JoinSet::new();
        for creator in 0..32_u32 {
            let (store, name) = (store.clone(), name.clone());
            creators.spawn(async move {
                let mut batch = Batch::new();
                batch.require_absent(key(&name));
                // Another first key for each, so that every committer takes part.
                batch.put(key(&format!("{name}-{creator}")), "trace");
                batch.put(key(&name), creator.to_string());
                (creator, store.commit(batch).await)
            });
        }
        let mut winner = None;
        while let Some(ended) = creators.join_next().await {
            match ended.unwrap() {
                (creator, Ok(_)) => assert_eq!(winner.replace(creator), None),
                (_, Err(CommitError::Conflict(lost))) => {
                    assert_eq!(lost, Condition::Absent(key(&name)));
                }
                (_, Err(error)) => panic!("{error:?}"),
            }
        }
        let winner = winner.unwrap();
        assert_eq!(value(&store, &name).await, Some(winner.to_string()));
        let traces = KeyRange::text_prefix(&root(), &format!("{name}-"));
        let page = store.scan(traces, None, 100, ferrite_store::Direction::Forward).await.unwrap();
        assert_eq!(page.entries.len(), 1);
    }
}

async fn of_many_writers_with_one_version_one_wins(place: Place) {
    let store = place.open().await;
    let mut version = put(&store, "a", "0").await;
    for _ in 0..10 {
        let mut writers = JoinSet::new();
        for writer in 0..16 {
            let store = store.clone();
            writers.spawn(async move {
                let mut batch = Batch::new();
                batch.put(key(&format!("trace-{writer}")), "");
                batch.require_version(key("a"), version).put(key("a"), "1");
                store.commit(batch).await
            });
        }
        let won: Vec<Sequence> =
            writers.join_all().await.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1);
        version = won[0];
    }
}

/// A parent is deleted only while it has no child, and a child is added only to a parent.
async fn attaching_never_races_with_deleting_unless_attached(place: Place) {
    let store = place.open().await;
    for round in 0..200 {
        let (parent, child) = (format!("parent-{round}"), format!("child-{round}"));
        put(&store, &parent, "here").await;
        let mut attach = Batch::new();
        attach.require_exists(key(&parent)).put(key(&child), "attached");
        let mut delete = Batch::new();
        delete.require_exists(key(&parent));
        delete.require_empty(KeyRange::prefix(&key(&child))).delete(key(&parent));
        let (attached, deleted) = match round % 2 {
            0 => tokio::join!(store.commit(attach), store.commit(delete)),
            _ => {
                let (deleted, attached) = tokio::join!(store.commit(delete), store.commit(attach));
                (attached, deleted)
            }
        };
        assert_ne!(attached.is_ok(), deleted.is_ok(), "{attached:?} {deleted:?}");
        assert_eq!(value(&store, &child).await.is_some(), attached.is_ok());
        assert_eq!(value(&store, &parent).await.is_none(), deleted.is_ok());
    }
}

async fn what_is_demanded_absent_and_not_written_stays_unseen(place: Place) {
    let store = place.open().await;
    let mut batch = Batch::new();
    batch.require_absent(key("ghost")).put(key("a"), "1");
    store.commit(batch.clone()).await.unwrap();
    assert_eq!(value(&store, "ghost").await, None);
    put(&store, "ghost", "real").await;
    assert_eq!(conflict(&store, &batch).await, Condition::Absent(key("ghost")));

    // Each of two demands the other's absence: at most one is written.
    for round in 0..50 {
        let (left, right) = (format!("left-{round}"), format!("right-{round}"));
        let (mut first, mut second) = (Batch::new(), Batch::new());
        first.require_absent(key(&right)).put(key(&left), "");
        second.require_absent(key(&left)).put(key(&right), "");
        let (first, second) = tokio::join!(store.commit(first), store.commit(second));
        assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
    }
}

async fn a_conflict_leaves_the_other_batches_of_its_group(place: Place) {
    let store = place.open().await;
    put(&store, "taken", "").await;
    let mut writers = JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        writers.spawn(async move {
            let mut batch = Batch::new();
            batch.put(key(&format!("n-{number:03}")), "");
            if number % 10 == 0 {
                batch.require_absent(key("taken"));
            }
            (number, store.commit(batch).await.is_ok())
        });
    }
    for (number, is_written) in writers.join_all().await {
        assert_eq!(is_written, number % 10 != 0);
        assert_eq!(value(&store, &format!("n-{number:03}")).await.is_some(), is_written);
    }
}

async fn a_batch_may_write_a_key_more_than_once(place: Place) {
    let store = place.open().await;
    let mut batch = Batch::new();
    batch.put(key("a"), "1").delete(key("a")).put(key("b"), "1").put(key("b"), "2");
    batch.put(key("c"), "1").delete_range(KeyRange::prefix(&key("c"))).put(key("d"), "1");
    batch.delete(key("e")).put(key("e"), "1").require_absent(key("a"));
    store.commit(batch).await.unwrap();
    let mut found = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        found.push(value(&store, name).await);
    }
    let expected = [None, Some("2"), None, Some("1"), Some("1")];
    assert_eq!(found, expected.map(|value| value.map(str::to_owned)));
}

async fn a_removed_range_is_empty_for_the_batches_behind(place: Place) {
    let store = place.open().await;
    for round in 0..30 {
        let all = KeyRange::text_prefix(&root(), "r-");
        let (mut fill, mut clear, mut check) = (Batch::new(), Batch::new(), Batch::new());
        fill.put(key("r-1"), "").put(key("r-2"), "").put(key("r-3"), round.to_string());
        clear.delete_range(all.clone());
        check.require_empty(all).require_absent(key("r-2")).put(key("r-4"), "");
        store.commit(fill).await.unwrap();
        store.commit(clear).await.unwrap();
        store.commit(check.clone()).await.unwrap();
        assert!(matches!(conflict(&store, &check).await, Condition::Empty(_)));
    }
}
