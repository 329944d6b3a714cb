//! From what an operation answered to an HTTP response, in the protocol of its service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use model::ServiceId;
use model::spec::{Kind, Location, OperationSpec, Protocol, Service};
use serde_json::{Map, Value};
use service::{ApiError, Output, RawResponse};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// The statuses of errors that every service shares.
const COMMON_ERRORS: [(&str, u16); 21] = [
    ("MissingAuthenticationTokenException", 403),
    ("UnrecognizedClientException", 403),
    ("InvalidSignatureException", 403),
    ("IncompleteSignatureException", 403),
    ("ExpiredTokenException", 403),
    ("AccessDeniedException", 403),
    ("ForbiddenException", 403),
    ("SerializationException", 400),
    ("ValidationException", 400),
    ("InvalidRequestException", 400),
    ("UnknownOperationException", 404),
    ("NotImplementedException", 501),
    ("RequestEntityTooLargeException", 413),
    ("RequestTimeoutException", 408),
    ("ThrottlingException", 429),
    ("ServiceUnavailableException", 503),
    ("LimitExceededException", 410),
    ("ResourceNotFoundException", 404),
    ("ResourceAlreadyExistsException", 409),
    ("DeleteConflictException", 409),
    ("MalformedPolicyException", 400),
];

/// The response to a request that succeeded.
pub(crate) fn success(
    operation: &OperationSpec,
    output: Output,
    request_id: Uuid,
) -> Response<Bytes> {
    let mut response = match output {
        Output::Empty => Response::new(Bytes::new()),
        Output::Body(body) => json(operation.service.service(), body),
        Output::Members(members) => with_members(operation, members),
    };
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::from_u16(operation.status).unwrap_or(StatusCode::OK);
    }
    seal(response, request_id)
}

fn with_members(operation: &OperationSpec, output: Value) -> Response<Bytes> {
    let service = operation.service.service();
    let Value::Object(mut members) = output else { return Response::new(Bytes::new()) };
    let shape = operation.output.map(|id| service.shape(id).kind);
    let Some(Kind::Structure { members: specs, payload }) = shape else {
        return Response::new(Bytes::new());
    };
    let mut located = Vec::new();
    for member in specs.iter().filter(|m| m.location != Location::Body) {
        located.extend(members.remove(member.wire).map(|value| (member.location, value)));
    }
    let mut response = match payload {
        Some(name) => whole(service, members.remove(name)),
        None => json(service, to_bytes(&members)),
    };
    for (location, value) in located {
        place(&mut response, location, &value);
    }
    response
}

fn whole(service: &Service, payload: Option<Value>) -> Response<Bytes> {
    match payload {
        None => Response::new(Bytes::new()),
        Some(Value::String(blob)) => {
            json(service, STANDARD.decode(blob).unwrap_or_default().into())
        }
        Some(structure) => json(service, to_bytes(&structure)),
    }
}

fn place(response: &mut Response<Bytes>, location: Location, value: &Value) {
    match location {
        Location::Status => {
            let status = value.as_u64().and_then(|n| u16::try_from(n).ok());
            let status = status.and_then(|n| StatusCode::from_u16(n).ok());
            *response.status_mut() = status.unwrap_or(StatusCode::OK);
        }
        Location::Header(name) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        Location::Body | Location::Label(_) | Location::Query(_) => {}
    }
}

/// The response of a route that no model describes.
pub(crate) fn raw(answer: RawResponse, request_id: Uuid) -> Response<Bytes> {
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    let content_type = HeaderValue::from_static(answer.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    seal(response, request_id)
}

/// The response to a request that failed, in the terms of the service and operation if they are
/// known.
pub(crate) fn failure(
    service: Option<&Service>,
    operation: Option<&OperationSpec>,
    error: &ApiError,
    request_id: Uuid,
) -> Response<Bytes> {
    let code = operation.map_or(error.code, |operation| modelled(operation, error.code));
    let status = status(service, code);
    let mut body = Map::new();
    let is_json11 = service.is_some_and(|s| s.protocol == Protocol::Json11);
    if is_json11 {
        body.insert("__type".into(), code.into());
    }
    let message_member = service.map_or("message", |s| s.message_member);
    body.insert(message_member.into(), error.message.as_str().into());
    if service.is_some_and(|s| s.id == ServiceId::IotData) {
        body.insert("traceId".into(), request_id.to_string().into());
    }
    body.extend(error.members.clone());
    let content_type = if is_json11 { "application/x-amz-json-1.1" } else { "application/json" };
    let mut response = Response::new(to_bytes(&body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ERROR_TYPE, HeaderValue::from_static(code));
    seal(response, request_id)
}

/// The response to a request for STS that failed: its clients read XML and other codes.
pub(crate) fn query_failure(error: &ApiError, request_id: Uuid) -> Response<Bytes> {
    let code = match error.code {
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        other => other.trim_end_matches("Exception"),
    };
    let message = error.message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>\n"
    );
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status(None, error.code);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    seal(response, request_id)
}

/// The name that the operation's model has for an error that all services know under some name.
pub(crate) fn modelled(operation: &OperationSpec, code: &'static str) -> &'static str {
    if operation.errors.contains(&code) {
        return code;
    }
    let names: &[&str] = match code {
        // The data plane has names of its own for what the control plane shares.
        "AccessDeniedException" if operation.service == ServiceId::IotData => {
            return "ForbiddenException";
        }
        "SerializationException" | "ValidationException"
            if operation.service == ServiceId::IotData =>
        {
            return ApiError::INVALID;
        }
        ApiError::INTERNAL => &["InternalServerException", "InternalException"],
        ApiError::INVALID => &["ValidationException", "InvalidParameterException"],
        // As the operations on connections have it.
        "AccessDeniedException" => &["ForbiddenException"],
        "ConflictException" => &["ResourceAlreadyExistsException"],
        _ => &[],
    };
    let other = names.iter().find(|name| operation.errors.contains(name));
    other.copied().unwrap_or(code)
}

/// Errors that come from the door, whatever the operation.
const PROTOCOL_ERRORS: [&str; 11] = [
    "AccessDeniedException",
    "ForbiddenException",
    "SerializationException",
    "ValidationException",
    ApiError::INVALID,
    "UnknownOperationException",
    "NotImplementedException",
    "RequestEntityTooLargeException",
    "RequestTimeoutException",
    "ThrottlingException",
    "ServiceUnavailableException",
];

/// Errors that AWS answers though the model does not list them for the operation.
const UNLISTED: [(&str, &str); 2] = [
    ("DetachPolicy", "ResourceNotFoundException"),
    // A setting has it said of things that are not registered.
    ("UpdateThingShadow", "ResourceNotFoundException"),
];

/// Whether the model or the protocol knows this error for this operation.
pub(crate) fn is_listed(operation: &OperationSpec, code: &str) -> bool {
    operation.errors.contains(&code)
        || PROTOCOL_ERRORS.contains(&code)
        || code == ApiError::INTERNAL
        || UNLISTED.contains(&(operation.name, code))
}

fn status(service: Option<&Service>, code: &str) -> StatusCode {
    let modelled = service.and_then(|s| s.error_status(code));
    let common = || COMMON_ERRORS.iter().find(|(name, _)| *name == code).map(|(_, s)| *s);
    let status = modelled.or_else(common).unwrap_or(500);
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn json(service: &Service, body: Bytes) -> Response<Bytes> {
    let content_type = match service.protocol {
        Protocol::RestJson => "application/json",
        Protocol::Json11 => "application/x-amz-json-1.1",
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn to_bytes(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn seal(mut response: Response<Bytes>, request_id: Uuid) -> Response<Bytes> {
    let mut buffer = Uuid::encode_buffer();
    let id = request_id.hyphenated().encode_lower(&mut buffer);
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
