//! What features are written against, on the store that `FERRITE_TEST_STORE` names.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod outbox;
mod schedule;
