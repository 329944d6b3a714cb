//! Why a door does not open, and what to do about it.

use std::io;
use std::net::SocketAddr;

use crate::Holder;

/// Why a door could not be opened. Each message names the setting that changes it.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Something else listens there.
    #[error(
        "{address} is in use{}; stop that, or choose another address with `listen.{door}`",
        holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
    )]
    InUse {
        /// The door's name.
        door: &'static str,
        /// Where it should have been.
        address: SocketAddr,
        /// Who is there, as far as the system tells.
        holder: Option<Holder>,
    },
    /// The port is one of those that only privileged processes may take.
    #[error(
        "no permission to listen on {address}; choose a port from 1024 with `listen.{door}`, \
         or give the program CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// The door's name.
        door: &'static str,
        /// Where it should have been.
        address: SocketAddr,
    },
    /// No interface of the machine has the address.
    #[error("{address} is no address of this machine; choose one that is with `listen.{door}`")]
    ForeignAddress {
        /// The door's name.
        door: &'static str,
        /// Where it should have been.
        address: SocketAddr,
    },
    /// Anything else that the system had against it.
    #[error("could not listen on {address} (`listen.{door}`)")]
    Listen {
        /// The door's name.
        door: &'static str,
        /// Where it should have been.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
