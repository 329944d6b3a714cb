//! Registration codes: one for each tenant, once it has asked for it.

use serde::{Deserialize, Serialize};
use service::{ApiError, Cx, encode, kinds};
use store::{Batch, Key};

use super::{FORMAT, Stored, load};

/// What a CA signs so that its holder is known to hold its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistrationCode {
    v: u32,
    /// 64 characters of lower-case hex.
    pub(crate) code: String,
}

/// The tenant's code.
pub(crate) async fn find(cx: &Cx) -> Result<Option<Stored<RegistrationCode>>, ApiError> {
    load(cx, code_key(cx)).await
}

/// Gives the tenant, which must not have one, a code.
pub(crate) fn create(cx: &Cx, batch: &mut Batch, code: &str) {
    let key = code_key(cx);
    batch.require_absent(key.clone());
    batch.put(key, encode(&RegistrationCode { v: FORMAT, code: code.to_owned() }));
}

/// Removes the code.
pub(crate) fn delete(batch: &mut Batch, code: &Stored<RegistrationCode>) {
    code.require_unchanged(batch);
    batch.delete(code.key.clone());
}

fn code_key(cx: &Cx) -> Key {
    cx.key(kinds::REGISTRATION_CODE)
}
