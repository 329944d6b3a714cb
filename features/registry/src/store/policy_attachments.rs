//! Which policies a target has, all in one document so that their number is kept to its bound,
//! and which targets a policy has, one record each.

use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Key};
use types::Tenant;

use super::{FORMAT, Stored, below, load, page_of, require_as_read};

/// The policies of a target. A target without any has no such record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetPolicies {
    v: u32,
    /// The ARN of the certificate or thing group, or the Cognito identity.
    pub(crate) target: String,
    /// The names of the policies, sorted.
    pub(crate) policies: Vec<String>,
}

/// Where the policies of `target` lie.
pub(crate) fn key(tenant: &Tenant, target: &str) -> Key {
    Key::new(tenant.id, kinds::TARGET_POLICY).text(target)
}

/// The policies of `target`.
pub(crate) async fn find(
    cx: &Cx,
    target: &str,
) -> Result<Option<Stored<TargetPolicies>>, ApiError> {
    load(cx, key(&cx.tenant, target)).await
}

/// Makes the batch fail if `policy` is attached to a target.
pub(crate) fn require_none_of_policy(cx: &Cx, batch: &mut Batch, policy: &str) {
    batch.require_empty(below(&by_policy(cx, policy)));
}

/// Makes the batch fail if `target` has a policy.
pub(crate) fn require_none_of_target(cx: &Cx, batch: &mut Batch, target: &str) {
    batch.require_absent(key(&cx.tenant, target));
}

/// Attaches `policy` to `target`, whose policies are as they were read.
pub(crate) fn attach(
    cx: &Cx,
    batch: &mut Batch,
    target: &str,
    before: Option<&Stored<TargetPolicies>>,
    policy: &str,
) {
    let mut policies = names(before).to_vec();
    policies.push(policy.to_owned());
    policies.sort_unstable();
    replace(cx, batch, target, before, policies);
    batch.put(by_policy(cx, policy).text(target), encode(&target));
}

/// Detaches `policy` from `target`, whose policies are as they were read.
pub(crate) fn detach(
    cx: &Cx,
    batch: &mut Batch,
    target: &str,
    before: &Stored<TargetPolicies>,
    policy: &str,
) {
    let others = before.document.policies.iter().filter(|name| *name != policy);
    replace(cx, batch, target, Some(before), others.cloned().collect());
    batch.delete(by_policy(cx, policy).text(target));
}

/// Detaches every policy from `target`, whose policies are as they were read.
pub(crate) fn detach_all(
    cx: &Cx,
    batch: &mut Batch,
    target: &str,
    before: Option<&Stored<TargetPolicies>>,
) {
    replace(cx, batch, target, before, Vec::new());
    for policy in names(before) {
        batch.delete(by_policy(cx, policy).text(target));
    }
}

/// The names of the policies that were read.
pub(crate) fn names(stored: Option<&Stored<TargetPolicies>>) -> &[String] {
    stored.map_or(&[], |stored| &stored.document.policies)
}

/// One page of the targets of `policy`, and the token of the next.
pub(crate) async fn page_of_policy(
    cx: &Cx,
    policy: &str,
    page: PageRequest<'_>,
) -> Result<(Vec<String>, Option<String>), ApiError> {
    page_of(cx, below(&by_policy(cx, policy)), page).await
}

fn replace(
    cx: &Cx,
    batch: &mut Batch,
    target: &str,
    before: Option<&Stored<TargetPolicies>>,
    policies: Vec<String>,
) {
    let place = key(&cx.tenant, target);
    require_as_read(batch, &place, before);
    if policies.is_empty() {
        batch.delete(place);
    } else {
        let target = target.to_owned();
        batch.put(place, encode(&TargetPolicies { v: FORMAT, target, policies }));
    }
}

fn by_policy(cx: &Cx, policy: &str) -> Key {
    cx.key(kinds::POLICY_TARGET).text(policy)
}
