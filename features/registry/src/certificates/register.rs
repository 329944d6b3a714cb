//! Certificates that clients bring: signed by an authority, or vouched for by nobody.

use model::iot::{
    CertificateMode, CertificateStatus, RegisterCertificateRequest, RegisterCertificateResponse,
    RegisterCertificateWithoutCARequest, RegisterCertificateWithoutCAResponse,
};
use pki::Authority;
use service::{ApiError, Cx, operations};
use store::{Batch, CommitError, Condition};

use super::check_settable;
use crate::store::certificates::{self, Certificate, NewCertificate};

operations! { iot:
    RegisterCertificate => register_certificate,
    RegisterCertificateWithoutCA => register_certificate_without_ca,
}

/// Registers a certificate of the server's own authority. No other authority can be registered.
async fn register_certificate(
    cx: &Cx,
    request: RegisterCertificateRequest,
) -> Result<RegisterCertificateResponse, ApiError> {
    let is_active = request.set_as_active == Some(true);
    let implied = if is_active { CertificateStatus::Active } else { CertificateStatus::Inactive };
    let status = request.status.unwrap_or(implied);
    check_settable(status)?;
    let parsed = parse(&request.certificate_pem)?;
    refuse_registered(cx, &parsed.id()).await?;
    if let Some(pem) = &request.ca_certificate_pem {
        parse(pem)?;
    }
    check_signed_by_own_authority(cx, &parsed)?;
    let new = new_certificate(&parsed, request.certificate_pem);
    let certificate = Certificate::new(cx, new, status, CertificateMode::Default);
    keep(cx, &certificate).await?;
    Ok(RegisterCertificateResponse {
        certificate_arn: Some(certificates::arn(cx, &certificate.id)),
        certificate_id: Some(certificate.id),
    })
}

/// Registers any certificate. The same one may be registered in several accounts and regions,
/// so its holder must name the account's endpoint by SNI.
async fn register_certificate_without_ca(
    cx: &Cx,
    request: RegisterCertificateWithoutCARequest,
) -> Result<RegisterCertificateWithoutCAResponse, ApiError> {
    let status = request.status.unwrap_or(CertificateStatus::Inactive);
    check_settable(status)?;
    let parsed = parse(&request.certificate_pem)?;
    refuse_registered(cx, &parsed.id()).await?;
    let new = new_certificate(&parsed, request.certificate_pem);
    let certificate = Certificate::new(cx, new, status, CertificateMode::SniOnly);
    keep(cx, &certificate).await?;
    Ok(RegisterCertificateWithoutCAResponse {
        certificate_arn: Some(certificates::arn(cx, &certificate.id)),
        certificate_id: Some(certificate.id),
    })
}

async fn keep(cx: &Cx, certificate: &Certificate) -> Result<(), ApiError> {
    let mut batch = Batch::new();
    certificates::create(cx, &mut batch, certificate);
    match cx.commit(batch).await {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict(Condition::Absent(_))) => {
            Err(already_registered(cx, &certificate.id))
        }
        Err(error) => Err(error.into()),
    }
}

async fn refuse_registered(cx: &Cx, id: &str) -> Result<(), ApiError> {
    if certificates::is_registered(cx, id).await? {
        return Err(already_registered(cx, id));
    }
    Ok(())
}

fn already_registered(cx: &Cx, id: &str) -> ApiError {
    let message = "The certificate is already provisioned or registered";
    ApiError::already_exists(message, id, &certificates::arn(cx, id))
}

fn parse(pem: &str) -> Result<pki::Certificate, ApiError> {
    let parsed = pki::parse_pem_certificate(pem);
    parsed.map_err(|error| invalid(format!("The certificate is invalid: {error}")))
}

fn check_signed_by_own_authority(cx: &Cx, parsed: &pki::Certificate) -> Result<(), ApiError> {
    let own = pki::parse_pem_certificate(cx.app.authority.certificate_pem());
    if Authority::check_signed_by(parsed, &own.map_err(ApiError::internal)?) {
        return Ok(());
    }
    Err(invalid(
        "The CA certificate that signed the certificate is not registered. Register the \
         certificate with RegisterCertificateWithoutCA instead."
            .to_owned(),
    ))
}

fn invalid(message: String) -> ApiError {
    ApiError::new("CertificateValidationException", message)
}

fn new_certificate(parsed: &pki::Certificate, pem: String) -> NewCertificate {
    NewCertificate {
        id: parsed.id(),
        pem,
        not_before: parsed.not_before,
        not_after: parsed.not_after,
    }
}
