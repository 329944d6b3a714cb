//! `ferrite rule test` and `ferrite rules dead-letters`: what a rule does, and what it could not do.
#![allow(clippy::print_stdout, reason = "commands answer on the terminal")]

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use types::Timestamp;

use crate::client::{self, encode};
use crate::config::Config;

/// What `ferrite rule test` was told.
#[derive(clap::Args)]
pub(crate) struct Trial {
    /// The statement
    #[arg(long)]
    sql: String,
    /// The topic of the message
    #[arg(long, required_unless_present = "from_live")]
    topic: Option<String>,
    /// The message
    #[arg(long, default_value = "", conflicts_with = "payload_file")]
    payload: String,
    /// A file that has the message, which may be no text
    #[arg(long, value_name = "FILE")]
    payload_file: Option<PathBuf>,
    /// The version of SQL
    #[arg(long, value_name = "VERSION", default_value = "2016-03-23")]
    sql_version: String,
    /// The actions, as CreateTopicRule has them: a JSON array
    #[arg(long, value_name = "FILE")]
    actions: Option<PathBuf>,
    /// Who sends it
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Try it on the last N messages that its FROM matches, in place of one that is given
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = ["topic", "payload", "payload_file", "client_id"]
    )]
    from_live: Option<u32>,
    /// Wait so long for messages, if there are fewer
    #[arg(long, value_name = "SECONDS", requires = "from_live", default_value_t = 0)]
    wait: u32,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
}

/// `ferrite rules dead-letters`.
#[derive(clap::Subcommand)]
pub(crate) enum DeadLetters {
    /// List what no action of a rule has taken, the oldest first
    List {
        /// The rule
        rule: String,
        /// So many
        #[arg(long, value_name = "N", default_value_t = 50)]
        max: u32,
    },
    /// Show one, with the message and every failure
    Show {
        /// The rule
        rule: String,
        /// As it is listed
        id: u64,
    },
    /// Have the rule, as it is now, try one again, or all
    Retry {
        /// The rule
        rule: String,
        /// As it is listed; all without it
        id: Option<u64>,
    },
    /// Drop one
    Delete {
        /// The rule
        rule: String,
        /// As it is listed
        id: u64,
    },
}

/// `ferrite rule test`.
pub(crate) fn test(config: &Config, trial: &Trial) -> anyhow::Result<()> {
    let mut payload = json!({ "sql": trial.sql, "awsIotSqlVersion": trial.sql_version });
    if let Some(path) = &trial.actions {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("could not read {}", path.display()))?;
        let actions: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        payload["actions"] = actions;
    }
    let mut body = json!({ "topicRulePayload": payload });
    match trial.from_live {
        Some(count) => body["fromLive"] = json!({ "count": count, "waitSeconds": trial.wait }),
        None => body["message"] = message(trial)?,
    }
    let answer = client::call(config, "POST", "/_ferrite/v1/rules/test", &body)?;
    if trial.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else if trial.from_live.is_some() {
        print!("{}", verdicts(&answer));
    } else {
        print!("{}", verdict(&answer));
    }
    Ok(())
}

/// The message that a rule is tried on.
fn message(trial: &Trial) -> anyhow::Result<Value> {
    let mut message = json!({ "topic": trial.topic, "clientId": trial.client_id });
    match &trial.payload_file {
        None => message["payload"] = trial.payload.as_str().into(),
        Some(path) => {
            let bytes = fs::read(path);
            let bytes = bytes.with_context(|| format!("could not read {}", path.display()))?;
            message["payloadBase64"] = STANDARD.encode(bytes).into();
        }
    }
    Ok(message)
}

/// What a trial on messages that came gave: a line for each, why for those that a rule would not
/// have taken, and how many there were of which.
fn verdicts(answer: &Value) -> String {
    let mut lines = String::new();
    for message in answer.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        let at = message.get("at").and_then(Value::as_i64).unwrap_or_default();
        let at = Timestamp::from_millis(at).to_rfc3339();
        let (topic, client) = (text("topic").unwrap_or_default(), text("clientId").unwrap_or("-"));
        let all = verdict(message);
        // Of a message that the rule takes, what it selects says enough.
        let is_taken = text("outcome") == Some("matched");
        let lines_max = if is_taken { 1 } else { usize::MAX };
        let mut told = all.lines().take(lines_max);
        let first = told.next().unwrap_or_default();
        lines.extend([&*at, "  ", topic, "  ", client, "  ", first, "\n"]);
        lines.extend(told.flat_map(|line| ["  ", line, "\n"]));
    }
    lines + &summary(answer.get("summary").unwrap_or(&Value::Null))
}

/// How many messages there were, and what became of them.
fn summary(summary: &Value) -> String {
    let count = |name: &str| summary.get(name).and_then(Value::as_u64).unwrap_or_default();
    let [messages, matched, unmatched] = ["messages", "matched", "unmatched"].map(count);
    let [failed, untried] = ["failed", "untried"].map(count);
    let untried = if untried > 0 { format!(", {untried} not tried") } else { String::new() };
    format!(
        "messages {messages}: {matched} matched, {unmatched} did not, {failed} failed{untried}\n"
    )
}

/// What a trial gave, for a person.
fn verdict(answer: &Value) -> String {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let mut lines = Vec::new();
    if answer.get("topicMatches") == Some(&Value::Bool(false)) {
        lines.push("topic      FROM does not match it".to_owned());
    }
    let is_matched = answer.get("matched") == Some(&Value::Bool(true));
    match (text("error"), is_matched) {
        (Some(error), _) => lines.push(format!("failed     {error}")),
        (None, true) => {
            let output = text("output").or_else(|| text("outputBase64")).unwrap_or_default();
            lines.push(format!("selected   {output}"));
        }
        (None, false) => {
            let condition = text("condition").unwrap_or_default();
            lines.push(format!("no match   WHERE {condition}"));
        }
    }
    for step in answer.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let expression = step.get("expression").and_then(Value::as_str).unwrap_or_default();
        let value = step.get("value").and_then(Value::as_str).unwrap_or("Undefined");
        lines.push(format!("  {expression} = {value}"));
    }
    for action in answer.get("actions").and_then(Value::as_array).into_iter().flatten() {
        let name = action.get("action").and_then(Value::as_str).unwrap_or_default();
        let told = action.get("inputs").or_else(|| action.get("error"));
        lines.push(format!("{name}  {}", told.unwrap_or(&Value::Null)));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// `ferrite rules dead-letters`.
pub(crate) fn dead_letters(config: &Config, command: DeadLetters) -> anyhow::Result<()> {
    let path = |rule: &str| format!("/_ferrite/v1/rules/{}/dead-letters", encode(rule));
    match command {
        DeadLetters::List { rule, max } => {
            let path = format!("{}?limit={max}", path(&rule));
            let answer = client::call(config, "GET", &path, &Value::Null)?;
            let letters = answer.get("deadLetters").and_then(Value::as_array);
            for letter in letters.into_iter().flatten() {
                println!("{}", line(letter));
            }
        }
        DeadLetters::Show { rule, id } => {
            let path = format!("{}/{id}", path(&rule));
            let answer = client::call(config, "GET", &path, &Value::Null)?;
            println!("{}", serde_json::to_string_pretty(&answer)?);
        }
        DeadLetters::Retry { rule, id } => {
            let one = id.map(|id| format!("/{id}")).unwrap_or_default();
            let path = format!("{}{one}/retry", path(&rule));
            let answer = client::call(config, "POST", &path, &Value::Null)?;
            let retried = answer.get("retried").and_then(Value::as_u64).unwrap_or_default();
            println!("{retried} tried again; what fails again stays");
        }
        DeadLetters::Delete { rule, id } => {
            let path = format!("{}/{id}", path(&rule));
            client::call(config, "DELETE", &path, &Value::Null)?;
            println!("deleted {id}");
        }
    }
    Ok(())
}

/// A dead letter in a line: its id, its topic, the first failure.
fn line(letter: &Value) -> String {
    let text = |pointer: &str| letter.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let error = text("/document/failures/0/errorMessage");
    format!("{}  {}  {error}", text("/id"), text("/document/topic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_tells_what_was_selected_or_why_not() {
        let answer = json!({
            "topicMatches": true,
            "condition": "(temp > 5)",
            "matched": false,
            "output": null,
            "steps": [{ "expression": "temp", "value": null }],
            "actions": [],
        });
        assert_eq!(verdict(&answer), "no match   WHERE (temp > 5)\n  temp = Undefined\n");
        let answer = json!({
            "topicMatches": false,
            "matched": true,
            "output": "{\"a\":1}",
            "actions": [{ "action": "S3Action", "error": "the key is empty" }],
        });
        assert_eq!(
            verdict(&answer),
            "topic      FROM does not match it\nselected   {\"a\":1}\nS3Action  \"the key is empty\"\n",
        );
    }

    #[test]
    fn messages_that_came_have_a_line_each_and_a_reason_if_they_are_not_taken() {
        let of = |outcome: &str, more: Value| {
            let mut message =
                json!({ "at": 1_767_323_045_000_i64, "topic": "a", "outcome": outcome });
            let Value::Object(more) = more else { return message };
            message.as_object_mut().unwrap().extend(more);
            message
        };
        let steps = json!([{ "expression": "(temp > 5)", "value": "false" }]);
        let action = json!([{ "action": "S3Action", "inputs": { "key": "k" } }]);
        let answer = json!({
            "messages": [
                of("matched", json!({ "matched": true, "output": "{}", "clientId": "pump", "actions": action })),
                of("unmatched", json!({ "matched": false, "condition": "(temp > 5)", "steps": steps })),
                of("failed", json!({ "matched": false, "error": "the message is not JSON" })),
            ],
            "summary": { "messages": 4, "matched": 1, "unmatched": 1, "failed": 1, "untried": 1 },
        });
        let at = "2026-01-02T03:04:05Z";
        let expected = format!(
            "{at}  a  pump  selected   {{}}\n{at}  a  -  no match   WHERE (temp > 5)\n    (temp > 5) = false\n\
             {at}  a  -  failed     the message is not JSON\n\
             messages 4: 1 matched, 1 did not, 1 failed, 1 not tried\n"
        );
        assert_eq!(verdicts(&answer), expected);
    }
}
