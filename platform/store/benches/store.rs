//! What the store does in a second: durable updates by 64 writers, and point reads.
//!
//! SQLite is measured in a directory for temporary files (`TMPDIR`), PostgreSQL where
//! `FERRITE_TEST_POSTGRES_URL` says; what that database has of a store is wiped. An engine's name
//! as an argument measures it alone.

#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::convert::Infallible;
use std::time::Duration;

use env::{Env, Random};
use ferrite_store::{Batch, Key, Kind, Options, Store, StoreUrl, Versioned};
use tempfile::TempDir;
use tokio::task::JoinSet;
use types::TenantId;

const RECORDS: u64 = 100_000;
const VALUE_BYTES: usize = 1024;
const WRITERS: usize = 64;
const READERS: usize = 8;
const SPAN: Duration = Duration::from_secs(5);

fn main() {
    // Others than `cargo bench`, such as a test runner that lists tests, want no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let directory = TempDir::new().expect("there is a directory for temporary files");
        measure("SQLite", StoreUrl::Sqlite { directory: directory.path().into() }).await;
        measure("memory", StoreUrl::Memory).await;
        match postgres_url() {
            Some(url) => measure("PostgreSQL", StoreUrl::Postgres { url }).await,
            None => println!("SKIPPED: no PostgreSQL: set FERRITE_TEST_POSTGRES_URL"),
        }
    });
}

#[allow(clippy::disallowed_methods, reason = "a measurement is configured by the environment")]
fn postgres_url() -> Option<String> {
    std::env::var("FERRITE_TEST_POSTGRES_URL").ok()
}

async fn measure(engine: &str, url: StoreUrl) {
    let mut asked = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    if asked.next().is_some_and(|asked| !engine.eq_ignore_ascii_case(&asked)) {
        return;
    }
    let env = Env::system();
    let store = Store::open(Options { url }, &env).await.expect("the store opens");
    store.wipe().await.expect("the store is wiped");
    fill(&store).await;
    let updates = rate(&env, &store, WRITERS, update).await;
    println!("{engine}: {updates} durable updates of 1 kB a second by {WRITERS} writers");
    let reads = rate(&env, &store, READERS, read).await;
    println!("{engine}: {reads} point reads a second by {READERS} readers");
    store.close().await;
}

fn key(number: u64) -> Key {
    Key::new(TenantId(1), Kind(1)).text(&format!("thing-{number:08}"))
}

async fn fill(store: &Store) {
    for start in (0..RECORDS).step_by(500) {
        let mut batch = Batch::new();
        for number in start..start + 500 {
            batch.put(key(number), vec![b'x'; VALUE_BYTES]);
        }
        store.commit(batch).await.expect("the store is filled");
    }
}

/// How often a second `workers` tasks together do `work`.
async fn rate<F>(
    env: &Env,
    store: &Store,
    workers: usize,
    work: impl Fn(Store, Key) -> F + Copy + Send + 'static,
) -> u64
where
    F: Future<Output = ()> + Send,
{
    let mut tasks = JoinSet::new();
    let started = env.clock.now().millis();
    for worker in 0..workers {
        let (store, clock, random) =
            (store.clone(), env.clock.clone(), Random::seeded(worker as u64));
        tasks.spawn(async move {
            let mut done = 0;
            while u128::from((clock.now().millis() - started).unsigned_abs()) < SPAN.as_millis() {
                let number = u64::from_be_bytes(random.bytes()) % RECORDS;
                work(store.clone(), key(number)).await;
                done += 1;
            }
            done
        });
    }
    let done: u64 = tasks.join_all().await.into_iter().sum();
    let elapsed_ms = (env.clock.now().millis() - started).unsigned_abs();
    done * 1000 / elapsed_ms.max(1)
}

async fn update(store: Store, key: Key) {
    let decide = |found: &[Option<Versioned>]| {
        let mut value = found.first().and_then(Option::as_ref).map_or(vec![], |v| v.value.to_vec());
        value.reverse();
        let mut batch = Batch::new();
        batch.put(key.clone(), value);
        Ok::<_, Infallible>((batch, ()))
    };
    store.transact(std::slice::from_ref(&key), decide).await.expect("an update is written");
}

async fn read(store: Store, key: Key) {
    store.get(&key).await.expect("the store can be read").expect("the record is there");
}
