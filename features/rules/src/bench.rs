//! Trying a rule before it runs, beyond AWS: `POST /_ferrite/v1/rules/test`.
//!
//! It says whether the rule would take a message, why not, what each expression gives, and what the
//! actions would send; of a message that is given, or of those that really come. Functions are asked
//! for real; actions do not run. Secrets are not told.

mod live;
mod mask;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::iot::TopicRulePayload;
use mqtt::{HashMatch, PublishProperties, QoS};
use serde::Deserialize;
use serde_json::{Value, json};
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};
use sql::{Answers, Halt, Request};

use self::mask::{MASK, Masks, value_of};
use crate::engine::Engine;
use crate::engine::heard::Heard;
use crate::engine::rule::{Rule, reason};
use crate::validation;

use self::live::FromLive;

/// Where rules are tried.
const PATH: &str = "/_ferrite/v1/rules/test";
/// The name of a rule that is only tried.
const NAME: &str = "test";
/// What the trial of one message may ask for.
const REQUESTS_MAX: usize = 16;

/// The route of this module.
pub(crate) fn route(engine: &Arc<Engine>) -> RawRoute {
    let engine = Arc::clone(engine);
    let matches = RouteMatch::Path("POST", PATH);
    RawRoute::new(matches, Access::Signed, "TestTopicRule", move |cx: Cx, request| {
        let engine = Arc::clone(&engine);
        async move { answer(&engine, &cx, &request).await }
    })
}

/// A rule and a message, or those that come.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trial {
    /// As CreateTopicRule has it; `actions` may be missing.
    topic_rule_payload: Value,
    message: Option<TrialMessage>,
    from_live: Option<FromLive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TrialMessage {
    topic: String,
    /// Text; or, in its place, the next.
    payload: Option<String>,
    payload_base64: Option<String>,
    client_id: Option<String>,
    principal: Option<String>,
    source_ip: Option<std::net::IpAddr>,
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data_base64: Option<String>,
    #[serde(default)]
    user_properties: Vec<(String, String)>,
}

impl TrialMessage {
    fn heard(self, cx: &Cx) -> Result<Heard, ApiError> {
        let payload = match (self.payload, self.payload_base64) {
            (Some(text), None) => Bytes::from(text),
            (None, Some(encoded)) => from_base64("message.payloadBase64", &encoded)?,
            (None, None) => Bytes::new(),
            (Some(_), Some(_)) => {
                let message = "message has payload or payloadBase64, not both.";
                return Err(ApiError::invalid(message));
            }
        };
        let correlation_data = self
            .correlation_data_base64
            .map(|encoded| from_base64("message.correlationDataBase64", &encoded))
            .transpose()?;
        let pairs = self.user_properties.into_iter();
        let properties = PublishProperties {
            content_type: self.content_type.map(Into::into),
            response_topic: self.response_topic.map(Into::into),
            correlation_data,
            user_properties: pairs.map(|(key, value)| (key.into(), value.into())).collect(),
            ..PublishProperties::default()
        };
        Ok(Heard {
            tenant: cx.tenant.clone(),
            topic: self.topic,
            payload,
            qos: QoS::AtLeastOnce,
            properties: Some(Box::new(properties)),
            client_id: self.client_id,
            principal: self.principal,
            source_ip: self.source_ip,
            at: cx.now(),
            seed: cx.app.env.random.bytes(),
            hops: 0,
        })
    }
}

async fn answer(engine: &Engine, cx: &Cx, request: &RawRequest) -> Result<RawResponse, ApiError> {
    if !cx.caller.is_root {
        let message = "Only an access key without a policy may try rules.";
        return Err(ApiError::new("AccessDeniedException", message));
    }
    let trial: Trial = serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::invalid(format!("The trial cannot be read: {error}.")))?;
    let definition = definition(trial.topic_rule_payload)?;
    validation::check(&definition, &cx.app.limits)?;
    let rule = Rule::compile(&cx.tenant, NAME, &definition)?;
    match (trial.message, trial.from_live) {
        (Some(message), None) => {
            let heard = message.heard(cx)?;
            let (answers, asked) = ask(engine, &rule, &heard).await;
            RawResponse::json(&told(&rule, &heard, cx, &answers, asked))
        }
        (None, Some(from_live)) => {
            RawResponse::json(&live::try_on(engine, cx, &rule, from_live).await?)
        }
        (Some(_), Some(_)) | (None, None) => {
            Err(ApiError::invalid("A trial has message or fromLive, and not both."))
        }
    }
}

/// A definition without actions selects, and does nothing.
fn definition(mut payload: Value) -> Result<TopicRulePayload, ApiError> {
    if let Some(members) = payload.as_object_mut() {
        members.entry("actions").or_insert_with(|| json!([]));
    }
    let read = serde_json::from_value(payload);
    read.map_err(|error| ApiError::invalid(format!("topicRulePayload cannot be read: {error}.")))
}

/// Gets what the statement and the templates ask for, and says what that was.
async fn ask(engine: &Engine, rule: &Rule, heard: &Heard) -> (Answers, Vec<Value>) {
    let (mut answers, mut asked) = (Answers::default(), Vec::new());
    while let Err(Halt::Wanted(request)) = rule.prepare(heard, engine.now(), &answers) {
        if answers.len() == REQUESTS_MAX {
            break;
        }
        let answer = engine.world.answer(heard, &request).await;
        let is_secret = matches!(*request, Request::Secret { .. });
        let shown = |bytes| if is_secret { MASK.into() } else { String::from_utf8_lossy(bytes) };
        asked.push(json!({
            "request": format!("{request:?}"),
            "answer": answer.as_ref().ok().map(|bytes| shown(bytes)),
            "error": answer.as_ref().err(),
        }));
        answers.insert(*request, answer);
    }
    (answers, asked)
}

fn told(rule: &Rule, heard: &Heard, cx: &Cx, answers: &Answers, asked: Vec<Value>) -> Value {
    let (steps, output) = rule.explain(heard, cx.now(), answers);
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| json!({ "expression": step.expression, "value": value_of(step) }))
        .collect();
    let (matched, output, error) = match output {
        Ok(output) => (output.is_some(), output, None),
        Err(halt) => (false, None, Some(reason(&halt))),
    };
    let text = output.as_ref().and_then(|output| std::str::from_utf8(output).ok());
    let base64 = output.as_ref().filter(|_| text.is_none()).map(|output| STANDARD.encode(output));
    let filter = rule.filter.as_ref();
    let mut told = json!({
        "topicMatches": filter.map(|it| it.matches(&heard.topic, HashMatch::ChildrenOnly)),
        "condition": rule.condition(),
        "matched": matched,
        "output": text,
        "outputBase64": base64,
        "error": error,
        "steps": steps,
        "asked": asked,
        "actions": actions(rule, heard, cx, answers),
    });
    Masks::of(answers).hide(&mut told);
    told
}

fn actions(rule: &Rule, heard: &Heard, cx: &Cx, answers: &Answers) -> Vec<Value> {
    let Ok(Some(calls)) = rule.prepare(heard, cx.now(), answers) else { return Vec::new() };
    let names = rule.action_names();
    let told = names.zip(calls).map(|(name, call)| match call {
        Ok(call) => {
            json!({ "action": name, "resource": call.resource(), "inputs": call.inputs() })
        }
        Err(error) => json!({ "action": name, "error": error.to_string() }),
    });
    told.collect()
}

fn from_base64(member: &str, encoded: &str) -> Result<Bytes, ApiError> {
    let decoded = STANDARD.decode(encoded).map(Bytes::from);
    decoded.map_err(|_| ApiError::invalid(format!("{member} is not base64.")))
}
