//! What is told of shadows: the bodies of answers and messages.

use crate::document::{Document, write_timestamp};
use crate::request::Update;
use crate::store::Record;

/// A version of a shadow that an update has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version<'t> {
    /// What it says.
    pub(crate) document: Document<'t>,
    /// Which it is.
    pub(crate) version: u64,
    /// When it was made, in seconds.
    pub(crate) timestamp: i64,
}

/// `get/accepted`, and the answer of GetThingShadow.
pub(crate) fn shadow(record: &Record<'_>, now: i64, token: Option<&str>) -> String {
    let (state, times) = (record.state.get(), record.times.get());
    let mut out = String::with_capacity(2 * state.len() + 4 * times.len() + 128);
    out.push_str("{\"state\":");
    out.push_str(state);
    if let Some(delta) = record.delta {
        // Something is desired, so that the state has a member before this one.
        out.pop();
        out.push_str(",\"delta\":");
        out.push_str(delta.get());
        out.push('}');
    }
    out.push_str(",\"metadata\":");
    write_expanded(times, &mut out);
    end(record.version, now, token, &mut out);
    out
}

/// What an update is told by on one of its topics, if there is anything to say.
pub(crate) fn of_update(
    message: &str,
    update: &Update<'_>,
    before: Option<&Record<'_>>,
    after: &Version<'_>,
) -> Option<String> {
    let token = update.client_token.as_deref();
    match message {
        "update/delta" => delta(after, token),
        "update/accepted" => Some(accepted(update, after)),
        _ => Some(documents(before, after, token)),
    }
}

/// `update/accepted`, and the answer of UpdateThingShadow.
pub(crate) fn accepted(update: &Update<'_>, after: &Version<'_>) -> String {
    let mut out = String::from("{\"state\":");
    update.patch.write_state(&mut out);
    out.push_str(",\"metadata\":");
    update.patch.write_metadata(after.timestamp, &mut out);
    end(after.version, after.timestamp, update.client_token.as_deref(), &mut out);
    out
}

/// `update/delta`, if anything differs.
pub(crate) fn delta(after: &Version<'_>, token: Option<&str>) -> Option<String> {
    let difference = after.document.difference();
    if difference.is_empty() {
        return None;
    }
    let mut out = String::from("{\"state\":");
    difference.write(&mut out);
    out.push_str(",\"metadata\":");
    difference.write_metadata(&mut out);
    end(after.version, after.timestamp, token, &mut out);
    Some(out)
}

/// `update/documents`. There is nothing before the update that made the shadow.
pub(crate) fn documents(
    before: Option<&Record<'_>>,
    after: &Version<'_>,
    token: Option<&str>,
) -> String {
    let mut out = String::from("{\"previous\":");
    match before {
        Some(before) => {
            out.push_str("{\"state\":");
            out.push_str(before.state.get());
            out.push_str(",\"metadata\":");
            write_expanded(before.times.get(), &mut out);
            write_number("version", before.version, &mut out);
            out.push('}');
        }
        None => out.push_str("null"),
    }
    out.push_str(",\"current\":{\"state\":");
    after.document.write_state(&mut out);
    out.push_str(",\"metadata\":");
    after.document.write_times(&mut out, write_timestamp);
    write_number("version", after.version, &mut out);
    out.push('}');
    write_number("timestamp", after.timestamp, &mut out);
    write_token(token, &mut out);
    out.push('}');
    out
}

/// `delete/accepted`, and the answer of DeleteThingShadow.
pub(crate) fn deleted(version: u64, now: i64, token: Option<&str>) -> String {
    let mut out = format!("{{\"version\":{version}");
    write_number("timestamp", now, &mut out);
    write_token(token, &mut out);
    out.push('}');
    out
}

fn end(version: u64, timestamp: i64, token: Option<&str>, out: &mut String) {
    write_number("version", version, out);
    write_number("timestamp", timestamp, out);
    write_token(token, out);
    out.push('}');
}

fn write_number(name: &str, number: impl std::fmt::Display, out: &mut String) {
    out.push_str(&format!(",\"{name}\":{number}"));
}

fn write_token(token: Option<&str>, out: &mut String) {
    if let Some(token) = token {
        let quoted = serde_json::Value::from(token).to_string();
        out.push_str(",\"clientToken\":");
        out.push_str(&quoted);
    }
}

/// Writes `times` with each number as metadata has it.
fn write_expanded(times: &str, out: &mut String) {
    let mut rest = times;
    loop {
        // Up to a number, or to the end of a name, in which digits are none.
        let until = rest.find(|c: char| c == '"' || c.is_ascii_digit()).unwrap_or(rest.len());
        let (before, found) = rest.split_at(until);
        out.push_str(before);
        let length = match found.as_bytes().first() {
            None => return,
            Some(b'"') => quoted_bytes(found),
            Some(_) => {
                let digits = found.bytes().take_while(u8::is_ascii_digit).count();
                out.push_str("{\"timestamp\":");
                digits
            }
        };
        let (whole, after) = found.split_at(length);
        out.push_str(whole);
        if !found.starts_with('"') {
            out.push('}');
        }
        rest = after;
    }
}

/// The length of the string that `text` begins with, its quotes included.
fn quoted_bytes(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}
