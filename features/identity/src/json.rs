//! Bodies and queries of the administration's requests.

use serde::de::DeserializeOwned;
use service::{ApiError, RawRequest};
use types::AccountId;

/// The body as `T`; no body is an empty object.
pub(crate) fn body<T: DeserializeOwned>(request: &RawRequest) -> Result<T, ApiError> {
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid(format!("The body cannot be read: {error}.")))
}

/// The account that the query names, if it names one.
pub(crate) fn account(request: &RawRequest) -> Result<Option<AccountId>, ApiError> {
    let named = request.query_value("account").map(str::parse).transpose();
    named.map_err(|error| ApiError::invalid(format!("The account is invalid: {error}.")))
}
