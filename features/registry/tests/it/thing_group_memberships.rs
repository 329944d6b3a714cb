//! Things in thing groups: add, remove, list from either side.

use model::iot::op::{
    AddThingToThingGroup, DeleteThing, DeleteThingGroup, ListThingGroupsForThing,
    ListThingsInThingGroup, RemoveThingFromThingGroup, UpdateThingGroupsForThing,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{add_to_group, code, create_group, create_thing, each, group_arn, refusal, server};

const LAMP: &str = "arn:aws:iot:us-east-1:000000000000:thing/lamp";

async fn groups_of(server: &Server, thing: &str) -> Vec<String> {
    let listed = server.call::<ListThingGroupsForThing>(json!({"thingName": thing}));
    each(&listed.await.unwrap()["thingGroups"], "groupName")
}

async fn things_in(server: &Server, group: &str, is_recursive: bool) -> Value {
    let request = json!({"thingGroupName": group, "recursive": is_recursive});
    server.call::<ListThingsInThingGroup>(request).await.unwrap()["things"].clone()
}

/// All ways to name the thing `lamp` and the group `house`.
fn forms() -> [Value; 5] {
    [
        json!({"thingName": "lamp", "thingGroupName": "house"}),
        json!({"thingArn": LAMP, "thingGroupArn": group_arn("house")}),
        json!({"thingArn": LAMP, "thingGroupName": "house"}),
        json!({"thingName": "lamp", "thingGroupArn": group_arn("house")}),
        json!({
            "thingName": "lamp", "thingArn": LAMP,
            "thingGroupName": "house", "thingGroupArn": group_arn("house"),
        }),
    ]
}

#[tokio::test]
async fn a_thing_is_added_and_removed_by_name_and_by_arn_as_often_as_one_likes() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    create_group(&server, "house", "").await;
    for form in forms() {
        server.call::<RemoveThingFromThingGroup>(form.clone()).await.unwrap();
        for again in forms() {
            server.call::<AddThingToThingGroup>(again).await.unwrap();
            assert_eq!(things_in(&server, "house", false).await, json!(["lamp"]));
        }
        assert_eq!(groups_of(&server, "lamp").await, ["house"]);
        server.call::<RemoveThingFromThingGroup>(form).await.unwrap();
        assert_eq!(things_in(&server, "house", false).await, json!([]));
        assert_eq!(groups_of(&server, "lamp").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_named_badly_is_neither_added_nor_removed() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    create_group(&server, "house", "").await;
    let house = group_arn("house");
    let (invalid, not_found) = ("InvalidRequestException", "ResourceNotFoundException");
    let elsewhere = "arn:aws:iot:eu-west-1:000000000000:thing/lamp";
    let other_partition = "arn:aws-cn:iot:us-east-1:000000000000:thing/lamp";
    for (request, expected) in [
        (json!({"thingName": "lamp"}), invalid),
        (json!({"thingGroupName": "house"}), invalid),
        (json!({"thingName": "lamp", "thingGroupName": "none"}), not_found),
        (json!({"thingName": "none", "thingGroupName": "house"}), not_found),
        (json!({"thingName": "lump", "thingArn": LAMP, "thingGroupName": "house"}), invalid),
        (json!({"thingName": "lamp", "thingGroupName": "hut", "thingGroupArn": house}), invalid),
        (json!({"thingArn": "lamp", "thingGroupName": "house"}), invalid),
        (json!({"thingArn": house, "thingGroupName": "house"}), invalid),
        (json!({"thingArn": elsewhere, "thingGroupName": "house"}), not_found),
        (json!({"thingArn": other_partition, "thingGroupName": "house"}), not_found),
        (json!({"thingName": "lamp", "thingGroupArn": group_arn("none")}), not_found),
    ] {
        let added = server.call::<AddThingToThingGroup>(request.clone()).await;
        assert_eq!(code(added), expected, "{request}");
        let removed = server.call::<RemoveThingFromThingGroup>(request.clone()).await;
        assert_eq!(code(removed), expected, "{request}");
    }
    assert_eq!(things_in(&server, "house", false).await, json!([]));
}

#[tokio::test]
async fn a_thing_is_in_one_group_of_a_hierarchy() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    for (name, parent) in [("house", ""), ("floor1", "house"), ("floor2", "house"), ("hut", "")] {
        create_group(&server, name, parent).await;
    }
    add_to_group(&server, "lamp", "floor1").await;
    add_to_group(&server, "lamp", "hut").await;
    for name in ["house", "floor2"] {
        let request = json!({"thingName": "lamp", "thingGroupName": name});
        let (code, message) = refusal(server.call::<AddThingToThingGroup>(request).await);
        assert_eq!(code, "InvalidRequestException");
        assert!(message.contains("floor1"), "{message}");
    }
    assert_eq!(groups_of(&server, "lamp").await, ["floor1", "house", "hut"]);
    // What is gone is no obstacle.
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "floor1"})).await.unwrap();
    add_to_group(&server, "lamp", "floor2").await;
    assert_eq!(groups_of(&server, "lamp").await, ["floor2", "house", "hut"]);
}

#[tokio::test]
async fn a_thing_is_in_ten_groups_at_most() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    for number in 0..11 {
        create_group(&server, &format!("g{number}"), "").await;
    }
    for number in 0..10 {
        add_to_group(&server, "lamp", &format!("g{number}")).await;
    }
    let more = json!({"thingName": "lamp", "thingGroupName": "g10"});
    let added = server.call::<AddThingToThingGroup>(more.clone()).await;
    assert_eq!(code(added), "InvalidRequestException");
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "g4"})).await.unwrap();
    server.call::<AddThingToThingGroup>(more).await.unwrap();
    let left: Vec<usize> = groups_of(&server, "lamp")
        .await
        .iter()
        .map(|name| name.trim_start_matches('g').parse().unwrap())
        .collect();
    assert_eq!(left, [0, 1, 10, 2, 3, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn groups_of_a_thing_are_changed_together_or_not_at_all() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    for (name, parent) in [("house", ""), ("floor", "house"), ("hut", ""), ("shed", "")] {
        create_group(&server, name, parent).await;
    }
    let change = |add: &[&str], remove: &[&str]| json!({"thingName": "lamp", "thingGroupsToAdd": add, "thingGroupsToRemove": remove});
    server.call::<UpdateThingGroupsForThing>(change(&["house", "hut"], &[])).await.unwrap();
    // A thing moves within its hierarchy at once.
    let request = change(&["floor", "shed"], &["house", "hut", "shed"]);
    let both = server.call::<UpdateThingGroupsForThing>(request).await;
    assert_eq!(code(both), "InvalidRequestException");
    let request = change(&["floor", "shed"], &["house", "hut"]);
    server.call::<UpdateThingGroupsForThing>(request).await.unwrap();
    assert_eq!(groups_of(&server, "lamp").await, ["floor", "house", "shed"]);
    assert_eq!(things_in(&server, "house", false).await, json!([]));
    assert_eq!(things_in(&server, "house", true).await, json!(["lamp"]));
    assert_eq!(things_in(&server, "hut", true).await, json!([]));

    let many: Vec<String> = (0..11).map(|number| format!("g{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (request, expected) in [
        (change(&["hut", "none"], &["floor"]), "ResourceNotFoundException"),
        (change(&["hut"], &["none"]), "ResourceNotFoundException"),
        (change(&["house"], &["shed"]), "InvalidRequestException"),
        (change(&many, &[]), "InvalidRequestException"),
        (change(&[], &many), "InvalidRequestException"),
        (json!({"thingGroupsToAdd": ["hut"]}), "InvalidRequestException"),
        (json!({"thingName": "none", "thingGroupsToAdd": ["hut"]}), "ResourceNotFoundException"),
    ] {
        let updated = server.call::<UpdateThingGroupsForThing>(request.clone()).await;
        assert_eq!(code(updated), expected, "{request}");
    }
    assert_eq!(groups_of(&server, "lamp").await, ["floor", "house", "shed"]);
}

#[tokio::test]
async fn a_group_lists_its_things_and_with_recursive_those_below_it() {
    let server = server().await;
    for (name, parent) in [("house", ""), ("floor", "house"), ("room", "floor"), ("hut", "")] {
        create_group(&server, name, parent).await;
    }
    // A thing and a group of one name do not get into each other's way.
    for (thing, group) in [
        ("b", "house"),
        ("a", "house"),
        ("floor", "house"),
        ("c", "floor"),
        ("d", "room"),
        ("e", "hut"),
    ] {
        create_thing(&server, thing).await;
        add_to_group(&server, thing, group).await;
    }
    for (group, direct, all) in [
        ("house", json!(["a", "b", "floor"]), json!(["a", "b", "floor", "c", "d"])),
        ("floor", json!(["c"]), json!(["c", "d"])),
        ("room", json!(["d"]), json!(["d"])),
        ("hut", json!(["e"]), json!(["e"])),
    ] {
        assert_eq!(things_in(&server, group, false).await, direct, "{group}");
        assert_eq!(things_in(&server, group, true).await, all, "{group}");
        let default = json!({"thingGroupName": group});
        let default = server.call::<ListThingsInThingGroup>(default).await.unwrap();
        assert_eq!(default["things"], direct, "{group}");
    }
    let unknown = server.call::<ListThingsInThingGroup>(json!({"thingGroupName": "none"})).await;
    assert_eq!(code(unknown), "ResourceNotFoundException");
    let unknown = server.call::<ListThingGroupsForThing>(json!({"thingName": "none"})).await;
    assert_eq!(code(unknown), "ResourceNotFoundException");
}

#[tokio::test]
async fn both_lists_have_pages() {
    let server = server().await;
    create_group(&server, "house", "").await;
    create_group(&server, "floor", "house").await;
    for thing in ["a", "b", "c"] {
        create_thing(&server, thing).await;
        add_to_group(&server, thing, if thing == "b" { "floor" } else { "house" }).await;
    }
    for group in ["x", "y"] {
        create_group(&server, group, "").await;
        add_to_group(&server, "a", group).await;
    }
    let (mut seen, mut request) =
        (Vec::new(), json!({"thingGroupName": "house", "recursive": true, "maxResults": 2}));
    loop {
        let page = server.call::<ListThingsInThingGroup>(request.clone()).await.unwrap();
        seen.push(page["things"].clone());
        let Some(token) = page.get("nextToken") else { break };
        request["nextToken"] = token.clone();
    }
    assert_eq!(seen, [json!(["a", "c"]), json!(["b"])]);

    let (mut seen, mut request) = (Vec::new(), json!({"thingName": "a", "maxResults": 2}));
    loop {
        let page = server.call::<ListThingGroupsForThing>(request.clone()).await.unwrap();
        seen.push(each(&page["thingGroups"], "groupName"));
        let Some(token) = page.get("nextToken") else { break };
        request["nextToken"] = token.clone();
    }
    assert_eq!(seen, [vec!["house", "x"], vec!["y"]]);
    request["thingName"] = json!("b");
    let other = server.call::<ListThingGroupsForThing>(request).await;
    assert_eq!(code(other), "InvalidRequestException");
}

#[tokio::test]
async fn a_deleted_thing_is_in_no_group() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    create_group(&server, "house", "").await;
    add_to_group(&server, "lamp", "house").await;
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    assert_eq!(things_in(&server, "house", true).await, json!([]));
    create_thing(&server, "lamp").await;
    assert_eq!(groups_of(&server, "lamp").await, Vec::<String>::new());
}
