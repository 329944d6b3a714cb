//! Client certificates: proof that the client holds the key, and nothing else.
//!
//! Who the certificate is of, and whether it is in force, is decided by looking up its bytes: no
//! chain is built, no date read, no extension demanded, X.509 version 1 is as good as 3. What is
//! asked here is that the key is of a kind that AWS IoT accepts and that it made the signature
//! over this handshake.

use std::sync::Arc;

use aws_lc_rs::signature::{self as aws_lc, UnparsedPublicKey, VerificationAlgorithm};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The shortest RSA modulus that AWS IoT accepts.
pub(crate) const RSA_BITS_MIN: usize = 2048;
/// The longest RSA modulus whose signatures are verified: time grows with its square.
pub(crate) const RSA_BITS_MAX: usize = 8192;

/// The RSA-PSS schemes of keys that are for PSS alone, which rustls has no names for.
const PSS_KEY_SHA256: SignatureScheme = SignatureScheme::Unknown(0x0809);
const PSS_KEY_SHA384: SignatureScheme = SignatureScheme::Unknown(0x080a);
const PSS_KEY_SHA512: SignatureScheme = SignatureScheme::Unknown(0x080b);

/// What clients may sign with, best first. TLS 1.2 leaves out the last three by itself, as AWS
/// does: PSS keys are for TLS 1.3.
const SCHEMES: [SignatureScheme; 13] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    PSS_KEY_SHA256,
    PSS_KEY_SHA384,
    PSS_KEY_SHA512,
];

/// Verifies that a client holds the key of the certificate that it shows.
#[derive(Debug)]
pub(crate) struct Possession {
    /// Whether a client without a certificate is refused.
    pub(crate) is_required: bool,
}

/// Why a client's key is not taken, carried through rustls as the cause of its error.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub(crate) enum KeyRefused {
    #[error("RSA key of {bits} bits")]
    Weak { bits: usize },
    #[error("{found}")]
    Unsupported { found: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Rsa,
    RsaPss,
    P256,
    P384,
    P521,
    Ed25519,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Tls12,
    Tls13,
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    /// None: clients choose their certificate themselves.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let certificate = parse(certificate)?;
        match key_of(certificate.public_key()) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refused) => Err(CertificateError::Other(OtherError(Arc::new(refused))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(Version::Tls12, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(Version::Tls13, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

fn verify(
    version: Version,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = parse(certificate)?;
    let public_key = certificate.public_key();
    key_of(public_key)
        .ok()
        .and_then(|key| algorithm(version, signed.scheme, key))
        .and_then(|algorithm| {
            UnparsedPublicKey::new(algorithm, &public_key.subject_public_key.data)
                .verify(message, signed.signature())
                .ok()
        })
        .map(|()| HandshakeSignatureValid::assertion())
        .ok_or_else(|| CertificateError::BadSignature.into())
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(CertificateError::BadEncoding.into()),
    }
}

fn key_of(key: &SubjectPublicKeyInfo<'_>) -> Result<Key, KeyRefused> {
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == oid::OID_PKCS1_RSAENCRYPTION {
        long_enough(key).map(|()| Key::Rsa)
    } else if *algorithm == oid::OID_PKCS1_RSASSAPSS {
        long_enough(key).map(|()| Key::RsaPss)
    } else if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
        on_curve(key)
    } else if *algorithm == oid::OID_SIG_ED25519 {
        Ok(Key::Ed25519)
    } else {
        Err(KeyRefused::Unsupported { found: format!("algorithm {}", algorithm.to_id_string()) })
    }
}

fn long_enough(key: &SubjectPublicKeyInfo<'_>) -> Result<(), KeyRefused> {
    let unsupported = |found: String| KeyRefused::Unsupported { found };
    let Ok(([], rsa)) = RSAPublicKey::from_der(&key.subject_public_key.data) else {
        return Err(unsupported("malformed RSA".to_owned()));
    };
    match bit_length(rsa.modulus) {
        bits @ ..RSA_BITS_MIN => Err(KeyRefused::Weak { bits }),
        RSA_BITS_MIN..=RSA_BITS_MAX => Ok(()),
        bits => Err(unsupported(format!("RSA of {bits} bits"))),
    }
}

fn bit_length(number: &[u8]) -> usize {
    let zeroes = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeroes).map_or(0, |byte| byte.leading_zeros() as usize);
    (number.len() - zeroes) * 8 - first
}

fn on_curve(key: &SubjectPublicKeyInfo<'_>) -> Result<Key, KeyRefused> {
    let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    let found = match curve {
        Some(curve) if curve == oid::OID_EC_P256 => return Ok(Key::P256),
        Some(curve) if curve == oid::OID_NIST_EC_P384 => return Ok(Key::P384),
        Some(curve) if curve == oid::OID_NIST_EC_P521 => return Ok(Key::P521),
        Some(curve) => format!("EC on curve {}", curve.to_id_string()),
        None => "EC without a named curve".to_owned(),
    };
    Err(KeyRefused::Unsupported { found })
}

/// How a signature of `scheme` by `key` is verified, if the version has it.
fn algorithm(
    version: Version,
    scheme: SignatureScheme,
    key: Key,
) -> Option<&'static dyn VerificationAlgorithm> {
    match scheme {
        SignatureScheme::ED25519 if key == Key::Ed25519 => Some(&aws_lc::ED25519),
        SignatureScheme::ECDSA_NISTP256_SHA256
        | SignatureScheme::ECDSA_NISTP384_SHA384
        | SignatureScheme::ECDSA_NISTP521_SHA512 => match version {
            Version::Tls13 => ecdsa_of_tls13(scheme, key),
            Version::Tls12 => ecdsa_of_tls12(scheme, key),
        },
        _ => rsa(version, scheme, key),
    }
}

/// In TLS 1.3 a scheme names the curve with the hash.
fn ecdsa_of_tls13(scheme: SignatureScheme, key: Key) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (scheme, key) {
        (SignatureScheme::ECDSA_NISTP256_SHA256, Key::P256) => &aws_lc::ECDSA_P256_SHA256_ASN1,
        (SignatureScheme::ECDSA_NISTP384_SHA384, Key::P384) => &aws_lc::ECDSA_P384_SHA384_ASN1,
        (SignatureScheme::ECDSA_NISTP521_SHA512, Key::P521) => &aws_lc::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

/// In TLS 1.2 a scheme names the hash alone.
fn ecdsa_of_tls12(scheme: SignatureScheme, key: Key) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (scheme, key) {
        (SignatureScheme::ECDSA_NISTP256_SHA256, Key::P256) => &aws_lc::ECDSA_P256_SHA256_ASN1,
        (SignatureScheme::ECDSA_NISTP256_SHA256, Key::P384) => &aws_lc::ECDSA_P384_SHA256_ASN1,
        (SignatureScheme::ECDSA_NISTP256_SHA256, Key::P521) => &aws_lc::ECDSA_P521_SHA256_ASN1,
        (SignatureScheme::ECDSA_NISTP384_SHA384, Key::P256) => &aws_lc::ECDSA_P256_SHA384_ASN1,
        (SignatureScheme::ECDSA_NISTP384_SHA384, Key::P384) => &aws_lc::ECDSA_P384_SHA384_ASN1,
        (SignatureScheme::ECDSA_NISTP384_SHA384, Key::P521) => &aws_lc::ECDSA_P521_SHA384_ASN1,
        (SignatureScheme::ECDSA_NISTP521_SHA512, Key::P256) => &aws_lc::ECDSA_P256_SHA512_ASN1,
        (SignatureScheme::ECDSA_NISTP521_SHA512, Key::P384) => &aws_lc::ECDSA_P384_SHA512_ASN1,
        (SignatureScheme::ECDSA_NISTP521_SHA512, Key::P521) => &aws_lc::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

fn rsa(
    version: Version,
    scheme: SignatureScheme,
    key: Key,
) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (scheme, key, version) {
        (SignatureScheme::RSA_PSS_SHA256, Key::Rsa, _)
        | (PSS_KEY_SHA256, Key::RsaPss, Version::Tls13) => &aws_lc::RSA_PSS_2048_8192_SHA256,
        (SignatureScheme::RSA_PSS_SHA384, Key::Rsa, _)
        | (PSS_KEY_SHA384, Key::RsaPss, Version::Tls13) => &aws_lc::RSA_PSS_2048_8192_SHA384,
        (SignatureScheme::RSA_PSS_SHA512, Key::Rsa, _)
        | (PSS_KEY_SHA512, Key::RsaPss, Version::Tls13) => &aws_lc::RSA_PSS_2048_8192_SHA512,
        (SignatureScheme::RSA_PKCS1_SHA256, Key::Rsa, Version::Tls12) => {
            &aws_lc::RSA_PKCS1_2048_8192_SHA256
        }
        (SignatureScheme::RSA_PKCS1_SHA384, Key::Rsa, Version::Tls12) => {
            &aws_lc::RSA_PKCS1_2048_8192_SHA384
        }
        (SignatureScheme::RSA_PKCS1_SHA512, Key::Rsa, Version::Tls12) => {
            &aws_lc::RSA_PKCS1_2048_8192_SHA512
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_number_is_that_of_its_significant_bits() {
        assert_eq!(bit_length(&[0, 0x80, 0]), 16);
        assert_eq!(bit_length(&[0x7f, 0xff]), 15);
        assert_eq!(bit_length(&[0, 0, 1]), 1);
        assert_eq!(bit_length(&[0]), 0);
        assert_eq!(bit_length(&[]), 0);
    }
}
