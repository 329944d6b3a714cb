//! Functions of time: `parse_time` writes a moment by a pattern of Joda-Time, `time_to_epoch` reads
//! one by a pattern of `java.time`.

mod joda;
mod pattern;
mod reader;
mod resolve;
mod words;
mod zones;

use super::recent::Recent;
use super::{Function, take};
use crate::Version;
use crate::value::Value;

/// Patterns that a thread keeps.
const KEPT_MAX: usize = 64;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::of_values("parse_time", 2, 3, parse_time).since_2016(),
    Function::of_values("time_to_epoch", 2, 2, time_to_epoch).since_2016(),
];

/// The moment so many milliseconds after 1970, as a text.
fn parse_time<'m>(values: &mut [Value<'m>], _: Version) -> Value<'m> {
    let pattern = take(values, 0).into_text();
    let moment = take(values, 1).as_int();
    let zone = if values.len() == 3 { take(values, 2) } else { Value::text("UTC") };
    let (Some(pattern), Some(moment), Some(zone)) = (pattern, moment, zone.into_text()) else {
        return Value::Undefined;
    };
    let zone = zones::of_joda(&zone);
    let text = zone.and_then(|zone| joda::text(&pattern, moment, &zone));
    text.map_or(Value::Undefined, Value::text)
}

/// The milliseconds after 1970 of the moment that a text says.
fn time_to_epoch<'m>(values: &mut [Value<'m>], _: Version) -> Value<'m> {
    thread_local! {
        static PATTERNS: Recent<Option<std::rc::Rc<[pattern::Part]>>> =
            const { Recent::of(KEPT_MAX) };
    }
    let (text, pattern) = (take(values, 0).into_text(), take(values, 1).into_text());
    let (Some(text), Some(pattern)) = (text, pattern) else { return Value::Undefined };
    let read = || pattern::read(&pattern).map(Into::into);
    let parts = PATTERNS.with(|patterns| patterns.get_or_make(pattern.as_bytes(), read));
    let moment = parts.and_then(|parts| reader::read(&text, &parts)).and_then(resolve::moment);
    moment.map_or(Value::Undefined, Value::int)
}
