//! What becomes of timers when servers stop, die, and share a store.

use std::collections::BTreeSet;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use env::Clock;
use ferrite_service::{ApiError, OnDue, Timer};
use store::Store;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::{Acts, KIND, LEASE, Node, node, notes, timer, unread};

#[tokio::test]
async fn a_timer_survives_a_restart() {
    let (before, _server) = node().await;
    let (handler, mut early) = notes();
    before.schedule.serve(KIND, handler);
    let due = before.env.clock.now().plus(LEASE);
    before.set(&[timer("lamp", due)]).await;
    before.stop().await;
    before.advance(LEASE);
    let after = Node::start(&before.store, &before.env.clock);
    let (handler, mut notes) = notes();
    after.schedule.serve(KIND, handler);
    assert_eq!(notes.recv().await.as_deref(), Some("lamp"));
    assert!(unread(&mut early).is_empty());
}

/// Runs a server on a thread of its own until it has acted, and then ends it on the spot.
async fn act_and_die(store: &Store, clock: &Clock) {
    let (store, clock) = (store.clone(), clock.clone());
    let life = move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, mut acted) = mpsc::channel(1);
            let handler = Acts(move |timer: Timer| {
                let sender = sender.clone();
                async move {
                    sender.send(timer.id).await.map_err(ApiError::internal)?;
                    future::pending().await
                }
            });
            Node::start(&store, &clock).schedule.serve(KIND, Arc::new(handler));
            acted.recv().await.unwrap();
        });
    };
    tokio::task::spawn_blocking(life).await.unwrap();
}

#[tokio::test]
async fn a_server_that_dies_after_the_act_has_it_repeated_when_its_lease_is_over() {
    let (node, _server) = node().await;
    let now = node.env.clock.now();
    node.set(&[timer("lamp", now)]).await;
    act_and_die(&node.store, &node.env.clock).await;
    let (handler, mut notes) = notes();
    node.schedule.serve(KIND, handler);
    // What is due after it shows that it was looked at, and left alone.
    let almost = LEASE - Duration::from_millis(1);
    node.set(&[timer("fence", now.plus(almost))]).await;
    node.advance(almost);
    assert_eq!(notes.recv().await.as_deref(), Some("fence"));
    node.advance(Duration::from_millis(1));
    assert_eq!(notes.recv().await.as_deref(), Some("lamp"));
    node.stop().await;
    assert!(node.coming().await.is_empty());
}

#[tokio::test]
async fn two_servers_on_one_store_share_the_timers_and_each_acts_once() {
    const TIMERS: usize = 500;
    let (one, _server) = node().await;
    let other = Node::start(&one.store, &one.env.clock);
    let now = one.env.clock.now();
    let timers: Vec<Timer> = (0..TIMERS).map(|n| timer(&format!("{n:03}"), now)).collect();
    one.set(&timers).await;
    let (handler, mut notes) = notes();
    one.schedule.serve(KIND, Arc::clone(&handler) as Arc<dyn OnDue>);
    other.schedule.serve(KIND, handler);
    let mut acted = Vec::new();
    while acted.len() < TIMERS {
        acted.push(notes.recv().await.unwrap());
    }
    tokio::join!(one.stop(), other.stop());
    acted.extend(unread(&mut notes));
    assert_eq!(acted.len(), TIMERS);
    assert_eq!(acted.iter().collect::<BTreeSet<_>>().len(), TIMERS);
    assert!(one.coming().await.is_empty());
}

#[tokio::test]
async fn a_timer_that_one_server_sets_acts_on_another() {
    let (sets, _server) = node().await;
    let acts = Node::start(&sets.store, &sets.env.clock);
    let (handler, mut notes) = notes();
    acts.schedule.serve(KIND, handler);
    sets.set(&[timer("lamp", sets.env.clock.now())]).await;
    assert_eq!(notes.recv().await.as_deref(), Some("lamp"));
}
