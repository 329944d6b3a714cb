//! Until when a newcomer has to have said what a door needs to know.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// A point in time, and how long it was away in the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    limit_s: u64,
}

impl Deadline {
    /// In so many seconds.
    pub fn within(limit_s: u64) -> Self {
        Self { at: Instant::now() + Duration::from_secs(limit_s), limit_s }
    }

    /// How long it was away in the beginning.
    pub(crate) fn limit_s(self) -> u64 {
        self.limit_s
    }

    /// What `work` gives, or nothing if it does not end in time.
    pub(crate) async fn bound<F: Future>(self, work: F) -> Option<F::Output> {
        timeout_at(self.at, work).await.ok()
    }
}
