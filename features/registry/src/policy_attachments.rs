//! Policies and their targets: attach, detach, list from either side.

use std::collections::BTreeSet;

use model::iot::{
    AttachPolicyRequest, AttachPrincipalPolicyRequest, DetachPolicyRequest,
    DetachPrincipalPolicyRequest, ListAttachedPoliciesRequest, ListAttachedPoliciesResponse,
    ListPolicyPrincipalsRequest, ListPolicyPrincipalsResponse, ListPrincipalPoliciesRequest,
    ListPrincipalPoliciesResponse, ListTargetsForPolicyRequest, ListTargetsForPolicyResponse,
    Policy as ListedPolicy,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, Limits, PageRequest, operations};
use store::{Batch, Direction};

use crate::certificates::check_registered;
use crate::policies::{by_name, find, listed};
use crate::principal::{Principal, Target, unknown};
use crate::store::thing_groups::{self, ThingGroup};
use crate::store::{Stored, certificates, policies, policy_attachments};

operations! { iot:
    AttachPolicy => attach_policy,
    DetachPolicy => detach_policy,
    AttachPrincipalPolicy => attach_principal_policy,
    DetachPrincipalPolicy => detach_principal_policy,
    ListAttachedPolicies => list_attached_policies,
    ListPrincipalPolicies => list_principal_policies,
    ListTargetsForPolicy => list_targets_for_policy,
    ListPolicyPrincipals => list_policy_principals,
}

/// Attaches a policy to a target. Attaching it again is not an error, as in AWS.
async fn attach_policy(cx: &Cx, request: AttachPolicyRequest) -> Result<(), ApiError> {
    attach(cx, &request.policy_name, &request.target).await
}

/// The form of [`attach_policy`] that older clients use.
async fn attach_principal_policy(
    cx: &Cx,
    request: AttachPrincipalPolicyRequest,
) -> Result<(), ApiError> {
    check_is_principal(cx, &request.principal)?;
    attach(cx, &request.policy_name, &request.principal).await
}

/// Detaches a policy from a target. A policy that does not exist is no error, and a target that
/// does not exist is an invalid one: Terraform relies on both. A policy that exists but is not
/// attached is not found.
async fn detach_policy(cx: &Cx, request: DetachPolicyRequest) -> Result<(), ApiError> {
    let target = Target::parse(&request.target, &cx.tenant)?;
    check_exists(cx, &target).await.map_err(|error| {
        if error.code == "ResourceNotFoundException" {
            return ApiError::invalid(format!("Invalid Target: {}", error.message));
        }
        error
    })?;
    let (policy, target) = (&request.policy_name, &request.target);
    let was_attached = detach(cx, policy, target).await?;
    if !was_attached && policies::find(cx, policy).await?.is_some() {
        let message = format!("Policy {policy} is not attached to {target}");
        return Err(ApiError::not_found(message));
    }
    Ok(())
}

/// The form of [`detach_policy`] that older clients use.
async fn detach_principal_policy(
    cx: &Cx,
    request: DetachPrincipalPolicyRequest,
) -> Result<(), ApiError> {
    detach(cx, &request.policy_name, &request.principal).await.map(drop)
}

/// Lists the policies of a target; those that a thing group has from the groups above it too, if
/// `recursive` is true.
async fn list_attached_policies(
    cx: &Cx,
    request: ListAttachedPoliciesRequest,
) -> Result<ListAttachedPoliciesResponse, ApiError> {
    let page = PageRequest::forward(&request.marker, request.page_size);
    let is_recursive = request.recursive == Some(true);
    let found = policies_of(cx, &request.target, is_recursive, page).await?;
    let (policies, next_marker) = found;
    Ok(ListAttachedPoliciesResponse { policies: Some(policies), next_marker })
}

/// The form of [`list_attached_policies`] that older clients use.
async fn list_principal_policies(
    cx: &Cx,
    request: ListPrincipalPoliciesRequest,
) -> Result<ListPrincipalPoliciesResponse, ApiError> {
    let page = by_name(&request.marker, request.page_size, request.ascending_order);
    let (policies, next_marker) = policies_of(cx, &request.principal, false, page).await?;
    Ok(ListPrincipalPoliciesResponse { policies: Some(policies), next_marker })
}

async fn list_targets_for_policy(
    cx: &Cx,
    request: ListTargetsForPolicyRequest,
) -> Result<ListTargetsForPolicyResponse, ApiError> {
    find(cx, &request.policy_name).await?;
    let page = PageRequest::forward(&request.marker, request.page_size);
    let found = policy_attachments::page_of_policy(cx, &request.policy_name, page).await?;
    let (targets, next_marker) = found;
    Ok(ListTargetsForPolicyResponse { targets: Some(targets), next_marker })
}

/// The form of [`list_targets_for_policy`] that older clients use.
async fn list_policy_principals(
    cx: &Cx,
    request: ListPolicyPrincipalsRequest,
) -> Result<ListPolicyPrincipalsResponse, ApiError> {
    find(cx, &request.policy_name).await?;
    let page = by_name(&request.marker, request.page_size, request.ascending_order);
    let found = policy_attachments::page_of_policy(cx, &request.policy_name, page).await?;
    let (principals, next_marker) = found;
    Ok(ListPolicyPrincipalsResponse { principals: Some(principals), next_marker })
}

/// Refuses thing groups, which the older forms do not know.
fn check_is_principal(cx: &Cx, text: &str) -> Result<(), ApiError> {
    match Target::parse(text, &cx.tenant)? {
        Target::Principal(_) => Ok(()),
        Target::ThingGroup { .. } => {
            Err(ApiError::invalid("The given ARN does not represent a cert"))
        }
    }
}

async fn attach(cx: &Cx, policy: &str, target: &str) -> Result<(), ApiError> {
    let target = Target::parse(target, &cx.tenant)?;
    retry(|| try_attach(cx, policy, &target)).await
}

async fn try_attach(cx: &Cx, policy: &str, target: &Target) -> Result<(), Setback> {
    find(cx, policy).await?;
    let mut batch = Batch::new();
    hold(cx, &mut batch, target).await?;
    let before = policy_attachments::find(cx, target.as_str()).await?;
    let names = policy_attachments::names(before.as_ref());
    if names.iter().any(|name| name == policy) {
        return Ok(());
    }
    let max = policies_max(target, &cx.app.limits);
    if names.len() >= max {
        return Err(ApiError::limit_exceeded(format!(
            "The target {} already has the maximum number of policies ({max})",
            target.as_str()
        ))
        .into());
    }
    policies::require(cx, &mut batch, policy);
    policy_attachments::attach(cx, &mut batch, target.as_str(), before.as_ref(), policy);
    cx.commit(batch).await?;
    Ok(())
}

/// Makes the batch, which attaches a policy, fail if the target goes away. A dynamic thing group
/// carries no policies.
async fn hold(cx: &Cx, batch: &mut Batch, target: &Target) -> Result<(), ApiError> {
    match target {
        Target::Principal(principal) => {
            check_registered(cx, principal).await?;
            if let Principal::Certificate { id, .. } = principal {
                certificates::require(cx, batch, id);
            }
        }
        Target::ThingGroup { name, arn } => {
            let group = find_group(cx, name, arn).await?;
            if group.document.is_dynamic() {
                let message = format!("Policies cannot be attached to the dynamic group {name}.");
                return Err(ApiError::invalid(message));
            }
            group.require_unchanged(batch);
        }
    }
    Ok(())
}

fn policies_max(target: &Target, limits: &Limits) -> usize {
    match target {
        Target::Principal(_) => limits.policies_per_target_max,
        Target::ThingGroup { .. } => limits.policies_per_thing_group_max,
    }
}

async fn check_exists(cx: &Cx, target: &Target) -> Result<(), ApiError> {
    match target {
        Target::Principal(principal) => check_registered(cx, principal).await,
        Target::ThingGroup { name, arn } => find_group(cx, name, arn).await.map(drop),
    }
}

async fn find_group(cx: &Cx, name: &str, arn: &str) -> Result<Stored<ThingGroup>, ApiError> {
    thing_groups::find(cx, name).await?.ok_or_else(|| unknown(arn))
}

/// Whether the policy was attached before.
async fn detach(cx: &Cx, policy: &str, target: &str) -> Result<bool, ApiError> {
    let target = Target::parse(target, &cx.tenant)?;
    retry(|| try_detach(cx, policy, &target)).await
}

async fn try_detach(cx: &Cx, policy: &str, target: &Target) -> Result<bool, Setback> {
    let before = policy_attachments::find(cx, target.as_str()).await?;
    let attached = policy_attachments::names(before.as_ref()).iter().any(|name| name == policy);
    let Some(before) = before.filter(|_| attached) else {
        check_exists(cx, target).await?;
        return Ok(false);
    };
    let mut batch = Batch::new();
    policy_attachments::detach(cx, &mut batch, target.as_str(), &before, policy);
    cx.commit(batch).await?;
    Ok(true)
}

async fn policies_of(
    cx: &Cx,
    target: &str,
    is_recursive: bool,
    page: PageRequest<'_>,
) -> Result<(Vec<ListedPolicy>, Option<String>), ApiError> {
    let target = Target::parse(target, &cx.tenant)?;
    let names: Vec<String> = names_of(cx, &target, is_recursive).await?.into_iter().collect();
    let (names, next) = page_of_names(cx, target.as_str(), &names, page)?;
    Ok((names.into_iter().map(|name| listed(cx, name)).collect(), next))
}

/// The names of the policies of `target`, which has to exist, and of what is above it if it is a
/// thing group and `is_recursive`.
pub(crate) async fn names_of(
    cx: &Cx,
    target: &Target,
    is_recursive: bool,
) -> Result<BTreeSet<String>, ApiError> {
    let ancestors = ancestors(cx, target).await?;
    let mut names = BTreeSet::new();
    for target in ancestors.iter().filter(|_| is_recursive).chain([target]) {
        let stored = policy_attachments::find(cx, target.as_str()).await?;
        names.extend(policy_attachments::names(stored.as_ref()).iter().cloned());
    }
    Ok(names)
}

/// The thing groups above `target`, which has to exist.
async fn ancestors(cx: &Cx, target: &Target) -> Result<Vec<Target>, ApiError> {
    match target {
        Target::Principal(principal) => {
            check_registered(cx, principal).await?;
            Ok(Vec::new())
        }
        Target::ThingGroup { name, arn } => {
            let ancestors = find_group(cx, name, arn).await?.document.ancestors;
            Ok(ancestors.iter().map(|name| Target::thing_group(name, &cx.tenant)).collect())
        }
    }
}

/// One page of the few sorted `names` of `target`. The token seals the last name that was given.
fn page_of_names(
    cx: &Cx,
    target: &str,
    names: &[String],
    page: PageRequest<'_>,
) -> Result<(Vec<String>, Option<String>), ApiError> {
    let scope = format!("{} {:?} {} {target}", cx.operation, page.direction, cx.tenant.id.0);
    let after = match page.token {
        None => None,
        Some(token) => {
            let opened = cx.app.keyring.open_page_token(scope.as_bytes(), token);
            let name = opened.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(name.ok_or_else(|| {
                ApiError::invalid("The marker is invalid: pass one that this list returned.")
            })?)
        }
    };
    let (listed, has_more) = slice(names, after.as_deref(), page.limit, page.direction);
    let last = listed.last().filter(|_| has_more);
    let next = last.map(|name| cx.app.keyring.page_token(scope.as_bytes(), name.as_bytes()));
    Ok((listed, next))
}

/// At most `limit` of the sorted `names` that follow `after`, and whether there are more.
fn slice(
    names: &[String],
    after: Option<&str>,
    limit: Option<i32>,
    direction: Direction,
) -> (Vec<String>, bool) {
    let limit = limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(names.len()).max(1);
    let mut left: Vec<String> = match direction {
        Direction::Forward => names.to_vec(),
        Direction::Backward => names.iter().rev().cloned().collect(),
    };
    if let Some(after) = after {
        left.retain(|name| match direction {
            Direction::Forward => name.as_str() > after,
            Direction::Backward => name.as_str() < after,
        });
    }
    let has_more = left.len() > limit;
    left.truncate(limit);
    (left, has_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_after_the_last_name() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let check = |after, limit, direction, expected: &[&str], has_more| {
            let (listed, more) = slice(&names, after, limit, direction);
            assert_eq!(
                (listed.as_slice(), more),
                (&*expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(), has_more)
            );
        };
        check(None, None, Direction::Forward, &["a", "b", "c"], false);
        check(None, Some(2), Direction::Forward, &["a", "b"], true);
        check(Some("b"), Some(2), Direction::Forward, &["c"], false);
        check(Some("bb"), Some(2), Direction::Forward, &["c"], false);
        check(None, Some(2), Direction::Backward, &["c", "b"], true);
        check(Some("b"), Some(2), Direction::Backward, &["a"], false);
    }
}
