//! Billing groups: create, describe, update, delete, list, and the things in them.

use model::iot::{
    AddThingToBillingGroupRequest, AddThingToBillingGroupResponse, BillingGroupMetadata,
    CreateBillingGroupRequest, CreateBillingGroupResponse, DeleteBillingGroupRequest,
    DeleteBillingGroupResponse, DescribeBillingGroupRequest, DescribeBillingGroupResponse,
    GroupNameAndArn, ListBillingGroupsRequest, ListBillingGroupsResponse,
    ListThingsInBillingGroupRequest, ListThingsInBillingGroupResponse,
    RemoveThingFromBillingGroupRequest, RemoveThingFromBillingGroupResponse,
    UpdateBillingGroupRequest, UpdateBillingGroupResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, PageRequest, operations};
use store::{Batch, CommitError, Condition};

use crate::expected_version;
use crate::named::Named;
use crate::store::billing_groups::{self, BillingGroup};
use crate::store::{Stored, tags, things};
use crate::tags::of_new_resource;

operations! { iot:
    CreateBillingGroup => create_billing_group,
    DescribeBillingGroup => describe_billing_group,
    UpdateBillingGroup => update_billing_group,
    DeleteBillingGroup => delete_billing_group,
    ListBillingGroups => list_billing_groups,
    AddThingToBillingGroup => add_thing_to_billing_group,
    RemoveThingFromBillingGroup => remove_thing_from_billing_group,
    ListThingsInBillingGroup => list_things_in_billing_group,
}

/// Makes the batch, which puts a thing into the group `name`, fail if the group goes away.
pub(crate) async fn join(cx: &Cx, batch: &mut Batch, name: &str) -> Result<(), ApiError> {
    find(cx, name).await?;
    billing_groups::require(cx, batch, name);
    Ok(())
}

/// Creates a group, or returns the existing one if its properties are the same.
async fn create_billing_group(
    cx: &Cx,
    request: CreateBillingGroupRequest,
) -> Result<CreateBillingGroupResponse, ApiError> {
    let properties = request.billing_group_properties.unwrap_or_default();
    let tags = of_new_resource(request.tags, &cx.app.limits)?;
    let id = cx.new_uuid().to_string();
    let group = BillingGroup::new(request.billing_group_name, id, properties, cx.now());
    let created = retry(|| async {
        if let Some(existing) = billing_groups::find(cx, &group.name).await? {
            return existing_or_refused(cx, existing.document, &group);
        }
        let mut batch = Batch::new();
        billing_groups::create(cx, &mut batch, &group);
        tags::create(cx, &mut batch, &billing_groups::arn(cx, &group.name), &tags);
        cx.commit(batch).await?;
        Ok(group.clone())
    });
    let created = created.await?;
    Ok(CreateBillingGroupResponse {
        billing_group_arn: Some(billing_groups::arn(cx, &created.name)),
        billing_group_name: Some(created.name),
        billing_group_id: Some(created.id),
    })
}

fn existing_or_refused(
    cx: &Cx,
    existing: BillingGroup,
    wanted: &BillingGroup,
) -> Result<BillingGroup, Setback> {
    if existing.properties == wanted.properties {
        return Ok(existing);
    }
    let name = &existing.name;
    let message =
        format!("Billing group {name} already exists in account with different properties");
    let arn = billing_groups::arn(cx, name);
    Err(ApiError::already_exists(message, &existing.id, &arn).into())
}

async fn describe_billing_group(
    cx: &Cx,
    request: DescribeBillingGroupRequest,
) -> Result<DescribeBillingGroupResponse, ApiError> {
    let group = find(cx, &request.billing_group_name).await?.document;
    Ok(DescribeBillingGroupResponse {
        billing_group_arn: Some(billing_groups::arn(cx, &group.name)),
        billing_group_name: Some(group.name),
        billing_group_id: Some(group.id),
        version: Some(group.version),
        billing_group_properties: Some(group.properties),
        billing_group_metadata: Some(BillingGroupMetadata { creation_date: Some(group.created) }),
    })
}

/// Replaces a group's properties.
async fn update_billing_group(
    cx: &Cx,
    request: UpdateBillingGroupRequest,
) -> Result<UpdateBillingGroupResponse, ApiError> {
    let version = retry(|| try_update(cx, &request)).await?;
    Ok(UpdateBillingGroupResponse { version: Some(version) })
}

/// The version of the group after the update.
async fn try_update(cx: &Cx, request: &UpdateBillingGroupRequest) -> Result<i64, Setback> {
    let before = find(cx, &request.billing_group_name).await?;
    check_version(&before.document, request.expected_version)?;
    let mut after = before.document.clone();
    after.properties = request.billing_group_properties.clone();
    after.version += 1;
    let mut batch = Batch::new();
    billing_groups::replace(&mut batch, &before, &after);
    cx.commit(batch).await?;
    Ok(after.version)
}

/// Deletes a group that no thing is in. Deleting an unknown group succeeds, as in AWS.
async fn delete_billing_group(
    cx: &Cx,
    request: DeleteBillingGroupRequest,
) -> Result<DeleteBillingGroupResponse, ApiError> {
    retry(|| try_delete(cx, &request)).await?;
    Ok(DeleteBillingGroupResponse {})
}

async fn try_delete(cx: &Cx, request: &DeleteBillingGroupRequest) -> Result<(), Setback> {
    let name = &request.billing_group_name;
    let Some(group) = billing_groups::find(cx, name).await? else {
        return Ok(());
    };
    check_version(&group.document, request.expected_version)?;
    let mut batch = Batch::new();
    billing_groups::delete(cx, &mut batch, &group);
    match cx.commit(batch).await {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict(Condition::Empty(_))) => {
            Err(Setback::Refused(ApiError::invalid(format!(
                "Cannot delete billing group {name} while there are things in it."
            ))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Lists groups by name.
async fn list_billing_groups(
    cx: &Cx,
    request: ListBillingGroupsRequest,
) -> Result<ListBillingGroupsResponse, ApiError> {
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let prefix = request.name_prefix_filter.as_deref();
    let (groups, next_token) = billing_groups::page(cx, prefix, page).await?;
    let listed = groups.into_iter().map(|group| GroupNameAndArn {
        group_arn: Some(billing_groups::arn(cx, &group.name)),
        group_name: Some(group.name),
    });
    Ok(ListBillingGroupsResponse { billing_groups: Some(listed.collect()), next_token })
}

/// Puts a thing into a group. It may be there already, but not in another one.
async fn add_thing_to_billing_group(
    cx: &Cx,
    request: AddThingToBillingGroupRequest,
) -> Result<AddThingToBillingGroupResponse, ApiError> {
    let group = Named::billing_group(&request.billing_group_name, &request.billing_group_arn)
        .resolve(cx)?;
    let thing = Named::thing(&request.thing_name, &request.thing_arn).resolve(cx)?;
    retry(|| try_add(cx, group, thing)).await?;
    Ok(AddThingToBillingGroupResponse {})
}

async fn try_add(cx: &Cx, group: &str, thing: &str) -> Result<(), Setback> {
    let before = crate::things::find(cx, thing).await?;
    let mut batch = Batch::new();
    join(cx, &mut batch, group).await?;
    match before.document.billing_group_name.as_deref() {
        Some(current) if current == group => return Ok(()),
        Some(current) => {
            return Err(Setback::Refused(ApiError::invalid(format!(
                "Thing {thing} is in the billing group {current}. Remove it there first."
            ))));
        }
        None => {}
    }
    let mut after = before.document.clone();
    after.billing_group_name = Some(group.to_owned());
    things::replace(cx, &mut batch, &before, &after);
    cx.commit(batch).await?;
    Ok(())
}

/// Takes a thing out of a group. Taking out what is not in it is not an error.
async fn remove_thing_from_billing_group(
    cx: &Cx,
    request: RemoveThingFromBillingGroupRequest,
) -> Result<RemoveThingFromBillingGroupResponse, ApiError> {
    let group = Named::billing_group(&request.billing_group_name, &request.billing_group_arn)
        .resolve(cx)?;
    let thing = Named::thing(&request.thing_name, &request.thing_arn).resolve(cx)?;
    retry(|| try_remove(cx, group, thing)).await?;
    Ok(RemoveThingFromBillingGroupResponse {})
}

async fn try_remove(cx: &Cx, group: &str, thing: &str) -> Result<(), Setback> {
    let before = crate::things::find(cx, thing).await?;
    if before.document.billing_group_name.as_deref() != Some(group) {
        find(cx, group).await?;
        return Ok(());
    }
    let mut after = before.document.clone();
    after.billing_group_name = None;
    let mut batch = Batch::new();
    things::replace(cx, &mut batch, &before, &after);
    cx.commit(batch).await?;
    Ok(())
}

/// Lists the things of a group by name.
async fn list_things_in_billing_group(
    cx: &Cx,
    request: ListThingsInBillingGroupRequest,
) -> Result<ListThingsInBillingGroupResponse, ApiError> {
    let group = &request.billing_group_name;
    find(cx, group).await?;
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let (names, next_token) = things::page_of_billing_group(cx, group, page).await?;
    Ok(ListThingsInBillingGroupResponse { things: Some(names), next_token })
}

async fn find(cx: &Cx, name: &str) -> Result<Stored<BillingGroup>, ApiError> {
    let stored = billing_groups::find(cx, name).await?;
    stored.ok_or_else(|| ApiError::not_found(format!("Billing group {name} cannot be found.")))
}

fn check_version(group: &BillingGroup, expected: Option<i64>) -> Result<(), ApiError> {
    expected_version::check("billing group", &group.name, group.version, expected)
}
