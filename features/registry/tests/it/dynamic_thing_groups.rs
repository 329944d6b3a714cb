//! Dynamic thing groups: create, describe, update, delete, and what they refuse.

use model::iot::op::{
    AddThingToThingGroup, AttachPolicy, CreateDynamicThingGroup, CreateThingGroup,
    DeleteDynamicThingGroup, DeleteThingGroup, DescribeThingGroup, ListThingGroups,
    ListThingsInThingGroup, RemoveThingFromThingGroup, UpdateDynamicThingGroup, UpdateThingGroup,
    UpdateThingGroupsForThing,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{
    code, create_group, create_policy, create_thing, each, group_arn, members, refusal, server,
};

fn named(name: &str) -> Value {
    json!({"thingGroupName": name})
}

fn asking(name: &str, query: &str) -> Value {
    json!({"thingGroupName": name, "queryString": query})
}

async fn create(server: &Server, name: &str) -> Value {
    server.call::<CreateDynamicThingGroup>(asking(name, "thingName:a*")).await.unwrap()
}

#[tokio::test]
async fn a_dynamic_group_is_described_with_its_query() {
    let server = server().await;
    let created = create(&server, "warm").await;
    let expected = json!({
        "thingGroupName": "warm", "thingGroupArn": group_arn("warm"),
        "thingGroupId": created["thingGroupId"], "indexName": "AWS_Things",
        "queryString": "thingName:a*", "queryVersion": "2017-09-30",
    });
    assert_eq!(created, expected);
    assert_eq!(create(&server, "warm").await, created);
    let described = server.call::<DescribeThingGroup>(named("warm")).await.unwrap();
    for (member, expected) in [
        ("indexName", json!("AWS_Things")),
        ("queryString", json!("thingName:a*")),
        ("queryVersion", json!("2017-09-30")),
        ("status", json!("ACTIVE")),
        ("thingGroupProperties", json!({})),
        ("version", json!(1)),
    ] {
        assert_eq!(described[member], expected, "{member}");
    }
    assert_eq!(members(&described["thingGroupMetadata"]), ["creationDate"].into());
    let listed = server.call::<ListThingGroups>(json!({"recursive": false})).await.unwrap();
    assert_eq!(each(&listed["thingGroups"], "groupName"), ["warm"]);
}

#[tokio::test]
async fn both_sorts_share_their_names() {
    let server = server().await;
    create(&server, "warm").await;
    create_group(&server, "house", "").await;
    for name in ["warm", "house"] {
        let other = server.call::<CreateDynamicThingGroup>(asking(name, "thingName:b*")).await;
        assert_eq!(code(other), "ResourceAlreadyExistsException");
    }
    let other = server.call::<CreateThingGroup>(named("warm")).await;
    assert_eq!(code(other), "ResourceAlreadyExistsException");
}

#[tokio::test]
async fn there_is_one_index_and_one_language() {
    let server = server().await;
    let mut request = asking("warm", "thingName:a*");
    request["indexName"] = json!("AWS_ThingGroups");
    let created = server.call::<CreateDynamicThingGroup>(request.clone()).await;
    assert_eq!(code(created), "ResourceNotFoundException");
    request["indexName"] = json!("AWS_Things");
    request["queryVersion"] = json!("2016-03-23");
    let created = server.call::<CreateDynamicThingGroup>(request.clone()).await;
    assert_eq!(code(created), "InvalidRequestException");
    request["queryVersion"] = json!("2017-09-30");
    server.call::<CreateDynamicThingGroup>(request).await.unwrap();
}

#[tokio::test]
async fn an_update_changes_what_it_mentions() {
    let server = server().await;
    create(&server, "warm").await;
    let properties = json!({"thingGroupDescription": "d"});
    let request = json!({"thingGroupName": "warm", "thingGroupProperties": properties});
    let updated = server.call::<UpdateDynamicThingGroup>(request).await.unwrap();
    assert_eq!(updated, json!({"version": 2}));
    let request = json!({
        "thingGroupName": "warm", "thingGroupProperties": {}, "queryString": "thingName:b*",
        "expectedVersion": 2,
    });
    server.call::<UpdateDynamicThingGroup>(request.clone()).await.unwrap();
    let late = server.call::<UpdateDynamicThingGroup>(request).await;
    assert_eq!(code(late), "VersionConflictException");
    let described = server.call::<DescribeThingGroup>(named("warm")).await.unwrap();
    assert_eq!(described["queryString"], "thingName:b*");
    assert_eq!(described["thingGroupProperties"], properties);
    let request = json!({"thingGroupName": "none", "thingGroupProperties": {}});
    let updated = server.call::<UpdateDynamicThingGroup>(request).await;
    assert_eq!(code(updated), "ResourceNotFoundException");
}

#[tokio::test]
async fn each_sort_has_its_own_operations() {
    let server = server().await;
    create(&server, "warm").await;
    create_group(&server, "house", "").await;
    let changing = |name: &str| json!({"thingGroupName": name, "thingGroupProperties": {}});
    for refused in [
        server.call::<UpdateThingGroup>(changing("warm")).await,
        server.call::<DeleteThingGroup>(named("warm")).await,
        server.call::<UpdateDynamicThingGroup>(changing("house")).await,
        server.call::<DeleteDynamicThingGroup>(named("house")).await,
    ] {
        assert_eq!(code(refused), "InvalidRequestException");
    }
    for name in ["warm", "none"] {
        server.call::<DeleteDynamicThingGroup>(named(name)).await.unwrap();
    }
    let described = server.call::<DescribeThingGroup>(named("warm")).await;
    assert_eq!(code(described), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_dynamic_group_takes_no_things_no_groups_and_no_policies() {
    let server = server().await;
    create(&server, "warm").await;
    create_thing(&server, "lamp").await;
    create_policy(&server, "p").await;
    let membership = json!({"thingName": "lamp", "thingGroupName": "warm"});
    let add = json!({"thingName": "lamp", "thingGroupsToAdd": ["warm"]});
    let remove = json!({"thingName": "lamp", "thingGroupsToRemove": ["warm"]});
    let child = json!({"thingGroupName": "child", "parentGroupName": "warm"});
    let policy = json!({"policyName": "p", "target": group_arn("warm")});
    for refused in [
        server.call::<AddThingToThingGroup>(membership.clone()).await,
        server.call::<RemoveThingFromThingGroup>(membership).await,
        server.call::<UpdateThingGroupsForThing>(add).await,
        server.call::<UpdateThingGroupsForThing>(remove).await,
        server.call::<CreateThingGroup>(child).await,
        server.call::<AttachPolicy>(policy).await,
    ] {
        let (code, message) = refusal(refused);
        assert_eq!(code, "InvalidRequestException");
        assert!(message.contains("warm") && message.contains("dynamic"), "{message}");
    }
    let things = server.call::<ListThingsInThingGroup>(named("warm")).await.unwrap();
    assert_eq!(things["things"], json!([]));
}

#[tokio::test]
async fn there_are_a_hundred_dynamic_groups_at_most() {
    let server = server().await;
    for number in 0..100 {
        create(&server, &format!("g{number}")).await;
    }
    let more = asking("g100", "thingName:a*");
    let created = server.call::<CreateDynamicThingGroup>(more.clone()).await;
    assert_eq!(code(created), "LimitExceededException");
    create_group(&server, "house", "").await;
    server.in_region("eu-west-1").call::<CreateDynamicThingGroup>(more.clone()).await.unwrap();
    server.call::<DeleteDynamicThingGroup>(named("g0")).await.unwrap();
    server.call::<CreateDynamicThingGroup>(more).await.unwrap();
}
