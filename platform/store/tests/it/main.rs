//! The store's contract, the same on every engine, and what its data directory promises.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what is skipped is said, and a child process answers")]

mod changes;
mod conditions;
mod crash;
mod directory;
mod disk_full;
mod engines;
mod nodes;
mod restart;
mod scans;

mod transactions;

use env::Env;
use ferrite_store::{Key, Kind};
use types::{TenantId, Timestamp};

/// 2026-01-02T03:04:05Z.
const NOW: Timestamp = Timestamp::from_secs(1_767_323_045);

fn env() -> Env {
    Env::simulated(NOW, 1)
}

/// The key of `name` in a kind of its own.
fn key(name: &str) -> Key {
    Key::new(TenantId(1), Kind(1)).text(name)
}

/// The key above all of [`key`].
fn root() -> Key {
    Key::new(TenantId(1), Kind(1))
}
