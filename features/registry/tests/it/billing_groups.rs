//! Billing groups: create, describe, update, delete, list, and the things in them.

use model::iot::op::{
    AddThingToBillingGroup, CreateBillingGroup, CreateThing, DeleteBillingGroup, DeleteThing,
    DescribeBillingGroup, DescribeThing, ListBillingGroups, ListThings, ListThingsInBillingGroup,
    RemoveThingFromBillingGroup, UpdateBillingGroup, UpdateThing,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{code, create_thing, each, refusal, server};

const HOUSE: &str = "arn:aws:iot:us-east-1:000000000000:billinggroup/house";
const LAMP: &str = "arn:aws:iot:us-east-1:000000000000:thing/lamp";

fn named(name: &str) -> Value {
    json!({"billingGroupName": name})
}

async fn create(server: &Server, name: &str) -> Value {
    server.call::<CreateBillingGroup>(named(name)).await.unwrap()
}

async fn describe(server: &Server, name: &str) -> Value {
    server.call::<DescribeBillingGroup>(named(name)).await.unwrap()
}

async fn add(server: &Server, group: &str, thing: &str) {
    let request = json!({"billingGroupName": group, "thingName": thing});
    server.call::<AddThingToBillingGroup>(request).await.unwrap();
}

async fn things(server: &Server, group: &str) -> Value {
    server.call::<ListThingsInBillingGroup>(named(group)).await.unwrap()["things"].clone()
}

/// The billing group that a thing is described with.
async fn group_of(server: &Server, thing: &str) -> Option<String> {
    let described = server.call::<DescribeThing>(json!({"thingName": thing})).await.unwrap();
    described.get("billingGroupName").map(|name| name.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_group_is_described_as_it_was_created() {
    let server = server().await;
    let properties = json!({"billingGroupDescription": "All of it"});
    let request = json!({"billingGroupName": "house", "billingGroupProperties": properties});
    let created = server.call::<CreateBillingGroup>(request).await.unwrap();
    let id = &created["billingGroupId"];
    let expected = json!({
        "billingGroupName": "house", "billingGroupArn": HOUSE, "billingGroupId": id,
    });
    assert_eq!(created, expected);
    let described = describe(&server, "house").await;
    let expected = json!({
        "billingGroupName": "house", "billingGroupArn": HOUSE, "billingGroupId": id, "version": 1,
        "billingGroupProperties": properties,
        "billingGroupMetadata": {"creationDate": described["billingGroupMetadata"]["creationDate"]},
    });
    assert_eq!(described, expected);
    assert!(described["billingGroupMetadata"]["creationDate"].is_number());
}

#[tokio::test]
async fn creating_an_identical_group_returns_the_first_and_another_is_refused() {
    let server = server().await;
    let request = |text: &str| {
        let properties = json!({"billingGroupDescription": text});
        json!({"billingGroupName": "house", "billingGroupProperties": properties})
    };
    let first = server.call::<CreateBillingGroup>(request("a")).await.unwrap();
    assert_eq!(server.call::<CreateBillingGroup>(request("a")).await.unwrap(), first);
    for other in [request("b"), named("house")] {
        let error = server.call::<CreateBillingGroup>(other).await.unwrap_err();
        assert_eq!(error.code, "ResourceAlreadyExistsException");
        assert_eq!(error.members["resourceId"], first["billingGroupId"]);
        assert_eq!(error.members["resourceArn"], HOUSE);
    }
}

#[tokio::test]
async fn an_update_replaces_the_properties_of_the_version_it_expects() {
    let server = server().await;
    create(&server, "house").await;
    let update = |properties: Value, expected: i64| {
        json!({
            "billingGroupName": "house", "billingGroupProperties": properties,
            "expectedVersion": expected,
        })
    };
    let properties = json!({"billingGroupDescription": "new"});
    let updated = server.call::<UpdateBillingGroup>(update(properties.clone(), 1)).await.unwrap();
    assert_eq!(updated, json!({"version": 2}));
    let late = server.call::<UpdateBillingGroup>(update(json!({}), 1)).await;
    assert_eq!(code(late), "VersionConflictException");
    let described = describe(&server, "house").await;
    let found = (&described["billingGroupProperties"], &described["version"]);
    assert_eq!(found, (&properties, &json!(2)));
    let request = json!({"billingGroupName": "house", "billingGroupProperties": {}});
    assert_eq!(server.call::<UpdateBillingGroup>(request).await.unwrap(), json!({"version": 3}));
    assert_eq!(describe(&server, "house").await["billingGroupProperties"], json!({}));
}

#[tokio::test]
async fn a_group_is_deleted_in_the_version_that_is_expected_once_it_is_empty() {
    let server = server().await;
    let first = create(&server, "house").await;
    create_thing(&server, "lamp").await;
    add(&server, "house", "lamp").await;
    let message = "Cannot delete billing group house while there are things in it.";
    let deleted = server.call::<DeleteBillingGroup>(named("house")).await;
    assert_eq!(refusal(deleted), ("InvalidRequestException", message.to_owned()));
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    let expecting = |version: i64| json!({"billingGroupName": "house", "expectedVersion": version});
    let deleted = server.call::<DeleteBillingGroup>(expecting(2)).await;
    assert_eq!(code(deleted), "VersionConflictException");
    server.call::<DeleteBillingGroup>(expecting(1)).await.unwrap();
    server.call::<DeleteBillingGroup>(expecting(1)).await.expect("it is unknown now");
    let described = server.call::<DescribeBillingGroup>(named("house")).await;
    assert_eq!(code(described), "ResourceNotFoundException");
    assert_ne!(create(&server, "house").await["billingGroupId"], first["billingGroupId"]);
}

#[tokio::test]
async fn groups_are_listed_by_name_all_or_by_what_it_begins_with() {
    let server = server().await;
    for name in ["house-2", "site", "house-1", "Houses", "house"] {
        create(&server, name).await;
    }
    for (filter, expected) in [
        (json!({}), vec!["Houses", "house", "house-1", "house-2", "site"]),
        (json!({"namePrefixFilter": "house"}), vec!["house", "house-1", "house-2"]),
        (json!({"namePrefixFilter": "house-2"}), vec!["house-2"]),
        (json!({"namePrefixFilter": "ouse"}), vec![]),
    ] {
        let mut request = filter.clone();
        request["maxResults"] = json!(2);
        let mut seen = Vec::new();
        loop {
            let page = server.call::<ListBillingGroups>(request.clone()).await.unwrap();
            let names = each(&page["billingGroups"], "groupName");
            assert!(names.len() <= 2, "{names:?}");
            let arns = each(&page["billingGroups"], "groupArn");
            assert!(arns.iter().zip(&names).all(|(arn, name)| arn.ends_with(&format!("/{name}"))));
            seen.extend(names);
            let Some(token) = page.get("nextToken") else { break };
            request["nextToken"] = token.clone();
        }
        assert_eq!(seen, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_thing_is_put_into_a_group_and_taken_out_by_name_or_arn() {
    let server = server().await;
    create(&server, "house").await;
    create_thing(&server, "lamp").await;
    for request in [
        json!({"billingGroupName": "house", "thingName": "lamp"}),
        json!({"billingGroupArn": HOUSE, "thingArn": LAMP}),
        json!({
            "billingGroupName": "house", "billingGroupArn": HOUSE,
            "thingName": "lamp", "thingArn": LAMP,
        }),
    ] {
        for _ in 0..2 {
            server.call::<AddThingToBillingGroup>(request.clone()).await.unwrap();
            assert_eq!(things(&server, "house").await, json!(["lamp"]));
            assert_eq!(group_of(&server, "lamp").await.as_deref(), Some("house"));
        }
        for _ in 0..2 {
            server.call::<RemoveThingFromBillingGroup>(request.clone()).await.unwrap();
            assert_eq!(things(&server, "house").await, json!([]));
            assert_eq!(group_of(&server, "lamp").await, None);
        }
    }
    let described = server.call::<DescribeThing>(json!({"thingName": "lamp"})).await.unwrap();
    assert_eq!(described["version"], 1, "the thing itself did not change");
}

#[tokio::test]
async fn what_a_request_names_wrongly_is_refused() {
    let server = server().await;
    create(&server, "house").await;
    create_thing(&server, "lamp").await;
    let unknown = "ResourceNotFoundException";
    let invalid = "InvalidRequestException";
    for (request, expected) in [
        (json!({"billingGroupName": "none", "thingName": "lamp"}), unknown),
        (json!({"billingGroupName": "house", "thingName": "none"}), unknown),
        (json!({"billingGroupName": "house"}), invalid),
        (json!({"thingName": "lamp"}), invalid),
        (
            json!({"billingGroupName": "site", "billingGroupArn": HOUSE, "thingName": "lamp"}),
            invalid,
        ),
        (json!({"billingGroupName": "house", "thingName": "pump", "thingArn": LAMP}), invalid),
        (json!({"billingGroupArn": LAMP, "thingArn": LAMP}), invalid),
        (json!({"billingGroupArn": "house", "thingName": "lamp"}), invalid),
        (
            json!({
                "billingGroupArn": "arn:aws:iot:eu-west-1:000000000000:billinggroup/house",
                "thingName": "lamp",
            }),
            unknown,
        ),
        // Policies about the billing group say nothing of this one.
        (json!({"billingGroupArn": HOUSE.replace("aws", "aws-cn"), "thingName": "lamp"}), unknown),
    ] {
        let added = server.call::<AddThingToBillingGroup>(request.clone()).await;
        assert_eq!(code(added), expected, "{request}");
        let removed = server.call::<RemoveThingFromBillingGroup>(request.clone()).await;
        assert_eq!(code(removed), expected, "{request}");
    }
    assert_eq!(things(&server, "house").await, json!([]));
    let request = named("none");
    for refused in [
        server.call::<ListThingsInBillingGroup>(request.clone()).await,
        server.call::<DescribeBillingGroup>(request.clone()).await,
        server
            .call::<UpdateBillingGroup>(
                json!({"billingGroupName": "none", "billingGroupProperties": {}}),
            )
            .await,
    ] {
        let expected = (unknown, "Billing group none cannot be found.".to_owned());
        assert_eq!(refusal(refused), expected);
    }
}

#[tokio::test]
async fn a_thing_is_in_one_group_at_most() {
    let server = server().await;
    for name in ["house", "site"] {
        create(&server, name).await;
    }
    create_thing(&server, "lamp").await;
    add(&server, "house", "lamp").await;
    let other = json!({"billingGroupName": "site", "thingName": "lamp"});
    let added = server.call::<AddThingToBillingGroup>(other.clone()).await;
    assert_eq!(code(added), "InvalidRequestException");
    server.call::<RemoveThingFromBillingGroup>(other).await.expect("it is not there");
    assert_eq!(group_of(&server, "lamp").await.as_deref(), Some("house"));
    assert_eq!(things(&server, "site").await, json!([]));
}

#[tokio::test]
async fn a_thing_is_created_in_a_group_and_stays_there_through_updates() {
    let server = server().await;
    for name in ["house", "site"] {
        create(&server, name).await;
    }
    let request = |group: &str| json!({"thingName": "lamp", "billingGroupName": group});
    let first = server.call::<CreateThing>(request("house")).await.unwrap();
    assert_eq!(server.call::<CreateThing>(request("house")).await.unwrap(), first);
    for other in [request("site"), json!({"thingName": "lamp"})] {
        assert_eq!(code(server.call::<CreateThing>(other).await), "ResourceAlreadyExistsException");
    }
    let update = json!({"thingName": "lamp", "attributePayload": {"attributes": {"a": "1"}}});
    server.call::<UpdateThing>(update).await.unwrap();
    assert_eq!(group_of(&server, "lamp").await.as_deref(), Some("house"));
    assert_eq!(things(&server, "house").await, json!(["lamp"]));
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    assert_eq!(things(&server, "house").await, json!([]));
    create_thing(&server, "lamp").await;
    assert_eq!(group_of(&server, "lamp").await, None);
}

#[tokio::test]
async fn the_things_of_a_group_come_in_pages() {
    let server = server().await;
    for name in ["house", "house-1"] {
        create(&server, name).await;
    }
    for name in ["c", "a", "e", "b", "d"] {
        create_thing(&server, name).await;
        add(&server, if name == "e" { "house-1" } else { "house" }, name).await;
    }
    let mut request = json!({"billingGroupName": "house", "maxResults": 3});
    let page = server.call::<ListThingsInBillingGroup>(request.clone()).await.unwrap();
    assert_eq!(page["things"], json!(["a", "b", "c"]));
    request["nextToken"] = page["nextToken"].clone();
    let page = server.call::<ListThingsInBillingGroup>(request.clone()).await.unwrap();
    assert_eq!(page, json!({"things": ["d"]}));
    request["billingGroupName"] = json!("house-1");
    let other = server.call::<ListThingsInBillingGroup>(request).await;
    assert_eq!(code(other), "InvalidRequestException", "a token serves its own list");
}

#[tokio::test]
async fn accounts_and_regions_do_not_see_one_another() {
    let server = server().await;
    create(&server, "house").await;
    for other in [server.in_region("eu-west-1"), server.in_account("123456789012")] {
        let listed = other.call::<ListBillingGroups>(json!({})).await.unwrap();
        assert_eq!(listed["billingGroups"], json!([]));
        let request = json!({"thingName": "lamp", "billingGroupName": "house"});
        let created = other.call::<CreateThing>(request).await;
        assert_eq!(code(created), "ResourceNotFoundException");
        let listed = other.call::<ListThings>(json!({})).await.unwrap();
        assert_eq!(listed["things"], json!([]), "nothing was created");
    }
}
