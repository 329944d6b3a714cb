//! What the registry tells of things and thing types, once that is switched on.

mod groups;

use std::sync::Arc;
use std::time::Duration;

use model::iot::op::{
    AddThingToBillingGroup, CreateBillingGroup, CreateThing, CreateThingType, DeleteThing,
    DeleteThingType, DeprecateThingType, DescribeEventConfigurations, UpdateEventConfigurations,
    UpdateThing, UpdateThingType,
};
use serde_json::{Value, json};
use testing::{Ear, Server};

use crate::{code, create_thing, registry, server};

/// What the clock shows at first.
const START_MS: i64 = 1_767_323_045_000;
/// All that there are events of.
const KINDS: [&str; 11] = [
    "THING",
    "THING_GROUP",
    "THING_TYPE",
    "THING_GROUP_MEMBERSHIP",
    "THING_GROUP_HIERARCHY",
    "THING_TYPE_ASSOCIATION",
    "JOB",
    "JOB_EXECUTION",
    "POLICY",
    "CERTIFICATE",
    "CA_CERTIFICATE",
];

/// The topics and contents of what was told since the last look, without the events' ids.
fn told(ear: &Ear) -> Vec<(String, Value)> {
    let told = |(topic, mut event): (String, Value)| {
        let topic = topic.strip_prefix("$aws/events/").unwrap().to_owned();
        let id = event.as_object_mut().unwrap().remove("eventId").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 36);
        (topic, event)
    };
    ear.told().into_iter().map(told).collect()
}

/// The topics of what was told since the last look.
fn topics(ear: &Ear) -> Vec<String> {
    told(ear).into_iter().map(|(topic, _)| topic).collect()
}

async fn switch(server: &Server, kinds: &[&str], is_on: bool) {
    let configurations: serde_json::Map<String, Value> =
        kinds.iter().map(|kind| ((*kind).to_owned(), json!({"Enabled": is_on}))).collect();
    let request = json!({"eventConfigurations": configurations});
    server.call::<UpdateEventConfigurations>(request).await.unwrap();
}

/// A server on which events of these kinds are told of, and who hears them.
async fn telling(kinds: &[&str]) -> (Server, Arc<Ear>) {
    let server = server().await;
    let ear = Ear::at(&server);
    switch(&server, kinds, true).await;
    (server, ear)
}

async fn configurations(server: &Server) -> Value {
    server.call::<DescribeEventConfigurations>(json!({})).await.unwrap()
}

/// Every kind, with whether it is one of `on`.
fn with_on(on: &[&str]) -> Value {
    let configuration = |kind: &&str| ((*kind).to_owned(), json!({"Enabled": on.contains(kind)}));
    Value::Object(KINDS.iter().map(configuration).collect())
}

#[tokio::test]
async fn every_event_is_off_until_it_is_switched_on() {
    let server = server().await;
    assert_eq!(configurations(&server).await, json!({"eventConfigurations": with_on(&[])}));
    switch(&server, &["THING", "JOB"], true).await;
    let first = configurations(&server).await;
    assert_eq!(first["eventConfigurations"], with_on(&["THING", "JOB"]));
    assert_eq!(first["creationDate"], first["lastModifiedDate"]);
    server.clock().advance(Duration::from_secs(60));
    switch(&server, &["JOB"], false).await;
    switch(&server, &["THING_TYPE"], true).await;
    let second = configurations(&server).await;
    assert_eq!(second["eventConfigurations"], with_on(&["THING", "THING_TYPE"]));
    assert_eq!(second["creationDate"], first["creationDate"]);
    let later = first["creationDate"].as_f64().unwrap() + 60.0;
    assert_eq!(second["lastModifiedDate"].as_f64(), Some(later));
    let other = configurations(&server.in_region("eu-west-1")).await;
    assert_eq!(other["eventConfigurations"], with_on(&[]), "each tenant has its own");
}

#[tokio::test]
async fn nothing_is_told_of_what_is_off() {
    let server = server().await;
    let ear = Ear::at(&server);
    create_thing(&server, "lamp").await;
    switch(&server, &["THING_GROUP", "THING_TYPE"], true).await;
    create_thing(&server, "pump").await;
    create_thing(&server.in_region("eu-west-1"), "fan").await;
    assert_eq!(topics(&ear), Vec::<String>::new());
    switch(&server, &["THING"], true).await;
    create_thing(&server.in_region("eu-west-1"), "lamp").await;
    create_thing(&server, "light").await;
    let heard = ear.heard();
    let [(tenant, message)] = &heard[..] else { panic!("one event is expected: {heard:?}") };
    assert_eq!(tenant.region.as_str(), "us-east-1");
    assert_eq!(message.topic, "$aws/events/thing/light/created");
    assert!(!message.retain);
}

#[tokio::test]
async fn a_thing_is_told_of_when_it_is_created_updated_and_deleted() {
    let (server, ear) = telling(&["THING"]).await;
    let attributes = json!({"attributes": {"a": "1"}});
    let request = json!({"thingName": "lamp", "attributePayload": attributes});
    let created = server.call::<CreateThing>(request.clone()).await.unwrap();
    server.call::<CreateThing>(request).await.expect("it is there already");
    let event = |operation: &str, version: i64, attributes: Value| {
        json!({
            "eventType": "THING_EVENT", "operation": operation, "timestamp": START_MS,
            "accountId": "000000000000", "thingId": created["thingId"], "thingName": "lamp",
            "versionNumber": version, "thingTypeName": null, "attributes": attributes,
        })
    };
    let expected = event("CREATED", 1, json!({"a": "1"}));
    assert_eq!(told(&ear), [("thing/lamp/created".to_owned(), expected)]);
    let attributes = json!({"attributes": {"b": "2"}});
    let request = json!({"thingName": "lamp", "attributePayload": attributes});
    server.call::<UpdateThing>(request).await.unwrap();
    let expected = event("UPDATED", 2, json!({"b": "2"}));
    assert_eq!(told(&ear), [("thing/lamp/updated".to_owned(), expected)]);
    let late = json!({"thingName": "lamp", "expectedVersion": 1});
    assert_eq!(code(server.call::<UpdateThing>(late).await), "VersionConflictException");
    assert_eq!(topics(&ear), Vec::<String>::new(), "a refusal is no event");
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.expect("it is unknown now");
    let expected = event("DELETED", 2, json!({"b": "2"}));
    assert_eq!(told(&ear), [("thing/lamp/deleted".to_owned(), expected)]);
}

#[tokio::test]
async fn a_billing_group_is_no_event_of_the_thing() {
    let (server, ear) = telling(&KINDS).await;
    create_thing(&server, "lamp").await;
    assert_eq!(topics(&ear), ["thing/lamp/created"]);
    let group = json!({"billingGroupName": "house", "thingName": "lamp"});
    server.call::<CreateBillingGroup>(json!({"billingGroupName": "house"})).await.unwrap();
    server.call::<AddThingToBillingGroup>(group).await.unwrap();
    assert_eq!(topics(&ear), Vec::<String>::new());
}

#[tokio::test]
async fn the_type_of_a_thing_is_told_of_when_it_changes() {
    let (server, ear) = telling(&["THING_TYPE_ASSOCIATION"]).await;
    for name in ["bulb", "tube"] {
        server.call::<CreateThingType>(json!({"thingTypeName": name})).await.unwrap();
    }
    let request = json!({"thingName": "lamp", "thingTypeName": "bulb"});
    let created = server.call::<CreateThing>(request.clone()).await.unwrap();
    let expected = json!({
        "eventType": "THING_TYPE_ASSOCIATION_EVENT", "operation": "ADDED", "timestamp": START_MS,
        "thingId": created["thingId"], "thingName": "lamp", "thingTypeName": "bulb",
    });
    let topic = "thingTypeAssociation/thing/lamp/thingType/bulb/added".to_owned();
    assert_eq!(told(&ear), [(topic, expected)]);
    server.call::<UpdateThing>(request).await.unwrap();
    assert_eq!(topics(&ear), Vec::<String>::new(), "it has that type already");
    let request = json!({"thingName": "lamp", "thingTypeName": "tube"});
    server.call::<UpdateThing>(request).await.unwrap();
    let expected = [
        "thingTypeAssociation/thing/lamp/thingType/bulb/removed",
        "thingTypeAssociation/thing/lamp/thingType/tube/added",
    ];
    assert_eq!(topics(&ear), expected);
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    assert_eq!(topics(&ear), ["thingTypeAssociation/thing/lamp/thingType/tube/removed"]);
    create_thing(&server, "lamp").await;
    server.call::<DeleteThing>(json!({"thingName": "lamp"})).await.unwrap();
    assert_eq!(topics(&ear), Vec::<String>::new(), "it had no type");
}

#[tokio::test]
async fn a_thing_type_is_told_of_through_its_life() {
    let (server, ear) = telling(&["THING_TYPE"]).await;
    let named = json!({"thingTypeName": "bulb"});
    let properties = json!({"thingTypeDescription": "light", "searchableAttributes": ["a"]});
    let request = json!({"thingTypeName": "bulb", "thingTypeProperties": properties});
    let created = server.call::<CreateThingType>(request.clone()).await.unwrap();
    server.call::<CreateThingType>(request).await.expect("it is there already");
    let event = |operation: &str, deprecated: Option<i64>, timestamp: i64, carried: &Value| {
        json!({
            "eventType": "THING_TYPE_EVENT", "operation": operation, "timestamp": timestamp,
            "accountId": "000000000000", "thingTypeId": created["thingTypeId"],
            "thingTypeName": "bulb", "isDeprecated": deprecated.is_some(),
            "deprecationDate": deprecated, "searchableAttributes": ["a"],
            "propagatingAttributes": carried, "description": "light",
        })
    };
    let expected = event("CREATED", None, START_MS, &json!([]));
    assert_eq!(told(&ear), [("thingType/bulb/created".to_owned(), expected)]);
    let carried = json!([{"userPropertyKey": "k", "thingAttribute": "a"}]);
    let properties = json!({"mqtt5Configuration": {"propagatingAttributes": carried}});
    let request = json!({"thingTypeName": "bulb", "thingTypeProperties": properties});
    server.call::<UpdateThingType>(request).await.unwrap();
    let updated = "thingType/bulb/updated".to_owned();
    let expected = event("UPDATED", None, START_MS, &carried);
    assert_eq!(told(&ear), [(updated.clone(), expected)]);
    for _ in 0..2 {
        server.call::<DeprecateThingType>(named.clone()).await.unwrap();
    }
    let expected = event("UPDATED", Some(START_MS), START_MS, &carried);
    assert_eq!(told(&ear), [(updated.clone(), expected)], "the second time changed nothing");
    let undo = json!({"thingTypeName": "bulb", "undoDeprecate": true});
    server.call::<DeprecateThingType>(undo).await.unwrap();
    let expected = event("UPDATED", None, START_MS, &carried);
    assert_eq!(told(&ear), [(updated, expected)]);
    server.call::<DeprecateThingType>(named.clone()).await.unwrap();
    told(&ear);
    server.clock().advance(Duration::from_secs(300));
    server.call::<DeleteThingType>(named).await.unwrap();
    let expected = event("DELETED", Some(START_MS), START_MS + 300_000, &carried);
    assert_eq!(told(&ear), [("thingType/bulb/deleted".to_owned(), expected)]);
}

#[tokio::test]
async fn a_change_is_done_although_it_cannot_be_told() {
    let server = server().await;
    switch(&server, &["THING"], true).await;
    assert_eq!(create_thing(&server, "lamp").await["thingName"], "lamp");
}

#[tokio::test]
async fn the_next_server_tells_what_one_that_ended_did_not() {
    let server = server().await;
    switch(&server, &["THING"], true).await;
    // Nobody is there who could tell of it.
    create_thing(&server, "lamp").await;
    server.clock().advance(Duration::from_secs(60));
    let app = server.app();
    let (store, clock) = (app.store.clone(), app.env.clock.clone());
    let after = Server::build_with(
        |choices| {
            choices.store = Some(store);
            choices.clock = Some(clock);
            choices.seed = 8;
        },
        |_| vec![registry::feature()],
    )
    .await;
    let ear = Ear::at(&after);
    after.app().outbox.serve(after.app()).await;
    let told = told(&ear);
    let [(topic, event)] = &told[..] else { panic!("one event is expected: {told:?}") };
    assert_eq!(topic, "thing/lamp/created");
    assert_eq!(event["timestamp"], START_MS, "it says when it was");
}
