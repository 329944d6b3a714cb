//! Base64, there and back, and Protocol Buffers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Function, protobuf, take};
use crate::evaluate::Evaluation;
use crate::message::{Halt, Payload};
use crate::syntax::Expression;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::of_expressions("encode", 2, 2, encode).taking_message().since_2016(),
    Function::of_expressions("decode", 2, 6, decode).taking_message().since_2016(),
];

fn encode<'m>(
    arguments: &'m [Expression],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let [what, scheme] = arguments else { return Ok(Value::Undefined) };
    if evaluation.value(scheme)? != Value::text("base64") {
        return Ok(Value::Undefined);
    }
    if matches!(what, Expression::All) {
        return Ok(Value::text(STANDARD.encode(evaluation.message.payload.bytes())));
    }
    let text = evaluation.value(what)?.into_text();
    Ok(text.map_or(Value::Undefined, |text| Value::text(STANDARD.encode(text.as_bytes()))))
}

fn decode<'m>(
    arguments: &'m [Expression],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let [what, scheme, rest @ ..] = arguments else { return Ok(Value::Undefined) };
    let scheme = evaluation.value(scheme)?;
    if scheme == Value::text("proto") {
        return protobuf::decode(what, rest, evaluation);
    }
    if scheme != Value::text("base64") || !rest.is_empty() {
        return Ok(Value::Undefined);
    }
    let mut encoded = match what {
        Expression::All => {
            let text = std::str::from_utf8(evaluation.message.payload.bytes());
            text.map_or(Value::Undefined, Value::text)
        }
        other => evaluation.value(other)?,
    };
    Ok(from_base64(take(std::slice::from_mut(&mut encoded), 0), evaluation))
}

/// JSON as its value, other text as it is; Null of what is neither.
fn from_base64<'m>(encoded: Value<'m>, evaluation: &Evaluation<'m>) -> Value<'m> {
    let Some(encoded) = encoded.into_text() else { return Value::Undefined };
    let Ok(bytes) = STANDARD.decode(encoded.trim_ascii()) else { return Value::Null };
    let payload = Payload::read(&bytes);
    if let Some(json) = payload.json() {
        return json.value(evaluation.version).into_owned();
    }
    String::from_utf8(bytes).map_or(Value::Null, Value::text)
}
