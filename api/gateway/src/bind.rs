//! From a request's path, query, headers and body to one object, as the model names its members.
//!
//! A body can fill only the members that the model puts in the body: what the path says is never
//! overwritten. Unknown members are ignored, as AWS ignores them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use model::spec::{Kind, Location, Member, OperationSpec, Service};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value};

use crate::route::Match;

/// The request does not have the form that the operation's input needs.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unbindable(pub(crate) String);

/// The parts of a request that carry an input.
pub(crate) struct Parts<'r> {
    pub(crate) query: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r Bytes,
}

/// Gathers the input of a rest-json request.
pub(crate) fn bind(found: &Match<'_>, parts: &Parts<'_>) -> Result<Value, Unbindable> {
    let service = found.operation.service.service();
    let Some((members, payload)) = input(found.operation) else {
        return Ok(Value::Object(Map::new()));
    };
    let has_body = payload.is_none() && members.iter().any(|m| m.location == Location::Body);
    let mut body = if has_body { parse_object(parts.body)? } else { Map::new() };
    let mut object = Map::new();
    for member in members {
        let value = match member.location {
            Location::Label(name) => label(service, member, found, name)?,
            Location::Query(name) => query(service, member, parts.query, name)?,
            Location::Header(name) => header(service, member, parts.headers, name)?,
            Location::Status => None,
            Location::Body if payload == Some(member.name) => whole(service, member, parts.body)?,
            Location::Body if payload.is_some() => None,
            Location::Body => body.remove(member.wire).filter(|v| !v.is_null()),
        };
        if let Some(value) = value {
            object.insert(member.wire.to_owned(), value);
        }
    }
    Ok(Value::Object(object))
}

/// Reads the input of a json-1.1 request: the body is the object.
pub(crate) fn bind_json11(operation: &OperationSpec, body: &Bytes) -> Result<Value, Unbindable> {
    let (members, _) = input(operation).unwrap_or_default();
    let mut object = parse_object(body)?;
    object.retain(|name, _| members.iter().any(|member| member.wire == name));
    Ok(Value::Object(object))
}

type Members = (&'static [Member], Option<&'static str>);

fn input(operation: &OperationSpec) -> Option<Members> {
    let shape = operation.service.service().shape(operation.input?);
    match shape.kind {
        Kind::Structure { members, payload } => Some((members, payload)),
        _ => None,
    }
}

fn parse_object(body: &Bytes) -> Result<Map<String, Value>, Unbindable> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Unbindable("The request body must be a JSON object.".into())),
        Err(error) => Err(Unbindable(format!("The request body is not valid JSON: {error}."))),
    }
}

/// The member that is the whole body: bytes as base64, a structure as its own object.
fn whole(service: &Service, member: &Member, body: &Bytes) -> Result<Option<Value>, Unbindable> {
    if body.is_empty() {
        return Ok(None);
    }
    if matches!(service.shape(member.shape).kind, Kind::Structure { .. }) {
        return parse_object(body).map(Value::Object).map(Some);
    }
    Ok(Some(Value::String(STANDARD.encode(body))))
}

fn label(
    service: &Service,
    member: &Member,
    found: &Match<'_>,
    name: &str,
) -> Result<Option<Value>, Unbindable> {
    let text = found.labels.iter().find(|(label, _)| *label == name).map(|(_, text)| text);
    text.map(|text| scalar(service, member, text)).transpose()
}

fn query(
    service: &Service,
    member: &Member,
    query: &str,
    name: &str,
) -> Result<Option<Value>, Unbindable> {
    let mut values = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key)? == name {
            values.push(decode(value)?);
        }
    }
    if matches!(service.shape(member.shape).kind, Kind::List { .. }) {
        let list: Vec<Value> = values.into_iter().map(Value::String).collect();
        return Ok((!list.is_empty()).then_some(Value::Array(list)));
    }
    values.into_iter().next().map(|text| scalar(service, member, &text)).transpose()
}

fn decode(text: &str) -> Result<String, Unbindable> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    let decoded = decoded.map_err(|_| Unbindable("The query string is not valid UTF-8.".into()))?;
    Ok(decoded.into_owned())
}

fn header(
    service: &Service,
    member: &Member,
    headers: &HeaderMap,
    name: &str,
) -> Result<Option<Value>, Unbindable> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Unbindable(format!("The header {name} is not valid UTF-8.")))?;
    if !member.is_json {
        return scalar(service, member, text).map(Some);
    }
    let json = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let json = json.ok_or_else(|| {
        Unbindable(format!("The header {name} must be JSON in base64, as the SDKs send it."))
    })?;
    Ok(Some(Value::String(json)))
}

/// A text of the path, query or headers as its shape wants it.
fn scalar(service: &Service, member: &Member, text: &str) -> Result<Value, Unbindable> {
    let shape = service.shape(member.shape);
    let wrong =
        |wanted: &str| Unbindable(format!("The value of '{}' must be {wanted}.", member.name));
    match shape.kind {
        Kind::Boolean => match text {
            "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
            _ => Err(wrong("true or false")),
        },
        Kind::Integer(_) | Kind::Long(_) => {
            text.parse::<i64>().map(Value::from).map_err(|_| wrong("a whole number"))
        }
        Kind::Double(_) => {
            let number = text.parse::<f64>().ok().and_then(Number::from_f64);
            number.map(Value::Number).ok_or_else(|| wrong("a number"))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Routes;

    fn check(method: &str, target: &str, body: &str, expect: &str) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let routes = Routes::new(&model::iot::SERVICE);
        let found = routes.find(method, path).ok().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-principal", "arn:p".parse().unwrap());
        let body = Bytes::copy_from_slice(body.as_bytes());
        let parts = Parts { query, headers: &headers, body: &body };
        let bound = match bind(&found, &parts) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(bound, expect, "{method} {target} {body:?}");
    }

    #[test]
    fn a_body_that_is_the_input_has_only_members_of_the_operation() {
        let operation = model::operations().find(|o| o.name == "CloseTunnel").unwrap();
        let body = Bytes::from_static(br#"{"tunnelId":"t","thingName":"lamp","delete":true}"#);
        let bound = bind_json11(operation, &body).unwrap();
        assert_eq!(bound, serde_json::json!({"tunnelId": "t", "delete": true}));
    }

    #[test]
    fn each_member_comes_from_its_own_place() {
        check(
            "POST",
            "/things/a",
            r#"{"thingTypeName":"t"}"#,
            r#"{"thingName":"a","thingTypeName":"t"}"#,
        );
        check(
            "GET",
            "/things?maxResults=5&nextToken=a%20b",
            "",
            r#"{"maxResults":5,"nextToken":"a b"}"#,
        );
        check("PUT", "/things/a/principals", "", r#"{"principal":"arn:p","thingName":"a"}"#);
        check("POST", "/keys-and-certificate?setAsActive=true", "", r#"{"setAsActive":true}"#);
    }

    #[test]
    fn a_body_cannot_overwrite_the_path() {
        check("POST", "/things/a", r#"{"thingName":"b","other":1}"#, r#"{"thingName":"a"}"#);
    }

    #[test]
    fn a_payload_member_is_the_whole_body() {
        check(
            "POST",
            "/rules/r",
            r#"{"sql":"s"}"#,
            r#"{"ruleName":"r","topicRulePayload":{"sql":"s"}}"#,
        );
    }

    #[test]
    fn null_is_the_same_as_absent() {
        check("POST", "/things/a", r#"{"thingTypeName":null}"#, r#"{"thingName":"a"}"#);
    }

    #[test]
    fn what_cannot_be_bound_says_why() {
        check("POST", "/things/a", "[]", "The request body must be a JSON object.");
        check(
            "GET",
            "/things?maxResults=x",
            "",
            "The value of 'maxResults' must be a whole number.",
        );
        check(
            "POST",
            "/things/a",
            "{",
            "The request body is not valid JSON: EOF while parsing an object at line 1 column 1.",
        );
    }
}
