//! Certificates that the server's own authority issues.

use std::sync::Arc;

use model::Sensitive;
use model::iot::{
    CertificateMode, CertificateStatus, CreateCertificateFromCsrRequest,
    CreateCertificateFromCsrResponse, CreateKeysAndCertificateRequest,
    CreateKeysAndCertificateResponse, KeyPair,
};
use pki::{Issued, PkiError};
use service::{ApiError, App, Cx, operations};
use store::Batch;

use crate::store::certificates::{self, Certificate, NewCertificate};

operations! { iot:
    CreateKeysAndCertificate => create_keys_and_certificate,
    CreateCertificateFromCsr => create_certificate_from_csr,
}

/// Makes a key and a certificate for it. The private key is in the answer and nowhere else.
async fn create_keys_and_certificate(
    cx: &Cx,
    request: CreateKeysAndCertificateRequest,
) -> Result<CreateKeysAndCertificateResponse, ApiError> {
    let key = cx.app.keys.take().await.map_err(without_a_key)?;
    let issued = aside(cx, move |app| app.authority.get().issue_with_key(&key, &app.env)).await?;
    let issued = issued.map_err(ApiError::internal)?;
    let certificate = keep(cx, issued.certificate, request.set_as_active).await?;
    Ok(CreateKeysAndCertificateResponse {
        certificate_arn: Some(certificates::arn(cx, &certificate.id)),
        certificate_id: Some(certificate.id),
        certificate_pem: Some(certificate.pem),
        key_pair: Some(KeyPair {
            public_key: Some(issued.public_key_pem),
            private_key: Some(Sensitive(issued.private_key_pem)),
        }),
    })
}

/// Issues a certificate for the key of a signing request, a new one each time.
async fn create_certificate_from_csr(
    cx: &Cx,
    request: CreateCertificateFromCsrRequest,
) -> Result<CreateCertificateFromCsrResponse, ApiError> {
    let csr = request.certificate_signing_request;
    let issued = aside(cx, move |app| app.authority.get().issue_from_csr(&csr, &app.env)).await?;
    let issued = issued.map_err(|error| match error {
        PkiError::Cryptography => ApiError::internal(error),
        refused => {
            ApiError::invalid(format!("The certificate signing request is invalid: {refused}"))
        }
    })?;
    let certificate = keep(cx, issued, request.set_as_active).await?;
    Ok(CreateCertificateFromCsrResponse {
        certificate_arn: Some(certificates::arn(cx, &certificate.id)),
        certificate_id: Some(certificate.id),
        certificate_pem: Some(certificate.pem),
    })
}

fn without_a_key(error: PkiError) -> ApiError {
    match error {
        PkiError::KeysAwaited => {
            let message = "Rate exceeded: more keys are asked for than can be made. Try again \
                           later, or let devices make their own keys (CreateCertificateFromCsr).";
            ApiError::new("ThrottlingException", message)
        }
        failed => ApiError::internal(failed),
    }
}

/// Keeps what was issued. Its serial number is random, so its id is free.
async fn keep(
    cx: &Cx,
    issued: Issued,
    set_as_active: Option<bool>,
) -> Result<Certificate, ApiError> {
    let is_active = set_as_active == Some(true);
    let status = if is_active { CertificateStatus::Active } else { CertificateStatus::Inactive };
    let certificate =
        Certificate::new(cx, NewCertificate::issued(issued), status, CertificateMode::Default);
    let mut batch = Batch::new();
    certificates::create(cx, &mut batch, &certificate);
    cx.commit(batch).await?;
    Ok(certificate)
}

/// Runs `work` where it blocks no other request.
async fn aside<T: Send + 'static>(
    cx: &Cx,
    work: impl FnOnce(&App) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let app = Arc::clone(&cx.app);
    tokio::task::spawn_blocking(move || work(&app)).await.map_err(ApiError::internal)
}
