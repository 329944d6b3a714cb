//! Why a signature was refused, in AWS's words.

use std::time::Duration;

use types::Timestamp;

/// A request's signature is missing parts, malformed, out of its time or wrong. `Display` is the
/// message for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A part is missing or unreadable.
    #[error("{0}")]
    Incomplete(String),
    /// All parts are there but they contradict each other or the request.
    #[error("{0}")]
    Invalid(String),
    /// The signature does not belong to this request and secret.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    Mismatch,
    /// The signature is older than the clock skew or its own `X-Amz-Expires` allows.
    #[error(
        "Signature expired: {} is now earlier than {} ({} - {}.)",
        signed.to_amz_date(), minus(*now, *allowed).to_amz_date(), now.to_amz_date(), span(*allowed)
    )]
    Expired {
        /// When the client signed.
        signed: Timestamp,
        /// The server's time.
        now: Timestamp,
        /// How old a signature may be.
        allowed: Duration,
    },
    /// The signature comes from a clock that is too far ahead.
    #[error(
        "Signature not yet current: {} is still later than {} ({} + {}.)",
        signed.to_amz_date(), now.plus(*allowed).to_amz_date(), now.to_amz_date(), span(*allowed)
    )]
    NotYetCurrent {
        /// When the client signed.
        signed: Timestamp,
        /// The server's time.
        now: Timestamp,
        /// How far ahead a signature may be.
        allowed: Duration,
    },
}

impl AuthError {
    /// AWS's error code: `IncompleteSignatureException` or `InvalidSignatureException`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::Invalid(_)
            | Self::Mismatch
            | Self::Expired { .. }
            | Self::NotYetCurrent { .. } => "InvalidSignatureException",
        }
    }
}

fn minus(point: Timestamp, span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(point.millis().saturating_sub(millis))
}

fn span(span: Duration) -> String {
    match span.as_secs() {
        secs if secs % 60 == 0 => format!("{} min", secs / 60),
        secs => format!("{secs} sec"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_messages_read_as_those_of_aws() {
        let now = Timestamp::from_amz_date("20260102T031500Z").unwrap();
        let allowed = Duration::from_secs(300);
        let at = |text| Timestamp::from_amz_date(text).unwrap();
        let expired = AuthError::Expired { signed: at("20260102T030405Z"), now, allowed };
        assert_eq!(
            expired.to_string(),
            "Signature expired: 20260102T030405Z is now earlier than 20260102T031000Z \
             (20260102T031500Z - 5 min.)"
        );
        let early = AuthError::NotYetCurrent { signed: at("20260102T032001Z"), now, allowed };
        assert_eq!(
            early.to_string(),
            "Signature not yet current: 20260102T032001Z is still later than 20260102T032000Z \
             (20260102T031500Z + 5 min.)"
        );
        assert_eq!(expired.code(), "InvalidSignatureException");
    }
}
