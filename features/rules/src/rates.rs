//! How often rules are evaluated and changed, in an account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use service::{ApiError, Limits, SharedRate};
use tokio::time::Instant;
use types::{Tenant, TenantId};

/// Operations that share a bound, each with a rate of its own.
const CHANGES: [&str; 7] = [
    "CreateTopicRule",
    "ReplaceTopicRule",
    "EnableTopicRule",
    "DisableTopicRule",
    "CreateTopicRuleDestination",
    "UpdateTopicRuleDestination",
    "DeleteTopicRuleDestination",
];
/// The one that may come more often.
const DELETE: &str = "DeleteTopicRule";

/// The rates of all tenants, which are few.
pub(crate) struct Rates {
    evaluations_per_s: u32,
    changes_per_s: u32,
    deletes_per_s: u32,
    tenants: Mutex<HashMap<TenantId, Arc<OfTenant>>>,
}

/// Those of one tenant.
struct OfTenant {
    evaluations: SharedRate,
    calls: HashMap<&'static str, SharedRate>,
}

impl Rates {
    /// As `limits` have them.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            evaluations_per_s: limits.rule_evaluations_per_s,
            changes_per_s: limits.topic_rule_changes_per_s,
            deletes_per_s: limits.topic_rule_deletes_per_s,
            tenants: Mutex::default(),
        }
    }

    /// Whether a rule may be evaluated for one more message now.
    pub(crate) fn may_evaluate(&self, tenant: TenantId) -> bool {
        if self.evaluations_per_s == 0 {
            return true;
        }
        let now = Instant::now();
        self.of(tenant, now).evaluations.take_of_all(now)
    }

    /// Refuses an operation that is called too soon after others like it.
    pub(crate) fn take_call(&self, tenant: &Tenant, operation: &str) -> Result<(), ApiError> {
        if self.changes_per_s == 0 && self.deletes_per_s == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let rates = self.of(tenant.id, now);
        if rates.calls.get(operation).is_none_or(|rate| rate.take_of_all(now)) {
            return Ok(());
        }
        let message = format!("{operation} is called too often in this account.");
        Err(ApiError::new("ThrottlingException", message))
    }

    fn of(&self, tenant: TenantId, now: Instant) -> Arc<OfTenant> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let rate = |per_s| SharedRate::new(per_s, 0, now);
            let changes = CHANGES.map(|operation| (operation, rate(self.changes_per_s)));
            let calls = changes.into_iter().chain([(DELETE, rate(self.deletes_per_s))]);
            let evaluations = rate(self.evaluations_per_s);
            Arc::new(OfTenant { evaluations, calls: calls.collect() })
        };
        Arc::clone(tenants.entry(tenant).or_insert_with(new))
    }
}
