//! `ferrite explain` and `ferrite device-log`: why a client may or may not do something, and what
//! happened to it.
#![allow(clippy::print_stdout, reason = "commands answer on the terminal")]

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::client::{self, Refused, encode};
use crate::config::Config;
use crate::device::Folder;

/// What `ferrite explain` was told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The client id that connects [default: the device's name]
    #[arg(long, value_name = "ID", required_unless_present = "device")]
    client_id: Option<String>,
    /// What it wants to do: iot:Connect, iot:Publish, iot:Subscribe, iot:Receive …
    #[arg(long)]
    action: String,
    /// To what: client/ID, topic/TOPIC, topicfilter/FILTER, or a whole ARN
    #[arg(long)]
    resource: String,
    /// The folder of the device, for one that has not tried to connect lately
    #[arg(long, value_name = "FOLDER")]
    device: Option<PathBuf>,
    /// The certificate that it shows [default: the one that it last came with]
    #[arg(long, value_name = "ID")]
    certificate: Option<String>,
    /// The thing that it is bound to [default: the one with its client id]
    #[arg(long, value_name = "NAME")]
    thing: Option<String>,
}

/// May this client do this to that?
pub(crate) struct Question {
    pub(crate) client_id: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) certificate: Option<String>,
    pub(crate) thing: Option<String>,
}

impl Options {
    fn into_question(self) -> anyhow::Result<Question> {
        let Self { mut client_id, action, resource, device, mut certificate, thing } = self;
        if let Some(folder) = device {
            let (_, device) = Folder::open(&folder)?;
            client_id.get_or_insert(device.client_id);
            certificate.get_or_insert(device.certificate_id);
        }
        let client_id = client_id.context("name the client with --client-id or --device")?;
        Ok(Question { client_id, action, resource, certificate, thing })
    }
}

/// `ferrite explain`.
pub(crate) fn explain(config: &Config, options: Options) -> anyhow::Result<()> {
    let question = options.into_question()?;
    match ask(config, &question) {
        Ok(answer) => {
            print!("{}", verdict(&answer));
            Ok(())
        }
        Err(error) if error.is::<Refused>() && question.certificate.is_none() => {
            bail!("{error}\nName the certificate: --device FOLDER, or --certificate ID")
        }
        Err(error) => Err(error),
    }
}

/// `ferrite device-log`.
pub(crate) fn device_log(config: &Config, client_id: Option<&str>, max: u32) -> anyhow::Result<()> {
    let mut path = format!("/_ferrite/v1/device-log?max={max}");
    if let Some(client_id) = client_id {
        path.push_str(&format!("&clientId={}", encode(client_id)));
    }
    let answer = client::call(config, "GET", &path, &Value::Null)?;
    print!("{}", table(answer.get("events")));
    Ok(())
}

/// The server's reasons in a few lines; none if it cannot be asked.
pub(crate) fn reasons(config: &Config, question: &Question) -> Vec<String> {
    let answer = match ask(config, question) {
        Ok(answer) => answer,
        Err(error) if error.is::<Refused>() => return vec![error.to_string()],
        Err(_) => return Vec::new(),
    };
    let mut lines = vec![text(&answer, "/explanation").to_owned()];
    lines.extend(hints(&answer).map(str::to_owned));
    lines.retain(|line| !line.is_empty());
    lines
}

fn ask(config: &Config, question: &Question) -> anyhow::Result<Value> {
    client::call(config, "GET", &path_of(question), &Value::Null)
}

fn path_of(question: &Question) -> String {
    let Question { client_id, action, resource, certificate, thing } = question;
    let parts = [
        ("clientId", Some(client_id)),
        ("action", Some(action)),
        ("resource", Some(resource)),
        ("certificateId", certificate.as_ref()),
        ("thing", thing.as_ref()),
    ];
    let given = parts.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    let query: Vec<_> = given.map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("/_ferrite/v1/explain?{}", query.join("&"))
}

/// The answer for people.
fn verdict(answer: &Value) -> String {
    let decision = match text(answer, "/decision") {
        "ALLOWED" => "allowed",
        "EXPLICIT_DENY" => "refused: a statement denies it",
        "IMPLICIT_DENY" => "refused: nothing allows it",
        other => other,
    };
    let mut out = format!("{decision}\n\n{}\n", text(answer, "/explanation"));
    for hint in hints(answer) {
        out.push_str(&format!("{hint}\n"));
    }
    out.push('\n');
    for (label, value) in facts(answer) {
        if !value.is_empty() {
            out.push_str(&format!("  {label:<10} {value}\n"));
        }
    }
    let events = answer.get("lastEvents");
    if events.and_then(Value::as_array).is_some_and(|events| !events.is_empty()) {
        out.push_str(&format!("\nWhat happened last:\n\n{}", table(events)));
    }
    out
}

fn facts(answer: &Value) -> [(&'static str, String); 6] {
    let names = answer.get("policies").and_then(Value::as_array).into_iter().flatten();
    let policies: Vec<_> = names.filter_map(Value::as_str).collect();
    let is_connected = answer.pointer("/principal/connected").and_then(Value::as_bool);
    let connected = match is_connected {
        Some(true) => " (connected)",
        Some(false) => " (not connected)",
        None => "",
    };
    [
        ("action", text(answer, "/action").to_owned()),
        ("resource", text(answer, "/resource").to_owned()),
        ("client", text(answer, "/clientId").to_owned()),
        ("principal", with_note(text(answer, "/principal/id"), connected)),
        ("thing", text(answer, "/thing").to_owned()),
        ("policies", policies.join(", ")),
    ]
}

fn with_note(value: &str, note: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{value}{note}") }
}

/// Events as lines: when, what, who, how it went, why. They come with the newest first, and a
/// terminal wants it last.
fn table(events: Option<&Value>) -> String {
    let events = events.and_then(Value::as_array).into_iter().flatten();
    let mut rows: Vec<_> = events.map(row).collect();
    rows.reverse();
    let widths: Vec<_> = (0..COLUMNS).map(|column| width(&rows, column)).collect();
    let line = |row: &Row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Time, event, client, status, and the rest in words.
const COLUMNS: usize = 5;
type Row = [String; COLUMNS];

fn width(rows: &[Row], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn row(event: &Value) -> Row {
    let member = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let resources = event.get("resources").and_then(Value::as_object).into_iter().flatten();
    let resources = resources.filter_map(|(_, value)| value.as_str());
    let rest = ["reason", "ruleName", "ruleAction"].map(member).into_iter().chain(resources);
    let rest = rest.chain(["topicName", "details", "source"].map(member));
    let rest: Vec<_> = rest.filter(|word| !word.is_empty()).collect();
    let client = match member("clientId") {
        "" => member("principalId"),
        client => client,
    };
    let client = if client.is_empty() { "-" } else { client };
    [
        member("timestamp").to_owned(),
        member("eventType").to_owned(),
        client.to_owned(),
        member("status").to_owned(),
        rest.join("  "),
    ]
}

fn hints(answer: &Value) -> impl Iterator<Item = &str> {
    let hints = answer.get("hints").and_then(Value::as_array).into_iter().flatten();
    hints.filter_map(Value::as_str)
}

fn text<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_percent_encoded() {
        let question = Question {
            client_id: "pump 1".into(),
            action: "iot:Publish".into(),
            resource: "topic/a/ü&b".into(),
            certificate: Some("c".into()),
            thing: None,
        };
        assert_eq!(
            path_of(&question),
            "/_ferrite/v1/explain?clientId=pump%201&action=iot%3APublish\
             &resource=topic%2Fa%2F%C3%BC%26b&certificateId=c"
        );
    }

    #[test]
    fn a_verdict_says_why_and_what_was_considered() {
        let answer = json!({
            "decision": "IMPLICIT_DENY",
            "explanation": "No statement of pump-policy allows iot:Publish on topic/other.",
            "hints": ["Statement 2 of pump-policy comes closest."],
            "action": "iot:Publish",
            "resource": "arn:aws:iot:us-east-1:000000000000:topic/other",
            "clientId": "pump",
            "principal": {"id": "abc", "arn": "arn:…:cert/abc", "connected": true},
            "thing": null,
            "policies": ["pump-policy"],
            "lastEvents": [
                {"timestamp": "2026-01-01T00:00:02Z", "eventType": "Publish-In",
                 "status": "Failure", "clientId": "pump", "reason": "AUTHORIZATION_FAILURE",
                 "topicName": "other"},
                {"timestamp": "2026-01-01T00:00:01Z", "eventType": "Connect",
                 "status": "Success", "clientId": "pump"}
            ]
        });
        expect![[r#"
            refused: nothing allows it

            No statement of pump-policy allows iot:Publish on topic/other.
            Statement 2 of pump-policy comes closest.

              action     iot:Publish
              resource   arn:aws:iot:us-east-1:000000000000:topic/other
              client     pump
              principal  abc (connected)
              policies   pump-policy

            What happened last:

            2026-01-01T00:00:01Z  Connect     pump  Success
            2026-01-01T00:00:02Z  Publish-In  pump  Failure  AUTHORIZATION_FAILURE  other
        "#]]
        .assert_eq(&verdict(&answer));
    }

    #[test]
    fn an_empty_log_prints_nothing() {
        assert_eq!(table(json!({"events": []}).get("events")), "");
    }
}
