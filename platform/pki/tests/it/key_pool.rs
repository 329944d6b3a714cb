//! The pool of keys made in advance.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use env::Tasks;
use ferrite_pki::{KeyPool, KeyPoolBounds, PkiError};

/// Longer than making a few keys ever takes.
const PATIENCE: Duration = Duration::from_secs(120);

fn bounds(ready: usize) -> KeyPoolBounds {
    KeyPoolBounds { ready, makers: 2, waiting: 8, wait: PATIENCE }
}

#[tokio::test]
async fn a_pool_makes_nothing_until_it_is_asked_and_then_refills() {
    let tasks = Tasks::new();
    let pool = KeyPool::new(bounds(2), &tasks);
    assert_eq!((pool.ready(), tasks.running().len()), (0, 0));
    let first = pool.take().await.unwrap().public_key_pem().unwrap();
    assert!(tasks.finished(PATIENCE).await.is_empty());
    assert_eq!(pool.ready(), 2);
    let second = pool.take().await.unwrap().public_key_pem().unwrap();
    assert_ne!(first, second);
    assert!(tasks.finished(PATIENCE).await.is_empty());
    assert_eq!(pool.ready(), 2);
}

#[tokio::test]
async fn a_burst_larger_than_the_pool_is_served_too() {
    let tasks = Tasks::new();
    let pool = KeyPool::new(bounds(1), &tasks);
    let taken = tokio::join!(pool.take(), pool.take(), pool.take());
    let mut keys = [taken.0, taken.1, taken.2].map(|key| key.unwrap().public_key_pem().unwrap());
    keys.sort();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(tasks.finished(PATIENCE).await.is_empty());
    assert_eq!(pool.ready(), 1);
}

#[tokio::test]
async fn a_pool_stops_refilling_when_the_server_stops() {
    let tasks = Tasks::new();
    tasks.begin_shutdown("asked");
    let pool = KeyPool::new(bounds(1000), &tasks);
    pool.take().await.unwrap();
    assert!(tasks.finished(PATIENCE).await.is_empty());
    assert!(pool.ready() < 1000);
}

#[tokio::test]
async fn a_pool_of_none_makes_each_key_when_asked() {
    let tasks = Tasks::new();
    let pool = KeyPool::new(bounds(0), &tasks);
    pool.take().await.unwrap();
    assert!(tasks.running().is_empty());
    assert_eq!(pool.ready(), 0);
}

#[tokio::test]
async fn one_too_many_is_told_so_and_the_next_is_served() {
    let pool = KeyPool::new(KeyPoolBounds { waiting: 1, ..bounds(0) }, &Tasks::new());
    let (first, second) = tokio::join!(pool.take(), pool.take());
    assert!(first.is_ok());
    assert_eq!(second.unwrap_err(), PkiError::KeysAwaited);
    pool.take().await.unwrap();
}

#[tokio::test]
async fn whoever_waits_too_long_is_told_so() {
    let bounds = KeyPoolBounds { makers: 0, wait: Duration::ZERO, ..bounds(0) };
    let pool = KeyPool::new(bounds, &Tasks::new());
    assert_eq!(pool.take().await.unwrap_err(), PkiError::KeysAwaited);
}

#[tokio::test]
async fn a_key_that_nobody_waits_for_any_more_keeps_its_maker_until_it_is_made() {
    let bounds = KeyPoolBounds { makers: 1, wait: Duration::ZERO, ..bounds(0) };
    let pool = KeyPool::new(bounds, &Tasks::new());
    {
        // Asked for once, which begins it.
        let mut gone = pin!(pool.take());
        assert!(poll_fn(|context| Poll::Ready(gone.as_mut().poll(context).is_pending())).await);
    }
    assert_eq!(pool.take().await.unwrap_err(), PkiError::KeysAwaited);
}
