//! CA certificates: documents by id, indexes by creation and by template, and two server-wide
//! records: which CAs have a subject, and which tenant has a CA in DEFAULT mode.

use model::iot::{
    AutoRegistrationStatus, CACertificateStatus, CertificateMode, RegistrationConfig,
};
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Entry, Key, Versioned};
use types::{Tenant, TenantId, Timestamp};

use super::certificates::{Registration, time_number};
use super::{FORMAT, Stored, below, decode_entries, exists, load, page_behind, require_as_read};

/// The certificate of a CA that signs device certificates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaCertificate {
    v: u32,
    /// The SHA-256 of its DER.
    pub(crate) id: String,
    /// As it was sent.
    pub(crate) pem: String,
    /// Whether certificates that it signed can be registered.
    pub(crate) status: CACertificateStatus,
    /// Whether SNI must name the account of certificates that it signed.
    pub(crate) mode: CertificateMode,
    /// Whether certificates that it signed are registered when they first connect.
    pub(crate) auto_registration: AutoRegistrationStatus,
    /// As the client gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) registration_config: Option<RegistrationConfig>,
    /// When it was registered.
    pub(crate) created: Timestamp,
    /// When it was last changed.
    pub(crate) modified: Timestamp,
    /// 1, and one more with each change.
    pub(crate) customer_version: i32,
    /// New for each registration.
    pub(crate) generation_id: String,
    /// The first moment of its validity.
    pub(crate) not_before: Timestamp,
    /// The last moment of its validity.
    pub(crate) not_after: Timestamp,
}

/// The CAs of one tenant that have the same subject: few enough for one record, which so keeps
/// their number to its bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubjectAuthorities {
    v: u32,
    registration: Registration,
    /// In the order of their registration.
    pub(crate) authorities: Vec<SubjectAuthority>,
}

/// A CA among those of its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubjectAuthority {
    /// Its id.
    pub(crate) id: String,
    /// Whether SNI must name the account.
    pub(crate) mode: CertificateMode,
}

impl CaCertificate {
    /// The CA in `parsed`, sent as `pem` and registered now.
    pub(crate) fn new(
        cx: &Cx,
        parsed: &pki::Certificate,
        pem: &str,
        status: CACertificateStatus,
        mode: CertificateMode,
    ) -> Self {
        let now = cx.now();
        Self {
            v: FORMAT,
            id: parsed.id(),
            pem: pem.to_owned(),
            status,
            mode,
            auto_registration: AutoRegistrationStatus::Disable,
            registration_config: None,
            created: now,
            modified: now,
            customer_version: 1,
            generation_id: cx.new_uuid().to_string(),
            not_before: parsed.not_before,
            not_after: parsed.not_after,
        }
    }

    fn template(&self) -> Option<&str> {
        self.registration_config.as_ref()?.template_name.as_deref()
    }
}

impl SubjectAuthorities {
    /// Whose they are; nothing if the record names no tenant that could be.
    pub(crate) fn tenant(&self) -> Option<Tenant> {
        self.registration.tenant()
    }
}

/// The ARN of the CA with this id.
pub(crate) fn arn(cx: &Cx, id: &str) -> String {
    cx.arn(&format!("cacert/{id}"))
}

/// Where the CA with this id lies.
pub(crate) fn key(tenant: &Tenant, id: &str) -> Key {
    Key::new(tenant.id, kinds::CA_CERTIFICATE).text(id)
}

/// The CA that was found at its [`key`].
pub(crate) fn read(
    tenant: &Tenant,
    id: &str,
    found: &Versioned,
) -> Result<Stored<CaCertificate>, ApiError> {
    super::read(key(tenant, id), found)
}

/// Below which it is said which tenants have CAs with this subject, a name as it is encoded.
pub(crate) fn subjects_key(subject: &[u8]) -> Key {
    Key::new(TenantId::GLOBAL, kinds::CA_CERTIFICATE_SUBJECT).bytes(subject)
}

/// What the records below [`subjects_key`] say.
pub(crate) fn of_subject(entries: &[Entry]) -> Result<Vec<SubjectAuthorities>, ApiError> {
    decode_entries(entries)
}

/// The CA with this id.
pub(crate) async fn find(cx: &Cx, id: &str) -> Result<Option<Stored<CaCertificate>>, ApiError> {
    load(cx, key(&cx.tenant, id)).await
}

/// The CAs of the tenant with this subject.
pub(crate) async fn with_subject(
    cx: &Cx,
    subject: &[u8],
) -> Result<Option<Stored<SubjectAuthorities>>, ApiError> {
    load(cx, subject_key(cx, subject)).await
}

/// Whether any tenant has the CA with this id in DEFAULT mode.
pub(crate) async fn has_owner(cx: &Cx, id: &str) -> Result<bool, ApiError> {
    exists(cx, &owner_key(id)).await
}

/// Makes the batch fail if there is no CA with this id.
pub(crate) fn require(cx: &Cx, batch: &mut Batch, id: &str) {
    batch.require_exists(key(&cx.tenant, id));
}

/// Adds a CA that the tenant must not have yet, nor any other in DEFAULT mode if it is to be in
/// that. `same` are those with its subject, as they were read.
pub(crate) fn create(
    cx: &Cx,
    batch: &mut Batch,
    ca: &CaCertificate,
    subject: &[u8],
    same: Option<&Stored<SubjectAuthorities>>,
) {
    let place = key(&cx.tenant, &ca.id);
    batch.require_absent(place.clone());
    batch.put(place, encode(ca));
    put_indexes(cx, batch, ca);
    if ca.mode == CertificateMode::Default {
        let owner = owner_key(&ca.id);
        batch.require_absent(owner.clone());
        batch.put(owner, encode(&Registration::of(&cx.tenant)));
    }
    let mut authorities = authorities(same).to_vec();
    authorities.push(SubjectAuthority { id: ca.id.clone(), mode: ca.mode });
    replace_subject(cx, batch, subject, same, authorities);
}

/// Replaces `before` by `after`, of the same id and mode.
pub(crate) fn replace(
    cx: &Cx,
    batch: &mut Batch,
    before: &Stored<CaCertificate>,
    after: &CaCertificate,
) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
    delete_indexes(cx, batch, &before.document);
    put_indexes(cx, batch, after);
}

/// Removes a CA. `same` are those with its subject, as they were read.
pub(crate) fn delete(
    cx: &Cx,
    batch: &mut Batch,
    ca: &Stored<CaCertificate>,
    subject: &[u8],
    same: Option<&Stored<SubjectAuthorities>>,
) {
    let document = &ca.document;
    ca.require_unchanged(batch);
    batch.delete(ca.key.clone());
    delete_indexes(cx, batch, document);
    if document.mode == CertificateMode::Default {
        batch.delete(owner_key(&document.id));
    }
    let others = authorities(same).iter().filter(|authority| authority.id != document.id);
    replace_subject(cx, batch, subject, same, others.cloned().collect());
    super::tags::delete(cx, batch, &arn(cx, &document.id));
}

/// The CAs that were read.
pub(crate) fn authorities(stored: Option<&Stored<SubjectAuthorities>>) -> &[SubjectAuthority] {
    stored.map_or(&[], |stored| &stored.document.authorities)
}

/// One page of all CAs by creation, or of those that provision by `template`, and the token of
/// the next.
pub(crate) async fn page(
    cx: &Cx,
    template: Option<&str>,
    page: PageRequest<'_>,
) -> Result<(Vec<CaCertificate>, Option<String>), ApiError> {
    let parent = match template {
        Some(template) => cx.key(kinds::CA_CERTIFICATE_BY_TEMPLATE).text(template),
        None => cx.key(kinds::CA_CERTIFICATE_BY_TIME),
    };
    page_behind(cx, below(&parent), page, key).await
}

fn replace_subject(
    cx: &Cx,
    batch: &mut Batch,
    subject: &[u8],
    before: Option<&Stored<SubjectAuthorities>>,
    authorities: Vec<SubjectAuthority>,
) {
    let place = subject_key(cx, subject);
    require_as_read(batch, &place, before);
    if authorities.is_empty() {
        batch.delete(place);
    } else {
        let registration = Registration::of(&cx.tenant);
        batch.put(place, encode(&SubjectAuthorities { v: FORMAT, registration, authorities }));
    }
}

fn subject_key(cx: &Cx, subject: &[u8]) -> Key {
    subjects_key(subject).number(u64::from(cx.tenant.id.0))
}

fn owner_key(id: &str) -> Key {
    Key::new(TenantId::GLOBAL, kinds::CA_CERTIFICATE_OWNER).text(id)
}

/// Where lists find a CA: by creation, and by the template that it provisions by.
fn indexes(cx: &Cx, ca: &CaCertificate) -> impl Iterator<Item = Key> {
    let lists = [
        Some(cx.key(kinds::CA_CERTIFICATE_BY_TIME)),
        ca.template().map(|name| cx.key(kinds::CA_CERTIFICATE_BY_TEMPLATE).text(name)),
    ];
    let time = time_number(ca.created);
    lists.into_iter().flatten().map(move |list| list.number(time).text(&ca.id))
}

fn put_indexes(cx: &Cx, batch: &mut Batch, ca: &CaCertificate) {
    for index in indexes(cx, ca) {
        batch.put(index, encode(&ca.id));
    }
}

fn delete_indexes(cx: &Cx, batch: &mut Batch, ca: &CaCertificate) {
    for index in indexes(cx, ca) {
        batch.delete(index);
    }
}
