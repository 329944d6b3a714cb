//! Checks a signature against its key and the clock.

use std::borrow::Cow;
use std::time::Duration;

use aws_lc_rs::digest;
use types::Timestamp;

use crate::authorization::Authorization;
use crate::canonical::{
    Form, HostForm, PathForm, QueryForm, TokenForm, canonical_request, is_normal, split_port,
};
use crate::encoding::{hash_from_hex, hex, push_hex};
use crate::error::AuthError;
use crate::key::SigningKey;
use crate::request::{Payload, Request};
use crate::{ALGORITHM, UNSIGNED_PAYLOAD};

/// Checks that whoever holds the secret of `key` signed this very request, recently enough.
///
/// Clients differ in what they sign, so several canonical forms are tried, the commonest first,
/// and only those that differ for this request:
///
/// - the path with `.`, `..` and empty segments resolved, then as sent (S3: only as sent);
/// - the query strictly re-encoded with `+` as a plus, then `+` as a blank, then as sent;
/// - the host as sent, then without its port, or with `:443` if it has none;
/// - a presigned query without its session token (the order of AWS IoT WebSocket clients), then
///   with it.
///
/// `skew` is how far the client's clock may be off; a presigned request is valid for its
/// `X-Amz-Expires`, or for `skew` if it states none.
pub fn verify(
    request: &Request<'_>,
    authorization: &Authorization<'_>,
    key: &SigningKey,
    now: Timestamp,
    skew: Duration,
) -> Result<(), AuthError> {
    check_time(authorization, now, skew)?;
    let payload = payload_of(request)?;
    let signature = hash_from_hex(&authorization.signature).ok_or(AuthError::Mismatch)?;
    let is_signed = |form| {
        let canonical = canonical_request(request, &authorization.signed_headers, &payload, form);
        key.verifies(&string_to_sign(authorization, &canonical), &signature)
    };
    if forms(request, authorization).any(is_signed) { Ok(()) } else { Err(AuthError::Mismatch) }
}

/// The SHA-256 of `body` in lower-case hexadecimal, as [`Payload::Hash`] takes it.
pub fn payload_hash(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref())
}

fn check_time(
    authorization: &Authorization<'_>,
    now: Timestamp,
    skew: Duration,
) -> Result<(), AuthError> {
    let signed = authorization.timestamp;
    if signed.since(now) > skew {
        return Err(AuthError::NotYetCurrent { signed, now, allowed: skew });
    }
    let allowed = authorization.expires.unwrap_or(skew);
    if now.since(signed) > allowed {
        return Err(AuthError::Expired { signed, now, allowed });
    }
    Ok(())
}

/// What stands for the body: the header `x-amz-content-sha256` if the body bears it out.
pub(crate) fn payload_of<'a>(request: &Request<'a>) -> Result<Cow<'a, str>, AuthError> {
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let declared = request.header("x-amz-content-sha256").map(<[u8]>::trim_ascii);
    if declared == Some(UNSIGNED_PAYLOAD.as_bytes()) {
        return Ok(Cow::Borrowed(UNSIGNED_PAYLOAD));
    }
    let hash = match request.payload {
        Payload::Bytes([]) => Cow::Borrowed(EMPTY),
        Payload::Bytes(body) => Cow::Owned(payload_hash(body)),
        Payload::Hash(hash) => Cow::Borrowed(hash),
        Payload::Unsigned => Cow::Borrowed(UNSIGNED_PAYLOAD),
    };
    match declared {
        Some(declared) if declared != hash.as_bytes() => Err(AuthError::Invalid(
            "The value passed in as x-amz-content-sha256 does not match the digest calculated for \
             the provided payload."
                .to_owned(),
        )),
        _ => Ok(hash),
    }
}

fn string_to_sign(authorization: &Authorization<'_>, canonical: &[u8]) -> Vec<u8> {
    let Authorization { date, region, service, timestamp, .. } = authorization;
    scoped_text(&timestamp.to_amz_date(), [date, region, service], canonical)
}

/// The text that the key signs: algorithm, time, scope, hash of the canonical request.
pub(crate) fn scoped_text(date_time: &str, scope: [&str; 3], canonical: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    for line in [ALGORITHM, date_time] {
        out.extend(line.as_bytes());
        out.push(b'\n');
    }
    for part in scope {
        out.extend(part.as_bytes());
        out.push(b'/');
    }
    out.extend(b"aws4_request\n");
    push_hex(&mut out, digest::digest(&digest::SHA256, canonical).as_ref());
    out
}

/// The canonical forms that are worth trying for this request, the commonest first. At most 24,
/// nearly always one or two.
fn forms(
    request: &Request<'_>,
    authorization: &Authorization<'_>,
) -> impl Iterator<Item = Form> + 'static {
    let paths = path_forms(request, &authorization.service);
    let queries = query_forms(request);
    let hosts = host_forms(request);
    let tokens = token_forms(authorization);
    tokens.iter().flat_map(move |&token| {
        hosts.iter().flat_map(move |&host| {
            queries.iter().flat_map(move |&query| {
                paths.iter().map(move |&path| Form { path, query, host, token })
            })
        })
    })
}

fn path_forms(request: &Request<'_>, service: &str) -> &'static [PathForm] {
    match service {
        "s3" => &[PathForm::EncodedOnce],
        _ if is_normal(request.raw_path) => &[PathForm::AsSent],
        _ => &[PathForm::Normalized, PathForm::AsSent],
    }
}

fn query_forms(request: &Request<'_>) -> &'static [QueryForm] {
    // Escapes and unreserved characters are all a well-encoded query has: as sent is strict.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~&=".contains(&b);
    match request.raw_query {
        query if query.bytes().all(is_plain) => &[QueryForm::Strict],
        query if query.contains('+') => {
            &[QueryForm::Strict, QueryForm::PlusIsBlank, QueryForm::AsSent]
        }
        _ => &[QueryForm::Strict, QueryForm::AsSent],
    }
}

fn host_forms(request: &Request<'_>) -> &'static [HostForm] {
    match request.header("host").map(split_port) {
        Some(Some(_)) => &[HostForm::AsSent, HostForm::WithoutPort],
        Some(None) => &[HostForm::AsSent, HostForm::WithDefaultPort],
        None => &[HostForm::AsSent],
    }
}

fn token_forms(authorization: &Authorization<'_>) -> &'static [TokenForm] {
    if authorization.presigned && authorization.session_token.is_some() {
        &[TokenForm::Appended, TokenForm::Signed]
    } else {
        &[TokenForm::Signed]
    }
}
