//! Certificates as clients bring them: X.509 of any version, by AWS IoT's rules.

use aws_lc_rs::digest::{SHA256, digest};
use types::Timestamp;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::public_key::{KeyKind, key_kind};
use crate::{PkiError, pem_block, signature};

/// The PEM label of a certificate.
pub(crate) const CERTIFICATE_LABEL: &str = "CERTIFICATE";

/// A certificate whose key and signature algorithm AWS IoT accepts. Who signed it, and whether
/// it is within its dates, is for the caller to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// The certificate itself.
    pub der: Vec<u8>,
    /// The first moment of its validity.
    pub not_before: Timestamp,
    /// The last moment of its validity.
    pub not_after: Timestamp,
    /// The subject's name, in the order of the certificate: `CN=…, O=…`.
    pub subject: String,
    /// The issuer's name, in the order of the certificate.
    pub issuer: String,
    /// The serial number in lower-case hex.
    pub serial: String,
    /// The kind of its public key.
    pub key: KeyKind,
    /// Whether basicConstraints says `CA:true`.
    pub is_ca: bool,
    /// The X.509 version: 1, 2 or 3.
    pub version: u32,
}

impl Certificate {
    /// The id that AWS IoT knows the certificate by.
    pub fn id(&self) -> String {
        certificate_id(&self.der)
    }

    /// The certificate as PEM.
    pub fn to_pem(&self) -> String {
        pem_block::encode(CERTIFICATE_LABEL, &self.der)
    }

    /// Reads and checks one DER certificate with nothing after it.
    pub fn from_der(der: Vec<u8>) -> Result<Self, PkiError> {
        let x509 = parse(&der)?;
        signature::check_accepted(&x509.signature_algorithm)?;
        Ok(Self {
            not_before: timestamp(x509.validity().not_before),
            not_after: timestamp(x509.validity().not_after),
            subject: x509.subject().to_string(),
            issuer: x509.issuer().to_string(),
            serial: serial_text(&x509),
            key: key_kind(x509.public_key())?,
            is_ca: x509.is_ca(),
            version: x509.version().0.saturating_add(1),
            der,
        })
    }

    /// The subject's name byte by byte: what those that it signed have as their issuer's.
    pub fn subject_name(&self) -> Vec<u8> {
        parse(&self.der).map(|x509| x509.subject().as_raw().to_vec()).unwrap_or_default()
    }

    /// The issuer's name byte by byte.
    pub fn issuer_name(&self) -> Vec<u8> {
        parse(&self.der).map(|x509| x509.issuer().as_raw().to_vec()).unwrap_or_default()
    }

    /// Whether what the certificate says of its issuer's key is true of `authority`. It is if
    /// either says nothing: only the signature proves anything.
    pub fn names_key_of(&self, authority: &Self) -> bool {
        let (Ok(own), Ok(signer)) = (parse(&self.der), parse(&authority.der)) else {
            return false;
        };
        match (stated_authority_key_id(&own), stated_key_id(&signer)) {
            (Some(named), Some(stated)) => named == stated,
            _ => true,
        }
    }

    /// Whether `authority` is named as the issuer and its key made the signature. Neither dates
    /// nor what `authority` may do are asked.
    pub(crate) fn is_signed_by(&self, authority: &Self) -> bool {
        let (Ok(own), Ok(signer)) = (parse(&self.der), parse(&authority.der)) else {
            return false;
        };
        own.issuer().as_raw() == signer.subject().as_raw()
            && signature::verify(
                signer.public_key(),
                &own.signature_algorithm,
                own.tbs_certificate.as_ref(),
                &own.signature_value.data,
            )
            .is_ok()
    }
}

/// The id of a certificate: the SHA-256 of its DER in lower-case hex.
pub fn certificate_id(der: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, der).as_ref())
}

/// Reads the only certificate in `pem`. Text around it is passed over; a second block is not.
pub fn parse_pem_certificate(pem: &str) -> Result<Certificate, PkiError> {
    Certificate::from_der(pem_block::decode_one(pem, &[CERTIFICATE_LABEL])?)
}

/// The structure of a certificate that stands alone and names one signature algorithm.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    let (rest, x509) = X509Certificate::from_der(der).map_err(|_| PkiError::NotACertificate)?;
    let is_whole = rest.is_empty() && x509.signature_algorithm == x509.tbs_certificate.signature;
    if is_whole { Ok(x509) } else { Err(PkiError::NotACertificate) }
}

/// The serial number in lower-case hex, whole bytes, without the one that keeps it positive.
pub(crate) fn serial_text(x509: &X509Certificate<'_>) -> String {
    let bytes = match x509.raw_serial() {
        [0, rest @ ..] if !rest.is_empty() => rest,
        whole => whole,
    };
    data_encoding::HEXLOWER.encode(bytes)
}

/// The subjectKeyIdentifier of an authority's certificate, which is what its children point at.
pub(crate) fn stated_key_id(x509: &X509Certificate<'_>) -> Option<Vec<u8>> {
    x509.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

fn stated_authority_key_id(x509: &X509Certificate<'_>) -> Option<Vec<u8>> {
    x509.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => {
            authority.key_identifier.as_ref().map(|id| id.0.to_vec())
        }
        _ => None,
    })
}

fn timestamp(time: ASN1Time) -> Timestamp {
    Timestamp::from_secs(time.timestamp())
}
