//! Checks a bound input against the model: all failures at once, in AWS's wording.

use model::spec::{
    DoubleRange, IntegerRange, Kind, Length, Member, Pattern, Service, Shape, TimestampForm,
};
use serde_json::Value;
use types::Timestamp;

/// Failures that one answer names; a client mends these before it sees the next.
const FAILURES_MAX: usize = 32;
/// Characters of a refused value that the answer repeats.
const SHOWN_CHARS_MAX: usize = 1024;

/// What AWS says that it expects instead of a scalar.
const LIST: &str = "list or null";
const MAP: &str = "map or null";
const STRUCTURE: &str = "null";

const VALUE_AT_LEAST: &str = "Member must have value greater than or equal to";
const VALUE_AT_MOST: &str = "Member must have value less than or equal to";

/// Why an input is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A JSON value has the wrong type: AWS's `SerializationException`.
    Type(String),
    /// Constraints that do not hold: AWS's validation error.
    Constraints(String),
}

/// Checks `input` against the shape, and brings it into the form that the generated types read:
/// nulls are removed, timestamps become what their shape says.
pub(crate) fn validate(service: &Service, shape: u16, input: &mut Value) -> Result<(), Refusal> {
    let mut check = Check { service, failures: Vec::new(), path: Path::default() };
    check.shape(service.shape(shape), input).map_err(Refusal::Type)?;
    check.finish()
}

struct Check<'m> {
    service: &'m Service,
    failures: Vec<String>,
    path: Path,
}

/// Where in the input the check stands: `tags.1.member.key`.
#[derive(Default)]
struct Path(String);

impl Path {
    fn enter(&mut self, name: &str) -> usize {
        let before = self.0.len();
        if before > 0 {
            self.0.push('.');
        }
        self.0.push_str(name);
        before
    }

    /// AWS's messages write the first letter of a member small, also where its models do not.
    fn enter_member(&mut self, name: &str) -> usize {
        let before = self.enter(name);
        let start = self.0.len() - name.len();
        if let Some(first) = self.0.get_mut(start..=start) {
            first.make_ascii_lowercase();
        }
        before
    }

    fn leave(&mut self, before: usize) {
        self.0.truncate(before);
    }
}

impl Check<'_> {
    fn finish(self) -> Result<(), Refusal> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let count = self.failures.len();
        let noun = if count == 1 { "error" } else { "errors" };
        let list = self.failures.join("; ");
        Err(Refusal::Constraints(format!("{count} validation {noun} detected: {list}")))
    }

    fn shape(&mut self, shape: &Shape, value: &mut Value) -> Result<(), String> {
        match shape.kind {
            Kind::Structure { members, .. } => self.structure(members, value),
            Kind::List { member, length } => self.list(shape, member, length, value),
            Kind::Map { key, value: item, length } => self.map(shape, key, item, length, value),
            Kind::Timestamp(form) => timestamp(form, value),
            Kind::Boolean if value.is_boolean() => Ok(()),
            Kind::Boolean => Err(mistyped(value, "a Boolean")),
            Kind::String { .. } | Kind::Blob(_) if !value.is_string() => {
                Err(mistyped(value, "a String"))
            }
            Kind::Integer(_) | Kind::Long(_) if value.as_i64().is_none() => {
                self.whole(shape, value)
            }
            Kind::Double(_) if !value.is_number() => Err(mistyped(value, "a Double")),
            _ => {
                self.scalar(shape, value);
                Ok(())
            }
        }
    }

    fn structure(&mut self, members: &'static [Member], value: &mut Value) -> Result<(), String> {
        let Value::Object(object) = value else {
            return Err(mistyped(value, STRUCTURE));
        };
        for member in members {
            if object.get(member.wire).is_some_and(Value::is_null) {
                object.remove(member.wire);
            }
            let before = self.path.enter_member(member.name);
            match object.get_mut(member.wire) {
                Some(value) => self.shape(self.service.shape(member.shape), value)?,
                None if member.is_required => self.fail("null", "Member must not be null"),
                None => {}
            }
            self.path.leave(before);
        }
        Ok(())
    }

    fn list(
        &mut self,
        shape: &Shape,
        member: u16,
        length: Length,
        value: &mut Value,
    ) -> Result<(), String> {
        let Value::Array(items) = value else {
            return Err(mistyped(value, LIST));
        };
        items.retain(|item| !item.is_null());
        let member = self.service.shape(member);
        let known = self.failures.len();
        for (i, item) in items.iter_mut().enumerate() {
            let before = self.path.enter(&(i + 1).to_string());
            self.path.0.push_str(".member");
            self.shape(member, item)?;
            self.path.leave(before);
        }
        let mut failed = Vec::new();
        if self.forget_scalars(member, known) {
            failed.push(format!("Member must satisfy constraint: [{}]", constraints(member)));
        }
        failed.extend(outside(length, items.len()));
        self.fail_whole((shape, member), value, &failed);
        Ok(())
    }

    /// Forgets the failures since there were `known` ones, if they are those of scalars in a list
    /// or map: AWS names the whole, and every constraint of one of them in brackets.
    fn forget_scalars(&mut self, item: &Shape, known: usize) -> bool {
        let is_scalar =
            !matches!(item.kind, Kind::Structure { .. } | Kind::List { .. } | Kind::Map { .. });
        let has_failed = is_scalar && self.failures.len() > known;
        if has_failed {
            self.failures.truncate(known);
        }
        has_failed
    }

    /// What a list or map as a whole does not satisfy. One of items that must not be shown is not
    /// shown either.
    fn fail_whole(&mut self, (shape, item): (&Shape, &Shape), value: &Value, failed: &[String]) {
        if failed.is_empty() {
            return;
        }
        let shown = if item.is_sensitive { String::new() } else { show(shape, value) };
        for constraint in failed {
            self.fail(&shown, constraint);
        }
    }

    fn map(
        &mut self,
        shape: &Shape,
        key: u16,
        item: u16,
        length: Length,
        value: &mut Value,
    ) -> Result<(), String> {
        let Value::Object(entries) = value else {
            return Err(mistyped(value, MAP));
        };
        entries.retain(|_, value| !value.is_null());
        let (key, item) = (self.service.shape(key), self.service.shape(item));
        let mut failed = Vec::new();
        let fails = |name: &String| !text_failures(key, name).is_empty();
        if entries.keys().any(fails) {
            failed.push(format!("Map keys must satisfy constraint: [{}]", constraints(key)));
        }
        let known = self.failures.len();
        for (name, value) in entries.iter_mut() {
            let before = self.path.enter(name);
            self.path.0.push_str(".member");
            self.shape(item, value)?;
            self.path.leave(before);
        }
        if self.forget_scalars(item, known) {
            failed.push(format!("Map value must satisfy constraint: [{}]", constraints(item)));
        }
        failed.extend(outside(length, entries.len()));
        self.fail_whole((shape, item), value, &failed);
        Ok(())
    }

    /// A whole number that JSON does not carry as one, such as `5.0`.
    fn whole(&mut self, shape: &Shape, value: &mut Value) -> Result<(), String> {
        let whole = value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
        let Some(number) = whole else {
            let is_long = matches!(shape.kind, Kind::Long(_));
            return Err(mistyped(value, if is_long { "a Long" } else { "an Integer" }));
        };
        *value = Value::from(number as i64);
        self.scalar(shape, value);
        Ok(())
    }

    fn scalar(&mut self, shape: &Shape, value: &Value) {
        let mut failed = Vec::new();
        match (shape.kind, value) {
            (_, Value::String(text)) => failed = text_failures(shape, text),
            (Kind::Integer(range), _) => {
                let number = value.as_i64().unwrap_or_default();
                let range = IntegerRange {
                    min: range.min.or(Some(i64::from(i32::MIN))),
                    max: range.max.or(Some(i64::from(i32::MAX))),
                };
                failed.extend(integer_failure(range, number));
            }
            (Kind::Long(range), _) => {
                failed.extend(integer_failure(range, value.as_i64().unwrap_or_default()));
            }
            (Kind::Double(range), _) => {
                failed.extend(double_failure(range, value.as_f64().unwrap_or_default()));
            }
            _ => {}
        }
        if failed.is_empty() {
            return;
        }
        let shown = show(shape, value);
        for constraint in failed {
            self.fail(&shown, &constraint);
        }
    }

    fn fail(&mut self, shown: &str, constraint: &str) {
        if self.failures.len() < FAILURES_MAX {
            let value =
                if shown.is_empty() { "Value".to_owned() } else { format!("Value {shown}") };
            let path = &self.path.0;
            self.failures
                .push(format!("{value} at '{path}' failed to satisfy constraint: {constraint}"));
        }
    }
}

fn text_failures(shape: &Shape, text: &str) -> Vec<String> {
    let mut failed = Vec::new();
    match shape.kind {
        Kind::String { length, pattern, values } => {
            failed.extend(pattern.and_then(|p| pattern_failure(p, length, text)));
            // A text has at most as many characters as bytes, and mostly as many: count only
            // where it matters.
            failed.extend(
                outside(length, text.len()).and_then(|_| outside(length, text.chars().count())),
            );
            if !values.is_empty() && !values.contains(&text) {
                failed.push(of_values(values));
            }
        }
        Kind::Blob(length) => failed.extend(outside(length, text.len() / 4 * 3)),
        _ => {}
    }
    failed
}

/// Every constraint of a scalar, in AWS's order.
fn constraints(shape: &Shape) -> String {
    let mut all = Vec::new();
    match shape.kind {
        Kind::String { length, pattern, values } => {
            all.extend(bounds(length));
            all.extend(pattern.map(of_pattern));
            all.extend((!values.is_empty()).then(|| of_values(values)));
        }
        Kind::Blob(length) => all.extend(bounds(length)),
        Kind::Integer(range) | Kind::Long(range) => {
            all.extend(range.max.map(|max| format!("{VALUE_AT_MOST} {max}")));
            all.extend(range.min.map(|min| format!("{VALUE_AT_LEAST} {min}")));
        }
        Kind::Double(range) => {
            all.extend(range.max.map(|max| format!("{VALUE_AT_MOST} {max}")));
            all.extend(range.min.map(|min| format!("{VALUE_AT_LEAST} {min}")));
        }
        _ => {}
    }
    all.join(", ")
}

/// The bounds of a length; what has an upper one has 0 for a lower one unless it says more.
fn bounds(Length { min, max }: Length) -> impl Iterator<Item = String> {
    let min = min.or(max.map(|_| 0));
    max.map(at_most).into_iter().chain(min.map(at_least))
}

/// A text that is far too long is not matched: its length says enough.
fn pattern_failure(pattern: &Pattern, length: Length, text: &str) -> Option<String> {
    let is_far_too_long = length.max.is_some_and(|max| text.len() as u64 > max.saturating_mul(8));
    (!is_far_too_long && !pattern.is_match(text)).then(|| of_pattern(pattern))
}

fn of_pattern(pattern: &Pattern) -> String {
    format!("Member must satisfy regular expression pattern: {}", pattern.shown)
}

fn of_values(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

fn at_least(min: u64) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn at_most(max: u64) -> String {
    format!("Member must have length less than or equal to {max}")
}

fn outside(length: Length, actual: usize) -> Option<String> {
    let actual = actual as u64;
    if let Some(min) = length.min.filter(|min| actual < *min) {
        return Some(at_least(min));
    }
    length.max.filter(|max| actual > *max).map(at_most)
}

fn integer_failure(range: IntegerRange, number: i64) -> Option<String> {
    if let Some(min) = range.min.filter(|min| number < *min) {
        return Some(format!("{VALUE_AT_LEAST} {min}"));
    }
    let max = range.max.filter(|max| number > *max)?;
    Some(format!("{VALUE_AT_MOST} {max}"))
}

fn double_failure(range: DoubleRange, number: f64) -> Option<String> {
    if let Some(min) = range.min.filter(|min| number < *min) {
        return Some(format!("{VALUE_AT_LEAST} {min}"));
    }
    let max = range.max.filter(|max| number > *max)?;
    Some(format!("{VALUE_AT_MOST} {max}"))
}

/// Bodies carry seconds or RFC 3339 text, paths and queries the text; types read their shape's form.
fn timestamp(form: TimestampForm, value: &mut Value) -> Result<(), String> {
    let point = match &*value {
        Value::Number(secs) => secs.as_f64().and_then(|s| Timestamp::from_secs_f64(s).ok()),
        Value::String(text) => Timestamp::from_rfc3339(text)
            .ok()
            .or_else(|| text.parse().ok().and_then(|s| Timestamp::from_secs_f64(s).ok())),
        _ => None,
    };
    let Some(point) = point else {
        return Err(mistyped(value, "a Timestamp"));
    };
    *value = match form {
        TimestampForm::Epoch => serde_json::to_value(point).unwrap_or_default(),
        TimestampForm::Iso8601 => Value::String(point.to_rfc3339()),
    };
    Ok(())
}

/// The value in quotes, cut, or nothing if it must not be shown.
fn show(shape: &Shape, value: &Value) -> String {
    if shape.is_sensitive {
        return String::new();
    }
    let mut text = String::new();
    write_plain(value, &mut text);
    let cut = text.char_indices().nth(SHOWN_CHARS_MAX).map(|(at, _)| at);
    if let Some(at) = cut {
        text.truncate(at);
        text.push('…');
    }
    format!("'{text}'")
}

/// The form that AWS's messages show values in: `[a, b]`, `{k=v}`.
fn write_plain(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_plain(item, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (i, (key, item)) in entries.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                out.push_str(key);
                out.push('=');
                write_plain(item, out);
            }
            out.push('}');
        }
        other => {
            out.push_str(&other.to_string());
        }
    }
}

/// In the words of AWS's reader of JSON; `wanted` is a scalar with its article, or what else a list
/// or object would have been.
fn mistyped(value: &Value, wanted: &str) -> String {
    let kind = match value {
        Value::Array(_) => return "Start of list found where not expected".to_owned(),
        Value::Object(_) => {
            return "Start of structure or map found where not expected.".to_owned();
        }
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
    };
    match wanted {
        LIST | MAP | STRUCTURE => format!("Expected {wanted}"),
        scalar => format!("{kind} can not be converted to {scalar}"),
    }
}

#[cfg(test)]
mod tests;
