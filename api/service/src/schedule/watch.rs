//! One kind's watch: finds the timers that are due, and gives each its turn.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::TaskKind;
use store::{Direction, Key, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::Timestamp;

use super::record::{self, Found};
use super::turn::Turn;
use super::{LOOK_INTERVAL, OnDue, RUNNING_MAX, Shared, TimerKind};

/// Timers that are read at a time.
const PAGE: u32 = 64;

pub(super) struct Watch {
    shared: Arc<Shared>,
    kind: TimerKind,
    handler: Arc<dyn OnDue>,
    permits: Arc<Semaphore>,
    running: Arc<Running>,
}

/// The timers that have their turn in this process. Whatever the clock does to their claims, none
/// gets a second turn beside its first.
#[derive(Default)]
struct Running(Mutex<HashSet<Key>>);

/// A timer's place among those that run.
struct Place {
    running: Arc<Running>,
    key: Key,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, kind: TimerKind, handler: Arc<dyn OnDue>) -> Self {
        let permits = Arc::new(Semaphore::new(RUNNING_MAX));
        Self { shared, kind, handler, permits, running: Arc::default() }
    }

    /// Looks and waits in turns until shutdown.
    pub(super) async fn run(self) {
        let mut shutdown = self.shared.env.tasks.shutdown_signal();
        let mut hints = self.shared.hints.subscribe();
        loop {
            // A hint that comes while looking calls for another look.
            hints.mark_unchanged();
            let turns = async {
                let again = self.look_or_log().await;
                let wait = again.since(self.now()).min(LOOK_INTERVAL);
                // An error means that the schedule is gone, and `self` is part of it.
                drop(tokio::time::timeout(wait, hints.changed()).await);
            };
            tokio::select! {
                () = turns => {}
                () = shutdown.begun() => return,
            }
        }
    }

    async fn look_or_log(&self) -> Timestamp {
        match self.look().await {
            Ok(again) => again,
            Err(error) => {
                tracing::warn!(%error, kind = self.kind.0, "timers could not be looked through");
                self.now().plus(LOOK_INTERVAL)
            }
        }
    }

    /// Gives every timer that is due its turn, in order, as places become free; returns when the
    /// next look is worth while.
    async fn look(&self) -> Result<Timestamp, StoreError> {
        let store = &self.shared.store;
        let mut again = self.now().plus(LOOK_INTERVAL);
        let mut after = None;
        loop {
            let range = record::all_of(self.kind);
            let page = store.scan(range, after, PAGE, Direction::Forward).await?;
            for found in page.entries.iter().filter_map(record::read) {
                if found.timer.due > self.now() {
                    return Ok(again.min(found.timer.due));
                }
                match found.record.held_until(self.now()) {
                    Some(until) => again = again.min(until),
                    None => self.give_turn(found).await,
                }
            }
            after = page.entries.last().map(|entry| entry.key.clone());
            if !page.has_more {
                return Ok(again);
            }
        }
    }

    async fn give_turn(&self, found: Found) {
        if self.running.all().contains(&found.key) {
            return;
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("the permits are never closed");
        let place = Place::take(&self.running, found.key.clone(), permit);
        let turn = Turn::new(Arc::clone(&self.shared), Arc::clone(&self.handler), found);
        self.shared.env.tasks.spawn("timer", TaskKind::Transient, async move {
            turn.run().await;
            drop(place);
        });
    }

    fn now(&self) -> Timestamp {
        self.shared.env.clock.now()
    }
}

impl Running {
    fn all(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn take(running: &Arc<Running>, key: Key, permit: OwnedSemaphorePermit) -> Self {
        running.all().insert(key.clone());
        Self { running: Arc::clone(running), key, _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.all().remove(&self.key);
    }
}
