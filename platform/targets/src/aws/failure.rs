//! What a service says when it refuses: code, message and whether to try again.

use outbound::Response;
use serde::Deserialize;

use super::xml;
use crate::{Service, TargetError};

/// Codes of what passes by itself: throttling, time, and credentials that are renewed elsewhere.
const TRANSIENT: [&str; 30] = [
    "BandwidthLimitExceeded",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalFailure",
    "InternalFailureException",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceException",
    "KMSThrottlingException",
    "LimitExceededException",
    "OperationAborted",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
    "InvalidStateException",
    "ConcurrentModificationException",
];
/// Statuses of what passes by itself, besides those from 500 on.
const TRANSIENT_STATUSES: [u16; 3] = [408, 425, 429];
/// What an answer without a message is quoted with.
const QUOTED_CHARS_MAX: usize = 200;

/// Whether what a service calls so passes by itself.
pub(crate) fn is_transient_code(code: &str) -> bool {
    TRANSIENT.contains(&code)
}

/// Reads an answer that is no success.
pub(super) fn read(service: Service, response: &Response) -> TargetError {
    let status = response.status.as_u16();
    let header = |name: &str| {
        response.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let said = if response.body.trim_ascii_start().starts_with(b"<") {
        read_xml(&response.body)
    } else {
        serde_json::from_slice(&response.body).unwrap_or_default()
    };
    let code = said.code.or_else(|| header("x-amzn-errortype"));
    let code = code.as_deref().map(short_code).filter(|code| !code.is_empty());
    let code = code.map_or_else(|| code_of(status), str::to_owned);
    let message = said.message.unwrap_or_else(|| quoted(&response.body, status));
    let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
    let is_transient =
        status >= 500 || TRANSIENT_STATUSES.contains(&status) || is_transient_code(&code);
    TargetError {
        is_transient,
        request_id: request_id.or(said.request_id),
        ..TargetError::refused(service, &code, message).with_status(status)
    }
}

#[derive(Default, Deserialize)]
struct Said {
    #[serde(rename = "__type", alias = "code", alias = "Code")]
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(skip)]
    request_id: Option<String>,
}

fn read_xml(body: &[u8]) -> Said {
    Said {
        code: xml::text(body, "Code"),
        message: xml::text(body, "Message"),
        request_id: xml::text(body, "RequestId"),
    }
}

/// `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException` and `Throttling:http://…` are what
/// stands before and behind.
fn short_code(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default()
}

/// What S3 calls an answer to a request that has no body, or a proxy's.
fn code_of(status: u16) -> String {
    match status {
        301 | 302 | 307 | 308 => "PermanentRedirect".to_owned(),
        403 => "AccessDenied".to_owned(),
        404 => "NotFound".to_owned(),
        429 => "TooManyRequestsException".to_owned(),
        500 => "InternalError".to_owned(),
        503 => "ServiceUnavailable".to_owned(),
        _ => format!("HTTP{status}"),
    }
}

fn quoted(body: &[u8], status: u16) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text.chars().filter(|c| !c.is_control()).take(QUOTED_CHARS_MAX).collect();
    match text.trim() {
        "" => format!("The service answered {status} without a message"),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn check(status: u16, body: &str, expect: (&str, &str, bool)) {
        let response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        };
        let error = read(Service::S3, &response);
        assert_eq!((error.code.as_str(), error.message.as_str(), error.is_transient), expect);
        assert_eq!(error.status, Some(status));
    }

    #[test]
    fn both_protocols_name_code_and_message() {
        check(
            404,
            "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>The specified bucket \
             does not exist</Message><RequestId>7</RequestId></Error>",
            ("NoSuchBucket", "The specified bucket does not exist", false),
        );
        check(
            400,
            "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate \
             exceeded</Message></Error></ErrorResponse>",
            ("Throttling", "Rate exceeded", true),
        );
        check(
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}"#,
            ("ResourceNotFoundException", "Requested resource not found", false),
        );
        check(
            400,
            r#"{"__type":"ThrottlingException:http://x/","Message":"slow"}"#,
            ("ThrottlingException", "slow", true),
        );
    }

    #[test]
    fn an_answer_that_says_nothing_is_named_by_its_status() {
        check(503, "", ("ServiceUnavailable", "The service answered 503 without a message", true));
        check(404, "", ("NotFound", "The service answered 404 without a message", false));
        check(502, "<html>Bad Gateway</html>", ("HTTP502", "<html>Bad Gateway</html>", true));
        check(418, "tea\r\npot", ("HTTP418", "teapot", false));
        check(307, "", ("PermanentRedirect", "The service answered 307 without a message", false));
    }
}
