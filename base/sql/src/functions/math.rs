//! Functions of numbers.

use std::cmp::Ordering;

use super::{Function, take};
use crate::Version;
use crate::number::Number;
use crate::value::Value;

/// Whether `bitnot(13)` is -14, as every processor and Java's `~` have it. The reference's example
/// says 2, which turns only the bits that 13 needs; no other number of its fits an engine that
/// counts in more than four bits.
const BITNOT_IS_TWOS_COMPLEMENT: bool = true;

/// Digits behind the point that `trunc` may leave.
const PLACES_MAX: i128 = 34;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::of_values("abs", 1, 1, |values, version| {
        number(values, version, |number| Some(number.abs()))
    }),
    Function::of_values("acos", 1, 1, |values, version| double(values, version, f64::acos)),
    Function::of_values("asin", 1, 1, |values, version| double(values, version, f64::asin)),
    Function::of_values("atan", 1, 1, |values, version| double(values, version, f64::atan)),
    Function::of_values("atan2", 2, 2, |values, version| two_doubles(values, version, f64::atan2)),
    Function::of_values("cos", 1, 1, |values, version| double(values, version, f64::cos)),
    Function::of_values("sin", 1, 1, |values, version| double(values, version, f64::sin)),
    Function::of_values("tan", 1, 1, |values, version| double(values, version, f64::tan)),
    Function::of_values("cosh", 1, 1, |values, version| double(values, version, f64::cosh)),
    Function::of_values("sinh", 1, 1, |values, version| double(values, version, f64::sinh)),
    Function::of_values("tanh", 1, 1, |values, version| double(values, version, f64::tanh)),
    Function::of_values("exp", 1, 1, |values, version| double(values, version, f64::exp)),
    Function::of_values("ln", 1, 1, |values, version| double(values, version, f64::ln)),
    Function::of_values("log", 1, 1, |values, version| double(values, version, f64::log10)),
    Function::of_values("sqrt", 1, 1, |values, version| double(values, version, f64::sqrt)),
    Function::of_values("power", 2, 2, |values, version| two_doubles(values, version, f64::powf)),
    Function::of_values("ceil", 1, 1, |values, version| {
        number(values, version, |number| Some(floor(number.negated()).negated()))
    }),
    Function::of_values("floor", 1, 1, |values, version| {
        number(values, version, |number| Some(floor(number)))
    }),
    Function::of_values("round", 1, 1, |values, version| number(values, version, round)),
    Function::of_values("trunc", 2, 2, truncate),
    Function::of_values("sign", 1, 1, |values, version| {
        number(values, version, |number| Some(Number::Int(number.signum())))
    }),
    Function::of_values("mod", 2, 2, remainder),
    Function::of_values("remainder", 2, 2, remainder),
    Function::of_values("bitand", 2, 2, |values, _| bits(values, |left, right| left & right)),
    Function::of_values("bitor", 2, 2, |values, _| bits(values, |left, right| left | right)),
    Function::of_values("bitxor", 2, 2, |values, _| bits(values, |left, right| left ^ right)),
    Function::of_values("bitnot", 1, 1, |values, _| {
        let int = values.first().and_then(Value::as_number).and_then(Number::floor);
        int.map_or(Value::Undefined, |int| Value::int(turned(int)))
    }),
];

/// What `of` makes of the first argument.
fn number<'m>(
    values: &[Value<'_>],
    version: Version,
    of: impl Fn(Number) -> Option<Number>,
) -> Value<'m> {
    let number = values.first().and_then(Value::as_number);
    Value::of(number.and_then(of).map(|number| version.normal(number)))
}

/// What `of` makes of the first argument as a double.
fn double<'m>(values: &[Value<'_>], version: Version, of: fn(f64) -> f64) -> Value<'m> {
    let number = values.first().and_then(Value::as_number);
    Value::of(number.and_then(|number| version.double(of(number.to_double()))))
}

/// What `of` makes of the two arguments as doubles.
fn two_doubles<'m>(values: &[Value<'_>], version: Version, of: fn(f64, f64) -> f64) -> Value<'m> {
    let numbers = two(values, |value| value.as_number());
    let of = |(first, second): (Number, Number)| of(first.to_double(), second.to_double());
    Value::of(numbers.map(of).and_then(|double| version.double(double)))
}

/// What `of` makes of the two arguments as whole numbers.
fn bits<'m>(values: &[Value<'_>], of: fn(i128, i128) -> i128) -> Value<'m> {
    let ints = two(values, |value| value.as_number()?.floor());
    Value::of(ints.and_then(|(left, right)| Number::of_whole(of(left, right))))
}

fn turned(int: i128) -> i128 {
    if BITNOT_IS_TWOS_COMPLEMENT {
        return !int;
    }
    let needed = int.unsigned_abs().checked_ilog2().map_or(1, |log| log + 1);
    int ^ ((1 << needed) - 1)
}

/// The two arguments, if both are what `of` makes of them.
fn two<T>(values: &[Value<'_>], of: impl Fn(&Value<'_>) -> Option<T>) -> Option<(T, T)> {
    let [first, second] = values else { return None };
    of(first).zip(of(second))
}

/// The greatest whole number that is not greater. What has over 34 digits is one already.
fn floor(number: Number) -> Number {
    number.floor().map_or(number, Number::Int)
}

/// The nearest whole number; of two, the one farther from nothing, as the reference's examples have
/// it against its table.
fn round(number: Number) -> Option<Number> {
    let below = floor(number.abs());
    let twice_the_rest = number.abs().minus(below)?.times(Number::Int(2))?;
    let is_up = twice_the_rest.cmp(&Number::Int(1)) != Ordering::Less;
    let rounded = if is_up { below.plus(Number::Int(1))? } else { below };
    Some(if number.signum() < 0 { rounded.negated() } else { rounded })
}

/// The number to so many places behind the point, without noughts at its end.
fn truncate<'m>(values: &mut [Value<'m>], _: Version) -> Value<'m> {
    let (number, places) = (take(values, 0).as_number(), take(values, 1).as_int());
    Value::of(number.zip(places).map(|(number, places)| {
        let places = u32::try_from(places.clamp(0, PLACES_MAX)).unwrap_or(0);
        number.truncate(places).without_trailing_noughts()
    }))
}

/// What is left by a division, with the sign of what was divided.
fn remainder<'m>(values: &mut [Value<'m>], version: Version) -> Value<'m> {
    let numbers = two(values, |value| value.as_number());
    let rest = numbers.and_then(|(dividend, divisor)| dividend.remainder(divisor));
    Value::of(rest.map(|rest| version.normal(rest)))
}
