//! Policies that a device has by the groups of its thing.

use std::sync::Arc;

use model::iot::op::{
    AttachPolicy, CreatePolicyVersion, CreateThing, DeleteThingGroup, DetachPolicy,
    RemoveThingFromThingGroup, UpdateThingGroup, UpdateThingGroupsForThing,
};
use serde_json::json;
use service::Permissions;

use super::follow::until;
use super::{Certificate, House, PUMP, allow, document, may_publish};
use crate::{add_to_group, create_group, group_arn};

/// A device whose thing `lamp` is in no group yet. Of the groups `house`, `floor` below it and
/// `room` below that, each has a policy of its name, which allows to publish to that name.
async fn houses(kind: &str) -> (House, Certificate) {
    let house = House::new().await;
    let pump = house.register(PUMP, "ACTIVE").await;
    house.server.call::<CreateThing>(json!({"thingName": "lamp"})).await.unwrap();
    house.attach_thing("lamp", &pump, kind).await;
    for (name, parent) in [("house", ""), ("floor", "house"), ("room", "floor")] {
        create_group(&house.server, name, parent).await;
        house.policy(name, &[&allow(name)]).await;
        attach(&house, name, name).await;
    }
    (house, pump)
}

async fn attach(house: &House, policy: &str, group: &str) {
    let request = json!({"policyName": policy, "target": group_arn(group)});
    house.server.call::<AttachPolicy>(request).await.unwrap();
}

async fn delete(house: &House, group: &str) {
    let request = json!({"thingGroupName": group});
    house.server.call::<DeleteThingGroup>(request).await.unwrap();
}

/// To which of the groups' topics it may publish.
fn topics(permissions: &Permissions) -> Vec<&'static str> {
    let all = ["house", "floor", "room", "hut"].into_iter();
    all.filter(|topic| may_publish(permissions, topic)).collect()
}

/// What the holder of a certificate may publish to under a client id.
async fn connected_as(
    house: &House,
    certificate: &Certificate,
    client_id: &str,
) -> Vec<&'static str> {
    let permissions = house.connect(certificate, client_id).await;
    topics(&permissions)
}

#[tokio::test]
async fn policies_of_the_group_and_of_all_above_it_count() {
    let (house, pump) = houses("NON_EXCLUSIVE_THING").await;
    assert_eq!(connected_as(&house, &pump, "lamp").await, Vec::<&str>::new());
    add_to_group(&house.server, "lamp", "floor").await;
    let permissions = house.connect(&pump, "lamp").await;
    assert_eq!(topics(&permissions), ["house", "floor"]);
    let names: Vec<String> =
        permissions.rights().policies.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["floor", "house"]);
    // Another client has the certificate, but not the thing.
    assert_eq!(connected_as(&house, &pump, "other").await, Vec::<&str>::new());
}

#[tokio::test]
async fn an_exclusive_thing_brings_its_groups_whatever_the_client_id() {
    let (house, pump) = houses("EXCLUSIVE_THING").await;
    add_to_group(&house.server, "lamp", "room").await;
    for client_id in ["lamp", "other"] {
        let permissions = house.connect(&pump, client_id).await;
        assert_eq!(topics(&permissions), ["house", "floor", "room"], "{client_id}");
    }
}

#[tokio::test]
async fn a_policy_that_denies_in_a_group_outweighs_the_certificates_own() {
    let (house, pump) = houses("NON_EXCLUSIVE_THING").await;
    house.policy("own", &[&allow("*")]).await;
    house.attach_policy("own", &pump).await;
    create_group(&house.server, "hut", "").await;
    let deny = allow("hut").replace("Allow", "Deny");
    house.policy("deny", &[&deny]).await;
    attach(&house, "deny", "hut").await;
    assert_eq!(connected_as(&house, &pump, "lamp").await, ["house", "floor", "room", "hut"]);
    add_to_group(&house.server, "lamp", "hut").await;
    assert_eq!(connected_as(&house, &pump, "lamp").await, ["house", "floor", "room"]);
}

/// A connection of `lamp`, which is in `room`.
async fn connected() -> (House, Certificate, Arc<Permissions>) {
    let (house, pump) = houses("NON_EXCLUSIVE_THING").await;
    add_to_group(&house.server, "lamp", "room").await;
    let permissions = house.connect(&pump, "lamp").await;
    assert_eq!(topics(&permissions), ["house", "floor", "room"]);
    (house, pump, permissions)
}

#[tokio::test]
async fn a_change_of_membership_is_in_force_at_once() {
    let (house, _, permissions) = connected().await;
    let move_up = json!({
        "thingName": "lamp", "thingGroupsToAdd": ["house"], "thingGroupsToRemove": ["room"],
    });
    house.server.call::<UpdateThingGroupsForThing>(move_up).await.unwrap();
    until(&permissions, |now| topics(now) == ["house"]).await;
    let remove = json!({"thingName": "lamp", "thingGroupName": "house"});
    house.server.call::<RemoveThingFromThingGroup>(remove).await.unwrap();
    until(&permissions, |now| topics(now).is_empty()).await;
    add_to_group(&house.server, "lamp", "floor").await;
    until(&permissions, |now| topics(now) == ["house", "floor"]).await;
}

#[tokio::test]
async fn a_change_of_what_a_group_has_is_in_force_at_once() {
    let (house, _, permissions) = connected().await;
    let detach = json!({"policyName": "floor", "target": group_arn("floor")});
    house.server.call::<DetachPolicy>(detach).await.unwrap();
    until(&permissions, |now| topics(now) == ["house", "room"]).await;
    attach(&house, "floor", "house").await;
    until(&permissions, |now| topics(now) == ["house", "floor", "room"]).await;
    let document = document(&[&allow("hut")]);
    let request = json!({"policyName": "house", "policyDocument": document, "setAsDefault": true});
    house.server.call::<CreatePolicyVersion>(request).await.unwrap();
    until(&permissions, |now| topics(now) == ["floor", "room", "hut"]).await;
}

#[tokio::test]
async fn a_group_that_is_deleted_lends_nothing_not_even_of_those_above_it() {
    let (house, _, permissions) = connected().await;
    delete(&house, "room").await;
    until(&permissions, |now| topics(now).is_empty()).await;
    // A new group of the name is another one.
    create_group(&house.server, "room", "floor").await;
    attach(&house, "room", "room").await;
    add_to_group(&house.server, "lamp", "floor").await;
    until(&permissions, |now| topics(now) == ["house", "floor"]).await;
}

#[tokio::test]
async fn a_new_group_has_no_members_of_the_old_one_of_its_name() {
    let (house, pump, permissions) = connected().await;
    delete(&house, "room").await;
    create_group(&house.server, "room", "floor").await;
    attach(&house, "room", "room").await;
    until(&permissions, |now| topics(now).is_empty()).await;
    assert_eq!(connected_as(&house, &pump, "lamp").await, Vec::<&str>::new());
}

#[tokio::test]
async fn an_update_of_a_group_changes_no_permissions() {
    let (house, _, permissions) = connected().await;
    let properties = json!({"thingGroupDescription": "d"});
    let request = json!({"thingGroupName": "room", "thingGroupProperties": properties});
    house.server.call::<UpdateThingGroup>(request).await.unwrap();
    // What comes later was heard of later.
    let detach = json!({"policyName": "house", "target": group_arn("house")});
    house.server.call::<DetachPolicy>(detach).await.unwrap();
    until(&permissions, |now| topics(now) == ["floor", "room"]).await;
    assert_eq!(permissions.generation(), 1);
}
