//! What binds things and principals: one record from either side, and one per principal that
//! tells whether it belongs to one thing alone.

use model::iot::ThingPrincipalType;
use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Direction, Key};
use types::Tenant;

use super::{FORMAT, Stored, below, load, page_of, require_as_read};
use crate::principal::Principal;

/// That a thing has a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attachment {
    v: u32,
    /// The thing.
    pub(crate) thing: String,
    /// The certificate's ARN or the Cognito identity.
    pub(crate) principal: String,
    /// Whether the principal belongs to this thing alone.
    pub(crate) kind: ThingPrincipalType,
}

/// What is true of all attachments of a principal. It appears with the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Binding {
    v: u32,
    /// The one thing that the principal belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exclusive_thing: Option<String>,
}

/// Where the attachment of `principal` to `thing` lies.
pub(crate) fn key(tenant: &Tenant, thing: &str, principal: &str) -> Key {
    Key::new(tenant.id, kinds::THING_PRINCIPAL).text(thing).text(principal)
}

/// Where it is said what binds `principal` as a whole.
pub(crate) fn binding_key(tenant: &Tenant, principal: &str) -> Key {
    Key::new(tenant.id, kinds::PRINCIPAL).text(principal)
}

/// The attachment of `principal` to `thing`.
pub(crate) async fn find(
    cx: &Cx,
    thing: &str,
    principal: &Principal,
) -> Result<Option<Stored<Attachment>>, ApiError> {
    load(cx, key(&cx.tenant, thing, principal.as_str())).await
}

/// What binds `principal` as a whole.
pub(crate) async fn binding(
    cx: &Cx,
    principal: &Principal,
) -> Result<Option<Stored<Binding>>, ApiError> {
    load(cx, binding_key(&cx.tenant, principal.as_str())).await
}

/// Whether `principal` is attached to a thing.
pub(crate) async fn has_things(cx: &Cx, principal: &Principal) -> Result<bool, ApiError> {
    let range = below(&by_principal(cx, principal.as_str()));
    let page = cx.store().scan(range, None, 1, Direction::Forward).await?;
    Ok(!page.entries.is_empty())
}

/// Makes the batch fail if `thing` has a principal.
pub(crate) fn require_none_of_thing(cx: &Cx, batch: &mut Batch, thing: &str) {
    batch.require_empty(below(&by_thing(cx, thing)));
}

/// Makes the batch fail if `principal` is attached to a thing.
pub(crate) fn require_none_of_principal(cx: &Cx, batch: &mut Batch, principal: &str) {
    batch.require_empty(below(&by_principal(cx, principal)));
}

/// Attaches `principal` to `thing`. `binding` is as it was read: an exclusive attachment
/// replaces it and must be the first, a shared one must find it unchanged.
pub(crate) fn attach(
    cx: &Cx,
    batch: &mut Batch,
    thing: &str,
    principal: &Principal,
    kind: ThingPrincipalType,
    binding: Option<&Stored<Binding>>,
) {
    let principal = principal.as_str();
    let is_exclusive = kind == ThingPrincipalType::ExclusiveThing;
    let place = binding_key(&cx.tenant, principal);
    require_as_read(batch, &place, binding);
    if is_exclusive {
        require_none_of_principal(cx, batch, principal);
    }
    if is_exclusive || binding.is_none() {
        let exclusive_thing = is_exclusive.then(|| thing.to_owned());
        batch.put(place, encode(&Binding { v: FORMAT, exclusive_thing }));
    }
    let (thing, principal) = (thing.to_owned(), principal.to_owned());
    let attachment = Attachment { v: FORMAT, thing, principal, kind };
    for key in both_sides(cx, &attachment) {
        batch.put(key, encode(&attachment));
    }
}

/// Detaches what is attached; the principal of an exclusive attachment is free again.
pub(crate) fn detach(cx: &Cx, batch: &mut Batch, attachment: &Stored<Attachment>) {
    attachment.require_unchanged(batch);
    let Attachment { principal, kind, .. } = &attachment.document;
    if *kind == ThingPrincipalType::ExclusiveThing {
        let free = Binding { v: FORMAT, exclusive_thing: None };
        batch.put(binding_key(&cx.tenant, principal), encode(&free));
    }
    for key in both_sides(cx, &attachment.document) {
        batch.delete(key);
    }
}

/// Forgets a principal that is no longer there.
pub(crate) fn forget(cx: &Cx, batch: &mut Batch, principal: &str) {
    require_none_of_principal(cx, batch, principal);
    batch.delete(binding_key(&cx.tenant, principal));
}

/// One page of the principals of `thing`, and the token of the next.
pub(crate) async fn page_of_thing(
    cx: &Cx,
    thing: &str,
    page: PageRequest<'_>,
) -> Result<(Vec<Attachment>, Option<String>), ApiError> {
    page_of(cx, below(&by_thing(cx, thing)), page).await
}

/// One page of the things of `principal`, and the token of the next.
pub(crate) async fn page_of_principal(
    cx: &Cx,
    principal: &Principal,
    page: PageRequest<'_>,
) -> Result<(Vec<Attachment>, Option<String>), ApiError> {
    page_of(cx, below(&by_principal(cx, principal.as_str())), page).await
}

fn by_thing(cx: &Cx, thing: &str) -> Key {
    cx.key(kinds::THING_PRINCIPAL).text(thing)
}

fn by_principal(cx: &Cx, principal: &str) -> Key {
    cx.key(kinds::PRINCIPAL_THING).text(principal)
}

fn both_sides(cx: &Cx, attachment: &Attachment) -> [Key; 2] {
    let Attachment { thing, principal, .. } = attachment;
    [by_thing(cx, thing).text(principal), by_principal(cx, principal).text(thing)]
}
