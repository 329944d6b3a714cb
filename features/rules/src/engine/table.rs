//! Which rules hear a topic.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::quality::RandomState;
use mqtt::{Filters, HashMatch};
use types::{Tenant, TenantId};

use super::Engine;
use super::rule::{Listener, Rule};

/// Topics that a thread remembers; beyond that all are forgotten.
const TOPICS_MAX: usize = 4096;

/// The enabled rules of all tenants.
#[derive(Default)]
pub(crate) struct Tables(HashMap<TenantId, Table, RandomState>);

/// Those of one tenant: never empty.
#[derive(Default)]
struct Table {
    by_name: BTreeMap<String, Listener>,
    by_filter: Filters<Listener>,
    /// Of the next rule.
    number: u64,
}

impl Tables {
    /// Whether there are no rules.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has `rule`, or nobody, be the rule `name` of `tenant`; returns who it was before.
    pub(crate) fn set(
        &mut self,
        tenant: TenantId,
        name: &str,
        rule: Option<Arc<Rule>>,
    ) -> Option<Arc<Rule>> {
        let table = self.0.entry(tenant).or_default();
        let before = table.remove(name);
        if let Some(rule) = rule {
            table.insert(rule);
        }
        if table.by_name.is_empty() {
            self.0.remove(&tenant);
        }
        before
    }

    /// The rule `name` of `tenant`.
    pub(crate) fn rule(&self, tenant: TenantId, name: &str) -> Option<&Arc<Rule>> {
        self.0.get(&tenant)?.by_name.get(name).map(|listener| &listener.rule)
    }

    /// All rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.0.values().flat_map(|table| table.by_name.values()).map(|listener| &listener.rule)
    }

    /// The rules that hear `topic`.
    fn hearing(&self, tenant: TenantId, topic: &str) -> Vec<Arc<Rule>> {
        let mut found = Vec::new();
        if let Some(table) = self.0.get(&tenant) {
            // As AWS has it, in whichever dialect clients speak: `a/#` does not match `a`.
            table.by_filter.matches(topic, HashMatch::ChildrenOnly, &mut |listener| {
                found.push(Arc::clone(&listener.rule));
            });
        }
        found
    }
}

impl Table {
    fn insert(&mut self, rule: Arc<Rule>) {
        let listener = Listener { number: self.number, rule };
        self.number += 1;
        if let Some(filter) = &listener.rule.filter {
            self.by_filter.insert(filter, listener.clone());
        }
        self.by_name.insert(listener.rule.name.clone(), listener);
    }

    fn remove(&mut self, name: &str) -> Option<Arc<Rule>> {
        let listener = self.by_name.remove(name)?;
        if let Some(filter) = &listener.rule.filter {
            self.by_filter.remove(filter, listener.number);
        }
        Some(listener.rule)
    }
}

/// Who hears topics.
type Topics = HashMap<Box<str>, Arc<[Arc<Rule>]>, RandomState>;

/// What a thread has found out about topics.
#[derive(Default)]
struct Known {
    /// Whose it is: a server after another has the same tenants.
    engine: usize,
    generation: u64,
    topics: HashMap<TenantId, Topics, RandomState>,
    count: usize,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

impl Engine {
    /// The rules that hear `topic`, none or more.
    pub(crate) fn hearing(&self, tenant: &Tenant, topic: &str) -> Arc<[Arc<Rule>]> {
        let generation = self.generation.load(Ordering::Acquire);
        let engine = std::ptr::from_ref(self).addr();
        KNOWN.with_borrow_mut(|known| {
            if known.generation != generation || known.engine != engine || known.count >= TOPICS_MAX
            {
                *known = Known { engine, generation, ..Known::default() };
            }
            let topics = known.topics.entry(tenant.id).or_default();
            if let Some(rules) = topics.get(topic) {
                return Arc::clone(rules);
            }
            // Read after the generation: what is newer than that is looked up once too often.
            let rules: Arc<[Arc<Rule>]> = self.read_tables().hearing(tenant.id, topic).into();
            topics.insert(topic.into(), Arc::clone(&rules));
            known.count += 1;
            rules
        })
    }
}
