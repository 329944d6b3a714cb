//! What local targets take in a second, durably: objects, records of streams, items.
//!
//! Measured in a directory for temporary files (`TMPDIR`). A name as an argument measures that
//! alone.

#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Env;
use ferrite_targets::{
    AttributeValue, Caller, Item, Kinds, KinesisRecord, LocalPlaces, PutItem, PutObject, PutRecord,
    Settings, Targets,
};
use store::{Kind, Options, Store, StoreUrl};
use tempfile::TempDir;
use tokio::task::JoinSet;
use types::{Tenant, TenantId};

const BODY_BYTES: usize = 256;
const SPAN: Duration = Duration::from_secs(5);
const KINDS: Kinds = Kinds {
    table: Kind(900),
    item: Kind(901),
    stream: Kind(902),
    block: Kind(903),
    webhook: Kind(904),
};

/// What is put: the number of who puts it, and how many it has put.
type Numbers = (usize, u64);

fn main() {
    // Others than `cargo bench`, such as a test runner that lists tests, want no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        // Kept to the end: for some seconds ext4 makes files slowly where many were removed.
        let mut used = Vec::new();
        for writers in [16, 64, 256] {
            used.push(measure("objects", "{}", writers, put_object).await);
            let unsynced = r#"{"local":{"objects_synced":false}}"#;
            used.push(measure("objects-unsynced", unsynced, writers, put_object).await);
            used.push(measure("records", "{}", writers, put_record).await);
            let small = r#"{"local":{"stream_bytes_max":10000000}}"#;
            used.push(measure("records-trimmed", small, writers, put_record).await);
            used.push(measure("items", "{}", writers, put_item).await);
        }
    });
}

async fn measure<F>(
    name: &str,
    settings: &str,
    writers: usize,
    put: impl Fn(Targets, Numbers) -> F + Copy + Send + 'static,
) -> Option<TempDir>
where
    F: Future<Output = ()> + Send,
{
    let mut asked = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    if asked.next().is_some_and(|asked| asked != name) {
        return None;
    }
    let directory = TempDir::new().expect("there is a directory for temporary files");
    let env = Env::system();
    let targets = targets(settings, &directory, &env).await;
    let mut tasks = JoinSet::new();
    let started = env.clock.now().millis();
    for writer in 0..writers {
        let (targets, clock) = (targets.clone(), env.clock.clone());
        tasks.spawn(async move {
            let mut done = 0;
            while u128::from((clock.now().millis() - started).unsigned_abs()) < SPAN.as_millis() {
                put(targets.clone(), (writer, done)).await;
                done += 1;
            }
            done
        });
    }
    let done: u64 = tasks.join_all().await.into_iter().sum();
    let elapsed_ms = (env.clock.now().millis() - started).unsigned_abs();
    let rate = done * 1000 / elapsed_ms.max(1);
    println!("{name}: {rate} of {BODY_BYTES} B a second by {writers} writers");
    env.tasks.begin_shutdown("measured");
    Some(directory)
}

async fn targets(settings: &str, directory: &TempDir, env: &Env) -> Targets {
    let url = StoreUrl::Sqlite { directory: directory.path().join("store") };
    let places = LocalPlaces {
        objects: directory.path().join("s3"),
        store: Store::open(Options { url }, env).await.expect("the store opens"),
        kinds: KINDS,
        log_sink: Arc::new(|_, _| {}),
    };
    let client = outbound::Client::new(&outbound::Settings::default(), env);
    let client = client.expect("the defaults are good");
    let settings: Settings = serde_json::from_str(settings).expect("the settings are good");
    Targets::new(settings, places, client, env).expect("targets start")
}

fn caller() -> Caller {
    let account = "123456789012".parse().expect("an account");
    let region = "us-east-1".parse().expect("a region");
    Caller { tenant: Tenant { id: TenantId(1), account, region }, role_arn: None }
}

async fn put_object(targets: Targets, (writer, number): Numbers) {
    let put = PutObject {
        bucket: "bucket".into(),
        key: format!("devices/{writer}/{}/{number}", number / 1000),
        body: Bytes::from_static(&[b'x'; BODY_BYTES]),
        ..PutObject::default()
    };
    targets.s3().put_object(&caller(), put).await.expect("an object is put");
}

async fn put_record(targets: Targets, (writer, _): Numbers) {
    let data = Bytes::from_static(&[b'x'; BODY_BYTES]);
    let record = KinesisRecord { partition_key: "key".into(), data };
    let put = PutRecord { stream: format!("stream-{}", writer % 4), record };
    targets.kinesis().put_record(&caller(), put).await.expect("a record is put");
}

async fn put_item(targets: Targets, (writer, number): Numbers) {
    let text = |text: String| AttributeValue::S(text);
    let item = Item::from([
        ("id".to_owned(), text(format!("device-{writer}"))),
        ("at".to_owned(), text(number.to_string())),
        ("payload".to_owned(), text("x".repeat(BODY_BYTES))),
    ]);
    let put = PutItem { table: "readings".into(), item, keys: vec!["id".into(), "at".into()] };
    targets.dynamodb().put_item(&caller(), put).await.expect("an item is put");
}
