//! Principals of things and policies of targets: attach, detach, list from either side.

use model::iot::op::{
    AttachPolicy, AttachPrincipalPolicy, AttachThingPrincipal, DeletePolicy, DetachPolicy,
    DetachPrincipalPolicy, DetachThingPrincipal, ListAttachedPolicies, ListPolicyPrincipals,
    ListPrincipalPolicies, ListPrincipalThings, ListPrincipalThingsV2, ListTargetsForPolicy,
    ListThingPrincipals, ListThingPrincipalsV2,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{
    NO_ID, code, create_certificate, create_group, create_policy, create_thing, each, group_arn,
    refusal, server,
};

const IDENTITY: &str = "us-east-1:12345678-1234-1234-1234-123456789abc";

async fn things_of(server: &Server, principal: &str) -> Value {
    let listed = server.call::<ListPrincipalThings>(json!({"principal": principal}));
    listed.await.unwrap()["things"].clone()
}

async fn principals_of(server: &Server, thing: &str) -> Value {
    let listed = server.call::<ListThingPrincipals>(json!({"thingName": thing}));
    listed.await.unwrap()["principals"].clone()
}

#[tokio::test]
async fn a_principal_shows_on_both_sides_and_may_be_attached_again() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    for name in ["a", "b"] {
        create_thing(&server, name).await;
    }
    for principal in [arn.as_str(), IDENTITY] {
        for name in ["b", "a", "a"] {
            let request = json!({"thingName": name, "principal": principal});
            server.call::<AttachThingPrincipal>(request).await.unwrap();
        }
        assert_eq!(things_of(&server, principal).await, json!(["a", "b"]));
    }
    assert_eq!(principals_of(&server, "a").await, json!([arn, IDENTITY]));
    let request = json!({"thingName": "a", "principal": arn});
    for _ in 0..2 {
        server.call::<DetachThingPrincipal>(request.clone()).await.unwrap();
        assert_eq!(principals_of(&server, "a").await, json!([IDENTITY]));
    }
    assert_eq!(things_of(&server, &arn).await, json!(["b"]));
}

#[tokio::test]
async fn an_exclusive_principal_belongs_to_one_thing() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    for name in ["a", "b"] {
        create_thing(&server, name).await;
    }
    let attach = |thing: &str, kind: &str| json!({"thingName": thing, "principal": arn, "thingPrincipalType": kind});
    let (exclusive, shared) = ("EXCLUSIVE_THING", "NON_EXCLUSIVE_THING");
    for _ in 0..2 {
        server.call::<AttachThingPrincipal>(attach("a", exclusive)).await.unwrap();
    }
    for refused in [attach("b", exclusive), attach("b", shared), attach("a", shared)] {
        let attached = server.call::<AttachThingPrincipal>(refused).await;
        assert_eq!(code(attached), "InvalidRequestException");
    }
    server.call::<DetachThingPrincipal>(json!({"thingName": "a", "principal": arn})).await.unwrap();
    server.call::<AttachThingPrincipal>(attach("b", shared)).await.unwrap();
    let attached = server.call::<AttachThingPrincipal>(attach("a", exclusive)).await;
    assert_eq!(code(attached), "InvalidRequestException");
    server.call::<AttachThingPrincipal>(attach("a", shared)).await.unwrap();
    assert_eq!(things_of(&server, &arn).await, json!(["a", "b"]));
}

#[tokio::test]
async fn the_second_form_of_the_lists_tells_the_kind() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    create_thing(&server, "a").await;
    let kind = "EXCLUSIVE_THING";
    let request = json!({"thingName": "a", "principal": arn, "thingPrincipalType": kind});
    server.call::<AttachThingPrincipal>(request).await.unwrap();
    let things = server.call::<ListPrincipalThingsV2>(json!({"principal": arn})).await.unwrap();
    let expected = json!([{"thingName": "a", "thingPrincipalType": kind}]);
    assert_eq!(things["principalThingObjects"], expected);
    let principals = server.call::<ListThingPrincipalsV2>(json!({"thingName": "a"})).await.unwrap();
    let expected = json!([{"principal": arn, "thingPrincipalType": kind}]);
    assert_eq!(principals["thingPrincipalObjects"], expected);
    let others = json!({"thingName": "a", "thingPrincipalType": "NON_EXCLUSIVE_THING"});
    let principals = server.call::<ListThingPrincipalsV2>(others).await.unwrap();
    assert_eq!(principals["thingPrincipalObjects"], json!([]));
}

#[tokio::test]
async fn what_is_unknown_has_no_attachments() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    create_thing(&server, "a").await;
    let nobody = format!("arn:aws:iot:us-east-1:000000000000:cert/{NO_ID}");
    let other_partition = arn.replacen("aws", "aws-cn", 1);
    for (thing, principal, expected) in [
        ("none", arn.as_str(), "ResourceNotFoundException"),
        ("a", nobody.as_str(), "ResourceNotFoundException"),
        ("a", other_partition.as_str(), "ResourceNotFoundException"),
        ("a", "hello", "InvalidRequestException"),
    ] {
        let request = json!({"thingName": thing, "principal": principal});
        let attached = server.call::<AttachThingPrincipal>(request.clone()).await;
        assert_eq!(code(attached), expected, "{request}");
        let detached = server.call::<DetachThingPrincipal>(request.clone()).await;
        assert_eq!(code(detached), expected, "{request}");
    }
    let listed = server.call::<ListThingPrincipals>(json!({"thingName": "none"})).await;
    let message = "Failed to list principals for thing none because the thing does not exist in \
                   your account";
    assert_eq!(refusal(listed), ("ResourceNotFoundException", message.to_owned()));
    let listed = server.call::<ListPrincipalThings>(json!({"principal": nobody})).await;
    assert_eq!(code(listed), "ResourceNotFoundException");
    assert_eq!(things_of(&server, &arn).await, json!([]));
}

async fn policies_of(server: &Server, target: &str) -> Vec<String> {
    let listed = server.call::<ListAttachedPolicies>(json!({"target": target}));
    each(&listed.await.unwrap()["policies"], "policyName")
}

async fn targets_of(server: &Server, policy: &str) -> Value {
    let listed = server.call::<ListTargetsForPolicy>(json!({"policyName": policy}));
    listed.await.unwrap()["targets"].clone()
}

#[tokio::test]
async fn a_policy_shows_on_both_sides_and_may_be_attached_again() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let policy = create_policy(&server, "p").await;
    create_policy(&server, "o").await;
    for target in [arn.as_str(), IDENTITY] {
        for name in ["p", "o", "p"] {
            let request = json!({"policyName": name, "target": target});
            server.call::<AttachPolicy>(request).await.unwrap();
        }
        assert_eq!(policies_of(&server, target).await, ["o", "p"]);
    }
    assert_eq!(targets_of(&server, "p").await, json!([arn, IDENTITY]));
    let detach = json!({"policyName": "p", "target": arn});
    server.call::<DetachPolicy>(detach.clone()).await.unwrap();
    let again = server.call::<DetachPolicy>(detach).await;
    assert_eq!(code(again), "ResourceNotFoundException");
    let unknown = json!({"policyName": "unknown", "target": arn});
    server.call::<DetachPolicy>(unknown).await.unwrap();
    assert_eq!(policies_of(&server, &arn).await, ["o"]);
    assert_eq!(targets_of(&server, "p").await, json!([IDENTITY]));
    let listed = server.call::<ListAttachedPolicies>(json!({"target": IDENTITY})).await.unwrap();
    assert_eq!(listed["policies"][1]["policyArn"], policy["policyArn"]);
}

#[tokio::test]
async fn the_old_forms_do_the_same() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    create_policy(&server, "p").await;
    let request = json!({"policyName": "p", "principal": arn});
    server.call::<AttachPrincipalPolicy>(request.clone()).await.unwrap();
    assert_eq!(policies_of(&server, &arn).await, ["p"]);
    let listed = server.call::<ListPrincipalPolicies>(json!({"principal": arn})).await.unwrap();
    assert_eq!(each(&listed["policies"], "policyName"), ["p"]);
    let listed = server.call::<ListPolicyPrincipals>(json!({"policyName": "p"})).await.unwrap();
    assert_eq!(listed["principals"], json!([arn]));
    server.call::<DetachPrincipalPolicy>(request).await.unwrap();
    let listed = server.call::<ListPolicyPrincipals>(json!({"policyName": "p"})).await.unwrap();
    assert_eq!(listed["principals"], json!([]));
    create_group(&server, "house", "").await;
    let request = json!({"policyName": "p", "principal": group_arn("house")});
    let message = "The given ARN does not represent a cert".to_owned();
    let attached = server.call::<AttachPrincipalPolicy>(request).await;
    assert_eq!(refusal(attached), ("InvalidRequestException", message));
}

#[tokio::test]
async fn a_target_has_ten_policies_at_most_in_pages() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let attach = |number: usize| json!({"policyName": format!("p{number}"), "target": arn});
    for number in 0..11 {
        create_policy(&server, &format!("p{number}")).await;
        let attached = server.call::<AttachPolicy>(attach(number)).await;
        if number < 10 {
            attached.unwrap();
        } else {
            assert_eq!(code(attached), "LimitExceededException");
        }
    }
    server.call::<AttachPolicy>(attach(0)).await.unwrap();
    let (mut sizes, mut request) = (Vec::new(), json!({"target": arn, "pageSize": 4}));
    loop {
        let page = server.call::<ListAttachedPolicies>(request.clone()).await.unwrap();
        sizes.push(page["policies"].as_array().unwrap().len());
        let Some(marker) = page.get("nextMarker") else { break };
        request["marker"] = marker.clone();
    }
    assert_eq!(sizes, [4, 4, 2]);
    request["marker"] = json!("AAAA");
    let forged = server.call::<ListAttachedPolicies>(request).await;
    assert_eq!(code(forged), "InvalidRequestException");
}

#[tokio::test]
async fn a_policy_is_not_attached_to_what_is_unknown() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    create_policy(&server, "p").await;
    let nobody = format!("arn:aws:iot:us-east-1:000000000000:cert/{NO_ID}");
    let group = "arn:aws:iot:us-east-1:000000000000:thinggroup/g";
    for (policy, target, expected) in [
        ("none", arn.as_str(), "ResourceNotFoundException"),
        ("p", nobody.as_str(), "ResourceNotFoundException"),
        ("p", group, "ResourceNotFoundException"),
        ("p", "hello", "InvalidRequestException"),
    ] {
        let request = json!({"policyName": policy, "target": target});
        let (found, message) = refusal(server.call::<AttachPolicy>(request.clone()).await);
        assert_eq!(found, expected, "{request}");
        assert!(message.contains(if policy == "none" { "none" } else { target }), "{message}");
    }
    let detached = server.call::<DetachPolicy>(json!({"policyName": "p", "target": nobody})).await;
    let (found, message) = refusal(detached);
    assert_eq!(found, "InvalidRequestException");
    assert!(message.starts_with("Invalid Target"), "{message}");
    let listed = server.call::<ListTargetsForPolicy>(json!({"policyName": "none"})).await;
    assert_eq!(code(listed), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_thing_group_has_policies_of_its_own_and_of_those_above_it() {
    let server = server().await;
    for (name, parent) in [("house", ""), ("floor", "house"), ("room", "floor")] {
        create_group(&server, name, parent).await;
    }
    for (policy, group) in [("h", "house"), ("b", "house"), ("b", "room"), ("r", "room")] {
        if policy != "b" || group == "house" {
            create_policy(&server, policy).await;
        }
        let request = json!({"policyName": policy, "target": group_arn(group)});
        for _ in 0..2 {
            server.call::<AttachPolicy>(request.clone()).await.unwrap();
        }
    }
    for (group, own, all) in [
        ("house", vec!["b", "h"], vec!["b", "h"]),
        ("floor", vec![], vec!["b", "h"]),
        ("room", vec!["b", "r"], vec!["b", "h", "r"]),
    ] {
        let arn = group_arn(group);
        assert_eq!(policies_of(&server, &arn).await, own, "{group}");
        let request = json!({"target": arn, "recursive": true});
        let listed = server.call::<ListAttachedPolicies>(request).await.unwrap();
        assert_eq!(each(&listed["policies"], "policyName"), all, "{group}");
    }
    let mut request = json!({"target": group_arn("room"), "recursive": true, "pageSize": 2});
    let page = server.call::<ListAttachedPolicies>(request.clone()).await.unwrap();
    request["marker"] = page["nextMarker"].clone();
    let page = server.call::<ListAttachedPolicies>(request).await.unwrap();
    assert_eq!(each(&page["policies"], "policyName"), ["r"]);
    assert_eq!(targets_of(&server, "b").await, json!([group_arn("house"), group_arn("room")]));

    let deleted = server.call::<DeletePolicy>(json!({"policyName": "b"})).await;
    assert_eq!(code(deleted), "DeleteConflictException");
    for group in ["house", "room"] {
        let request = json!({"policyName": "b", "target": group_arn(group)});
        server.call::<DetachPolicy>(request.clone()).await.unwrap();
        let again = server.call::<DetachPolicy>(request).await;
        assert_eq!(code(again), "ResourceNotFoundException");
    }
    server.call::<DeletePolicy>(json!({"policyName": "b"})).await.unwrap();
}

#[tokio::test]
async fn a_thing_group_has_two_policies_at_most() {
    let server = server().await;
    create_group(&server, "house", "").await;
    for policy in ["a", "b", "c"] {
        create_policy(&server, policy).await;
        let request = json!({"policyName": policy, "target": group_arn("house")});
        let attached = server.call::<AttachPolicy>(request).await;
        if policy == "c" {
            assert_eq!(code(attached), "LimitExceededException");
        } else {
            attached.unwrap();
        }
    }
    assert_eq!(policies_of(&server, &group_arn("house")).await, ["a", "b"]);
}

#[tokio::test]
async fn an_unknown_thing_group_has_no_policies() {
    let server = server().await;
    create_policy(&server, "p").await;
    let request = json!({"policyName": "p", "target": group_arn("none")});
    let attached = server.call::<AttachPolicy>(request.clone()).await;
    assert_eq!(code(attached), "ResourceNotFoundException");
    let (code, message) = refusal(server.call::<DetachPolicy>(request.clone()).await);
    assert_eq!(code, "InvalidRequestException");
    assert!(message.starts_with("Invalid Target"), "{message}");
    let listed = server.call::<ListAttachedPolicies>(request).await;
    assert_eq!(crate::code(listed), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_thing_group_is_no_principal_of_a_thing() {
    let server = server().await;
    create_group(&server, "house", "").await;
    create_thing(&server, "lamp").await;
    let request = json!({"thingName": "lamp", "principal": group_arn("house")});
    let attached = server.call::<AttachThingPrincipal>(request).await;
    assert_eq!(code(attached), "ResourceNotFoundException");
}
