//! The one HTTP client: everything that Ferrite sends to a URL that somebody configured.
//!
//! It promises three things. Nothing is without a bound: time, bytes, requests under way,
//! connections to one host. A request never reaches an address that the operator did not permit:
//! names are resolved first, every address is held to the rules, and the connection is made to the
//! very address that was checked. And it says what went wrong, in a type that knows whether another
//! try may help.
//!
//! It leaves to its callers what an answer means: a redirect, a 404 and a 500 are answers, given as
//! they came; nothing is followed, decoded or tried again unless the caller says so ([`retry`]).
//! Signatures are theirs too; the shared file that has the keys for AWS's is read here
//! ([`SharedFile`]). It speaks HTTP/1.1, in the clear or over TLS.

mod addresses;
mod client;
mod connect;
mod credentials;
mod error;
mod message;
mod names;
mod network;
mod pool;
mod retry;
mod settings;
mod trust;
mod url;

pub use addresses::is_public;
pub use client::Client;
pub use credentials::{AccessKey, SharedFile, SharedFileError};
pub use error::{Error, Phase, chain};
pub use message::{Request, Response};
pub use names::Names;
pub use retry::{RetryPolicy, retry};
pub use settings::{Settings, SettingsError};
pub use url::{Url, UrlError};
