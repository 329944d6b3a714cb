//! Targets in a folder of their own, with a clock that the test moves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use env::Env;
use ferrite_targets::{
    Caller, Kinds, LocalPlaces, PutLogEvents, Service, Settings, StreamName, Targets,
};
use outbound::Client;
use store::{Kind, Options, Store, StoreUrl};
use tempfile::TempDir;
use types::{Tenant, TenantId, Timestamp};

pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) const KINDS: Kinds = Kinds {
    table: Kind(900),
    item: Kind(901),
    stream: Kind(902),
    block: Kind(903),
    webhook: Kind(904),
};

/// What a test tries things on.
pub(crate) struct Bench {
    pub(crate) targets: Targets,
    pub(crate) env: Env,
    pub(crate) store: Store,
    pub(crate) logged: Arc<Mutex<Vec<PutLogEvents>>>,
    pub(crate) directory: TempDir,
}

impl Bench {
    /// As without any setting.
    pub(crate) async fn start() -> Self {
        Self::with("{}").await
    }

    /// With these settings, as JSON.
    pub(crate) async fn with(settings: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let env = Env::simulated(START, 7);
        let store = Store::open(Options { url: StoreUrl::Memory }, &env).await.unwrap();
        Self::on(settings, store, directory, env)
    }

    pub(crate) fn on(settings: &str, store: Store, directory: TempDir, env: Env) -> Self {
        let settings: Settings = serde_json::from_str(settings).unwrap();
        let logged: Arc<Mutex<Vec<PutLogEvents>>> = Arc::default();
        let heard = Arc::clone(&logged);
        let places = LocalPlaces {
            objects: directory.path().join("s3"),
            store: store.clone(),
            kinds: KINDS,
            log_sink: Arc::new(move |_, put| heard.lock().unwrap().push(put.clone())),
        };
        let allow = vec!["127.0.0.0/8".to_owned()];
        let outbound = outbound::Settings { allow, ..outbound::Settings::default() };
        let client = Client::new(&outbound, &env).unwrap();
        let targets = Targets::new(settings, places, client, &env).unwrap();
        Self { targets, env, store, logged, directory }
    }

    /// Ends this server and starts another where it was.
    pub(crate) async fn restart(self, settings: &str) -> Self {
        let Self { targets, env, store, directory, .. } = self;
        env.tasks.begin_shutdown("test");
        drop(targets);
        assert!(env.tasks.finished(Duration::from_secs(10)).await.is_empty());
        let later = Env::simulated(env.clock.now(), 8);
        Self::on(settings, store, directory, later)
    }
}

/// A rule's owner.
pub(crate) fn caller() -> Caller {
    tenant(1)
}

/// Another one.
pub(crate) fn tenant(number: u32) -> Caller {
    let account = "123456789012".parse().unwrap();
    let region = "us-east-1".parse().unwrap();
    Caller { tenant: Tenant { id: TenantId(number), account, region }, role_arn: None }
}

pub(crate) fn stream(service: Service, name: &str) -> StreamName {
    StreamName::new(TenantId(1), service, name)
}
