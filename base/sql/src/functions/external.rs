//! Functions whose answers come from outside. Each says what it wants; whoever evaluates the
//! statement gets it, and evaluates anew.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Function, take};
use crate::evaluate::{Evaluation, Once};
use crate::message::{Halt, Payload, Request};
use crate::syntax::Expression;
use crate::value::{Object, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::of_expressions("aws_lambda", 2, 2, lambda).taking_message(),
    Function::of_message("get_dynamodb", 4, 6, dynamodb).since_2016(),
    Function::of_message("get_thing_shadow", 2, 3, thing_shadow).since_2016(),
    Function::of_message("get_registry_data", 3, 3, registry_data).since_2016(),
    Function::of_message("get_secret", 3, 4, secret).since_2016(),
    Function::of_message("machinelearning_predict", 3, 3, prediction),
];

fn lambda<'m>(
    arguments: &'m [Expression],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let [function, input] = arguments else { return Ok(Value::Undefined) };
    let Some(function) = evaluation.value(function)?.into_text() else {
        return Ok(Value::Undefined);
    };
    let payload = match input {
        Expression::All => evaluation.message.payload.bytes().to_vec(),
        other => evaluation.value(other)?.to_json().into_bytes(),
    };
    let request = Request::Lambda { function: function.into_owned(), payload };
    json(evaluation, "aws_lambda", request)
}

fn dynamodb<'m>(
    values: &mut [Value<'m>],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    evaluation.only_once(Once::DynamoDb)?;
    let Some(role) = text(values, values.len() - 1) else { return Ok(Value::Undefined) };
    let Some(table) = text(values, 0) else { return Ok(Value::Undefined) };
    let mut keys = Vec::new();
    for place in (1..values.len() - 2).step_by(2) {
        let Some(name) = text(values, place) else { return Ok(Value::Undefined) };
        match take(values, place + 1) {
            value @ (Value::String(_) | Value::Number(_)) => keys.push((name, value.to_json())),
            _ => return Ok(Value::Undefined),
        }
    }
    json(evaluation, "get_dynamodb", Request::DynamoDb { table, keys, role })
}

fn thing_shadow<'m>(
    values: &mut [Value<'m>],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let shadow = if values.len() == 3 { text(values, 1) } else { None };
    let is_named = values.len() == 3;
    let (thing, role) = (text(values, 0), text(values, values.len() - 1));
    match (thing, role) {
        (Some(thing), Some(role)) if is_named == shadow.is_some() => {
            json(evaluation, "get_thing_shadow", Request::ThingShadow { thing, shadow, role })
        }
        _ => Ok(Value::Undefined),
    }
}

fn registry_data<'m>(
    values: &mut [Value<'m>],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    evaluation.only_once(Once::RegistryData)?;
    match (text(values, 0), text(values, 1), text(values, 2)) {
        (Some(operation), Some(thing), Some(role)) => {
            let request = Request::RegistryData { operation, thing, role };
            json(evaluation, "get_registry_data", request)
        }
        _ => Ok(Value::Undefined),
    }
}

/// A secret, a member of it, or its bytes in base64.
fn secret<'m>(
    values: &mut [Value<'m>],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let has_key = values.len() == 4;
    let key = if has_key { text(values, 2) } else { None };
    let role = text(values, values.len() - 1);
    let (Some(id), Some(kind), Some(role)) = (text(values, 0), text(values, 1), role) else {
        return Ok(Value::Undefined);
    };
    if has_key && key.is_none() {
        return Ok(Value::Undefined);
    }
    let failed = |reason: &str| Halt::Failed { function: "get_secret", reason: reason.to_owned() };
    if !["SecretString", "SecretBinary"].contains(&kind.as_str()) {
        return Err(failed("a secret's type is SecretString or SecretBinary"));
    }
    let answer = json(evaluation, "get_secret", Request::Secret { id, role })?;
    let value = answer.member(&kind);
    let Value::String(value) = value else {
        return Err(failed(&format!("the secret has no {kind}")));
    };
    if kind == "SecretBinary" {
        return match key {
            None => Ok(Value::String(value)),
            Some(_) => Err(failed("a binary secret has no keys")),
        };
    }
    let parsed = Payload::read(value.as_bytes());
    let parsed = parsed.json().filter(|json| json.is_object());
    let parsed = parsed.map(|json| json.value(evaluation.version).into_owned());
    match (key, parsed) {
        (None, Some(object)) => Ok(object),
        (None, None) => Ok(Value::String(value)),
        (Some(key), Some(object)) => match object.member(&key) {
            Value::Undefined => Err(failed("the secret has no such key")),
            value => Ok(value),
        },
        (Some(_), _) => Err(failed("the secret is not a JSON object with such a key")),
    }
}

/// A prediction for a record, whose members become texts.
fn prediction<'m>(
    values: &mut [Value<'m>],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let record = take(values, 2);
    let (Some(model), Some(role), Value::Object(record)) =
        (text(values, 0), text(values, 1), record)
    else {
        return Ok(Value::Undefined);
    };
    let members = record.iter().filter_map(|(name, value)| {
        Some((Cow::Owned(name.to_owned()), Value::String(value.clone().into_text()?)))
    });
    let record = Value::Object(Object::of(members.collect())).to_json();
    json(evaluation, "machinelearning_predict", Request::Prediction { model, role, record })
}

/// The argument at `place` as a text.
fn text(values: &mut [Value<'_>], place: usize) -> Option<String> {
    take(values, place).into_text().map(Cow::into_owned)
}

/// The answer to `request`, which is JSON.
fn json<'m>(
    evaluation: &mut Evaluation<'m>,
    function: &'static str,
    request: Request,
) -> Result<Value<'m>, Halt> {
    let answer = evaluation.answer(function, request)?;
    match Payload::read(answer).json() {
        Some(json) => Ok(json.value(evaluation.version)),
        None => {
            let text = STANDARD.encode(answer.get(..64).unwrap_or(answer));
            let reason = format!("the answer is not JSON; it begins, in base64, with {text}");
            Err(Halt::Failed { function, reason })
        }
    }
}
