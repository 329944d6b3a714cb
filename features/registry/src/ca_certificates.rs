//! CA certificates: register, describe, list, update, delete.

use std::collections::BTreeMap;

use model::iot::{
    AutoRegistrationStatus, CACertificate as ListedCaCertificate, CACertificateDescription,
    CACertificateStatus, CertificateMode, CertificateValidity, DeleteCACertificateRequest,
    DeleteCACertificateResponse, DescribeCACertificateRequest, DescribeCACertificateResponse,
    ListCACertificatesRequest, ListCACertificatesResponse, RegisterCACertificateRequest,
    RegisterCACertificateResponse, RegistrationConfig, UpdateCACertificateRequest,
};
use pki::Authority;
use serde_json::Value;
use service::retry::{Setback, retry};
use service::{ApiError, Cx, operations};
use store::Batch;

use crate::certificates::register::{check_dates, invalid, parse};
use crate::certificates::{by_creation, state_refused};
use crate::store::ca_certificates::{self, CaCertificate};
use crate::store::registration_codes::{self, RegistrationCode};
use crate::store::{Stored, tags};
use crate::tags::of_new_resource;

/// The field of a certificate that holds the registration code.
const COMMON_NAME: &str = "Subject.CommonName";

operations! { iot:
    RegisterCACertificate => register_ca_certificate,
    DescribeCACertificate => describe_ca_certificate,
    ListCACertificates => list_ca_certificates,
    UpdateCACertificate => update_ca_certificate,
    DeleteCACertificate => delete_ca_certificate,
}

/// Registers a CA. In DEFAULT mode one tenant of the server can have it, and proves that it holds
/// the CA's key; in SNI_ONLY mode several can, and devices name the one that they mean.
async fn register_ca_certificate(
    cx: &Cx,
    request: RegisterCACertificateRequest,
) -> Result<RegisterCACertificateResponse, ApiError> {
    let parsed = parse(&request.ca_certificate)?;
    check_authority(cx, &parsed)?;
    let verification = verification(&request)?;
    request.registration_config.as_ref().map_or(Ok(()), check_config)?;
    let ca = new_ca_certificate(cx, &parsed, &request);
    let tags = of_new_resource(request.tags, &cx.app.limits)?;
    retry(|| try_register(cx, &ca, &parsed, verification.as_ref(), &tags)).await?;
    Ok(RegisterCACertificateResponse {
        certificate_arn: Some(ca_certificates::arn(cx, &ca.id)),
        certificate_id: Some(ca.id),
    })
}

fn new_ca_certificate(
    cx: &Cx,
    parsed: &pki::Certificate,
    request: &RegisterCACertificateRequest,
) -> CaCertificate {
    let is_active = request.set_as_active == Some(true);
    let status =
        if is_active { CACertificateStatus::Active } else { CACertificateStatus::Inactive };
    let mode = request.certificate_mode.unwrap_or(CertificateMode::Default);
    let mut ca = CaCertificate::new(cx, parsed, &request.ca_certificate, status, mode);
    if request.allow_auto_registration == Some(true) {
        ca.auto_registration = AutoRegistrationStatus::Enable;
    }
    ca.registration_config = request.registration_config.clone();
    ca
}

async fn try_register(
    cx: &Cx,
    ca: &CaCertificate,
    parsed: &pki::Certificate,
    verification: Option<&pki::Certificate>,
    tags: &BTreeMap<String, String>,
) -> Result<(), Setback> {
    refuse_registered(cx, ca).await?;
    let mut batch = Batch::new();
    if let Some(verification) = verification {
        let code = check_verification(cx, verification, parsed).await?;
        code.require_unchanged(&mut batch);
    }
    let subject = parsed.subject_name();
    let same = ca_certificates::with_subject(cx, &subject).await?;
    let max = cx.app.limits.ca_certificates_per_subject_max;
    if ca_certificates::authorities(same.as_ref()).len() >= max {
        let message = "Limit reached for number of CA Certificates with same subject";
        return Err(ApiError::limit_exceeded(message).into());
    }
    ca_certificates::create(cx, &mut batch, ca, &subject, same.as_ref());
    tags::create(cx, &mut batch, &ca_certificates::arn(cx, &ca.id), tags);
    cx.commit(batch).await?;
    Ok(())
}

/// Refuses a CA that the tenant has, or in DEFAULT mode one that another has in that mode.
async fn refuse_registered(cx: &Cx, ca: &CaCertificate) -> Result<(), ApiError> {
    if ca_certificates::find(cx, &ca.id).await?.is_some() {
        let message = "The CA certificate is already registered";
        let arn = ca_certificates::arn(cx, &ca.id);
        return Err(ApiError::already_exists(message, &ca.id, &arn));
    }
    if ca.mode == CertificateMode::Default && ca_certificates::has_owner(cx, &ca.id).await? {
        let message = "The CA certificate is already registered in DEFAULT mode in another \
                       account or region. Register it in SNI_ONLY mode.";
        // Whose it is, is nobody else's business.
        let mut error = ApiError::new("ResourceAlreadyExistsException", message);
        error.members.insert("resourceId".into(), ca.id.as_str().into());
        return Err(error);
    }
    Ok(())
}

/// Whether a certificate can be that of a CA now.
fn check_authority(cx: &Cx, parsed: &pki::Certificate) -> Result<(), ApiError> {
    if !parsed.is_ca {
        return Err(invalid(
            "The certificate is not that of a CA: its BasicConstraints have to say CA:true.",
        ));
    }
    let is_root = parsed.subject_name() == parsed.issuer_name();
    if is_root && !Authority::check_signed_by(parsed, parsed) {
        return Err(invalid("The CA certificate's own signature does not verify."));
    }
    check_dates(cx, parsed, "The CA certificate")
}

/// The verification certificate, which DEFAULT mode has and SNI_ONLY mode has not.
fn verification(
    request: &RegisterCACertificateRequest,
) -> Result<Option<pki::Certificate>, ApiError> {
    let mode = request.certificate_mode.unwrap_or(CertificateMode::Default);
    match (mode, &request.verification_certificate) {
        (CertificateMode::Default, Some(pem)) => parse(pem).map(Some),
        (CertificateMode::SniOnly, None) => Ok(None),
        (CertificateMode::Default, None) => Err(ApiError::invalid(
            "A CA certificate in DEFAULT mode needs a verificationCertificate, which it signed \
             and whose common name is the registration code.",
        )),
        (CertificateMode::SniOnly, Some(_)) => Err(ApiError::invalid(
            "A CA certificate in SNI_ONLY mode has no verificationCertificate.",
        )),
    }
}

/// The code that `verification` proves to be known to whoever holds the key of `ca`.
async fn check_verification(
    cx: &Cx,
    verification: &pki::Certificate,
    ca: &pki::Certificate,
) -> Result<Stored<RegistrationCode>, ApiError> {
    if !Authority::check_signed_by(verification, ca) {
        return Err(invalid("The CA certificate did not sign the verification certificate."));
    }
    check_dates(cx, verification, "The verification certificate")?;
    let names = verification.fields().into_iter().find(|(field, _)| field == COMMON_NAME);
    let names = names.map(|(_, values)| values).unwrap_or_default();
    let stored = registration_codes::find(cx).await?;
    stored.filter(|stored| names == [stored.document.code.as_str()]).ok_or_else(|| {
        let message = "The common name of the verification certificate is not the registration \
                       code: ask for it with GetRegistrationCode.";
        ApiError::new("RegistrationCodeValidationException", message)
    })
}

/// Whether devices could be provisioned by a configuration: a template by its name or whole.
fn check_config(config: &RegistrationConfig) -> Result<(), ApiError> {
    let Some(body) = &config.template_body else { return Ok(()) };
    if config.template_name.is_some() {
        let message = "registrationConfig has either a templateName or a templateBody.";
        return Err(ApiError::invalid(message));
    }
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(_)) => Ok(()),
        _ => Err(ApiError::invalid("The templateBody of registrationConfig is no JSON object.")),
    }
}

async fn describe_ca_certificate(
    cx: &Cx,
    request: DescribeCACertificateRequest,
) -> Result<DescribeCACertificateResponse, ApiError> {
    let ca = find(cx, &request.certificate_id).await?.document;
    let description = CACertificateDescription {
        certificate_arn: Some(ca_certificates::arn(cx, &ca.id)),
        certificate_id: Some(ca.id),
        status: Some(ca.status),
        certificate_pem: Some(ca.pem),
        owned_by: Some(cx.tenant.account.to_string()),
        creation_date: Some(ca.created),
        auto_registration_status: Some(ca.auto_registration),
        last_modified_date: Some(ca.modified),
        customer_version: Some(ca.customer_version),
        generation_id: Some(ca.generation_id),
        validity: Some(CertificateValidity {
            not_before: Some(ca.not_before),
            not_after: Some(ca.not_after),
        }),
        certificate_mode: Some(ca.mode),
    };
    Ok(DescribeCACertificateResponse {
        certificate_description: Some(description),
        registration_config: ca.registration_config,
    })
}

/// Lists CAs by creation, the newest first unless asked otherwise.
async fn list_ca_certificates(
    cx: &Cx,
    request: ListCACertificatesRequest,
) -> Result<ListCACertificatesResponse, ApiError> {
    let page = by_creation(&request.marker, request.page_size, request.ascending_order);
    let template = request.template_name.as_deref();
    let (found, next_marker) = ca_certificates::page(cx, template, page).await?;
    let listed = found.into_iter().map(|ca| ListedCaCertificate {
        certificate_arn: Some(ca_certificates::arn(cx, &ca.id)),
        certificate_id: Some(ca.id),
        status: Some(ca.status),
        creation_date: Some(ca.created),
    });
    Ok(ListCACertificatesResponse { certificates: Some(listed.collect()), next_marker })
}

/// Changes what was given; the rest stays.
async fn update_ca_certificate(
    cx: &Cx,
    request: UpdateCACertificateRequest,
) -> Result<(), ApiError> {
    request.registration_config.as_ref().map_or(Ok(()), check_config)?;
    let removes = request.remove_auto_registration == Some(true);
    if removes && request.registration_config.is_some() {
        let message = "removeAutoRegistration takes registrationConfig away: give one of the two.";
        return Err(ApiError::invalid(message));
    }
    retry(|| try_update(cx, &request)).await
}

async fn try_update(cx: &Cx, request: &UpdateCACertificateRequest) -> Result<(), Setback> {
    let before = find(cx, &request.certificate_id).await?;
    let mut after = updated(&before.document, request);
    if after == before.document {
        return Ok(());
    }
    after.modified = cx.now();
    after.customer_version = after.customer_version.saturating_add(1);
    let mut batch = Batch::new();
    ca_certificates::replace(cx, &mut batch, &before, &after);
    cx.commit(batch).await?;
    Ok(())
}

fn updated(ca: &CaCertificate, request: &UpdateCACertificateRequest) -> CaCertificate {
    let mut after = ca.clone();
    if request.remove_auto_registration == Some(true) {
        after.registration_config = None;
        after.auto_registration = AutoRegistrationStatus::Disable;
    }
    if let Some(status) = request.new_status {
        after.status = status;
    }
    if let Some(status) = request.new_auto_registration_status {
        after.auto_registration = status;
    }
    if let Some(config) = &request.registration_config {
        after.registration_config = Some(config.clone());
    }
    after
}

/// Deletes a CA that is not active. What it signed stays registered.
async fn delete_ca_certificate(
    cx: &Cx,
    request: DeleteCACertificateRequest,
) -> Result<DeleteCACertificateResponse, ApiError> {
    retry(|| try_delete(cx, &request.certificate_id)).await?;
    Ok(DeleteCACertificateResponse {})
}

async fn try_delete(cx: &Cx, id: &str) -> Result<(), Setback> {
    let ca = find(cx, id).await?;
    if ca.document.status == CACertificateStatus::Active {
        let message = "The CA certificate must be deactivated (not ACTIVE) before deletion.";
        return Err(state_refused(message, &ca.document.id).into());
    }
    let parsed = pki::parse_pem_certificate(&ca.document.pem).map_err(ApiError::internal)?;
    let subject = parsed.subject_name();
    let same = ca_certificates::with_subject(cx, &subject).await?;
    let mut batch = Batch::new();
    ca_certificates::delete(cx, &mut batch, &ca, &subject, same.as_ref());
    cx.commit(batch).await?;
    Ok(())
}

async fn find(cx: &Cx, id: &str) -> Result<Stored<CaCertificate>, ApiError> {
    let stored = ca_certificates::find(cx, id).await?;
    stored.ok_or_else(|| ApiError::not_found(format!("The CA certificate {id} does not exist.")))
}
