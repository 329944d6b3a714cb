//! Things: create, describe, update, delete, list.

use model::iot::op::{
    AttachThingPrincipal, CreateThing, CreateThingType, DeleteThing, DeprecateThingType,
    DescribeThing, DetachThingPrincipal, ListThings, UpdateThing,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{code, create_certificate, create_thing, each, refusal, server};

async fn attributes(server: &Server, name: &str) -> Value {
    describe(server, name).await["attributes"].clone()
}

async fn describe(server: &Server, name: &str) -> Value {
    server.call::<DescribeThing>(json!({"thingName": name})).await.unwrap()
}

async fn create_type(server: &Server, name: &str) {
    server.call::<CreateThingType>(json!({"thingTypeName": name})).await.unwrap();
}

#[tokio::test]
async fn a_thing_is_described_as_it_was_created() {
    let server = server().await;
    create_type(&server, "bulb").await;
    let request = json!({
        "thingName": "lamp", "thingTypeName": "bulb", "attributePayload": {"attributes": {"a": "1"}},
    });
    let created = server.call::<CreateThing>(request).await.unwrap();
    let arn = "arn:aws:iot:us-east-1:000000000000:thing/lamp";
    assert_eq!(created["thingArn"], arn);
    let expected = json!({
        "defaultClientId": "lamp", "thingName": "lamp", "thingId": created["thingId"],
        "thingArn": arn, "thingTypeName": "bulb", "attributes": {"a": "1"}, "version": 1,
    });
    assert_eq!(describe(&server, "lamp").await, expected);
}

#[tokio::test]
async fn creating_an_identical_thing_returns_the_first_and_another_is_refused() {
    let server = server().await;
    let request = |value: &str| json!({"thingName": "lamp", "attributePayload": {"attributes": {"a": value}}});
    let first = server.call::<CreateThing>(request("1")).await.unwrap();
    assert_eq!(server.call::<CreateThing>(request("1")).await.unwrap(), first);
    let error = server.call::<CreateThing>(request("2")).await.unwrap_err();
    assert_eq!(error.code, "ResourceAlreadyExistsException");
    assert_eq!(error.members["resourceId"], first["thingId"]);
    assert_eq!(error.members["resourceArn"], first["thingArn"]);
    assert_eq!(attributes(&server, "lamp").await, json!({"a": "1"}));
}

#[tokio::test]
async fn a_thing_of_something_unknown_is_not_created() {
    let server = server().await;
    for request in [
        json!({"thingName": "lamp", "thingTypeName": "none"}),
        json!({"thingName": "lamp", "billingGroupName": "none"}),
    ] {
        let created = server.call::<CreateThing>(request).await;
        assert_eq!(code(created), "ResourceNotFoundException");
    }
    let described = server.call::<DescribeThing>(json!({"thingName": "lamp"})).await;
    let expected = ("ResourceNotFoundException", "Thing lamp cannot be found.".to_owned());
    assert_eq!(refusal(described), expected);
}

#[tokio::test]
async fn a_deprecated_type_takes_no_more_things() {
    let server = server().await;
    create_type(&server, "bulb").await;
    server.call::<DeprecateThingType>(json!({"thingTypeName": "bulb"})).await.unwrap();
    let request = json!({"thingName": "lamp", "thingTypeName": "bulb"});
    assert_eq!(code(server.call::<CreateThing>(request.clone()).await), "InvalidRequestException");
    create_thing(&server, "lamp").await;
    assert_eq!(code(server.call::<UpdateThing>(request).await), "InvalidRequestException");
    assert_eq!(describe(&server, "lamp").await["version"], 1);
}

#[tokio::test]
async fn a_thing_without_a_type_has_three_attributes_at_most() {
    let server = server().await;
    let payload = json!({"attributes": {"a": "1", "b": "2", "c": "3", "d": "4"}});
    let request = json!({"thingName": "lamp", "attributePayload": payload});
    assert_eq!(code(server.call::<CreateThing>(request).await), "InvalidRequestException");
    create_type(&server, "bulb").await;
    let request =
        json!({"thingName": "lamp", "thingTypeName": "bulb", "attributePayload": payload});
    server.call::<CreateThing>(request).await.unwrap();
    let request = json!({"thingName": "lamp", "removeThingType": true});
    assert_eq!(code(server.call::<UpdateThing>(request).await), "InvalidRequestException");
    let request = json!({
        "thingName": "lamp", "removeThingType": true,
        "attributePayload": {"attributes": {"d": ""}, "merge": true},
    });
    server.call::<UpdateThing>(request).await.unwrap();
    let described = describe(&server, "lamp").await;
    assert_eq!(described["attributes"], json!({"a": "1", "b": "2", "c": "3"}));
    assert_eq!(described.get("thingTypeName"), None);
}

#[tokio::test]
async fn a_hundred_attributes_are_refused_and_change_nothing() {
    let server = server().await;
    create_type(&server, "bulb").await;
    let numbered = |numbers: std::ops::Range<usize>| -> Value {
        numbers.map(|number| (format!("a{number:02}"), json!("1"))).collect()
    };
    let request = |numbers| {
        let payload = json!({"attributes": numbered(numbers), "merge": true});
        json!({"thingName": "lamp", "thingTypeName": "bulb", "attributePayload": payload})
    };
    let refused = server.call::<CreateThing>(request(0..100)).await;
    let message = "There can be at most 50 attributes, not 100.";
    assert_eq!(refusal(refused), ("InvalidRequestException", message.to_owned()));
    let missing = server.call::<DescribeThing>(json!({"thingName": "lamp"})).await;
    assert_eq!(code(missing), "ResourceNotFoundException");
    server.call::<CreateThing>(request(0..50)).await.unwrap();
    let refused = server.call::<UpdateThing>(request(50..100)).await;
    assert_eq!(refusal(refused), ("InvalidRequestException", message.to_owned()));
    let described = describe(&server, "lamp").await;
    assert_eq!((&described["version"], &described["attributes"]), (&json!(1), &numbered(0..50)));
    assert_eq!(
        listed(&server, json!({"attributeName": "a99", "attributeValue": "1"})).await,
        [""; 0]
    );
}

#[tokio::test]
async fn an_update_replaces_all_attributes_unless_it_merges() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    for (payload, expected) in [
        (json!({"attributes": {"k1": "v1"}}), json!({"k1": "v1"})),
        (json!({"attributes": {"k2": "v2"}}), json!({"k2": "v2"})),
        (json!({"attributes": {"k1": "v"}, "merge": true}), json!({"k1": "v", "k2": "v2"})),
        (json!({"attributes": {"k1": ""}, "merge": true}), json!({"k2": "v2"})),
        (json!({"attributes": {"k2": ""}}), json!({})),
    ] {
        let request = json!({"thingName": "lamp", "attributePayload": payload});
        server.call::<UpdateThing>(request).await.unwrap();
        assert_eq!(attributes(&server, "lamp").await, expected, "{payload}");
    }
    assert_eq!(describe(&server, "lamp").await["version"], 6);
}

#[tokio::test]
async fn a_change_holds_only_for_the_version_it_expects() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    let expecting = |version: i64| json!({"thingName": "lamp", "expectedVersion": version});
    server.call::<UpdateThing>(expecting(1)).await.unwrap();
    let late = server.call::<UpdateThing>(expecting(1)).await;
    assert_eq!(code(late), "VersionConflictException");
    assert_eq!(code(server.call::<DeleteThing>(expecting(1)).await), "VersionConflictException");
    server.call::<DeleteThing>(expecting(2)).await.unwrap();
}

#[tokio::test]
async fn an_update_does_not_set_and_remove_the_type() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    let request = json!({"thingName": "lamp", "thingTypeName": "bulb", "removeThingType": true});
    assert_eq!(code(server.call::<UpdateThing>(request).await), "InvalidRequestException");
    let request = json!({"thingName": "none"});
    assert_eq!(code(server.call::<UpdateThing>(request).await), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_thing_with_a_principal_is_not_deleted() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    create_thing(&server, "lamp").await;
    let attachment = json!({"thingName": "lamp", "principal": arn});
    server.call::<AttachThingPrincipal>(attachment.clone()).await.unwrap();
    let message = "Cannot delete. Thing lamp is still attached to one or more principals";
    let deleted = server.call::<DeleteThing>(json!({"thingName": "lamp"})).await;
    assert_eq!(refusal(deleted), ("InvalidRequestException", message.to_owned()));
    server.call::<DetachThingPrincipal>(attachment).await.unwrap();
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
}

#[tokio::test]
async fn deleting_an_unknown_thing_succeeds_and_a_name_can_be_used_again() {
    let server = server().await;
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    let first = create_thing(&server, "lamp").await;
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    let second = create_thing(&server, "lamp").await;
    assert_ne!(first["thingId"], second["thingId"]);
}

async fn listed(server: &Server, filter: Value) -> Vec<String> {
    each(&server.call::<ListThings>(filter).await.unwrap()["things"], "thingName")
}

/// Things `a` to `f`: the first three have a type, every other one the site `s1`, the rest `s2`.
async fn six_things(server: &Server) {
    create_type(server, "bulb").await;
    for (number, name) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let site = if number % 2 == 0 { "s1" } else { "s2" };
        let mut request =
            json!({"thingName": name, "attributePayload": {"attributes": {"site": site}}});
        if number < 3 {
            request["thingTypeName"] = json!("bulb");
        }
        server.call::<CreateThing>(request).await.unwrap();
    }
}

#[tokio::test]
async fn things_are_listed_by_type_attribute_and_prefix() {
    let server = server().await;
    six_things(&server).await;
    for (filter, expected) in [
        (json!({}), vec!["a", "b", "c", "d", "e", "f"]),
        (json!({"thingTypeName": "bulb"}), vec!["a", "b", "c"]),
        (json!({"thingTypeName": "none"}), vec![]),
        (json!({"attributeName": "site", "attributeValue": "s1"}), vec!["a", "c", "e"]),
        (json!({"attributeName": "site", "attributeValue": "s"}), vec![]),
        (
            json!({"attributeName": "site", "attributeValue": "s", "usePrefixAttributeValue": true}),
            vec!["a", "c", "e", "b", "d", "f"],
        ),
        (
            json!({"thingTypeName": "bulb", "attributeName": "site", "attributeValue": "s1"}),
            vec!["a", "c"],
        ),
    ] {
        assert_eq!(listed(&server, filter.clone()).await, expected, "{filter}");
    }
    for half in [json!({"attributeName": "site"}), json!({"attributeValue": "s1"})] {
        assert_eq!(code(server.call::<ListThings>(half).await), "InvalidRequestException");
    }
}

#[tokio::test]
async fn an_index_follows_every_change() {
    let server = server().await;
    six_things(&server).await;
    let by_site = |site: &str| json!({"attributeName": "site", "attributeValue": site});
    let moved = json!({"thingName": "a", "attributePayload": {"attributes": {"site": "s3"}}});
    server.call::<UpdateThing>(moved).await.unwrap();
    server.call::<UpdateThing>(json!({"thingName": "b", "removeThingType": true})).await.unwrap();
    server.call::<DeleteThing>(json!({"thingName": "c"})).await.unwrap();
    assert_eq!(listed(&server, by_site("s1")).await, ["e"]);
    assert_eq!(listed(&server, by_site("s3")).await, ["a"]);
    assert_eq!(listed(&server, json!({"thingTypeName": "bulb"})).await, ["a"]);
    let of_type = json!({"thingTypeName": "bulb", "attributeName": "site", "attributeValue": "s2"});
    assert_eq!(listed(&server, of_type).await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_hold_everything_once_and_a_token_serves_its_own_list() {
    let server = server().await;
    six_things(&server).await;
    let mut seen = Vec::new();
    let mut request = json!({"maxResults": 2, "attributeName": "site", "attributeValue": "s1"});
    loop {
        let page = server.call::<ListThings>(request.clone()).await.unwrap();
        seen.extend(each(&page["things"], "thingName"));
        let Some(token) = page.get("nextToken") else { break };
        request["nextToken"] = token.clone();
    }
    assert_eq!(seen, ["a", "c", "e"]);
    let page = server.call::<ListThings>(json!({"maxResults": 6})).await.unwrap();
    assert_eq!(page.get("nextToken"), None);
    let other = json!({"nextToken": request["nextToken"]});
    assert_eq!(code(server.call::<ListThings>(other).await), "InvalidRequestException");
}

#[tokio::test]
async fn accounts_and_regions_do_not_see_one_another() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    for other in [server.in_region("eu-west-1"), server.in_account("123456789012")] {
        assert_eq!(listed(&other, json!({})).await, Vec::<String>::new());
        let described = other.call::<DescribeThing>(json!({"thingName": "lamp"})).await;
        assert_eq!(code(described), "ResourceNotFoundException");
    }
}
