//! Thing types: documents by name.

use model::iot::ThingTypeProperties;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Key};
use types::{Tenant, Timestamp};

use super::{FORMAT, Stored, below, load, page_of};

/// A thing type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingType {
    v: u32,
    /// Its name, for ever.
    pub(crate) name: String,
    /// New for each creation.
    pub(crate) id: String,
    /// As the client gave them.
    pub(crate) properties: ThingTypeProperties,
    /// When it was created.
    pub(crate) created: Timestamp,
    /// Since when no thing may become of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deprecated: Option<Timestamp>,
}

impl ThingType {
    /// A type that things may have.
    pub(crate) fn new(
        name: String,
        id: String,
        properties: ThingTypeProperties,
        created: Timestamp,
    ) -> Self {
        Self { v: FORMAT, name, id, properties, created, deprecated: None }
    }
}

/// Where the type called `name` lies.
pub(crate) fn key(tenant: &Tenant, name: &str) -> Key {
    Key::new(tenant.id, kinds::THING_TYPE).text(name)
}

/// The ARN of the type called `name`.
pub(crate) fn arn(cx: &Cx, name: &str) -> String {
    cx.arn(&format!("thingtype/{name}"))
}

/// The type called `name`.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Option<Stored<ThingType>>, ApiError> {
    load(cx, type_key(cx, name)).await
}

/// Makes the batch fail if there is no type called `name`.
pub(crate) fn require(cx: &Cx, batch: &mut Batch, name: &str) {
    batch.require_exists(type_key(cx, name));
}

/// Adds a type whose name must be free.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, thing_type: &ThingType) {
    let key = type_key(cx, &thing_type.name);
    batch.require_absent(key.clone());
    batch.put(key, encode(thing_type));
}

/// Replaces `before` by `after`, of the same name.
pub(crate) fn replace(batch: &mut Batch, before: &Stored<ThingType>, after: &ThingType) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
}

/// Removes a type that no thing is of.
pub(crate) fn delete(cx: &Cx, batch: &mut Batch, thing_type: &Stored<ThingType>) {
    thing_type.require_unchanged(batch);
    super::things::require_none_of_type(cx, batch, &thing_type.document.name);
    batch.delete(thing_type.key.clone());
    super::tags::delete(cx, batch, &arn(cx, &thing_type.document.name));
}

/// One page of all types by name, and the token of the next.
pub(crate) async fn page(
    cx: &Cx,
    page: PageRequest<'_>,
) -> Result<(Vec<ThingType>, Option<String>), ApiError> {
    page_of(cx, below(&cx.key(kinds::THING_TYPE)), page).await
}

fn type_key(cx: &Cx, name: &str) -> Key {
    key(&cx.tenant, name)
}
