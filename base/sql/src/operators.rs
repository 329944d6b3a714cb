//! What stands between two expressions (AWS IoT SQL reference, "Operators").

use crate::Version;
use crate::number::Number;
use crate::syntax::Operator;
use crate::value::Value;

/// Whether dividing an Int by an Int gives an Int, as the reference's table says; a sample of its
/// says otherwise.
const INT_DIVISION_IS_WHOLE: bool = true;

/// The value of `left operator right`.
pub(crate) fn apply<'m>(
    operator: Operator,
    left: Value<'m>,
    right: Value<'m>,
    version: Version,
) -> Value<'m> {
    match operator {
        Operator::And => logic(&left, &right, |left, right| left && right),
        Operator::Or => logic(&left, &right, |left, right| left || right),
        Operator::Equal => equal(&left, &right).map_or(Value::Undefined, Value::Boolean),
        Operator::NotEqual => {
            equal(&left, &right).map_or(Value::Undefined, |equal| Value::Boolean(!equal))
        }
        Operator::Less => compare(&left, &right, |left, right| left < right),
        Operator::LessOrEqual => compare(&left, &right, |left, right| left <= right),
        Operator::Greater => compare(&left, &right, |left, right| left > right),
        Operator::GreaterOrEqual => compare(&left, &right, |left, right| left >= right),
        Operator::Add => add(left, right, version),
        Operator::Subtract => arithmetic(&left, &right, version, Number::minus),
        Operator::Multiply => arithmetic(&left, &right, version, Number::times),
        Operator::Divide => arithmetic(&left, &right, version, divide),
        Operator::Remainder => arithmetic(&left, &right, version, Number::remainder),
    }
}

/// `left = right`; none if either is Undefined. Values of two types are not equal.
pub(crate) fn equal(left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    (!left.is_undefined() && !right.is_undefined()).then(|| left == right)
}

/// `NOT value`.
pub(crate) fn not<'m>(value: &Value<'_>) -> Value<'m> {
    value.as_boolean().map_or(Value::Undefined, |boolean| Value::Boolean(!boolean))
}

/// `-value`.
pub(crate) fn negate<'m>(value: &Value<'_>) -> Value<'m> {
    Value::of(value.as_number().map(Number::negated))
}

/// `left IN right`.
pub(crate) fn is_in<'m>(left: &Value<'_>, right: &Value<'_>) -> Value<'m> {
    let is_element =
        matches!(left, Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_));
    match right {
        Value::Array(items) if is_element => Value::Boolean(items.contains(left)),
        _ => Value::Undefined,
    }
}

fn logic<'m>(left: &Value<'_>, right: &Value<'_>, of: fn(bool, bool) -> bool) -> Value<'m> {
    match (left.as_boolean(), right.as_boolean()) {
        (Some(left), Some(right)) => Value::Boolean(of(left, right)),
        _ => Value::Undefined,
    }
}

fn compare<'m>(left: &Value<'_>, right: &Value<'_>, of: fn(&Number, &Number) -> bool) -> Value<'m> {
    match (left.as_number(), right.as_number()) {
        (Some(left), Some(right)) => Value::Boolean(of(&left, &right)),
        _ => Value::Undefined,
    }
}

fn add<'m>(left: Value<'m>, right: Value<'m>, version: Version) -> Value<'m> {
    if let (Value::Number(left), Value::Number(right)) = (&left, &right) {
        return Value::of(left.plus(*right).map(|sum| version.normal(sum)));
    }
    if !matches!(left, Value::String(_)) && !matches!(right, Value::String(_)) {
        return Value::Undefined;
    }
    match (left.into_text(), right.into_text()) {
        (Some(left), Some(right)) => Value::text(left.into_owned() + &right),
        _ => Value::Undefined,
    }
}

fn arithmetic<'m>(
    left: &Value<'_>,
    right: &Value<'_>,
    version: Version,
    of: fn(Number, Number) -> Option<Number>,
) -> Value<'m> {
    let numbers = operand(left).zip(operand(right));
    Value::of(numbers.and_then(|(left, right)| of(left, right)).map(|it| version.normal(it)))
}

/// What an operator calculates with: a text is a decimal, whole or not.
fn operand(value: &Value<'_>) -> Option<Number> {
    let number = value.as_number()?;
    Some(if matches!(value, Value::String(_)) { number.as_decimal() } else { number })
}

fn divide(left: Number, right: Number) -> Option<Number> {
    match (left, right) {
        (Number::Int(left), Number::Int(right)) if INT_DIVISION_IS_WHOLE => {
            left.checked_div(right).map(Number::Int)
        }
        _ => left.divided_by(right),
    }
}
