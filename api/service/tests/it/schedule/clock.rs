//! When timers act, to the second, and what jumps of the clock do to them.

use std::collections::BTreeMap;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use ferrite_service::Timer;
use tokio::sync::mpsc;
use types::Timestamp;

use super::{Acts, KIND, LEASE, Node, node_in_memory, notes, timer, unread};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
/// What both clocks are moved by at a time.
const STEP: Duration = Duration::from_millis(100);

/// Lets `span` go by on both clocks.
async fn pass(node: &Node, span: Duration) {
    for _ in 0..span.div_duration_f64(STEP) as u32 {
        node.env.clock.advance(STEP);
        tokio::time::sleep(STEP).await;
    }
}

/// A handler that notes each act with its time.
fn times(node: &Node) -> mpsc::Receiver<(String, Timestamp)> {
    let (sender, times) = mpsc::channel(1_000);
    let clock = node.env.clock.clone();
    let handler = Acts(move |timer: Timer| {
        let sent = sender.try_send((timer.id, clock.now()));
        async move { sent.map_err(ferrite_service::ApiError::internal) }
    });
    node.schedule.serve(KIND, Arc::new(handler));
    times
}

#[tokio::test(start_paused = true)]
async fn timers_act_within_a_second_and_never_before_they_are_due() {
    let node = node_in_memory().await;
    let mut acts = times(&node);
    // Set while the schedule waits, near and far, and none of them hinted at.
    let mut set = BTreeMap::new();
    for n in 0..60_u32 {
        let due = node.env.clock.now().plus(n * Duration::from_millis(97));
        node.set(&[timer(&n.to_string(), due)]).await;
        set.insert(n.to_string(), due);
        pass(&node, 7 * STEP).await;
    }
    pass(&node, 8 * SECOND).await;
    while let Ok((id, at)) = acts.try_recv() {
        let due = set.remove(&id).expect("each acts once");
        assert!(at >= due && at <= due.plus(SECOND), "{at:?} for {due:?}");
    }
    assert!(set.is_empty(), "{set:?}");
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_hinted_at_acts_at_its_time() {
    let node = node_in_memory().await;
    let mut acts = times(&node);
    pass(&node, SECOND / 2).await;
    for (id, delay) in [("now", Duration::ZERO), ("soon", 4 * STEP), ("later", 25 * STEP)] {
        let due = node.env.clock.now().plus(delay);
        node.set(&[timer(id, due)]).await;
        node.schedule.hint(due);
        pass(&node, delay + STEP).await;
        let (acted, at) = acts.try_recv().unwrap();
        assert_eq!((acted.as_str(), at.since(due) <= STEP), (id, true), "{at:?} for {due:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_jump_forward_makes_due_acts_at_once_in_order() {
    let node = node_in_memory().await;
    let mut acts = times(&node);
    let now = node.env.clock.now();
    let timers: Vec<Timer> =
        (1..=200_u32).map(|n| timer(&n.to_string(), now.plus(n * DAY))).collect();
    node.set(&timers).await;
    pass(&node, SECOND).await;
    node.env.clock.set(now.plus(200 * DAY));
    pass(&node, SECOND).await;
    let order: Vec<String> = std::iter::from_fn(|| acts.try_recv().ok()).map(|act| act.0).collect();
    assert_eq!(order, timers.iter().map(|timer| timer.id.clone()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn after_a_jump_backward_nothing_repeats_and_timers_wait_for_the_new_time() {
    let node = node_in_memory().await;
    let (handler, mut notes) = notes();
    node.schedule.serve(KIND, handler);
    let now = node.env.clock.now();
    node.set(&[timer("first", now.plus(SECOND)), timer("second", now.plus(10 * SECOND))]).await;
    pass(&node, 3 * SECOND).await;
    assert_eq!(unread(&mut notes), ["first"]);
    node.env.clock.set(Timestamp::from_secs(now.secs() - 60));
    pass(&node, 69 * SECOND).await;
    assert!(unread(&mut notes).is_empty());
    pass(&node, 2 * SECOND).await;
    assert_eq!(unread(&mut notes), ["second"]);
}

#[tokio::test(start_paused = true)]
async fn no_jump_gives_a_timer_a_second_turn_beside_its_first() {
    let node = node_in_memory().await;
    let (started, mut starts) = mpsc::channel(8);
    let handler = Acts(move |_| {
        let started = started.try_send(());
        async move {
            started.unwrap();
            tokio::time::sleep(10 * SECOND).await;
            Ok(())
        }
    });
    node.schedule.serve(KIND, Arc::new(handler));
    let now = node.env.clock.now();
    node.set(&[timer("lamp", now)]).await;
    pass(&node, 2 * SECOND).await;
    node.env.clock.set(now.plus(DAY));
    pass(&node, 3 * SECOND).await;
    node.env.clock.set(now);
    pass(&node, 10 * SECOND).await;
    assert_eq!((starts.try_recv().is_ok(), starts.try_recv().is_ok()), (true, false));
    assert!(node.coming().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_claim_from_before_the_clock_was_set_back_holds_nobody_up() {
    let node = node_in_memory().await;
    let now = node.env.clock.now();
    node.set(&[timer("lamp", now)]).await;
    let dying = Node::start(&node.store, &node.env.clock);
    node.env.clock.set(now.plus(DAY));
    // A panic leaves the claim behind, as a crash does.
    dying.schedule.serve(KIND, Arc::new(Acts(|_| async { panic!("the server dies") })));
    pass(&node, SECOND).await;
    dying.stop().await;
    node.env.clock.set(now);
    let (handler, mut notes) = notes();
    node.schedule.serve(KIND, handler);
    pass(&node, 2 * SECOND).await;
    assert_eq!(unread(&mut notes), ["lamp"]);
}

#[tokio::test(start_paused = true)]
async fn an_act_that_hangs_is_given_up_and_tried_again() {
    let node = node_in_memory().await;
    let (started, mut starts) = mpsc::channel(8);
    let handler = Acts(move |_| {
        started.try_send(()).unwrap();
        future::pending()
    });
    node.schedule.serve(KIND, Arc::new(handler));
    node.set(&[timer("lamp", node.env.clock.now())]).await;
    pass(&node, 20 * SECOND).await;
    assert!(starts.try_recv().is_ok() && starts.try_recv().is_err());
    pass(&node, 3 * SECOND).await;
    assert!(starts.try_recv().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_act_that_panics_is_repeated_when_its_lease_is_over() {
    let node = node_in_memory().await;
    let (started, mut starts) = mpsc::channel(8);
    let handler = Acts(move |_| {
        started.try_send(()).unwrap();
        async { panic!("a mistake in the handler") }
    });
    node.schedule.serve(KIND, Arc::new(handler));
    node.set(&[timer("lamp", node.env.clock.now())]).await;
    pass(&node, LEASE - SECOND).await;
    assert!(starts.try_recv().is_ok() && starts.try_recv().is_err());
    pass(&node, 3 * SECOND).await;
    assert!(starts.try_recv().is_ok());
}
