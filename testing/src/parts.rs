//! The parts of a test server: a store of the chosen kind, and everything else made up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use env::{Clock, Env};
use journal::{Journal, JournalUrl, MemoryDisk, Recovered};
use pki::{CurrentAuthority, KeyPool, KeyPoolBounds};
use secrets::Keyring;
use service::tags::Taggable;
use service::{App, Audit, DeviceLog, Dialect, Limits, Outbox, Schedule, Settings, Slot, Tenants};
use store::{Options, Store, StoreUrl};
use tempfile::TempDir;
use types::{AccountId, Region, Timestamp};

use crate::authority::authority;

/// Where the simulated clock begins: 2026-01-02T03:04:05Z.
const START: Timestamp = Timestamp::from_secs(1_767_323_045);

/// What a test may choose for its server.
pub struct Choices {
    /// What the operator would choose.
    pub settings: Settings,
    /// Every bound.
    pub limits: Limits,
    /// How MQTT is spoken.
    pub dialect: Dialect,
    /// Documents of a server before this one; an empty store otherwise.
    pub store: Option<Store>,
    /// Where messages wait, and may have waited before.
    pub disk: MemoryDisk,
    /// The time, where it goes on from a server before this one.
    pub clock: Option<Clock>,
    /// What is random follows from this. A server after another needs one of its own.
    pub seed: u64,
}

pub(crate) struct Parts {
    pub(crate) app: Arc<App>,
    pub(crate) waiting: Mutex<Option<Recovered>>,
    /// Removed with the server.
    _data_dir: TempDir,
}

impl Parts {
    /// Opens a server's parts, with the choices that `change` changes.
    pub(crate) async fn open(change: impl FnOnce(&mut Choices)) -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary directory can be made");
        let mut choices = Choices {
            settings: settings(&data_dir),
            limits: Limits::default(),
            dialect: Dialect::default(),
            store: None,
            disk: MemoryDisk::default(),
            clock: None,
            seed: 7,
        };
        change(&mut choices);
        let Choices { settings, limits, dialect, store, disk, clock, seed } = choices;
        let mut env = Env::simulated(START, seed);
        env.clock = clock.unwrap_or(env.clock);
        let store = match store {
            Some(store) => store,
            None => open_store(&data_dir, &env).await,
        };
        let url = JournalUrl::Memory(disk);
        let (journal, waiting) = Journal::open(url, journal::Options::default(), &env)
            .await
            .expect("a journal in memory opens");
        let app = App {
            journal,
            keyring: Keyring::ephemeral(&env.random),
            authority: CurrentAuthority::new(authority()),
            keys: key_pool(&limits, &env),
            settings,
            tenants: Tenants::new(store.clone(), limits.regions_per_account_max),
            audit: Audit::start(store.clone(), &env, limits.audit_records_max),
            device_log: DeviceLog::new(&env, limits.device_log_entries_max),
            schedule: Schedule::start(&store, &env),
            outbox: Outbox::new(&store, &env),
            publisher: Slot::default(),
            sessions: Slot::default(),
            taggable: Taggable::default(),
            limits,
            dialect,
            store,
            env,
        };
        let waiting = Mutex::new(Some(waiting));
        Self { app: Arc::new(app), waiting, _data_dir: data_dir }
    }
}

/// Makes each key when it is asked for.
fn key_pool(limits: &Limits, env: &Env) -> KeyPool {
    let bounds = KeyPoolBounds {
        ready: 0,
        makers: 2,
        waiting: limits.certificate_keys_waiting_max,
        wait: Duration::from_secs(limits.certificate_keys_wait_s),
    };
    KeyPool::new(bounds, &env.tasks)
}

fn settings(data_dir: &TempDir) -> Settings {
    let region: Region = "us-east-1".parse().expect("us-east-1 is a region");
    Settings {
        account: AccountId::DEFAULT,
        region,
        endpoint_domain: None,
        https_port: Some(8443),
        http_port: 4566,
        data_dir: data_dir.path().to_owned(),
        is_dev: false,
    }
}

async fn open_store(data_dir: &TempDir, env: &Env) -> Store {
    let url = match kind_of_store().as_deref() {
        None | Some("memory") => StoreUrl::Memory,
        Some("sqlite") => StoreUrl::Sqlite { directory: data_dir.path().to_owned() },
        Some("postgres") => StoreUrl::Postgres { url: new_database(env).await },
        Some(other) => unknown(other),
    };
    Store::open(Options { url }, env).await.expect("an empty store opens")
}

#[allow(clippy::disallowed_methods, reason = "tests are configured by their environment alone")]
fn kind_of_store() -> Option<String> {
    std::env::var("FERRITE_TEST_STORE").ok()
}

/// A database of its own on the server that `FERRITE_TEST_POSTGRES_URL` names. It stays there:
/// the server of a test run is thrown away whole.
#[allow(clippy::disallowed_methods, reason = "tests are configured by their environment alone")]
async fn new_database(env: &Env) -> String {
    let server = std::env::var("FERRITE_TEST_POSTGRES_URL")
        .expect("FERRITE_TEST_STORE=postgres needs FERRITE_TEST_POSTGRES_URL");
    let (client, driver) = tokio_postgres::connect(&server, tokio_postgres::NoTls)
        .await
        .expect("the server that FERRITE_TEST_POSTGRES_URL names answers");
    env.tasks.spawn("test-postgres", env::TaskKind::Transient, async { drop(driver.await) });
    let number = u64::from_be_bytes(Env::system().random.bytes());
    let name = format!("ferrite_test_{number:016x}");
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database can be made");
    let (host, _) = server.rsplit_once('/').expect("the URL names a database");
    format!("{host}/{name}")
}

#[allow(clippy::panic, reason = "the environment asks for what is not there")]
fn unknown<T>(kind: &str) -> T {
    panic!("FERRITE_TEST_STORE is memory, sqlite or postgres, not {kind}")
}
