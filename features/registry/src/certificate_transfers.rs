//! Certificates that go from one account of the server to another: offer, accept, reject, cancel,
//! list.
//!
//! Until it is accepted, a certificate stays with the account that offers it.

use model::iot::{
    AcceptCertificateTransferRequest, CancelCertificateTransferRequest, CertificateStatus,
    ListOutgoingCertificatesRequest, ListOutgoingCertificatesResponse, OutgoingCertificate,
    RejectCertificateTransferRequest, TransferCertificateRequest, TransferCertificateResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, operations};
use store::Batch;
use types::AccountId;

use crate::certificates::{by_creation, find, state_refused};
use crate::principal::Principal;
use crate::store::certificates::{self, Certificate, NewCertificate, Transfer};
use crate::store::{Stored, certificate_transfers, policy_attachments, thing_principals};

operations! { iot:
    TransferCertificate => transfer_certificate,
    AcceptCertificateTransfer => accept_certificate_transfer,
    RejectCertificateTransfer => reject_certificate_transfer,
    CancelCertificateTransfer => cancel_certificate_transfer,
    ListOutgoingCertificates => list_outgoing_certificates,
}

/// A certificate that is offered to the caller.
struct Offered {
    /// The caller's request, as if its owner had sent it.
    owner: Cx,
    certificate: Stored<Certificate>,
    transfer: Transfer,
}

/// Offers a certificate that is inactive, and has neither things nor policies, to another account.
async fn transfer_certificate(
    cx: &Cx,
    request: TransferCertificateRequest,
) -> Result<TransferCertificateResponse, ApiError> {
    let target = &request.target_aws_account;
    let to: AccountId = target
        .parse()
        .map_err(|_| ApiError::invalid(format!("The target account {target} is no account.")))?;
    if to == cx.tenant.account {
        let message = "A certificate cannot be transferred to the account that has it.";
        return Err(ApiError::invalid(message));
    }
    let id = retry(|| try_transfer(cx, &request, to)).await?;
    let transferred_certificate_arn = Some(certificates::arn(cx, &id));
    Ok(TransferCertificateResponse { transferred_certificate_arn })
}

async fn try_transfer(
    cx: &Cx,
    request: &TransferCertificateRequest,
    to: AccountId,
) -> Result<String, Setback> {
    let before = find(cx, &request.certificate_id).await?;
    let id = &before.document.id;
    if before.document.status != CertificateStatus::Inactive {
        let message = "The certificate must be INACTIVE to be transferred.";
        return Err(state_refused(message, id).into());
    }
    let principal = Principal::certificate(id, &cx.tenant);
    refuse_conflict(cx, id, &principal, to).await?;
    let message = request.transfer_message.clone();
    let transfer = Transfer {
        to,
        offered: cx.now(),
        message,
        accepted: None,
        rejected: None,
        reject_reason: None,
    };
    let mut after = before.document.with_status(CertificateStatus::PendingTransfer, cx.now());
    after.transfer = Some(transfer.clone());
    let mut batch = Batch::new();
    certificates::replace(&mut batch, &before, &after);
    thing_principals::require_none_of_principal(cx, &mut batch, principal.as_str());
    policy_attachments::require_none_of_target(cx, &mut batch, principal.as_str());
    certificate_transfers::begin(cx, &mut batch, id, &transfer);
    cx.commit(batch).await?;
    Ok(after.id)
}

/// Refuses what something is attached to, and what the other account has or is offered already.
async fn refuse_conflict(
    cx: &Cx,
    id: &str,
    principal: &Principal,
    to: AccountId,
) -> Result<(), ApiError> {
    let conflict = |message: String| ApiError::new("TransferConflictException", message);
    let has_policies = policy_attachments::find(cx, principal.as_str()).await?.is_some();
    if has_policies || thing_principals::has_things(cx, principal).await? {
        let what = if has_policies { "Policies" } else { "Things" };
        let arn = principal.as_str();
        return Err(conflict(format!("{what} must be detached before transfer (arn: {arn})")));
    }
    if certificate_transfers::is_offered(cx, to, id).await? {
        let message = format!("The certificate {id} is already being transferred to {to}.");
        return Err(conflict(message));
    }
    let registered = certificates::tenants(cx, id).await?;
    if registered.iter().any(|t| t.account == to && t.region == cx.tenant.region) {
        return Err(conflict(format!("The certificate {id} is already registered in {to}.")));
    }
    Ok(())
}

/// Takes a certificate that another account offers: it is moved with one commit.
async fn accept_certificate_transfer(
    cx: &Cx,
    request: AcceptCertificateTransferRequest,
) -> Result<(), ApiError> {
    let is_active = request.set_as_active == Some(true);
    let status = if is_active { CertificateStatus::Active } else { CertificateStatus::Inactive };
    retry(|| try_accept(cx, &request.certificate_id, status)).await
}

async fn try_accept(cx: &Cx, id: &str, status: CertificateStatus) -> Result<(), Setback> {
    let Offered { owner, certificate, transfer } = offered(cx, id).await?;
    let id = &certificate.document.id;
    if certificates::is_registered(cx, id).await? {
        let message = format!("The certificate {id} is already registered in this account.");
        return Err(ApiError::invalid(message).into());
    }
    let principal = Principal::certificate(id, &owner.tenant);
    if thing_principals::has_things(&owner, &principal).await? {
        let message = format!("The account that offers the certificate {id} uses it for things.");
        return Err(ApiError::invalid(message).into());
    }
    let policies = policy_attachments::find(&owner, principal.as_str()).await?;
    let mut batch = Batch::new();
    certificate_transfers::end(&owner, &mut batch, id, &transfer);
    policy_attachments::detach_all(&owner, &mut batch, principal.as_str(), policies.as_ref());
    certificates::delete(&owner, &mut batch, &certificate);
    let taken = taken(cx, &owner, certificate.document, transfer, status);
    certificates::create(cx, &mut batch, &taken);
    cx.commit(batch).await?;
    Ok(())
}

/// The certificate as the account that takes it has it.
fn taken(
    cx: &Cx,
    owner: &Cx,
    before: Certificate,
    transfer: Transfer,
    status: CertificateStatus,
) -> Certificate {
    let new = NewCertificate {
        id: before.id,
        pem: before.pem,
        not_before: before.not_before,
        not_after: before.not_after,
        ca_certificate_id: before.ca_certificate_id,
    };
    let mut taken = Certificate::new(cx, new, status, before.mode);
    taken.previous_owner = Some(owner.tenant.account);
    taken.transfer = Some(Transfer { accepted: Some(cx.now()), ..transfer });
    taken
}

/// Refuses a certificate that another account offers: it stays there, inactive.
async fn reject_certificate_transfer(
    cx: &Cx,
    request: RejectCertificateTransferRequest,
) -> Result<(), ApiError> {
    retry(|| try_reject(cx, &request)).await
}

async fn try_reject(cx: &Cx, request: &RejectCertificateTransferRequest) -> Result<(), Setback> {
    let Offered { owner, certificate, transfer } = offered(cx, &request.certificate_id).await?;
    let mut after = certificate.document.with_status(CertificateStatus::Inactive, cx.now());
    after.transfer = Some(Transfer {
        rejected: Some(cx.now()),
        reject_reason: request.reject_reason.clone(),
        ..transfer.clone()
    });
    let mut batch = Batch::new();
    certificates::replace(&mut batch, &certificate, &after);
    certificate_transfers::end(&owner, &mut batch, &after.id, &transfer);
    cx.commit(batch).await?;
    Ok(())
}

/// The certificate that somebody offers the caller.
async fn offered(cx: &Cx, id: &str) -> Result<Offered, Setback> {
    let Some(tenant) = certificate_transfers::owner(cx, id).await? else {
        let own = certificates::find(cx, id).await?;
        let transfer = own.and_then(|own| own.document.transfer);
        let was_taken = transfer.is_some_and(|transfer| transfer.accepted.is_some());
        let refusal = if was_taken { completed(id) } else { not_offered(id) };
        return Err(refusal.into());
    };
    let owner = Cx { tenant, ..cx.clone() };
    let certificate = certificates::find(&owner, id).await?.ok_or(Setback::Moved)?;
    let transfer = pending(&certificate.document).ok_or(Setback::Moved)?.clone();
    Ok(Offered { owner, certificate, transfer })
}

/// Takes an offer back; the certificate is inactive then, and nothing tells of the transfer.
async fn cancel_certificate_transfer(
    cx: &Cx,
    request: CancelCertificateTransferRequest,
) -> Result<(), ApiError> {
    retry(|| try_cancel(cx, &request.certificate_id)).await
}

async fn try_cancel(cx: &Cx, id: &str) -> Result<(), Setback> {
    if certificates::find(cx, id).await?.is_none() && has_left(cx, id).await? {
        return Err(completed(id).into());
    }
    let before = find(cx, id).await?;
    let Some(transfer) = pending(&before.document) else {
        let was_rejected = |transfer: &Transfer| transfer.rejected.is_some();
        let is_completed = before.document.transfer.as_ref().is_some_and(was_rejected);
        let refusal = if is_completed { completed(id) } else { not_pending(id) };
        return Err(refusal.into());
    };
    let mut after = before.document.with_status(CertificateStatus::Inactive, cx.now());
    after.transfer = None;
    let mut batch = Batch::new();
    certificates::replace(&mut batch, &before, &after);
    certificate_transfers::end(cx, &mut batch, id, transfer);
    cx.commit(batch).await?;
    Ok(())
}

/// The way that the certificate is on.
fn pending(certificate: &Certificate) -> Option<&Transfer> {
    let is_pending = certificate.status == CertificateStatus::PendingTransfer;
    certificate.transfer.as_ref().filter(|_| is_pending)
}

/// Whether another account has taken the caller's certificate.
async fn has_left(cx: &Cx, id: &str) -> Result<bool, ApiError> {
    for tenant in certificates::tenants(cx, id).await? {
        let there = Cx { tenant, ..cx.clone() };
        let certificate = certificates::find(&there, id).await?;
        let came_from = certificate.and_then(|certificate| certificate.document.previous_owner);
        if came_from == Some(cx.tenant.account) && there.tenant.region == cx.tenant.region {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lists what was offered and not yet taken by when that was, the newest first unless asked
/// otherwise.
async fn list_outgoing_certificates(
    cx: &Cx,
    request: ListOutgoingCertificatesRequest,
) -> Result<ListOutgoingCertificatesResponse, ApiError> {
    let page = by_creation(&request.marker, request.page_size, request.ascending_order);
    let (found, next_marker) = certificate_transfers::page(cx, page).await?;
    let outgoing = found.into_iter().filter_map(|certificate| {
        let transfer = pending(&certificate)?.clone();
        Some(OutgoingCertificate {
            certificate_arn: Some(certificates::arn(cx, &certificate.id)),
            certificate_id: Some(certificate.id),
            transferred_to: Some(transfer.to.to_string()),
            transfer_date: Some(transfer.offered),
            transfer_message: transfer.message,
            creation_date: Some(certificate.created),
        })
    });
    let outgoing_certificates = Some(outgoing.collect());
    Ok(ListOutgoingCertificatesResponse { outgoing_certificates, next_marker })
}

fn completed(id: &str) -> ApiError {
    let message = format!("The transfer of the certificate {id} is already complete.");
    ApiError::new("TransferAlreadyCompletedException", message)
}

fn not_offered(id: &str) -> ApiError {
    ApiError::not_found(format!("Nobody transfers the certificate {id} to this account."))
}

fn not_pending(id: &str) -> ApiError {
    ApiError::invalid(format!("The certificate {id} is not being transferred."))
}
