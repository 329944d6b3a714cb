//! Why TLS cannot be set up, and what to do about it.

/// Why a server identity or its names were refused.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nothing to present.
    #[error("no server certificate: give at least one chain with its private key")]
    NoIdentity,
    /// The chain cannot be read.
    #[error(
        "the server certificate is not PEM: give `-----BEGIN CERTIFICATE-----` blocks, leaf first"
    )]
    Chain,
    /// The key cannot be read, or is of no usable kind.
    #[error(
        "the server's private key cannot be used: give one unencrypted PEM block with an RSA or \
         EC key (PKCS#8, PKCS#1 or SEC 1)"
    )]
    PrivateKey,
    /// The key is another one's.
    #[error(
        "the server's private key does not belong to the first certificate of its chain: put the \
         leaf first, and give its own key"
    )]
    KeyMismatch,
    /// The leaf is not a certificate that clients could take.
    #[error("the server certificate cannot be read: give X.509 version 3 with subjectAltName")]
    Certificate {
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// A name that no client could ask for.
    #[error("`{name}` is no server name: give whole names, or `*.` before a suffix")]
    ServerName {
        /// What was given.
        name: String,
    },
    /// The library refused the rest of the settings.
    #[error("TLS could not be set up")]
    Setup {
        /// What it said.
        #[source]
        source: rustls::Error,
    },
}
