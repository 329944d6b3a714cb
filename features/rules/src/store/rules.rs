//! Topic rules: one record each, with the definition as AWS names its members.

use model::iot::TopicRulePayload;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, encode, kinds, tags};
use store::{Batch, Key, KeyRange, Versioned};
use types::{Tenant, TenantId, Timestamp};

use super::dead_letters;
use super::{Counter, FORMAT, Stored, load};

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rule {
    v: u32,
    /// Its name, for ever.
    pub(crate) name: String,
    /// What it does, as it was given.
    pub(crate) payload: TopicRulePayload,
    /// The filter that its statement names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic_pattern: Option<String>,
    /// When it was created.
    pub(crate) created: Timestamp,
    /// When it was last changed.
    pub(crate) modified: Timestamp,
}

impl Rule {
    /// A rule that is created now.
    pub(crate) fn new(
        cx: &Cx,
        name: String,
        payload: TopicRulePayload,
        topic_pattern: Option<String>,
    ) -> Self {
        let now = cx.now();
        Self { v: FORMAT, name, payload, topic_pattern, created: now, modified: now }
    }

    /// Whether it does nothing.
    pub(crate) fn is_disabled(&self) -> bool {
        self.payload.rule_disabled.unwrap_or(false)
    }
}

/// The ARN of the rule called `name`.
pub(crate) fn arn(tenant: &Tenant, name: &str) -> String {
    tenant.arn("iot", &format!("rule/{name}"))
}

/// Where the rule called `name` lies.
pub(crate) fn key(tenant: &Tenant, name: &str) -> Key {
    Key::new(tenant.id, kinds::TOPIC_RULE).text(name)
}

/// All rules of a tenant.
pub(crate) fn all(tenant: TenantId) -> KeyRange {
    KeyRange::prefix(&Key::new(tenant, kinds::TOPIC_RULE))
}

/// A rule from its record.
pub(crate) fn decode(found: &Versioned) -> Result<Rule, ApiError> {
    service::decode(found)
}

/// The rule called `name`.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Option<Stored<Rule>>, ApiError> {
    load(cx, key(&cx.tenant, name)).await
}

/// How many rules there are.
pub(crate) async fn counter(cx: &Cx) -> Result<Counter, ApiError> {
    Counter::read(cx, kinds::TOPIC_RULE_COUNT).await
}

/// Adds a rule whose name must be free, and counts it.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, rule: &Rule, counter: &Counter) {
    let key = key(&cx.tenant, &rule.name);
    batch.require_absent(key.clone());
    batch.put(key, encode(rule));
    counter.set(batch, counter.number() + 1);
}

/// Replaces `before` by `after`, of the same name.
pub(crate) fn replace(batch: &mut Batch, before: &Stored<Rule>, after: &Rule) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
}

/// Removes a rule with its tags and its dead letters.
pub(crate) fn delete(cx: &Cx, batch: &mut Batch, rule: &Stored<Rule>, counter: &Counter) {
    rule.require_unchanged(batch);
    batch.delete(rule.key.clone());
    batch.delete_range(dead_letters::of_rule(&cx.tenant, &rule.document.name));
    counter.set(batch, counter.number().saturating_sub(1));
    tags::delete(cx, batch, &arn(&cx.tenant, &rule.document.name));
}
