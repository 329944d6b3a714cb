//! Why a handshake failed, in words for whoever runs the device.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::hello::{Hello, alert_name};
use crate::plain_text::PlainText;
use crate::possession::{KeyRefused, RSA_BITS_MAX, RSA_BITS_MIN};
use crate::proxy_header::ProxyHeaderError;

/// Why a connection did not become a secured one. Each message says what to do, and
/// [`HandshakeError::reason`] is a word to count it by.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The client left without a byte, as health checks of load balancers do.
    #[error("the client closed the connection without sending anything")]
    ClosedSilently,
    /// The client left in the middle.
    #[error("the client closed the connection in the middle of the TLS handshake")]
    ClosedEarly,
    /// The connection broke.
    #[error("the connection broke during the TLS handshake")]
    Broken(#[source] io::Error),
    /// The client stalled.
    #[error(
        "the TLS handshake took longer than {handshake_s} s: {}",
        if *.hello_came { "the client sent its ClientHello and then stalled" }
        else { "no complete ClientHello came" }
    )]
    Timeout {
        /// The bound.
        handshake_s: u64,
        /// Whether the client had got as far as its ClientHello.
        hello_came: bool,
    },
    /// The load balancer did not say whose connection it is.
    #[error(
        "this port wants a header of the PROXY protocol from the load balancer \
         (`listen.proxy_protocol`): {0}"
    )]
    ProxyHeader(#[from] ProxyHeaderError),
    /// No TLS at all.
    #[error("this port speaks TLS, and the client sent {0}")]
    PlainText(PlainText),
    /// The client asked for a server that this is not.
    #[error(
        "the client asked for the server name (SNI) `{name}`, known are {known}: connect by one \
         of these, or make the name known with `endpoint_domain`"
    )]
    UnknownServerName {
        /// What was asked for.
        name: String,
        /// Some of the names that would have done.
        known: String,
    },
    /// The client knows no cipher suite of this server.
    #[error(
        "no cipher suite in common: the client offers {offered}, and this server has ECDHE with \
         AES-GCM or ChaCha20-Poly1305 (TLS 1.2) and the suites of TLS 1.3: enable one of these in \
         the client"
    )]
    NoSharedCipher {
        /// What the client offers, at most twenty.
        offered: String,
    },
    /// The client's TLS is too old.
    #[error(
        "no TLS version in common: the client offers {offered}, and this server has TLS 1.2 and \
         1.3: update the client's TLS, or enable TLS 1.2 in it"
    )]
    NoSharedVersion {
        /// The highest version that the client offers.
        offered: String,
    },
    /// The client lacks something else that the handshake needs.
    #[error(
        "no {lacking} in common: the client must offer a key exchange on X25519, P-256 or P-384, \
         and signatures with RSA or ECDSA and SHA-256 or better"
    )]
    NoSharedParameters {
        /// What there is none of.
        lacking: &'static str,
    },
    /// The client sent no certificate.
    #[error(
        "the client sent no certificate, which this port requires: give the client its \
         certificate and private key"
    )]
    CertificateMissing,
    /// The certificate cannot be read.
    #[error("the client's certificate is not X.509 in DER: give it the file as it was issued")]
    CertificateMalformed,
    /// The certificate's RSA key is too short.
    #[error(
        "the client's certificate has an RSA key of {bits} bits, at least {RSA_BITS_MIN} are \
         required: make a new key and certificate"
    )]
    KeyTooWeak {
        /// The length of its modulus.
        bits: usize,
    },
    /// The certificate's key is of another kind.
    #[error(
        "the client's certificate has an unsupported key ({found}): make one with RSA of \
         {RSA_BITS_MIN} to {RSA_BITS_MAX} bits, or EC on P-256, P-384 or P-521"
    )]
    KeyUnsupported {
        /// The algorithm or the curve.
        found: String,
    },
    /// The signature over the handshake is not by the certificate's key.
    #[error(
        "the client did not prove that it holds its certificate's private key: the key and the \
         certificate that it uses must belong together"
    )]
    PossessionNotProven,
    /// The client gave up and said why.
    #[error("the client aborted the handshake with alert `{alert}`: {}", advice(.alert))]
    ClientAlert {
        /// The alert's standard name.
        alert: String,
    },
    /// Bytes that are not TLS, or that TLS does not allow.
    #[error("the client broke the rules of TLS")]
    Malformed(#[source] Error),
    /// A fault of this server.
    #[error("the TLS handshake failed by a fault of this server")]
    Internal(#[source] Error),
}

impl HandshakeError {
    /// A word for logs and metrics that stays the same when the message changes.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ClosedSilently => "TLS_CLOSED_SILENTLY",
            Self::ClosedEarly => "TLS_CLOSED_EARLY",
            Self::Broken(_) => "TLS_CONNECTION_BROKEN",
            Self::Timeout { .. } => "TLS_TIMEOUT",
            Self::ProxyHeader(_) => "PROXY_HEADER",
            Self::PlainText(_) => "TLS_PLAIN_TEXT",
            Self::UnknownServerName { .. } => "TLS_UNKNOWN_SERVER_NAME",
            Self::NoSharedCipher { .. } => "TLS_NO_SHARED_CIPHER",
            Self::NoSharedVersion { .. } => "TLS_NO_SHARED_VERSION",
            Self::NoSharedParameters { .. } => "TLS_NO_SHARED_PARAMETERS",
            Self::CertificateMissing => "TLS_CERTIFICATE_MISSING",
            Self::CertificateMalformed => "TLS_CERTIFICATE_MALFORMED",
            Self::KeyTooWeak { .. } => "TLS_KEY_TOO_WEAK",
            Self::KeyUnsupported { .. } => "TLS_KEY_UNSUPPORTED",
            Self::PossessionNotProven => "TLS_POSSESSION_NOT_PROVEN",
            Self::ClientAlert { .. } => "TLS_CLIENT_ALERT",
            Self::Malformed(_) => "TLS_MALFORMED",
            Self::Internal(_) => "TLS_INTERNAL",
        }
    }

    /// What an error of the connection or of rustls stands for. `old_version` and `hello` are
    /// what is known of the client so far.
    pub(crate) fn explain(
        error: io::Error,
        old_version: Option<&'static str>,
        hello: &Hello,
    ) -> Self {
        let tls = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
        match (tls, error.kind()) {
            (Some(tls), _) => Self::explain_tls(tls, old_version, hello),
            (None, io::ErrorKind::UnexpectedEof) => Self::ClosedEarly,
            (None, _) => Self::Broken(error),
        }
    }

    fn explain_tls(error: &Error, old_version: Option<&'static str>, hello: &Hello) -> Self {
        match error {
            Error::PeerIncompatible(lack) => Self::explain_lack(lack, old_version, hello),
            Error::NoCertificatesPresented => Self::CertificateMissing,
            Error::InvalidCertificate(cause) => Self::explain_certificate(cause),
            Error::AlertReceived(AlertDescription::CloseNotify) => Self::ClosedEarly,
            Error::AlertReceived(alert) => Self::ClientAlert { alert: alert_name(*alert) },
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::InvalidMessage(_)
            | Error::DecryptError
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord => Self::Malformed(error.clone()),
            _ => Self::Internal(error.clone()),
        }
    }

    /// A client without a cipher suite in common also lacks whatever goes with the suites, and
    /// an old one knows no extensions: the first cause is the one to name.
    fn explain_lack(
        lack: &PeerIncompatible,
        old_version: Option<&'static str>,
        hello: &Hello,
    ) -> Self {
        use PeerIncompatible as Lack;
        if let Some(offered) = old_version {
            return Self::NoSharedVersion { offered: format!("at most {offered}") };
        }
        let lacking = match lack {
            Lack::Tls12NotOffered
            | Lack::Tls12NotOfferedOrEnabled
            | Lack::SupportedVersionsExtensionRequired => {
                return Self::NoSharedVersion { offered: "other versions only".to_owned() };
            }
            Lack::NoCipherSuitesInCommon => {
                return Self::NoSharedCipher { offered: hello.suite_names() };
            }
            Lack::NoKxGroupsInCommon
            | Lack::NamedGroupsExtensionRequired
            | Lack::KeyShareExtensionRequired => "key exchange group",
            Lack::NoSignatureSchemesInCommon | Lack::SignatureAlgorithmsExtensionRequired => {
                "signature scheme"
            }
            _ => "TLS extension",
        };
        if hello.offers_suites() && !hello.shares_suite() {
            return Self::NoSharedCipher { offered: hello.suite_names() };
        }
        Self::NoSharedParameters { lacking }
    }

    fn explain_certificate(cause: &CertificateError) -> Self {
        if let CertificateError::Other(other) = cause
            && let Some(refused) = other.0.downcast_ref::<KeyRefused>()
        {
            return match refused {
                KeyRefused::Weak { bits } => Self::KeyTooWeak { bits: *bits },
                KeyRefused::Unsupported { found } => Self::KeyUnsupported { found: found.clone() },
            };
        }
        match cause {
            CertificateError::BadSignature => Self::PossessionNotProven,
            _ => Self::CertificateMalformed,
        }
    }
}

/// What to do about a client's alert.
fn advice(alert: &str) -> &'static str {
    match alert {
        "unknown_ca" => {
            "it does not trust this server's root: install `ca/root-ca.pem` of the data directory \
             as its CA"
        }
        "bad_certificate" | "certificate_unknown" | "unsupported_certificate" => {
            "it does not accept this server's certificate: it must have `ca/root-ca.pem` of the \
             data directory as its CA, and connect by a name that the certificate has"
        }
        "certificate_expired" => {
            "to its clock this server's certificate is not valid: set the client's clock"
        }
        _ => "the client's own log knows more",
    }
}
