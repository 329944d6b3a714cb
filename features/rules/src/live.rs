//! All rules and destinations, in memory, as the store has them.
//!
//! A change of this server is here as soon as it is committed, and one of another server within a
//! second. While the store cannot be read, what is known stays: rules go on as they were.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use env::{Shutdown, TaskKind};
use model::iot::TopicRuleDestinationStatus;
use mqtt::TopicFilter;
use service::{ApiError, App, Cx, kinds};
use store::{Changes, Direction, Key, KeyRange, Sequence, Versioned};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use types::{Tenant, TenantId};

use crate::engine::rule::Rule as Running;
use crate::engine::{Changed, Engine};
use crate::store::Change;
use crate::store::destinations::{self, Destination};
use crate::store::rules::{self, Rule};

/// How long the feed may be silent before it is asked anyway.
const TICK: Duration = Duration::from_millis(250);
/// The pause after the store could not be read.
const PAUSE: Duration = Duration::from_millis(100);
/// How long whoever changed a rule waits for it to be here.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);
/// Records that are read at once.
const PAGE: u32 = 500;

/// A rule, ready to be run.
#[derive(Debug)]
pub(crate) struct LiveRule {
    /// As it is kept.
    pub(crate) rule: Rule,
    /// What it hears; nothing if only messages to itself are for it.
    pub(crate) filter: Option<TopicFilter>,
}

/// What a tenant has.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveTenant {
    rules: BTreeMap<String, Arc<LiveRule>>,
    /// By id.
    destinations: BTreeMap<String, Arc<Destination>>,
    /// The ids of those that are enabled, by their confirmation URLs.
    enabled: HashMap<String, String>,
}

impl LiveTenant {
    /// The rules whose names come behind `name`, or all, by name.
    pub(crate) fn rules_after(&self, name: Option<&str>) -> impl Iterator<Item = &LiveRule> {
        let begin = name.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.rules.range::<str, _>((begin, Bound::Unbounded));
        range.map(|(_, rule)| &**rule)
    }

    /// Whether messages may be sent below `confirmation_url`.
    pub(crate) fn may_send_to(&self, confirmation_url: &str) -> bool {
        self.enabled.contains_key(confirmation_url)
    }

    /// Takes over what is kept of a destination now.
    fn set_destination(&mut self, id: String, destination: Option<Destination>) {
        if let Some(before) = self.destinations.remove(&id) {
            // Its URL may be another destination's by now.
            if self.enabled.get(&before.confirmation_url) == Some(&id) {
                self.enabled.remove(&before.confirmation_url);
            }
        }
        let Some(destination) = destination else { return };
        if destination.status == TopicRuleDestinationStatus::Enabled {
            self.enabled.insert(destination.confirmation_url.clone(), id.clone());
        }
        self.destinations.insert(id, Arc::new(destination));
    }
}

/// The rules and destinations of all tenants.
pub(crate) struct Live {
    app: Arc<App>,
    engine: Arc<Engine>,
    tenants: RwLock<HashMap<TenantId, Arc<LiveTenant>>>,
    /// The tenants that numbers stand for, as far as they were asked for.
    owners: Mutex<HashMap<TenantId, Tenant>>,
    /// How far the feed was read.
    read: watch::Sender<Option<Sequence>>,
    /// Somebody waits for what was just committed.
    wanted: watch::Sender<()>,
}

impl Live {
    /// Starts to follow the store's changes, and has `engine` run what they say.
    pub(crate) fn start(app: &Arc<App>, engine: &Arc<Engine>) -> Arc<Self> {
        let live = Arc::new(Self {
            app: Arc::clone(app),
            engine: Arc::clone(engine),
            tenants: RwLock::default(),
            owners: Mutex::default(),
            read: watch::Sender::new(None),
            wanted: watch::Sender::new(()),
        });
        let work = Arc::clone(&live).follow_changes(app.env.tasks.shutdown_signal());
        app.env.tasks.spawn("rules", TaskKind::Vital, work);
        live
    }

    /// Refuses an operation that its account calls too often.
    pub(crate) fn take_call(&self, cx: &Cx, operation: &str) -> Result<(), ApiError> {
        self.engine.rates.take_call(&cx.tenant, operation)
    }

    /// What `tenant` has at this moment.
    pub(crate) fn tenant(&self, tenant: TenantId) -> Arc<LiveTenant> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(&tenant).cloned().unwrap_or_default()
    }

    /// Waits until all that is committed by now is here.
    pub(crate) async fn catch_up(&self) -> Result<(), ApiError> {
        let target = self.app.store.current().await?;
        let mut read = self.read.subscribe();
        self.wanted.send_replace(());
        let reached = read.wait_for(|read| read.is_some_and(|read| read >= target));
        match timeout(SETTLE_WITHIN, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ApiError::unavailable("The rules cannot be read now.")),
        }
    }

    /// As [`Live::catch_up`], for whoever has been told that his change is made: it is, also if it
    /// takes a while until messages meet it.
    pub(crate) async fn settle(&self) {
        if let Err(error) = self.catch_up().await {
            tracing::warn!(%error, "a change of rules is not in effect yet");
        }
    }

    async fn follow_changes(self: Arc<Self>, mut shutdown: Shutdown) {
        let mut wanted = self.wanted.subscribe();
        let mut is_failing = false;
        loop {
            let turn = async {
                match self.follow().await {
                    Ok(()) if std::mem::take(&mut is_failing) => {
                        tracing::info!("rules follow changes again");
                    }
                    Ok(()) => {}
                    Err(error) => {
                        if !std::mem::replace(&mut is_failing, true) {
                            tracing::warn!(?error, "rules do not follow changes");
                        }
                        sleep(PAUSE).await;
                    }
                }
                self.wait(&mut wanted).await;
            };
            tokio::select! {
                biased;
                () = shutdown.begun() => return,
                () = turn => {}
            }
        }
    }

    /// Waits for somebody who wants to know, or for a while.
    async fn wait(&self, wanted: &mut watch::Receiver<()>) {
        tokio::select! {
            // An error means that nobody can want it any more.
            _ = wanted.changed() => {}
            () = sleep(TICK) => {}
        }
    }

    async fn follow(&self) -> Result<(), ApiError> {
        let read = *self.read.borrow();
        let changes = match read {
            Some(read) => self.app.store.changes(read).await?,
            None => Changes::Lost { upto: self.app.store.current().await? },
        };
        let upto = match changes {
            Changes::Since { keys, upto } => {
                if keys.iter().any(is_tenant) {
                    self.owners().clear();
                }
                let changed: BTreeSet<Change> = keys.iter().filter_map(Change::of).collect();
                if !changed.is_empty() {
                    let rules = changed.iter().filter(|change| !change.is_destination);
                    let rules = rules.filter_map(|change| Some((change.tenant, change.name()?)));
                    let rules = rules.collect();
                    self.read_again(changed.into_iter().collect()).await?;
                    self.engage(rules).await?;
                }
                upto
            }
            Changes::Lost { upto } => {
                self.owners().clear();
                self.read_all().await?;
                self.engage(self.names()).await?;
                upto
            }
        };
        self.read.send_if_modified(|read| read.replace(upto) != Some(upto));
        Ok(())
    }

    /// Reads the records that have changed.
    async fn read_again(&self, changed: Vec<Change>) -> Result<(), ApiError> {
        let keys: Vec<_> = changed.iter().map(|change| change.key.clone()).collect();
        let found = self.app.store.get_many(&keys).await?;
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        for (change, found) in changed.iter().zip(&found) {
            let tenant = tenants.entry(change.tenant).or_default();
            apply(Arc::make_mut(tenant), change, found.as_ref());
        }
        Ok(())
    }

    /// Has the engine run what `names` stand for now. A rule that is as it was goes on as it is.
    async fn engage(&self, names: BTreeSet<(TenantId, String)>) -> Result<(), ApiError> {
        let mut changes = Vec::new();
        for (tenant, name) in names {
            let live = self.tenant(tenant).rules.get(&name).cloned();
            let live = live.filter(|live| !live.rule.is_disabled());
            let known = self.engine.rule(tenant, &name);
            let rule = match (live, known) {
                (None, None) => continue,
                (None, Some(_)) => None,
                (Some(live), Some(known)) if known.payload == live.rule.payload => continue,
                (Some(live), _) => self.compiled(tenant, &live.rule).await?,
            };
            changes.push(Changed { tenant, name, rule });
        }
        if !changes.is_empty() {
            self.engine.change(changes);
        }
        Ok(())
    }

    /// A rule, ready to be run; none if it is nobody's or cannot be read.
    async fn compiled(
        &self,
        tenant: TenantId,
        rule: &Rule,
    ) -> Result<Option<Arc<Running>>, ApiError> {
        let Some(owner) = self.owner(tenant).await? else { return Ok(None) };
        let compiled = Running::compile(&owner, &rule.name, &rule.payload);
        Ok(readable(&rule.name, compiled).map(Arc::new))
    }

    /// The tenant of a number.
    async fn owner(&self, tenant: TenantId) -> Result<Option<Tenant>, ApiError> {
        if let Some(owner) = self.owners().get(&tenant) {
            return Ok(Some(owner.clone()));
        }
        let all = self.app.tenants.all().await?;
        let mut owners = self.owners();
        *owners = all.into_iter().map(|tenant| (tenant.id, tenant)).collect();
        Ok(owners.get(&tenant).cloned())
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<TenantId, Tenant>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All rules that are here, and all that run.
    fn names(&self) -> BTreeSet<(TenantId, String)> {
        let running = self.engine.rules();
        let running = running.iter().map(|rule| (rule.tenant.id, rule.name.clone()));
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let here = tenants
            .iter()
            .flat_map(|(tenant, live)| live.rules.keys().map(|name| (*tenant, name.clone())));
        here.chain(running).collect()
    }

    /// Reads all records of all tenants.
    async fn read_all(&self) -> Result<(), ApiError> {
        let mut tenants = HashMap::new();
        for tenant in self.app.tenants.all().await? {
            let mut live = LiveTenant::default();
            self.read_range(&mut live, rules::all(tenant.id)).await?;
            self.read_range(&mut live, destinations::all(tenant.id)).await?;
            tenants.insert(tenant.id, Arc::new(live));
        }
        *self.tenants.write().unwrap_or_else(PoisonError::into_inner) = tenants;
        Ok(())
    }

    async fn read_range(&self, live: &mut LiveTenant, range: KeyRange) -> Result<(), ApiError> {
        let mut after = None;
        loop {
            let page = self.app.store.scan(range.clone(), after, PAGE, Direction::Forward).await?;
            for entry in &page.entries {
                let found = Versioned { value: entry.value.clone(), version: entry.version };
                if let Some(change) = Change::of(&entry.key) {
                    apply(live, &change, Some(&found));
                }
            }
            match page.entries.last().filter(|_| page.has_more) {
                Some(last) => after = Some(last.key.clone()),
                None => return Ok(()),
            }
        }
    }
}

/// Whether `key` is that of a tenant: numbers may stand for others now.
fn is_tenant(key: &Key) -> bool {
    key.tenant_and_kind().is_some_and(|(_, kind)| kind == kinds::TENANT)
}

/// Takes over what a record says now.
fn apply(tenant: &mut LiveTenant, change: &Change, found: Option<&Versioned>) {
    let Some(name) = change.name() else { return };
    if change.is_destination {
        let found = found.and_then(|found| readable(&name, destinations::decode(found)));
        tenant.set_destination(name, found);
        return;
    }
    match found.and_then(|found| readable(&name, rules::decode(found))) {
        Some(rule) => {
            let filter = rule.topic_pattern.as_deref();
            let filter = filter.and_then(|filter| TopicFilter::parse(filter.into()).ok());
            tenant.rules.insert(name, Arc::new(LiveRule { rule, filter }));
        }
        None => {
            tenant.rules.remove(&name);
        }
    }
}

fn readable<T>(name: &str, result: Result<T, ApiError>) -> Option<T> {
    if let Err(error) = &result {
        tracing::error!(name, ?error, "a rule or destination of the store cannot be read");
    }
    result.ok()
}

#[cfg(test)]
mod tests {
    use model::iot::op::{
        CreateTopicRule, CreateTopicRuleDestination, DisableTopicRule, ReplaceTopicRule,
    };
    use serde_json::{Value, json};
    use testing::Server;

    use crate::{Outside, Places, RuleSettings, Rules};

    use super::*;

    async fn server() -> (Server, Rules) {
        let mut rules = None;
        let server = Server::build(|app| {
            let client = outbound::Client::new(&outbound::Settings::default(), &app.env);
            let client = client.expect("a client of defaults");
            let outside = Outside::open(app, client, &Places::default()).expect("a place for it");
            let started = Rules::start(app, RuleSettings::default(), outside);
            vec![rules.insert(started).feature()]
        });
        let server = server.await;
        (server, rules.expect("they were started"))
    }

    fn rule(name: &str, topic: &str) -> Value {
        let payload = json!({"sql": format!("SELECT * FROM '{topic}'"), "actions": []});
        json!({"ruleName": name, "topicRulePayload": payload})
    }

    /// The names of those that hear `topic`, in order.
    fn hearing(rules: &Rules, tenant: &Tenant, topic: &str) -> Vec<String> {
        let hearing = rules.engine.hearing(tenant, topic);
        let names: BTreeSet<_> = hearing.iter().map(|rule| rule.name.clone()).collect();
        names.into_iter().collect()
    }

    #[tokio::test]
    async fn a_change_of_one_rule_leaves_another_as_it_is() {
        let (server, rules) = server().await;
        let tenant = server.cx("test").await.tenant;
        for (name, topic) in [("one", "a/+"), ("other", "a/#")] {
            server.call::<CreateTopicRule>(rule(name, topic)).await.unwrap();
        }
        let running = |name| rules.engine.rule(tenant.id, name).expect("it runs");
        let before = ["one", "other"].map(running);
        assert_eq!(hearing(&rules, &tenant, "a/b"), ["one", "other"]);
        server.call::<ReplaceTopicRule>(rule("one", "b")).await.unwrap();
        let is_same = |name, before| Arc::ptr_eq(&running(name), before);
        assert!(is_same("other", &before[1]), "its lanes and counters are the same");
        assert!(!is_same("one", &before[0]));
        assert_eq!(hearing(&rules, &tenant, "a/b"), ["other"]);
        assert_eq!(hearing(&rules, &tenant, "b"), ["one"]);
        server.call::<DisableTopicRule>(json!({"ruleName": "other"})).await.unwrap();
        assert_eq!(hearing(&rules, &tenant, "a/b"), Vec::<String>::new());
        assert!(rules.engine.rule(tenant.id, "other").is_none());
    }

    #[tokio::test]
    async fn what_changes_no_rule_leaves_all_of_them_alone() {
        let (server, rules) = server().await;
        let tenant = server.cx("test").await.tenant;
        server.call::<CreateTopicRule>(rule("one", "a")).await.unwrap();
        let known = rules.engine.hearing(&tenant, "a");
        let is_same = || Arc::ptr_eq(&known, &rules.engine.hearing(&tenant, "a"));
        server.call::<ReplaceTopicRule>(rule("one", "a")).await.unwrap();
        let url = json!({"confirmationUrl": "https://example.com/a"});
        let destination = json!({"destinationConfiguration": {"httpUrlConfiguration": url}});
        server.call::<CreateTopicRuleDestination>(destination).await.unwrap();
        assert!(is_same(), "what threads know of topics is as good as before");
        server.call::<CreateTopicRule>(rule("two", "b")).await.unwrap();
        assert!(!is_same());
    }
}
