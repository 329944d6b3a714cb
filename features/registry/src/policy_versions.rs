//! Versions of policies: create, get, list, choose the default, delete.

use model::iot::{
    CreatePolicyVersionRequest, CreatePolicyVersionResponse, DeletePolicyVersionRequest,
    GetPolicyVersionRequest, GetPolicyVersionResponse, ListPolicyVersionsRequest,
    ListPolicyVersionsResponse, PolicyVersion, SetDefaultPolicyVersionRequest,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, operations};
use store::Batch;

use crate::policies::{check_document, find};
use crate::store::policies::{self, Policy, VersionEntry};

operations! { iot:
    CreatePolicyVersion => create_policy_version,
    GetPolicyVersion => get_policy_version,
    ListPolicyVersions => list_policy_versions,
    SetDefaultPolicyVersion => set_default_policy_version,
    DeletePolicyVersion => delete_policy_version,
}

/// Adds a version under a number that was never used before.
async fn create_policy_version(
    cx: &Cx,
    request: CreatePolicyVersionRequest,
) -> Result<CreatePolicyVersionResponse, ApiError> {
    check_document(&request.policy_document, &cx.app.limits)?;
    let policy = retry(|| try_create(cx, &request)).await?;
    Ok(CreatePolicyVersionResponse {
        policy_arn: Some(policies::arn(cx, &policy.name)),
        policy_document: Some(request.policy_document),
        policy_version_id: Some(policy.last_version.to_string()),
        is_default_version: Some(policy.default_version == policy.last_version),
    })
}

async fn try_create(cx: &Cx, request: &CreatePolicyVersionRequest) -> Result<Policy, Setback> {
    let name = &request.policy_name;
    let before = find(cx, name).await?;
    let max = cx.app.limits.policy_versions_max;
    if before.document.versions.len() >= max {
        let message =
            format!("The policy {name} already has the maximum number of versions ({max})");
        return Err(ApiError::new("VersionsLimitExceededException", message).into());
    }
    let number = before.document.last_version.saturating_add(1);
    let mut after = before.document.clone();
    after.last_version = number;
    after.modified = cx.now();
    after.versions.push(VersionEntry { number, created: cx.now() });
    if request.set_as_default == Some(true) {
        after.default_version = number;
    }
    let mut batch = Batch::new();
    policies::replace(&mut batch, &before, &after);
    policies::put_text(cx, &mut batch, name, number, &request.policy_document);
    cx.commit(batch).await?;
    Ok(after)
}

async fn get_policy_version(
    cx: &Cx,
    request: GetPolicyVersionRequest,
) -> Result<GetPolicyVersionResponse, ApiError> {
    let policy = find(cx, &request.policy_name).await?.document;
    let number = existing(&policy, &request.policy_version_id)?;
    let created = policy.version(number).map(|version| version.created);
    let text = policies::text(cx, &policy.name, number).await?;
    let text = text.ok_or_else(|| no_version(&policy.name, &request.policy_version_id))?;
    Ok(GetPolicyVersionResponse {
        policy_arn: Some(policies::arn(cx, &policy.name)),
        policy_document: Some(text),
        policy_version_id: Some(number.to_string()),
        is_default_version: Some(number == policy.default_version),
        creation_date: created,
        last_modified_date: created,
        generation_id: Some(policy.generation_id),
        policy_name: Some(policy.name),
    })
}

/// Lists all versions, newest first.
async fn list_policy_versions(
    cx: &Cx,
    request: ListPolicyVersionsRequest,
) -> Result<ListPolicyVersionsResponse, ApiError> {
    let policy = find(cx, &request.policy_name).await?.document;
    let listed = policy.versions.iter().rev().map(|version| PolicyVersion {
        version_id: Some(version.number.to_string()),
        is_default_version: Some(version.number == policy.default_version),
        create_date: Some(version.created),
    });
    Ok(ListPolicyVersionsResponse { policy_versions: Some(listed.collect()) })
}

async fn set_default_policy_version(
    cx: &Cx,
    request: SetDefaultPolicyVersionRequest,
) -> Result<(), ApiError> {
    let (name, id) = (&request.policy_name, &request.policy_version_id);
    retry(|| try_set_default(cx, name, id)).await
}

async fn try_set_default(cx: &Cx, name: &str, id: &str) -> Result<(), Setback> {
    let before = find(cx, name).await?;
    let number = existing(&before.document, id)?;
    if number == before.document.default_version {
        return Ok(());
    }
    let mut after = before.document.clone();
    after.default_version = number;
    after.modified = cx.now();
    let mut batch = Batch::new();
    policies::replace(&mut batch, &before, &after);
    cx.commit(batch).await?;
    Ok(())
}

/// Deletes a version that is not the default.
async fn delete_policy_version(
    cx: &Cx,
    request: DeletePolicyVersionRequest,
) -> Result<(), ApiError> {
    let (name, id) = (&request.policy_name, &request.policy_version_id);
    retry(|| try_delete(cx, name, id)).await
}

async fn try_delete(cx: &Cx, name: &str, id: &str) -> Result<(), Setback> {
    let before = find(cx, name).await?;
    let number = existing(&before.document, id)?;
    if number == before.document.default_version {
        let message = "Cannot delete the default version of a policy";
        return Err(ApiError::delete_conflict(message).into());
    }
    let mut after = before.document.clone();
    after.modified = cx.now();
    after.versions.retain(|version| version.number != number);
    let mut batch = Batch::new();
    policies::replace(&mut batch, &before, &after);
    policies::delete_text(cx, &mut batch, name, number);
    cx.commit(batch).await?;
    Ok(())
}

/// The number that `id` stands for, if the policy has that version.
fn existing(policy: &Policy, id: &str) -> Result<u64, ApiError> {
    let number = id.parse().ok().filter(|number| policy.version(*number).is_some());
    number.ok_or_else(|| no_version(&policy.name, id))
}

fn no_version(name: &str, id: &str) -> ApiError {
    ApiError::not_found(format!("Policy version not found (name={name}, version={id})"))
}
