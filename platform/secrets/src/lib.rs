//! The key file: what seals secrets at rest.
//!
//! The same keys make page tokens, which a client can neither read nor forge.

mod file;
mod key;
mod keyring;

pub use keyring::{Keyring, SecretsError};
