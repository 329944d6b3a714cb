//! Sessions that clients may come back to without a whole handshake.
//!
//! A session is in a ticket that the client keeps, sealed under keys that are changed every six
//! hours and forgotten after twelve; one without tickets, in TLS 1.2, is in a store of bounded size.
//! Either has the client's certificate in it, so that who comes back is asked for as who came.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
};

use crate::TlsError;

/// How many sessions are kept for clients of TLS 1.2 without tickets.
const STORED_MAX: usize = 1024;
/// The longest session that goes into a ticket. It grows with the certificates that a client shows;
/// whoever shows a long chain shakes hands each time.
const TICKET_BYTES_MAX: usize = 8 * 1024;
/// Tickets for each connection of TLS 1.3: whoever comes back gets a new one.
const TICKETS: usize = 1;

/// The sessions of one kind of door. Sessions of another kind are not known to it: one that began
/// without a certificate must not be resumed where one is required.
#[derive(Clone)]
pub(crate) struct Sessions {
    ticketer: Arc<dyn ProducesTickets>,
    store: Arc<dyn StoresServerSessions>,
}

/// Makes tickets of bounded size.
struct Bounded(Arc<dyn ProducesTickets>);

impl Sessions {
    pub(crate) fn new() -> Result<Self, TlsError> {
        let ticketer = Ticketer::new().map_err(|source| TlsError::Setup { source })?;
        let store = ServerSessionMemoryCache::new(STORED_MAX);
        Ok(Self { ticketer: Arc::new(Bounded(ticketer)), store })
    }

    /// Has `config` resume these, or none.
    pub(crate) fn install(sessions: Option<&Self>, config: &mut ServerConfig) {
        match sessions {
            Some(Self { ticketer, store }) => {
                config.ticketer = Arc::clone(ticketer);
                config.session_storage = Arc::clone(store);
                config.send_tls13_tickets = TICKETS;
            }
            None => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
        }
    }
}

impl ProducesTickets for Bounded {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        if session.len() > TICKET_BYTES_MAX { None } else { self.0.encrypt(session) }
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(ticket)
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bounded").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_fits_into_a_ticket_or_gets_none() {
        let (own, other) = (Sessions::new().unwrap().ticketer, Sessions::new().unwrap().ticketer);
        let session = vec![7; TICKET_BYTES_MAX];
        let ticket = own.encrypt(&session).unwrap();
        assert_eq!(own.decrypt(&ticket), Some(session));
        assert_eq!(other.decrypt(&ticket), None);
        assert_eq!(own.encrypt(&vec![7; TICKET_BYTES_MAX + 1]), None);
    }
}
