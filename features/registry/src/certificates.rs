//! Certificates: describe, list, update, delete. They come in by [`create`] and [`register`].

pub(crate) mod create;
pub(crate) mod register;

use model::iot::{
    Certificate as ListedCertificate, CertificateDescription, CertificateStatus,
    CertificateValidity, DeleteCertificateRequest, DescribeCertificateRequest,
    DescribeCertificateResponse, ListCertificatesRequest, ListCertificatesResponse,
    UpdateCertificateRequest,
};
use service::{ApiError, Cx, PageRequest, operations};
use store::{Batch, Direction};

use crate::principal::{self, Principal};
use crate::retry::{Setback, retry};
use crate::store::certificates::{self, Certificate};
use crate::store::{Stored, policy_attachments, thing_principals};

operations! { iot:
    DescribeCertificate => describe_certificate,
    ListCertificates => list_certificates,
    UpdateCertificate => update_certificate,
    DeleteCertificate => delete_certificate,
}

/// Refuses a principal whose certificate is not registered. Cognito's identities are not known
/// here, so each of them will do.
pub(crate) async fn check_registered(cx: &Cx, principal: &Principal) -> Result<(), ApiError> {
    match principal {
        Principal::Certificate { id, arn } if !certificates::is_registered(cx, id).await? => {
            Err(principal::unknown(arn))
        }
        _ => Ok(()),
    }
}

/// Whether a client may ask for `status`; the others are reached by other ways.
fn check_settable(status: CertificateStatus) -> Result<(), ApiError> {
    match status {
        CertificateStatus::Active | CertificateStatus::Inactive | CertificateStatus::Revoked => {
            Ok(())
        }
        CertificateStatus::PendingTransfer
        | CertificateStatus::RegisterInactive
        | CertificateStatus::PendingActivation => Err(ApiError::invalid(format!(
            "The status {} cannot be set: use ACTIVE, INACTIVE or REVOKED.",
            status.as_str()
        ))),
    }
}

async fn describe_certificate(
    cx: &Cx,
    request: DescribeCertificateRequest,
) -> Result<DescribeCertificateResponse, ApiError> {
    let certificate = find(cx, &request.certificate_id).await?.document;
    let description = CertificateDescription {
        certificate_arn: Some(certificates::arn(cx, &certificate.id)),
        certificate_id: Some(certificate.id),
        status: Some(certificate.status),
        certificate_pem: Some(certificate.pem),
        owned_by: Some(cx.tenant.account.to_string()),
        creation_date: Some(certificate.created),
        last_modified_date: Some(certificate.modified),
        customer_version: Some(certificate.customer_version),
        generation_id: Some(certificate.generation_id),
        validity: Some(CertificateValidity {
            not_before: Some(certificate.not_before),
            not_after: Some(certificate.not_after),
        }),
        certificate_mode: Some(certificate.mode),
        ..CertificateDescription::default()
    };
    Ok(DescribeCertificateResponse { certificate_description: Some(description) })
}

/// Lists certificates by creation, the newest first unless asked otherwise.
async fn list_certificates(
    cx: &Cx,
    request: ListCertificatesRequest,
) -> Result<ListCertificatesResponse, ApiError> {
    let is_ascending = request.ascending_order == Some(true);
    let page = PageRequest {
        token: request.marker.as_deref(),
        limit: request.page_size,
        direction: if is_ascending { Direction::Forward } else { Direction::Backward },
    };
    let (found, next_marker) = certificates::page(cx, page).await?;
    let listed = found.into_iter().map(|certificate| ListedCertificate {
        certificate_arn: Some(certificates::arn(cx, &certificate.id)),
        certificate_id: Some(certificate.id),
        status: Some(certificate.status),
        certificate_mode: Some(certificate.mode),
        creation_date: Some(certificate.created),
    });
    Ok(ListCertificatesResponse { certificates: Some(listed.collect()), next_marker })
}

/// Sets the status. What is revoked, or on its way to another account, keeps it.
async fn update_certificate(cx: &Cx, request: UpdateCertificateRequest) -> Result<(), ApiError> {
    check_settable(request.new_status)?;
    retry(|| try_update(cx, &request)).await
}

async fn try_update(cx: &Cx, request: &UpdateCertificateRequest) -> Result<(), Setback> {
    let before = find(cx, &request.certificate_id).await?;
    let current = before.document.status;
    if current == request.new_status {
        return Ok(());
    }
    if matches!(current, CertificateStatus::Revoked | CertificateStatus::PendingTransfer) {
        let message = format!("A certificate that is {} cannot be changed.", current.as_str());
        return Err(state_refused(&message, &before.document.id).into());
    }
    let mut after = before.document.clone();
    after.status = request.new_status;
    after.modified = cx.now();
    after.customer_version = after.customer_version.saturating_add(1);
    let mut batch = Batch::new();
    certificates::replace(&mut batch, &before, &after);
    cx.commit(batch).await?;
    Ok(())
}

/// Deletes a certificate that is not active and has neither things nor policies; `forceDelete`
/// detaches its policies.
async fn delete_certificate(cx: &Cx, request: DeleteCertificateRequest) -> Result<(), ApiError> {
    retry(|| try_delete(cx, &request)).await
}

async fn try_delete(cx: &Cx, request: &DeleteCertificateRequest) -> Result<(), Setback> {
    let certificate = find(cx, &request.certificate_id).await?;
    let Certificate { id, status, .. } = &certificate.document;
    if *status == CertificateStatus::Active {
        let message = "Certificate must be deactivated (not ACTIVE) before deletion.";
        return Err(state_refused(message, id).into());
    }
    let target = Principal::certificate(id, &cx.tenant);
    if thing_principals::has_things(cx, &target).await? {
        let arn = target.as_str();
        let message = format!("Things must be detached before deletion (arn: {arn})");
        return Err(ApiError::delete_conflict(message).into());
    }
    let policies = policy_attachments::find(cx, target.as_str()).await?;
    if policies.is_some() && request.force_delete != Some(true) {
        let arn = target.as_str();
        let message = format!("Certificate policies must be detached before deletion (arn: {arn})");
        return Err(ApiError::delete_conflict(message).into());
    }
    let mut batch = Batch::new();
    certificates::delete(cx, &mut batch, &certificate);
    policy_attachments::detach_all(cx, &mut batch, target.as_str(), policies.as_ref());
    cx.commit(batch).await?;
    Ok(())
}

async fn find(cx: &Cx, id: &str) -> Result<Stored<Certificate>, ApiError> {
    let id = id.to_ascii_lowercase();
    let stored = certificates::find(cx, &id).await?;
    stored.ok_or_else(|| ApiError::not_found(format!("The certificate {id} does not exist.")))
}

fn state_refused(message: &str, id: &str) -> ApiError {
    ApiError::new("CertificateStateException", format!("{message} Id: {id}"))
}
