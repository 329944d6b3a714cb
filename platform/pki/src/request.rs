//! Certificate signing requests (PKCS#10).

use aws_lc_rs::digest::Digest;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::profile::key_digest;
use crate::public_key::key_kind;
use crate::{PkiError, pem_block, signature};

/// The PEM labels of a signing request; the second is that of older tools.
const REQUEST_LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// A request whose key is accepted and whose sender has shown to hold it. Requested extensions
/// are left out, as AWS IoT leaves them.
pub(crate) struct Request {
    /// The name, as it was encoded.
    pub(crate) subject: Vec<u8>,
    /// The subjectPublicKeyInfo, as it was encoded.
    pub(crate) public_key: Vec<u8>,
    /// The digest of the public key that identifies it.
    pub(crate) key_digest: Digest,
}

impl Request {
    /// Reads and verifies the only request in `pem`.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let der = pem_block::decode_one(pem, &REQUEST_LABELS)?;
        let (rest, request) =
            X509CertificationRequest::from_der(&der).map_err(|_| PkiError::NotARequest)?;
        if !rest.is_empty() {
            return Err(PkiError::NotARequest);
        }
        let info = &request.certification_request_info;
        key_kind(&info.subject_pki)?;
        signature::verify(
            &info.subject_pki,
            &request.signature_algorithm,
            info.raw,
            &request.signature_value.data,
        )?;
        Ok(Self {
            subject: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            key_digest: key_digest(&info.subject_pki.subject_public_key.data),
        })
    }
}
