//! The public keys that AWS IoT accepts.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::PkiError;

/// The shortest RSA modulus that AWS IoT accepts.
pub(crate) const RSA_BITS_MIN: usize = 2048;
/// The longest RSA modulus whose signatures can be verified.
pub(crate) const RSA_BITS_MAX: usize = 8192;

/// An accepted kind of public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, for PKCS#1 v1.5 or PSS.
    Rsa {
        /// Length of the modulus.
        bits: usize,
    },
    /// EC on NIST P-256.
    P256,
    /// EC on NIST P-384.
    P384,
    /// EC on NIST P-521.
    P521,
}

/// The kind of `key`, if it is accepted and keeps the rules of its kind.
pub(crate) fn key_kind(key: &SubjectPublicKeyInfo<'_>) -> Result<KeyKind, PkiError> {
    let algorithm = &key.algorithm.algorithm;
    let kind =
        if *algorithm == oid::OID_PKCS1_RSAENCRYPTION || *algorithm == oid::OID_PKCS1_RSASSAPSS {
            rsa_kind(&key.subject_public_key.data)?
        } else if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
            curve_kind(key)?
        } else {
            return Err(PkiError::UnsupportedKey { found: algorithm.to_id_string() });
        };
    check_value(kind, &key.subject_public_key.data)?;
    Ok(kind)
}

fn rsa_kind(key: &[u8]) -> Result<KeyKind, PkiError> {
    let unsupported = |found: String| PkiError::UnsupportedKey { found };
    let (_, key) = RSAPublicKey::from_der(key).map_err(|_| unsupported("malformed RSA".into()))?;
    let bits = bit_length(key.modulus);
    match bits {
        ..RSA_BITS_MIN => Err(PkiError::WeakKey { bits }),
        RSA_BITS_MIN..=RSA_BITS_MAX => Ok(KeyKind::Rsa { bits }),
        _ => Err(unsupported(format!("RSA of {bits} bits"))),
    }
}

fn bit_length(number: &[u8]) -> usize {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let significant = number.get(first..).unwrap_or_default();
    let unused = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
    significant.len() * 8 - unused
}

fn curve_kind(key: &SubjectPublicKeyInfo<'_>) -> Result<KeyKind, PkiError> {
    let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    let found = match curve {
        Some(curve) if curve == oid::OID_EC_P256 => return Ok(KeyKind::P256),
        Some(curve) if curve == oid::OID_NIST_EC_P384 => return Ok(KeyKind::P384),
        Some(curve) if curve == oid::OID_NIST_EC_P521 => return Ok(KeyKind::P521),
        Some(curve) => format!("EC on curve {}", curve.to_id_string()),
        None => "EC without a named curve".to_owned(),
    };
    Err(PkiError::UnsupportedKey { found })
}

/// Whether the numbers make a key: a point on the curve, a sound modulus and exponent.
fn check_value(kind: KeyKind, key: &[u8]) -> Result<(), PkiError> {
    let (name, verifier): (_, &'static dyn VerificationAlgorithm) = match kind {
        KeyKind::Rsa { .. } => ("invalid RSA", &RSA_PKCS1_2048_8192_SHA256),
        KeyKind::P256 => ("invalid point on P-256", &ECDSA_P256_SHA256_ASN1),
        KeyKind::P384 => ("invalid point on P-384", &ECDSA_P384_SHA384_ASN1),
        KeyKind::P521 => ("invalid point on P-521", &ECDSA_P521_SHA512_ASN1),
    };
    ParsedPublicKey::new(verifier, key)
        .map(drop)
        .map_err(|_| PkiError::UnsupportedKey { found: name.to_owned() })
}
