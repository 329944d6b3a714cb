//! What targets promise, back end by back end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what is skipped is said, and what a peer said is shown")]

mod aws;
mod harness;
mod moto;
mod objects;
mod others;
mod peer;
mod secrets;
mod streams;
mod tables;
mod webhooks;
