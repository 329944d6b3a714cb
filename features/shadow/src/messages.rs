//! What is told of shadows: the bodies of answers and messages.

use crate::document::Document;
use crate::json::Malformed;
use crate::request::Update;
use crate::store::Record;
use crate::times;

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
pub(crate) fn shadow(
    record: &Record<'_>,
    now: i64,
    token: Option<&str>,
) -> Result<String, Malformed> {
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
    times::write_metadata(state, times, &mut out)?;
    end(record.version, now, token, &mut out);
    Ok(out)
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
            let (state, times) = (before.state.get(), before.times.get());
            // A record that is read by now can be.
            times::write_metadata(state, times, &mut out).unwrap_or_default();
            write_number("version", before.version, &mut out);
            out.push('}');
        }
        None => out.push_str("null"),
    }
    out.push_str(",\"current\":{\"state\":");
    after.document.write_state(&mut out);
    out.push_str(",\"metadata\":");
    after.document.write_metadata(&mut out);
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
