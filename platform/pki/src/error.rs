//! What can be wrong with a certificate, a signing request or a key, in words for the client.

use crate::public_key::{RSA_BITS_MAX, RSA_BITS_MIN};

/// Why a certificate, a signing request or a key was refused. The messages are fit for clients.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PkiError {
    /// No whole PEM block, or one whose body is not base64.
    #[error("not valid PEM: expected one block from -----BEGIN to -----END")]
    MalformedPem,
    /// A PEM block of another kind, such as a private key.
    #[error("expected a PEM block labelled {expected}, found {found}")]
    WrongLabel {
        /// What the operation takes.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// More than one PEM block where one is expected.
    #[error("expected one PEM block, found {found}")]
    SeveralBlocks {
        /// How many were given.
        found: usize,
    },
    /// The block does not hold an X.509 certificate.
    #[error("not an X.509 certificate")]
    NotACertificate,
    /// The block does not hold a PKCS#10 signing request.
    #[error("not a PKCS#10 certificate signing request")]
    NotARequest,
    /// An RSA key that is too short.
    #[error("RSA key of {bits} bits: at least {RSA_BITS_MIN} are required")]
    WeakKey {
        /// The length of its modulus.
        bits: usize,
    },
    /// A kind of key that is not accepted, or one that breaks its own rules.
    #[error(
        "unsupported or invalid public key ({found}): RSA of {RSA_BITS_MIN} to {RSA_BITS_MAX} \
         bits and EC on P-256, P-384 and P-521 are accepted"
    )]
    UnsupportedKey {
        /// What was given: an algorithm or a curve.
        found: String,
    },
    /// A signature algorithm that is not accepted, such as SHA-1.
    #[error("unsupported signature algorithm {found}: SHA-256, SHA-384 or SHA-512 is required")]
    UnsupportedSignature {
        /// Its object identifier.
        found: String,
    },
    /// The signature does not fit the key.
    #[error("the signature does not verify")]
    BadSignature,
    /// The certificate of an authority lacks `CA:true`.
    #[error("the certificate is not that of an authority (basicConstraints CA:true)")]
    NotAnAuthority,
    /// The private key is not one that an authority signs with.
    #[error("not an RSA private key in PKCS#8 or PKCS#1 form")]
    MalformedPrivateKey,
    /// The private key does not belong to the certificate.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// A server certificate without a name.
    #[error("a server certificate needs a name or an address")]
    NoServerName,
    /// A name that no client could ask for.
    #[error("`{name}` is no host name, nor `*.` before one")]
    BadServerName {
        /// What was given.
        name: String,
    },
    /// More keys are asked for than can be made.
    #[error("more RSA keys are asked for than can be made")]
    KeysAwaited,
    /// The cryptographic library could not make or use a key.
    #[error("the cryptographic library could not make or use a key")]
    Cryptography,
}

impl From<aws_lc_rs::error::Unspecified> for PkiError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Cryptography
    }
}
