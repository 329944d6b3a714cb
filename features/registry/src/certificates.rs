//! Certificates: describe, list, update, delete. They come in by [`create`] and [`register`], or
//! when they first connect.

pub(crate) mod create;
pub(crate) mod events;
pub(crate) mod register;

use model::iot::{
    Certificate as ListedCertificate, CertificateDescription, CertificateStatus,
    CertificateValidity, DeleteCertificateRequest, DescribeCertificateRequest,
    DescribeCertificateResponse, ListCertificatesByCARequest, ListCertificatesByCAResponse,
    ListCertificatesRequest, ListCertificatesResponse, TransferData, UpdateCertificateRequest,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, PageRequest, operations};
use store::Batch;

use crate::principal::{self, Principal};
use crate::store::certificates::{self, Certificate, Transfer};
use crate::store::{Stored, policy_attachments, thing_principals};

operations! { iot:
    DescribeCertificate => describe_certificate,
    ListCertificates => list_certificates,
    ListCertificatesByCA => list_certificates_by_ca,
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
        ca_certificate_id: certificate.ca_certificate_id,
        previous_owned_by: certificate.previous_owner.map(|account| account.to_string()),
        // There also when it never went anywhere.
        transfer_data: Some(certificate.transfer.map(transfer_data).unwrap_or_default()),
    };
    Ok(DescribeCertificateResponse { certificate_description: Some(description) })
}

/// Lists certificates by creation, the newest first unless asked otherwise.
async fn list_certificates(
    cx: &Cx,
    request: ListCertificatesRequest,
) -> Result<ListCertificatesResponse, ApiError> {
    let page = by_creation(&request.marker, request.page_size, request.ascending_order);
    let (found, next_marker) = certificates::page(cx, page).await?;
    Ok(ListCertificatesResponse { certificates: Some(listed(cx, found)), next_marker })
}

/// Lists what a CA signed by creation, the newest first unless asked otherwise. What it signed
/// stays when it goes.
async fn list_certificates_by_ca(
    cx: &Cx,
    request: ListCertificatesByCARequest,
) -> Result<ListCertificatesByCAResponse, ApiError> {
    let page = by_creation(&request.marker, request.page_size, request.ascending_order);
    let ca_certificate_id = &request.ca_certificate_id;
    let (found, next_marker) = certificates::page_of_ca(cx, ca_certificate_id, page).await?;
    Ok(ListCertificatesByCAResponse { certificates: Some(listed(cx, found)), next_marker })
}

/// A page of a list by time, the newest first unless asked otherwise.
pub(crate) fn by_creation(
    marker: &Option<String>,
    page_size: Option<i32>,
    ascending_order: Option<bool>,
) -> PageRequest<'_> {
    PageRequest::ordered(marker, page_size, ascending_order == Some(true))
}

fn listed(cx: &Cx, found: Vec<Certificate>) -> Vec<ListedCertificate> {
    let listed = found.into_iter().map(|certificate| ListedCertificate {
        certificate_arn: Some(certificates::arn(cx, &certificate.id)),
        certificate_id: Some(certificate.id),
        status: Some(certificate.status),
        certificate_mode: Some(certificate.mode),
        creation_date: Some(certificate.created),
    });
    listed.collect()
}

fn transfer_data(transfer: Transfer) -> TransferData {
    TransferData {
        transfer_message: transfer.message,
        reject_reason: transfer.reject_reason,
        transfer_date: Some(transfer.offered),
        accept_date: transfer.accepted,
        reject_date: transfer.rejected,
    }
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
    let after = before.document.with_status(request.new_status, cx.now());
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
    check_deletable(*status, id)?;
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

/// Refuses to delete what is in use or on its way to another account.
fn check_deletable(status: CertificateStatus, id: &str) -> Result<(), ApiError> {
    match status {
        CertificateStatus::Active => {
            let message = "Certificate must be deactivated (not ACTIVE) before deletion.";
            Err(state_refused(message, id))
        }
        CertificateStatus::PendingTransfer => {
            let message = "The transfer must be cancelled (not PENDING_TRANSFER) before deletion.";
            Err(state_refused(message, id))
        }
        _ => Ok(()),
    }
}

/// The certificate with this id, or the refusal that it is not there.
pub(crate) async fn find(cx: &Cx, id: &str) -> Result<Stored<Certificate>, ApiError> {
    let stored = certificates::find(cx, id).await?;
    stored.ok_or_else(|| ApiError::not_found(format!("The certificate {id} does not exist.")))
}

/// The refusal of what a certificate's state does not allow.
pub(crate) fn state_refused(message: &str, id: &str) -> ApiError {
    ApiError::new("CertificateStateException", format!("{message} Id: {id}"))
}
