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

/// Those of one tenant.
#[derive(Default)]
struct Table {
    by_name: BTreeMap<String, Arc<Rule>>,
    by_filter: Filters<Listener>,
}

impl Tables {
    /// Whether there are no rules.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.values().all(|table| table.by_name.is_empty())
    }

    /// Adds a rule.
    pub(crate) fn insert(&mut self, rule: Arc<Rule>) {
        let table = self.0.entry(rule.tenant.id).or_default();
        if let Some(filter) = &rule.filter {
            let number = table.by_name.len() as u64;
            table.by_filter.insert(filter, Listener { number, rule: Arc::clone(&rule) });
        }
        table.by_name.insert(rule.name.clone(), rule);
    }

    /// The rule `name` of `tenant`.
    pub(crate) fn rule(&self, tenant: &Tenant, name: &str) -> Option<&Arc<Rule>> {
        self.0.get(&tenant.id)?.by_name.get(name)
    }

    /// All rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.0.values().flat_map(|table| table.by_name.values())
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
            let rules: Arc<[Arc<Rule>]> = self.tables().hearing(tenant.id, topic).into();
            topics.insert(topic.into(), Arc::clone(&rules));
            known.count += 1;
            rules
        })
    }
}
