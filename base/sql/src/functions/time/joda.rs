//! Moments as texts, by Joda-Time's patterns.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::words::{DAYS, HALVES, MONTHS, short};
use super::zones;

/// Characters that a pattern may make of one letter, however often it is repeated.
const REPEATED_MAX: usize = 1000;

/// The moment so many milliseconds after 1970, if years of four digits reach so far and the pattern
/// is one.
pub(super) fn text(pattern: &str, moment: i128, zone: &TimeZone) -> Option<String> {
    let moment = Timestamp::from_millisecond(i64::try_from(moment).ok()?).ok()?;
    let moment = moment.to_zoned(zone.clone());
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            rest = super::pattern::quoted(rest, &mut text);
            continue;
        }
        let length = rest.find(|other| other != first).unwrap_or(rest.len());
        if first.is_ascii_alphabetic() {
            field(first, length, &moment, &mut text)?;
        } else {
            text.push_str(rest.get(..length)?);
        }
        rest = rest.get(length..)?;
    }
    Some(text)
}

/// Writes what `count` times `letter` stands for.
fn field(letter: char, count: usize, moment: &Zoned, text: &mut String) -> Option<()> {
    (count <= REPEATED_MAX).then_some(())?;
    let is_long = count >= 4;
    let mut word = |name: &str| text.push_str(if is_long { name } else { short(name) });
    let number = match letter {
        'G' => {
            text.push_str(if moment.year() > 0 { "AD" } else { "BC" });
            return Some(());
        }
        'E' => {
            word(DAYS.get(usize::try_from(moment.weekday().to_monday_zero_offset()).ok()?)?);
            return Some(());
        }
        'M' if count >= 3 => {
            word(MONTHS.get(usize::try_from(moment.month() - 1).ok()?)?);
            return Some(());
        }
        'a' => {
            text.push_str(HALVES[usize::from(moment.hour() >= 12)]);
            return Some(());
        }
        'z' => {
            text.push_str(&zones::called(moment, is_long));
            return Some(());
        }
        'Z' => {
            text.push_str(&offset_or_id(moment, count));
            return Some(());
        }
        'S' => {
            fraction(moment, count, text);
            return Some(());
        }
        'x' | 'y' | 'Y' if count == 2 => year(letter, moment)?.rem_euclid(100),
        'x' | 'y' | 'Y' => year(letter, moment)?,
        'C' => year('Y', moment)? / 100,
        letter => of_day(letter, moment)?,
    };
    padded(number, count, text);
    Some(())
}

/// The year; `Y` is that of the era, which begins with 1, `x` that of the week.
fn year(letter: char, moment: &Zoned) -> Option<i32> {
    let year = i32::from(moment.year());
    match letter {
        'x' => Some(i32::from(moment.date().iso_week_date().year())),
        'Y' if year <= 0 => Some(1 - year),
        _ => Some(year),
    }
}

/// What is less than a year.
fn of_day(letter: char, moment: &Zoned) -> Option<i32> {
    let hour = i32::from(moment.hour());
    Some(match letter {
        'w' => i32::from(moment.date().iso_week_date().week()),
        'e' => i32::from(moment.weekday().to_monday_one_offset()),
        'D' => i32::from(moment.day_of_year()),
        'M' => i32::from(moment.month()),
        'd' => i32::from(moment.day()),
        'K' => hour % 12,
        'h' => (hour + 11) % 12 + 1,
        'H' => hour,
        'k' => (hour + 23) % 24 + 1,
        'm' => i32::from(moment.minute()),
        's' => i32::from(moment.second()),
        _ => return None,
    })
}

fn padded(number: i32, width: usize, text: &mut String) {
    let sign = if number < 0 { "-" } else { "" };
    write!(text, "{sign}{:0width$}", number.unsigned_abs()).unwrap_or_default();
}

/// So many digits of what is beyond the second, of which there are three.
fn fraction(moment: &Zoned, count: usize, text: &mut String) {
    let digits = format!("{:03}", moment.millisecond());
    text.extend(digits.chars().chain(std::iter::repeat('0')).take(count));
}

fn offset_or_id(moment: &Zoned, count: usize) -> String {
    match count {
        1 => zones::without_colon(moment.offset()),
        2 => zones::with_colon(moment.offset()),
        _ => match moment.time_zone().iana_name() {
            Some(id) => id.to_owned(),
            None => zones::with_colon(moment.offset()),
        },
    }
}
