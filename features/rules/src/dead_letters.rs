//! Dead letters over HTTP, beyond AWS: `/_ferrite/v1/rules/{rule}/dead-letters`.
//!
//! `GET` lists them, oldest first (`limit`, `after`); `GET …/{id}` shows one; `POST …/{id}/retry`
//! and `POST …/retry` have the rule try again; `DELETE …/{id}` and `DELETE …` drop them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};
use store::Batch;

use crate::engine::Engine;
use crate::engine::heard::Heard;
use crate::engine::run::{Kept, Run};
use crate::store::dead_letters::{self, DeadLetter};

const PREFIX: &str = "/_ferrite/v1/rules/";
const NOUN: &str = "dead-letters";
/// Dead letters that one request has tried again.
const RETRIED_MAX: u32 = 1000;

/// The routes of this module.
pub(crate) fn routes(engine: &Arc<Engine>) -> Vec<RawRoute> {
    let route = |method, operation| {
        let engine = Arc::clone(engine);
        let matches = RouteMatch::Prefix(method, PREFIX);
        RawRoute::new(matches, Access::Signed, operation, move |cx: Cx, request| {
            let engine = Arc::clone(&engine);
            async move { answer(&engine, &cx, request).await }
        })
    };
    vec![
        route("GET", "ListRuleDeadLetters"),
        route("POST", "RetryRuleDeadLetters"),
        route("DELETE", "DeleteRuleDeadLetters"),
    ]
}

async fn answer(
    engine: &Arc<Engine>,
    cx: &Cx,
    request: RawRequest,
) -> Result<RawResponse, ApiError> {
    if !cx.caller.is_root {
        let message = "Only an access key without a policy may see dead letters.";
        return Err(ApiError::new("AccessDeniedException", message));
    }
    let rest = request.path.strip_prefix(PREFIX).unwrap_or_default();
    let levels: Vec<&str> = rest.split('/').collect();
    match (request.method.as_str(), levels.as_slice()) {
        ("GET", [rule, NOUN]) => list(cx, rule, &request).await,
        ("GET", [rule, NOUN, id]) => show(cx, rule, number(id)?).await,
        ("POST", [rule, NOUN, "retry"]) => retry_all(engine, cx, rule).await,
        ("POST", [rule, NOUN, id, "retry"]) => retry(engine, cx, rule, number(id)?).await,
        ("DELETE", [rule, NOUN]) => delete_all(engine, cx, rule).await,
        ("DELETE", [rule, NOUN, id]) => delete(engine, cx, rule, number(id)?).await,
        _ => Err(ApiError::not_found(
            "Ask for /_ferrite/v1/rules/RULE/dead-letters, with /ID for one, and POST to …/retry.",
        )),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'l> {
    id: String,
    at: i64,
    #[serde(flatten)]
    about: About<'l>,
}

/// The error document, inside the answer.
#[derive(Serialize)]
struct About<'l> {
    document: &'l RawValue,
}

fn shown(id: u64, letter: &DeadLetter) -> Shown<'_> {
    let about = About { document: &letter.document };
    Shown { id: id.to_string(), at: letter.at.millis(), about }
}

async fn list(cx: &Cx, rule: &str, request: &RawRequest) -> Result<RawResponse, ApiError> {
    let limit = request.query_value("limit").map(number).transpose()?;
    let limit = limit.and_then(|limit| u32::try_from(limit).ok());
    let limit = limit.unwrap_or(cx.app.limits.page_default).clamp(1, cx.app.limits.page_max);
    let after = request.query_value("after").map(number).transpose()?;
    let (letters, has_more) = dead_letters::page(&cx.app, &cx.tenant, rule, after, limit).await?;
    let next = letters.last().filter(|_| has_more).map(|(id, _)| id.to_string());
    let letters: Vec<_> = letters.iter().map(|(id, letter)| shown(*id, letter)).collect();
    RawResponse::json(&json!({ "ruleName": rule, "deadLetters": letters, "next": next }))
}

async fn show(cx: &Cx, rule: &str, id: u64) -> Result<RawResponse, ApiError> {
    RawResponse::json(&shown(id, &find(cx, rule, id).await?))
}

async fn retry_all(engine: &Arc<Engine>, cx: &Cx, rule: &str) -> Result<RawResponse, ApiError> {
    let (letters, has_more) =
        dead_letters::page(&cx.app, &cx.tenant, rule, None, RETRIED_MAX).await?;
    for (id, letter) in &letters {
        try_again(engine, cx, rule, *id, letter)?;
    }
    RawResponse::json(&json!({ "retried": letters.len(), "hasMore": has_more }))
}

async fn retry(
    engine: &Arc<Engine>,
    cx: &Cx,
    rule: &str,
    id: u64,
) -> Result<RawResponse, ApiError> {
    try_again(engine, cx, rule, id, &find(cx, rule, id).await?)?;
    RawResponse::json(&json!({ "retried": 1 }))
}

/// Has the rule, as it is now, run for a dead letter, which goes when it is taken.
fn try_again(
    engine: &Arc<Engine>,
    cx: &Cx,
    name: &str,
    id: u64,
    letter: &DeadLetter,
) -> Result<(), ApiError> {
    let rule = engine.rule(cx.tenant.id, name).ok_or_else(|| {
        ApiError::not_found(format!("Rule {name} is not there, or it is disabled."))
    })?;
    let unreadable = || ApiError::internal("a dead letter cannot be read");
    let bytes = STANDARD.decode(&letter.message).map_err(|_| unreadable())?;
    let tenant = |number: u32| (number == cx.tenant.id.0).then(|| cx.tenant.clone());
    let heard = Heard::decode(&bytes.into(), tenant).map_err(|_| unreadable())?;
    let kept = Kept::Letter(dead_letters::key(&cx.tenant, name, id));
    Run::start(engine, &rule, &Arc::new(heard), kept);
    Ok(())
}

async fn delete(engine: &Engine, cx: &Cx, rule: &str, id: u64) -> Result<RawResponse, ApiError> {
    find(cx, rule, id).await?;
    dead_letters::delete(&cx.app, dead_letters::key(&cx.tenant, rule, id)).await?;
    engine.recount_dead_letters(&cx.tenant, rule);
    RawResponse::json(&json!({ "deleted": 1 }))
}

async fn delete_all(engine: &Engine, cx: &Cx, rule: &str) -> Result<RawResponse, ApiError> {
    let mut batch = Batch::new();
    batch.delete_range(dead_letters::of_rule(&cx.tenant, rule));
    cx.commit(batch).await?;
    engine.recount_dead_letters(&cx.tenant, rule);
    RawResponse::json(&json!({}))
}

async fn find(cx: &Cx, rule: &str, id: u64) -> Result<DeadLetter, ApiError> {
    let found = dead_letters::find(&cx.app, &cx.tenant, rule, id).await?;
    found.ok_or_else(|| ApiError::not_found(format!("Rule {rule} has no dead letter {id}.")))
}

fn number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::invalid(format!("{text} is no number.")))
}
