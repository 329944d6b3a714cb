//! Policies: create, get, list, delete.

use model::iot::{
    CreatePolicyRequest, CreatePolicyResponse, DeletePolicyRequest, GetPolicyRequest,
    GetPolicyResponse, ListPoliciesRequest, ListPoliciesResponse, Policy as ListedPolicy,
};
use policy::{Dialect, Document, document_length_without_whitespace};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, Limits, PageRequest, operations};
use store::{Batch, CommitError, Condition};

use crate::store::policies::{self, Policy};
use crate::store::{Stored, tags};
use crate::tags::of_new_resource;

operations! { iot:
    CreatePolicy => create_policy,
    GetPolicy => get_policy,
    ListPolicies => list_policies,
    DeletePolicy => delete_policy,
}

/// Creates a policy. A name that is taken conflicts, whatever the document.
async fn create_policy(
    cx: &Cx,
    request: CreatePolicyRequest,
) -> Result<CreatePolicyResponse, ApiError> {
    check_document(&request.policy_document, &cx.app.limits)?;
    let tags = of_new_resource(request.tags, &cx.app.limits)?;
    let name = request.policy_name;
    let arn = policies::arn(cx, &name);
    let policy = Policy::new(name, cx.new_uuid().to_string(), cx.now());
    let mut batch = Batch::new();
    policies::create(cx, &mut batch, &policy, &request.policy_document);
    tags::create(cx, &mut batch, &arn, &tags);
    match cx.commit(batch).await {
        Ok(_) => Ok(CreatePolicyResponse {
            policy_name: Some(policy.name),
            policy_arn: Some(arn),
            policy_document: Some(request.policy_document),
            policy_version_id: Some(policy.default_version.to_string()),
        }),
        Err(CommitError::Conflict(Condition::Absent(_))) => {
            let name = &policy.name;
            let message = format!("Policy cannot be created - name already exists (name={name})");
            Err(ApiError::already_exists(message, name, &arn))
        }
        Err(error) => Err(error.into()),
    }
}

async fn get_policy(cx: &Cx, request: GetPolicyRequest) -> Result<GetPolicyResponse, ApiError> {
    let (policy, text) = retry(|| find_with_default(cx, &request.policy_name)).await?;
    Ok(GetPolicyResponse {
        policy_arn: Some(policies::arn(cx, &policy.name)),
        policy_name: Some(policy.name),
        policy_document: Some(text),
        default_version_id: Some(policy.default_version.to_string()),
        creation_date: Some(policy.created),
        last_modified_date: Some(policy.modified),
        generation_id: Some(policy.generation_id),
    })
}

/// Lists policies by name, backwards only if asked to.
async fn list_policies(
    cx: &Cx,
    request: ListPoliciesRequest,
) -> Result<ListPoliciesResponse, ApiError> {
    let page = by_name(&request.marker, request.page_size, request.ascending_order);
    let (found, next_marker) = policies::page(cx, page).await?;
    let listed = found.into_iter().map(|policy| listed(cx, policy.name));
    Ok(ListPoliciesResponse { policies: Some(listed.collect()), next_marker })
}

async fn delete_policy(cx: &Cx, request: DeletePolicyRequest) -> Result<(), ApiError> {
    retry(|| try_delete(cx, &request.policy_name)).await
}

async fn try_delete(cx: &Cx, name: &str) -> Result<(), Setback> {
    let policy = find(cx, name).await?;
    if policy.document.versions.len() > 1 {
        let message = format!(
            "Cannot delete the policy because it has one or more policy versions attached to it \
             (name={name})"
        );
        return Err(ApiError::delete_conflict(message).into());
    }
    let mut batch = Batch::new();
    policies::delete(cx, &mut batch, &policy);
    match cx.commit(batch).await {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict(Condition::Empty(_))) => {
            let message = format!(
                "The policy cannot be deleted as the policy is attached to one or more principals \
                 (name={name})"
            );
            Err(ApiError::delete_conflict(message).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The policy called `name`, or the refusal that it is not there.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Stored<Policy>, ApiError> {
    let stored = policies::find(cx, name).await?;
    stored.ok_or_else(|| ApiError::not_found(format!("Policy not found (name={name})")))
}

/// A policy in a list.
pub(crate) fn listed(cx: &Cx, name: String) -> ListedPolicy {
    ListedPolicy { policy_arn: Some(policies::arn(cx, &name)), policy_name: Some(name) }
}

/// A page of a list by name, backwards only if asked to.
pub(crate) fn by_name(
    marker: &Option<String>,
    page_size: Option<i32>,
    ascending_order: Option<bool>,
) -> PageRequest<'_> {
    PageRequest::ordered(marker, page_size, ascending_order != Some(false))
}

/// Whether `text` may be a policy's document.
pub(crate) fn check_document(text: &str, limits: &Limits) -> Result<(), ApiError> {
    let malformed = |message| ApiError::new("MalformedPolicyException", message);
    let found = document_length_without_whitespace(text);
    let max = limits.policy_chars_max;
    if found > max {
        return Err(malformed(format!(
            "The policy document has {found} characters without white space; at most {max} are \
             allowed."
        )));
    }
    match Document::parse(text, Dialect::Iot) {
        Ok(_) => Ok(()),
        Err(error) => Err(malformed(format!("Policy document is Malformed: {error}"))),
    }
}

/// The text may go between the two reads if its version is deleted; then the default is another.
async fn find_with_default(cx: &Cx, name: &str) -> Result<(Policy, String), Setback> {
    let policy = find(cx, name).await?;
    match policies::text(cx, name, policy.document.default_version).await? {
        Some(text) => Ok((policy.document, text)),
        None => Err(Setback::Moved),
    }
}
