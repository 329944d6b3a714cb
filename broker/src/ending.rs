//! Why a connection ends, in the words of MQTT 5 and of AWS's lifecycle events.

use std::io;

use mqtt::reason;
use service::Refusal;

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The client said goodbye.
    Client {
        /// Whether it asked for its Will to be published all the same (MQTT 5, 0x04).
        with_will: bool,
    },
    /// The connection broke off.
    Lost(Option<io::Error>),
    /// The client did what it must not.
    Fault(Fault),
    /// Another connection has the client's id now.
    TakenOver,
    /// Nothing was heard for one and a half times the keep alive.
    KeepAlive,
    /// The client's certificate is no longer good.
    Revoked(Refusal),
    /// `DeleteConnection` was called.
    Deleted {
        /// Whether its Will is to be published.
        with_will: bool,
        /// Whether its session ends with it.
        ends_session: bool,
    },
    /// A WebSocket has lasted as long as one may.
    Expired,
    /// The server stops.
    ShuttingDown,
}

/// What a client did wrong, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// MQTT 5's reason code.
    pub(crate) code: u8,
    /// A word for it in the device log.
    pub(crate) reason: &'static str,
    /// What happened and what to do, in a sentence.
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(code: u8, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { code, reason, detail: detail.into() }
    }

    /// A packet that the protocol forbids where it came.
    pub(crate) fn protocol(detail: impl Into<String>) -> Self {
        Self::new(reason::PROTOCOL_ERROR, "PROTOCOL_ERROR", detail)
    }

    /// A packet that cannot be read.
    pub(crate) fn malformed(malformed: &mqtt::Malformed) -> Self {
        let code = malformed.reason_code();
        let word =
            if code == reason::PROTOCOL_ERROR { "PROTOCOL_ERROR" } else { "MALFORMED_PACKET" };
        Self::new(code, word, malformed.to_string())
    }
}

impl Ending {
    /// The end of a connection whose socket failed. One that ends without TLS's own goodbye is
    /// merely closed.
    pub(crate) fn lost(error: io::Error) -> Self {
        Self::Lost(Some(error).filter(|error| error.kind() != io::ErrorKind::UnexpectedEof))
    }

    /// Whether the client's Will is published.
    pub(crate) fn publishes_will(&self) -> bool {
        !matches!(self, Self::Client { with_will: false } | Self::Deleted { with_will: false, .. })
    }

    /// The reason code of the DISCONNECT that an MQTT 5 client is sent, if it is sent one.
    pub(crate) fn code(&self) -> Option<u8> {
        match self {
            Self::Client { .. } | Self::Lost(_) => None,
            Self::Fault(fault) => Some(fault.code),
            Self::TakenOver => Some(reason::SESSION_TAKEN_OVER),
            Self::KeepAlive => Some(reason::KEEP_ALIVE_TIMEOUT),
            Self::Revoked(_) => Some(reason::NOT_AUTHORIZED),
            Self::Deleted { .. } => Some(reason::ADMINISTRATIVE_ACTION),
            Self::Expired => Some(reason::MAXIMUM_CONNECT_TIME),
            Self::ShuttingDown => Some(reason::SERVER_SHUTTING_DOWN),
        }
    }

    /// AWS's `disconnectReason`.
    pub(crate) fn disconnect_reason(&self) -> &'static str {
        match self {
            Self::Client { .. } => "CLIENT_INITIATED_DISCONNECT",
            Self::Lost(_) => "CONNECTION_LOST",
            Self::Fault(fault) if fault.code == reason::NOT_AUTHORIZED => "FORBIDDEN_ACCESS",
            Self::Fault(_) => "CLIENT_ERROR",
            Self::TakenOver => "DUPLICATE_CLIENTID",
            Self::KeepAlive => "MQTT_KEEP_ALIVE_TIMEOUT",
            Self::Revoked(_) => "AUTH_ERROR",
            Self::Deleted { .. } => "API_INITIATED_DISCONNECT",
            Self::Expired => "WEBSOCKET_TTL_EXPIRATION",
            Self::ShuttingDown => "SERVER_INITIATED_DISCONNECT",
        }
    }

    /// What happened, in a sentence.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Client { with_will: false } => "the client said goodbye".into(),
            Self::Client { with_will: true } => "the client said goodbye and left its Will".into(),
            Self::Lost(None) => "the client closed the connection without DISCONNECT".into(),
            Self::Lost(Some(error)) => format!("the connection broke off: {error}"),
            Self::Fault(fault) => fault.detail.clone(),
            Self::TakenOver => "the client connected again with the same client id".into(),
            Self::KeepAlive => "nothing was heard for one and a half times the keep alive".into(),
            Self::Revoked(refusal) => refusal.detail.clone(),
            Self::Deleted { .. } => "DeleteConnection was called for the client".into(),
            Self::Expired => "the WebSocket has lasted as long as one may; connect again".into(),
            Self::ShuttingDown => "the server stops".into(),
        }
    }

    /// Whether it goes into the device log as a failure.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Revoked(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_has_its_code_its_word_and_its_will() {
        let refusal = || Refusal { reason: "CERTIFICATE_REVOKED", detail: "revoked".into() };
        let fault = |code| Ending::Fault(Fault::new(code, "SOMETHING", "something"));
        let broken = || Some(io::Error::from(io::ErrorKind::ConnectionReset));
        let table = [
            (Ending::Client { with_will: false }, None, "CLIENT_INITIATED_DISCONNECT", false),
            (Ending::Client { with_will: true }, None, "CLIENT_INITIATED_DISCONNECT", true),
            (Ending::Lost(None), None, "CONNECTION_LOST", true),
            (Ending::Lost(broken()), None, "CONNECTION_LOST", true),
            (fault(0x82), Some(0x82), "CLIENT_ERROR", true),
            (fault(0x87), Some(0x87), "FORBIDDEN_ACCESS", true),
            (Ending::TakenOver, Some(0x8E), "DUPLICATE_CLIENTID", true),
            (Ending::KeepAlive, Some(0x8D), "MQTT_KEEP_ALIVE_TIMEOUT", true),
            (Ending::Revoked(refusal()), Some(0x87), "AUTH_ERROR", true),
            (
                Ending::Deleted { with_will: true, ends_session: true },
                Some(0x98),
                "API_INITIATED_DISCONNECT",
                true,
            ),
            (
                Ending::Deleted { with_will: false, ends_session: false },
                Some(0x98),
                "API_INITIATED_DISCONNECT",
                false,
            ),
            (Ending::Expired, Some(0xA0), "WEBSOCKET_TTL_EXPIRATION", true),
            (Ending::ShuttingDown, Some(0x8B), "SERVER_INITIATED_DISCONNECT", true),
        ];
        for (ending, code, word, publishes_will) in table {
            let found = (ending.code(), ending.disconnect_reason(), ending.publishes_will());
            assert_eq!(found, (code, word, publishes_will), "{ending:?}");
            assert!(!ending.detail().is_empty());
            let is_failure = matches!(ending, Ending::Fault(_) | Ending::Revoked(_));
            assert_eq!(ending.is_failure(), is_failure, "{ending:?}");
        }
    }

    #[test]
    fn a_malformed_packet_ends_with_the_code_of_its_fault() {
        let too_large = mqtt::Malformed::TooLarge { bytes: 9, max: 8 };
        let unreadable = "MALFORMED_PACKET";
        for (malformed, code, word) in [
            (mqtt::Malformed::Truncated, reason::MALFORMED_PACKET, unreadable),
            (mqtt::Malformed::SecondConnect, reason::PROTOCOL_ERROR, "PROTOCOL_ERROR"),
            (mqtt::Malformed::TopicAliasZero, reason::TOPIC_ALIAS_INVALID, unreadable),
            (too_large, reason::PACKET_TOO_LARGE, unreadable),
        ] {
            let fault = Fault::malformed(&malformed);
            let expected = Fault::new(code, word, malformed.to_string());
            assert_eq!(fault, expected);
        }
    }
}
