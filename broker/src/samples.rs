//! Messages that taps are shown whether they want them or not: so few that nobody pays for it.
//!
//! Each thread has a budget for the second. What is beyond passes after one look at it.

use std::cell::Cell;

use mqtt::Publish;
use service::HeardMessage;
use types::Timestamp;

use crate::routing::Routing;
use crate::session::Session;

/// Bytes of payload that count as one message.
const BYTES_PER_SAMPLE: usize = 1024;
/// What budgets are for.
const PERIOD_MS: u64 = 1000;

/// What a thread may still show.
#[derive(Clone, Copy)]
struct Budget {
    since_ms: i64,
    left: u32,
}

thread_local! {
    static BUDGET: Cell<Budget> = const { Cell::new(Budget { since_ms: i64::MIN, left: 0 }) };
}

impl Routing {
    /// Whether this thread shows taps a message that comes now.
    pub(crate) fn samples(&self, now: Timestamp) -> bool {
        let per_s = self.samples_per_s();
        if per_s == 0 {
            return false;
        }
        let mut budget = BUDGET.get();
        // A clock that was set back begins anew, too.
        if budget.since_ms.abs_diff(now.millis()) >= PERIOD_MS {
            budget = Budget { since_ms: now.millis(), left: per_s };
            BUDGET.set(budget);
        }
        budget.left > 0
    }

    /// Shows taps a message.
    pub(crate) fn show(&self, message: &HeardMessage<'_>) {
        let mut budget = BUDGET.get();
        let price = 1 + message.payload.len() / BYTES_PER_SAMPLE;
        budget.left = budget.left.saturating_sub(u32::try_from(price).unwrap_or(u32::MAX));
        BUDGET.set(budget);
        self.taps().iter().for_each(|tap| tap.sample(message));
    }
}

impl Session {
    /// Shows taps what the client publishes on `topic`.
    pub(crate) fn show(&self, publish: &Publish, topic: &str, at: Timestamp) {
        self.space.routing.show(&HeardMessage {
            tenant: &self.space.tenant,
            topic,
            payload: &publish.payload,
            qos: publish.qos,
            properties: publish.properties.as_deref(),
            sender: &self.sender(),
            at,
        });
    }
}
