//! What the API tells of connections, and how it ends them.

use std::time::Duration;

use model::iot_data::op::{DeleteConnection, GetConnection, ListSubscriptions};
use mqtt::{Connect, QoS, Version, reason};
use serde_json::{Value, json};

use crate::BOTH;
use crate::client::{connect, texts, will};
use crate::world::World;

/// What the clock shows at first.
const START_MS: i64 = 1_767_323_045_000;

async fn get(world: &World, input: Value) -> Value {
    world.server.call::<GetConnection>(input).await.unwrap()
}

#[tokio::test]
async fn a_client_that_is_connected_is_described() {
    let world = World::new().await;
    world.bind("lamp", "the-lamp", false);
    let asked = Connect { keep_alive_s: 1, ..connect(Version::V311, "lamp") };
    let _lamp = world.connect_with(asked).await;
    world.server.clock().advance(Duration::from_secs(5));
    let mut expected = json!({
        "connected": true,
        "thingName": "the-lamp",
        "cleanSession": true,
        "keepAliveDuration": 30,
        "connectedSince": START_MS,
        "sessionExpiry": 0,
        "clientId": "lamp",
    });
    assert_eq!(get(&world, json!({"clientId": "lamp"})).await, expected);
    let sockets = [
        ("sourceIp", json!("127.0.0.1")),
        ("sourcePort", json!(50_000)),
        ("targetIp", json!("127.0.0.1")),
        ("targetPort", json!(8883)),
    ];
    for (member, value) in sockets {
        expected[member] = value;
    }
    let input = json!({"clientId": "lamp", "includeSocketInformation": true});
    assert_eq!(get(&world, input).await, expected);
}

#[tokio::test]
async fn a_session_that_was_to_be_kept_is_not_clean() {
    let world = World::new().await;
    let mut asked = connect(Version::V5, "lamp");
    asked.properties.session_expiry_s = Some(60);
    let _lamp = world.connect_with(asked).await;
    let asked = Connect { clean: false, ..connect(Version::V311, "fan") };
    let _fan = world.connect_with(asked).await;
    for (id, expiry_s) in [("lamp", 60), ("fan", 3600)] {
        let told = get(&world, json!({"clientId": id})).await;
        let told = (&told["cleanSession"], &told["sessionExpiry"]);
        assert_eq!(told, (&json!(false), &json!(expiry_s)));
    }
}

#[tokio::test]
async fn a_client_that_has_left_is_described_for_half_an_hour() {
    let world = World::new().await;
    drop(world.connect(Version::V5, "lamp").await);
    let fan = world.connect(Version::V5, "fan").await;
    world.server.clock().advance(Duration::from_secs(1));
    fan.leave().await;
    for (id, since, reason) in [
        ("lamp", START_MS, "CONNECTION_LOST"),
        ("fan", START_MS + 1000, "CLIENT_INITIATED_DISCONNECT"),
    ] {
        let expected = json!({
            "connected": false,
            "cleanSession": true,
            "keepAliveDuration": 1200,
            "disconnectedSince": since,
            "disconnectReason": reason,
            "sessionExpiry": 0,
            "clientId": id,
        });
        assert_eq!(get(&world, json!({"clientId": id})).await, expected);
    }
    world.server.clock().advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(get(&world, json!({"clientId": "fan"})).await["connected"], false);
    let error = world.server.call::<GetConnection>(json!({"clientId": "lamp"})).await.unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_deleted_connection_is_cut_off_and_tells_why() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe("last/words", QoS::AtMostOnce).await;
    for version in BOTH {
        for (prevents, expected) in [(None, 1), (Some(false), 1), (Some(true), 0)] {
            let left = Some(will("last/words", "gone"));
            let asked = Connect { will: left, ..connect(version, "lamp") };
            let mut lamp = world.connect_with(asked).await;
            let input = json!({"clientId": "lamp", "preventWillMessage": prevents});
            let answer = world.server.call::<DeleteConnection>(input).await.unwrap();
            assert_eq!(answer, Value::Null);
            let told = get(&world, json!({"clientId": "lamp"})).await;
            assert_eq!(told["connected"], false, "it is gone when the call returns");
            assert_eq!(told["disconnectReason"], "API_INITIATED_DISCONNECT");
            lamp.is_cut_off(reason::ADMINISTRATIVE_ACTION).await;
            assert_eq!(texts(&ear.pending().await).len(), expected);
        }
    }
    let reasons = world.reasons("Disconnect");
    assert_eq!(reasons, vec![("lamp".to_owned(), "API_INITIATED_DISCONNECT"); 6]);
}

#[tokio::test]
async fn a_deleted_connection_may_come_back_and_an_absent_one_is_not_found() {
    let world = World::new().await;
    let input = || json!({"clientId": "lamp", "cleanSession": true});
    for _ in 0..2 {
        let error = world.server.call::<DeleteConnection>(input()).await.unwrap_err();
        assert_eq!(error.code, "ResourceNotFoundException");
        let _lamp = world.connect(Version::V311, "lamp").await;
        world.server.call::<DeleteConnection>(input()).await.unwrap();
    }
    let abroad = world.server.in_region("eu-west-1");
    let _lamp = world.connect(Version::V311, "lamp").await;
    abroad.call::<DeleteConnection>(input()).await.unwrap_err();
    abroad.call::<GetConnection>(input()).await.unwrap_err();
}

#[tokio::test]
async fn subscriptions_are_listed_in_order_page_by_page() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let asked = [("b/#", QoS::AtLeastOnce), ("a", QoS::AtMostOnce), ("c", QoS::AtLeastOnce)];
    lamp.ask_for(&asked).await;
    lamp.subscribe("c", QoS::AtMostOnce).await;
    let mut input = json!({"clientId": "lamp", "maxResults": 2});
    let first = world.server.call::<ListSubscriptions>(input.clone()).await.unwrap();
    let expected = json!([{"topicFilter": "a", "qos": 0}, {"topicFilter": "b/#", "qos": 1}]);
    assert_eq!(first["subscriptions"], expected);
    input["nextToken"] = first["nextToken"].clone();
    let second = world.server.call::<ListSubscriptions>(input.clone()).await.unwrap();
    assert_eq!(second, json!({"subscriptions": [{"topicFilter": "c", "qos": 0}]}));
    let _fan = world.connect(Version::V5, "fan").await;
    input["clientId"] = json!("fan");
    let error = world.server.call::<ListSubscriptions>(input).await.unwrap_err();
    assert_eq!(error.code, "InvalidRequestException", "the token is of another list");
    let none = world.server.call::<ListSubscriptions>(json!({"clientId": "fan"})).await.unwrap();
    assert_eq!(none, json!({"subscriptions": []}));
    let absent = json!({"clientId": "nobody"});
    let error = world.server.call::<ListSubscriptions>(absent).await.unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_page_of_subscriptions_has_twenty_where_no_number_is_named() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for filter in 0..21 {
        lamp.subscribe(&filter.to_string(), QoS::AtMostOnce).await;
    }
    let input = json!({"clientId": "lamp"});
    let page = world.server.call::<ListSubscriptions>(input).await.unwrap();
    assert_eq!(page["subscriptions"].as_array().unwrap().len(), 20);
    assert!(page["nextToken"].is_string());
}
