//! What the registry tells of thing groups, of the things in them, and of groups below others.

use std::collections::BTreeMap;

use model::iot::op::{
    AddThingToThingGroup, CreateDynamicThingGroup, CreateThing, CreateThingGroup,
    DeleteDynamicThingGroup, DeleteThing, DeleteThingGroup, ListThingGroupsForThing,
    ListThingsInThingGroup, RemoveThingFromThingGroup, UpdateDynamicThingGroup, UpdateThingGroup,
    UpdateThingGroupsForThing,
};
use serde_json::{Value, json};
use service::kinds;
use store::{Direction, Key, KeyRange};
use testing::{Ear, Server};
use types::TenantId;

use super::{START_MS, switch, telling, topics};
use crate::races::both;
use crate::{add_to_group, code, create_group, create_thing, group_arn, refusal};

const MEMBERSHIP: &[&str] = &["THING_GROUP_MEMBERSHIP"];

/// What `told` has to say beside its topic, and beside what all events of groups say.
fn details((topic, mut event): (String, Value)) -> (String, Value) {
    let common = event.as_object_mut().unwrap();
    assert_eq!(common.remove("timestamp"), Some(START_MS.into()));
    assert_eq!(common.remove("accountId"), Some("000000000000".into()));
    (topic, event)
}

fn told(ear: &Ear) -> Vec<(String, Value)> {
    super::told(ear).into_iter().map(details).collect()
}

async fn remove_from_group(server: &Server, thing: &str, group: &str) {
    let request = json!({"thingName": thing, "thingGroupName": group});
    server.call::<RemoveThingFromThingGroup>(request).await.unwrap();
}

/// The event of a membership that is added or removed, without its id.
fn of_membership(group: &Value, thing: &Value, operation: &str) -> Value {
    json!({
        "eventType": "THING_GROUP_MEMBERSHIP_EVENT", "operation": operation,
        "groupArn": group["thingGroupArn"], "groupId": group["thingGroupId"],
        "thingArn": thing["thingArn"], "thingId": thing["thingId"],
    })
}

/// The only event that was told, which is of a membership; and the id of that.
fn membership(ear: &Ear) -> (String, Value, String) {
    let mut events = told(ear);
    assert_eq!(events.len(), 1, "{events:?}");
    let (topic, mut event) = events.remove(0);
    let id = event.as_object_mut().unwrap().remove("membershipId").unwrap();
    (topic, event, id.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_group_is_told_of_through_its_life_with_all_that_is_above_it() {
    let (server, ear) = telling(&["THING_GROUP"]).await;
    let site = create_group(&server, "site", "").await;
    let house = create_group(&server, "house", "site").await;
    told(&ear);
    let properties = json!({
        "thingGroupDescription": "third", "attributePayload": {"attributes": {"a": "1"}},
    });
    let request = json!({
        "thingGroupName": "floor", "parentGroupName": "house", "thingGroupProperties": properties,
    });
    let floor = server.call::<CreateThingGroup>(request.clone()).await.unwrap();
    server.call::<CreateThingGroup>(request).await.expect("it is there already");
    let event = |operation: &str, version: i64, description: &str| {
        json!({
            "eventType": "THING_GROUP_EVENT", "operation": operation,
            "thingGroupId": floor["thingGroupId"], "thingGroupName": "floor",
            "versionNumber": version, "parentGroupName": "house",
            "parentGroupId": house["thingGroupId"], "description": description,
            "rootToParentThingGroups": [
                {"groupArn": group_arn("site"), "groupId": site["thingGroupId"]},
                {"groupArn": group_arn("house"), "groupId": house["thingGroupId"]},
            ],
            "attributes": {"a": "1"}, "dynamicGroupMappingId": null,
        })
    };
    let expected = event("CREATED", 1, "third");
    assert_eq!(told(&ear), [("thingGroup/floor/created".to_owned(), expected)]);
    let properties = json!({"thingGroupDescription": "top"});
    let request = json!({"thingGroupName": "floor", "thingGroupProperties": properties});
    server.call::<UpdateThingGroup>(request.clone()).await.unwrap();
    let expected = event("UPDATED", 2, "top");
    assert_eq!(told(&ear), [("thingGroup/floor/updated".to_owned(), expected)]);
    let mut late = request;
    late["expectedVersion"] = json!(1);
    assert_eq!(code(server.call::<UpdateThingGroup>(late).await), "VersionConflictException");
    let refused = server.call::<DeleteThingGroup>(json!({"thingGroupName": "house"})).await;
    assert_eq!(code(refused), "InvalidRequestException");
    assert_eq!(topics(&ear), Vec::<String>::new(), "a refusal is no event");
    let floor = json!({"thingGroupName": "floor"});
    server.call::<DeleteThingGroup>(floor.clone()).await.unwrap();
    server.call::<DeleteThingGroup>(floor).await.expect("it is unknown now");
    let expected = event("DELETED", 2, "top");
    assert_eq!(told(&ear), [("thingGroup/floor/deleted".to_owned(), expected)]);
}

#[tokio::test]
async fn a_group_with_nothing_above_it_says_so() {
    let (server, ear) = telling(&["THING_GROUP", "THING_GROUP_HIERARCHY"]).await;
    let created = create_group(&server, "site", "").await;
    let expected = json!({
        "eventType": "THING_GROUP_EVENT", "operation": "CREATED",
        "thingGroupId": created["thingGroupId"], "thingGroupName": "site", "versionNumber": 1,
        "parentGroupName": null, "parentGroupId": null, "description": null,
        "rootToParentThingGroups": [], "attributes": {}, "dynamicGroupMappingId": null,
    });
    assert_eq!(told(&ear), [("thingGroup/site/created".to_owned(), expected)]);
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "site"})).await.unwrap();
    assert_eq!(topics(&ear), ["thingGroup/site/deleted"]);
}

#[tokio::test]
async fn dynamic_groups_are_told_of_as_well() {
    let (server, ear) = telling(&["THING_GROUP", "THING_GROUP_MEMBERSHIP"]).await;
    let named = json!({"thingGroupName": "hot"});
    let request = json!({"thingGroupName": "hot", "queryString": "attributes.t:1"});
    server.call::<CreateDynamicThingGroup>(request).await.unwrap();
    let request = json!({"thingGroupName": "hot", "thingGroupProperties": {}});
    server.call::<UpdateDynamicThingGroup>(request).await.unwrap();
    server.call::<DeleteDynamicThingGroup>(named).await.unwrap();
    let changes = ["created", "updated", "deleted"];
    assert_eq!(topics(&ear), changes.map(|change| format!("thingGroup/hot/{change}")));
}

#[tokio::test]
async fn a_group_that_comes_below_another_one_and_goes_is_told_of() {
    let (server, ear) = telling(&["THING_GROUP_HIERARCHY"]).await;
    create_group(&server, "site", "").await;
    let house = create_group(&server, "house", "site").await;
    let first = topics(&ear);
    assert_eq!(first, ["thingGroupHierarchy/thingGroup/site/childThingGroup/house/added"]);
    let floor = create_group(&server, "floor", "house").await;
    create_group(&server, "floor", "house").await;
    let event = |operation: &str| {
        json!({
            "eventType": "THING_GROUP_HIERARCHY_EVENT", "operation": operation,
            "thingGroupId": house["thingGroupId"], "thingGroupName": "house",
            "childGroupId": floor["thingGroupId"], "childGroupName": "floor",
        })
    };
    let topic = "thingGroupHierarchy/thingGroup/house/childThingGroup/floor";
    assert_eq!(told(&ear), [(format!("{topic}/added"), event("ADDED"))]);
    let properties = json!({"thingGroupDescription": "d"});
    let request = json!({"thingGroupName": "floor", "thingGroupProperties": properties});
    server.call::<UpdateThingGroup>(request).await.unwrap();
    assert_eq!(topics(&ear), Vec::<String>::new(), "it stays where it is");
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "floor"})).await.unwrap();
    assert_eq!(told(&ear), [(format!("{topic}/removed"), event("REMOVED"))]);
}

#[tokio::test]
async fn a_thing_that_joins_a_group_and_leaves_it_is_told_of_under_one_id() {
    let (server, ear) = telling(MEMBERSHIP).await;
    let house = create_group(&server, "house", "").await;
    let lamp = create_thing(&server, "lamp").await;
    remove_from_group(&server, "lamp", "house").await;
    assert_eq!(topics(&ear), Vec::<String>::new(), "it was not in it");
    add_to_group(&server, "lamp", "house").await;
    let (topic, event, first) = membership(&ear);
    let prefix = "thingGroupMembership/thingGroup/house/thing/lamp";
    assert_eq!((topic, event), (format!("{prefix}/added"), of_membership(&house, &lamp, "ADDED")));
    add_to_group(&server, "lamp", "house").await;
    assert_eq!(topics(&ear), Vec::<String>::new(), "it is in it already");
    remove_from_group(&server, "lamp", "house").await;
    let (topic, event, removed) = membership(&ear);
    let expected = of_membership(&house, &lamp, "REMOVED");
    assert_eq!((topic, event), (format!("{prefix}/removed"), expected));
    assert_eq!(removed, first);
    add_to_group(&server, "lamp", "house").await;
    assert_ne!(membership(&ear).2, first, "it is another membership");
}

#[tokio::test]
async fn one_change_of_several_groups_tells_of_each() {
    let (server, ear) = telling(MEMBERSHIP).await;
    create_thing(&server, "lamp").await;
    for group in ["a", "b", "c", "d"] {
        create_group(&server, group, "").await;
    }
    let change = |add: &[&str], remove: &[&str]| {
        let request =
            json!({"thingName": "lamp", "thingGroupsToAdd": add, "thingGroupsToRemove": remove});
        server.call::<UpdateThingGroupsForThing>(request)
    };
    let topic = |group: &str, tie: &str| {
        format!("thingGroupMembership/thingGroup/{group}/thing/lamp/{tie}")
    };
    change(&["b", "a"], &[]).await.unwrap();
    assert_eq!(topics(&ear), [topic("a", "added"), topic("b", "added")]);
    change(&["b", "c"], &["a", "d"]).await.unwrap();
    assert_eq!(topics(&ear), [topic("a", "removed"), topic("c", "added")]);
    assert_eq!(code(change(&["d", "none"], &[]).await), "ResourceNotFoundException");
    assert_eq!(topics(&ear), Vec::<String>::new());
}

#[tokio::test]
async fn a_thing_that_is_deleted_leaves_the_groups_that_are_there() {
    let (server, ear) = telling(&["THING", "THING_GROUP_MEMBERSHIP"]).await;
    let lamp = create_thing(&server, "lamp").await;
    create_group(&server, "gone", "").await;
    let house = create_group(&server, "house", "").await;
    told(&ear);
    add_to_group(&server, "lamp", "house").await;
    let (_, _, added) = membership(&ear);
    add_to_group(&server, "lamp", "gone").await;
    // Then the things of a group stay unread when it is deleted.
    switch(&server, MEMBERSHIP, false).await;
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "gone"})).await.unwrap();
    switch(&server, MEMBERSHIP, true).await;
    told(&ear);
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    let mut events = told(&ear);
    assert_eq!(events.remove(0).0, "thing/lamp/deleted");
    let mut expected = of_membership(&house, &lamp, "REMOVED");
    expected["membershipId"] = json!(added);
    let topic = "thingGroupMembership/thingGroup/house/thing/lamp/removed";
    assert_eq!(events, [(topic.to_owned(), expected)]);
}

#[tokio::test]
async fn all_things_of_a_group_leave_it_before_it_is_deleted() {
    const THINGS: usize = 120;
    let (server, ear) = telling(&["THING_GROUP", "THING_GROUP_MEMBERSHIP"]).await;
    create_group(&server, "house", "").await;
    create_group(&server, "hut", "").await;
    for number in 0..THINGS {
        let name = format!("t{number:03}");
        create_thing(&server, &name).await;
        add_to_group(&server, &name, "house").await;
    }
    add_to_group(&server, "t007", "hut").await;
    let mut added = BTreeMap::new();
    for (topic, event) in told(&ear) {
        added.insert(topic.replace("added", "removed"), event["membershipId"].clone());
    }
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "house"})).await.unwrap();
    let mut events = told(&ear);
    assert_eq!(events.pop().unwrap().0, "thingGroup/house/deleted");
    assert_eq!(events.len(), THINGS);
    for (topic, event) in events {
        assert_eq!(added.get(&topic), Some(&event["membershipId"]), "{topic}");
    }
    let left = server.call::<ListThingGroupsForThing>(json!({"thingName": "t007"})).await;
    let hut = json!([{"groupName": "hut", "groupArn": group_arn("hut")}]);
    assert_eq!(left.unwrap()["thingGroups"], hut);
    create_group(&server, "house", "").await;
    let things = server.call::<ListThingsInThingGroup>(json!({"thingGroupName": "house"})).await;
    assert_eq!(things.unwrap()["things"], json!([]));
}

#[tokio::test]
async fn a_group_that_may_not_be_deleted_keeps_its_things() {
    let (server, ear) = telling(MEMBERSHIP).await;
    create_group(&server, "house", "").await;
    create_group(&server, "floor", "house").await;
    create_thing(&server, "lamp").await;
    add_to_group(&server, "lamp", "house").await;
    told(&ear);
    let named = json!({"thingGroupName": "house"});
    let (code, message) = refusal(server.call::<DeleteThingGroup>(named.clone()).await);
    let expected =
        "Cannot delete thing group : house when there are still child groups attached to it.";
    assert_eq!((code, message.as_str()), ("InvalidRequestException", expected));
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "floor"})).await.unwrap();
    let late = json!({"thingGroupName": "house", "expectedVersion": 7});
    let refused = server.call::<DeleteThingGroup>(late).await;
    assert_eq!(refusal(refused).0, "VersionConflictException");
    assert_eq!(topics(&ear), Vec::<String>::new());
    let things = server.call::<ListThingsInThingGroup>(named).await.unwrap();
    assert_eq!(things["things"], json!(["lamp"]));
}

#[tokio::test]
async fn a_thing_that_joins_a_group_that_is_deleted_is_told_to_leave_it() {
    let (server, ear) = telling(&["THING_GROUP", "THING_GROUP_MEMBERSHIP"]).await;
    create_thing(&server, "lamp").await;
    let mut joined = 0;
    for round in 0..8 {
        create_group(&server, "house", "").await;
        let membership = json!({"thingName": "lamp", "thingGroupName": "house"});
        let (added, deleted) = both(
            round,
            server.call::<AddThingToThingGroup>(membership),
            server.call::<DeleteThingGroup>(json!({"thingGroupName": "house"})),
        )
        .await;
        deleted.unwrap();
        let expected: &[&str] = if added.is_ok() { &["added", "removed"] } else { &[] };
        let topic = |tie: &&str| format!("thingGroupMembership/thingGroup/house/thing/lamp/{tie}");
        let mut told = topics(&ear);
        told.retain(|topic| topic.starts_with("thingGroupMembership/"));
        told.sort();
        assert_eq!(told, expected.iter().map(topic).collect::<Vec<_>>());
        joined += usize::from(added.is_ok());
    }
    assert!(joined > 0);
}

#[tokio::test]
async fn what_is_off_leaves_nothing_behind() {
    let (server, ear) = telling(&["THING_TYPE"]).await;
    create_group(&server, "house", "").await;
    create_group(&server, "floor", "house").await;
    server.call::<CreateThing>(json!({"thingName": "lamp"})).await.unwrap();
    let request = json!({"thingName": "lamp", "thingGroupName": "floor"});
    server.call::<AddThingToThingGroup>(request).await.unwrap();
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "floor"})).await.unwrap();
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    assert_eq!(topics(&ear), Vec::<String>::new());
    let range = KeyRange::prefix(&Key::new(TenantId::GLOBAL, kinds::OUTBOX));
    let page = server.app().store.scan(range, None, 10, Direction::Forward).await.unwrap();
    assert_eq!(page.entries, []);
}
