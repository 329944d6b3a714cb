//! What one action of one rule has to do: so much at once, so much that waits, and not more.
//!
//! An action whose target is slow or dead fills its own lane, and nobody else's.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many failures in a row, and the target counts as dead.
const FAILURES_MAX: u32 = 64;

/// A lane of errands of whatever kind.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    running_max: usize,
    waiting_max: usize,
    state: Mutex<State<T>>,
    /// How many errands have failed since one went well.
    failures: AtomicU32,
}

#[derive(Debug)]
struct State<T> {
    running: usize,
    waiting: VecDeque<T>,
}

/// What becomes of an errand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<T> {
    /// Run it, and then whatever [`Lane::next`] says.
    Run(T),
    /// Whoever runs one takes it later.
    Waits,
    /// There is no room.
    Full(T),
}

impl<T> Lane<T> {
    /// A lane in which `running_max` errands run at once and `waiting_max` wait.
    pub(crate) fn new(running_max: usize, waiting_max: usize) -> Self {
        let state = State { running: 0, waiting: VecDeque::new() };
        Self { running_max, waiting_max, state: Mutex::new(state), failures: AtomicU32::new(0) }
    }

    /// Lets an errand in.
    pub(crate) fn admit(&self, errand: T) -> Admission<T> {
        let mut state = self.lock();
        if state.running < self.running_max {
            state.running += 1;
            return Admission::Run(errand);
        }
        if state.waiting.len() >= self.waiting_max {
            return Admission::Full(errand);
        }
        state.waiting.push_back(errand);
        Admission::Waits
    }

    /// What whoever has run an errand runs next; nothing, and he is done.
    pub(crate) fn next(&self) -> Option<T> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.running = state.running.saturating_sub(1);
        }
        next
    }

    /// Learns how an errand ended.
    pub(crate) fn ended(&self, is_well: bool) {
        if is_well {
            self.failures.store(0, Ordering::Relaxed);
        } else if !self.seems_dead() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether so much has failed in a row that the next errand can wait a little.
    pub(crate) fn seems_dead(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES_MAX
    }

    /// Whether half of what may wait could still come.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().waiting.len() <= self.waiting_max / 2
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_run_so_many_wait_and_the_rest_finds_no_room() {
        let lane = Lane::new(2, 2);
        assert_eq!(lane.admit(1), Admission::Run(1));
        assert_eq!(lane.admit(2), Admission::Run(2));
        assert_eq!(lane.admit(3), Admission::Waits);
        assert!(lane.has_room());
        assert_eq!(lane.admit(4), Admission::Waits);
        assert_eq!(lane.admit(5), Admission::Full(5));
        assert!(!lane.has_room());
        assert_eq!([lane.next(), lane.next(), lane.next()], [Some(3), Some(4), None]);
        assert_eq!(lane.admit(6), Admission::Run(6));
        assert_eq!(lane.admit(7), Admission::Waits);
    }

    #[test]
    fn many_failures_in_a_row_are_a_dead_target_and_one_success_is_not() {
        let lane = Lane::<u8>::new(1, 1);
        (1..FAILURES_MAX).for_each(|_| lane.ended(false));
        assert!(!lane.seems_dead());
        lane.ended(false);
        lane.ended(false);
        assert!(lane.seems_dead());
        lane.ended(true);
        assert!(!lane.seems_dead());
    }
}
