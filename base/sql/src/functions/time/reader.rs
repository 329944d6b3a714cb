//! Texts by the parts of a pattern, as `java.time` reads them strictly.

use std::collections::HashMap;

use jiff::tz::{Offset, TimeZone};

use super::pattern::{Field, OffsetForm, Part};
use super::words::{DAYS, HALVES, MONTHS, short};
use super::zones;

/// What a text says.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) numbers: HashMap<Field, i64>,
    pub(super) offset: Option<Offset>,
    pub(super) zone: Option<TimeZone>,
}

/// What `text` says, if it is as the parts have it.
pub(super) fn read(text: &str, parts: &[Part]) -> Option<Said> {
    let mut said = Said::default();
    let rest = all(text, parts, &mut said)?;
    rest.is_empty().then_some(said)
}

/// Reads the parts, and gives what follows.
fn all<'t>(text: &'t str, parts: &[Part], said: &mut Said) -> Option<&'t str> {
    let mut rest = text;
    for (place, part) in parts.iter().enumerate() {
        let following = parts.get(place + 1..).unwrap_or_default();
        rest = one(rest, part, following, said)?;
    }
    Some(rest)
}

fn one<'t>(text: &'t str, part: &Part, following: &[Part], said: &mut Said) -> Option<&'t str> {
    match part {
        Part::Literal(literal) => text.strip_prefix(literal.as_str()),
        Part::Number { field, min, max, signed } => {
            let reserved = if min == max { 0 } else { reserved(following) };
            let (number, rest) = number(text, *min, *max, *signed, reserved)?;
            said.give(*field, number)?;
            Some(rest)
        }
        Part::ShortYear(field) => {
            let (number, rest) = number(text, 2, 2, false, 0)?;
            said.give(*field, 2000 + number)?;
            Some(rest)
        }
        Part::Fraction(digits) => {
            let (number, rest) = number(text, *digits, *digits, false, 0)?;
            let missing = u32::try_from(9_usize.checked_sub(*digits)?).ok()?;
            said.give(Field::Nano, number * 10_i64.pow(missing))?;
            Some(rest)
        }
        Part::Word { field, is_long } => {
            let (number, rest) = word(text, *field, *is_long)?;
            said.give(*field, number)?;
            Some(rest)
        }
        Part::Offset { nought, form } => {
            let (seconds, rest) = offset(text, nought, *form)?;
            said.offset = Some(Offset::from_seconds(seconds).ok()?);
            Some(rest)
        }
        Part::LocalizedOffset { is_long } => {
            let (seconds, rest) = localized(text, *is_long)?;
            said.offset = Some(Offset::from_seconds(seconds).ok()?);
            Some(rest)
        }
        Part::ZoneId => said.zoned(zones::leading_id(text)?),
        Part::ZoneName => said.zoned(zones::leading_name(text)?),
        Part::Optional(inner) => {
            let mut also = said.clone();
            let Some(rest) = all(text, inner, &mut also) else { return Some(text) };
            *said = also;
            Some(rest)
        }
    }
}

impl Said {
    /// Two parts that say the same field must agree.
    fn give(&mut self, field: Field, number: i64) -> Option<()> {
        let before = *self.numbers.entry(field).or_insert(number);
        (before == number).then_some(())
    }

    fn zoned<'t>(&mut self, (zone, rest): (TimeZone, &'t str)) -> Option<&'t str> {
        self.zone = Some(zone);
        Some(rest)
    }
}

/// Digits that the parts right behind a number of any length need for themselves.
fn reserved(following: &[Part]) -> usize {
    let widths = following.iter().map_while(|part| match part {
        Part::Number { min, max, .. } if min == max => Some(*min),
        Part::ShortYear(_) => Some(2),
        Part::Fraction(digits) => Some(*digits),
        _ => None,
    });
    widths.sum()
}

fn number(
    text: &str,
    min: usize,
    max: usize,
    signed: bool,
    reserved: usize,
) -> Option<(i64, &str)> {
    let has_sign = text.starts_with(['-', '+']);
    (signed || !has_sign).then_some(())?;
    let digits = if has_sign { text.get(1..)? } else { text };
    let there = digits.bytes().take_while(u8::is_ascii_digit).count();
    let length = there.min(max.saturating_add(reserved));
    let length = if reserved > 0 { length.saturating_sub(reserved).max(min) } else { length };
    (length >= min && length <= there).then_some(())?;
    // A plus sign says that there are more digits than the pattern has, and they need one.
    let exceeds = length > min && min >= 4;
    let is_right = !signed || text.starts_with('-') || exceeds == text.starts_with('+');
    is_right.then_some(())?;
    let number: i64 = digits.get(..length)?.parse().ok()?;
    let number = if text.starts_with('-') { -number } else { number };
    Some((number, digits.get(length..)?))
}

/// A name, and what number it has.
fn word(text: &str, field: Field, is_long: bool) -> Option<(i64, &str)> {
    let of = |names: &'static [&'static str], first: i64| {
        let named = names.iter().zip(first..);
        let mut named =
            named.map(|(name, number)| (if is_long { name } else { short(name) }, number));
        named.find_map(|(name, number)| Some((number, text.strip_prefix(name)?)))
    };
    match field {
        Field::Month => of(&MONTHS, 1),
        Field::DayOfWeek => of(&DAYS, 1),
        Field::Half => of(&HALVES, 0),
        Field::Era if is_long => of(&["Before Christ", "Anno Domini"], 0),
        Field::Era => of(&["BC", "AD"], 0),
        Field::Quarter if is_long => {
            of(&["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"], 1)
        }
        Field::Quarter => of(&["Q1", "Q2", "Q3", "Q4"], 1),
        _ => None,
    }
}

fn offset<'t>(text: &'t str, nought: &str, form: OffsetForm) -> Option<(i32, &'t str)> {
    if !nought.is_empty()
        && let Some(rest) = text.strip_prefix(nought)
    {
        return Some((0, rest));
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, mut rest) = two_digits(text.strip_prefix(['+', '-'])?)?;
    let mut seconds = hours * 3600;
    match two_more(rest, form.colon) {
        Some((minutes, after)) => (seconds, rest) = (seconds + minutes * 60, after),
        None if form.may_lack_minutes => {}
        None => return None,
    }
    if form.seconds
        && let Some((more, after)) = two_more(rest, form.colon)
    {
        seconds += more;
        rest = after;
    }
    (seconds <= 18 * 3600).then_some((sign * seconds, rest))
}

fn two_digits(text: &str) -> Option<(i32, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    Some((digits.parse().ok()?, rest))
}

fn two_more(text: &str, colon: bool) -> Option<(i32, &str)> {
    let text = if colon { text.strip_prefix(':')? } else { text };
    two_digits(text).filter(|(number, _)| *number < 60)
}

/// `GMT`, `GMT+8`, `GMT+08:00`
fn localized(text: &str, is_long: bool) -> Option<(i32, &str)> {
    let rest = text.strip_prefix("GMT")?;
    if !rest.starts_with(['+', '-']) {
        return Some((0, rest));
    }
    if is_long {
        let form = OffsetForm { colon: true, seconds: true, may_lack_minutes: false };
        return offset(rest, "", form);
    }
    zones::offset(rest)
}
