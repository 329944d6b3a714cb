//! Events of thing groups, of the things in them, and of groups below others.

use model::iot::EventType;
use serde_json::{Value, json};
use service::{ApiError, Cx};

use super::{Change, Event, Tie, Wanted};
use crate::store::thing_group_memberships::Membership;
use crate::store::thing_groups::{self, ThingGroup};
use crate::store::things::Thing;

/// What a change of `group`, as it is after it or was before it is deleted, is told by: that of the
/// group itself, and its place below its parent if it comes or goes. The groups above it are read
/// if one of the two is wanted.
pub(crate) async fn of_group(
    cx: &Cx,
    wanted: &Wanted,
    change: Change,
    group: &ThingGroup,
) -> Result<Vec<Event>, ApiError> {
    let tie = match change {
        Change::Created => Some(Tie::Added),
        Change::Updated => None,
        Change::Deleted => Some(Tie::Removed),
    };
    let tie = tie.filter(|_| wanted.has(EventType::ThingGroupHierarchy));
    if tie.is_none() && !wanted.has(EventType::ThingGroup) {
        return Ok(Vec::new());
    }
    let above = thing_groups::above(cx, group).await?;
    let tied = tie.zip(above.last()).map(|(tie, parent)| hierarchy(tie, parent, group));
    Ok([thing_group(cx, change, group, &above)].into_iter().chain(tied).collect())
}

/// What happened to a thing group, which is below those `above`, root first.
fn thing_group(cx: &Cx, change: Change, group: &ThingGroup, above: &[ThingGroup]) -> Event {
    let ThingGroup { name, id, version, description, attributes, .. } = group;
    let arn = |name: &str| thing_groups::arn(&cx.tenant, name);
    let listed = |group: &ThingGroup| json!({ "groupArn": arn(&group.name), "groupId": group.id });
    let path: Vec<Value> = above.iter().map(listed).collect();
    Event {
        kind: EventType::ThingGroup,
        topic: format!("thingGroup/{name}/{}", change.word()),
        name: "THING_GROUP_EVENT",
        operation: change.operation(),
        names_account: true,
        details: json!({
            "thingGroupId": id,
            "thingGroupName": name,
            "versionNumber": version,
            "parentGroupName": above.last().map(|parent| &parent.name),
            "parentGroupId": above.last().map(|parent| &parent.id),
            "description": description,
            "rootToParentThingGroups": path,
            "attributes": attributes,
            // What it would be for a dynamic group is not documented.
            "dynamicGroupMappingId": null,
        }),
    }
}

/// That a group is now, or is no longer, below another one.
fn hierarchy(tie: Tie, parent: &ThingGroup, child: &ThingGroup) -> Event {
    let path = format!("thingGroup/{}/childThingGroup/{}", parent.name, child.name);
    Event {
        kind: EventType::ThingGroupHierarchy,
        topic: format!("thingGroupHierarchy/{path}/{}", tie.word()),
        name: "THING_GROUP_HIERARCHY_EVENT",
        operation: tie.operation(),
        names_account: true,
        details: json!({
            "thingGroupId": parent.id,
            "thingGroupName": parent.name,
            "childGroupId": child.id,
            "childGroupName": child.name,
        }),
    }
}

/// What a change of the groups of `thing` from `before` to `after` is told by.
pub(crate) fn memberships(
    cx: &Cx,
    thing: &Thing,
    before: &[Membership],
    after: &[Membership],
) -> Vec<Event> {
    let removed = before.iter().filter(|old| !after.contains(old));
    let removed = removed.map(|old| membership(cx, Tie::Removed, thing, old));
    let added = after.iter().filter(|new| !before.contains(new));
    let added = added.map(|new| membership(cx, Tie::Added, thing, new));
    removed.chain(added).collect()
}

/// That a thing is now, or is no longer, in a group.
fn membership(cx: &Cx, tie: Tie, thing: &Thing, membership: &Membership) -> Event {
    let Membership { group, id, .. } = membership;
    let path = format!("thingGroup/{group}/thing/{}", thing.name);
    Event {
        kind: EventType::ThingGroupMembership,
        topic: format!("thingGroupMembership/{path}/{}", tie.word()),
        name: "THING_GROUP_MEMBERSHIP_EVENT",
        operation: tie.operation(),
        names_account: true,
        details: json!({
            "groupArn": thing_groups::arn(&cx.tenant, group),
            "groupId": id,
            "thingArn": cx.arn(&format!("thing/{}", thing.name)),
            "thingId": thing.id,
            "membershipId": membership.membership_id(),
        }),
    }
}
