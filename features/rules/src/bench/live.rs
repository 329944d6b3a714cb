//! Trying a rule on messages that really came: lately, or while the caller waits.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mqtt::TopicFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::{ApiError, Cx};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::{ask, told};
use crate::engine::Engine;
use crate::engine::heard::Heard;
use crate::engine::recent::Waiting;
use crate::engine::rule::Rule;

/// Messages of one trial.
const COUNT_MAX: usize = 1000;
/// How long a trial may wait for messages.
const WAIT_S_MAX: u64 = 60;
/// How long it may take to try them, once they are there.
const TRYING_MAX: Duration = Duration::from_secs(30);
/// What all of them together may ask for from outside.
const REQUESTS_MAX: usize = 128;
/// What the answer may grow to.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// On how many messages, and how long to wait for them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FromLive {
    count: usize,
    #[serde(default)]
    wait_seconds: u64,
}

/// How many messages there were, and what became of them.
#[derive(Default, Serialize)]
struct Summary {
    messages: usize,
    matched: usize,
    unmatched: usize,
    failed: usize,
    /// Beyond the bounds of a trial.
    untried: usize,
}

/// Tries `rule` on the last messages that its FROM matches, and on those that come.
pub(super) async fn try_on(
    engine: &Engine,
    cx: &Cx,
    rule: &Rule,
    from: FromLive,
) -> Result<Value, ApiError> {
    let filter = check(rule, &from)?;
    let heard = gather(engine, cx, filter, &from).await?;
    let mut summary = Summary { messages: heard.len(), ..Summary::default() };
    let (mut messages, mut requests, mut bytes) = (Vec::new(), 0, 0);
    let began = cx.now();
    for message in &heard {
        let is_late = cx.now().since(began) >= TRYING_MAX;
        if is_late || requests >= REQUESTS_MAX || bytes >= ANSWER_BYTES_MAX {
            break;
        }
        let (answers, asked) = ask(engine, rule, message).await;
        requests += asked.len();
        let verdict = with_message(told(rule, message, cx, &answers, asked), message);
        bytes += verdict.to_string().len();
        summary.count(&verdict);
        messages.push(verdict);
        yield_now().await;
    }
    summary.untried = heard.len() - messages.len();
    Ok(json!({ "summary": summary, "messages": messages }))
}

fn check<'r>(rule: &'r Rule, from: &FromLive) -> Result<&'r TopicFilter, ApiError> {
    if !(1..=COUNT_MAX).contains(&from.count) {
        let message = format!("fromLive.count is from 1 to {COUNT_MAX}.");
        return Err(ApiError::invalid(message));
    }
    if from.wait_seconds > WAIT_S_MAX {
        let message = format!("fromLive.waitSeconds is at most {WAIT_S_MAX}.");
        return Err(ApiError::invalid(message));
    }
    let unknown =
        "fromLive needs a statement with FROM: messages that go to one rule are not kept.";
    rule.filter.as_ref().ok_or_else(|| ApiError::invalid(unknown))
}

/// Messages that `filter` matches, in the order in which they came.
async fn gather(
    engine: &Engine,
    cx: &Cx,
    filter: &TopicFilter,
    from: &FromLive,
) -> Result<Vec<Heard>, ApiError> {
    let latest = || engine.recent.latest(&cx.tenant, filter, from.count);
    if from.wait_seconds == 0 {
        return Ok(latest());
    }
    // First, so that nothing comes in between.
    let mut waiting = engine.recent.wait(&cx.tenant, filter, from.count)?;
    let mut heard = latest();
    let mut shutdown = cx.app.env.tasks.shutdown_signal();
    tokio::select! {
        biased;
        () = shutdown.begun() => {}
        _ = timeout(Duration::from_secs(from.wait_seconds), fill(&mut heard, &mut waiting, from.count)) => {}
    }
    Ok(heard)
}

async fn fill(heard: &mut Vec<Heard>, waiting: &mut Waiting<'_>, count: usize) {
    let before = heard.len();
    while heard.len() < count {
        let Some(message) = waiting.next().await else { return };
        // What came at the very moment may be known from both sides.
        if !heard.iter().take(before).any(|known| is_same(known, &message)) {
            heard.push(message);
        }
    }
}

fn is_same(one: &Heard, other: &Heard) -> bool {
    (one.at, &one.topic, &one.client_id, &one.payload)
        == (other.at, &other.topic, &other.client_id, &other.payload)
}

/// A verdict, and which message it is about.
fn with_message(mut verdict: Value, heard: &Heard) -> Value {
    let text = std::str::from_utf8(&heard.payload).ok();
    let base64 = text.is_none().then(|| STANDARD.encode(&heard.payload));
    let members = [
        ("topic", json!(heard.topic)),
        ("at", json!(heard.at.millis())),
        ("clientId", json!(heard.client_id)),
        ("payload", json!(text)),
        ("payloadBase64", json!(base64)),
        ("outcome", json!(outcome(&verdict))),
    ];
    if let Some(verdict) = verdict.as_object_mut() {
        verdict.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    verdict
}

/// A message fails if its statement does, or if what one of the actions would do cannot be said.
fn outcome(verdict: &Value) -> &'static str {
    let has_error = |value: &Value| value.get("error").is_some_and(|error| !error.is_null());
    let has_failed =
        |action: &Value| has_error(action) || action.get("inputs").is_some_and(has_error);
    let actions = verdict.get("actions").and_then(Value::as_array);
    if has_error(verdict) || actions.is_some_and(|actions| actions.iter().any(has_failed)) {
        return "failed";
    }
    match verdict.get("matched") == Some(&Value::Bool(true)) {
        true => "matched",
        false => "unmatched",
    }
}

impl Summary {
    fn count(&mut self, verdict: &Value) {
        match verdict.get("outcome").and_then(Value::as_str) {
            Some("matched") => self.matched += 1,
            Some("unmatched") => self.unmatched += 1,
            _ => self.failed += 1,
        }
    }
}
