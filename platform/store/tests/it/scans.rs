//! Ranges, page by page, in both directions.

use ferrite_store::{Batch, Direction, Key, KeyRange, Store};

use crate::engines::{Place, on_every_engine};
use crate::{key, root};

on_every_engine![
    pages_cover_a_range_once_in_order,
    a_page_begins_behind_any_key,
    a_prefix_finds_names_that_begin_with_it,
    a_removed_range_takes_nothing_else,
    an_empty_range_has_no_records,
    many_keys_are_read_in_the_order_asked_for,
    values_keep_their_bytes,
];

async fn fill(store: &Store, names: &[&str]) {
    let mut batch = Batch::new();
    for name in names {
        batch.put(key(name), (*name).to_owned());
    }
    store.commit(batch).await.unwrap();
}

/// The names of all records of a range, read in pages of `limit`.
async fn paged(store: &Store, range: &KeyRange, limit: u32, direction: Direction) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = store.scan(range.clone(), after.take(), limit, direction).await.unwrap();
        assert!(page.entries.len() <= limit as usize);
        names.extend(page.entries.iter().map(|entry| entry.key.reader().text().unwrap()));
        if !page.has_more {
            return names;
        }
        after = Some(page.entries.last().unwrap().key.clone());
    }
}

async fn pages_cover_a_range_once_in_order(place: Place) {
    let store = place.open().await;
    let names: Vec<String> = (0..1205).map(|n| format!("n-{n:05}")).collect();
    fill(&store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // Neighbours on both sides, of another kind.
    let mut batch = Batch::new();
    for kind in [0, 2] {
        let kind = ferrite_store::Kind(kind);
        batch.put(Key::new(types::TenantId(1), kind).text("n-00001"), "");
    }
    store.commit(batch).await.unwrap();
    let reversed: Vec<String> = names.iter().rev().cloned().collect();
    let all = KeyRange::prefix(&root());
    for limit in [7, 241, 1205, 5000] {
        assert_eq!(paged(&store, &all, limit, Direction::Forward).await, names);
        assert_eq!(paged(&store, &all, limit, Direction::Backward).await, reversed);
    }
}

async fn a_page_begins_behind_any_key(place: Place) {
    let store = place.open().await;
    fill(&store, &["b", "d", "f"]).await;
    let range = KeyRange { start: key("b"), end: key("f") };
    let cases: [(&str, &[&str], &[&str]); 7] = [
        ("a", &["b", "d"], &[]),
        ("b", &["d"], &[]),
        ("c", &["d"], &["b"]),
        ("d", &[], &["b"]),
        ("e", &[], &["d", "b"]),
        ("f", &[], &["d", "b"]),
        ("g", &[], &["d", "b"]),
    ];
    for (after, forward, backward) in cases {
        for (direction, expected) in
            [(Direction::Forward, forward), (Direction::Backward, backward)]
        {
            let page = store.scan(range.clone(), Some(key(after)), 10, direction).await.unwrap();
            let names: Vec<String> =
                page.entries.iter().map(|entry| entry.key.reader().text().unwrap()).collect();
            assert_eq!(names, expected, "{direction:?} behind {after}");
            assert!(!page.has_more);
        }
    }
}

async fn a_prefix_finds_names_that_begin_with_it(place: Place) {
    let store = place.open().await;
    let long = "n".repeat(600);
    fill(&store, &["", "a", "ab", "ab\0", "abc", "ac", "b", "ä", &long]).await;
    let cases: [(&str, usize); 6] =
        [("", 9), ("ab", 3), ("abc", 1), ("ä", 1), ("zz", 0), ("ab\0", 1)];
    for (prefix, expected) in cases {
        let range = KeyRange::text_prefix(&root(), prefix);
        let page = store.scan(range, None, 100, Direction::Forward).await.unwrap();
        assert_eq!(page.entries.len(), expected, "{prefix:?}");
    }
    let range = KeyRange::text_prefix(&root(), &long);
    assert_eq!(store.scan(range, None, 100, Direction::Forward).await.unwrap().entries.len(), 1);
}

async fn a_removed_range_takes_nothing_else(place: Place) {
    let store = place.open().await;
    fill(&store, &["a", "b", "ba", "bb", "c"]).await;
    let mut batch = Batch::new();
    batch.delete_range(KeyRange { start: key("b"), end: key("bb") });
    // Nothing lies in a range that ends before it starts.
    batch.delete_range(KeyRange { start: key("c"), end: key("a") });
    batch.put(key("ba"), "again");
    store.commit(batch).await.unwrap();
    let all = KeyRange::prefix(&root());
    assert_eq!(paged(&store, &all, 10, Direction::Forward).await, ["a", "ba", "bb", "c"]);
}

async fn an_empty_range_has_no_records(place: Place) {
    let store = place.open().await;
    fill(&store, &["a", "b"]).await;
    for range in [
        KeyRange { start: key("b"), end: key("a") },
        KeyRange { start: key("a"), end: key("a") },
        KeyRange { start: key("x"), end: key("y") },
    ] {
        for direction in [Direction::Forward, Direction::Backward] {
            for after in [None, Some(key("a"))] {
                let page = store.scan(range.clone(), after, 10, direction).await.unwrap();
                assert_eq!((page.entries.len(), page.has_more), (0, false));
            }
        }
        let mut batch = Batch::new();
        batch.require_empty(range);
        store.commit(batch).await.unwrap();
    }
}

async fn many_keys_are_read_in_the_order_asked_for(place: Place) {
    let store = place.open().await;
    fill(&store, &["a", "b"]).await;
    let found = store.get_many(&[key("b"), key("x"), key("a"), key("b")]).await.unwrap();
    let values: Vec<Option<&[u8]>> =
        found.iter().map(|record| record.as_ref().map(|record| &record.value[..])).collect();
    assert_eq!(values, [Some(&b"b"[..]), None, Some(b"a"), Some(b"b")]);
    assert!(store.get_many(&[]).await.unwrap().is_empty());
}

async fn values_keep_their_bytes(place: Place) {
    let store = place.open().await;
    let all: Vec<u8> = (0..=255).collect();
    for value in [Vec::new(), vec![0], all.clone(), all.repeat(4000)] {
        let mut batch = Batch::new();
        batch.put(key("value"), value.clone());
        store.commit(batch).await.unwrap();
        assert_eq!(store.get(&key("value")).await.unwrap().unwrap().value, value);
    }
}
