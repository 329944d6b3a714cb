//! The server stops.

use std::time::Duration;

use mqtt::{Version, reason};
use tokio::time::Instant;

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
async fn nobody_waits_for_whoever_has_not_said_connect() {
    let world = World::new().await;
    let start = Instant::now();
    let mut silent = world.dial(Version::V5);
    silent.write(b"\x10").await;
    tokio::task::yield_now().await;
    world.broker.stop();
    assert_eq!(silent.rest().await, []);
    assert_eq!(start.elapsed(), Duration::ZERO);
    let expected = [(String::new(), "SERVER_INITIATED_DISCONNECT")];
    assert_eq!(world.reasons("Connect"), expected);
}

#[tokio::test]
async fn whoever_comes_while_the_server_stops_is_told_so() {
    let world = World::new().await;
    world.broker.stop();
    for version in BOTH {
        let mut late = world.connect(version, "late").await;
        late.is_cut_off(reason::SERVER_SHUTTING_DOWN).await;
    }
}

#[tokio::test]
async fn a_server_that_stops_leaves_no_connection_behind() {
    let world = World::new().await;
    let _silent = world.dial(Version::V5);
    let _lamp = world.connect(Version::V5, "lamp").await;
    world.broker.stop();
    let left = world.server.app().env.tasks.finished(Duration::from_secs(10)).await;
    assert!(!left.contains_key("connection"), "{left:?}");
}
