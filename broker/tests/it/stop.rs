//! The server stops.

use std::time::Duration;

use mqtt::{Version, reason};

use crate::BOTH;
use crate::world::World;

#[tokio::test]
async fn everybody_is_told_that_the_server_stops() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for version in BOTH {
        for number in 0..3 {
            clients.push(world.connect(version, &format!("{version:?}-{number}")).await);
        }
    }
    world.broker.stop();
    for client in &mut clients {
        client.is_cut_off(reason::SERVER_SHUTTING_DOWN).await;
    }
    let reasons = world.reasons("Disconnect").into_iter().map(|(_, reason)| reason);
    assert_eq!(reasons.collect::<Vec<_>>(), ["SERVER_INITIATED_DISCONNECT"; 6]);
}

#[tokio::test]
async fn a_server_that_stops_leaves_no_connection_behind() {
    let world = World::new().await;
    let silent = world.dial(Version::V5);
    let _lamp = world.connect(Version::V5, "lamp").await;
    world.broker.stop();
    drop(silent);
    let left = world.server.app().env.tasks.finished(Duration::from_secs(10)).await;
    assert!(!left.contains_key("connection"), "{left:?}");
}
