//! Races: two requests at once leave what one after the other could have left.

use model::iot::op::{
    AddThingToBillingGroup, AddThingToThingGroup, AttachPolicy, AttachThingPrincipal,
    CreateBillingGroup, CreatePolicyVersion, CreateThing, CreateThingGroup, DeleteBillingGroup,
    DeleteCertificate, DeletePolicy, DeleteThing, DeleteThingGroup, DescribeBillingGroup,
    DescribeThing, DescribeThingGroup, ListAttachedPolicies, ListPolicyVersions,
    ListPrincipalThings, ListTargetsForPolicy, ListThingGroups, ListThingGroupsForThing,
    ListThingPrincipals, ListThingsInBillingGroup, ListThingsInThingGroup, UpdateBillingGroup,
    UpdateThing, UpdateThingGroup,
};
use serde_json::json;
use tokio::join;

use crate::{
    DOCUMENT, add_to_group, create_certificate, create_group, create_policy, create_thing,
    deactivate, each, group_arn, server,
};

/// Enough for the two to meet in every order.
const ROUNDS: usize = 8;

#[tokio::test]
async fn a_thing_is_attached_or_deleted_but_not_both() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    for round in 0..ROUNDS {
        let name = format!("t{round}");
        create_thing(&server, &name).await;
        let (attached, deleted) = join!(
            server.call::<AttachThingPrincipal>(json!({"thingName": name, "principal": arn})),
            server.call::<DeleteThing>(json!({"thingName": name})),
        );
        assert_ne!(attached.is_ok(), deleted.is_ok());
        let listed = server.call::<ListThingPrincipals>(json!({"thingName": name})).await;
        assert_eq!(listed.is_ok(), attached.is_ok());
        let things = server.call::<ListPrincipalThings>(json!({"principal": arn})).await.unwrap();
        let is_listed = things["things"].as_array().unwrap().contains(&json!(name));
        assert_eq!(is_listed, attached.is_ok());
    }
}

#[tokio::test]
async fn a_policy_is_attached_or_deleted_but_not_both() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    for round in 0..ROUNDS {
        let name = format!("p{round}");
        create_policy(&server, &name).await;
        let (attached, deleted) = join!(
            server.call::<AttachPolicy>(json!({"policyName": name, "target": arn})),
            server.call::<DeletePolicy>(json!({"policyName": name})),
        );
        assert_ne!(attached.is_ok(), deleted.is_ok());
        let targets = server.call::<ListTargetsForPolicy>(json!({"policyName": name})).await;
        assert_eq!(targets.is_ok(), attached.is_ok());
    }
}

#[tokio::test]
async fn a_certificate_that_is_deleted_by_force_leaves_no_attachment() {
    let server = server().await;
    create_policy(&server, "p").await;
    create_thing(&server, "lamp").await;
    for _ in 0..ROUNDS {
        let (id, arn) = create_certificate(&server).await;
        deactivate(&server, &id).await;
        let (_, things, deleted) = join!(
            server.call::<AttachPolicy>(json!({"policyName": "p", "target": arn})),
            server.call::<AttachThingPrincipal>(json!({"thingName": "lamp", "principal": arn})),
            server.call::<DeleteCertificate>(json!({"certificateId": id, "forceDelete": true})),
        );
        assert_ne!(things.is_ok(), deleted.is_ok());
        if deleted.is_ok() {
            let listed = server.call::<ListTargetsForPolicy>(json!({"policyName": "p"})).await;
            assert!(!listed.unwrap()["targets"].as_array().unwrap().contains(&json!(arn)));
            let listed = server.call::<ListThingPrincipals>(json!({"thingName": "lamp"})).await;
            assert!(!listed.unwrap()["principals"].as_array().unwrap().contains(&json!(arn)));
        }
    }
}

#[tokio::test]
async fn two_creators_of_different_things_leave_one() {
    let server = server().await;
    for round in 0..ROUNDS {
        let create = |value: &str| {
            let payload = json!({"attributes": {"a": value}});
            json!({"thingName": format!("t{round}"), "attributePayload": payload})
        };
        let (one, other) = join!(
            server.call::<CreateThing>(create("1")),
            server.call::<CreateThing>(create("2")),
        );
        assert_ne!(one.is_ok(), other.is_ok());
        let refused = one.and(other).unwrap_err();
        assert_eq!(refused.code, "ResourceAlreadyExistsException");
    }
}

#[tokio::test]
async fn no_update_is_lost() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    let merge = |name: &str| {
        let payload = json!({"attributes": {name: "1"}, "merge": true});
        server.call::<UpdateThing>(json!({"thingName": "lamp", "attributePayload": payload}))
    };
    let (a, b, c) = join!(merge("a"), merge("b"), merge("c"));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let thing = server.call::<DescribeThing>(json!({"thingName": "lamp"})).await.unwrap();
    assert_eq!(thing["attributes"], json!({"a": "1", "b": "1", "c": "1"}));
    assert_eq!(thing["version"], 4);
}

#[tokio::test]
async fn of_two_writers_who_expect_one_version_one_is_refused() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    create_group(&server, "house", "").await;
    for version in 1..=i64::try_from(ROUNDS).unwrap() {
        let write = |value: &str| {
            let payload = json!({"attributes": {value: "1"}});
            let thing = json!({
                "thingName": "lamp", "attributePayload": payload, "expectedVersion": version,
            });
            let group = json!({
                "thingGroupName": "house", "thingGroupProperties": {"attributePayload": payload},
                "expectedVersion": version,
            });
            (server.call::<UpdateThing>(thing), server.call::<UpdateThingGroup>(group))
        };
        let ((thing_a, group_a), (thing_b, group_b)) = (write("a"), write("b"));
        let (thing_a, thing_b, group_a, group_b) = join!(thing_a, thing_b, group_a, group_b);
        for (one, other) in [(thing_a, thing_b), (group_a, group_b)] {
            assert_ne!(one.is_ok(), other.is_ok());
            assert_eq!(one.and(other).unwrap_err().code, "VersionConflictException");
        }
        let thing = server.call::<DescribeThing>(json!({"thingName": "lamp"})).await.unwrap();
        assert_eq!(thing["version"], version + 1);
        assert_eq!(thing["attributes"].as_object().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_exclusive_principal_ends_at_one_thing() {
    let server = server().await;
    for name in ["a", "b"] {
        create_thing(&server, name).await;
    }
    for kind in ["EXCLUSIVE_THING", "NON_EXCLUSIVE_THING"] {
        let (_, arn) = create_certificate(&server).await;
        let attach = |thing: &str, kind: &str| {
            let request = json!({"thingName": thing, "principal": arn, "thingPrincipalType": kind});
            server.call::<AttachThingPrincipal>(request)
        };
        let (one, other) = join!(attach("a", "EXCLUSIVE_THING"), attach("b", kind));
        assert_ne!(one.is_ok(), other.is_ok());
        let things = server.call::<ListPrincipalThings>(json!({"principal": arn})).await.unwrap();
        assert_eq!(things["things"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_target_never_has_more_policies_than_it_may() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let attach = |number: usize| {
        let request = json!({"policyName": format!("p{number}"), "target": arn});
        server.call::<AttachPolicy>(request)
    };
    for number in 0..11 {
        create_policy(&server, &format!("p{number}")).await;
        if number < 9 {
            attach(number).await.unwrap();
        }
    }
    let (one, other) = join!(attach(9), attach(10));
    assert_ne!(one.is_ok(), other.is_ok());
    let listed = server.call::<ListAttachedPolicies>(json!({"target": arn})).await.unwrap();
    assert_eq!(listed["policies"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn two_new_versions_get_two_numbers() {
    let server = server().await;
    create_policy(&server, "p").await;
    let add = || {
        let request = json!({"policyName": "p", "policyDocument": DOCUMENT});
        server.call::<CreatePolicyVersion>(request)
    };
    let (one, other) = join!(add(), add());
    assert_ne!(one.unwrap()["policyVersionId"], other.unwrap()["policyVersionId"]);
    let listed = server.call::<ListPolicyVersions>(json!({"policyName": "p"})).await.unwrap();
    assert_eq!(listed["policyVersions"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_billing_group_has_a_thing_or_is_deleted_but_not_both() {
    let server = server().await;
    for round in 0..ROUNDS {
        let (group, thing) = (format!("g{round}"), format!("t{round}"));
        let named = json!({"billingGroupName": group});
        server.call::<CreateBillingGroup>(named.clone()).await.unwrap();
        create_thing(&server, &thing).await;
        let request = json!({"billingGroupName": group, "thingName": thing});
        let (added, deleted) = join!(
            server.call::<AddThingToBillingGroup>(request),
            server.call::<DeleteBillingGroup>(named.clone()),
        );
        assert_ne!(added.is_ok(), deleted.is_ok());
        let listed = server.call::<ListThingsInBillingGroup>(named).await;
        assert_eq!(listed.is_ok(), added.is_ok());
        let described = server.call::<DescribeThing>(json!({"thingName": thing})).await.unwrap();
        assert_eq!(described.get("billingGroupName").is_some(), added.is_ok());
    }
}

#[tokio::test]
async fn a_thing_ends_in_one_billing_group() {
    let server = server().await;
    for group in ["a", "b"] {
        server.call::<CreateBillingGroup>(json!({"billingGroupName": group})).await.unwrap();
    }
    for round in 0..ROUNDS {
        let thing = format!("t{round}");
        create_thing(&server, &thing).await;
        let add = |group: &str| {
            let request = json!({"billingGroupName": group, "thingName": thing});
            server.call::<AddThingToBillingGroup>(request)
        };
        let (one, other) = join!(add("a"), add("b"));
        assert_ne!(one.is_ok(), other.is_ok());
    }
    let mut total = 0;
    for group in ["a", "b"] {
        let request = json!({"billingGroupName": group});
        let listed = server.call::<ListThingsInBillingGroup>(request).await.unwrap();
        total += listed["things"].as_array().unwrap().len();
    }
    assert_eq!(total, ROUNDS);
}

#[tokio::test]
async fn no_update_of_a_billing_group_is_lost() {
    let server = server().await;
    server.call::<CreateBillingGroup>(json!({"billingGroupName": "g"})).await.unwrap();
    let update = |expected: Option<i64>| {
        let mut request = json!({"billingGroupName": "g", "billingGroupProperties": {}});
        if let Some(version) = expected {
            request["expectedVersion"] = json!(version);
        }
        server.call::<UpdateBillingGroup>(request)
    };
    let (one, other) = join!(update(None), update(None));
    assert_ne!(one.unwrap()["version"], other.unwrap()["version"]);
    let (one, other) = join!(update(Some(3)), update(Some(3)));
    assert_ne!(one.is_ok(), other.is_ok());
    let described = server.call::<DescribeBillingGroup>(json!({"billingGroupName": "g"})).await;
    assert_eq!(described.unwrap()["version"], 4);
}

/// Both at once. Which of them begins changes from round to round.
pub(crate) async fn both<A, B>(
    round: usize,
    one: impl Future<Output = A>,
    other: impl Future<Output = B>,
) -> (A, B) {
    if round.is_multiple_of(2) {
        return join!(one, other);
    }
    let (other, one) = join!(other, one);
    (one, other)
}

#[tokio::test]
async fn a_group_gets_a_child_or_is_deleted_but_not_both() {
    let server = server().await;
    for round in 0..ROUNDS {
        let (parent, child) = (format!("g{round}"), format!("c{round}"));
        create_group(&server, &parent, "").await;
        let below = json!({"thingGroupName": child, "parentGroupName": parent});
        let (created, deleted) = both(
            round,
            server.call::<CreateThingGroup>(below),
            server.call::<DeleteThingGroup>(json!({"thingGroupName": parent})),
        )
        .await;
        assert_ne!(created.is_ok(), deleted.is_ok());
        for name in [parent, child] {
            let found = server.call::<DescribeThingGroup>(json!({"thingGroupName": name})).await;
            assert_eq!(found.is_ok(), created.is_ok(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_group_never_has_more_children_than_it_may() {
    let server = server().await;
    create_group(&server, "house", "").await;
    for child in 0..99 {
        create_group(&server, &format!("c{child}"), "house").await;
    }
    let create = |name: &str| {
        let request = json!({"thingGroupName": name, "parentGroupName": "house"});
        server.call::<CreateThingGroup>(request)
    };
    let (one, other) = join!(create("c99"), create("c100"));
    assert_ne!(one.is_ok(), other.is_ok());
    let request = json!({"parentGroup": "house", "maxResults": 250});
    let listed = server.call::<ListThingGroups>(request).await.unwrap();
    assert_eq!(listed["thingGroups"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn a_thing_joins_one_group_of_a_hierarchy_and_stays_within_its_bound() {
    let server = server().await;
    for (name, parent) in [("house", ""), ("floor1", "house"), ("floor2", "house")] {
        create_group(&server, name, parent).await;
    }
    for number in 0..10 {
        create_group(&server, &format!("g{number}"), "").await;
    }
    for round in 0..ROUNDS {
        let thing = format!("t{round}");
        create_thing(&server, &thing).await;
        let add = |group: &str| {
            let request = json!({"thingName": thing, "thingGroupName": group});
            server.call::<AddThingToThingGroup>(request)
        };
        let (one, other) = join!(add("floor1"), add("floor2"));
        assert_ne!(one.is_ok(), other.is_ok());
        for number in 0..8 {
            add_to_group(&server, &thing, &format!("g{number}")).await;
        }
        let (one, other) = join!(add("g8"), add("g9"));
        assert_ne!(one.is_ok(), other.is_ok());
        // Ten groups, and the one above one of them.
        let listed = server.call::<ListThingGroupsForThing>(json!({"thingName": thing})).await;
        assert_eq!(listed.unwrap()["thingGroups"].as_array().map(Vec::len), Some(11));
    }
}

#[tokio::test]
async fn a_thing_that_is_deleted_while_it_joins_a_group_is_in_none() {
    let server = server().await;
    create_group(&server, "house", "").await;
    for round in 0..ROUNDS {
        let thing = format!("t{round}");
        create_thing(&server, &thing).await;
        let request = json!({"thingName": thing, "thingGroupName": "house"});
        let (_, deleted) = both(
            round,
            server.call::<AddThingToThingGroup>(request),
            server.call::<DeleteThing>(json!({"thingName": thing})),
        )
        .await;
        deleted.unwrap();
        let request = json!({"thingGroupName": "house"});
        let things = server.call::<ListThingsInThingGroup>(request).await.unwrap();
        assert_eq!(things["things"], json!([]));
        create_thing(&server, &thing).await;
        let listed = server.call::<ListThingGroupsForThing>(json!({"thingName": thing})).await;
        assert_eq!(listed.unwrap()["thingGroups"], json!([]));
    }
}

#[tokio::test]
async fn a_group_that_is_deleted_while_a_thing_and_a_policy_come_keeps_neither() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    create_policy(&server, "p").await;
    for round in 0..ROUNDS {
        create_group(&server, "house", "").await;
        let membership = json!({"thingName": "lamp", "thingGroupName": "house"});
        let policy = json!({"policyName": "p", "target": group_arn("house")});
        let come = async {
            join!(
                server.call::<AddThingToThingGroup>(membership),
                server.call::<AttachPolicy>(policy),
            )
        };
        let go = server.call::<DeleteThingGroup>(json!({"thingGroupName": "house"}));
        let (_, deleted) = both(round, Box::pin(come), go).await;
        deleted.unwrap();
        let targets = server.call::<ListTargetsForPolicy>(json!({"policyName": "p"})).await;
        assert_eq!(targets.unwrap()["targets"], json!([]));
        create_group(&server, "house", "").await;
        let request = json!({"thingGroupName": "house"});
        let things = server.call::<ListThingsInThingGroup>(request.clone()).await.unwrap();
        assert_eq!(things["things"], json!([]));
        let listed = server.call::<ListThingGroupsForThing>(json!({"thingName": "lamp"})).await;
        assert_eq!(each(&listed.unwrap()["thingGroups"], "groupName"), Vec::<String>::new());
        server.call::<DeleteThingGroup>(request).await.unwrap();
    }
}
