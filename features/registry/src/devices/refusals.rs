//! Why a device is not let in, in a word and in a sentence that says what to do.

use model::iot::CertificateStatus;
use service::{ApiError, Refusal};
use store::StoreError;
use types::{Tenant, Timestamp};

use crate::store::certificates::Certificate;

/// The word for a certificate that nobody registered where its holder wants to connect.
pub(super) const UNKNOWN_CERTIFICATE: &str = "UNKNOWN_CERTIFICATE";
/// The word for a certificate that waits to be activated for the first time.
pub(super) const PENDING_ACTIVATION: &str = "CERTIFICATE_PENDING_ACTIVATION";
/// The word for a client that has to say whose endpoint it means.
const SNI_REQUIRED: &str = "SNI_REQUIRED";

/// Refuses a certificate that is not valid now, whatever its status, and one that is not active.
pub(super) fn check_certificate(certificate: &Certificate, now: Timestamp) -> Result<(), Refusal> {
    let Certificate { id, status, not_before, not_after, .. } = certificate;
    check_dates(id, *not_before, *not_after, now)?;
    match status {
        CertificateStatus::Active => Ok(()),
        other => Err(not_active(id, *other)),
    }
}

/// Refuses a certificate that is not valid now.
pub(super) fn check_dates(
    id: &str,
    not_before: Timestamp,
    not_after: Timestamp,
    now: Timestamp,
) -> Result<(), Refusal> {
    if now < not_before {
        return Err(refusal(
            "CERTIFICATE_NOT_YET_VALID",
            format!(
                "certificate {id} is valid from {} on, and the server's clock says {}; correct \
                 the clock that is wrong, or wait",
                not_before.to_rfc3339(),
                now.to_rfc3339()
            ),
        ));
    }
    if now > not_after {
        return Err(refusal(
            "CERTIFICATE_EXPIRED",
            format!(
                "certificate {id} expired at {}; give the device a new one: aws iot \
                 create-keys-and-certificate --set-as-active",
                not_after.to_rfc3339()
            ),
        ));
    }
    Ok(())
}

/// The certificate has a status that lets nobody in.
pub(super) fn not_active(id: &str, status: CertificateStatus) -> Refusal {
    let activate = format!("aws iot update-certificate --certificate-id {id} --new-status ACTIVE");
    let (reason, what_to_do) = match status {
        CertificateStatus::Active | CertificateStatus::Inactive => {
            ("CERTIFICATE_INACTIVE", format!("activate it: {activate}"))
        }
        CertificateStatus::RegisterInactive => {
            ("CERTIFICATE_REGISTER_INACTIVE", format!("activate it: {activate}"))
        }
        CertificateStatus::PendingActivation => {
            (PENDING_ACTIVATION, format!("activate it: {activate}"))
        }
        CertificateStatus::Revoked => (
            "CERTIFICATE_REVOKED",
            "that is final; give the device a new certificate: aws iot \
             create-keys-and-certificate --set-as-active"
                .to_owned(),
        ),
        CertificateStatus::PendingTransfer => (
            "CERTIFICATE_PENDING_TRANSFER",
            "it is on its way to another account, which has to accept it: aws iot \
             accept-certificate-transfer --set-as-active --certificate-id "
                .to_owned()
                + id,
        ),
    };
    refusal(reason, format!("certificate {id} is {}; {what_to_do}", status.as_str()))
}

/// The certificate is registered nowhere.
pub(super) fn unknown_certificate(id: &str) -> Refusal {
    refusal(
        UNKNOWN_CERTIFICATE,
        format!(
            "certificate {id} is not registered; register it: aws iot \
             register-certificate-without-ca --status ACTIVE --certificate-pem file://FILE"
        ),
    )
}

/// The certificate is registered, but not in the tenant that the client asked for.
pub(super) fn registered_elsewhere(id: &str, server_name: &str, registered: &[Tenant]) -> Refusal {
    refusal(
        UNKNOWN_CERTIFICATE,
        format!(
            "certificate {id} is not registered in the account and region of the endpoint \
             {server_name}; the client has to connect to {}",
            endpoints(registered)
        ),
    )
}

/// The certificate is registered in several tenants, and the client names none of them.
pub(super) fn ambiguous(id: &str, registered: &[Tenant]) -> Refusal {
    refusal(
        SNI_REQUIRED,
        format!(
            "certificate {id} is registered in several accounts or regions; the client has to \
             name the one that it means in SNI: {}",
            endpoints(registered)
        ),
    )
}

/// The certificate is registered nowhere, several tenants have its CA, and the client names none
/// of them.
pub(super) fn ambiguous_authority(id: &str, tenants: &[Tenant]) -> Refusal {
    refusal(
        SNI_REQUIRED,
        format!(
            "certificate {id} is not registered, and its CA is in several accounts or regions; \
             the client has to name the one that it means in SNI: {}",
            endpoints(tenants)
        ),
    )
}

/// A few names that would do.
fn endpoints(registered: &[Tenant]) -> String {
    const SHOWN_MAX: usize = 3;
    let name =
        |tenant: &Tenant| format!("{}-ats.iot.{}.DOMAIN", tenant.endpoint_prefix(), tenant.region);
    registered.iter().take(SHOWN_MAX).map(name).collect::<Vec<_>>().join(" or ")
}

/// Nothing says who the client is.
pub(super) fn no_credentials(door: &str) -> Refusal {
    let detail = match door {
        "mqtt" => {
            "the plain door knows nobody: connect over TLS with a certificate, or start the \
             server with --dev, where it takes everybody for the administrator"
        }
        _ => "the client presented no certificate; give it one that is registered and ACTIVE",
    };
    refusal("NO_CREDENTIALS", detail.to_owned())
}

/// The policy that a client asked for by its user name is not there.
pub(super) fn unknown_policy(name: &str, tenant: &Tenant) -> Refusal {
    refusal(
        "UNKNOWN_POLICY",
        format!(
            "the user name asks for the policy {name}, which account {} does not have in {}; \
             create it: aws iot create-policy --policy-name {name} --policy-document file://FILE",
            tenant.account, tenant.region
        ),
    )
}

/// Somebody with an access key, whose policy is not the registry's.
pub(super) fn not_a_device(arn: &str) -> Refusal {
    let detail = format!("{arn} is no device: what it may do comes with its access key");
    refusal("NOT_A_DEVICE", detail)
}

/// The store does not answer.
pub(super) fn store_failed(error: &StoreError) -> Refusal {
    tracing::warn!(error = error as &dyn std::error::Error, "devices cannot be looked up");
    server_error(format!("the store cannot be read ({error}); the client may try again"))
}

/// A record is not what it should be, or a part of the server refused.
pub(super) fn failed(error: &ApiError) -> Refusal {
    tracing::error!(?error, "a device cannot be looked up");
    server_error(format!("what is stored cannot be used ({error}); the server's log says more"))
}

/// A stored policy cannot be read any more.
pub(super) fn unreadable_policy(name: &str, malformed: &policy::Malformed) -> Refusal {
    server_error(format!(
        "policy {name} cannot be read ({malformed}), so nothing is known to be allowed; create a \
         new default version of it"
    ))
}

/// Every attempt met another change.
pub(super) fn always_changing() -> Refusal {
    server_error("the device's records keep changing; the client may try again".to_owned())
}

/// What is known of the connection is too old.
pub(super) fn out_of_touch(minutes: u64) -> Refusal {
    server_error(format!(
        "the server could not read the store for {minutes} minutes and no longer knows what the \
         device may do; the client may connect again once the store answers"
    ))
}

fn server_error(detail: String) -> Refusal {
    refusal("SERVER_ERROR", detail)
}

fn refusal(reason: &'static str, detail: String) -> Refusal {
    Refusal { reason, detail }
}
