//! Time zones: their names, and what they are called in texts. The data base comes with the program.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

/// What zones are called in texts: short and long by winter and by summer, and the zone that Java
/// takes such a name for.
const NAMES: [(&str, &str, &str, &str, &str); 20] = [
    ("PST", "Pacific Standard Time", "PDT", "Pacific Daylight Time", "America/Los_Angeles"),
    ("MST", "Mountain Standard Time", "MDT", "Mountain Daylight Time", "America/Denver"),
    ("CST", "Central Standard Time", "CDT", "Central Daylight Time", "America/Chicago"),
    ("EST", "Eastern Standard Time", "EDT", "Eastern Daylight Time", "America/New_York"),
    ("AST", "Atlantic Standard Time", "ADT", "Atlantic Daylight Time", "America/Halifax"),
    ("NST", "Newfoundland Standard Time", "NDT", "Newfoundland Daylight Time", "America/St_Johns"),
    ("AKST", "Alaska Standard Time", "AKDT", "Alaska Daylight Time", "America/Anchorage"),
    ("HST", "Hawaii Standard Time", "HDT", "Hawaii Daylight Time", "Pacific/Honolulu"),
    ("GMT", "Greenwich Mean Time", "BST", "British Summer Time", "Europe/London"),
    ("WET", "Western European Time", "WEST", "Western European Summer Time", "Europe/Lisbon"),
    ("CET", "Central European Time", "CEST", "Central European Summer Time", "Europe/Paris"),
    ("EET", "Eastern European Time", "EEST", "Eastern European Summer Time", "Europe/Athens"),
    ("MSK", "Moscow Standard Time", "MSD", "Moscow Daylight Time", "Europe/Moscow"),
    ("IST", "India Standard Time", "IST", "India Standard Time", "Asia/Kolkata"),
    ("JST", "Japan Standard Time", "JDT", "Japan Daylight Time", "Asia/Tokyo"),
    ("KST", "Korea Standard Time", "KDT", "Korea Daylight Time", "Asia/Seoul"),
    (
        "SAST",
        "South Africa Standard Time",
        "SAST",
        "South Africa Summer Time",
        "Africa/Johannesburg",
    ),
    (
        "AEST",
        "Australian Eastern Standard Time",
        "AEDT",
        "Australian Eastern Daylight Time",
        "Australia/Sydney",
    ),
    (
        "ACST",
        "Australian Central Standard Time",
        "ACDT",
        "Australian Central Daylight Time",
        "Australia/Adelaide",
    ),
    ("NZST", "New Zealand Standard Time", "NZDT", "New Zealand Daylight Time", "Pacific/Auckland"),
];

/// The zone of that name.
fn named(name: &str) -> Option<TimeZone> {
    match name {
        "UTC" | "GMT" | "UT" | "Z" => Some(TimeZone::UTC),
        // What jiff knows of zones that it does not.
        "Etc/Unknown" => None,
        name => TimeZone::get(name).ok(),
    }
}

/// The zone that Joda-Time has by `id`: a name, or an offset with its sign.
pub(super) fn of_joda(id: &str) -> Option<TimeZone> {
    if !id.starts_with(['+', '-']) {
        return named(id);
    }
    let (seconds, rest) = offset(id)?;
    rest.is_empty().then_some(())?;
    fixed(seconds)
}

fn fixed(seconds: i32) -> Option<TimeZone> {
    if seconds == 0 {
        Some(TimeZone::UTC)
    } else {
        Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
    }
}

/// Seconds of `+h`, `+hh`, `+hhmm`, `+hh:mm` or with seconds, and what follows.
pub(super) fn offset(text: &str) -> Option<(i32, &str)> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut rest = text.strip_prefix(['+', '-'])?;
    let hours = digits(&mut rest, 2).or_else(|| digits(&mut rest, 1))?;
    let mut seconds = hours * 3600;
    for unit in [60, 1] {
        let mut next = rest.strip_prefix(':').unwrap_or(rest);
        let Some(number) = digits(&mut next, 2).filter(|number| *number < 60) else { break };
        seconds += number * unit;
        rest = next;
    }
    (seconds <= 18 * 3600).then_some((sign * seconds, rest))
}

fn digits(text: &mut &str, count: usize) -> Option<i32> {
    let digits = text.get(..count).filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = digits.parse().ok()?;
    *text = text.get(count..)?;
    Some(number)
}

/// The zone that a text begins with by its id, as `java.time` reads it, and what follows.
pub(super) fn leading_id(text: &str) -> Option<(TimeZone, &str)> {
    for prefix in ["UTC", "GMT", "UT", ""] {
        let offset = text.strip_prefix(prefix).and_then(offset);
        if let Some((seconds, rest)) = offset {
            return Some((fixed(seconds)?, rest));
        }
    }
    let is_of_id = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '/' | '_' | '-' | '+')
    };
    let end = text.find(|character| !is_of_id(character)).unwrap_or(text.len());
    (1..=end).rev().find_map(|length| {
        let (id, rest) = text.split_at_checked(length)?;
        Some((named(id)?, rest))
    })
}

/// The zone that a text begins with by what it is called, and what follows.
pub(super) fn leading_name(text: &str) -> Option<(TimeZone, &str)> {
    let called = NAMES.iter().flat_map(|(short, long, summer, summer_long, zone)| {
        [long, summer_long, short, summer].map(|name| (name, zone))
    });
    let found = called.filter_map(|(name, zone)| {
        let rest = text.strip_prefix(name)?;
        let ends = !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '/');
        ends.then_some((name.len(), zone, rest))
    });
    let longest = found.max_by_key(|(length, ..)| *length);
    match longest {
        Some((_, zone, rest)) => Some((named(zone)?, rest)),
        None => leading_id(text),
    }
}

/// What a zone is called at a moment: `CST`, or `Central Standard Time`.
pub(super) fn called(moment: &Zoned, is_long: bool) -> String {
    let zone = moment.time_zone();
    if zone == &TimeZone::UTC {
        return if is_long { "Coordinated Universal Time" } else { "UTC" }.to_owned();
    }
    let Some(id) = zone.iana_name() else { return with_colon(moment.offset()) };
    let info = zone.to_offset_info(moment.timestamp());
    let short = info.abbreviation();
    if !short.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return with_colon(moment.offset());
    }
    if !is_long {
        return short.to_owned();
    }
    long_name(zone, short, moment.timestamp()).unwrap_or(id).to_owned()
}

/// The long name of what is called `short`, if the zone is like the one that has the name.
fn long_name(zone: &TimeZone, short: &str, moment: Timestamp) -> Option<&'static str> {
    let here = zone.to_offset(moment);
    let (winter, long, _, summer_long, of) =
        NAMES.iter().find(|(winter, _, summer, ..)| *winter == short || *summer == short)?;
    let standard = winter == &short;
    let there = named(of)?.to_offset(moment);
    let hour = if there == here { 0 } else { (there.seconds() - here.seconds()).abs() };
    // An hour apart where only one of the two has summer time.
    (hour <= 3600).then_some(if standard { long } else { summer_long })
}

/// `+01:00`
pub(super) fn with_colon(offset: Offset) -> String {
    let (sign, seconds) = sign(offset);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let seconds = if seconds == 0 { String::new() } else { format!(":{seconds:02}") };
    format!("{sign}{hours:02}:{minutes:02}{seconds}")
}

/// `+0100`
pub(super) fn without_colon(offset: Offset) -> String {
    let (sign, seconds) = sign(offset);
    format!("{sign}{:02}{:02}", seconds / 3600, seconds / 60 % 60)
}

fn sign(offset: Offset) -> (char, u32) {
    let seconds = offset.seconds();
    (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs())
}
