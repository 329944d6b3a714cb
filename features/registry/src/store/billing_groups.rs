//! Billing groups: documents by name. A thing's own document names its group, and an index lists
//! the things of each.

use model::iot::BillingGroupProperties;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Key, KeyRange};
use types::Timestamp;

use super::{FORMAT, Stored, below, load, page_of};

/// A billing group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BillingGroup {
    v: u32,
    /// Its name, for ever.
    pub(crate) name: String,
    /// New for each creation.
    pub(crate) id: String,
    /// As the client gave them.
    pub(crate) properties: BillingGroupProperties,
    /// 1, and one more with each update.
    pub(crate) version: i64,
    /// When it was created.
    pub(crate) created: Timestamp,
}

impl BillingGroup {
    /// The first version of a group.
    pub(crate) fn new(
        name: String,
        id: String,
        properties: BillingGroupProperties,
        created: Timestamp,
    ) -> Self {
        Self { v: FORMAT, name, id, properties, version: 1, created }
    }
}

/// The ARN of the group called `name`.
pub(crate) fn arn(cx: &Cx, name: &str) -> String {
    cx.arn(&format!("billinggroup/{name}"))
}

/// The group called `name`.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Option<Stored<BillingGroup>>, ApiError> {
    load(cx, group_key(cx, name)).await
}

/// Makes the batch fail if there is no group called `name`.
pub(crate) fn require(cx: &Cx, batch: &mut Batch, name: &str) {
    batch.require_exists(group_key(cx, name));
}

/// Adds a group whose name must be free.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, group: &BillingGroup) {
    let key = group_key(cx, &group.name);
    batch.require_absent(key.clone());
    batch.put(key, encode(group));
}

/// Replaces `before` by `after`, of the same name.
pub(crate) fn replace(batch: &mut Batch, before: &Stored<BillingGroup>, after: &BillingGroup) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
}

/// Removes a group that no thing is in.
pub(crate) fn delete(cx: &Cx, batch: &mut Batch, group: &Stored<BillingGroup>) {
    group.require_unchanged(batch);
    super::things::require_none_in_billing_group(cx, batch, &group.document.name);
    batch.delete(group.key.clone());
    super::tags::delete(cx, batch, &arn(cx, &group.document.name));
}

/// One page of the groups whose names begin with `prefix`, by name, and the token of the next.
pub(crate) async fn page(
    cx: &Cx,
    prefix: Option<&str>,
    page: PageRequest<'_>,
) -> Result<(Vec<BillingGroup>, Option<String>), ApiError> {
    let all = cx.key(kinds::BILLING_GROUP);
    let range = prefix.map_or_else(|| below(&all), |prefix| KeyRange::text_prefix(&all, prefix));
    page_of(cx, range, page).await
}

fn group_key(cx: &Cx, name: &str) -> Key {
    cx.key(kinds::BILLING_GROUP).text(name)
}
