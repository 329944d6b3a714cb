//! Patterns of `java.time`'s `DateTimeFormatter`, of which texts are read.

/// A part of a pattern.
#[derive(Debug)]
pub(super) enum Part {
    /// What stands there as it is.
    Literal(String),
    /// A number of `min` to `max` digits.
    Number { field: Field, min: usize, max: usize, signed: bool },
    /// A year of two digits, from 2000 on.
    ShortYear(Field),
    /// So many digits behind a second's point.
    Fraction(usize),
    /// A month's or a day's name, or AM and PM, or an era.
    Word { field: Field, is_long: bool },
    /// An offset: what nought is called, and its form.
    Offset { nought: &'static str, form: OffsetForm },
    /// `GMT+8`, or `GMT+08:00` if it is long.
    LocalizedOffset { is_long: bool },
    /// A zone's id.
    ZoneId,
    /// What a zone is called, or its id.
    ZoneName,
    /// What may be there or not.
    Optional(Vec<Self>),
}

/// How an offset is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OffsetForm {
    pub(super) colon: bool,
    pub(super) may_lack_minutes: bool,
    pub(super) seconds: bool,
}

/// What a part gives a number to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Era,
    Year,
    YearOfEra,
    Quarter,
    Month,
    Day,
    DayOfYear,
    WeekYear,
    Week,
    WeekOfMonth,
    DayOfWeek,
    /// Of the week as Americans count it, from Sunday on.
    LocalDayOfWeek,
    WeekInMonth,
    Half,
    Hour,
    HourFrom1,
    HourOfHalf,
    HourOfHalfFrom1,
    Minute,
    Second,
    Nano,
    MilliOfDay,
    NanoOfDay,
}

/// How deep optional parts stand in one another.
const DEPTH_MAX: usize = 16;

/// The parts of a pattern, if it is one.
pub(super) fn read(pattern: &str) -> Option<Vec<Part>> {
    let mut open: Vec<Vec<Part>> = vec![Vec::new()];
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '\'' => {
                let mut text = String::new();
                // Unlike Joda-Time, it insists on an end.
                (rest.matches('\'').count() > 1).then_some(())?;
                rest = quoted(rest, &mut text);
                open.last_mut()?.push(Part::Literal(text));
                continue;
            }
            '[' if open.len() > DEPTH_MAX => return None,
            '[' => open.push(Vec::new()),
            ']' => close(&mut open)?,
            '{' | '}' | '#' => return None,
            letter if letter.is_ascii_alphabetic() => {
                length = rest.find(|other| other != letter).unwrap_or(rest.len());
                open.last_mut()?.push(part(letter, length)?);
            }
            other => open.last_mut()?.push(Part::Literal(other.to_string())),
        }
        rest = rest.get(length..)?;
    }
    while open.len() > 1 {
        close(&mut open)?;
    }
    open.pop()
}

fn close(open: &mut Vec<Vec<Part>>) -> Option<()> {
    let inner = open.pop()?;
    open.last_mut()?.push(Part::Optional(inner));
    Some(())
}

/// Adds what stands in quotes, two of them being one, and gives what follows.
pub(super) fn quoted<'p>(pattern: &'p str, text: &mut String) -> &'p str {
    let inside = pattern.get(1..).unwrap_or_default();
    if let Some(rest) = inside.strip_prefix('\'') {
        text.push('\'');
        return rest;
    }
    let mut rest = inside;
    while let Some((part, after)) = rest.split_once('\'') {
        text.push_str(part);
        let Some(again) = after.strip_prefix('\'') else { return after };
        text.push('\'');
        rest = again;
    }
    text.push_str(rest);
    ""
}

fn part(letter: char, count: usize) -> Option<Part> {
    match letter {
        'u' => year(Field::Year, count),
        'y' => year(Field::YearOfEra, count),
        'Y' => year(Field::WeekYear, count),
        'G' => word(Field::Era, count, 5),
        'M' | 'L' if count >= 3 => word(Field::Month, count, 5),
        'M' | 'L' => number(Field::Month, count),
        'Q' | 'q' if count >= 3 => word(Field::Quarter, count, 5),
        'Q' | 'q' => number(Field::Quarter, count),
        'E' => word(Field::DayOfWeek, count, 5),
        'e' | 'c' if count >= 3 => word(Field::DayOfWeek, count, 5),
        'e' | 'c' => number(Field::LocalDayOfWeek, count),
        'a' if count == 1 => Some(Part::Word { field: Field::Half, is_long: false }),
        'D' if count == 1 => number(Field::DayOfYear, 1),
        'D' if count <= 3 => {
            Some(Part::Number { field: Field::DayOfYear, min: count, max: 3, signed: false })
        }
        'S' if count <= 9 => Some(Part::Fraction(count)),
        'A' | 'n' | 'N' => {
            let field = match letter {
                'A' => Field::MilliOfDay,
                'n' => Field::Nano,
                _ => Field::NanoOfDay,
            };
            Some(Part::Number { field, min: count, max: 19, signed: false })
        }
        'V' if count == 2 => Some(Part::ZoneId),
        'z' | 'v' if count <= 4 => Some(Part::ZoneName),
        'O' if matches!(count, 1 | 4) => Some(Part::LocalizedOffset { is_long: count == 4 }),
        'X' | 'x' | 'Z' => offset(letter, count),
        other => number(of_day(other)?, count),
    }
}

/// Fields that have one or two digits.
fn of_day(letter: char) -> Option<Field> {
    Some(match letter {
        'd' => Field::Day,
        'w' => Field::Week,
        'W' => Field::WeekOfMonth,
        'F' => Field::WeekInMonth,
        'h' => Field::HourOfHalfFrom1,
        'H' => Field::Hour,
        'k' => Field::HourFrom1,
        'K' => Field::HourOfHalf,
        'm' => Field::Minute,
        's' => Field::Second,
        _ => return None,
    })
}

fn number(field: Field, count: usize) -> Option<Part> {
    match count {
        1 => Some(Part::Number { field, min: 1, max: 19, signed: false }),
        2 => Some(Part::Number { field, min: 2, max: 2, signed: false }),
        _ => None,
    }
}

fn year(field: Field, count: usize) -> Option<Part> {
    match count {
        2 => Some(Part::ShortYear(field)),
        1..=19 => Some(Part::Number { field, min: count, max: 19, signed: true }),
        _ => None,
    }
}

fn word(field: Field, count: usize, max: usize) -> Option<Part> {
    // Five are the first letter alone, by which nothing can be read for sure.
    (count < max).then_some(Part::Word { field, is_long: count == 4 })
}

fn offset(letter: char, count: usize) -> Option<Part> {
    let form = OffsetForm::default();
    let form = match (letter, count) {
        ('Z', 1..=3) | ('X' | 'x', 2) => form,
        ('Z', 4) => return Some(Part::LocalizedOffset { is_long: true }),
        ('Z' | 'X' | 'x', 5) => OffsetForm { colon: true, seconds: true, ..form },
        ('X' | 'x', 1) => OffsetForm { may_lack_minutes: true, ..form },
        ('X' | 'x', 3) => OffsetForm { colon: true, ..form },
        ('X' | 'x', 4) => OffsetForm { seconds: true, ..form },
        _ => return None,
    };
    let nought = match letter {
        'X' => "Z",
        'Z' if count == 5 => "Z",
        _ => "",
    };
    Some(Part::Offset { nought, form })
}
