//! Who changed a shadow, when, and what: `GET /_ferrite/v1/things/{thing}/shadow/history`.
//!
//! AWS has nothing like it. It is off until `limits.shadow_history_versions_max` is set, and for
//! access keys that no policy binds.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};

use crate::document::Document;
use crate::name::ShadowName;
use crate::store::history::{self, Past};

const PREFIX: &str = "/_ferrite/v1/things/";
const ENDING: &str = "/shadow/history";

/// The route of this module.
pub(crate) fn route() -> RawRoute {
    let matches = RouteMatch::Prefix("GET", PREFIX);
    RawRoute::new(matches, Access::Signed, "GetThingShadowHistory", answer)
}

async fn answer(cx: Cx, request: RawRequest) -> Result<RawResponse, ApiError> {
    if !cx.caller.is_root {
        let message = "Only an access key without a policy may ask who changed shadows.";
        return Err(ApiError::new("AccessDeniedException", message));
    }
    let name = name(&request)?;
    let limits = &cx.app.limits;
    let limit: u32 = number(&request, "limit")?.unwrap_or(limits.page_default);
    let limit = limit.clamp(1, limits.page_max);
    let before = number(&request, "before")?;
    // One more, which says what the last one has changed.
    let page = history::page(cx.store(), &cx.tenant, &name, before, limit + 1).await?;
    let oldest = history::oldest(cx.now().secs(), limits).unwrap_or(i64::MIN);
    let mut kept = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        kept.push(Past::read(entry)?);
    }
    kept.retain(|past| past.timestamp >= oldest);
    let shown = kept.iter().take(limit as usize).enumerate();
    let versions = shown.map(|(index, past)| version(past, kept.get(index + 1)));
    let versions: Vec<Value> = versions.collect::<Result<_, _>>()?;
    RawResponse::json(&json!({
        "thingName": name.thing, "shadowName": name.shadow, "versions": versions,
    }))
}

/// The shadow that a request is about.
fn name(request: &RawRequest) -> Result<ShadowName, ApiError> {
    let thing = request.path.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(ENDING));
    let name = thing.and_then(|thing| ShadowName::checked(thing, request.query_value("name")));
    name.ok_or_else(|| {
        let message = "Ask for /_ferrite/v1/things/THING/shadow/history, with ?name=SHADOW for one \
                       by name; names are as AWS has them.";
        ApiError::not_found(message)
    })
}

fn number<T: std::str::FromStr>(request: &RawRequest, of: &str) -> Result<Option<T>, ApiError> {
    let text = request.query_value(of);
    text.map(|text| text.parse().map_err(|_| ApiError::invalid(format!("{of} is no number."))))
        .transpose()
}

/// A version, and what it has changed of the one before if that is known.
fn version(past: &Past<'_>, before: Option<&Past<'_>>) -> Result<Value, ApiError> {
    let Past { version, timestamp, by, state, .. } = past;
    let mut shown = serde_json::to_value(by).map_err(ApiError::internal)?;
    shown["version"] = (*version).into();
    shown["timestamp"] = (*timestamp).into();
    shown["state"] = state.map_or(Ok(Value::Null), read)?;
    if let Some(before) = before {
        let mut changes = String::new();
        document(before.state)?.changes(&document(*state)?).write_state(&mut changes);
        shown["changes"] = serde_json::from_str(&changes).map_err(ApiError::internal)?;
    }
    Ok(shown)
}

fn read(state: &RawValue) -> Result<Value, ApiError> {
    serde_json::from_str(state.get()).map_err(ApiError::internal)
}

fn document(state: Option<&RawValue>) -> Result<Document<'_>, ApiError> {
    let Some(state) = state else { return Ok(Document::default()) };
    Document::undated(state.get()).map_err(|_| ApiError::internal("a stored state cannot be read"))
}
