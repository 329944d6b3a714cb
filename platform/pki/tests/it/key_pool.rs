//! The pool of keys made in advance.

use std::time::Duration;

use env::Tasks;
use ferrite_pki::KeyPool;

/// Longer than making a few keys ever takes.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_pool_makes_nothing_until_it_is_asked_and_then_refills() {
    let tasks = Tasks::new();
    let pool = KeyPool::new(2, &tasks);
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
    let pool = KeyPool::new(1, &tasks);
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
    let pool = KeyPool::new(1000, &tasks);
    pool.take().await.unwrap();
    assert!(tasks.finished(PATIENCE).await.is_empty());
    assert!(pool.ready() < 1000);
}

#[tokio::test]
async fn a_pool_of_none_makes_each_key_when_asked() {
    let tasks = Tasks::new();
    let pool = KeyPool::new(0, &tasks);
    pool.take().await.unwrap();
    assert!(tasks.running().is_empty());
    assert_eq!(pool.ready(), 0);
}
