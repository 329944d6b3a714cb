//! Certificate providers: a tenant has one at most, and so one place for it.

use model::iot::CertificateProviderOperation;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, encode, kinds};
use store::{Batch, Key};
use types::Timestamp;

use super::{FORMAT, Stored, load};

/// Whoever signs certificates in the server's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateProvider {
    v: u32,
    /// Its name, for ever.
    pub(crate) name: String,
    /// The function that signs.
    pub(crate) lambda_function_arn: String,
    /// What it signs for.
    pub(crate) operations: Vec<CertificateProviderOperation>,
    /// What the request that created it was known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_token: Option<String>,
    /// When it was created.
    pub(crate) created: Timestamp,
    /// When it was last changed.
    pub(crate) modified: Timestamp,
}

impl CertificateProvider {
    /// A provider that is created now.
    pub(crate) fn new(
        cx: &Cx,
        name: String,
        lambda_function_arn: String,
        operations: Vec<CertificateProviderOperation>,
        client_token: Option<String>,
    ) -> Self {
        let now = cx.now();
        Self {
            v: FORMAT,
            name,
            lambda_function_arn,
            operations,
            client_token,
            created: now,
            modified: now,
        }
    }
}

/// The ARN of the provider called `name`.
pub(crate) fn arn(cx: &Cx, name: &str) -> String {
    cx.arn(&format!("certificateprovider:{name}"))
}

/// The tenant's provider.
pub(crate) async fn find(cx: &Cx) -> Result<Option<Stored<CertificateProvider>>, ApiError> {
    load(cx, provider_key(cx)).await
}

/// Makes the batch fail if there is no provider.
pub(crate) fn require(cx: &Cx, batch: &mut Batch) {
    batch.require_exists(provider_key(cx));
}

/// Adds the tenant's provider, which must be its first.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, provider: &CertificateProvider) {
    let key = provider_key(cx);
    batch.require_absent(key.clone());
    batch.put(key, encode(provider));
}

/// Replaces `before` by `after`, of the same name.
pub(crate) fn replace(
    batch: &mut Batch,
    before: &Stored<CertificateProvider>,
    after: &CertificateProvider,
) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
}

/// Removes the provider.
pub(crate) fn delete(cx: &Cx, batch: &mut Batch, provider: &Stored<CertificateProvider>) {
    provider.require_unchanged(batch);
    batch.delete(provider.key.clone());
    super::tags::delete(cx, batch, &arn(cx, &provider.document.name));
}

fn provider_key(cx: &Cx) -> Key {
    cx.key(kinds::CERTIFICATE_PROVIDER)
}
