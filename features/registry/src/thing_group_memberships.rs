//! Things in thing groups: add, remove, list from either side.

use model::iot::{
    AddThingToThingGroupRequest, AddThingToThingGroupResponse, EventType,
    ListThingGroupsForThingRequest, ListThingGroupsForThingResponse, ListThingsInThingGroupRequest,
    ListThingsInThingGroupResponse, RemoveThingFromThingGroupRequest,
    RemoveThingFromThingGroupResponse, UpdateThingGroupsForThingRequest,
    UpdateThingGroupsForThingResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, PageRequest, operations};
use store::Batch;

use crate::events::{self, Wanted};
use crate::named::Named;
use crate::store::thing_group_memberships::{self, Membership};
use crate::store::thing_groups::{self, ThingGroup};
use crate::store::{Stored, things};
use crate::thing_groups::{find, listed};
use crate::things::not_found;

/// Things that leave a group in one change, when that is to be deleted.
const TAKEN_OUT_AT_ONCE: u32 = 50;

operations! { iot:
    AddThingToThingGroup => add_thing_to_thing_group,
    RemoveThingFromThingGroup => remove_thing_from_thing_group,
    UpdateThingGroupsForThing => update_thing_groups_for_thing,
    ListThingGroupsForThing => list_thing_groups_for_thing,
    ListThingsInThingGroup => list_things_in_thing_group,
}

/// Adds a thing to a group. Adding it again is not an error.
async fn add_thing_to_thing_group(
    cx: &Cx,
    request: AddThingToThingGroupRequest,
) -> Result<AddThingToThingGroupResponse, ApiError> {
    let thing = Named::thing(&request.thing_name, &request.thing_arn).resolve(cx)?;
    let group = Named::thing_group(&request.thing_group_name, &request.thing_group_arn);
    let group = group.resolve(cx)?.to_owned();
    retry(|| try_change(cx, thing, std::slice::from_ref(&group), &[])).await?;
    Ok(AddThingToThingGroupResponse {})
}

/// Removes a thing from a group. Removing it where it is not is not an error.
async fn remove_thing_from_thing_group(
    cx: &Cx,
    request: RemoveThingFromThingGroupRequest,
) -> Result<RemoveThingFromThingGroupResponse, ApiError> {
    let thing = Named::thing(&request.thing_name, &request.thing_arn).resolve(cx)?;
    let group = Named::thing_group(&request.thing_group_name, &request.thing_group_arn);
    let group = group.resolve(cx)?.to_owned();
    retry(|| try_change(cx, thing, &[], std::slice::from_ref(&group))).await?;
    Ok(RemoveThingFromThingGroupResponse {})
}

/// Removes a thing from some groups and adds it to others, all or nothing.
async fn update_thing_groups_for_thing(
    cx: &Cx,
    request: UpdateThingGroupsForThingRequest,
) -> Result<UpdateThingGroupsForThingResponse, ApiError> {
    let thing = request.thing_name.ok_or_else(|| ApiError::invalid("Pass thingName."))?;
    let add = request.thing_groups_to_add.unwrap_or_default();
    let remove = request.thing_groups_to_remove.unwrap_or_default();
    let max = cx.app.limits.thing_groups_per_thing_max;
    for (member, groups) in [("thingGroupsToAdd", &add), ("thingGroupsToRemove", &remove)] {
        if groups.len() > max {
            let found = groups.len();
            let message = format!("{member} can have at most {max} groups, not {found}.");
            return Err(ApiError::invalid(message));
        }
    }
    if let Some(both) = add.iter().find(|name| remove.contains(name)) {
        let message = format!("The thing group {both} is to be added and to be removed.");
        return Err(ApiError::invalid(message));
    }
    retry(|| try_change(cx, &thing, &add, &remove)).await?;
    Ok(UpdateThingGroupsForThingResponse {})
}

async fn try_change(
    cx: &Cx,
    thing: &str,
    add: &[String],
    remove: &[String],
) -> Result<(), Setback> {
    let described = crate::things::find(cx, thing).await?;
    let stored = thing_group_memberships::find(cx, thing).await?;
    let before = thing_group_memberships::current(cx, stored.as_ref()).await?;
    let mut after = before.clone();
    let mut batch = Batch::new();
    for name in remove {
        find_static(cx, name).await?;
        after.retain(|membership| membership.group != *name);
    }
    for name in add {
        let group = find_static(cx, name).await?;
        group.require_unchanged(&mut batch);
        let membership = Membership::new(&group.document, cx.new_uuid().to_string());
        add_membership(&mut after, thing, membership)?;
    }
    if after == before {
        return Ok(());
    }
    let max = cx.app.limits.thing_groups_per_thing_max;
    if after.len() > max {
        let message = format!("The thing {thing} can be in at most {max} thing groups.");
        return Err(ApiError::invalid(message).into());
    }
    let wanted = events::wanted(cx).await?;
    if wanted.has(EventType::ThingGroupMembership) {
        // What is told has the thing's id.
        described.require_unchanged(&mut batch);
    } else {
        things::require(cx, &mut batch, thing);
    }
    thing_group_memberships::replace(cx, &mut batch, thing, stored.as_ref(), &after);
    let told = || events::groups::memberships(cx, &described.document, &before, &after);
    events::commit(cx, batch, &wanted, told).await?;
    Ok(())
}

/// Takes some of its things out of `group`, which is to be deleted, and tells of that. Whether
/// there were any.
pub(crate) async fn take_some_out(
    cx: &Cx,
    wanted: &Wanted,
    group: &Stored<ThingGroup>,
) -> Result<bool, Setback> {
    let things =
        thing_group_memberships::first_of_group(cx, &group.document, TAKEN_OUT_AT_ONCE).await?;
    let mut batch = Batch::new();
    group.require_unchanged(&mut batch);
    thing_groups::require_no_children(cx, &mut batch, &group.document.name);
    let mut told = Vec::new();
    for name in &things {
        let thing = things::find(cx, name).await?.ok_or(Setback::Moved)?.document;
        let stored = thing_group_memberships::find(cx, name).await?;
        let before = stored.as_ref().map_or(&[][..], |stored| &stored.document.groups);
        let (left, kept): (Vec<Membership>, Vec<Membership>) =
            before.iter().cloned().partition(|membership| membership.id == group.document.id);
        thing_group_memberships::replace(cx, &mut batch, name, stored.as_ref(), &kept);
        thing_group_memberships::remove_member(cx, &mut batch, &group.document, name);
        told.extend(events::groups::memberships(cx, &thing, &left, &[]));
    }
    if things.is_empty() {
        return Ok(false);
    }
    // The audit trail must not say that the group is deleted by now.
    let step = Cx { operation: "RemoveThingFromThingGroup", ..cx.clone() };
    events::commit(&step, batch, wanted, || told).await?;
    Ok(true)
}

/// A thing is in one group of a hierarchy at most.
fn add_membership(
    memberships: &mut Vec<Membership>,
    thing: &str,
    added: Membership,
) -> Result<(), ApiError> {
    let related = memberships.iter().find(|other| other.root() == added.root());
    match related {
        Some(other) if other.group == added.group => Ok(()),
        Some(other) => Err(ApiError::invalid(format!(
            "The thing {thing} cannot be added to the thing group {}: it is in the group {} of the \
             same hierarchy.",
            added.group, other.group
        ))),
        None => {
            memberships.push(added);
            memberships.sort_unstable();
            Ok(())
        }
    }
}

/// Lists the groups that a thing was put into and those above them, by name.
async fn list_thing_groups_for_thing(
    cx: &Cx,
    request: ListThingGroupsForThingRequest,
) -> Result<ListThingGroupsForThingResponse, ApiError> {
    let thing = &request.thing_name;
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let cursor = cx.cursor(thing, page, cx.app.limits.page_default)?;
    check_thing_exists(cx, thing).await?;
    let stored = thing_group_memberships::find(cx, thing).await?;
    let current = thing_group_memberships::current(cx, stored.as_ref()).await?;
    let mut names: Vec<&str> = current.iter().flat_map(Membership::lineage).collect();
    names.sort_unstable();
    names.retain(|name| cursor.after.as_deref().is_none_or(|after| *name > after));
    let has_more = names.len() > cursor.limit;
    names.truncate(cursor.limit);
    let next_token = names.last().filter(|_| has_more).map(|last| cursor.token(cx, last));
    let groups = names.into_iter().map(|name| listed(cx, name.to_owned())).collect();
    Ok(ListThingGroupsForThingResponse { thing_groups: Some(groups), next_token })
}

/// Lists the things of a group by name; with those of the groups below it, by group first.
async fn list_things_in_thing_group(
    cx: &Cx,
    request: ListThingsInThingGroupRequest,
) -> Result<ListThingsInThingGroupResponse, ApiError> {
    let group = find(cx, &request.thing_group_name).await?.document;
    let is_recursive = request.recursive == Some(true);
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let found = thing_group_memberships::page_of_group(cx, &group, is_recursive, page).await?;
    let (things, next_token) = found;
    Ok(ListThingsInThingGroupResponse { things: Some(things), next_token })
}

async fn check_thing_exists(cx: &Cx, name: &str) -> Result<(), ApiError> {
    match things::find(cx, name).await? {
        Some(_) => Ok(()),
        None => Err(not_found(name)),
    }
}

/// The group called `name`, into which things can be put.
async fn find_static(cx: &Cx, name: &str) -> Result<Stored<ThingGroup>, ApiError> {
    let group = find(cx, name).await?;
    if group.document.is_dynamic() {
        return Err(ApiError::invalid(format!(
            "The thing group {name} is dynamic: its query decides which things are in it."
        )));
    }
    Ok(group)
}
