//! Functions behind a URL: a signed `POST` of the payload, whose answer is the result.
//!
//! | header | value |
//! |---|---|
//! | `x-ferrite-function` | the ARN that was invoked |
//! | `x-ferrite-request-id` | the invocation's id |
//! | `x-ferrite-invocation-type` | `RequestResponse` or `Event` |
//! | `x-ferrite-timestamp` | when it was signed, in seconds since 1970 |
//! | `x-ferrite-signature` | `v1=` and a [`Signature`] |
//! | `x-amz-client-context` | the caller's context in Base64, if there is one |
//!
//! A 2xx answers, with its body; with the header `x-amz-function-error` it says, as the Lambda API
//! does, that the handler failed and that the body tells why. A 429 throttles; others refuse.

use std::fmt;

use aws_lc_rs::hmac;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use outbound::{Client, Request, Response};

use crate::error::{FunctionError, InvokeError};
use crate::functions::Host;
use crate::identity::FunctionId;
use crate::invocation::{FunctionResponse, Invocation, InvocationKind, RESPONSE_BYTES_MAX};
use crate::settings::WebhookSettings;

/// How much of a refusal is told.
const MESSAGE_CHARS_MAX: usize = 300;

/// What stands in `x-ferrite-signature` after `v1=`: in hexadecimal, the HMAC-SHA256 under the
/// shared secret of the timestamp's digits, a full stop, and the body.
///
/// Whoever answers computes it again, compares the two in constant time, and refuses a timestamp
/// that is more than a few minutes old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(String);

impl Signature {
    /// Signs `body` at `timestamp_s`.
    pub fn of(secret: &str, timestamp_s: i64, body: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{timestamp_s}.").as_bytes());
        context.update(body);
        Self(HEXLOWER.encode(context.sign().as_ref()))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Posts the payload, and takes the answer for the result.
pub(crate) async fn invoke(
    settings: &WebhookSettings,
    (host, client): (&Host, &Client),
    id: &FunctionId,
    (request_id, invocation): (&str, Invocation),
) -> Result<FunctionResponse, InvokeError> {
    let now_s = host.env.clock.now().millis().div_euclid(1000);
    let signature = Signature::of(settings.secret.expose(), now_s, &invocation.payload);
    let kind = invocation.kind;
    let mut request = Request::post(settings.url.clone(), invocation.payload);
    set(&mut request.headers, "x-ferrite-function", &id.invoked_arn());
    set(&mut request.headers, "x-ferrite-request-id", request_id);
    set(&mut request.headers, "x-ferrite-invocation-type", kind.as_str());
    set(&mut request.headers, "x-ferrite-timestamp", &now_s.to_string());
    set(&mut request.headers, "x-ferrite-signature", &format!("v1={signature}"));
    if let Some(context) = &invocation.client_context {
        set(&mut request.headers, "x-amz-client-context", &BASE64.encode(context.as_bytes()));
    }
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.timeout = Some(settings.timeout);
    request.response_bytes_max = Some(RESPONSE_BYTES_MAX);
    let response = client.send(request).await.map_err(|error| of_outbound(id, error))?;
    understood(id, kind, response)
}

/// What an answer means, of a webhook and of the Lambda API alike.
pub(crate) fn understood(
    id: &FunctionId,
    kind: InvocationKind,
    response: Response,
) -> Result<FunctionResponse, InvokeError> {
    let function = id.arn.clone();
    let Response { status, headers, body } = response;
    match status.as_u16() {
        200..=299 if headers.contains_key("x-amz-function-error") => {
            Err(InvokeError::Function { function, error: FunctionError::parse(body) })
        }
        200..=299 => {
            let version = headers.get("x-amz-executed-version");
            let version = version.and_then(|value| value.to_str().ok()).map(str::to_owned);
            let payload = if kind == InvocationKind::Event { Bytes::new() } else { body };
            Ok(FunctionResponse { payload, executed_version: version })
        }
        429 => {
            let hint = format!("its back end says {}", message(&body));
            Err(InvokeError::Throttled { function, hint })
        }
        status => Err(InvokeError::Refused { function, status, message: message(&body) }),
    }
}

/// What the client says, in terms of functions.
pub(crate) fn of_outbound(id: &FunctionId, error: outbound::Error) -> InvokeError {
    let function = id.arn.clone();
    match error {
        outbound::Error::Timeout { phase: outbound::Phase::Answer, after, .. } => {
            InvokeError::Timeout { function, after, is_ended: false }
        }
        outbound::Error::TooLarge { status: 200..=299, bytes_max, .. } => {
            InvokeError::ResponseTooLarge { function, bytes_max }
        }
        source => InvokeError::Unreachable { function, source },
    }
}

/// Sets a header of ours. What cannot stand in one is left out: an ARN, an id and a number can.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// The message of a refusal: AWS's, if it looks like one.
fn message(body: &Bytes) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let told = ["message", "Message"].iter().find_map(|key| value.get(key)?.as_str());
    let text = String::from_utf8_lossy(body);
    told.unwrap_or(text.trim()).chars().take(MESSAGE_CHARS_MAX).collect()
}
