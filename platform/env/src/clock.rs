//! The wall clock, real or simulated.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use types::Timestamp;

/// Tells the time. Clones of a simulated clock move together.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Simulated(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `now` until it is advanced.
    pub fn simulated(now: Timestamp) -> Self {
        Self(Source::Simulated(Arc::new(AtomicI64::new(now.millis()))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Simulated(millis) => Timestamp::from_millis(millis.load(Ordering::Acquire)),
        }
    }

    /// Moves a simulated clock forward; the machine's clock cannot be moved and stays.
    pub fn advance(&self, span: Duration) {
        if let Source::Simulated(millis) = &self.0 {
            let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            millis.fetch_add(span_ms, Ordering::AcqRel);
        }
    }

    /// Sets a simulated clock, forward or back; the machine's clock cannot be set and stays.
    pub fn set(&self, now: Timestamp) {
        if let Source::Simulated(millis) = &self.0 {
            millis.store(now.millis(), Ordering::Release);
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn system_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_moves_only_when_told() {
        let clock = Clock::simulated(Timestamp::from_secs(100));
        let twin = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(twin.now(), Timestamp::from_secs(105));
        clock.set(Timestamp::from_secs(7));
        assert_eq!(twin.now(), Timestamp::from_secs(7));
    }
}
