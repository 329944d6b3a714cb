//! Functions of numbers.

use super::Function;
use crate::Version;
use crate::number::Number;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[Function::of_values("abs", 1, 1, |values, version| {
    number(values, version, |n| Some(n.abs()))
})];

fn number<'m>(
    values: &[Value<'_>],
    version: Version,
    of: impl Fn(Number) -> Option<Number>,
) -> Value<'m> {
    let number = values.first().and_then(Value::as_number);
    Value::of(number.and_then(of).map(|number| version.normal(number)))
}
