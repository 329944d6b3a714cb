//! What one server does with timers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ferrite_service::{ApiError, Timer, TimerKind};
use store::{Batch, CommitError, Key, Kind};
use types::TenantId;

use super::{Acts, KIND, node, notes, timer, unread};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_timer_acts_when_it_is_due_and_is_gone() {
    let (node, _server) = node().await;
    let (handler, mut notes) = notes();
    node.schedule.serve(KIND, handler);
    let due = node.env.clock.now().plus(MINUTE);
    node.set(&[timer("lamp", due), timer("later", due.plus(MINUTE))]).await;
    node.advance(MINUTE);
    assert_eq!(notes.recv().await.as_deref(), Some("lamp"));
    node.stop().await;
    assert_eq!(node.coming().await, ["later"]);
    assert!(unread(&mut notes).is_empty());
}

#[tokio::test]
async fn a_timer_of_a_batch_that_fails_is_not_set() {
    let (node, _server) = node().await;
    let mut batch = Batch::new();
    batch.require_exists(Key::new(TenantId(1), Kind(u16::MAX)));
    node.schedule.set(&mut batch, &timer("lamp", node.env.clock.now()));
    assert!(matches!(node.store.commit(batch).await, Err(CommitError::Conflict(_))));
    assert!(node.coming().await.is_empty());
}

#[tokio::test]
async fn a_cancelled_timer_does_not_act() {
    let (node, _server) = node().await;
    let (handler, mut notes) = notes();
    node.schedule.serve(KIND, handler);
    let due = node.env.clock.now().plus(MINUTE);
    let (cancelled, kept) = (timer("cancelled", due), timer("kept", due.plus(MINUTE)));
    node.set(&[cancelled.clone(), kept]).await;
    let mut batch = Batch::new();
    node.schedule.cancel(&mut batch, &cancelled);
    node.store.commit(batch).await.unwrap();
    node.advance(2 * MINUTE);
    assert_eq!(notes.recv().await.as_deref(), Some("kept"));
    node.stop().await;
    assert!(unread(&mut notes).is_empty());
    assert!(node.coming().await.is_empty());
}

#[tokio::test]
async fn timers_wait_for_somebody_who_serves_their_kind() {
    let (node, _server) = node().await;
    let (handler, mut notes) = notes();
    let now = node.env.clock.now();
    let unserved = Timer { kind: TimerKind::SESSION_EXPIRY, ..timer("session", now) };
    node.set(&[timer("will", now), unserved]).await;
    node.schedule.serve(KIND, Arc::clone(&handler));
    assert_eq!(notes.recv().await.as_deref(), Some("will"));
    assert!(unread(&mut notes).is_empty());
    node.schedule.serve(TimerKind::SESSION_EXPIRY, handler);
    assert_eq!(notes.recv().await.as_deref(), Some("session"));
}

#[tokio::test]
async fn a_timer_that_fails_is_tried_again_until_it_succeeds() {
    let (node, _server) = node().await;
    let (tried, mut tries) = tokio::sync::mpsc::channel(8);
    let count = Arc::new(AtomicUsize::new(0));
    let handler = Acts(move |_| {
        let (tried, number) = (tried.clone(), count.fetch_add(1, Ordering::SeqCst) + 1);
        async move {
            tried.send(number).await.map_err(ApiError::internal)?;
            if number < 4 { Err(ApiError::unavailable("not yet")) } else { Ok(()) }
        }
    });
    node.schedule.serve(KIND, Arc::new(handler));
    node.set(&[timer("lamp", node.env.clock.now())]).await;
    node.look();
    assert_eq!(tries.recv().await, Some(1));
    for number in 2..=4 {
        // Waited for: the failure is noted at the time at which it happened.
        while node.env.tasks.running().contains_key("timer") {
            tokio::task::yield_now().await;
        }
        node.advance(MINUTE);
        assert_eq!(tries.recv().await, Some(number));
    }
    node.stop().await;
    assert!(tries.try_recv().is_err());
    assert!(node.coming().await.is_empty());
}

#[tokio::test]
async fn many_timers_due_at_once_all_act_a_bounded_number_at_a_time() {
    const TIMERS: usize = 10_000;
    let (node, _server) = node().await;
    let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (sender, mut notes) = tokio::sync::mpsc::channel(TIMERS);
    let most_seen = Arc::clone(&most);
    let handler = Acts(move |timer: Timer| {
        let (at_once, most, sender) = (Arc::clone(&at_once), Arc::clone(&most), sender.clone());
        async move {
            most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            sender.send(timer.id).await.map_err(ApiError::internal)
        }
    });
    let due = node.env.clock.now().plus(MINUTE);
    let timers: Vec<Timer> = (0..TIMERS).map(|n| timer(&format!("{n:05}"), due)).collect();
    node.set(&timers).await;
    node.schedule.serve(KIND, Arc::new(handler));
    node.advance(MINUTE);
    let mut acted = Vec::with_capacity(TIMERS);
    while acted.len() < TIMERS {
        acted.push(notes.recv().await.unwrap());
    }
    acted.sort_unstable();
    acted.dedup();
    assert_eq!(acted.len(), TIMERS);
    let most = most_seen.load(Ordering::SeqCst);
    assert!((2..=64).contains(&most), "{most} at once");
    node.stop().await;
    assert!(node.coming().await.is_empty());
}

#[tokio::test]
async fn what_is_coming_is_listed_in_pages_by_due_time() {
    let (node, _server) = node().await;
    let now = node.env.clock.now();
    let long = "n".repeat(2_000);
    let [a, b, c] =
        [("z", 1), (&long, 2), ("a", 3)].map(|(id, minutes)| timer(id, now.plus(minutes * MINUTE)));
    node.set(&[c.clone(), a.clone(), b.clone()]).await;
    let first = node.schedule.coming(KIND, None, 2).await.unwrap();
    assert_eq!((first.timers, first.has_more), (vec![a, b.clone()], true));
    let rest = node.schedule.coming(KIND, Some(&b), 2).await.unwrap();
    assert_eq!((rest.timers, rest.has_more), (vec![c], false));
    let other = node.schedule.coming(TimerKind::SESSION_EXPIRY, None, 2).await.unwrap();
    assert!(other.timers.is_empty());
}
