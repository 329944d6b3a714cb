//! The binary as a process: it starts, answers, and ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod device;
mod process;
mod serve;
