//! The RSA key pair that Ferrite makes for a device and forgets once handed over.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;

use crate::{PkiError, pem_block};

/// An RSA-2048 key pair.
pub struct DeviceKey(KeyPair);

impl DeviceKey {
    /// Makes a key. Takes tens of milliseconds of computing: not for an async worker.
    pub fn generate() -> Result<Self, PkiError> {
        Ok(Self(KeyPair::generate(KeySize::Rsa2048)?))
    }

    /// The private key in PKCS#1 form, which even modems read.
    pub fn private_key_pem(&self) -> Result<String, PkiError> {
        let pkcs8: Pkcs8V1Der<'_> = self.0.as_der()?;
        let pkcs1 = pkcs1_of(pkcs8.as_ref()).map_err(|_| PkiError::Cryptography)?;
        Ok(pem_block::encode("RSA PRIVATE KEY", &pkcs1))
    }

    /// The public key as subjectPublicKeyInfo.
    pub fn public_key_pem(&self) -> Result<String, PkiError> {
        Ok(pem_block::encode("PUBLIC KEY", &self.public_key_info()?))
    }

    /// The subjectPublicKeyInfo that goes into a certificate.
    pub(crate) fn public_key_info(&self) -> Result<Vec<u8>, PkiError> {
        public_key_info(&self.0)
    }

    /// The bare public key, which identifiers are made from.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceKey").finish_non_exhaustive()
    }
}

/// The subjectPublicKeyInfo of an RSA key pair.
pub(crate) fn public_key_info(key: &KeyPair) -> Result<Vec<u8>, PkiError> {
    let der: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    Ok(der.as_ref().to_vec())
}

/// The key inside a PKCS#8 wrapping.
fn pkcs1_of(pkcs8: &[u8]) -> yasna::ASN1Result<Vec<u8>> {
    yasna::parse_der(pkcs8, |reader| {
        reader.read_sequence(|fields| {
            fields.next().read_u8()?;
            fields.next().read_der()?;
            fields.next().read_bytes()
        })
    })
}
