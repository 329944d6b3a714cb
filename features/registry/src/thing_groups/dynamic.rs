//! Dynamic thing groups: create, update, delete. They are kept and described; which things are in
//! them is for fleet indexing to say.

use model::iot::{
    CreateDynamicThingGroupRequest, CreateDynamicThingGroupResponse,
    DeleteDynamicThingGroupRequest, DeleteDynamicThingGroupResponse,
    UpdateDynamicThingGroupRequest, UpdateDynamicThingGroupResponse,
};
use service::retry::retry;
use service::{ApiError, Cx, operations};

use super::{Sort, apply, create_or_find, new_group, try_delete, try_update};
use crate::store::thing_groups::{self, Query, ThingGroup};
use crate::tags::of_new_resource;

/// The index of things, which is the only one.
const INDEX: &str = "AWS_Things";
/// The language of queries, of which there is one.
const QUERY_VERSION: &str = "2017-09-30";

operations! { iot:
    CreateDynamicThingGroup => create_dynamic_thing_group,
    UpdateDynamicThingGroup => update_dynamic_thing_group,
    DeleteDynamicThingGroup => delete_dynamic_thing_group,
}

/// Creates a dynamic group, or returns the existing one if it is the same.
async fn create_dynamic_thing_group(
    cx: &Cx,
    request: CreateDynamicThingGroupRequest,
) -> Result<CreateDynamicThingGroupResponse, ApiError> {
    check_index(request.index_name.as_deref())?;
    check_query_version(request.query_version.as_deref())?;
    let mut group = new_group(cx, request.thing_group_name, request.thing_group_properties)?;
    group.query = Some(Query {
        index: INDEX.to_owned(),
        text: request.query_string,
        version: QUERY_VERSION.to_owned(),
    });
    let tags = of_new_resource(request.tags, &cx.app.limits)?;
    let group = retry(|| create_or_find(cx, &group, None, &tags)).await?;
    let query = group.query;
    Ok(CreateDynamicThingGroupResponse {
        thing_group_arn: Some(thing_groups::arn(&cx.tenant, &group.name)),
        thing_group_name: Some(group.name),
        thing_group_id: Some(group.id),
        index_name: query.as_ref().map(|query| query.index.clone()),
        query_string: query.as_ref().map(|query| query.text.clone()),
        query_version: query.map(|query| query.version),
    })
}

/// Changes the description, the attributes and the query, where the request has them.
async fn update_dynamic_thing_group(
    cx: &Cx,
    request: UpdateDynamicThingGroupRequest,
) -> Result<UpdateDynamicThingGroupResponse, ApiError> {
    check_index(request.index_name.as_deref())?;
    check_query_version(request.query_version.as_deref())?;
    let (name, expected) = (&request.thing_group_name, request.expected_version);
    let change = |group: &mut ThingGroup| {
        apply(&request.thing_group_properties, group);
        if let (Some(query), Some(text)) = (&mut group.query, &request.query_string) {
            query.text = text.clone();
        }
    };
    let version = retry(|| try_update(cx, name, Sort::Dynamic, expected, &change)).await?;
    Ok(UpdateDynamicThingGroupResponse { version: Some(version) })
}

/// Deletes a dynamic group. Deleting an unknown one succeeds.
async fn delete_dynamic_thing_group(
    cx: &Cx,
    request: DeleteDynamicThingGroupRequest,
) -> Result<DeleteDynamicThingGroupResponse, ApiError> {
    let (name, expected) = (&request.thing_group_name, request.expected_version);
    retry(|| try_delete(cx, name, Sort::Dynamic, expected)).await?;
    Ok(DeleteDynamicThingGroupResponse {})
}

fn check_index(name: Option<&str>) -> Result<(), ApiError> {
    match name {
        None | Some(INDEX) => Ok(()),
        Some(other) => Err(ApiError::not_found(format!("Index {other} cannot be found."))),
    }
}

fn check_query_version(version: Option<&str>) -> Result<(), ApiError> {
    match version {
        None | Some(QUERY_VERSION) => Ok(()),
        Some(other) => Err(ApiError::invalid(format!(
            "The query version {other} is not supported: use {QUERY_VERSION}."
        ))),
    }
}
