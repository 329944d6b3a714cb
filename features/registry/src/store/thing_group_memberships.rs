//! Which groups a thing is in, all in one document so that their number is kept to its bound, and
//! which things a group has, one record each by the group's place in its hierarchy.
//!
//! A group that is deleted takes its records along, but stays named in the documents of its things,
//! which may be any number: what they say holds for as long as the group has the id that they name.

use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Direction, Key};
use types::Tenant;

use super::thing_groups::{self, ThingGroup};
use super::{FORMAT, Stored, below, decode_entries, load, load_many, require_as_read};

/// What stands between a group's place and its things, and is no group's name.
const THINGS: &str = "";

/// The groups of a thing. A thing without any has no such record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Memberships {
    v: u32,
    /// By the groups' names, also of groups that are gone.
    pub(crate) groups: Vec<Membership>,
}

/// That a thing is in a group, without those above it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Membership {
    /// The group's name.
    pub(crate) group: String,
    /// The group's id.
    pub(crate) id: String,
    /// The groups above it, root first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<String>,
    /// New each time that the thing is put into the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    membership_id: Option<String>,
}

impl Membership {
    /// What is said of a thing in `group`, into which it is put now.
    pub(crate) fn new(group: &ThingGroup, membership_id: String) -> Self {
        let ThingGroup { name, id, ancestors, .. } = group;
        Self {
            group: name.clone(),
            id: id.clone(),
            ancestors: ancestors.clone(),
            membership_id: Some(membership_id),
        }
    }

    /// What events call it. One that was made before they did is called as its group.
    pub(crate) fn membership_id(&self) -> &str {
        self.membership_id.as_deref().unwrap_or(&self.id)
    }

    /// The groups whose policies the thing has by it, root first.
    pub(crate) fn lineage(&self) -> impl Iterator<Item = &str> {
        self.ancestors.iter().chain([&self.group]).map(String::as_str)
    }

    /// The group at the top of its hierarchy.
    pub(crate) fn root(&self) -> &str {
        self.ancestors.first().unwrap_or(&self.group)
    }
}

/// Where the groups of `thing` lie.
pub(crate) fn key(tenant: &Tenant, thing: &str) -> Key {
    Key::new(tenant.id, kinds::THING_GROUP_MEMBERSHIP).text(thing)
}

/// The groups of `thing`, also those that are gone.
pub(crate) async fn find(cx: &Cx, thing: &str) -> Result<Option<Stored<Memberships>>, ApiError> {
    load(cx, key(&cx.tenant, thing)).await
}

/// Of what was read, that which is about groups that are still there.
pub(crate) async fn current(
    cx: &Cx,
    stored: Option<&Stored<Memberships>>,
) -> Result<Vec<Membership>, ApiError> {
    let named = memberships(stored);
    let keys: Vec<Key> =
        named.iter().map(|named| thing_groups::key(&cx.tenant, &named.group)).collect();
    let groups: Vec<ThingGroup> = load_many(cx, &keys).await?;
    let is_current = |named: &&Membership| groups.iter().any(|group| group.id == named.id);
    Ok(named.iter().filter(is_current).cloned().collect())
}

/// Puts `thing` in the groups of `after` and no others. That it and the groups stay is the caller's
/// to require.
pub(crate) fn replace(
    cx: &Cx,
    batch: &mut Batch,
    thing: &str,
    before: Option<&Stored<Memberships>>,
    after: &[Membership],
) {
    let place = key(&cx.tenant, thing);
    require_as_read(batch, &place, before);
    let before = memberships(before);
    let is_kept = |old: &Membership| after.iter().any(|new| new.id == old.id);
    for old in before.iter().filter(|old| !is_kept(old)) {
        batch.delete(member_key(cx, old, thing));
    }
    // After what is removed: a group may have the place of one that is gone.
    let is_old = |new: &Membership| before.iter().any(|old| new.id == old.id);
    for new in after.iter().filter(|new| !is_old(new)) {
        batch.put(member_key(cx, new, thing), encode(&thing));
    }
    if after.is_empty() {
        batch.delete(place);
    } else {
        batch.put(place, encode(&Memberships { v: FORMAT, groups: after.to_vec() }));
    }
}

/// Takes `thing` off the list of `group`, whatever its own record says.
pub(crate) fn remove_member(cx: &Cx, batch: &mut Batch, group: &ThingGroup, thing: &str) {
    batch.delete(members(cx, group.lineage()).text(thing));
}

/// Takes all things out of a group that the same batch removes. No other is below it.
pub(crate) fn remove_group(cx: &Cx, batch: &mut Batch, group: &ThingGroup) {
    batch.delete_range(below(&members(cx, group.lineage())));
}

/// Makes the batch fail if there is a thing in `group`.
pub(crate) fn require_none_in_group(cx: &Cx, batch: &mut Batch, group: &ThingGroup) {
    batch.require_empty(below(&members(cx, group.lineage())));
}

/// The first things of `group`, at most `limit` of them.
pub(crate) async fn first_of_group(
    cx: &Cx,
    group: &ThingGroup,
    limit: u32,
) -> Result<Vec<String>, ApiError> {
    let range = below(&members(cx, group.lineage()));
    let page = cx.store().scan(range, None, limit, Direction::Forward).await?;
    decode_entries(&page.entries)
}

/// One page of the things of `group`, and of those below it if asked to, and the token of the next.
pub(crate) async fn page_of_group(
    cx: &Cx,
    group: &ThingGroup,
    is_recursive: bool,
    page: PageRequest<'_>,
) -> Result<(Vec<String>, Option<String>), ApiError> {
    let lineage = group.lineage();
    let parent = if is_recursive { place(cx, lineage) } else { members(cx, lineage) };
    let listing = cx.page(below(&parent), page).await?;
    Ok((decode_entries(&listing.entries)?, listing.next))
}

fn memberships(stored: Option<&Stored<Memberships>>) -> &[Membership] {
    stored.map_or(&[], |stored| &stored.document.groups)
}

fn place<'g>(cx: &Cx, lineage: impl Iterator<Item = &'g str>) -> Key {
    lineage.fold(cx.key(kinds::THING_GROUP_MEMBER), Key::text)
}

fn members<'g>(cx: &Cx, lineage: impl Iterator<Item = &'g str>) -> Key {
    place(cx, lineage).text(THINGS)
}

fn member_key(cx: &Cx, group: &Membership, thing: &str) -> Key {
    members(cx, group.lineage()).text(thing)
}
