//! Signs and verifies requests with AWS Signature Version 4, in headers and in the query.
//!
//! Everything here is pure: the caller brings the time, the secret and the hashed or whole body.
//! Verification takes the request as it came off the wire (raw path, raw query) and accepts every
//! canonical form that current AWS clients produce; see [`verify`] for the list.

#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod authorization;
mod canonical;
mod encoding;
mod error;
mod key;
mod query;
mod request;
mod sign;
mod verify;

pub use authorization::{Authorization, parse};
pub use error::AuthError;
pub use key::SigningKey;
pub use request::{Payload, Request};
pub use sign::{Credentials, Scope, presign, sign};
pub use verify::{payload_hash, verify};

/// The algorithm's name, as it stands in `Authorization` and `X-Amz-Algorithm`.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What stands for the body's hash when the body is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The longest time that a presigned query may be valid, in seconds: a week.
pub const EXPIRES_S_MAX: u64 = 604_800;

/// How many headers a signature may cover.
pub const SIGNED_HEADERS_MAX: usize = 100;
