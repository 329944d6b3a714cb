//! Thing types: create, describe, list, deprecate, update, delete.

use std::time::Duration;

use model::iot::op::{
    CreateThing, CreateThingType, DeleteThing, DeleteThingType, DeprecateThingType,
    DescribeThingType, ListThingTypes, UpdateThingType,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{code, each, members, refusal, server};

fn named(name: &str) -> Value {
    json!({"thingTypeName": name})
}

async fn describe(server: &Server, name: &str) -> Value {
    server.call::<DescribeThingType>(named(name)).await.unwrap()
}

#[tokio::test]
async fn a_type_is_described_as_it_was_created() {
    let server = server().await;
    let properties = json!({"thingTypeDescription": "light", "searchableAttributes": ["a"]});
    let request = json!({"thingTypeName": "bulb", "thingTypeProperties": properties});
    let created = server.call::<CreateThingType>(request.clone()).await.unwrap();
    assert_eq!(created["thingTypeArn"], "arn:aws:iot:us-east-1:000000000000:thingtype/bulb");
    assert_eq!(server.call::<CreateThingType>(request).await.unwrap(), created);
    let described = describe(&server, "bulb").await;
    assert_eq!(described["thingTypeId"], created["thingTypeId"]);
    assert_eq!(described["thingTypeProperties"], properties);
    assert_eq!(members(&described["thingTypeMetadata"]), ["creationDate", "deprecated"].into());
    let other = server.call::<CreateThingType>(named("bulb")).await;
    assert_eq!(code(other), "ResourceAlreadyExistsException");
}

#[tokio::test]
async fn a_bare_type_has_empty_properties() {
    let server = server().await;
    server.call::<CreateThingType>(named("bulb")).await.unwrap();
    assert_eq!(describe(&server, "bulb").await["thingTypeProperties"], json!({}));
}

#[tokio::test]
async fn types_are_listed_all_or_by_name() {
    let server = server().await;
    for name in ["b", "a"] {
        server.call::<CreateThingType>(named(name)).await.unwrap();
    }
    let all = server.call::<ListThingTypes>(json!({})).await.unwrap();
    assert_eq!(each(&all["thingTypes"], "thingTypeName"), ["a", "b"]);
    for (name, expected) in [("a", vec!["a"]), ("c", vec![])] {
        let found = server.call::<ListThingTypes>(named(name)).await.unwrap();
        assert_eq!(each(&found["thingTypes"], "thingTypeName"), expected);
    }
}

#[tokio::test]
async fn deprecation_has_a_date_and_can_be_undone() {
    let server = server().await;
    server.call::<CreateThingType>(named("bulb")).await.unwrap();
    server.call::<DeprecateThingType>(named("bulb")).await.unwrap();
    let first = describe(&server, "bulb").await["thingTypeMetadata"].clone();
    assert_eq!(first["deprecated"], true);
    server.clock().advance(Duration::from_secs(60));
    server.call::<DeprecateThingType>(named("bulb")).await.unwrap();
    assert_eq!(describe(&server, "bulb").await["thingTypeMetadata"], first);
    let undo = json!({"thingTypeName": "bulb", "undoDeprecate": true});
    server.call::<DeprecateThingType>(undo).await.unwrap();
    let undone = describe(&server, "bulb").await["thingTypeMetadata"].clone();
    assert_eq!(undone["deprecated"], false);
    assert_eq!(undone.get("deprecationDate"), None);
    let unknown = server.call::<DeprecateThingType>(named("none")).await;
    assert_eq!(code(unknown), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_type_is_deleted_five_minutes_after_its_deprecation() {
    let server = server().await;
    server.call::<CreateThingType>(named("bulb")).await.unwrap();
    let deleted = server.call::<DeleteThingType>(named("bulb")).await;
    assert_eq!(code(deleted), "InvalidRequestException");
    server.call::<DeprecateThingType>(named("bulb")).await.unwrap();
    server.clock().advance(Duration::from_secs(299));
    let message = "Cannot delete thing type : bulb. Please wait for 5 minutes after deprecation \
                   and then retry";
    let deleted = server.call::<DeleteThingType>(named("bulb")).await;
    assert_eq!(refusal(deleted), ("InvalidRequestException", message.to_owned()));
    server.clock().advance(Duration::from_secs(1));
    server.call::<DeleteThingType>(named("bulb")).await.unwrap();
    let deleted = server.call::<DeleteThingType>(named("bulb")).await;
    assert_eq!(code(deleted), "ResourceNotFoundException");
}

#[tokio::test]
async fn how_long_a_type_has_to_be_deprecated_is_a_setting() {
    let change = |choices: &mut testing::Choices| choices.limits.thing_type_deprecated_s_min = 2;
    let server = Server::build_with(change, |_| vec![crate::registry::feature()]).await;
    server.call::<CreateThingType>(named("bulb")).await.unwrap();
    server.call::<DeprecateThingType>(named("bulb")).await.unwrap();
    server.clock().advance(Duration::from_secs(1));
    let (code, message) = refusal(server.call::<DeleteThingType>(named("bulb")).await);
    assert_eq!(code, "InvalidRequestException");
    assert!(message.ends_with("Please wait for 5 minutes after deprecation and then retry"));
    server.clock().advance(Duration::from_secs(1));
    server.call::<DeleteThingType>(named("bulb")).await.unwrap();
}

#[tokio::test]
async fn a_type_in_use_is_not_deleted() {
    let server = server().await;
    server.call::<CreateThingType>(named("bulb")).await.unwrap();
    let thing = json!({"thingName": "lamp", "thingTypeName": "bulb"});
    server.call::<CreateThing>(thing).await.unwrap();
    server.call::<DeprecateThingType>(named("bulb")).await.unwrap();
    server.clock().advance(Duration::from_secs(300));
    let deleted = server.call::<DeleteThingType>(named("bulb")).await;
    assert_eq!(code(deleted), "InvalidRequestException");
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    server.call::<DeleteThingType>(named("bulb")).await.unwrap();
}

#[tokio::test]
async fn an_update_changes_what_messages_carry_and_nothing_else() {
    let server = server().await;
    let created = json!({
        "thingTypeName": "bulb", "thingTypeProperties": {"thingTypeDescription": "light"},
    });
    server.call::<CreateThingType>(created).await.unwrap();
    let attribute = json!({"userPropertyKey": "k", "thingAttribute": "a"});
    let configuration = json!({"propagatingAttributes": [attribute]});
    let update =
        |properties: Value| json!({"thingTypeName": "bulb", "thingTypeProperties": properties});
    let request = update(json!({"mqtt5Configuration": configuration}));
    server.call::<UpdateThingType>(request).await.unwrap();
    let expected = json!({"thingTypeDescription": "light", "mqtt5Configuration": configuration});
    assert_eq!(describe(&server, "bulb").await["thingTypeProperties"], expected);
    let message = "Can only update mqtt5Configuration.".to_owned();
    for refused in [json!({"thingTypeDescription": "dark"}), json!({"searchableAttributes": ["a"]})]
    {
        let updated = server.call::<UpdateThingType>(update(refused)).await;
        assert_eq!(refusal(updated), ("InvalidRequestException", message.clone()));
    }
    server.call::<UpdateThingType>(update(expected)).await.unwrap();
    let half = json!({"propagatingAttributes": [{"userPropertyKey": "k"}]});
    let updated = server.call::<UpdateThingType>(update(json!({"mqtt5Configuration": half}))).await;
    assert_eq!(code(updated), "InvalidRequestException");
}
