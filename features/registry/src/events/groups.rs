//! Events of thing groups, for whoever changes them.

#![allow(dead_code, reason = "thing groups do not tell of themselves yet")]

use std::collections::BTreeMap;

use model::iot::EventType;
use serde_json::{Value, json};
use service::Cx;

use super::{Change, Event, Tie};

/// A group, as its event describes it: after a change, or before it is deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupEvent<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a str,
    pub(crate) version: i64,
    pub(crate) description: Option<&'a str>,
    pub(crate) attributes: &'a BTreeMap<String, String>,
    /// The names and ids of the groups above it, the root first, its parent last.
    pub(crate) ancestors: &'a [(&'a str, &'a str)],
    /// That of a dynamic group.
    pub(crate) mapping_id: Option<&'a str>,
}

/// A thing that is put into a group, or taken out of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MembershipEvent<'a> {
    pub(crate) group_name: &'a str,
    pub(crate) group_id: &'a str,
    pub(crate) thing_name: &'a str,
    pub(crate) thing_id: &'a str,
    pub(crate) membership_id: &'a str,
}

/// A group that is put under another one, or taken from under it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HierarchyEvent<'a> {
    pub(crate) parent_name: &'a str,
    pub(crate) parent_id: &'a str,
    pub(crate) child_name: &'a str,
    pub(crate) child_id: &'a str,
}

/// What happened to a thing group.
pub(crate) fn thing_group(cx: &Cx, change: Change, group: &GroupEvent<'_>) -> Event {
    let GroupEvent { name, id, version, description, attributes, ancestors, mapping_id } = *group;
    let parent = ancestors.last();
    let ancestor = |(name, id): &(&str, &str)| json!({ "groupArn": arn(cx, name), "groupId": id });
    let path: Vec<Value> = ancestors.iter().map(ancestor).collect();
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
            "parentGroupName": parent.map(|(name, _)| name),
            "parentGroupId": parent.map(|(_, id)| id),
            "description": description,
            "rootToParentThingGroups": path,
            "attributes": attributes,
            "dynamicGroupMappingId": mapping_id,
        }),
    }
}

/// That a thing is now, or is no longer, in a group.
pub(crate) fn thing_group_membership(cx: &Cx, tie: Tie, of: &MembershipEvent<'_>) -> Event {
    let MembershipEvent { group_name, group_id, thing_name, thing_id, membership_id } = *of;
    let word = tie.word();
    Event {
        kind: EventType::ThingGroupMembership,
        topic: format!("thingGroupMembership/thingGroup/{group_name}/thing/{thing_name}/{word}"),
        name: "THING_GROUP_MEMBERSHIP_EVENT",
        operation: tie.operation(),
        names_account: true,
        details: json!({
            "groupArn": arn(cx, group_name),
            "groupId": group_id,
            "thingArn": cx.arn(&format!("thing/{thing_name}")),
            "thingId": thing_id,
            "membershipId": membership_id,
        }),
    }
}

/// That a group is now, or is no longer, under another one.
pub(crate) fn thing_group_hierarchy(tie: Tie, of: &HierarchyEvent<'_>) -> Event {
    let HierarchyEvent { parent_name, parent_id, child_name, child_id } = *of;
    let word = tie.word();
    Event {
        kind: EventType::ThingGroupHierarchy,
        topic: format!(
            "thingGroupHierarchy/thingGroup/{parent_name}/childThingGroup/{child_name}/{word}"
        ),
        name: "THING_GROUP_HIERARCHY_EVENT",
        operation: tie.operation(),
        names_account: true,
        details: json!({
            "thingGroupId": parent_id,
            "thingGroupName": parent_name,
            "childGroupId": child_id,
            "childGroupName": child_name,
        }),
    }
}

fn arn(cx: &Cx, group: &str) -> String {
    cx.arn(&format!("thinggroup/{group}"))
}

#[cfg(test)]
mod tests {
    use testing::Server;

    use super::*;

    /// The topic and the contents of an event, without what differs each time.
    fn told(cx: &Cx, event: Event) -> (String, Value) {
        let (topic, mut payload) = event.written(cx);
        let members = payload.as_object_mut().expect("an event is an object");
        assert!(members.remove("eventId").is_some() && members.remove("timestamp").is_some());
        (topic, payload)
    }

    #[tokio::test]
    async fn a_group_is_told_of_with_all_that_is_above_it() {
        let server = Server::with(Vec::new()).await;
        let cx = server.cx("UpdateThingGroup").await;
        let attributes = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let group = GroupEvent {
            name: "floor",
            id: "id-f",
            version: 3,
            description: Some("third"),
            attributes: &attributes,
            ancestors: &[("site", "id-s"), ("house", "id-h")],
            mapping_id: None,
        };
        let arn = |name: &str| format!("arn:aws:iot:us-east-1:000000000000:thinggroup/{name}");
        let expected = json!({
            "eventType": "THING_GROUP_EVENT", "operation": "UPDATED", "accountId": "000000000000",
            "thingGroupId": "id-f", "thingGroupName": "floor", "versionNumber": 3,
            "parentGroupName": "house", "parentGroupId": "id-h", "description": "third",
            "rootToParentThingGroups": [
                {"groupArn": arn("site"), "groupId": "id-s"},
                {"groupArn": arn("house"), "groupId": "id-h"},
            ],
            "attributes": {"a": "1"}, "dynamicGroupMappingId": null,
        });
        let topic = "$aws/events/thingGroup/floor/updated".to_owned();
        assert_eq!(told(&cx, thing_group(&cx, Change::Updated, &group)), (topic, expected));
        let (bare, attributes) = (&[][..], BTreeMap::new());
        let group = GroupEvent { ancestors: bare, attributes: &attributes, ..group };
        let (topic, payload) = told(&cx, thing_group(&cx, Change::Deleted, &group));
        assert_eq!(topic, "$aws/events/thingGroup/floor/deleted");
        assert_eq!(payload["parentGroupName"], Value::Null);
        assert_eq!(payload["rootToParentThingGroups"], json!([]));
    }

    #[tokio::test]
    async fn what_is_put_into_a_group_is_told_of() {
        let server = Server::with(Vec::new()).await;
        let cx = server.cx("AddThingToThingGroup").await;
        let of = MembershipEvent {
            group_name: "floor",
            group_id: "id-f",
            thing_name: "lamp",
            thing_id: "id-l",
            membership_id: "id-m",
        };
        let expected = json!({
            "eventType": "THING_GROUP_MEMBERSHIP_EVENT", "operation": "ADDED",
            "accountId": "000000000000",
            "groupArn": "arn:aws:iot:us-east-1:000000000000:thinggroup/floor", "groupId": "id-f",
            "thingArn": "arn:aws:iot:us-east-1:000000000000:thing/lamp", "thingId": "id-l",
            "membershipId": "id-m",
        });
        let topic = "$aws/events/thingGroupMembership/thingGroup/floor/thing/lamp/added".to_owned();
        assert_eq!(told(&cx, thing_group_membership(&cx, Tie::Added, &of)), (topic, expected));
        let of = HierarchyEvent {
            parent_name: "house",
            parent_id: "id-h",
            child_name: "floor",
            child_id: "id-f",
        };
        let expected = json!({
            "eventType": "THING_GROUP_HIERARCHY_EVENT", "operation": "REMOVED",
            "accountId": "000000000000", "thingGroupId": "id-h", "thingGroupName": "house",
            "childGroupId": "id-f", "childGroupName": "floor",
        });
        let topic =
            "$aws/events/thingGroupHierarchy/thingGroup/house/childThingGroup/floor/removed";
        let told = told(&cx, thing_group_hierarchy(Tie::Removed, &of));
        assert_eq!(told, (topic.to_owned(), expected));
    }
}
