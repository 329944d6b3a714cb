//! Certificates against OpenSSL, which shares no code with Ferrite.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authority;
mod bad_input;
mod certificate;
mod fields;
mod key_pool;
mod openssl;
mod renewal;
mod requests;
mod server_certificate;

use env::Env;
use types::Timestamp;

/// 2026-01-02T03:04:05Z.
const NOW: Timestamp = Timestamp::from_secs(1_767_323_045);

fn env() -> Env {
    Env::simulated(NOW, 1)
}
