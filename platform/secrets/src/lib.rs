//! Secrets: sealed at rest under the key file, redacted wherever they are printed.
//!
//! The same keys make page tokens, which a client can neither read nor forge.

mod file;
mod key;
mod keyring;
mod secret;

pub use keyring::{Keyring, SecretsError};
pub use secret::Secret;
