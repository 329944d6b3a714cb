//! `decode(…, 'proto', …)`: messages of Protocol Buffers as JSON has them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor};

use super::recent::Recent;
use crate::Version;
use crate::evaluate::Evaluation;
use crate::message::{Halt, Payload, Request};
use crate::syntax::Expression;
use crate::value::Value;

/// Bytes of a set of file descriptors.
const DESCRIPTOR_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a message before and after it is decoded.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Sets of file descriptors that a thread keeps.
const KEPT_MAX: usize = 8;

thread_local! {
    static POOLS: Recent<Option<DescriptorPool>> = const { Recent::of(KEPT_MAX) };
}

/// The value of `what` by the descriptors in an object: bucket, key, file and message.
pub(super) fn decode<'m>(
    what: &'m Expression,
    place: &'m [Expression],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let [bucket, key, file, message] = place else { return Ok(Value::Undefined) };
    let mut text = |expression| evaluation.value(expression).map(Value::into_text);
    let texts = (text(bucket)?, text(key)?, text(file)?, text(message)?);
    let (Some(bucket), Some(key), Some(file), Some(message)) = texts else {
        return Ok(Value::Undefined);
    };
    evaluation.decodes_protobuf()?;
    let Some(bytes) = bytes(what, evaluation)? else { return Ok(Value::Undefined) };
    let request = Request::Descriptor { bucket: bucket.into_owned(), key: key.into_owned() };
    let descriptors = evaluation.answer("decode", request)?;
    let message = described(descriptors, &file, &message)?;
    // Of descriptors that no compiler writes, such as maps without keys, the library panics: then
    // this rule fails, and no more.
    let value = AssertUnwindSafe(|| value(&message, &bytes, evaluation.version));
    catch_unwind(value).unwrap_or_else(|_| Err(failed("the descriptors contradict themselves")))
}

/// The value that `bytes` have as a message of that type.
fn value(
    message: &MessageDescriptor,
    bytes: &[u8],
    version: Version,
) -> Result<Value<'static>, Halt> {
    let json = decoded(message.clone(), bytes)?;
    let payload = Payload::read(&json);
    let json = payload.json().ok_or_else(|| failed("the message is nested too deep"))?;
    let mut value = json.value(version).into_owned();
    order(&mut value, message);
    Ok(value)
}

/// Puts maps in the order of their keys: decoded, they are in one order now and in another then.
fn order(value: &mut Value<'_>, message: &MessageDescriptor) {
    let Value::Object(object) = value else { return };
    // Objects of any form have one of Google's own types.
    if message.package_name() == "google.protobuf" {
        return order_all(value);
    }
    for field in message.fields() {
        let Some(value) = object.get_mut(field.json_name()) else { continue };
        let kind = if field.is_map() {
            if let Value::Object(map) = value {
                map.sort();
            }
            let entry = field.kind();
            entry.as_message().map(|entry| entry.map_entry_value_field().kind())
        } else {
            Some(field.kind())
        };
        let Some(Kind::Message(message)) = kind else { continue };
        match value {
            Value::Object(map) if field.is_map() => {
                map.values_mut().for_each(|value| order(value, &message));
            }
            Value::Array(items) if field.is_list() => {
                items.iter_mut().for_each(|item| order(item, &message));
            }
            value => order(value, &message),
        }
    }
}

fn order_all(value: &mut Value<'_>) {
    match value {
        Value::Object(object) => {
            object.sort();
            object.values_mut().for_each(order_all);
        }
        Value::Array(items) => items.iter_mut().for_each(order_all),
        _ => {}
    }
}

/// The message as it came, or what a text has in base64; none of what is no text.
fn bytes<'m>(
    what: &'m Expression,
    evaluation: &mut Evaluation<'m>,
) -> Result<Option<Vec<u8>>, Halt> {
    if matches!(what, Expression::All) {
        return Ok(Some(evaluation.message.payload.bytes().to_vec()));
    }
    let Some(text) = evaluation.value(what)?.into_text() else { return Ok(None) };
    let bytes = STANDARD.decode(text.trim_ascii());
    bytes.map(Some).map_err(|_| failed("the value is not base64"))
}

/// The message type `name` of `file`, which is written without its ending.
fn described(descriptors: &[u8], file: &str, name: &str) -> Result<MessageDescriptor, Halt> {
    if descriptors.len() > DESCRIPTOR_BYTES_MAX {
        return Err(failed("the file descriptor set has more than 32 KiB"));
    }
    let pool = POOLS.with(|pools| pools.get_or_make(descriptors, || pool(descriptors)));
    let pool =
        pool.ok_or_else(|| failed("the object is no file descriptor set of proto2 or proto3"))?;
    let is_file = |path: &str| {
        let (path, file) = (without_ending(path), without_ending(file));
        path == file || path.rsplit('/').next() == Some(file)
    };
    let is_message = |message: &MessageDescriptor| {
        let full = message.full_name();
        let inside = full.strip_prefix(message.package_name()).unwrap_or(full);
        full == name || inside.strip_prefix('.').unwrap_or(inside) == name
    };
    let mut messages = pool.all_messages();
    let found = messages.find(|it| is_file(it.parent_file().name()) && is_message(it));
    found.ok_or_else(|| failed(&format!("the descriptors have no message {name} in {file}")))
}

/// The descriptors, if they are of a language that the library knows: of others, such as editions, it
/// panics.
fn pool(descriptors: &[u8]) -> Option<DescriptorPool> {
    let set = FileDescriptorSet::decode(descriptors).ok()?;
    let is_known = |file: &FileDescriptorProto| matches!(file.syntax(), "" | "proto2" | "proto3");
    set.file.iter().all(is_known).then_some(())?;
    catch_unwind(|| DescriptorPool::decode(descriptors).ok()).ok().flatten()
}

fn without_ending(file: &str) -> &str {
    file.strip_suffix(".proto").unwrap_or(file)
}

/// The message as JSON.
fn decoded(descriptor: MessageDescriptor, bytes: &[u8]) -> Result<Vec<u8>, Halt> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(failed("the message has more than 128 KiB"));
    }
    let message = DynamicMessage::decode(descriptor, bytes)
        .map_err(|_| failed("the value is no such message"))?;
    let json =
        serde_json::to_vec(&message).map_err(|_| failed("the message has no form in JSON"))?;
    if json.len() > MESSAGE_BYTES_MAX {
        return Err(failed("the decoded message has more than 128 KiB"));
    }
    Ok(json)
}

fn failed(reason: &str) -> Halt {
    Halt::Failed { function: "decode", reason: reason.to_owned() }
}
