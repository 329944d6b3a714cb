//! How much rules do, by their names.
//!
//! A rule's counters are looked up when it first hears a message. Rules come and go, and what has
//! once been counted is shown for as long as the server runs: only so many rules are counted by
//! their names, and all others together.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use metrics::{Counter, Label, counter};
use types::TenantId;

use super::Engine;
use super::rule::{Place, Rule};

/// What stands for the names of rules that are counted together.
const OTHERS: &str = "(others)";

/// Which rules are counted by their names.
pub(super) struct Names {
    rules_max: usize,
    known: Mutex<HashSet<(TenantId, String)>>,
}

impl Names {
    /// At most `rules_max`.
    pub(super) fn new(rules_max: usize) -> Self {
        Self { rules_max, known: Mutex::default() }
    }

    /// Whether the rule is one of them, also if it has just become one.
    fn have(&self, tenant: TenantId, name: &str) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (tenant, name.to_owned());
        known.contains(&name) || known.len() < self.rules_max && known.insert(name)
    }
}

/// What one rule does.
pub(crate) struct Counters {
    /// Messages that it heard: AWS's `TopicMatch`.
    pub(super) matches: Counter,
    /// Messages that its condition took: `RulesExecuted`.
    pub(super) executed: Counter,
    /// Messages that its statement could not read: `ParseError`.
    pub(super) parse_errors: Counter,
    /// Messages that were lost to it: `RuleMessageThrottled`.
    pub(super) throttled: Counter,
    actions: Vec<Ends>,
    error_action: Option<Ends>,
}

/// How often an action went well and badly: `Success` and `Failure`, or `ErrorActionSuccess` and
/// `ErrorActionFailure`.
struct Ends {
    success: Counter,
    failure: Counter,
}

impl Counters {
    fn of(rule: &Rule, names: &Names) -> Self {
        let labels = labels(rule, names);
        let ends = |place: Place, name: &'static str| {
            rule.slot(place).map(|slot| Ends::new(name, slot.action.name(), &labels))
        };
        Self {
            matches: counter!("ferrite_rule_topic_matches_total", labels.iter()),
            executed: counter!("ferrite_rules_executed_total", labels.iter()),
            parse_errors: counter!("ferrite_rule_parse_errors_total", labels.iter()),
            throttled: counter!("ferrite_rule_messages_throttled_total", labels.iter()),
            actions: (0..)
                .map_while(|place| ends(Place::Action(place), "ferrite_rule_actions_total"))
                .collect(),
            error_action: ends(Place::Error, "ferrite_rule_error_actions_total"),
        }
    }

    /// Counts what an action came to.
    pub(super) fn count(&self, place: Place, is_success: bool) {
        let ends = match place {
            Place::Action(place) => self.actions.get(place),
            Place::Error => self.error_action.as_ref(),
        };
        let Some(ends) = ends else { return };
        if is_success { ends.success.increment(1) } else { ends.failure.increment(1) }
    }
}

impl Ends {
    fn new(name: &'static str, action: &'static str, of_rule: &[Label]) -> Self {
        let counter = |result| {
            let of_action = [("action", action), ("result", result)];
            let of_action = of_action.map(|(name, value)| Label::from_static_parts(name, value));
            let labels: Vec<Label> = of_rule.iter().cloned().chain(of_action).collect();
            counter!(name, labels)
        };
        Self { success: counter("success"), failure: counter("failure") }
    }
}

fn labels(rule: &Rule, names: &Names) -> Vec<Label> {
    if !names.have(rule.tenant.id, &rule.name) {
        let names = ["account", "region", "rule"];
        return names.map(|name| Label::from_static_parts(name, OTHERS)).into();
    }
    vec![
        Label::new("account", rule.tenant.account.to_string()),
        Label::new("region", rule.tenant.region.to_string()),
        Label::new("rule", rule.name.clone()),
    ]
}

impl Rule {
    /// What it does.
    pub(super) fn counters(&self, engine: &Engine) -> &Counters {
        self.counters.get_or_init(|| Counters::of(self, &engine.names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_rules_are_counted_by_name_and_stay_so() {
        let names = Names::new(2);
        let table = [(1, "a", true), (2, "a", true), (1, "b", false), (1, "a", true)];
        for (tenant, name, is_known) in table {
            assert_eq!(names.have(TenantId(tenant), name), is_known, "{name} of {tenant}");
        }
    }
}
