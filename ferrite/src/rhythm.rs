//! When something is to be done again, by the wall clock: a machine may sleep, and its clock may be
//! set by years when it first finds the time.

use std::time::Duration;

use pki::BACKDATED;
use types::Timestamp;

/// How often it is asked whether something is due.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How long after a failure it is tried again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(60);

/// What is done every so often, and sooner after it failed.
pub(crate) struct Rhythm {
    every: Duration,
    last: Timestamp,
    next: Timestamp,
}

impl Rhythm {
    /// Was done `now`.
    pub(crate) fn done(every: Duration, now: Timestamp) -> Self {
        Self { every, last: now, next: now.plus(every) }
    }

    /// Is due at once.
    pub(crate) fn due(every: Duration, now: Timestamp) -> Self {
        Self { next: now, ..Self::done(every, now) }
    }

    /// Whether it is to be done `now`. If the clock was set back behind the last time, what was made
    /// then may not be valid yet.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.next || now.plus(BACKDATED) < self.last
    }

    /// Says how it went.
    pub(crate) fn went(&mut self, well: bool, now: Timestamp) {
        self.last = now;
        self.next = now.plus(if well { self.every } else { RETRY_AFTER });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_767_323_045 + secs)
    }

    #[test]
    fn what_went_well_is_due_after_its_time() {
        let mut rhythm = Rhythm::due(DAY, at(0));
        assert!(rhythm.is_due(at(0)));
        rhythm.went(true, at(0));
        assert!(!rhythm.is_due(at(86_399)) && rhythm.is_due(at(86_400)));
        assert!(!Rhythm::done(DAY, at(0)).is_due(at(0)));
    }

    #[test]
    fn what_failed_is_due_in_a_minute() {
        let mut rhythm = Rhythm::due(DAY, at(0));
        rhythm.went(false, at(0));
        assert!(!rhythm.is_due(at(59)) && rhythm.is_due(at(60)));
    }

    #[test]
    fn a_clock_that_is_set_makes_it_due() {
        let rhythm = Rhythm::done(DAY, Timestamp::EPOCH);
        assert!(rhythm.is_due(at(0)), "a machine that found the time only after its start");
        let rhythm = Rhythm::done(DAY, at(0));
        assert!(rhythm.is_due(at(-3600)));
        assert!(!rhythm.is_due(at(-200)), "what was made then is back-dated by more");
    }
}
