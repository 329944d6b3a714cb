//! Doors: the ports that Ferrite listens on, and how many may come in.
//!
//! A door accepts for as long as the server runs. When it is full it turns newcomers away at
//! once rather than let them wait unheard, and when the process is out of file descriptors it
//! pauses instead of spinning. Where TLS is spoken, a client is asked for no more than that it holds
//! the key of its certificate. What is said behind the door is the caller's business.

mod arrival;
mod deadline;
mod entrance;
mod error;
mod file_limit;
mod greeting;
mod handshake_error;
mod hello;
mod holder;
mod identity;
mod leftover;
mod listener;
mod networks;
mod plain_text;
mod plaintext;
mod possession;
mod proxy_header;
mod quiet;
mod records;
mod resumption;
mod scratch;
mod secure_stream;
mod server_names;
mod tls;
mod tls_error;

pub use arrival::{Arrival, Peer, Unready};
pub use deadline::Deadline;
pub use entrance::{TurnedAway, Why};
pub use error::DoorError;
pub use file_limit::{FileLimits, raise_file_descriptor_limit};
pub use handshake_error::HandshakeError;
pub use hello::Protocol;
pub use holder::Holder;
pub use identity::ServerIdentity;
pub use listener::{Conversation, Door, DoorLimits, Listener, open};
pub use networks::{Network, NoNetwork};
pub use plain_text::PlainText;
pub use proxy_header::{ProxyHeader, ProxyHeaderError, ProxyHeaderRead};
pub use secure_stream::SecureStream;
pub use server_names::ServerNames;
pub use tls::{ClientCertificate, Secured, Tls, TlsSettings};
pub use tls_error::TlsError;
