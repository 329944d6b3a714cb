//! Functions of arrays and objects, and of what is not there.

use super::{Function, take};
use crate::Version;
use crate::evaluate::Evaluation;
use crate::json;
use crate::message::Halt;
use crate::syntax::Expression;
use crate::value::Value;

/// Bytes of what `transform` makes.
const TRANSFORMED_BYTES_MAX: usize = 128 * 1024;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::of_expressions("get", 2, 2, get).taking_message(),
    Function::of_values("isnull", 1, 1, |values, _| Value::Boolean(take(values, 0) == Value::Null))
        .since_2016(),
    Function::of_values("isundefined", 1, 1, |values, _| {
        Value::Boolean(take(values, 0).is_undefined())
    })
    .since_2016(),
    Function::of_values("nanvl", 2, 2, |values, _| match take(values, 0) {
        Value::Undefined | Value::Null => take(values, 1),
        value => value,
    }),
    Function::of_expressions("get_or_default", 1, 2, get_or_default).since_2016(),
    Function::of_message("transform", 3, 3, transform).since_2016(),
    Function::of_values("concat", 0, usize::MAX, concat),
];

/// An element of an array, a character of a text, a member of an object.
fn get<'m>(
    arguments: &'m [Expression],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let [collection, key] = arguments else { return Ok(Value::Undefined) };
    let collection = match collection {
        Expression::All => evaluation.everything()?,
        other => evaluation.value(other)?,
    };
    let key = evaluation.value(key)?;
    let place = || key.as_int().and_then(|place| usize::try_from(place).ok());
    Ok(match (collection, &key) {
        (Value::Array(mut items), _) => {
            let item = place().filter(|place| *place < items.len());
            item.map_or(Value::Undefined, |place| items.swap_remove(place))
        }
        (Value::String(text), _) => {
            let character = place().and_then(|place| text.chars().nth(place));
            character.map_or(Value::Undefined, |character| Value::text(character.to_string()))
        }
        (Value::Object(object), Value::String(name)) => object.take(name),
        _ => Value::Undefined,
    })
}

/// The first, or the second where the first is Null, Undefined or fails.
fn get_or_default<'m>(
    arguments: &'m [Expression],
    evaluation: &mut Evaluation<'m>,
) -> Result<Value<'m>, Halt> {
    let Some((value, default)) = arguments.split_first() else { return Ok(Value::Undefined) };
    match evaluation.value(value) {
        Ok(Value::Undefined | Value::Null) | Err(Halt::Failed { .. } | Halt::TooLarge { .. }) => {
            default.first().map_or(Ok(Value::Undefined), |default| evaluation.value(default))
        }
        other => other,
    }
}

/// `enrichArray`: each object of an array with the members of another object.
fn transform<'m>(values: &mut [Value<'m>], _: &mut Evaluation<'m>) -> Result<Value<'m>, Halt> {
    let (mode, attributes, items) = (take(values, 0), take(values, 1), take(values, 2));
    let (Value::Object(attributes), Value::Array(items)) = (attributes, items) else {
        return Ok(Value::Undefined);
    };
    if mode != Value::text("enrichArray") {
        return Ok(Value::Undefined);
    }
    let mut length = 2;
    let mut enriched = Vec::with_capacity(items.len());
    for item in items {
        let Value::Object(mut object) = item else { return Ok(Value::Undefined) };
        object.extend(attributes.clone());
        let object = Value::Object(object);
        length += object.to_json().len() + 1;
        if length > TRANSFORMED_BYTES_MAX {
            return Err(Halt::TooLarge { what: "the result of transform()" });
        }
        enriched.push(object);
    }
    Ok(Value::Array(enriched))
}

/// Arrays become one, texts one; a single value stays as it is.
fn concat<'m>(values: &mut [Value<'m>], _: Version) -> Value<'m> {
    if values.len() == 1 {
        return take(values, 0);
    }
    if values.iter().any(|value| matches!(value, Value::Array(_))) {
        let items = values.iter_mut().flat_map(|value| match std::mem::take(value) {
            Value::Array(items) => items,
            Value::Undefined => Vec::new(),
            value => vec![value],
        });
        return Value::Array(items.collect());
    }
    if !values.iter().any(|value| matches!(value, Value::String(_))) {
        return Value::Undefined;
    }
    let mut text = String::new();
    for value in values {
        match value {
            Value::String(string) => text.push_str(string),
            Value::Undefined | Value::Null => return Value::Undefined,
            other => json::write(other, &mut text),
        }
    }
    Value::text(text)
}
