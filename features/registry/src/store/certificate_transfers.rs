//! Certificates on their way between accounts: what an account may accept, and what has left.
//!
//! Both point at the certificate, which lies where it was until it is accepted.

use service::{ApiError, Cx, PageRequest, encode, kinds};
use store::{Batch, Key};
use types::{AccountId, Tenant, TenantId};

use super::certificates::{Certificate, Registration, Transfer, page_below, time_number};
use super::{exists, load};

/// Whether somebody offers the certificate with this id to `account`, in the caller's region.
pub(crate) async fn is_offered(cx: &Cx, account: AccountId, id: &str) -> Result<bool, ApiError> {
    exists(cx, &offer_key(cx, account, id)).await
}

/// Whose the certificate with this id is that is offered to the caller's account.
pub(crate) async fn owner(cx: &Cx, id: &str) -> Result<Option<Tenant>, ApiError> {
    let offer = load::<Registration>(cx, offer_key(cx, cx.tenant.account, id)).await?;
    Ok(offer.and_then(|offer| offer.document.tenant()))
}

/// Offers a certificate of `cx`, which nobody else must offer to the same account.
pub(crate) fn begin(cx: &Cx, batch: &mut Batch, id: &str, transfer: &Transfer) {
    let offer = offer_key(cx, transfer.to, id);
    batch.require_absent(offer.clone());
    batch.put(offer, encode(&Registration::of(&cx.tenant)));
    batch.put(outgoing_key(cx, id, transfer), encode(&id));
}

/// Takes the offer of a certificate of `cx` back.
pub(crate) fn end(cx: &Cx, batch: &mut Batch, id: &str, transfer: &Transfer) {
    batch.delete(offer_key(cx, transfer.to, id));
    batch.delete(outgoing_key(cx, id, transfer));
}

/// One page of the certificates that were offered and not yet taken, by when that was, and the
/// token of the next.
pub(crate) async fn page(
    cx: &Cx,
    page: PageRequest<'_>,
) -> Result<(Vec<Certificate>, Option<String>), ApiError> {
    page_below(cx, &cx.key(kinds::CERTIFICATE_OUTGOING), page).await
}

/// A transfer stays in its region.
fn offer_key(cx: &Cx, account: AccountId, id: &str) -> Key {
    let all = Key::new(TenantId::GLOBAL, kinds::CERTIFICATE_TRANSFER);
    all.text(account.as_str()).text(cx.tenant.region.as_str()).text(id)
}

fn outgoing_key(cx: &Cx, id: &str, transfer: &Transfer) -> Key {
    cx.key(kinds::CERTIFICATE_OUTGOING).number(time_number(transfer.offered)).text(id)
}
