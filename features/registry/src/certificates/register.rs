//! Certificates that clients bring: signed by an authority, or vouched for by nobody.

use model::iot::{
    CACertificateStatus, CertificateMode, CertificateStatus, RegisterCertificateRequest,
    RegisterCertificateResponse, RegisterCertificateWithoutCARequest,
    RegisterCertificateWithoutCAResponse,
};
use pki::Authority;
use service::retry::{Setback, retry};
use service::{ApiError, Cx, operations};
use store::Batch;

use super::{check_settable, state_refused};
use crate::store::Stored;
use crate::store::ca_certificates::{self, CaCertificate};
use crate::store::certificates::{self, Certificate, NewCertificate};

operations! { iot:
    RegisterCertificate => register_certificate,
    RegisterCertificateWithoutCA => register_certificate_without_ca,
}

/// Who signed a certificate.
enum Issuer {
    /// The server's own authority.
    Own,
    /// A CA of the tenant.
    Registered(Box<Stored<CaCertificate>>),
}

/// Registers a certificate that a registered CA signed, or the server's own authority.
async fn register_certificate(
    cx: &Cx,
    request: RegisterCertificateRequest,
) -> Result<RegisterCertificateResponse, ApiError> {
    let is_active = request.set_as_active == Some(true);
    let implied = if is_active { CertificateStatus::Active } else { CertificateStatus::Inactive };
    let status = request.status.unwrap_or(implied);
    check_settable(status)?;
    let parsed = parse(&request.certificate_pem)?;
    let given = request.ca_certificate_pem.as_deref().map(parse).transpose()?;
    let id = retry(|| async {
        refuse_registered(cx, &parsed.id()).await?;
        let issuer = issuer(cx, &parsed, given.as_ref()).await?;
        let mut new = NewCertificate::brought(&parsed, request.certificate_pem.clone());
        let mut batch = Batch::new();
        let mut mode = CertificateMode::Default;
        if let Issuer::Registered(ca) = &issuer {
            ca.require_unchanged(&mut batch);
            mode = ca.document.mode;
            new.ca_certificate_id = Some(ca.document.id.clone());
        }
        let certificate = Certificate::new(cx, new, status, mode);
        certificates::create(cx, &mut batch, &certificate);
        cx.commit(batch).await?;
        Ok(certificate.id)
    });
    let id = id.await?;
    Ok(RegisterCertificateResponse {
        certificate_arn: Some(certificates::arn(cx, &id)),
        certificate_id: Some(id),
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
    let new = NewCertificate::brought(&parsed, request.certificate_pem);
    let certificate = Certificate::new(cx, new, status, CertificateMode::SniOnly);
    let kept = retry(|| async {
        refuse_registered(cx, &certificate.id).await?;
        let mut batch = Batch::new();
        certificates::create(cx, &mut batch, &certificate);
        cx.commit(batch).await?;
        Ok(())
    });
    kept.await?;
    Ok(RegisterCertificateWithoutCAResponse {
        certificate_arn: Some(certificates::arn(cx, &certificate.id)),
        certificate_id: Some(certificate.id),
    })
}

/// A certificate in PEM, as it is read here and of which every refusal is AWS's one.
pub(crate) fn parse(pem: &str) -> Result<pki::Certificate, ApiError> {
    let parsed = pki::parse_pem_certificate(pem);
    parsed.map_err(|error| invalid(format!("The certificate is invalid: {error}")))
}

/// The refusal of a certificate for what it says, or for who signed it.
pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("CertificateValidationException", message)
}

/// Refuses a certificate, called `what`, that is not valid now.
pub(crate) fn check_dates(cx: &Cx, parsed: &pki::Certificate, what: &str) -> Result<(), ApiError> {
    let now = cx.now();
    if now < parsed.not_before {
        let from = parsed.not_before.to_rfc3339();
        return Err(invalid(format!("{what} is not yet valid: it is from {from} on.")));
    }
    if now > parsed.not_after {
        let until = parsed.not_after.to_rfc3339();
        return Err(invalid(format!("{what} expired at {until}.")));
    }
    Ok(())
}

async fn refuse_registered(cx: &Cx, id: &str) -> Result<(), Setback> {
    if certificates::is_registered(cx, id).await? {
        let message = "The certificate is already provisioned or registered";
        return Err(ApiError::already_exists(message, id, &certificates::arn(cx, id)).into());
    }
    Ok(())
}

/// Who signed `parsed`: the CA that was given, or the only one that has the issuer's name.
async fn issuer(
    cx: &Cx,
    parsed: &pki::Certificate,
    given: Option<&pki::Certificate>,
) -> Result<Issuer, Setback> {
    let own = pki::parse_pem_certificate(cx.app.authority.get().certificate_pem());
    let own = own.map_err(ApiError::internal)?;
    let is_own = given.is_none_or(|given| is_root_of(given, &own));
    if is_own && Authority::check_signed_by(parsed, &own) {
        return Ok(Issuer::Own);
    }
    let id = match given {
        Some(given) => given.id(),
        None => only_authority(cx, &parsed.issuer_name()).await?,
    };
    let ca = ca_certificates::find(cx, &id).await?.ok_or_else(unregistered)?;
    check_issuer(cx, parsed, &ca.document)?;
    Ok(Issuer::Registered(Box::new(ca)))
}

/// Whether `given` is the root `own`, or what it was before it was renewed.
fn is_root_of(given: &pki::Certificate, own: &pki::Certificate) -> bool {
    let has_its_name = || given.subject_name() == own.subject_name();
    *given == *own || given.is_ca && has_its_name() && Authority::check_signed_by(given, own)
}

/// The id of the only CA with this subject.
async fn only_authority(cx: &Cx, subject: &[u8]) -> Result<String, Setback> {
    let found = ca_certificates::with_subject(cx, subject).await?;
    match ca_certificates::authorities(found.as_ref()) {
        [] => Err(unregistered().into()),
        [only] => Ok(only.id.clone()),
        several => {
            let message = format!(
                "{} CA certificates with the certificate's issuer as their subject are \
                 registered. Pass the one that signed it as caCertificatePem.",
                several.len()
            );
            Err(ApiError::new("CertificateConflictException", message).into())
        }
    }
}

/// Refuses a CA that did not sign `parsed`, or that may vouch for nobody now.
fn check_issuer(cx: &Cx, parsed: &pki::Certificate, ca: &CaCertificate) -> Result<(), ApiError> {
    if ca.status != CACertificateStatus::Active {
        return Err(state_refused("The CA certificate is not ACTIVE.", &ca.id));
    }
    let authority = pki::parse_pem_certificate(&ca.pem).map_err(ApiError::internal)?;
    check_dates(cx, &authority, "The CA certificate")?;
    if Authority::check_signed_by(parsed, &authority) {
        return Ok(());
    }
    Err(invalid(format!("The CA certificate {} did not sign the certificate.", ca.id)))
}

fn unregistered() -> ApiError {
    invalid(
        "The CA certificate that signed the certificate is not registered. Register it with \
         RegisterCACertificate, or the certificate with RegisterCertificateWithoutCA.",
    )
}
