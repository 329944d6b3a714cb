//! Local DynamoDB: a record for each item.

use ferrite_targets::{
    AttributeValue, DeleteItem, GetItem, Item, ItemKey, KeyType, PutItem, TableKey, TargetError,
    UpdateItem,
};
use serde_json::json;
use store::CommitError;

use crate::harness::{Bench, caller, tenant};

fn item(json: serde_json::Value) -> Item {
    serde_json::from_value(json).unwrap()
}

fn key(names: &[(&str, &str)]) -> ItemKey {
    names.iter().map(|(name, text)| ((*name).into(), AttributeValue::S((*text).into()))).collect()
}

async fn put(
    bench: &Bench,
    table: &str,
    of: serde_json::Value,
    keys: &[&str],
) -> Result<(), TargetError> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let put = PutItem { table: table.into(), item: item(of), keys };
    bench.targets.dynamodb().put_item(&caller(), put).await
}

async fn get(bench: &Bench, table: &str, key: ItemKey) -> Result<Option<Item>, TargetError> {
    bench.targets.dynamodb().get_item(&caller(), GetItem { table: table.into(), key }).await
}

async fn all(bench: &Bench, table: &str) -> Vec<Item> {
    bench.targets.dynamodb().scan_local(&caller(), table, None, 100).await.unwrap().items
}

fn code<T: std::fmt::Debug>(result: Result<T, TargetError>) -> (String, bool) {
    let error = result.unwrap_err();
    (error.code, error.is_transient)
}

#[tokio::test]
async fn a_table_is_made_by_its_first_item_with_the_keys_of_the_request() {
    let bench = Bench::start().await;
    let first = json!({"id": {"S": "d1"}, "at": {"N": "1"}, "v": {"BOOL": true}});
    put(&bench, "readings", first.clone(), &["id", "at"]).await.unwrap();
    let second = json!({"id": {"S": "d1"}, "at": {"N": "1.0"}, "v": {"NULL": true}});
    put(&bench, "readings", second.clone(), &["id", "at"]).await.unwrap();
    let third = json!({"id": {"S": "d1"}, "at": {"N": "2"}});
    put(&bench, "readings", third.clone(), &[]).await.unwrap();
    assert_eq!(all(&bench, "readings").await, [item(second), item(third.clone())]);
    let key = vec![
        ("id".to_owned(), AttributeValue::S("d1".into())),
        ("at".to_owned(), AttributeValue::N("2e0".into())),
    ];
    assert_eq!(get(&bench, "readings", key).await.unwrap(), Some(item(third)));
    let (tables, has_more) =
        bench.targets.dynamodb().local_tables(&caller(), None, 10).await.unwrap();
    let keys = [("id", KeyType::S), ("at", KeyType::N)];
    let keys = keys.map(|(name, key_type)| TableKey { name: name.into(), key_type });
    assert_eq!(
        (tables[0].name.as_str(), &tables[0].keys[..], has_more),
        ("readings", &keys[..], false)
    );
}

#[tokio::test]
async fn the_keys_of_the_settings_come_first() {
    let settings = r#"{"dynamodb":{"tables":{"devices":{"hash_key":"id"}}}}"#;
    let bench = Bench::with(settings).await;
    put(&bench, "devices", json!({"id": {"S": "a"}, "n": {"N": "1"}}), &["n"]).await.unwrap();
    put(&bench, "devices", json!({"id": {"S": "a"}, "n": {"N": "2"}}), &[]).await.unwrap();
    assert_eq!(all(&bench, "devices").await, [item(json!({"id": {"S": "a"}, "n": {"N": "2"}}))]);
    let refused = put(&bench, "devices", json!({"n": {"N": "2"}}), &[]).await.unwrap_err();
    assert_eq!(
        refused.message,
        "One or more parameter values were invalid: Missing the key id in the item"
    );
    let refused = put(&bench, "devices", json!({"id": {"N": "2"}}), &[]).await.unwrap_err();
    assert_eq!(
        refused.message,
        "One or more parameter values were invalid: Type mismatch for key id expected: S actual: N"
    );
}

#[tokio::test]
async fn where_nobody_knows_the_keys_each_distinct_item_is_kept() {
    let bench = Bench::start().await;
    for n in ["1", "2", "1"] {
        put(&bench, "raw", json!({"n": {"N": n}}), &[]).await.unwrap();
    }
    assert_eq!(all(&bench, "raw").await.len(), 2);
    let refused = get(&bench, "raw", key(&[("n", "1")])).await.unwrap_err();
    assert_eq!(refused.message, "The provided key element does not match the schema");
}

#[tokio::test]
async fn an_update_sets_what_it_names_and_makes_what_is_not_there() {
    let bench = Bench::start().await;
    let update = |set| UpdateItem { table: "tab".into(), key: key(&[("id", "a")]), set: item(set) };
    let dynamodb = bench.targets.dynamodb();
    dynamodb.update_item(&caller(), update(json!({"x": {"N": "1"}}))).await.unwrap();
    dynamodb.update_item(&caller(), update(json!({"y": {"N": "2"}}))).await.unwrap();
    let expect = item(json!({"id": {"S": "a"}, "x": {"N": "1"}, "y": {"N": "2"}}));
    assert_eq!(get(&bench, "tab", key(&[("id", "a")])).await.unwrap(), Some(expect));
    let refused = dynamodb.update_item(&caller(), update(json!({"id": {"S": "b"}}))).await;
    assert_eq!(
        refused.unwrap_err().message,
        "One or more parameter values were invalid: Cannot update attribute id. This attribute is \
         part of the key"
    );
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_deleting_it_again_is_no_error() {
    let bench = Bench::start().await;
    put(&bench, "tab", json!({"id": {"S": "a"}}), &["id"]).await.unwrap();
    for _ in 0..2 {
        let delete = DeleteItem { table: "tab".into(), key: key(&[("id", "a")]) };
        bench.targets.dynamodb().delete_item(&caller(), delete).await.unwrap();
    }
    assert_eq!(get(&bench, "tab", key(&[("id", "a")])).await.unwrap(), None);
    let wrong = get(&bench, "tab", key(&[("id", "a"), ("at", "b")])).await.unwrap_err();
    assert_eq!(wrong.message, "The provided key element does not match the schema");
}

#[tokio::test]
async fn an_item_that_dynamodb_would_not_take_is_refused_in_its_words() {
    let bench = Bench::start().await;
    let refused = ("ValidationException".to_owned(), false);
    let large = "x".repeat(400 * 1024);
    for (of, keys) in [
        (json!({"id": {"S": "a"}, "n": {"N": "abc"}}), &["id"]),
        (json!({"id": {"S": "a"}, "l": {"L": [{"M": {"n": {"N": "1e999"}}}]}}), &["id"]),
        (json!({"id": {"S": "a"}, "x": {"S": large}}), &["id"]),
        (json!({"id": {"S": ""}}), &["id"]),
        (json!({"id": {"S": "k".repeat(2049)}}), &["id"]),
        (json!({"id": {"BOOL": true}}), &["id"]),
        (json!({"id": {"S": "a"}}), &["other"]),
    ] {
        assert_eq!(code(put(&bench, "tab", of, keys).await), refused);
    }
    let tables = bench.targets.dynamodb().local_tables(&caller(), None, 10).await.unwrap();
    assert_eq!(tables, (Vec::new(), false));
    let name = "a table";
    assert_eq!(code(put(&bench, name, json!({"id": {"S": "a"}}), &["id"]).await), refused);
    let absent = get(&bench, "absent", key(&[("id", "a")])).await;
    assert_eq!(code(absent), ("ResourceNotFoundException".to_owned(), false));
}

#[tokio::test]
async fn a_tenant_sees_its_own_tables_and_has_as_many_as_the_settings_allow() {
    let bench = Bench::with(r#"{"local":{"tables_max":2}}"#).await;
    for table in ["one", "two", "one"] {
        put(&bench, table, json!({"id": {"S": "a"}}), &["id"]).await.unwrap();
    }
    let refused = put(&bench, "three", json!({"id": {"S": "a"}}), &["id"]).await;
    assert_eq!(code(refused), ("LimitExceededException".to_owned(), false));
    let dynamodb = bench.targets.dynamodb();
    let others = dynamodb.local_tables(&tenant(2), None, 10).await.unwrap();
    assert_eq!(others, (Vec::new(), false));
    let get = GetItem { table: "one".into(), key: key(&[("id", "a")]) };
    assert_eq!(
        code(dynamodb.get_item(&tenant(2), get).await),
        ("ResourceNotFoundException".into(), false)
    );
}

#[tokio::test]
async fn a_scan_goes_on_where_the_page_before_ended() {
    let bench = Bench::start().await;
    for n in 0..5 {
        put(&bench, "tab", json!({"id": {"S": n.to_string()}}), &["id"]).await.unwrap();
        put(&bench, "tab2", json!({"id": {"S": n.to_string()}}), &["id"]).await.unwrap();
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = bench.targets.dynamodb().scan_local(&caller(), "tab", after, 2).await.unwrap();
        found.extend(page.items);
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(found, all(&bench, "tab").await);
    assert_eq!(found.len(), 5);
    let stray = bench.targets.dynamodb().scan_local(&caller(), "tab", Some(b"x".to_vec()), 2).await;
    assert_eq!(code(stray), ("ValidationException".into(), false));
}

#[tokio::test]
async fn a_store_that_fails_is_a_failure_that_passes() {
    let bench = Bench::start().await;
    put(&bench, "tab", json!({"id": {"S": "a"}}), &["id"]).await.unwrap();
    bench.store.faults().unwrap().set_full(true);
    let error = put(&bench, "tab", json!({"id": {"S": "b"}}), &["id"]).await.unwrap_err();
    assert!(error.is_transient);
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<CommitError>();
    assert!(matches!(source, Some(CommitError::Full)));
    bench.store.faults().unwrap().set_full(false);
    put(&bench, "tab", json!({"id": {"S": "b"}}), &["id"]).await.unwrap();
}
