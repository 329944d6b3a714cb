//! Tags: all of a resource's in one document, by its ARN.

use std::collections::BTreeMap;

use service::tags::{Tags, key};
pub(crate) use service::tags::{create, delete};
use service::{ApiError, Cx, encode};
use store::Batch;

use super::{Stored, load, require_as_read};

/// The tags of the resource `arn`.
pub(crate) async fn find(cx: &Cx, arn: &str) -> Result<Option<Stored<Tags>>, ApiError> {
    load(cx, key(cx, arn)).await
}

/// Replaces the tags that were read by `after`.
pub(crate) fn replace(
    cx: &Cx,
    batch: &mut Batch,
    arn: &str,
    before: Option<&Stored<Tags>>,
    after: &BTreeMap<String, String>,
) {
    let key = key(cx, arn);
    require_as_read(batch, &key, before);
    if after.is_empty() {
        batch.delete(key);
    } else {
        batch.put(key, encode(&Tags::new(after.clone())));
    }
}
