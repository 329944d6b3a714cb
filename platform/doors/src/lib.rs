//! Doors: the ports that Ferrite listens on, and how many may come in.
//!
//! A door accepts for as long as the server runs. When it is full it turns newcomers away at
//! once rather than let them wait unheard, and when the process is out of file descriptors it
//! pauses instead of spinning. What is said behind the door is the caller's business.

mod error;
mod file_limit;
mod holder;
mod listener;
mod quiet;

pub use error::DoorError;
pub use file_limit::{FileLimits, raise_file_descriptor_limit};
pub use holder::Holder;
pub use listener::{CONNECTIONS_MAX_DEFAULT, Door, DoorLimits, Listener, Peer, open};
