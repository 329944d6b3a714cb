//! Certificates: documents by id, indexes by creation and by CA, and a server-wide one of their
//! tenants.

use model::iot::{CertificateMode, CertificateStatus};
use pki::Issued;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Direction, Entry, Key};
use types::{AccountId, Tenant, TenantId, Timestamp};

use super::{FORMAT, Stored, below, decode_entries, exists, load, page_behind};

/// Tenants that one certificate, or one subject of CAs, may be registered in; beyond that some
/// are not found.
pub(crate) const REGISTRATIONS_MAX: u32 = 1000;

/// A device certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certificate {
    v: u32,
    /// The SHA-256 of its DER.
    pub(crate) id: String,
    /// As it was issued or sent.
    pub(crate) pem: String,
    /// Whether its holder may connect.
    pub(crate) status: CertificateStatus,
    /// Whether SNI must name the account.
    pub(crate) mode: CertificateMode,
    /// When it was registered.
    pub(crate) created: Timestamp,
    /// When its status last changed.
    pub(crate) modified: Timestamp,
    /// 1, and one more with each change of its status.
    pub(crate) customer_version: i32,
    /// New for each registration.
    pub(crate) generation_id: String,
    /// The first moment of its validity.
    pub(crate) not_before: Timestamp,
    /// The last moment of its validity.
    pub(crate) not_after: Timestamp,
    /// The registered CA that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_certificate_id: Option<String>,
    /// The account that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous_owner: Option<AccountId>,
    /// Its last way to another account, or to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transfer: Option<Transfer>,
}

/// A certificate's way from one account to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transfer {
    /// The account that may take it.
    pub(crate) to: AccountId,
    /// When it was offered.
    pub(crate) offered: Timestamp,
    /// What its owner said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// When it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accepted: Option<Timestamp>,
    /// When it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rejected: Option<Timestamp>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reject_reason: Option<String>,
}

/// What a certificate is before it is registered.
#[derive(Clone, Debug)]
pub(crate) struct NewCertificate {
    /// The SHA-256 of its DER.
    pub(crate) id: String,
    /// As it was issued or sent.
    pub(crate) pem: String,
    /// The first moment of its validity.
    pub(crate) not_before: Timestamp,
    /// The last moment of its validity.
    pub(crate) not_after: Timestamp,
    /// The registered CA that signed it.
    pub(crate) ca_certificate_id: Option<String>,
}

impl NewCertificate {
    /// What the server's own authority issued.
    pub(crate) fn issued(issued: Issued) -> Self {
        Self {
            id: issued.certificate_id,
            pem: issued.certificate_pem,
            not_before: issued.not_before,
            not_after: issued.not_after,
            ca_certificate_id: None,
        }
    }

    /// What somebody brought, as `pem`.
    pub(crate) fn brought(parsed: &pki::Certificate, pem: String) -> Self {
        Self {
            id: parsed.id(),
            pem,
            not_before: parsed.not_before,
            not_after: parsed.not_after,
            ca_certificate_id: None,
        }
    }
}

/// In which tenant a certificate is registered: what a connection without SNI is resolved by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registration {
    v: u32,
    tenant: u32,
    account: AccountId,
    region: String,
}

impl Certificate {
    /// A certificate that is registered now.
    pub(crate) fn new(
        cx: &Cx,
        new: NewCertificate,
        status: CertificateStatus,
        mode: CertificateMode,
    ) -> Self {
        let now = cx.now();
        Self {
            v: FORMAT,
            id: new.id,
            pem: new.pem,
            status,
            mode,
            created: now,
            modified: now,
            customer_version: 1,
            generation_id: cx.new_uuid().to_string(),
            not_before: new.not_before,
            not_after: new.not_after,
            ca_certificate_id: new.ca_certificate_id,
            previous_owner: None,
            transfer: None,
        }
    }

    /// The same certificate with another status, as of `now`.
    pub(crate) fn with_status(&self, status: CertificateStatus, now: Timestamp) -> Self {
        let customer_version = self.customer_version.saturating_add(1);
        Self { status, modified: now, customer_version, ..self.clone() }
    }
}

impl Registration {
    /// That something is registered in `tenant`.
    pub(crate) fn of(tenant: &Tenant) -> Self {
        let region = tenant.region.to_string();
        Self { v: FORMAT, tenant: tenant.id.0, account: tenant.account, region }
    }

    /// The tenant; nothing if the record names none that could be.
    pub(crate) fn tenant(&self) -> Option<Tenant> {
        let region = self.region.parse().ok()?;
        Some(Tenant { id: TenantId(self.tenant), account: self.account, region })
    }
}

/// Where the certificate with this id lies.
pub(crate) fn key(tenant: &Tenant, id: &str) -> Key {
    Key::new(tenant.id, kinds::CERTIFICATE).text(id)
}

/// Where it is said that the certificate with this id is registered in `tenant`.
pub(crate) fn registration_key(tenant: &Tenant, id: &str) -> Key {
    registrations_key(id).number(u64::from(tenant.id.0))
}

/// What the records below [`registrations_key`] say.
pub(crate) fn registrations(entries: &[Entry]) -> Result<Vec<Registration>, ApiError> {
    decode_entries(entries)
}

/// The ARN of the certificate with this id.
pub(crate) fn arn(cx: &Cx, id: &str) -> String {
    cx.arn(&format!("cert/{id}"))
}

/// The certificate with this id.
pub(crate) async fn find(cx: &Cx, id: &str) -> Result<Option<Stored<Certificate>>, ApiError> {
    load(cx, key(&cx.tenant, id)).await
}

/// Whether the certificate with this id is registered.
pub(crate) async fn is_registered(cx: &Cx, id: &str) -> Result<bool, ApiError> {
    exists(cx, &key(&cx.tenant, id)).await
}

/// Makes the batch fail if there is no certificate with this id.
pub(crate) fn require(cx: &Cx, batch: &mut Batch, id: &str) {
    batch.require_exists(key(&cx.tenant, id));
}

/// Adds a certificate that must not be registered yet.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, certificate: &Certificate) {
    let place = key(&cx.tenant, &certificate.id);
    batch.require_absent(place.clone());
    batch.put(place, encode(certificate));
    for index in indexes(cx, certificate) {
        batch.put(index, encode(&certificate.id));
    }
    let registration = Registration::of(&cx.tenant);
    batch.put(registration_key(&cx.tenant, &certificate.id), encode(&registration));
}

/// Replaces `before` by `after`, of the same id.
pub(crate) fn replace(batch: &mut Batch, before: &Stored<Certificate>, after: &Certificate) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
}

/// Removes a certificate that no thing has. Its policies are the caller's to ask for.
pub(crate) fn delete(cx: &Cx, batch: &mut Batch, certificate: &Stored<Certificate>) {
    let id = &certificate.document.id;
    certificate.require_unchanged(batch);
    super::thing_principals::forget(cx, batch, &arn(cx, id));
    batch.delete(certificate.key.clone());
    for index in indexes(cx, &certificate.document) {
        batch.delete(index);
    }
    batch.delete(registration_key(&cx.tenant, id));
}

/// One page of all certificates by creation, and the token of the next.
pub(crate) async fn page(
    cx: &Cx,
    page: PageRequest<'_>,
) -> Result<(Vec<Certificate>, Option<String>), ApiError> {
    page_below(cx, &cx.key(kinds::CERTIFICATE_BY_TIME), page).await
}

/// One page of the certificates that the CA with this id signed, by creation, and the token of
/// the next.
pub(crate) async fn page_of_ca(
    cx: &Cx,
    ca_certificate_id: &str,
    page: PageRequest<'_>,
) -> Result<(Vec<Certificate>, Option<String>), ApiError> {
    page_below(cx, &cx.key(kinds::CERTIFICATE_BY_CA).text(ca_certificate_id), page).await
}

/// One page of the certificates whose ids lie below `parent`, and the token of the next.
pub(super) async fn page_below(
    cx: &Cx,
    parent: &Key,
    page: PageRequest<'_>,
) -> Result<(Vec<Certificate>, Option<String>), ApiError> {
    page_behind(cx, below(parent), page, key).await
}

/// In which tenants the certificate with this id is registered.
pub(crate) async fn tenants(cx: &Cx, id: &str) -> Result<Vec<Tenant>, ApiError> {
    let range = below(&registrations_key(id));
    let page = cx.store().scan(range, None, REGISTRATIONS_MAX, Direction::Forward).await?;
    Ok(registrations(&page.entries)?.iter().filter_map(Registration::tenant).collect())
}

/// The part of an index's key that sorts by time.
pub(super) fn time_number(time: Timestamp) -> u64 {
    u64::try_from(time.millis()).unwrap_or(0)
}

/// Where lists find a certificate: by creation, and by the CA that signed it.
fn indexes(cx: &Cx, certificate: &Certificate) -> impl Iterator<Item = Key> {
    let ca = certificate.ca_certificate_id.as_deref();
    let lists = [
        Some(cx.key(kinds::CERTIFICATE_BY_TIME)),
        ca.map(|ca| cx.key(kinds::CERTIFICATE_BY_CA).text(ca)),
    ];
    let time = time_number(certificate.created);
    lists.into_iter().flatten().map(move |list| list.number(time).text(&certificate.id))
}

/// Below which it is said in which tenants the certificate with this id is registered: what a
/// connection without SNI is resolved by.
pub(crate) fn registrations_key(id: &str) -> Key {
    Key::new(TenantId::GLOBAL, kinds::CERTIFICATE_TENANT).text(id)
}
