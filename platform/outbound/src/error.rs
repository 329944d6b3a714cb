//! Why there is no answer.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Why there is no answer. The host is named, the rest of the URL never: it may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name has only addresses that may not be reached.
    #[error(
        "{host} has the address {address}, which is not public: permit it by outbound.allow = \
         [\"{address}\"], a network or the host's name"
    )]
    Refused {
        /// The host of the URL.
        host: String,
        /// The first of its addresses.
        address: IpAddr,
    },
    /// A header that the client sets itself.
    #[error("the header {name} cannot be set")]
    Header {
        /// The header.
        name: String,
    },
    /// Too many requests are under way, and none of them ended in time.
    #[error("no request to {host} could begin within {after:?}: too many are under way")]
    Busy {
        /// The host of the URL.
        host: String,
        /// How long it waited.
        after: Duration,
    },
    /// It took too long.
    #[error("{host} did not {phase} within {after:?}")]
    Timeout {
        /// The host of the URL.
        host: String,
        /// What took too long.
        phase: Phase,
        /// How long was waited for it.
        after: Duration,
    },
    /// The name has no address.
    #[error("could not look up {host}")]
    Lookup {
        /// The host of the URL.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No connection could be made, or it was cut before TLS was agreed.
    #[error("could not connect to {host}")]
    Connect {
        /// The host of the URL.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The other side's certificate is not good, or there is no TLS to agree on.
    #[error("could not agree on TLS with {host}")]
    Tls {
        /// The host of the URL.
        host: String,
        /// Why.
        #[source]
        source: Box<rustls::Error>,
    },
    /// The connection was cut before the whole answer was there. The request may have been acted
    /// upon.
    #[error("{host} closed the connection before its answer was complete")]
    Closed {
        /// The host of the URL.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// What came is not HTTP.
    #[error("{host} did not answer in HTTP")]
    Protocol {
        /// The host of the URL.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The answer's body is longer than was wanted.
    #[error("{host} answered {status} with more than {bytes_max} bytes")]
    TooLarge {
        /// The host of the URL.
        host: String,
        /// The status of the answer.
        status: u16,
        /// How many bytes were wanted at most.
        bytes_max: usize,
    },
}

/// What a request was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The connection: name, TCP, TLS.
    Connect,
    /// The answer.
    Answer,
}

impl Error {
    /// Whether another try may succeed, with nothing changed by anybody. It says nothing about
    /// whether the first one was acted upon: see [`Error::was_not_sent`].
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy { .. }
            | Self::Timeout { .. }
            | Self::Lookup { .. }
            | Self::Connect { .. }
            | Self::Closed { .. } => true,
            Self::Refused { .. }
            | Self::Header { .. }
            | Self::Tls { .. }
            | Self::Protocol { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    /// Whether nothing of the request left: another try cannot do the thing twice.
    pub fn was_not_sent(&self) -> bool {
        match self {
            Self::Timeout { phase, .. } => *phase == Phase::Connect,
            Self::Closed { .. } | Self::Protocol { .. } | Self::TooLarge { .. } => false,
            _ => true,
        }
    }

    /// The error and everything below it, in one line for a log.
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// A word for a metric's label.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused_address",
            Self::Header { .. } => "header",
            Self::Busy { .. } => "busy",
            Self::Timeout { .. } => "timeout",
            Self::Lookup { .. } => "lookup",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Closed { .. } => "closed",
            Self::Protocol { .. } => "protocol",
            Self::TooLarge { .. } => "too_large",
        }
    }

    /// What hyper says, in our terms.
    pub(crate) fn of_exchange(host: &str, source: hyper::Error) -> Self {
        let host = host.to_owned();
        if source.is_parse() || source.is_user() || is_malformed_body(&source) {
            return Self::Protocol { host, source };
        }
        Self::Closed { host, source }
    }
}

/// An error and everything below it, in one line for a log.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl fmt::Display for Phase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Connect => "connect",
            Self::Answer => "answer",
        })
    }
}

/// Whether a body came, but not as its framing has to be; a cut line has other kinds.
fn is_malformed_body(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| {
        matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
    })
}
