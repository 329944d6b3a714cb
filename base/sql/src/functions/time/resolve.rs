//! From what a text says to a moment, as `java.time` resolves it "smartly".

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::pattern::Field;
use super::reader::Said;

/// The milliseconds after 1970.
pub(super) fn moment(said: Said) -> Option<i128> {
    in_range(&said)?;
    let date = date(&said)?;
    let (time, later) = time(&said)?;
    let local = DateTime::from_parts(date, time).checked_add(later).ok()?;
    let zone = match (said.offset, said.zone) {
        (Some(offset), _) => TimeZone::fixed(offset),
        (None, Some(zone)) => zone,
        (None, None) => TimeZone::UTC,
    };
    let moment = zone.to_timestamp(local).ok()?;
    // Downwards before 1970 as after it.
    Some(moment.as_nanosecond().div_euclid(1_000_000))
}

impl Said {
    fn number(&self, field: Field) -> Option<i64> {
        self.numbers.get(&field).copied()
    }
}

/// Whether each number is one that its field may have.
fn in_range(said: &Said) -> Option<()> {
    let fits = |(field, number): (&Field, &i64)| match field {
        Field::Month => (1..=12).contains(number),
        // Java lets 0 pass for 12 here.
        Field::HourOfHalfFrom1 => (0..=12).contains(number),
        Field::Quarter => (1..=4).contains(number),
        Field::Day => (1..=31).contains(number),
        Field::DayOfYear => (1..=366).contains(number),
        Field::Week => (1..=53).contains(number),
        Field::WeekOfMonth => (0..=6).contains(number),
        Field::WeekInMonth => (1..=5).contains(number),
        Field::DayOfWeek | Field::LocalDayOfWeek => (1..=7).contains(number),
        Field::Hour | Field::HourFrom1 => (0..=24).contains(number),
        Field::HourOfHalf => (0..=11).contains(number),
        Field::Minute | Field::Second => (0..=59).contains(number),
        Field::Nano => (0..1_000_000_000).contains(number),
        Field::MilliOfDay => (0..86_400_000).contains(number),
        Field::NanoOfDay => (0..86_400_000_000_000).contains(number),
        Field::Era | Field::Year | Field::YearOfEra | Field::WeekYear | Field::Half => true,
    };
    said.numbers.iter().all(fits).then_some(())
}

fn date(said: &Said) -> Option<Date> {
    let number = |field| said.number(field);
    let year = year(said);
    let weekday = weekday(said);
    let date = if let (Some(year), Some(month), Some(day)) =
        (year, number(Field::Month), number(Field::Day))
    {
        let first = Date::new(year, i8::try_from(month).ok()?, 1).ok()?;
        // The 31st of a month of 30 days is its last.
        first.with().day(i8::try_from(day).ok()?.min(first.days_in_month())).build().ok()?
    } else if let (Some(year), Some(day)) = (year, number(Field::DayOfYear)) {
        let day = i16::try_from(day).ok()?;
        Date::new(year, 1, 1).ok()?.with().day_of_year(day).build().ok()?
    } else {
        let (year, week) = (number(Field::WeekYear)?, number(Field::Week)?);
        week_date(year, week, weekday?)?
    };
    agrees(said, date, weekday).then_some(date)
}

/// The year: that of the era counts from 1, backwards before it.
fn year(said: &Said) -> Option<i16> {
    let of_era = said.number(Field::YearOfEra).filter(|year| *year > 0);
    let of_era =
        of_era.map(|year| if said.number(Field::Era) == Some(0) { 1 - year } else { year });
    let year = said.number(Field::Year).or(of_era)?;
    i16::try_from(year).ok()
}

/// The day of the week, Monday being 1.
fn weekday(said: &Said) -> Option<i64> {
    let local = said.number(Field::LocalDayOfWeek).map(|day| (day + 5) % 7 + 1);
    said.number(Field::DayOfWeek).or(local)
}

/// The day of a week as Americans count it: the first is that of the 1st of January, and weeks begin
/// on Sunday.
fn week_date(year: i64, week: i64, weekday: i64) -> Option<Date> {
    let first = Date::new(i16::try_from(year).ok()?, 1, 1).ok()?;
    let sunday = i64::from(first.weekday().to_sunday_zero_offset());
    let days = (week - 1) * 7 + weekday % 7 - sunday;
    first.checked_add(days.days()).ok()
}

/// Whether what else is said of the date holds.
fn agrees(said: &Said, date: Date, weekday: Option<i64>) -> bool {
    let is = |field, number: i64| said.number(field).is_none_or(|said| said == number);
    let day = i64::from(date.weekday().to_monday_one_offset());
    weekday.is_none_or(|weekday| weekday == day)
        && is(Field::DayOfYear, i64::from(date.day_of_year()))
        && is(Field::Quarter, i64::from(date.month() + 2) / 3)
        && is(Field::WeekInMonth, i64::from(date.day() + 6) / 7)
}

/// The time of the day, midnight where none is said, and the day that 24:00 adds.
fn time(said: &Said) -> Option<(Time, Span)> {
    let number = |field| said.number(field);
    if let Some(nanos) = number(Field::NanoOfDay) {
        return Some((of_nanos(nanos)?, Span::new()));
    }
    if let Some(millis) = number(Field::MilliOfDay) {
        return Some((of_nanos(millis * 1_000_000)?, Span::new()));
    }
    let smaller = [Field::Minute, Field::Second, Field::Nano].map(number);
    let Some(hour) = hour(said)? else {
        return smaller.iter().all(Option::is_none).then(|| (Time::midnight(), Span::new()));
    };
    // What is missing may only be the smallest.
    let [minute, second, nano] = smaller;
    let has_gap = (minute.is_none() && (second.is_some() || nano.is_some()))
        || (second.is_none() && nano.is_some());
    (!has_gap).then_some(())?;
    let nanos =
        (minute.unwrap_or(0) * 60 + second.unwrap_or(0)) * 1_000_000_000 + nano.unwrap_or(0);
    if hour == 24 {
        return (nanos == 0).then(|| (Time::midnight(), 1.day()));
    }
    Some((of_nanos(hour * 3_600_000_000_000 + nanos)?, Span::new()))
}

/// The hour of the day if one is said; nothing at all where only a part of it is, or two that differ.
fn hour(said: &Said) -> Option<Option<i64>> {
    let half = said.number(Field::Half);
    let from_1 = said.number(Field::HourFrom1).map(|hour| hour % 24);
    let of_half = said.number(Field::HourOfHalfFrom1).map(|hour| hour % 12);
    let of_half = of_half.or_else(|| said.number(Field::HourOfHalf));
    match (said.number(Field::Hour).or(from_1), of_half) {
        (Some(hour), of_half) => {
            let agrees = half.is_none_or(|half| half == hour / 12)
                && of_half.is_none_or(|of_half| of_half == hour % 12)
                && from_1.is_none_or(|from_1| from_1 == hour);
            agrees.then_some(Some(hour))
        }
        (None, Some(of_half)) => half.map(|half| Some(half * 12 + of_half)),
        (None, None) => Some(None),
    }
}

fn of_nanos(nanos: i64) -> Option<Time> {
    Time::midnight().checked_add(nanos.nanoseconds()).ok()
}
