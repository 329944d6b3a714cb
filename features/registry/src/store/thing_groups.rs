//! Thing groups: documents by name, indexes of what is below a group, and how many there are.
//!
//! A group's place is fixed when it is created, and no group goes while another is below it: the
//! names of a group's ancestors are good for as long as it exists.

use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Condition, Key, KeyRange};
use types::{Tenant, Timestamp};

use super::{FORMAT, Stored, below, decode_entries, load, load_many, require_as_read};
use crate::attributes::Attributes;

/// What stands for the parent of a group that has none.
const NO_PARENT: &str = "";

/// A thing group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingGroup {
    v: u32,
    /// Its name, for ever.
    pub(crate) name: String,
    /// New for each creation.
    pub(crate) id: String,
    /// The groups above it, root first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ancestors: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Its attributes, which its things do not inherit.
    pub(crate) attributes: Attributes,
    /// What a thing must be to be in it; a static group asks nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<Query>,
    /// When it was created.
    pub(crate) created: Timestamp,
    /// 1, and one more with each update.
    pub(crate) version: i64,
}

/// What decides which things are in a dynamic group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Query {
    /// The index that is asked.
    pub(crate) index: String,
    /// The query, as the client wrote it.
    pub(crate) text: String,
    /// The language of the query.
    pub(crate) version: String,
}

/// Which groups are listed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter<'a> {
    /// Those below this one.
    pub(crate) parent: Option<&'a str>,
    /// Those whose names begin so.
    pub(crate) name_prefix: Option<&'a str>,
    /// Whether children's children are listed too.
    pub(crate) is_recursive: bool,
}

/// How many groups there are of a sort that has a bound, as it was read.
pub(crate) struct Counter {
    key: Key,
    read: Option<Stored<Count>>,
}

/// A number of groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    v: u32,
    groups: usize,
}

impl ThingGroup {
    /// The first version of a static group at the top.
    pub(crate) fn new(
        name: String,
        id: String,
        description: Option<String>,
        attributes: Attributes,
        created: Timestamp,
    ) -> Self {
        Self {
            v: FORMAT,
            name,
            id,
            ancestors: Vec::new(),
            description,
            attributes,
            query: None,
            created,
            version: 1,
        }
    }

    /// It and the groups above it, root first.
    pub(crate) fn lineage(&self) -> impl Iterator<Item = &str> {
        self.ancestors.iter().chain([&self.name]).map(String::as_str)
    }

    /// The group directly above it.
    pub(crate) fn parent(&self) -> Option<&str> {
        self.ancestors.last().map(String::as_str)
    }

    /// Whether a query decides which things are in it.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.query.is_some()
    }
}

impl Counter {
    /// The number.
    pub(crate) fn count(&self) -> usize {
        self.read.as_ref().map_or(0, |read| read.document.groups)
    }

    /// Makes the number another, if it is still as it was read.
    fn set(&self, batch: &mut Batch, groups: usize) {
        require_as_read(batch, &self.key, self.read.as_ref());
        batch.put(self.key.clone(), encode(&Count { v: FORMAT, groups }));
    }
}

/// Where the group called `name` lies.
pub(crate) fn key(tenant: &Tenant, name: &str) -> Key {
    Key::new(tenant.id, kinds::THING_GROUP).text(name)
}

/// The ARN of the group called `name`.
pub(crate) fn arn(tenant: &Tenant, name: &str) -> String {
    tenant.arn("iot", &format!("thinggroup/{name}"))
}

/// The group called `name`.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Option<Stored<ThingGroup>>, ApiError> {
    load(cx, key(&cx.tenant, name)).await
}

/// The groups above `group`, root first.
pub(crate) async fn above(cx: &Cx, group: &ThingGroup) -> Result<Vec<ThingGroup>, ApiError> {
    let keys: Vec<Key> = group.ancestors.iter().map(|name| key(&cx.tenant, name)).collect();
    load_many(cx, &keys).await
}

/// Makes the batch fail if there is no group called `name`.
pub(crate) fn require(cx: &Cx, batch: &mut Batch, name: &str) {
    batch.require_exists(key(&cx.tenant, name));
}

/// What `group` is counted among: the children of its parent, or the dynamic groups. Nobody counts
/// static groups at the top.
pub(crate) async fn counter(cx: &Cx, group: &ThingGroup) -> Result<Option<Counter>, ApiError> {
    let key = match group.parent() {
        Some(parent) => child_count(cx, parent),
        None if group.is_dynamic() => cx.key(kinds::DYNAMIC_THING_GROUP_COUNT),
        None => return Ok(None),
    };
    let read = load(cx, key.clone()).await?;
    Ok(Some(Counter { key, read }))
}

/// Adds a group whose name must be free, and counts it. That its parent stays is the caller's to
/// require.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, group: &ThingGroup, counter: Option<&Counter>) {
    let place = key(&cx.tenant, &group.name);
    batch.require_absent(place.clone());
    batch.put(place, encode(group));
    for index in index_keys(cx, group) {
        batch.put(index, encode(&group.name));
    }
    if let Some(counter) = counter {
        counter.set(batch, counter.count() + 1);
    }
}

/// Replaces `before` by `after`, of the same name in the same place.
pub(crate) fn replace(batch: &mut Batch, before: &Stored<ThingGroup>, after: &ThingGroup) {
    before.require_unchanged(batch);
    batch.put(before.key.clone(), encode(after));
}

/// Makes the batch fail, by a condition that [`is_about_children`], if a group is below that called
/// `name`.
pub(crate) fn require_no_children(cx: &Cx, batch: &mut Batch, name: &str) {
    batch.require_empty(below(&children(cx, name)));
}

/// Whether a condition that failed says that a group is below that called `name`.
pub(crate) fn is_about_children(cx: &Cx, name: &str, condition: &Condition) -> bool {
    *condition == Condition::Empty(below(&children(cx, name)))
}

/// Removes a group that no other is below, with its tags, and counts one less.
pub(crate) fn delete(
    cx: &Cx,
    batch: &mut Batch,
    group: &Stored<ThingGroup>,
    counter: Option<&Counter>,
) {
    let name = &group.document.name;
    group.require_unchanged(batch);
    require_no_children(cx, batch, name);
    batch.delete(group.key.clone());
    batch.delete(child_count(cx, name));
    for index in index_keys(cx, &group.document) {
        batch.delete(index);
    }
    if let Some(counter) = counter {
        counter.set(batch, counter.count().saturating_sub(1));
    }
    super::tags::delete(cx, batch, &arn(&cx.tenant, name));
}

/// One page of the names of the groups that pass `filter`, and the token of the next.
pub(crate) async fn page(
    cx: &Cx,
    filter: Filter<'_>,
    page: PageRequest<'_>,
) -> Result<(Vec<String>, Option<String>), ApiError> {
    let (listed, is_index) = match (filter.parent, filter.is_recursive) {
        (None, true) => (cx.key(kinds::THING_GROUP), false),
        (None, false) => (children(cx, NO_PARENT), true),
        (Some(parent), true) => (descendants(cx, parent), true),
        (Some(parent), false) => (children(cx, parent), true),
    };
    let range = KeyRange::text_prefix(&listed, filter.name_prefix.unwrap_or_default());
    let listing = cx.page(range, page).await?;
    if is_index {
        return Ok((decode_entries(&listing.entries)?, listing.next));
    }
    let groups: Vec<ThingGroup> = decode_entries(&listing.entries)?;
    Ok((groups.into_iter().map(|group| group.name).collect(), listing.next))
}

fn children(cx: &Cx, parent: &str) -> Key {
    cx.key(kinds::THING_GROUP_CHILD).text(parent)
}

fn descendants(cx: &Cx, ancestor: &str) -> Key {
    cx.key(kinds::THING_GROUP_DESCENDANT).text(ancestor)
}

fn child_count(cx: &Cx, parent: &str) -> Key {
    cx.key(kinds::THING_GROUP_CHILD_COUNT).text(parent)
}

fn index_keys(cx: &Cx, group: &ThingGroup) -> Vec<Key> {
    let parent = group.parent().unwrap_or(NO_PARENT);
    let above = group.ancestors.iter().map(|ancestor| descendants(cx, ancestor));
    above.chain([children(cx, parent)]).map(|key| key.text(&group.name)).collect()
}
