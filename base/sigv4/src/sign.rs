//! Signs the requests that Ferrite itself sends to AWS-compatible services.

use std::fmt;
use std::time::Duration;

use types::Timestamp;

use crate::canonical::{Form, HostForm, PathForm, QueryForm, TokenForm, canonical_request};
use crate::encoding::{hex, push_encoded};
use crate::key::SigningKey;
use crate::request::{Payload, Request};
use crate::verify::{payload_hash, scoped_text};
use crate::{ALGORITHM, UNSIGNED_PAYLOAD};

/// Who signs.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The public half.
    pub access_key_id: &'a str,
    /// The secret half.
    pub secret_access_key: &'a str,
    /// What temporary credentials carry besides.
    pub session_token: Option<&'a str>,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.access_key_id)
    }
}

/// What a signature is good for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// `us-east-1` …
    pub region: &'a str,
    /// The signing name: `iot`, `iotdata`, `s3` …
    pub service: &'a str,
}

/// The service whose session token is appended to the query after signing.
const TOKEN_APPENDED_SERVICE: &str = "iotdevicegateway";

/// Signs `request` in headers, and returns the headers to send in addition; they replace any of
/// the same name. They are `x-amz-date`, `x-amz-security-token` with temporary credentials,
/// `x-amz-content-sha256` where it is needed, and `authorization`.
///
/// The request must have its `host` header. Every header that proxies leave alone is signed.
pub fn sign(
    request: &Request<'_>,
    credentials: &Credentials<'_>,
    scope: &Scope<'_>,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let payload = payload_text(request);
    let mut added = vec![("x-amz-date", now.to_amz_date())];
    if let Some(token) = credentials.session_token {
        added.push(("x-amz-security-token", token.to_owned()));
    }
    if scope.service == "s3" || request.payload == Payload::Unsigned {
        added.push(("x-amz-content-sha256", payload.clone()));
    }
    let is_added = |name: &str| added.iter().any(|(other, _)| *other == name);
    let kept = request.headers.iter().filter(|(name, _)| is_signed(name) && !is_added(name));
    let headers: Vec<(&str, &[u8])> =
        kept.copied().chain(added.iter().map(|(name, value)| (*name, value.as_bytes()))).collect();
    let names = joined_names(&headers);
    let signer = Signer { credentials, scope, now };
    let signature = signer.signature(&Request { headers: &headers, ..*request }, &names, &payload);
    let credential = signer.credential();
    let authorization = format!(
        "{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    );
    added.push(("authorization", authorization));
    added
}

/// Signs `request` in its query, and returns the whole query to send. Only `host` is signed.
///
/// For `iotdevicegateway`, the service of MQTT over WebSocket, the session token is appended after
/// signing, as AWS IoT wants it; for all others it is signed. Without `expires` the signature is
/// good for the clock skew only. The body is not signed for `s3`.
pub fn presign(
    request: &Request<'_>,
    credentials: &Credentials<'_>,
    scope: &Scope<'_>,
    now: Timestamp,
    expires: Option<Duration>,
) -> String {
    let signer = Signer { credentials, scope, now };
    let mut query = request.raw_query.to_owned();
    push_parameter(&mut query, "X-Amz-Algorithm", ALGORITHM);
    push_parameter(&mut query, "X-Amz-Credential", &signer.credential());
    push_parameter(&mut query, "X-Amz-Date", &now.to_amz_date());
    if let Some(expires) = expires {
        push_parameter(&mut query, "X-Amz-Expires", &expires.as_secs().to_string());
    }
    push_parameter(&mut query, "X-Amz-SignedHeaders", "host");
    let late = scope.service == TOKEN_APPENDED_SERVICE;
    let (early_token, late_token) =
        if late { (None, credentials.session_token) } else { (credentials.session_token, None) };
    if let Some(token) = early_token {
        push_parameter(&mut query, "X-Amz-Security-Token", token);
    }
    let payload = match scope.service {
        "s3" => UNSIGNED_PAYLOAD.to_owned(),
        _ => payload_text(request),
    };
    let signature = signer.signature(&Request { raw_query: &query, ..*request }, "host", &payload);
    push_parameter(&mut query, "X-Amz-Signature", &signature);
    if let Some(token) = late_token {
        push_parameter(&mut query, "X-Amz-Security-Token", token);
    }
    query
}

struct Signer<'a> {
    credentials: &'a Credentials<'a>,
    scope: &'a Scope<'a>,
    now: Timestamp,
}

impl Signer<'_> {
    fn date(&self) -> String {
        self.now.to_amz_date().chars().take_while(|c| *c != 'T').collect()
    }

    fn credential(&self) -> String {
        let Scope { region, service } = self.scope;
        let key_id = self.credentials.access_key_id;
        format!("{key_id}/{}/{region}/{service}/aws4_request", self.date())
    }

    fn signature(&self, request: &Request<'_>, names: &str, payload: &str) -> String {
        let Scope { region, service } = *self.scope;
        let date = self.date();
        let path = if service == "s3" { PathForm::EncodedOnce } else { PathForm::Normalized };
        let form = Form {
            path,
            query: QueryForm::Strict,
            host: HostForm::AsSent,
            token: TokenForm::Signed,
        };
        let canonical = canonical_request(request, names, payload, form);
        let scope = [date.as_str(), region, service];
        let text = scoped_text(&self.now.to_amz_date(), scope, &canonical);
        let secret = self.credentials.secret_access_key;
        hex(&SigningKey::derive(secret, &date, region, service).sign(&text))
    }
}

fn payload_text(request: &Request<'_>) -> String {
    match request.payload {
        Payload::Bytes(body) => payload_hash(body),
        Payload::Hash(hash) => hash.to_owned(),
        Payload::Unsigned => UNSIGNED_PAYLOAD.to_owned(),
    }
}

/// Whether a header survives proxies and HTTP stacks unchanged.
fn is_signed(name: &str) -> bool {
    !matches!(
        name,
        "authorization"
            | "connection"
            | "content-length"
            | "expect"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "user-agent"
            | "x-amzn-trace-id"
    )
}

fn joined_names(headers: &[(&str, &[u8])]) -> String {
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    names.join(";")
}

fn push_parameter(query: &mut String, name: &str, value: &str) {
    let mut encoded = Vec::with_capacity(value.len());
    value.bytes().for_each(|byte| push_encoded(&mut encoded, byte));
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    query.extend(encoded.into_iter().map(char::from));
}
