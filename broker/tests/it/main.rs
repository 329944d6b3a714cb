//! The broker, spoken to over pipes as a device speaks to it.
//!
//! The clock of timers stands still while anything is left to do and then jumps to the next timer,
//! so a test that waits for what never comes fails at once, on a keep alive that has run out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod connect;
mod connections;
mod delivery;
mod dialect;
mod direct;
mod exactly_once;
mod explain;
mod hostile;
mod https;
mod lifecycle;
mod permissions;
mod publish;
mod queues;
mod rates;
mod reserved;
mod retained;
mod sessions;
mod shared;
mod simulation;
mod slow;
mod stop;
mod subscribe;
mod takeover;
mod visitor;
mod will;
mod will_delay;
mod wire;
mod world;

use mqtt::Version;

/// Both versions, for what is alike in them.
const BOTH: [Version; 2] = [Version::V311, Version::V5];
