//! `GET /_ferrite/v1/audit`: who changed what in the caller's account, newest first.

use serde_json::json;
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};

use crate::caller;

/// Records in an answer unless the query has another `limit`.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

pub(crate) fn route() -> RawRoute {
    let matches = RouteMatch::Path("GET", "/_ferrite/v1/audit");
    RawRoute::new(matches, Access::Signed, "ListAuditRecords", list)
}

async fn list(cx: Cx, request: RawRequest) -> Result<RawResponse, ApiError> {
    let account = caller::account(&cx, None)?;
    let limit = read_limit(&request)?;
    let records = cx.app.audit.newest(cx.store(), account, limit).await?;
    RawResponse::json(&json!({ "records": records }))
}

fn read_limit(request: &RawRequest) -> Result<usize, ApiError> {
    let Some(text) = request.query_value("limit") else { return Ok(LIMIT_DEFAULT) };
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| ApiError::invalid(format!("The limit must be 1 to {LIMIT_MAX}.")))
}
