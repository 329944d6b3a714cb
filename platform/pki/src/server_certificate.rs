//! The certificates that Ferrite's own server shows, signed by its own authority.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use env::Env;
use types::Timestamp;

use crate::authority::{Authority, Leaf, not_before};
use crate::profile::{
    NameAttribute, Role, encode_alternative_names, encode_name, key_digest, key_id,
};
use crate::{DeviceKey, PkiError, pem_block};

/// How long a server certificate is valid, the back-dated minutes included. Some clients refuse
/// longer ones whoever signed them (Apple's from 825 days on, browsers' own roots from 398).
pub const SERVER_VALIDITY: Duration = Duration::from_secs(397 * 24 * 60 * 60);

/// The longest common name of X.509.
const COMMON_NAME_MAX: usize = 64;
/// The common name of a server without a name that fits. Clients look at the alternative names.
const COMMON_NAME_DEFAULT: &str = "Ferrite";
/// The longest host name, and the longest of its labels (RFC 1035).
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// What a server certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificateRequest {
    /// Host names; `*.` before one stands for any single label.
    pub names: Vec<String>,
    /// Addresses that clients connect to without a name.
    pub addresses: Vec<IpAddr>,
    /// The key to make.
    pub key: ServerKeyKind,
}

/// A kind of key that a server holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKeyKind {
    /// RSA-2048, which every client takes. Making one takes tens of milliseconds, sometimes many.
    Rsa2048,
    /// EC on P-256: smaller and faster, and made at once.
    P256,
}

/// A server certificate that was just issued.
#[derive(Clone)]
pub struct IssuedServer {
    /// The certificate: a chain of one, because the root signed it.
    pub certificate_pem: String,
    /// Its private key: PKCS#1 if it is RSA, else PKCS#8.
    pub private_key_pem: String,
    /// The first moment of its validity.
    pub not_before: Timestamp,
    /// The last moment of its validity.
    pub not_after: Timestamp,
}

struct ServerKey {
    private_key_pem: String,
    /// An encoded subjectPublicKeyInfo.
    public_key: Vec<u8>,
    id: Vec<u8>,
}

impl Authority {
    /// Makes a key and issues a certificate for a server with it. Blocks while an RSA key is made.
    pub fn issue_server(
        &self,
        request: &ServerCertificateRequest,
        env: &Env,
    ) -> Result<IssuedServer, PkiError> {
        let names: Vec<_> = request.names.iter().map(|name| name.to_ascii_lowercase()).collect();
        check_names(&names, &request.addresses)?;
        let key = ServerKey::generate(request.key)?;
        let leaf = Leaf {
            role: Role::Server(&encode_alternative_names(&names, &request.addresses)),
            subject: &encode_name(&[(NameAttribute::CommonName, common_name(&names))]),
            public_key: &key.public_key,
            subject_key_id: &key.id,
            not_after: not_after(env),
        };
        let certificate = self.sign(&leaf, env)?;
        Ok(IssuedServer {
            certificate_pem: certificate.to_pem(),
            private_key_pem: key.private_key_pem,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        })
    }
}

impl fmt::Debug for IssuedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("IssuedServer");
        shown.field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

impl ServerKey {
    fn generate(kind: ServerKeyKind) -> Result<Self, PkiError> {
        match kind {
            ServerKeyKind::Rsa2048 => Self::rsa(),
            ServerKeyKind::P256 => Self::p256(),
        }
    }

    fn rsa() -> Result<Self, PkiError> {
        let key = DeviceKey::generate()?;
        Ok(Self {
            private_key_pem: key.private_key_pem()?,
            public_key: key.public_key_info()?,
            id: key_id(&key_digest(key.public_key())).to_vec(),
        })
    }

    fn p256() -> Result<Self, PkiError> {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref())
            .map_err(|_| PkiError::Cryptography)?;
        let info: PublicKeyX509Der<'_> = key.public_key().as_der()?;
        Ok(Self {
            private_key_pem: pem_block::encode("PRIVATE KEY", pkcs8.as_ref()),
            public_key: info.as_ref().to_vec(),
            id: key_id(&key_digest(key.public_key().as_ref())).to_vec(),
        })
    }
}

fn not_after(env: &Env) -> Timestamp {
    let validity_s = i64::try_from(SERVER_VALIDITY.as_secs()).unwrap_or_default();
    let end = not_before(env).secs().saturating_add(validity_s);
    // The last second is part of the validity.
    Timestamp::from_secs(end.saturating_sub(1))
}

fn check_names(names: &[String], addresses: &[IpAddr]) -> Result<(), PkiError> {
    if names.is_empty() && addresses.is_empty() {
        return Err(PkiError::NoServerName);
    }
    match names.iter().find(|name| !is_host_name(name.strip_prefix("*.").unwrap_or(name))) {
        Some(name) => Err(PkiError::BadServerName { name: name.clone() }),
        None => Ok(()),
    }
}

/// Letters, digits and hyphens, and the underscores of practice, in labels between dots.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(is_name)
    };
    name.len() <= NAME_MAX && name.split('.').all(is_label)
}

fn common_name(names: &[String]) -> &str {
    let fitting = names.iter().find(|name| name.len() <= COMMON_NAME_MAX);
    fitting.map_or(COMMON_NAME_DEFAULT, String::as_str)
}
