//! What requests over HTTP say of a message: its topics and the properties of MQTT 5, in the forms
//! that headers and queries have for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;
use mqtt::{TopicName, UserProperties};
use serde_json::{Map, Value};
use service::ApiError;

use crate::ending::Fault;

/// A topic that can be published to; `what` is it in the refusal.
pub(crate) fn topic_name(what: &str, text: &str) -> Result<ByteString, ApiError> {
    let topic = ByteString::from(text);
    TopicName::parse(topic.clone())
        .map(|_| topic)
        .map_err(|invalid| ApiError::invalid(format!("{what} {text} cannot be used: {invalid}.")))
}

/// A response topic, which is a topic like any other.
pub(crate) fn response_topic(text: &str) -> Result<ByteString, ApiError> {
    topic_name("The response topic", text)
}

/// Base64.
pub(crate) fn correlation_data(text: &str) -> Result<Bytes, ApiError> {
    let data = STANDARD.decode(text);
    data.map(Bytes::from).map_err(|error| {
        ApiError::invalid(format!("The correlation data is not valid base64: {error}."))
    })
}

/// `[{"k":"v"},{"k2":"v2"}]`: names may repeat, and their order is kept. SDKs that encode what is
/// JSON already send the list as a JSON text.
pub(crate) fn user_properties(text: &str) -> Result<UserProperties, ApiError> {
    let wrong = || {
        ApiError::invalid(
            "The user properties are a JSON list of objects with one name and its text each, such \
             as [{\"a\":\"1\"},{\"b\":\"2\"}].",
        )
    };
    let encoded_twice: Option<String> = serde_json::from_str(text).ok();
    let text = encoded_twice.as_deref().unwrap_or(text);
    let pairs: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|_| wrong())?;
    let pair = |object: Map<String, Value>| {
        let mut pairs = object.into_iter();
        match (pairs.next(), pairs.next()) {
            (Some((name, Value::String(value))), None) => Ok((name.into(), value.into())),
            _ => Err(wrong()),
        }
    };
    pairs.into_iter().map(pair).collect()
}

/// What MQTT would end the connection for.
pub(crate) fn refused(fault: Fault) -> ApiError {
    let mut detail = fault.detail.chars();
    let first = detail.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    ApiError::invalid(format!("{first}{}.", detail.as_str()))
}
