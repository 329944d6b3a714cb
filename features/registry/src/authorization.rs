//! Authorization, asked beforehand: what a principal might do, and which of its policies say so.

use model::iot::{
    ActionType, Allowed, AuthDecision, AuthInfo, AuthResult, Denied, EffectivePolicy, ExplicitDeny,
    GetEffectivePoliciesRequest, GetEffectivePoliciesResponse, ImplicitDeny, Policy,
    TestAuthorizationRequest, TestAuthorizationResponse,
};
use policy::Decision;
use service::retry::{Setback, retry};
use service::{ApiError, Cx, Limits, Rights, Wish, operations};

use crate::certificates::check_registered;
use crate::devices::trial::{Trial, try_out};
use crate::policies::{find, listed};
use crate::policy_attachments::names_of;
use crate::principal::{Principal, Target};
use crate::store::{policies, things};
use crate::things::not_found;

operations! { iot:
    TestAuthorization => test_authorization,
    GetEffectivePolicies => get_effective_policies,
}

/// What a policy, or all of them together, say to a wish; what counts more comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stand {
    Silent,
    Allows,
    Denies,
}

/// Tells what a principal might do, and which policies decide. The certificate need not be ACTIVE.
async fn test_authorization(
    cx: &Cx,
    request: TestAuthorizationRequest,
) -> Result<TestAuthorizationResponse, ApiError> {
    let actions = check(&request, &cx.app.limits)?;
    let target = request.principal.as_deref();
    let target = target.map(|target| Target::parse(target, &cx.tenant)).transpose()?;
    let trial = Trial {
        add: request.policy_names_to_add.unwrap_or_default(),
        skip: request.policy_names_to_skip.unwrap_or_default(),
    };
    let client_id = request.client_id.as_deref();
    let rights = retry(|| rights(cx, target.as_ref(), client_id, &trial)).await?;
    let mut results = Vec::with_capacity(actions.len());
    for (action, info) in actions.into_iter().zip(request.auth_infos) {
        results.push(result(cx, &rights, action, info).await);
    }
    Ok(TestAuthorizationResponse { auth_results: Some(results) })
}

/// Lists the policies that count when a principal connects as a thing.
async fn get_effective_policies(
    cx: &Cx,
    request: GetEffectivePoliciesRequest,
) -> Result<GetEffectivePoliciesResponse, ApiError> {
    let Some(target) = &request.principal else {
        return Err(ApiError::invalid("Name a principal: the ARN of a certificate, for example."));
    };
    let target = Target::parse(target, &cx.tenant)?;
    let effective = retry(|| effective(cx, &target, request.thing_name.as_deref())).await?;
    Ok(GetEffectivePoliciesResponse { effective_policies: Some(effective) })
}

/// Refuses what the model lets pass; returns the action of each authInfo.
fn check(request: &TestAuthorizationRequest, limits: &Limits) -> Result<Vec<ActionType>, ApiError> {
    let added = request.policy_names_to_add.as_ref().map_or(0, Vec::len);
    if request.principal.is_none() && added == 0 {
        return Err(ApiError::invalid("Name a principal, or policies in policyNamesToAdd."));
    }
    let max = limits.policies_per_target_max;
    if added > max {
        let message = format!("policyNamesToAdd has {added} policies; at most {max} are allowed.");
        return Err(ApiError::limit_exceeded(message));
    }
    let max = limits.mqtt_client_id_bytes_max;
    if request.client_id.as_ref().is_some_and(|id| id.len() > max) {
        let message = format!("The client id is too long; at most {max} bytes are allowed.");
        return Err(ApiError::invalid(message));
    }
    request.auth_infos.iter().map(|info| check_info(info, limits)).collect()
}

fn check_info(info: &AuthInfo, limits: &Limits) -> Result<ActionType, ApiError> {
    let action = info.action_type;
    let action = action.ok_or_else(|| ApiError::invalid("Each authInfo needs an actionType."))?;
    let (found, max) = (info.resources.len(), limits.tested_resources_max);
    if found == 0 {
        return Err(ApiError::invalid("Each authInfo needs a resource."));
    }
    if found > max {
        let message = format!("An authInfo has {found} resources; at most {max} are allowed.");
        return Err(ApiError::limit_exceeded(message));
    }
    // What is no ARN would be refused by every policy but `*`, and nobody would know why.
    match info.resources.iter().find(|resource| types::Arn::parse(resource).is_err()) {
        Some(resource) => Err(ApiError::invalid(format!(
            "Invalid resource {resource}: pass an ARN, such as arn:aws:iot:…:topic/a."
        ))),
        None => Ok(action),
    }
}

async fn rights(
    cx: &Cx,
    target: Option<&Target>,
    client_id: Option<&str>,
    trial: &Trial,
) -> Result<Rights, Setback> {
    for name in &trial.add {
        find(cx, name).await?;
    }
    let mut trial = trial.clone();
    let principal = principal(cx, target, &mut trial).await?;
    try_out(cx, principal, client_id, trial).await
}

/// Who is tried out. A thing group is nobody: whoever is in it has what it and the groups above it
/// add to the trial.
async fn principal<'t>(
    cx: &Cx,
    target: Option<&'t Target>,
    trial: &mut Trial,
) -> Result<Option<&'t Principal>, ApiError> {
    match target {
        Some(Target::Principal(principal)) => {
            check_registered(cx, principal).await?;
            Ok(Some(principal))
        }
        Some(group @ Target::ThingGroup { .. }) => {
            trial.add.extend(names_of(cx, group, true).await?);
            Ok(None)
        }
        None => Ok(None),
    }
}

/// What the policies say to one action on some resources, of which each has to be allowed.
async fn result(cx: &Cx, rights: &Rights, action: ActionType, info: AuthInfo) -> AuthResult {
    let mut of_policies = vec![Stand::Silent; rights.policies.len()];
    let (mut of_resources, mut missing) = (Vec::new(), Vec::new());
    for resource in &info.resources {
        let wish = wish(cx, action, resource);
        let each: Vec<Stand> = rights.decide_each(&wish).iter().map(Stand::of).collect();
        of_resources.push(each.iter().copied().max().unwrap_or(Stand::Silent));
        for (policy, stand) in of_policies.iter_mut().zip(each) {
            *policy = stand.max(*policy);
        }
        missing.extend(rights.missing(&wish).into_iter().map(str::to_owned));
        // Much that is asked of long policies takes its time, and others are to have some.
        tokio::task::yield_now().await;
    }
    missing.sort_unstable();
    missing.dedup();
    let policies = |stand| Some(those_who(cx, rights, &of_policies, stand));
    AuthResult {
        auth_info: Some(info),
        allowed: Some(Allowed { policies: policies(Stand::Allows) }),
        denied: Some(Denied {
            implicit_deny: Some(ImplicitDeny { policies: policies(Stand::Silent) }),
            explicit_deny: Some(ExplicitDeny { policies: policies(Stand::Denies) }),
        }),
        auth_decision: Some(decision(&of_resources)),
        missing_context_values: Some(missing),
    }
}

fn wish<'a>(cx: &Cx, action: ActionType, resource: &'a str) -> Wish<'a> {
    // A plain CONNECT: without a Will, and without a session to keep.
    const PLAIN: &[(&str, &[&str])] = &[("iot:ConnectAttributes", &[])];
    let (action, context) = match action {
        ActionType::Connect => ("iot:Connect", PLAIN),
        ActionType::Publish => ("iot:Publish", &[][..]),
        ActionType::Subscribe => ("iot:Subscribe", &[][..]),
        ActionType::Receive => ("iot:Receive", &[][..]),
    };
    Wish { action, resource, context, now: cx.now() }
}

impl Stand {
    fn of(decision: &Decision<'_>) -> Self {
        match decision {
            Decision::Allowed { .. } => Self::Allows,
            Decision::ExplicitDeny { .. } => Self::Denies,
            Decision::ImplicitDeny { .. } => Self::Silent,
        }
    }
}

/// The policies that take `stand`.
fn those_who(cx: &Cx, rights: &Rights, stands: &[Stand], stand: Stand) -> Vec<Policy> {
    let policies = rights.policies.iter().zip(stands).filter(|(_, other)| **other == stand);
    policies.map(|((name, _), _)| listed(cx, name.clone())).collect()
}

fn decision(of_resources: &[Stand]) -> AuthDecision {
    if of_resources.contains(&Stand::Denies) {
        AuthDecision::ExplicitDeny
    } else if of_resources.contains(&Stand::Silent) {
        AuthDecision::ImplicitDeny
    } else {
        AuthDecision::Allowed
    }
}

async fn effective(
    cx: &Cx,
    target: &Target,
    thing: Option<&str>,
) -> Result<Vec<EffectivePolicy>, Setback> {
    let mut trial = Trial::default();
    let principal = principal(cx, Some(target), &mut trial).await?;
    if let Some(thing) = thing {
        things::find(cx, thing).await?.ok_or_else(|| not_found(thing))?;
    }
    let rights = try_out(cx, principal, thing, trial).await?;
    let mut effective = Vec::with_capacity(rights.policies.len());
    for (name, _) in rights.policies {
        let policy = policies::find(cx, &name).await?.ok_or(Setback::Moved)?.document;
        let text = policies::text(cx, &name, policy.default_version).await?;
        effective.push(EffectivePolicy {
            policy_arn: Some(policies::arn(cx, &name)),
            policy_name: Some(name),
            policy_document: Some(text.ok_or(Setback::Moved)?),
        });
    }
    Ok(effective)
}
