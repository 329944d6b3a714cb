//! Who changed a shadow, when, and what: `GET /_ferrite/v1/things/{thing}/shadow/history`.
//!
//! AWS has nothing like it. It is off until `limits.shadow_history_versions_max` is set, and for
//! access keys that no policy binds.

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::value::RawValue;
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};

use crate::document::Document;
use crate::name::ShadowName;
use crate::store::history::{self, Author, Past};

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
    // Two more: what the last one has changed is seen in the one before, and what was deleted is
    // shown with its deletion, since it has the same version.
    let page = history::page(cx.store(), &cx.tenant, &name, before, limit + 2).await?;
    let oldest = history::oldest(cx.now().secs(), limits).unwrap_or(i64::MIN);
    let kept = page.entries.iter().map(Past::read).collect::<Result<Vec<_>, _>>()?;
    let kept: Vec<_> = kept.into_iter().filter(|past| past.timestamp >= oldest).collect();
    let mut shown = (limit as usize).min(kept.len());
    let has_same = |one: usize| {
        let (last, next) = (kept.get(one.wrapping_sub(1)), kept.get(one));
        last.zip(next).is_some_and(|(last, next)| last.version == next.version)
    };
    shown += usize::from(has_same(shown));
    let versions = kept.iter().take(shown).enumerate();
    let versions = versions.map(|(index, past)| Shown::of(past, kept.get(index + 1)));
    let versions = versions.collect::<Result<Vec<_>, _>>()?;
    RawResponse::json(&Answer {
        thing_name: &name.thing,
        shadow_name: name.shadow.as_deref(),
        versions,
    })
}

/// What is answered. Numbers are as they were written, which a general value would not keep.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'r> {
    thing_name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow_name: Option<&'r str>,
    versions: Vec<Shown<'r>>,
}

#[derive(Serialize)]
struct Shown<'r> {
    version: u64,
    timestamp: i64,
    #[serde(flatten)]
    by: &'r Author<'r>,
    state: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Box<RawValue>>,
}

impl<'r> Shown<'r> {
    /// A version, and what it has changed of the one before if that is known.
    fn of(past: &'r Past<'r>, before: Option<&Past<'_>>) -> Result<Self, ApiError> {
        let Past { version, timestamp, by, state, .. } = past;
        let changes = before.map(|before| changes(before.state, *state)).transpose()?;
        Ok(Self { version: *version, timestamp: *timestamp, by, state: *state, changes })
    }
}

/// The shadow that a request is about.
fn name(request: &RawRequest) -> Result<ShadowName, ApiError> {
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    let thing = request.path.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(ENDING));
    let shadow = request.query_value("name").map(decoded);
    let name = thing.and_then(|thing| ShadowName::checked(&decoded(thing), shadow.as_deref()));
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

fn changes(before: Option<&RawValue>, after: Option<&RawValue>) -> Result<Box<RawValue>, ApiError> {
    let mut changes = String::new();
    document(before)?.changes(&document(after)?).write_state(&mut changes);
    RawValue::from_string(changes).map_err(ApiError::internal)
}

fn document(state: Option<&RawValue>) -> Result<Document<'_>, ApiError> {
    let Some(state) = state else { return Ok(Document::default()) };
    Document::undated(state.get()).map_err(|_| ApiError::internal("a stored state cannot be read"))
}
