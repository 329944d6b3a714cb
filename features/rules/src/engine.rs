//! The rules engine: hears messages, keeps those that must not be lost, and has every rule that
//! asks for them do what it says, off the path of whoever published.
//!
//! Evaluation is by a few workers; a topic's messages are one worker's, in their order. Actions run
//! in lanes, one for each, so that a slow target holds up nobody else. What is over the bounds of
//! memory stays in the journal, where it is anyhow, and comes back when there is room.

pub(crate) mod batch;
pub(crate) mod counters;
mod dead_letters;
pub(crate) mod heard;
pub(crate) mod ingest;
pub(crate) mod lane;
pub(crate) mod log;
pub(crate) mod recent;
pub(crate) mod rule;
pub(crate) mod run;
pub(crate) mod table;
pub(crate) mod tap;
pub(crate) mod world;

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use env::{Shutdown, TaskKind};
use journal::{Recovered, Sequence};
use mqtt::QoS;
use service::{App, HeardMessage, LogBudget};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;
use types::{TenantId, Timestamp};

use self::counters::Names;
use self::dead_letters::Counts;
use self::heard::Heard;
use self::recent::Recent;
use self::rule::Rule;
use self::run::{Kept, Run};
use self::table::Tables;
use self::world::World;
use crate::Outside;
use crate::rates::Rates;

/// Who evaluates: as many as there are cores, mostly.
const WORKERS: usize = 2;
/// Messages that one worker takes at once.
const BATCH: usize = 64;
/// Messages that come from the journal at once.
const FEED: usize = 64;
/// Bytes of messages that wait for one worker; what is beyond stays in the journal, or is lost if
/// it is not there.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The pause after the journal could not be read.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a rule was evaluated as often as it may be.
const RATE_PAUSE: Duration = Duration::from_millis(50);
/// Rules that a message may come through, one after the other.
pub(crate) const HOPS_MAX: u8 = 10;

/// When a message is acknowledged that rules hear with QoS 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When it is on disk: every rule does what it says, also if the server ends in between.
    #[default]
    Disk,
    /// When it is heard.
    Memory,
}

/// How rules run.
#[derive(Clone, Copy, Debug)]
pub struct RuleSettings {
    /// When a message is acknowledged that rules hear with QoS 1.
    pub durability: Durability,
    /// Messages that came lately and are kept, for rules to be tried on; 0 is none.
    pub recent_messages: usize,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self { durability: Durability::default(), recent_messages: 1000 }
    }
}

/// The rules engine.
pub(crate) struct Engine {
    pub(crate) world: World,
    pub(crate) recent: Recent,
    /// Where rules run: messages come from threads of all kinds.
    runtime: Handle,
    durability: Durability,
    tables: RwLock<Tables>,
    /// Whether there are any: asked for each message.
    has_rules: AtomicBool,
    /// Grows whenever the tables change.
    generation: AtomicU64,
    workers: Box<[Worker]>,
    hasher: RandomState,
    seed: u64,
    heard: AtomicU64,
    dead_letters: Counts,
    /// Which rules are counted by their names.
    names: Names,
    /// How often rules may be evaluated and changed.
    pub(crate) rates: Rates,
    /// For messages to rules that are not there.
    missing: Mutex<LogBudget>,
}

/// One of those who evaluate.
#[derive(Default)]
struct Worker {
    jobs: Mutex<VecDeque<Job>>,
    bytes: AtomicUsize,
    news: Notify,
}

/// A rule that is another now, or is not there any more.
pub(crate) struct Changed {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Its name.
    pub(crate) name: String,
    /// What it is now, if it is there and enabled.
    pub(crate) rule: Option<Arc<Rule>>,
}

/// A message for some rules.
pub(crate) struct Job {
    heard: Arc<Heard>,
    rules: Arc<[Arc<Rule>]>,
    kept: Option<Sequence>,
}

impl Engine {
    /// An engine without rules yet. Must be called inside the tokio runtime that is to run it.
    pub(crate) fn start(app: &Arc<App>, settings: RuleSettings, outside: Outside) -> Arc<Self> {
        let engine = Arc::new(Self {
            world: World::new(app, outside),
            recent: Recent::new(settings.recent_messages),
            runtime: Handle::current(),
            durability: settings.durability,
            tables: RwLock::default(),
            has_rules: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            workers: (0..WORKERS).map(|_| Worker::default()).collect(),
            hasher: RandomState::new(),
            seed: u64::from_be_bytes(app.env.random.bytes()),
            heard: AtomicU64::new(0),
            dead_letters: Counts::default(),
            names: Names::new(app.limits.rules_measured_max),
            rates: Rates::new(&app.limits),
            missing: Mutex::default(),
        });
        for place in 0..WORKERS {
            let shutdown = app.env.tasks.shutdown_signal();
            let work = Arc::clone(&engine).work(place, shutdown);
            app.env.tasks.spawn("rules-worker", TaskKind::Vital, work);
        }
        engine
    }

    /// Goes on with what waited for rules when the server started, and takes it out of what waited
    /// for anybody. The rules must be there.
    pub(crate) fn recover(self: &Arc<Self>, recovered: &mut Recovered) {
        for rule in &self.rules() {
            for entry in recovered.queues.remove(&rule.queue).unwrap_or_default() {
                rule.backlog.park(entry.sequence);
            }
            self.feed(rule);
        }
    }

    /// Has `work` done beside, whoever asks.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let tasks = &self.world.app.env.tasks;
        tasks.spawn_on(&self.runtime, name, TaskKind::Transient, work);
    }

    /// When it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.app.env.clock.now()
    }

    fn read_tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rule `name` of `tenant`, if it is there and enabled.
    pub(crate) fn rule(&self, tenant: TenantId, name: &str) -> Option<Arc<Rule>> {
        self.read_tables().rule(tenant, name).cloned()
    }

    /// The rules of all tenants at this moment.
    pub(crate) fn rules(&self) -> Vec<Arc<Rule>> {
        self.read_tables().rules().cloned().collect()
    }

    /// Has other rules from now on; all that are not named go on as they are. What waits for rules
    /// that are gone is forgotten, and what waits for those that are another now is theirs.
    pub(crate) fn change(self: &Arc<Self>, changes: Vec<Changed>) {
        let replaced = self.set_rules(changes);
        for (before, now) in replaced {
            let Some(now) = now else {
                self.world.app.journal.forget(before.queue);
                continue;
            };
            for sequence in before.backlog.take(usize::MAX) {
                now.backlog.park(sequence);
            }
            self.feed(&now);
        }
    }

    /// The rules that are not there any more, each with what has taken its place.
    fn set_rules(&self, changes: Vec<Changed>) -> Vec<(Arc<Rule>, Option<Arc<Rule>>)> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let mut replaced = Vec::new();
        for Changed { tenant, name, rule } in changes {
            let before = tables.set(tenant, &name, rule.clone());
            replaced.extend(before.map(|before| (before, rule)));
        }
        self.has_rules.store(!tables.is_empty(), Ordering::Release);
        drop(tables);
        self.generation.fetch_add(1, Ordering::AcqRel);
        replaced
    }

    /// A message as rules hear it.
    fn heard(&self, message: &HeardMessage<'_>, topic: &str) -> Arc<Heard> {
        let sender = message.sender;
        Arc::new(Heard {
            tenant: message.tenant.clone(),
            topic: topic.to_owned(),
            payload: message.payload.clone(),
            qos: message.qos,
            properties: message.properties.map(|properties| Box::new(properties.clone())),
            client_id: sender.client_id.clone(),
            principal: sender.principal_id.clone(),
            source_ip: sender.source_ip,
            at: message.at,
            seed: self.next_seed(),
            hops: sender.hops,
        })
    }

    /// 16 bytes that no other message has: a number that was drawn at the start, and a count, both
    /// mixed (SplitMix64).
    fn next_seed(&self) -> [u8; 16] {
        let count = self.heard.fetch_add(1, Ordering::Relaxed);
        let high = mixed(self.seed.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let low = mixed(high ^ self.seed.rotate_left(32));
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    /// Whether a message is kept on disk before it is acknowledged.
    fn keeps(&self, qos: QoS) -> bool {
        qos != QoS::AtMostOnce && self.durability == Durability::Disk
    }

    /// Gives a message to whoever evaluates it.
    fn enqueue(self: &Arc<Self>, job: Job) {
        let hash = self.hasher.hash_one(&job.heard.topic);
        let place = usize::try_from(hash % WORKERS as u64).unwrap_or_default();
        let Some(worker) = self.workers.get(place) else { return };
        let bytes = job.heard.bytes();
        if worker.bytes.load(Ordering::Relaxed) + bytes > WAITING_BYTES_MAX {
            return self.put_off(&job);
        }
        worker.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut jobs = worker.lock();
        jobs.push_back(job);
        let is_first = jobs.len() == 1;
        drop(jobs);
        if is_first {
            worker.news.notify_one();
        }
    }

    fn put_off(self: &Arc<Self>, job: &Job) {
        for rule in &*job.rules {
            match job.kept {
                Some(sequence) => {
                    rule.backlog.park(sequence);
                    self.feed(rule);
                }
                None => self.throttled(rule, &job.heard),
            }
        }
    }

    async fn work(self: Arc<Self>, place: usize, mut shutdown: Shutdown) {
        let Some(worker) = self.workers.get(place) else { return };
        loop {
            let jobs = worker.take();
            if jobs.is_empty() {
                tokio::select! {
                    biased;
                    () = shutdown.begun() => return,
                    () = worker.news.notified() => {}
                }
                continue;
            }
            for job in jobs {
                worker.bytes.fetch_sub(job.heard.bytes(), Ordering::Relaxed);
                for rule in &*job.rules {
                    let kept = job.kept.map_or(Kept::Nowhere, Kept::Journal);
                    Run::start_or_put_off(&self, rule, &job.heard, kept);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// The rule is done with a message: it need not be kept any more.
    fn release(self: &Arc<Self>, rule: &Arc<Rule>, kept: Kept) {
        match kept {
            Kept::Nowhere => {}
            Kept::Journal(sequence) => {
                self.world.app.journal.release([(rule.queue, sequence)]);
            }
            Kept::Letter(key) => {
                let (engine, rule) = (Arc::clone(self), Arc::clone(rule));
                let work = async move { engine.dig_up(&rule, key).await };
                self.spawn("rule-letter", work);
            }
        }
    }

    /// Goes on with what is in the journal alone, if there is something and room for it.
    pub(crate) fn feed(self: &Arc<Self>, rule: &Arc<Rule>) {
        if rule.backlog.is_empty()
            || !rule.has_room()
            || rule.backlog.is_fed.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let (engine, rule) = (Arc::clone(self), Arc::clone(rule));
        let shutdown = self.world.app.env.tasks.shutdown_signal();
        let feeding = async move {
            engine.feed_all(&rule, &shutdown).await;
            rule.backlog.is_fed.store(false, Ordering::Release);
            // What was parked just now, when nobody fed any more.
            if !shutdown.has_begun() {
                engine.feed(&rule);
            }
        };
        self.spawn("rules-backlog", feeding);
    }

    async fn feed_all(self: &Arc<Self>, rule: &Arc<Rule>, shutdown: &Shutdown) {
        while rule.has_room() && !shutdown.has_begun() {
            let waiting = rule.backlog.len().min(FEED);
            if waiting == 0 {
                return;
            }
            let may = (0..waiting).take_while(|_| self.rates.may_evaluate(rule.tenant.id)).count();
            if may == 0 {
                sleep(RATE_PAUSE).await;
                continue;
            }
            let sequences = rule.backlog.take(may);
            let Ok(bodies) = self.world.app.journal.read(sequences.clone()).await else {
                rule.backlog.put_back(sequences);
                return sleep(READ_PAUSE).await;
            };
            for (sequence, body) in sequences.into_iter().zip(bodies) {
                // An entry that is gone was released by whoever was done with it.
                let Some(body) = body else { continue };
                let tenant =
                    |number: u32| (number == rule.tenant.id.0).then(|| rule.tenant.clone());
                match Heard::decode(&body, tenant) {
                    Ok(heard) => {
                        Run::start(self, rule, &Arc::new(heard), Kept::Journal(sequence));
                    }
                    Err(error) => {
                        tracing::error!(rule = rule.name, %error, "a message cannot be read");
                        self.release(rule, Kept::Journal(sequence));
                    }
                }
            }
        }
    }
}

impl Worker {
    fn take(&self) -> VecDeque<Job> {
        let mut jobs = self.lock();
        if jobs.len() <= BATCH {
            return std::mem::take(&mut jobs);
        }
        jobs.drain(..BATCH).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

/// A message on its way to the disk.
pub(crate) struct Keeping {
    engine: Weak<Engine>,
    heard: Arc<Heard>,
    rules: Arc<[Arc<Rule>]>,
    sequence: Sequence,
    told: Mutex<Option<tokio::sync::oneshot::Sender<bool>>>,
}

impl journal::Pending for Keeping {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.heard.encode(bytes);
    }

    fn settled(&self, result: Result<(), journal::JournalError>) {
        let is_kept = result.is_ok();
        if let Err(error) = result {
            tracing::error!(%error, "a message for rules was not written to the journal");
        } else if let Some(engine) = self.engine.upgrade() {
            let (heard, rules) = (Arc::clone(&self.heard), Arc::clone(&self.rules));
            engine.enqueue(Job { heard, rules, kept: Some(self.sequence) });
        }
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(told) = told {
            // Nobody waits any more if the client is gone.
            told.send(is_kept).unwrap_or_default();
        }
    }

    fn bytes(&self) -> usize {
        self.heard.bytes()
    }
}
