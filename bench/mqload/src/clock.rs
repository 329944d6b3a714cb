//! The machine's clock, by which everything is measured.

use std::time::Instant;

/// The time now.
#[allow(clippy::disallowed_methods, reason = "a load generator measures real time, in one place")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
