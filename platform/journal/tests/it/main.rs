//! The journal's contract, the same on every engine, and what its files promise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what is skipped is said, and a child process answers")]

mod contract;
mod crash;
mod disk_full;
mod engines;
mod faults;
mod files;
mod model;
mod servers;
mod witness;

use env::Env;
use types::Timestamp;

/// 2026-01-02T03:04:05Z.
const NOW: Timestamp = Timestamp::from_secs(1_767_323_045);

fn env() -> Env {
    Env::simulated(NOW, 1)
}
