//! Tags: all of a resource's in one document, by its ARN.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, encode, kinds};
use store::{Batch, Key};

use super::{FORMAT, Stored, load, require_as_read};

/// The tags of a resource. A resource without any has no such record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tags {
    v: u32,
    /// Keys and values.
    pub(crate) tags: BTreeMap<String, String>,
}

/// The tags of the resource `arn`.
pub(crate) async fn find(cx: &Cx, arn: &str) -> Result<Option<Stored<Tags>>, ApiError> {
    load(cx, tags_key(cx, arn)).await
}

/// Gives a resource that the same batch creates its tags.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, arn: &str, tags: &BTreeMap<String, String>) {
    if !tags.is_empty() {
        batch.put(tags_key(cx, arn), encode(&Tags { v: FORMAT, tags: tags.clone() }));
    }
}

/// Replaces the tags that were read by `after`.
pub(crate) fn replace(
    cx: &Cx,
    batch: &mut Batch,
    arn: &str,
    before: Option<&Stored<Tags>>,
    after: &BTreeMap<String, String>,
) {
    let key = tags_key(cx, arn);
    require_as_read(batch, &key, before);
    if after.is_empty() {
        batch.delete(key);
    } else {
        batch.put(key, encode(&Tags { v: FORMAT, tags: after.clone() }));
    }
}

/// Removes the tags of a resource that the same batch removes.
pub(crate) fn delete(cx: &Cx, batch: &mut Batch, arn: &str) {
    batch.delete(tags_key(cx, arn));
}

fn tags_key(cx: &Cx, arn: &str) -> Key {
    cx.key(kinds::TAGS).text(arn)
}
