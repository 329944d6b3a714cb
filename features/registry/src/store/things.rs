//! Things: documents by name, and four ways to list them.

use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Key, KeyRange};
use types::Tenant;

use super::{FORMAT, Stored, below, load, page_behind, page_of};
use crate::attributes::Attributes;

/// A thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Thing {
    v: u32,
    /// Its name, for ever.
    pub(crate) name: String,
    /// New for each creation.
    pub(crate) id: String,
    /// Its type, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) type_name: Option<String>,
    /// The billing group that it is in, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) billing_group_name: Option<String>,
    /// Its attributes.
    pub(crate) attributes: Attributes,
    /// 1, and one more with each update.
    pub(crate) version: i64,
}

impl Thing {
    /// The first version of a thing.
    pub(crate) fn new(
        name: String,
        id: String,
        type_name: Option<String>,
        billing_group_name: Option<String>,
        attributes: Attributes,
    ) -> Self {
        Self { v: FORMAT, name, id, type_name, billing_group_name, attributes, version: 1 }
    }
}

/// Which things are listed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter<'a> {
    /// Those of this type.
    pub(crate) type_name: Option<&'a str>,
    /// Those with this attribute.
    pub(crate) attribute: Option<AttributeFilter<'a>>,
}

/// An attribute's name, and its value or what the value begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttributeFilter<'a> {
    /// The name.
    pub(crate) name: &'a str,
    /// The value, or its beginning.
    pub(crate) value: &'a str,
    /// Whether the value may go on.
    pub(crate) is_prefix: bool,
}

/// Where the thing called `name` lies.
pub(crate) fn key(tenant: &Tenant, name: &str) -> Key {
    Key::new(tenant.id, kinds::THING).text(name)
}

/// The thing called `name`.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Option<Stored<Thing>>, ApiError> {
    load(cx, key(&cx.tenant, name)).await
}

/// Makes the batch fail if there is no thing called `name`.
pub(crate) fn require(cx: &Cx, batch: &mut Batch, name: &str) {
    batch.require_exists(key(&cx.tenant, name));
}

/// Makes the batch fail if a thing is of the type `type_name`.
pub(crate) fn require_none_of_type(cx: &Cx, batch: &mut Batch, type_name: &str) {
    batch.require_empty(below(&cx.key(kinds::THING_BY_TYPE).text(type_name)));
}

/// Makes the batch fail if a thing is in the billing group `group`.
pub(crate) fn require_none_in_billing_group(cx: &Cx, batch: &mut Batch, group: &str) {
    batch.require_empty(below(&by_billing_group(cx, group)));
}

/// Adds a thing whose name must be free.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, thing: &Thing) {
    let place = key(&cx.tenant, &thing.name);
    batch.require_absent(place.clone());
    batch.put(place, encode(thing));
    for index in index_keys(cx, thing) {
        batch.put(index, encode(&thing.name));
    }
}

/// Replaces `before` by `after`, of the same name.
pub(crate) fn replace(cx: &Cx, batch: &mut Batch, before: &Stored<Thing>, after: &Thing) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
    let (old, new) = (index_keys(cx, &before.document), index_keys(cx, after));
    for index in old.iter().filter(|key| !new.contains(key)) {
        batch.delete(index.clone());
    }
    for index in new.iter().filter(|key| !old.contains(key)) {
        batch.put(index.clone(), encode(&after.name));
    }
}

/// Removes a thing that nothing is attached to.
pub(crate) fn delete(cx: &Cx, batch: &mut Batch, thing: &Stored<Thing>) {
    thing.require_unchanged(batch);
    super::thing_principals::require_none_of_thing(cx, batch, &thing.document.name);
    batch.delete(thing.key.clone());
    for index in index_keys(cx, &thing.document) {
        batch.delete(index);
    }
}

/// One page of the things that pass `filter`, and the token of the next.
pub(crate) async fn page(
    cx: &Cx,
    filter: Filter<'_>,
    page: PageRequest<'_>,
) -> Result<(Vec<Thing>, Option<String>), ApiError> {
    let range = listed_range(cx, filter);
    let is_index = filter.type_name.is_some() || filter.attribute.is_some();
    if !is_index {
        return page_of(cx, range, page).await;
    }
    let (mut things, next): (Vec<Thing>, _) = page_behind(cx, range, page, key).await?;
    // A thing may have changed since the index was read.
    things.retain(|thing| passes(thing, filter));
    Ok((things, next))
}

/// One page of the names of the things in the billing group `group`, and the token of the next.
pub(crate) async fn page_of_billing_group(
    cx: &Cx,
    group: &str,
    page: PageRequest<'_>,
) -> Result<(Vec<String>, Option<String>), ApiError> {
    page_of(cx, below(&by_billing_group(cx, group)), page).await
}

fn listed_range(cx: &Cx, filter: Filter<'_>) -> KeyRange {
    let parent = match (filter.type_name, filter.attribute) {
        (None, None) => return below(&cx.key(kinds::THING)),
        (Some(of_type), None) => return below(&cx.key(kinds::THING_BY_TYPE).text(of_type)),
        (None, Some(_)) => cx.key(kinds::THING_BY_ATTRIBUTE),
        (Some(of_type), Some(_)) => cx.key(kinds::THING_BY_TYPE_ATTRIBUTE).text(of_type),
    };
    let Some(attribute) = filter.attribute else {
        return below(&parent);
    };
    let named = parent.text(attribute.name);
    if attribute.is_prefix {
        KeyRange::text_prefix(&named, attribute.value)
    } else {
        below(&named.text(attribute.value))
    }
}

fn passes(thing: &Thing, filter: Filter<'_>) -> bool {
    let of_type = filter.type_name.is_none_or(|name| thing.type_name.as_deref() == Some(name));
    let has_attribute = filter.attribute.is_none_or(|wanted| {
        thing.attributes.get(wanted.name).is_some_and(|value| {
            if wanted.is_prefix { value.starts_with(wanted.value) } else { value == wanted.value }
        })
    });
    of_type && has_attribute
}

fn by_billing_group(cx: &Cx, group: &str) -> Key {
    cx.key(kinds::THING_BY_BILLING_GROUP).text(group)
}

fn index_keys(cx: &Cx, thing: &Thing) -> Vec<Key> {
    let mut keys = Vec::with_capacity(2 + 2 * thing.attributes.len());
    if let Some(group) = &thing.billing_group_name {
        keys.push(by_billing_group(cx, group).text(&thing.name));
    }
    if let Some(of_type) = &thing.type_name {
        keys.push(cx.key(kinds::THING_BY_TYPE).text(of_type).text(&thing.name));
    }
    for (name, value) in &thing.attributes {
        keys.push(cx.key(kinds::THING_BY_ATTRIBUTE).text(name).text(value).text(&thing.name));
        if let Some(of_type) = &thing.type_name {
            let parent = cx.key(kinds::THING_BY_TYPE_ATTRIBUTE).text(of_type);
            keys.push(parent.text(name).text(value).text(&thing.name));
        }
    }
    keys
}
