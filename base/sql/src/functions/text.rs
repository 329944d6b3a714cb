//! Functions of texts. Places in them count characters, the first of which is 0.

use std::borrow::Cow;

use super::regex;
use super::{Function, take};
use crate::Version;
use crate::evaluate::RESULT_BYTES_MAX;
use crate::value::Value;

/// Spaces that `lpad` and `rpad` may add.
const SPACES_MAX: i128 = 1000;

/// What `trim` and the like cut off.
const BLANKS: [char; 2] = [' ', '\t'];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::of_values("chr", 1, 1, character),
    Function::of_values("endswith", 2, 2, |values, _| {
        of_two(values, |text, end| Value::Boolean(text.ends_with(end)))
    }),
    Function::of_values("startswith", 2, 2, |values, _| {
        of_two(values, |text, start| Value::Boolean(text.starts_with(start)))
    }),
    Function::of_values("indexof", 2, 2, |values, _| of_two(values, place)).since_2016(),
    Function::of_values("length", 1, 1, |values, _| {
        of_text(values, |text| count(text.chars().count()))
    })
    .since_2016(),
    Function::of_values("numbytes", 1, 1, |values, _| of_text(values, |text| count(text.len())))
        .since_2016(),
    Function::of_values("lower", 1, 1, |values, _| {
        of_text(values, |text| Value::text(text.to_lowercase()))
    }),
    Function::of_values("upper", 1, 1, |values, _| {
        of_text(values, |text| Value::text(text.to_uppercase()))
    }),
    Function::of_values("lpad", 2, 2, |values, _| pad(values, |text, spaces| spaces + text)),
    Function::of_values("rpad", 2, 2, |values, _| {
        pad(values, |text, spaces| text.to_owned() + &spaces)
    }),
    Function::of_values("ltrim", 1, 1, |values, _| {
        cut(values, |text| text.trim_start_matches(BLANKS))
    }),
    Function::of_values("rtrim", 1, 1, |values, _| {
        cut(values, |text| text.trim_end_matches(BLANKS))
    }),
    Function::of_values("trim", 1, 1, |values, _| cut(values, |text| text.trim_matches(BLANKS))),
    Function::of_values("replace", 3, 3, replace),
    Function::of_values("substring", 2, 3, substring),
    Function::of_values("regexp_matches", 2, 2, |values, _| {
        of_two(values, |text, pattern| {
            regex::named(pattern)
                .map_or(Value::Undefined, |regex| Value::Boolean(regex.is_match(text)))
        })
    }),
    Function::of_values("regexp_substr", 2, 2, |values, _| {
        of_two(values, |text, pattern| {
            let found =
                regex::named(pattern).and_then(|regex| regex.find(text).map(|found| found.range()));
            let found = found.and_then(|range| text.get(range));
            found.map_or(Value::Undefined, |found| Value::text(found.to_owned()))
        })
    }),
    Function::of_values("regexp_replace", 3, 3, |values, _| {
        let texts = (text(values, 0), text(values, 1), text(values, 2));
        let (Some(text), Some(pattern), Some(replacement)) = texts else { return Value::Undefined };
        regex::replace(&text, &pattern, &replacement).map_or(Value::Undefined, Value::text)
    }),
];

fn text<'m>(values: &mut [Value<'m>], place: usize) -> Option<Cow<'m, str>> {
    take(values, place).into_text()
}

/// What `of` makes of the first argument as a text.
fn of_text<'m>(values: &mut [Value<'m>], of: impl Fn(&str) -> Value<'m>) -> Value<'m> {
    text(values, 0).map_or(Value::Undefined, |text| of(&text))
}

/// What `of` makes of two arguments as texts.
fn of_two<'m>(values: &mut [Value<'m>], of: impl Fn(&str, &str) -> Value<'m>) -> Value<'m> {
    match (text(values, 0), text(values, 1)) {
        (Some(first), Some(second)) => of(&first, &second),
        _ => Value::Undefined,
    }
}

fn count<'m>(number: usize) -> Value<'m> {
    i128::try_from(number).map_or(Value::Undefined, Value::int)
}

/// The ASCII character of that number.
fn character<'m>(values: &mut [Value<'m>], _: Version) -> Value<'m> {
    let code = take(values, 0).as_int().and_then(|code| u8::try_from(code).ok());
    match code.filter(u8::is_ascii) {
        Some(code) => Value::text(char::from(code).to_string()),
        None => Value::Undefined,
    }
}

/// Where `part` begins in `text`, or -1.
fn place<'m>(text: &str, part: &str) -> Value<'m> {
    let before = text.find(part).and_then(|at| text.get(..at));
    before.map_or(Value::int(-1), |before| count(before.chars().count()))
}

/// So many spaces more: the number is what is added, not how long the text becomes.
fn pad<'m>(values: &mut [Value<'m>], join: impl Fn(&str, String) -> String) -> Value<'m> {
    let (text, number) = (text(values, 0), take(values, 1).as_int());
    let (Some(text), Some(number)) = (text, number) else { return Value::Undefined };
    let number = usize::try_from(number.clamp(0, SPACES_MAX)).unwrap_or(0);
    Value::text(join(&text, " ".repeat(number)))
}

/// What `part` leaves of the first argument.
fn cut<'m>(values: &mut [Value<'m>], part: impl Fn(&str) -> &str) -> Value<'m> {
    match text(values, 0) {
        Some(Cow::Borrowed(text)) => Value::text(part(text)),
        Some(Cow::Owned(text)) => Value::text(part(&text).to_owned()),
        None => Value::Undefined,
    }
}

/// The text with another in every place of a part. What becomes too long breaks off beyond the
/// limit, where the evaluation refuses it.
fn replace<'m>(values: &mut [Value<'m>], _: Version) -> Value<'m> {
    let texts = (text(values, 0), text(values, 1), text(values, 2));
    let (Some(text), Some(part), Some(new)) = texts else { return Value::Undefined };
    let (mut replaced, mut at) = (String::with_capacity(text.len()), 0);
    for (start, found) in text.match_indices(part.as_ref()) {
        replaced.push_str(text.get(at..start).unwrap_or_default());
        replaced.push_str(&new);
        at = start + found.len();
        if replaced.len() > RESULT_BYTES_MAX {
            break;
        }
    }
    replaced.push_str(text.get(at..).unwrap_or_default());
    Value::text(replaced)
}

/// The characters from one place up to another, without it.
fn substring<'m>(values: &mut [Value<'m>], _: Version) -> Value<'m> {
    let place =
        |value: &Value<'m>| Some(usize::try_from(value.as_int()?.max(0)).unwrap_or(usize::MAX));
    let Some(text) = text(values, 0) else { return Value::Undefined };
    let Some(start) = values.get(1).and_then(place) else { return Value::Undefined };
    let end = match values.get(2) {
        None => usize::MAX,
        Some(end) => match place(end) {
            Some(end) => end,
            None => return Value::Undefined,
        },
    };
    let byte = |text: &str, place: usize| {
        text.char_indices().nth(place).map_or(text.len(), |(byte, _)| byte)
    };
    let part = |text: &str| {
        let (start, end) = (byte(text, start), byte(text, end));
        start..end.max(start)
    };
    match text {
        Cow::Borrowed(text) => Value::text(text.get(part(text)).unwrap_or_default()),
        Cow::Owned(text) => Value::text(text.get(part(&text)).unwrap_or_default().to_owned()),
    }
}
