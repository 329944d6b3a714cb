//! Functions that say what came with the message: where, when, by whom.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Function;
use crate::evaluate::Evaluation;
use crate::message::Halt;
use crate::value::{Object, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::of_message("topic", 0, 1, topic),
    Function::of_message("clientid", 0, 0, |_, evaluation| {
        // What messages have that came over HTTP.
        Ok(Value::text(evaluation.message.client_id.unwrap_or("n/a")))
    }),
    Function::of_message("principal", 0, 0, |_, evaluation| {
        Ok(evaluation.message.principal.map_or(Value::Undefined, Value::text))
    }),
    Function::of_message("accountid", 0, 0, |_, evaluation| {
        Ok(Value::text(evaluation.message.account))
    }),
    Function::of_message("traceid", 0, 0, |_, evaluation| {
        Ok(evaluation.message.trace_id.map_or(Value::Undefined, Value::text))
    }),
    Function::of_message("sourceip", 0, 0, |_, evaluation| {
        let source = evaluation.message.source_ip;
        Ok(source.map_or(Value::Undefined, |source| Value::text(source.to_string())))
    })
    .since_2016(),
    Function::of_message("timestamp", 0, 0, |_, evaluation| {
        Ok(Value::int(evaluation.message.now_ms))
    }),
    Function::of_message("newuuid", 0, 0, |_, evaluation| Ok(Value::text(new_uuid(evaluation)))),
    Function::of_message("rand", 0, 0, |_, evaluation| Ok(random(evaluation))),
    Function::of_message("sql_version", 0, 0, |_, evaluation| {
        Ok(Value::text(evaluation.version.name()))
    }),
    Function::of_message("get_mqtt_property", 1, 1, mqtt_property),
    Function::of_message("get_user_properties", 0, 1, user_properties),
];

/// The topic, or its level of that number, the first of which is 1.
fn topic<'m>(values: &mut [Value<'m>], evaluation: &mut Evaluation<'m>) -> Result<Value<'m>, Halt> {
    let topic = evaluation.message.topic;
    let Some(level) = values.first() else { return Ok(Value::text(topic)) };
    let level = level.as_int().and_then(|level| usize::try_from(level).ok()?.checked_sub(1));
    let level = level.and_then(|level| topic.split('/').nth(level));
    Ok(level.map_or(Value::Undefined, Value::text))
}

/// A UUID of version 4.
fn new_uuid(evaluation: &mut Evaluation<'_>) -> String {
    let high = evaluation.draw() & !0xF000 | 0x4000;
    let low = evaluation.draw() >> 2 | 0x8000_0000_0000_0000;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// A number from 0 up to 1, without it.
fn random<'m>(evaluation: &mut Evaluation<'m>) -> Value<'m> {
    #[allow(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    let double = (evaluation.draw() >> 11) as f64 / (1_u64 << 53) as f64;
    Value::of(evaluation.version.double(double))
}

fn mqtt_property<'m>(
    values: &mut [Value<'m>],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let properties = evaluation.message.properties;
    let Some(Value::String(name)) = values.first() else { return Ok(Value::Undefined) };
    let text = |text: Option<&'m str>| text.map_or(Value::Undefined, Value::text);
    Ok(match name.as_ref() {
        "content_type" => text(properties.content_type),
        "response_topic" => text(properties.response_topic),
        "correlation_data" => {
            let data = properties.correlation_data;
            data.map_or(Value::Undefined, |data| Value::text(STANDARD.encode(data)))
        }
        "format_indicator" if properties.payload_is_utf8 => Value::text("UTF8_DATA"),
        "format_indicator" => Value::text("UNSPECIFIED_BYTES"),
        _ => Value::Undefined,
    })
}

/// All values of one name; without a name an object of each property.
fn user_properties<'m>(
    values: &mut [Value<'m>],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let properties = evaluation.message.properties.user;
    let found: Vec<Value<'m>> = match values.first() {
        Some(Value::String(name)) => {
            let named = properties.iter().filter(|(key, _)| key == name);
            named.map(|(_, value)| Value::text(*value)).collect()
        }
        Some(_) => Vec::new(),
        None => properties
            .iter()
            .map(|(key, value)| {
                Value::Object(Object::of(vec![(Cow::Borrowed(*key), Value::text(*value))]))
            })
            .collect(),
    };
    Ok(if found.is_empty() { Value::Undefined } else { Value::Array(found) })
}
