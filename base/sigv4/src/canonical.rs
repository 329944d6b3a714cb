//! The canonical form of a request: the bytes that a signature is made over.

use crate::encoding::{decoded_bytes, push_encoded};
use crate::query::pairs;
use crate::request::Request;

/// Which of the forms in use the canonical request takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) path: PathForm,
    pub(crate) query: QueryForm,
    pub(crate) host: HostForm,
    pub(crate) token: TokenForm,
}

/// How the raw path becomes canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathForm {
    /// `.`, `..` and empty segments resolved, then encoded once more.
    Normalized,
    /// Encoded once more, otherwise as sent.
    AsSent,
    /// S3's: decoded and encoded once, otherwise as sent.
    EncodedOnce,
}

/// How the raw query becomes canonical; it is always sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryForm {
    /// Decoded and encoded strictly; `+` is a plus.
    Strict,
    /// Decoded and encoded strictly; `+` is a blank.
    PlusIsBlank,
    /// As sent, whatever its encoding.
    AsSent,
}

/// How the value of `host` becomes canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostForm {
    AsSent,
    WithoutPort,
    /// With `:443`, which HTTP stacks drop from the header after the client signed it.
    WithDefaultPort,
}

/// Whether a session token in the query was there when the client signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenForm {
    Signed,
    Appended,
}

/// Writes the canonical request.
pub(crate) fn canonical_request(
    request: &Request<'_>,
    signed_headers: &str,
    payload_hash: &str,
    form: Form,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(768);
    out.extend(request.method.as_bytes());
    out.push(b'\n');
    push_path(&mut out, request.raw_path, form.path);
    out.push(b'\n');
    push_query(&mut out, request.raw_query, form);
    out.push(b'\n');
    for name in signed_headers.split(';') {
        push_header(&mut out, request, name, form.host);
    }
    out.push(b'\n');
    out.extend(signed_headers.as_bytes());
    out.push(b'\n');
    out.extend(payload_hash.as_bytes());
    out
}

/// Whether normalising changes anything: an empty, `.` or `..` segment before the end.
pub(crate) fn is_normal(raw_path: &str) -> bool {
    let Some(path) = raw_path.strip_prefix('/') else { return false };
    let mut segments = path.split('/');
    let last = segments.next_back().unwrap_or("");
    segments.all(|s| !matches!(s, "" | "." | "..")) && !matches!(last, "." | "..")
}

fn push_path(out: &mut Vec<u8>, raw_path: &str, form: PathForm) {
    match form {
        PathForm::Normalized if !is_normal(raw_path) => {
            push_path_bytes(out, normalized(raw_path).bytes());
        }
        PathForm::EncodedOnce => push_path_bytes(out, decoded_bytes(raw_path.as_bytes())),
        PathForm::Normalized | PathForm::AsSent => push_path_bytes(out, raw_path.bytes()),
    }
}

fn push_path_bytes(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    for byte in bytes {
        if byte == b'/' {
            out.push(byte);
        } else {
            push_encoded(out, byte);
        }
    }
}

fn normalized(raw_path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in raw_path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let mut path = format!("/{}", kept.join("/"));
    if raw_path.ends_with('/') && !kept.is_empty() {
        path.push('/');
    }
    path
}

fn push_query(out: &mut Vec<u8>, raw_query: &str, form: Form) {
    if raw_query.is_empty() {
        return;
    }
    let mut parameters: Vec<(Vec<u8>, Vec<u8>)> = pairs(raw_query)
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .filter(|(name, _)| form.token == TokenForm::Signed || *name != "X-Amz-Security-Token")
        .map(|(name, value)| (query_part(name, form.query), query_part(value, form.query)))
        .collect();
    parameters.sort_unstable();
    for (i, (name, value)) in parameters.iter().enumerate() {
        if i > 0 {
            out.push(b'&');
        }
        out.extend(name);
        out.push(b'=');
        out.extend(value);
    }
}

fn query_part(text: &str, form: QueryForm) -> Vec<u8> {
    if form == QueryForm::AsSent {
        return text.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    if form == QueryForm::PlusIsBlank && text.contains('+') {
        let text = text.replace('+', "%20");
        decoded_bytes(text.as_bytes()).for_each(|byte| push_encoded(&mut out, byte));
    } else {
        decoded_bytes(text.as_bytes()).for_each(|byte| push_encoded(&mut out, byte));
    }
    out
}

/// Writes `name:value,value` with every value trimmed and its inner blanks collapsed.
fn push_header(out: &mut Vec<u8>, request: &Request<'_>, name: &str, host: HostForm) {
    out.extend(name.as_bytes());
    out.push(b':');
    let values = request.headers.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value);
    for (i, value) in values.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if name == "host" {
            push_host(out, value, host);
        } else {
            push_collapsed(out, value);
        }
    }
    out.push(b'\n');
}

fn push_host(out: &mut Vec<u8>, value: &[u8], form: HostForm) {
    match form {
        HostForm::AsSent => push_collapsed(out, value),
        HostForm::WithoutPort => push_collapsed(out, split_port(value).unwrap_or(value)),
        HostForm::WithDefaultPort => {
            push_collapsed(out, value);
            out.extend(b":443");
        }
    }
}

/// The host before a `:port`, if there is one.
pub(crate) fn split_port(host: &[u8]) -> Option<&[u8]> {
    let host = host.trim_ascii();
    let colon = host.iter().rposition(|b| *b == b':')?;
    let (name, port) = host.split_at_checked(colon)?;
    let digits = port.strip_prefix(b":")?;
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(name)
}

fn push_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for (i, word) in words.enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend(word);
    }
}
