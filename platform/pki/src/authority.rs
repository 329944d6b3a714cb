//! Ferrite's own certificate authority.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use env::Env;
use types::Timestamp;

use crate::certificate::{Certificate, parse, parse_pem_certificate, stated_key_id};
use crate::device_key::{DeviceKey, public_key_info};
use crate::profile::{
    AUTHORITY_SUBJECT, BACKDATED, DEVICE_SUBJECT, Role, Unsigned, encode_name, is_near, key_digest,
    key_id, lasting_end, random_serial,
};
use crate::request::Request;
use crate::{PkiError, pem_block};

/// The PEM labels of an authority's private key: PKCS#8, which is written, and PKCS#1.
const PRIVATE_KEY_LABELS: [&str; 2] = ["PRIVATE KEY", "RSA PRIVATE KEY"];

/// An authority that signs device certificates with an RSA key.
pub struct Authority {
    key: Arc<KeyPair>,
    certificate_pem: String,
    not_before: Timestamp,
    not_after: Timestamp,
    /// Whether it stands for itself, as a root does.
    is_root: bool,
    /// Its name, as its certificate has it.
    subject: Vec<u8>,
    /// The identifier of its key, as its certificate has it.
    key_id: Vec<u8>,
}

/// The authority of a server, which a renewed one takes the place of while it runs.
#[derive(Debug)]
pub struct CurrentAuthority(RwLock<Arc<Authority>>);

/// What an authority certifies: the holder's own part of a certificate.
pub(crate) struct Leaf<'a> {
    pub(crate) role: Role<'a>,
    /// An encoded name.
    pub(crate) subject: &'a [u8],
    /// An encoded subjectPublicKeyInfo.
    pub(crate) public_key: &'a [u8],
    pub(crate) subject_key_id: &'a [u8],
    pub(crate) not_after: Timestamp,
}

/// A certificate that was just issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its id.
    pub certificate_id: String,
    /// The first moment of its validity.
    pub not_before: Timestamp,
    /// The last moment of its validity.
    pub not_after: Timestamp,
}

/// A certificate that was just issued, with the keys that were made for it.
#[derive(Clone)]
pub struct IssuedKeys {
    /// The certificate.
    pub certificate: Issued,
    /// The private key in PKCS#1 form. Nothing keeps another copy.
    pub private_key_pem: String,
    /// The public key as subjectPublicKeyInfo.
    pub public_key_pem: String,
}

impl Authority {
    /// Makes an authority with a new RSA-2048 key. Blocks while the key is made.
    pub fn create(env: &Env) -> Result<Self, PkiError> {
        let key = KeyPair::generate(KeySize::Rsa2048)?;
        let digest = key_digest(key.public_key().as_ref());
        let new = Self {
            key: Arc::new(key),
            certificate_pem: String::new(),
            not_before: not_before(env),
            not_after: lasting_end(env.clock.now()),
            is_root: true,
            subject: encode_name(AUTHORITY_SUBJECT),
            key_id: key_id(&digest).to_vec(),
        };
        new.self_signed(env)
    }

    /// Whether its end is near enough to be renewed.
    pub fn is_due(&self, env: &Env) -> bool {
        is_near(self.not_after, env.clock.now())
    }

    /// The same authority with a certificate that ends later: name, key and key id stay, so that
    /// what either signed verifies by both. The beginning stays too: a clock that went wrong must
    /// not leave a root that is not valid yet. Nothing if another authority vouches for this one.
    pub fn renewed(&self, env: &Env) -> Result<Option<Self>, PkiError> {
        if !self.is_root {
            return Ok(None);
        }
        let renewed = Self {
            key: Arc::clone(&self.key),
            certificate_pem: String::new(),
            not_before: self.not_before,
            not_after: lasting_end(env.clock.now()),
            is_root: true,
            subject: self.subject.clone(),
            key_id: self.key_id.clone(),
        };
        renewed.self_signed(env).map(Some)
    }

    /// The authority of a stored certificate and its RSA private key.
    pub fn load(certificate_pem: &str, private_key_pem: &str) -> Result<Self, PkiError> {
        let certificate = parse_pem_certificate(certificate_pem)?;
        if !certificate.is_ca {
            return Err(PkiError::NotAnAuthority);
        }
        let key = read_private_key(private_key_pem)?;
        let x509 = parse(&certificate.der)?;
        let public_key = x509.public_key();
        if *public_key.subject_public_key.data != *key.public_key().as_ref() {
            return Err(PkiError::KeyMismatch);
        }
        let digest = key_digest(&public_key.subject_public_key.data);
        let key_id = stated_key_id(&x509).unwrap_or_else(|| key_id(&digest).to_vec());
        let subject = x509.subject().as_raw().to_vec();
        Ok(Self {
            key: Arc::new(key),
            certificate_pem: certificate.to_pem(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            is_root: x509.issuer().as_raw() == subject,
            subject,
            key_id,
        })
    }

    /// The last moment of the authority's validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The authority's certificate: what devices trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key in PKCS#8 form, to be sealed before it is stored.
    pub fn to_secret_pem(&self) -> Result<String, PkiError> {
        let pkcs8: Pkcs8V1Der<'_> = self.key.as_der()?;
        Ok(pem_block::encode("PRIVATE KEY", pkcs8.as_ref()))
    }

    /// Makes a key and issues a certificate for it. Blocks while the key is made; a server takes
    /// the key from a [`KeyPool`](crate::KeyPool) and calls [`Authority::issue_with_key`].
    pub fn issue_with_new_key(&self, env: &Env) -> Result<IssuedKeys, PkiError> {
        self.issue_with_key(&DeviceKey::generate()?, env)
    }

    /// Issues a certificate for a key that was made for a device.
    pub fn issue_with_key(&self, key: &DeviceKey, env: &Env) -> Result<IssuedKeys, PkiError> {
        let subject = encode_name(DEVICE_SUBJECT);
        let digest = key_digest(key.public_key());
        Ok(IssuedKeys {
            certificate: self.issue(&subject, &key.public_key_info()?, key_id(&digest), env)?,
            private_key_pem: key.private_key_pem()?,
            public_key_pem: key.public_key_pem()?,
        })
    }

    /// Issues a certificate for the subject and the key of a signing request, another one each
    /// time. The request's signature must verify; the extensions it asks for are left out.
    pub fn issue_from_csr(&self, csr_pem: &str, env: &Env) -> Result<Issued, PkiError> {
        let request = Request::from_pem(csr_pem)?;
        self.issue(&request.subject, &request.public_key, key_id(&request.key_digest), env)
    }

    /// Whether `ca` is named as the issuer of `certificate` and its key made the signature.
    /// Neither dates nor what `ca` may do are asked.
    pub fn check_signed_by(certificate: &Certificate, ca: &Certificate) -> bool {
        certificate.is_signed_by(ca)
    }

    fn issue(
        &self,
        subject: &[u8],
        public_key: &[u8],
        subject_key_id: &[u8],
        env: &Env,
    ) -> Result<Issued, PkiError> {
        let not_after = lasting_end(env.clock.now());
        let leaf = Leaf { role: Role::Device, subject, public_key, subject_key_id, not_after };
        let certificate = self.sign(&leaf, env)?;
        Ok(Issued {
            certificate_pem: certificate.to_pem(),
            certificate_id: certificate.id(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        })
    }

    /// This authority with the certificate that says what it is.
    fn self_signed(self, env: &Env) -> Result<Self, PkiError> {
        let certificate = Unsigned {
            role: Role::Authority,
            serial: random_serial(&env.random),
            not_before: self.not_before,
            not_after: self.not_after,
            issuer: &self.subject,
            subject: &self.subject,
            public_key: &public_key_info(&self.key)?,
            subject_key_id: &self.key_id,
            authority_key_id: &self.key_id,
        };
        let certificate = Certificate::from_der(certificate.sign(&self.key)?)?;
        Ok(Self { certificate_pem: certificate.to_pem(), ..self })
    }

    /// The certificate of `leaf`, valid from a little before now.
    pub(crate) fn sign(&self, leaf: &Leaf<'_>, env: &Env) -> Result<Certificate, PkiError> {
        let certificate = Unsigned {
            role: leaf.role,
            serial: random_serial(&env.random),
            not_before: not_before(env),
            not_after: leaf.not_after,
            issuer: &self.subject,
            subject: leaf.subject,
            public_key: leaf.public_key,
            subject_key_id: leaf.subject_key_id,
            authority_key_id: &self.key_id,
        };
        Certificate::from_der(certificate.sign(&self.key)?)
    }
}

impl CurrentAuthority {
    /// Begins with `authority`.
    pub fn new(authority: Authority) -> Self {
        Self(RwLock::new(Arc::new(authority)))
    }

    /// The authority that signs now.
    pub fn get(&self) -> Arc<Authority> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has `authority` sign from now on.
    pub fn replace(&self, authority: Authority) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(authority);
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Authority");
        shown.field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

impl fmt::Debug for IssuedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("IssuedKeys");
        shown.field("certificate_id", &self.certificate.certificate_id).finish_non_exhaustive()
    }
}

pub(crate) fn not_before(env: &Env) -> Timestamp {
    let backdated_ms = i64::try_from(BACKDATED.as_millis()).unwrap_or_default();
    Timestamp::from_millis(env.clock.now().millis().saturating_sub(backdated_ms))
}

fn read_private_key(pem: &str) -> Result<KeyPair, PkiError> {
    let der = pem_block::decode_one(pem, &PRIVATE_KEY_LABELS)?;
    KeyPair::from_pkcs8(&der)
        .or_else(|_| KeyPair::from_der(&der))
        .map_err(|_| PkiError::MalformedPrivateKey)
}
