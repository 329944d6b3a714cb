//! The signature algorithms that AWS IoT accepts, and their verification.

use aws_lc_rs::signature::{
    self as aws_lc, RsaPssSaltLength, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::oid_registry as oid;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::PkiError;
use crate::public_key::{KeyKind, key_kind};

/// dsa-with-sha256, which AWS IoT accepts in certificates that it need not verify.
const DSA_WITH_SHA256: &str = "2.16.840.1.101.3.4.3.2";

#[derive(Clone, Copy)]
enum Scheme {
    RsaPkcs1(Hash),
    RsaPss(Hash, Salt),
    Ecdsa(Hash),
    Dsa,
}

#[derive(Clone, Copy)]
enum Hash {
    /// In requests only: what they prove is possession of a key, not who somebody is.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// How long the salt of RSASSA-PSS is.
#[derive(Clone, Copy)]
enum Salt {
    /// As long as the hash: what TLS asks for.
    OfHash,
    /// As long as the key has room for: what OpenSSL makes unless it is told otherwise. No other
    /// length verifies.
    Longest,
}

/// Whether a certificate may be signed with `algorithm`.
pub(crate) fn check_accepted(algorithm: &AlgorithmIdentifier<'_>) -> Result<(), PkiError> {
    match scheme_of(algorithm)? {
        Scheme::RsaPkcs1(Hash::Sha1) => {
            Err(PkiError::UnsupportedSignature { found: algorithm.algorithm.to_id_string() })
        }
        _ => Ok(()),
    }
}

/// Verifies that `signer` signed `message`.
pub(crate) fn verify(
    signer: &SubjectPublicKeyInfo<'_>,
    algorithm: &AlgorithmIdentifier<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), PkiError> {
    let scheme = scheme_of(algorithm)?;
    let verifier = verifier(scheme, key_kind(signer)?).ok_or(PkiError::BadSignature)?;
    UnparsedPublicKey::new(verifier, &signer.subject_public_key.data)
        .verify(message, signature)
        .map_err(|_| PkiError::BadSignature)
}

fn scheme_of(algorithm: &AlgorithmIdentifier<'_>) -> Result<Scheme, PkiError> {
    let known = [
        (oid::OID_PKCS1_SHA1WITHRSA, Scheme::RsaPkcs1(Hash::Sha1)),
        (oid::OID_PKCS1_SHA256WITHRSA, Scheme::RsaPkcs1(Hash::Sha256)),
        (oid::OID_PKCS1_SHA384WITHRSA, Scheme::RsaPkcs1(Hash::Sha384)),
        (oid::OID_PKCS1_SHA512WITHRSA, Scheme::RsaPkcs1(Hash::Sha512)),
        (oid::OID_SIG_ECDSA_WITH_SHA256, Scheme::Ecdsa(Hash::Sha256)),
        (oid::OID_SIG_ECDSA_WITH_SHA384, Scheme::Ecdsa(Hash::Sha384)),
        (oid::OID_SIG_ECDSA_WITH_SHA512, Scheme::Ecdsa(Hash::Sha512)),
    ];
    let id = &algorithm.algorithm;
    if let Some((_, scheme)) = known.iter().find(|(known, _)| known == id) {
        return Ok(*scheme);
    }
    let unsupported = || PkiError::UnsupportedSignature { found: id.to_id_string() };
    if *id == oid::OID_PKCS1_RSASSAPSS {
        return pss_scheme(algorithm).ok_or_else(unsupported);
    }
    if id.to_id_string() == DSA_WITH_SHA256 { Ok(Scheme::Dsa) } else { Err(unsupported()) }
}

fn pss_scheme(algorithm: &AlgorithmIdentifier<'_>) -> Option<Scheme> {
    let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
    let hash = parameters.hash_algorithm_oid();
    [
        (oid::OID_NIST_HASH_SHA256, Hash::Sha256, 32),
        (oid::OID_NIST_HASH_SHA384, Hash::Sha384, 48),
        (oid::OID_NIST_HASH_SHA512, Hash::Sha512, 64),
    ]
    .into_iter()
    .find(|(known, ..)| known == hash)
    .map(|(_, hash, bytes)| {
        let is_of_hash = parameters.salt_length() == bytes;
        Scheme::RsaPss(hash, if is_of_hash { Salt::OfHash } else { Salt::Longest })
    })
}

fn verifier(scheme: Scheme, key: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
    match (scheme, key) {
        (Scheme::RsaPkcs1(hash), KeyKind::Rsa { .. }) => Some(match hash {
            Hash::Sha1 => &aws_lc::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &aws_lc::RSA_PKCS1_2048_8192_SHA256,
            Hash::Sha384 => &aws_lc::RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => &aws_lc::RSA_PKCS1_2048_8192_SHA512,
        }),
        (Scheme::RsaPss(hash, salt), KeyKind::Rsa { .. }) => pss_verifier(hash, salt),
        (Scheme::Ecdsa(hash), key) => ecdsa_verifier(hash, key),
        _ => None,
    }
}

fn pss_verifier(hash: Hash, salt: Salt) -> Option<&'static dyn VerificationAlgorithm> {
    const LONGEST: RsaPssSaltLength = RsaPssSaltLength::Max;
    Some(match (hash, salt) {
        (Hash::Sha1, _) => return None,
        (Hash::Sha256, Salt::OfHash) => &aws_lc::RSA_PSS_2048_8192_SHA256,
        (Hash::Sha384, Salt::OfHash) => &aws_lc::RSA_PSS_2048_8192_SHA384,
        (Hash::Sha512, Salt::OfHash) => &aws_lc::RSA_PSS_2048_8192_SHA512,
        (Hash::Sha256, Salt::Longest) => {
            &const { aws_lc::RSA_PSS_2048_8192_SHA256.with_pss_salt_length(LONGEST) }
        }
        (Hash::Sha384, Salt::Longest) => {
            &const { aws_lc::RSA_PSS_2048_8192_SHA384.with_pss_salt_length(LONGEST) }
        }
        (Hash::Sha512, Salt::Longest) => {
            &const { aws_lc::RSA_PSS_2048_8192_SHA512.with_pss_salt_length(LONGEST) }
        }
    })
}

fn ecdsa_verifier(hash: Hash, key: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (key, hash) {
        (KeyKind::P256, Hash::Sha256) => &aws_lc::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, Hash::Sha384) => &aws_lc::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P256, Hash::Sha512) => &aws_lc::ECDSA_P256_SHA512_ASN1,
        (KeyKind::P384, Hash::Sha256) => &aws_lc::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, Hash::Sha384) => &aws_lc::ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, Hash::Sha512) => &aws_lc::ECDSA_P384_SHA512_ASN1,
        (KeyKind::P521, Hash::Sha256) => &aws_lc::ECDSA_P521_SHA256_ASN1,
        (KeyKind::P521, Hash::Sha384) => &aws_lc::ECDSA_P521_SHA384_ASN1,
        (KeyKind::P521, Hash::Sha512) => &aws_lc::ECDSA_P521_SHA512_ASN1,
        (KeyKind::Rsa { .. }, _) | (_, Hash::Sha1) => return None,
    })
}
