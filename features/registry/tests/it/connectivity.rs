//! Whether things are connected, as far as that can be told without clients.

use model::iot::op::GetThingConnectivityData;
use serde_json::json;

use crate::{code, create_thing, server};

#[tokio::test]
async fn a_thing_that_is_not_there_has_no_connection() {
    let told = server().await.call::<GetThingConnectivityData>(json!({"thingName": "lamp"})).await;
    assert_eq!(code(told), "ResourceNotFoundException");
}

#[tokio::test]
async fn of_a_thing_that_never_connected_it_is_told_that_it_is_not_there() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    let told = server.call::<GetThingConnectivityData>(json!({"thingName": "lamp"})).await;
    let expected = json!({"thingName": "lamp", "connected": false, "disconnectReason": "UNKNOWN"});
    assert_eq!(told.unwrap(), expected);
}
