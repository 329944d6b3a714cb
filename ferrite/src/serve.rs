//! `ferrite serve`: starts the parts in their order, waits for a signal, stops them in reverse.

use std::fs::{self, DirBuilder};
use std::future::Future;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use broker::Broker;
use env::{Env, TaskKind, Workers};
use gateway::{Gateway, Neighbours};
use identity::Identity;
use journal::{Journal, JournalUrl, Recovered};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use pki::{Authority, CurrentAuthority, KEY_POOL_DEFAULT, KeyPool, KeyPoolBounds};
use registry::Devices;
use rules::{Outside, Rules};
use secrets::Keyring;
use service::tags::Taggable;
use service::{
    AccessKey, App, Audit, DeviceLog, Feature, Limits, Outbox, Schedule, Settings, Slot, Tenants,
};
use store::{Options, Store, StoreUrl};
use tokio::signal::unix::{SignalKind, signal};

use crate::addresses::Addresses;
use crate::banner::{self, Facts};
use crate::config::Config;
use crate::credentials::{Profile, local_url};
use crate::entrance::{Doors, Inside};
use crate::{admin, features, logging, root_ca, server_identity};

/// How long what runs may take to finish; the rest of ten seconds is for the store.
const FINISH_WITHIN: Duration = Duration::from_secs(8);
/// Threads for what blocks besides the making of keys: signing, long scans, backups.
const BLOCKING_THREADS_MAX: usize = 8;
/// What everybody on the machine may do, in a directory's mode.
const OTHERS_MODE: u32 = 0o007;
/// Where messages wait, within the data directory.
const JOURNAL: &str = "journal";
/// How often the metrics' histograms are tidied.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Runs the server until a signal ends it.
pub(crate) fn run(config: Config, is_dev: bool) -> anyhow::Result<()> {
    logging::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS_MAX + cores())
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let result = runtime.block_on(serve(&config, is_dev));
    // What did not finish in its time is not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(config: &Config, is_dev: bool) -> anyhow::Result<()> {
    // Listened for from the first moment on: a signal during the start is no crash.
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        started = start(config, is_dev) => started?,
        name = signals.next() => {
            tracing::info!(reason = name, "stopped before it was ready");
            return Ok(());
        }
    };
    run_until_signalled(&running, &mut signals).await
}

/// Starts every part, opens the door and says so.
async fn start(config: &Config, is_dev: bool) -> anyhow::Result<Inside> {
    let env = Env::system();
    let began = env.clock.now();
    let metrics = install_metrics(&env)?;
    let files = doors::raise_file_descriptor_limit();
    let (app, mut waiting) = open_app(config, is_dev, &env).await?;
    let identity = Identity::start(&app);
    let root_key = identity.bootstrap().await?;
    let devices = Devices::start(&app);
    let broker = Broker::new(Arc::clone(&app), devices.clone(), devices.clone());
    let client = outbound::Client::new(&config.outbound.settings(), &env)?;
    let outside = Outside::open(&app, client, &config.places)?;
    let rules = Rules::start(&app, config.rules.settings(), outside);
    rules.recover(&mut waiting).await.context("could not bring back what waits for rules")?;
    let brought = broker.bring_back_sessions(waiting).await;
    brought.context("could not bring back the persistent sessions")?;
    let features = features(&app, &identity, (&devices, &broker), &rules, config);
    let gateway = build_gateway(&app, &identity, &devices, &broker, (features, metrics));
    app.outbox.serve(&app).await;
    let tls = server_identity::present(config, &app)?;
    root_ca::watch(&app);
    let doors = Doors::open(&config.listen, &app).await?;
    let addresses = doors.addresses();
    write_profile(config, &root_key, &addresses)?;
    let workers = start_workers(config, &env)?;
    let inside = Inside { app, gateway, broker, tls };
    doors.let_in(&inside, &workers);
    inside.gateway.set_ready(true);
    banner::print(&Facts {
        addresses: &addresses,
        data_dir: &config.data_dir,
        store_url: &config.store.url,
        account: config.account_id.as_str(),
        region: config.region.as_str(),
        files_max: files.now,
        started_in_ms: env.clock.now().since(began).as_millis(),
        is_dev,
    });
    Ok(inside)
}

/// The files that lead AWS tools, and the commands of this binary, here.
fn write_profile(
    config: &Config,
    root_key: &AccessKey,
    addresses: &Addresses,
) -> anyhow::Result<()> {
    let profile = Profile {
        access_key_id: root_key.id.clone(),
        secret: root_key.secret.clone(),
        region: config.region.clone(),
        url: local_url(addresses.http),
    };
    profile.write(&config.data_dir)?;
    addresses.write(&config.data_dir)
}

fn install_metrics(env: &Env) -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder().context("could not count metrics")?;
    let (upkeep, mut shutdown) = (handle.clone(), env.tasks.shutdown_signal());
    env.tasks.spawn("metrics-upkeep", TaskKind::Vital, async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(UPKEEP_INTERVAL) => upkeep.run_upkeep(),
                () = shutdown.begun() => return,
            }
        }
    });
    Ok(handle)
}

/// Everything that features share, in the order in which each part needs the one before.
async fn open_app(
    config: &Config,
    is_dev: bool,
    env: &Env,
) -> anyhow::Result<(Arc<App>, Recovered)> {
    make_data_dir(&config.data_dir)?;
    let expected = root_ca::expect(&config.data_dir, env);
    let store = open_store(config, env).await?;
    let keyring = Keyring::open_or_create(&config.key_file(), &env.random)?;
    let authority = root_ca::open(expected, &store, &keyring, env).await?;
    root_ca::publish(&authority, &config.data_dir)?;
    let (journal, waiting) = open_journal(config, env).await?;
    let app = assemble(config, is_dev, env, (store, journal, keyring, authority));
    Ok((Arc::new(app), waiting))
}

fn assemble(
    config: &Config,
    is_dev: bool,
    env: &Env,
    (store, journal, keyring, authority): (Store, Journal, Keyring, Authority),
) -> App {
    let limits = config.limits.clone();
    App {
        keys: key_pool(&limits, env),
        tenants: Tenants::new(store.clone(), limits.regions_per_account_max),
        audit: Audit::start(store.clone(), env, limits.audit_records_max),
        device_log: device_log(config, env),
        schedule: Schedule::start(&store, env),
        outbox: Outbox::new(&store, env),
        settings: Settings {
            account: config.account_id,
            region: config.region.clone(),
            endpoint_domain: config.endpoint_domain.clone(),
            https_port: config.listen.https.map(|address| address.port()),
            http_port: config.listen.http.port(),
            data_dir: config.data_dir.clone(),
            is_dev,
        },
        env: env.clone(),
        store,
        journal,
        keyring,
        authority: CurrentAuthority::new(authority),
        limits,
        dialect: config.mqtt.dialect(),
        publisher: Slot::default(),
        sessions: Slot::default(),
        taggable: Taggable::default(),
    }
}

/// Keys are made on every core and wait for no other work that blocks.
fn key_pool(limits: &Limits, env: &Env) -> KeyPool {
    let bounds = KeyPoolBounds {
        ready: KEY_POOL_DEFAULT,
        makers: cores(),
        waiting: limits.certificate_keys_waiting_max,
        wait: Duration::from_secs(limits.certificate_keys_wait_s),
    };
    KeyPool::new(bounds, &env.tasks)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Made for its owner alone; one that is there keeps its mode.
fn make_data_dir(data_dir: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    made.with_context(|| format!("could not make the data directory {}", data_dir.display()))?;
    let mode = fs::metadata(data_dir).map_or(0, |found| found.permissions().mode());
    if mode & OTHERS_MODE != 0 {
        let data_dir = data_dir.display();
        tracing::warn!(%data_dir, "others on this machine may read the data; run chmod 700 on it");
    }
    Ok(())
}

fn device_log(config: &Config, env: &Env) -> DeviceLog {
    let device_log = DeviceLog::new(env, config.limits.device_log_entries_max);
    device_log.set_level(config.log.messages);
    device_log
}

async fn open_store(config: &Config, env: &Env) -> anyhow::Result<Store> {
    let url = match config.store.url.as_str() {
        "sqlite" => StoreUrl::Sqlite { directory: config.data_dir.clone() },
        url if is_postgres(url) => StoreUrl::Postgres { url: url.to_owned() },
        other => bail!("the setting `store.url` is sqlite or postgres://…, not {other}"),
    };
    let place = match &url {
        StoreUrl::Postgres { .. } => "could not open the store on PostgreSQL".to_owned(),
        _ => format!("could not open the store of {}", config.data_dir.display()),
    };
    Store::open(Options { url }, env).await.context(place)
}

/// Messages that wait are in files in the data directory, unless they are to be on PostgreSQL.
async fn open_journal(config: &Config, env: &Env) -> anyhow::Result<(Journal, Recovered)> {
    let url = match config.journal.url.as_str() {
        "files" => JournalUrl::Segments { directory: config.data_dir.join(JOURNAL) },
        url if is_postgres(url) => JournalUrl::Postgres { url: url.to_owned() },
        other => bail!("the setting `journal.url` is files or postgres://…, not {other}"),
    };
    let bytes_max = config.journal.bytes_max;
    let options = journal::Options { bytes_max, ..journal::Options::default() };
    let opened = Journal::open(url, options, env).await;
    opened.context("could not open the journal of messages that wait")
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// All that is served, in which the broker's part is hooked.
fn features(
    app: &Arc<App>,
    identity: &Arc<Identity>,
    (devices, broker): (&Arc<Devices>, &Arc<Broker>),
    rules: &Rules,
    config: &Config,
) -> Vec<Feature> {
    let things = || Arc::clone(devices) as Arc<dyn service::Things>;
    let things = config.shadow.needs_thing.then(things);
    let mut features = features::modelled(app, broker, rules, things);
    features.push(identity::feature(identity));
    features.push(admin::feature(app, identity, broker, rules, config.key_file()));
    broker.hook(features.iter().map(|feature| feature.hooks.clone()));
    features
}

fn build_gateway(
    app: &Arc<App>,
    identity: &Arc<Identity>,
    devices: &Arc<Devices>,
    broker: &Arc<Broker>,
    (features, metrics): (Vec<Feature>, PrometheusHandle),
) -> Arc<Gateway> {
    let neighbours = Neighbours {
        keys: Arc::clone(identity) as Arc<dyn service::AccessKeys>,
        authenticator: Arc::clone(devices) as Arc<dyn service::Authenticator>,
        policies: Arc::clone(devices) as Arc<dyn service::PolicySource>,
        mqtt: Arc::clone(broker) as Arc<dyn service::MqttDoor>,
    };
    Gateway::new(Arc::clone(app), features, neighbours, Box::new(move || metrics.render()))
}

/// The threads on which devices are served.
fn start_workers(config: &Config, env: &Env) -> anyhow::Result<Workers> {
    let count = match config.mqtt.workers {
        0 => cores(),
        count => count,
    };
    Workers::start(count, &env.tasks).context("could not start the threads of connections")
}

/// Waits for a signal, or for a part that fails, and stops. A second signal ends the wait.
async fn run_until_signalled(running: &Inside, signals: &mut Signals) -> anyhow::Result<()> {
    let tasks = &running.app.env.tasks;
    let mut failed = tasks.shutdown_signal();
    let signal = tokio::select! {
        name = signals.next() => Some(name),
        () = failed.begun() => None,
    };
    running.gateway.set_ready(false);
    tasks.begin_shutdown(signal.unwrap_or("failure"));
    running.broker.stop();
    tracing::info!(reason = tasks.shutdown_reason(), "stopping");
    tokio::select! {
        () = stop(&running.app) => {}
        name = signals.next() => bail!("{name} again: stopped at once"),
    }
    match signal {
        Some(_) => Ok(()),
        None => bail!("{}", tasks.shutdown_reason().unwrap_or_default()),
    }
}

/// Finishes what runs, within its time, and flushes the store.
async fn stop(app: &App) {
    let left = app.env.tasks.finished(FINISH_WITHIN).await;
    if !left.is_empty() {
        tracing::warn!(?left, "not everything finished in time");
    }
    app.outbox.close().await;
    app.journal.close().await;
    app.store.close().await;
    tracing::info!("stopped");
}

/// The signals that end a server.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("could not listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    fn next(&mut self) -> impl Future<Output = &'static str> {
        let Self { terminate, interrupt } = self;
        async {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        }
    }
}
