//! Policies: documents by name with the list of their versions, and the versions' texts beside.

use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Key};
use types::{Tenant, Timestamp};

use super::{FORMAT, Stored, below, load, page_of};

/// A policy. Any change of its versions changes this record too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policy {
    v: u32,
    /// Its name, for ever.
    pub(crate) name: String,
    /// The number of the version that is evaluated.
    pub(crate) default_version: u64,
    /// The highest number that was ever given out.
    pub(crate) last_version: u64,
    /// The versions there are, oldest first.
    pub(crate) versions: Vec<VersionEntry>,
    /// When it was created.
    pub(crate) created: Timestamp,
    /// When its versions or its default last changed.
    pub(crate) modified: Timestamp,
    /// New for each creation.
    pub(crate) generation_id: String,
}

/// A version in the list of its policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionEntry {
    /// Its number.
    pub(crate) number: u64,
    /// When it was created.
    pub(crate) created: Timestamp,
}

/// The text of a version, as the client sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionText {
    v: u32,
    /// Byte for byte.
    pub(crate) document: String,
}

impl Policy {
    /// A policy with its first version.
    pub(crate) fn new(name: String, generation_id: String, now: Timestamp) -> Self {
        Self {
            v: FORMAT,
            name,
            default_version: 1,
            last_version: 1,
            versions: vec![VersionEntry { number: 1, created: now }],
            created: now,
            modified: now,
            generation_id,
        }
    }

    /// The version with this number.
    pub(crate) fn version(&self, number: u64) -> Option<&VersionEntry> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// Where the policy called `name` lies.
pub(crate) fn key(tenant: &Tenant, name: &str) -> Key {
    Key::new(tenant.id, kinds::POLICY).text(name)
}

/// Where the text of a version lies.
pub(crate) fn version_key(tenant: &Tenant, name: &str, number: u64) -> Key {
    Key::new(tenant.id, kinds::POLICY_VERSION).text(name).number(number)
}

/// The ARN of the policy called `name`.
pub(crate) fn arn(cx: &Cx, name: &str) -> String {
    cx.arn(&format!("policy/{name}"))
}

/// The policy called `name`.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Option<Stored<Policy>>, ApiError> {
    load(cx, key(&cx.tenant, name)).await
}

/// The text of a version; nothing if it was deleted.
pub(crate) async fn text(cx: &Cx, name: &str, number: u64) -> Result<Option<String>, ApiError> {
    let stored: Option<Stored<VersionText>> =
        load(cx, version_key(&cx.tenant, name, number)).await?;
    Ok(stored.map(|version| version.document.document))
}

/// Makes the batch fail if there is no policy called `name`.
pub(crate) fn require(cx: &Cx, batch: &mut Batch, name: &str) {
    batch.require_exists(key(&cx.tenant, name));
}

/// Adds a policy whose name must be free, with the text of its first version.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, policy: &Policy, text: &str) {
    let place = key(&cx.tenant, &policy.name);
    batch.require_absent(place.clone());
    batch.put(place, encode(policy));
    put_text(cx, batch, &policy.name, policy.default_version, text);
}

/// Replaces `before` by `after`, of the same name.
pub(crate) fn replace(batch: &mut Batch, before: &Stored<Policy>, after: &Policy) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
}

/// Keeps the text of a version.
pub(crate) fn put_text(cx: &Cx, batch: &mut Batch, name: &str, number: u64, text: &str) {
    let version = VersionText { v: FORMAT, document: text.to_owned() };
    batch.put(version_key(&cx.tenant, name, number), encode(&version));
}

/// Removes the text of a version.
pub(crate) fn delete_text(cx: &Cx, batch: &mut Batch, name: &str, number: u64) {
    batch.delete(version_key(&cx.tenant, name, number));
}

/// Removes a policy that is attached to nothing, with its versions and tags.
pub(crate) fn delete(cx: &Cx, batch: &mut Batch, policy: &Stored<Policy>) {
    let Policy { name, versions, .. } = &policy.document;
    policy.require_unchanged(batch);
    super::policy_attachments::require_none_of_policy(cx, batch, name);
    batch.delete(policy.key.clone());
    for version in versions {
        delete_text(cx, batch, name, version.number);
    }
    super::tags::delete(cx, batch, &arn(cx, name));
}

/// One page of all policies by name, and the token of the next.
pub(crate) async fn page(
    cx: &Cx,
    page: PageRequest<'_>,
) -> Result<(Vec<Policy>, Option<String>), ApiError> {
    page_of(cx, below(&cx.key(kinds::POLICY)), page).await
}
