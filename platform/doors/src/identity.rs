//! Who the server says it is: certificate chains with their keys, and the choice among them.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SignatureAlgorithm, SignatureScheme};

use crate::TlsError;

/// A certificate chain, leaf first, and the private key of its leaf.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The chain as PEM blocks, leaf first. The root may be left out.
    pub certificates_pem: String,
    /// The key as one PEM block: PKCS#8, PKCS#1 or SEC 1.
    pub private_key_pem: String,
}

/// Presents RSA unless the client's signature schemes put a kind first that another key has.
#[derive(Debug)]
pub(crate) struct Identities {
    keys: Vec<Arc<CertifiedKey>>,
    /// Which of them is for clients that leave the choice.
    default: Arc<CertifiedKey>,
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ServerIdentity");
        shown.field("certificates_pem", &self.certificates_pem).finish_non_exhaustive()
    }
}

impl Identities {
    pub(crate) fn load(
        identities: &[ServerIdentity],
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        let keys = identities
            .iter()
            .map(|identity| load_one(identity, provider).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let is_rsa = |key: &&Arc<CertifiedKey>| key.key.algorithm() == SignatureAlgorithm::RSA;
        let default = keys.iter().find(is_rsa).or(keys.first()).ok_or(TlsError::NoIdentity)?;
        Ok(Self { default: Arc::clone(default), keys })
    }

    fn able_to(&self, scheme: SignatureScheme) -> Option<&Arc<CertifiedKey>> {
        self.keys.iter().find(|key| key.key.choose_scheme(&[scheme]).is_some())
    }
}

impl ResolvesServerCert for Identities {
    /// Always one, so that a client with nothing in common is told what it lacks.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // In TLS 1.3 PKCS#1 is for certificates only, and says nothing about handshakes.
        let speaks_13 = hello.cipher_suites().iter().any(is_of_tls13);
        let usable = |scheme: &SignatureScheme| !speaks_13 || !is_pkcs1(*scheme);
        let mut preferred = hello.signature_schemes().iter().copied().filter(usable);
        let chosen = preferred.find_map(|scheme| self.able_to(scheme));
        Some(Arc::clone(chosen.unwrap_or(&self.default)))
    }
}

fn load_one(
    identity: &ServerIdentity,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(identity.certificates_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::Chain)?;
    if chain.is_empty() {
        return Err(TlsError::Chain);
    }
    let key = PrivateKeyDer::from_pem_slice(identity.private_key_pem.as_bytes())
        .map_err(|_| TlsError::PrivateKey)?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| TlsError::PrivateKey)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::KeyMismatch),
        Err(source) => Err(TlsError::Certificate { source }),
    }
}

fn is_of_tls13(suite: &CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS13_AES_256_GCM_SHA384
            | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
    )
}

fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}
