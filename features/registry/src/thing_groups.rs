//! Static thing groups: create, describe, update, delete, list.

pub(crate) mod dynamic;

use std::collections::BTreeMap;

use model::iot::{
    AttributePayload, CreateThingGroupRequest, CreateThingGroupResponse, DeleteThingGroupRequest,
    DeleteThingGroupResponse, DescribeThingGroupRequest, DescribeThingGroupResponse,
    DynamicGroupStatus, EventType, GroupNameAndArn, ListThingGroupsRequest,
    ListThingGroupsResponse, ThingGroupMetadata, ThingGroupProperties, UpdateThingGroupRequest,
    UpdateThingGroupResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, Limits, PageRequest, operations};
use store::{Batch, CommitError};

use crate::attributes::{self, Attributes};
use crate::events::{self, Change, Wanted};
use crate::expected_version;
use crate::store::thing_groups::{self, Counter, Filter, ThingGroup};
use crate::store::{Stored, policy_attachments, tags, thing_group_memberships};
use crate::tags::of_new_resource;
use crate::thing_group_memberships::take_some_out;

operations! { iot:
    CreateThingGroup => create_thing_group,
    DescribeThingGroup => describe_thing_group,
    UpdateThingGroup => update_thing_group,
    DeleteThingGroup => delete_thing_group,
    ListThingGroups => list_thing_groups,
}

/// Whether things are put into a group, or a query decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Static,
    Dynamic,
}

impl Sort {
    fn of(group: &ThingGroup) -> Self {
        if group.is_dynamic() { Self::Dynamic } else { Self::Static }
    }
}

/// Creates a group, or returns the existing one if it is the same.
async fn create_thing_group(
    cx: &Cx,
    request: CreateThingGroupRequest,
) -> Result<CreateThingGroupResponse, ApiError> {
    let group = new_group(cx, request.thing_group_name, request.thing_group_properties)?;
    let tags = of_new_resource(request.tags, &cx.app.limits)?;
    let parent = request.parent_group_name.as_deref();
    let group = retry(|| create_or_find(cx, &group, parent, &tags)).await?;
    Ok(CreateThingGroupResponse {
        thing_group_arn: Some(thing_groups::arn(&cx.tenant, &group.name)),
        thing_group_name: Some(group.name),
        thing_group_id: Some(group.id),
    })
}

/// A static group at the top, which is not stored yet.
fn new_group(
    cx: &Cx,
    name: String,
    properties: Option<ThingGroupProperties>,
) -> Result<ThingGroup, ApiError> {
    let properties = properties.unwrap_or_default();
    let payload = properties.attribute_payload.unwrap_or_default();
    // Empty values count here, though they are not kept.
    let sent = payload.attributes.clone().unwrap_or_default();
    attributes::check(&sent, true, &cx.app.limits)?;
    let attributes = attributes::updated(&Attributes::new(), &payload);
    let id = cx.new_uuid().to_string();
    Ok(ThingGroup::new(name, id, properties.thing_group_description, attributes, cx.now()))
}

/// Creates what `new` describes, below `parent` if it has one.
async fn create_or_find(
    cx: &Cx,
    new: &ThingGroup,
    parent: Option<&str>,
    tags: &BTreeMap<String, String>,
) -> Result<ThingGroup, Setback> {
    if let Some(existing) = thing_groups::find(cx, &new.name).await? {
        let existing = existing.document;
        let is_same = existing.parent() == parent && has_same_properties(&existing, new);
        return if is_same { Ok(existing) } else { Err(already_exists(cx, &existing).into()) };
    }
    let mut batch = Batch::new();
    let mut group = new.clone();
    if let Some(parent) = parent {
        group.ancestors = place_below(cx, &mut batch, parent).await?;
    }
    let counter = thing_groups::counter(cx, &group).await?;
    check_room(&group, counter.as_ref(), &cx.app.limits)?;
    thing_groups::create(cx, &mut batch, &group, counter.as_ref());
    tags::create(cx, &mut batch, &thing_groups::arn(&cx.tenant, &group.name), tags);
    let wanted = events::wanted(cx).await?;
    let told = events::groups::of_group(cx, &wanted, Change::Created, &group).await?;
    events::commit(cx, batch, &wanted, || told).await?;
    Ok(group)
}

/// The ancestors of a new child of `parent`, whose batch fails if the parent is no longer that.
async fn place_below(cx: &Cx, batch: &mut Batch, parent: &str) -> Result<Vec<String>, ApiError> {
    let Some(stored) = thing_groups::find(cx, parent).await? else {
        let message = format!("The parent thing group {parent} cannot be found.");
        return Err(ApiError::invalid(message));
    };
    if stored.document.is_dynamic() {
        let message = format!("The dynamic thing group {parent} cannot have groups below it.");
        return Err(ApiError::invalid(message));
    }
    stored.require_unchanged(batch);
    let mut ancestors = stored.document.ancestors;
    ancestors.push(stored.document.name);
    Ok(ancestors)
}

/// Whether there may be one more such group. The model has a word for too many dynamic groups only.
fn check_room(
    group: &ThingGroup,
    counter: Option<&Counter>,
    limits: &Limits,
) -> Result<(), ApiError> {
    let (depth, depth_max) = (group.ancestors.len() + 1, limits.thing_group_depth_max);
    if depth > depth_max {
        return Err(ApiError::invalid(format!(
            "A hierarchy of thing groups can have at most {depth_max} levels, and {} would be on \
             level {depth}.",
            group.name
        )));
    }
    let found = counter.map_or(0, Counter::count);
    let max = limits.thing_group_children_max;
    if let Some(parent) = group.parent().filter(|_| found >= max) {
        let message = format!("The thing group {parent} can have at most {max} child groups.");
        return Err(ApiError::invalid(message));
    }
    let max = limits.dynamic_thing_groups_max;
    if group.is_dynamic() && found >= max {
        let message = format!("There can be at most {max} dynamic thing groups.");
        return Err(ApiError::limit_exceeded(message));
    }
    Ok(())
}

async fn describe_thing_group(
    cx: &Cx,
    request: DescribeThingGroupRequest,
) -> Result<DescribeThingGroupResponse, ApiError> {
    let group = find(cx, &request.thing_group_name).await?.document;
    // Nothing builds up a dynamic group yet: it is as it will be until its query can be asked.
    let status = group.is_dynamic().then_some(DynamicGroupStatus::Active);
    let (properties, metadata) = (properties(&group), metadata(cx, &group));
    let query = group.query;
    Ok(DescribeThingGroupResponse {
        thing_group_arn: Some(thing_groups::arn(&cx.tenant, &group.name)),
        thing_group_name: Some(group.name),
        thing_group_id: Some(group.id),
        version: Some(group.version),
        thing_group_properties: Some(properties),
        thing_group_metadata: Some(metadata),
        index_name: query.as_ref().map(|query| query.index.clone()),
        query_string: query.as_ref().map(|query| query.text.clone()),
        query_version: query.map(|query| query.version),
        status,
    })
}

fn properties(group: &ThingGroup) -> ThingGroupProperties {
    let attributes = Some(group.attributes.clone()).filter(|attributes| !attributes.is_empty());
    ThingGroupProperties {
        thing_group_description: group.description.clone(),
        attribute_payload: attributes
            .map(|attributes| AttributePayload { attributes: Some(attributes), merge: None }),
    }
}

fn metadata(cx: &Cx, group: &ThingGroup) -> ThingGroupMetadata {
    let above: Vec<_> = group.ancestors.iter().map(|name| listed(cx, name.clone())).collect();
    ThingGroupMetadata {
        parent_group_name: group.parent().map(str::to_owned),
        root_to_parent_thing_groups: Some(above).filter(|above| !above.is_empty()),
        creation_date: Some(group.created),
    }
}

/// Changes the description and the attributes, where the request has them.
async fn update_thing_group(
    cx: &Cx,
    request: UpdateThingGroupRequest,
) -> Result<UpdateThingGroupResponse, ApiError> {
    let (name, expected) = (&request.thing_group_name, request.expected_version);
    let change = |group: &mut ThingGroup| apply(&request.thing_group_properties, group);
    let version = retry(|| try_update(cx, name, Sort::Static, expected, &change)).await?;
    Ok(UpdateThingGroupResponse { version: Some(version) })
}

fn apply(properties: &ThingGroupProperties, group: &mut ThingGroup) {
    if let Some(description) = &properties.thing_group_description {
        group.description = Some(description.clone());
    }
    if let Some(payload) = &properties.attribute_payload {
        group.attributes = attributes::updated(&group.attributes, payload);
    }
}

/// The new version of the group called `name`, which is of this sort and was changed.
async fn try_update(
    cx: &Cx,
    name: &str,
    sort: Sort,
    expected: Option<i64>,
    change: &(impl Fn(&mut ThingGroup) + Sync),
) -> Result<i64, Setback> {
    let before = find(cx, name).await?;
    check_sort(&before.document, sort)?;
    check_version(&before.document, expected)?;
    let mut after = before.document.clone();
    after.version += 1;
    change(&mut after);
    attributes::check(&after.attributes, true, &cx.app.limits).map_err(ApiError::from)?;
    let mut batch = Batch::new();
    thing_groups::replace(&mut batch, &before, &after);
    let wanted = events::wanted(cx).await?;
    let told = events::groups::of_group(cx, &wanted, Change::Updated, &after).await?;
    events::commit(cx, batch, &wanted, || told).await?;
    Ok(after.version)
}

/// Deletes a group that no other is below. Its things are in it no longer, and what it lent them of
/// its policies is gone. Deleting an unknown group succeeds, as in AWS.
async fn delete_thing_group(
    cx: &Cx,
    request: DeleteThingGroupRequest,
) -> Result<DeleteThingGroupResponse, ApiError> {
    let (name, expected) = (&request.thing_group_name, request.expected_version);
    retry(|| try_delete(cx, name, Sort::Static, expected)).await?;
    Ok(DeleteThingGroupResponse {})
}

async fn try_delete(cx: &Cx, name: &str, sort: Sort, expected: Option<i64>) -> Result<(), Setback> {
    let wanted = events::wanted(cx).await?;
    // Who leaves the group is to be told, and there may be any number of them.
    let is_told = sort == Sort::Static && wanted.has(EventType::ThingGroupMembership);
    while is_told && retry(|| try_take_out(cx, &wanted, name, expected)).await? {}
    let Some(group) = deletable(cx, name, sort, expected).await? else {
        return Ok(());
    };
    let counter = thing_groups::counter(cx, &group.document).await?;
    let arn = thing_groups::arn(&cx.tenant, name);
    let policies = policy_attachments::find(cx, &arn).await?;
    let mut batch = Batch::new();
    thing_groups::delete(cx, &mut batch, &group, counter.as_ref());
    if is_told {
        thing_group_memberships::require_none_in_group(cx, &mut batch, &group.document);
    }
    thing_group_memberships::remove_group(cx, &mut batch, &group.document);
    policy_attachments::detach_all(cx, &mut batch, &arn, policies.as_ref());
    let told = events::groups::of_group(cx, &wanted, Change::Deleted, &group.document).await?;
    let done = events::commit(cx, batch, &wanted, || told).await;
    done.map_err(|error| not_deleted(cx, name, error.into()))
}

/// Takes some things out of the group called `name`, if it may be deleted. Whether there were any.
async fn try_take_out(
    cx: &Cx,
    wanted: &Wanted,
    name: &str,
    expected: Option<i64>,
) -> Result<bool, Setback> {
    let Some(group) = deletable(cx, name, Sort::Static, expected).await? else {
        return Ok(false);
    };
    let taken = take_some_out(cx, wanted, &group).await;
    taken.map_err(|setback| not_deleted(cx, name, setback))
}

/// The group called `name`, if there is one. It has to be one of this sort and this version.
async fn deletable(
    cx: &Cx,
    name: &str,
    sort: Sort,
    expected: Option<i64>,
) -> Result<Option<Stored<ThingGroup>>, ApiError> {
    let group = thing_groups::find(cx, name).await?;
    if let Some(group) = &group {
        check_sort(&group.document, sort)?;
        check_version(&group.document, expected)?;
    }
    Ok(group)
}

/// Why the group called `name` is not deleted: other groups below it are a reason for good.
fn not_deleted(cx: &Cx, name: &str, setback: Setback) -> Setback {
    match setback {
        Setback::Commit(CommitError::Conflict(condition))
            if thing_groups::is_about_children(cx, name, &condition) =>
        {
            Setback::Refused(ApiError::invalid(format!(
                "Cannot delete thing group : {name} when there are still child groups attached to \
                 it."
            )))
        }
        other => other,
    }
}

/// Lists groups by name: all of them, or those below a parent; only the uppermost of them if
/// `recursive` is false.
async fn list_thing_groups(
    cx: &Cx,
    request: ListThingGroupsRequest,
) -> Result<ListThingGroupsResponse, ApiError> {
    let parent = request.parent_group.as_deref();
    if let Some(parent) = parent {
        find(cx, parent).await?;
    }
    let filter = Filter {
        parent,
        name_prefix: request.name_prefix_filter.as_deref(),
        is_recursive: request.recursive != Some(false),
    };
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let (names, next_token) = thing_groups::page(cx, filter, page).await?;
    let listed = names.into_iter().map(|name| listed(cx, name)).collect();
    Ok(ListThingGroupsResponse { thing_groups: Some(listed), next_token })
}

/// A group in a list.
pub(crate) fn listed(cx: &Cx, name: String) -> GroupNameAndArn {
    GroupNameAndArn {
        group_arn: Some(thing_groups::arn(&cx.tenant, &name)),
        group_name: Some(name),
    }
}

/// The group called `name`, or the refusal that it is not there.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Stored<ThingGroup>, ApiError> {
    let stored = thing_groups::find(cx, name).await?;
    stored.ok_or_else(|| ApiError::not_found(format!("Thing group {name} cannot be found.")))
}

fn has_same_properties(existing: &ThingGroup, wanted: &ThingGroup) -> bool {
    existing.description == wanted.description
        && existing.attributes == wanted.attributes
        && existing.query == wanted.query
}

fn already_exists(cx: &Cx, existing: &ThingGroup) -> ApiError {
    let name = &existing.name;
    let message =
        format!("Thing Group {name} already exists in current account with different properties");
    ApiError::already_exists(message, &existing.id, &thing_groups::arn(&cx.tenant, name))
}

fn check_sort(group: &ThingGroup, wanted: Sort) -> Result<(), ApiError> {
    let (found, operations) = match Sort::of(group) {
        Sort::Static => ("static", "UpdateThingGroup and DeleteThingGroup"),
        Sort::Dynamic => ("dynamic", "UpdateDynamicThingGroup and DeleteDynamicThingGroup"),
    };
    if Sort::of(group) == wanted {
        return Ok(());
    }
    let message = format!("The thing group {} is {found}: use {operations} for it.", group.name);
    Err(ApiError::invalid(message))
}

fn check_version(group: &ThingGroup, expected: Option<i64>) -> Result<(), ApiError> {
    expected_version::check("thing group", &group.name, group.version, expected)
}

#[cfg(test)]
mod tests {
    use types::Timestamp;

    use super::*;

    fn group() -> ThingGroup {
        let attributes = [("a".to_owned(), "1".to_owned())].into();
        let description = Some("first".to_owned());
        ThingGroup::new("g".to_owned(), "id".to_owned(), description, attributes, Timestamp::EPOCH)
    }

    #[test]
    fn an_update_changes_what_it_mentions() {
        let check = |properties: ThingGroupProperties, description: &str, attributes: &[&str]| {
            let mut changed = group();
            apply(&properties, &mut changed);
            assert_eq!(changed.description.as_deref(), Some(description));
            assert_eq!(changed.attributes.keys().collect::<Vec<_>>(), attributes);
        };
        let payload = |name: &str, merge: Option<bool>| {
            let attributes = Some([(name.to_owned(), "2".to_owned())].into());
            Some(AttributePayload { attributes, merge })
        };
        let none = ThingGroupProperties::default;
        check(none(), "first", &["a"]);
        let second = Some("second".to_owned());
        check(ThingGroupProperties { thing_group_description: second, ..none() }, "second", &["a"]);
        let replaced = payload("b", None);
        check(ThingGroupProperties { attribute_payload: replaced, ..none() }, "first", &["b"]);
        let merged = payload("b", Some(true));
        check(ThingGroupProperties { attribute_payload: merged, ..none() }, "first", &["a", "b"]);
    }
}
