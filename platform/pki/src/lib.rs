//! Certificates: Ferrite's own authority, signing requests, X.509 and certificate ids.
//!
//! What comes from a client is checked here once, against the keys and signatures that AWS IoT
//! accepts; what leaves is a type that carries the proof. Keys come from the cryptographic
//! library's own random source, serial numbers and times from `env`.

mod authority;
mod certificate;
mod device_key;
mod error;
mod fields;
mod key_pool;
mod pem_block;
mod profile;
mod public_key;
mod request;
mod server_certificate;
mod signature;

pub use authority::{Authority, CurrentAuthority, Issued, IssuedKeys};
pub use certificate::{Certificate, certificate_id, parse_pem_certificate};
pub use device_key::DeviceKey;
pub use error::PkiError;
pub use key_pool::{KEY_POOL_DEFAULT, KeyPool, KeyPoolBounds};
pub use profile::{AUTHORITY_SUBJECT, BACKDATED, DEVICE_SUBJECT, NOT_AFTER, RENEWED_BEFORE};
pub use public_key::KeyKind;
pub use server_certificate::{
    IssuedServer, SERVER_VALIDITY, ServerCertificateRequest, ServerKeyKind,
};
