//! Static thing groups: create, describe, update, delete, list.

use model::iot::op::{
    AttachPolicy, CreateThingGroup, DeletePolicy, DeleteThingGroup, DescribeThingGroup,
    ListTargetsForPolicy, ListThingGroups, ListThingGroupsForThing, ListThingsInThingGroup,
    UpdateThingGroup,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{
    add_to_group, code, create_group, create_policy, create_thing, each, group_arn, members,
    refusal, server,
};

fn named(name: &str) -> Value {
    json!({"thingGroupName": name})
}

async fn describe(server: &Server, name: &str) -> Value {
    server.call::<DescribeThingGroup>(named(name)).await.unwrap()
}

async fn listed(server: &Server, filter: Value) -> Vec<String> {
    each(&server.call::<ListThingGroups>(filter).await.unwrap()["thingGroups"], "groupName")
}

/// Groups `house`, below it `floor1` with `room1` and `room2`, and `floor2`; and beside it `hut`.
async fn houses(server: &Server) {
    for (name, parent) in [
        ("house", ""),
        ("floor1", "house"),
        ("floor2", "house"),
        ("room1", "floor1"),
        ("room2", "floor1"),
        ("hut", ""),
    ] {
        create_group(server, name, parent).await;
    }
}

#[tokio::test]
async fn a_group_is_described_as_it_was_created() {
    let server = server().await;
    create_group(&server, "house", "").await;
    let properties = json!({
        "thingGroupDescription": "upstairs",
        "attributePayload": {"attributes": {"a": "1", "b": "2"}},
    });
    let request = json!({
        "thingGroupName": "floor", "parentGroupName": "house", "thingGroupProperties": properties,
    });
    let created = server.call::<CreateThingGroup>(request).await.unwrap();
    assert_eq!(created["thingGroupArn"], group_arn("floor"));
    let mut described = describe(&server, "floor").await;
    let metadata = described["thingGroupMetadata"].take();
    let expected = json!({
        "thingGroupName": "floor", "thingGroupId": created["thingGroupId"],
        "thingGroupArn": group_arn("floor"), "version": 1, "thingGroupProperties": properties,
        "thingGroupMetadata": null,
    });
    assert_eq!(described, expected);
    let expected = ["creationDate", "parentGroupName", "rootToParentThingGroups"];
    assert_eq!(members(&metadata), expected.into());
    assert_eq!(metadata["parentGroupName"], "house");
    let above = json!([{"groupName": "house", "groupArn": group_arn("house")}]);
    assert_eq!(metadata["rootToParentThingGroups"], above);
}

#[tokio::test]
async fn a_bare_group_has_empty_properties_and_nothing_above_it() {
    let server = server().await;
    create_group(&server, "house", "").await;
    let described = describe(&server, "house").await;
    assert_eq!(described["thingGroupProperties"], json!({}));
    assert_eq!(members(&described["thingGroupMetadata"]), ["creationDate"].into());
    let described = server.call::<DescribeThingGroup>(named("none")).await;
    let expected = ("ResourceNotFoundException", "Thing group none cannot be found.".to_owned());
    assert_eq!(refusal(described), expected);
}

#[tokio::test]
async fn the_groups_above_are_named_from_the_root_on() {
    let server = server().await;
    houses(&server).await;
    let metadata = describe(&server, "room1").await["thingGroupMetadata"].take();
    assert_eq!(each(&metadata["rootToParentThingGroups"], "groupName"), ["house", "floor1"]);
    assert_eq!(metadata["parentGroupName"], "floor1");
}

#[tokio::test]
async fn creating_the_same_group_returns_the_first_and_another_is_refused() {
    let server = server().await;
    create_group(&server, "house", "").await;
    let request = |description: &str, parent: &str| {
        let properties = json!({"thingGroupDescription": description});
        let name = "floor";
        json!({"thingGroupName": name, "parentGroupName": parent, "thingGroupProperties": properties})
    };
    let first = server.call::<CreateThingGroup>(request("a", "house")).await.unwrap();
    let again = server.call::<CreateThingGroup>(request("a", "house")).await.unwrap();
    assert_eq!(again, first);
    create_group(&server, "hut", "").await;
    for other in [request("b", "house"), request("a", "hut"), named("floor")] {
        let error = server.call::<CreateThingGroup>(other).await.unwrap_err();
        assert_eq!(error.code, "ResourceAlreadyExistsException");
        assert_eq!(error.members["resourceId"], first["thingGroupId"]);
        assert_eq!(error.members["resourceArn"], first["thingGroupArn"]);
        let message = "Thing Group floor already exists in current account with different \
                       properties";
        assert_eq!(error.message, message);
    }
    assert_eq!(listed(&server, json!({"parentGroup": "house"})).await, ["floor"]);
}

#[tokio::test]
async fn a_group_below_nothing_is_not_created() {
    let server = server().await;
    let request = json!({"thingGroupName": "floor", "parentGroupName": "none"});
    let (code, message) = refusal(server.call::<CreateThingGroup>(request).await);
    assert_eq!(code, "InvalidRequestException");
    assert!(message.contains("none"), "{message}");
    assert_eq!(listed(&server, json!({})).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_hierarchy_is_no_circle() {
    let server = server().await;
    let below = |name: &str, parent: &str| {
        let request = json!({"thingGroupName": name, "parentGroupName": parent});
        server.call::<CreateThingGroup>(request)
    };
    assert_eq!(code(below("house", "house").await), "InvalidRequestException");
    assert_eq!(listed(&server, json!({})).await, Vec::<String>::new());
    create_group(&server, "house", "").await;
    create_group(&server, "floor", "house").await;
    for parent in ["house", "floor"] {
        assert_eq!(code(below("house", parent).await), "ResourceAlreadyExistsException");
    }
    assert_eq!(listed(&server, json!({"parentGroup": "floor"})).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_hierarchy_has_seven_levels_at_most() {
    let server = server().await;
    create_group(&server, "level1", "").await;
    for level in 2..=7 {
        create_group(&server, &format!("level{level}"), &format!("level{}", level - 1)).await;
    }
    let request = json!({"thingGroupName": "level8", "parentGroupName": "level7"});
    let created = server.call::<CreateThingGroup>(request).await;
    assert_eq!(code(created), "InvalidRequestException");
}

#[tokio::test]
async fn a_group_has_a_hundred_children_at_most() {
    let server = server().await;
    create_group(&server, "house", "").await;
    for child in 0..100 {
        create_group(&server, &format!("c{child}"), "house").await;
    }
    let more = json!({"thingGroupName": "c100", "parentGroupName": "house"});
    let created = server.call::<CreateThingGroup>(more.clone()).await;
    assert_eq!(code(created), "InvalidRequestException");
    // Grandchildren are another's children.
    create_group(&server, "grandchild", "c0").await;
    server.call::<DeleteThingGroup>(named("c50")).await.unwrap();
    server.call::<CreateThingGroup>(more).await.unwrap();
    let created = server
        .call::<CreateThingGroup>(json!({"thingGroupName": "c101", "parentGroupName": "house"}));
    assert_eq!(code(created.await), "InvalidRequestException");
}

#[tokio::test]
async fn attributes_are_bounded_replaced_and_merged() {
    let server = server().await;
    create_group(&server, "house", "").await;
    for (payload, expected) in [
        (json!({"attributes": {"k1": "v1"}, "merge": true}), json!({"k1": "v1"})),
        (json!({"attributes": {"k2": "v2"}}), json!({"k2": "v2"})),
        (json!({"attributes": {"k1": "v"}, "merge": true}), json!({"k1": "v", "k2": "v2"})),
        (json!({"attributes": {"k1": ""}, "merge": true}), json!({"k2": "v2"})),
    ] {
        let properties = json!({"attributePayload": payload});
        let request = json!({"thingGroupName": "house", "thingGroupProperties": properties});
        server.call::<UpdateThingGroup>(request).await.unwrap();
        let described = describe(&server, "house").await;
        let attributes = &described["thingGroupProperties"]["attributePayload"]["attributes"];
        assert_eq!(*attributes, expected, "{payload}");
    }
    let none = json!({"attributePayload": {"attributes": {}, "merge": false}});
    let request = json!({"thingGroupName": "house", "thingGroupProperties": none});
    server.call::<UpdateThingGroup>(request).await.unwrap();
    assert_eq!(describe(&server, "house").await["thingGroupProperties"], json!({}));
    let many: serde_json::Map<String, Value> =
        (0..51).map(|number| (format!("a{number}"), json!("1"))).collect();
    let many = json!({"attributePayload": {"attributes": many}});
    let request = json!({"thingGroupName": "house", "thingGroupProperties": many});
    let updated = server.call::<UpdateThingGroup>(request).await;
    assert_eq!(code(updated), "InvalidRequestException");
    let request = json!({"thingGroupName": "hut", "thingGroupProperties": many});
    let created = server.call::<CreateThingGroup>(request).await;
    assert_eq!(code(created), "InvalidRequestException");
}

#[tokio::test]
async fn a_change_holds_only_for_the_version_it_expects() {
    let server = server().await;
    create_group(&server, "house", "").await;
    let expecting = |version: i64| {
        let properties = json!({"thingGroupDescription": "d"});
        json!({
            "thingGroupName": "house", "thingGroupProperties": properties,
            "expectedVersion": version,
        })
    };
    let updated = server.call::<UpdateThingGroup>(expecting(1)).await.unwrap();
    assert_eq!(updated, json!({"version": 2}));
    assert_eq!(describe(&server, "house").await["version"], 2);
    let late = server.call::<UpdateThingGroup>(expecting(1)).await;
    assert_eq!(code(late), "VersionConflictException");
    let late = server.call::<DeleteThingGroup>(expecting(1)).await;
    assert_eq!(code(late), "VersionConflictException");
    server.call::<DeleteThingGroup>(expecting(2)).await.unwrap();
    let gone = server.call::<UpdateThingGroup>(expecting(2)).await;
    assert_eq!(code(gone), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_group_with_children_is_not_deleted_and_an_unknown_one_is() {
    let server = server().await;
    houses(&server).await;
    let deleted = server.call::<DeleteThingGroup>(named("floor1")).await;
    let message = "Cannot delete thing group : floor1 when there are still child groups attached \
                   to it.";
    assert_eq!(refusal(deleted), ("InvalidRequestException", message.to_owned()));
    for name in ["room1", "room2", "floor1", "none"] {
        server.call::<DeleteThingGroup>(named(name)).await.unwrap();
    }
    assert_eq!(listed(&server, json!({})).await, ["floor2", "house", "hut"]);
    assert_eq!(listed(&server, json!({"parentGroup": "house"})).await, ["floor2"]);
}

#[tokio::test]
async fn a_deleted_group_lets_its_things_and_its_policies_go() {
    let server = server().await;
    houses(&server).await;
    create_thing(&server, "lamp").await;
    create_policy(&server, "p").await;
    add_to_group(&server, "lamp", "room1").await;
    let request = json!({"policyName": "p", "target": group_arn("room1")});
    server.call::<AttachPolicy>(request).await.unwrap();
    server.call::<DeleteThingGroup>(named("room1")).await.unwrap();
    let listed = server.call::<ListThingGroupsForThing>(json!({"thingName": "lamp"})).await;
    assert_eq!(listed.unwrap()["thingGroups"], json!([]));
    let targets = server.call::<ListTargetsForPolicy>(json!({"policyName": "p"})).await.unwrap();
    assert_eq!(targets["targets"], json!([]));
    server.call::<DeletePolicy>(json!({"policyName": "p"})).await.unwrap();

    // Another group of the name begins without things, in this place or in another.
    create_group(&server, "room1", "floor1").await;
    let things = server.call::<ListThingsInThingGroup>(named("room1")).await.unwrap();
    assert_eq!(things["things"], json!([]));
    let listed = server.call::<ListThingGroupsForThing>(json!({"thingName": "lamp"})).await;
    assert_eq!(listed.unwrap()["thingGroups"], json!([]));
    add_to_group(&server, "lamp", "room1").await;
    let things = server.call::<ListThingsInThingGroup>(named("room1")).await.unwrap();
    assert_eq!(things["things"], json!(["lamp"]));
}

#[tokio::test]
async fn groups_are_listed_by_parent_prefix_and_depth() {
    let server = server().await;
    houses(&server).await;
    let all = vec!["floor1", "floor2", "house", "hut", "room1", "room2"];
    for (filter, expected) in [
        (json!({}), all.clone()),
        (json!({"recursive": true}), all),
        (json!({"recursive": false}), vec!["house", "hut"]),
        (json!({"namePrefixFilter": "h"}), vec!["house", "hut"]),
        (json!({"namePrefixFilter": "room"}), vec!["room1", "room2"]),
        (json!({"namePrefixFilter": "room", "recursive": false}), vec![]),
        (json!({"namePrefixFilter": "hu", "recursive": false}), vec!["hut"]),
        (json!({"parentGroup": "house"}), vec!["floor1", "floor2", "room1", "room2"]),
        (json!({"parentGroup": "house", "recursive": false}), vec!["floor1", "floor2"]),
        (json!({"parentGroup": "floor1", "recursive": false}), vec!["room1", "room2"]),
        (json!({"parentGroup": "hut"}), vec![]),
        (json!({"parentGroup": "house", "namePrefixFilter": "room"}), vec!["room1", "room2"]),
        (json!({"parentGroup": "house", "namePrefixFilter": "room2"}), vec!["room2"]),
        (json!({"parentGroup": "house", "namePrefixFilter": "room", "recursive": false}), vec![]),
    ] {
        assert_eq!(listed(&server, filter.clone()).await, expected, "{filter}");
    }
    let unknown = server.call::<ListThingGroups>(json!({"parentGroup": "none"})).await;
    assert_eq!(code(unknown), "ResourceNotFoundException");
}

#[tokio::test]
async fn every_list_has_pages_and_a_token_serves_its_own() {
    let server = server().await;
    houses(&server).await;
    for (mut request, expected) in [
        (json!({}), vec!["floor1", "floor2", "house", "hut", "room1", "room2"]),
        (json!({"parentGroup": "house"}), vec!["floor1", "floor2", "room1", "room2"]),
        (json!({"namePrefixFilter": "f"}), vec!["floor1", "floor2"]),
        (json!({"recursive": false}), vec!["house", "hut"]),
    ] {
        let mut seen = Vec::new();
        request["maxResults"] = json!(1);
        loop {
            let page = server.call::<ListThingGroups>(request.clone()).await.unwrap();
            seen.extend(each(&page["thingGroups"], "groupName"));
            let Some(token) = page.get("nextToken") else { break };
            request["nextToken"] = token.clone();
        }
        assert_eq!(seen, expected, "{request}");
        let other = json!({"parentGroup": "floor1", "nextToken": request["nextToken"]});
        assert_eq!(code(server.call::<ListThingGroups>(other).await), "InvalidRequestException");
    }
}

#[tokio::test]
async fn accounts_and_regions_do_not_see_one_another() {
    let server = server().await;
    create_group(&server, "house", "").await;
    for other in [server.in_region("eu-west-1"), server.in_account("123456789012")] {
        assert_eq!(listed(&other, json!({})).await, Vec::<String>::new());
        let described = other.call::<DescribeThingGroup>(named("house")).await;
        assert_eq!(code(described), "ResourceNotFoundException");
    }
}
