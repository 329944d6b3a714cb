//! Points in time, in milliseconds since 1970, and the three forms AWS writes them in.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01T00:00:00Z. As JSON it is seconds with up to three decimals, the
/// form that rest-json and json-1.1 give timestamps in bodies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text or number is no point in time between the years 0 and 9999.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a timestamp")]
pub struct InvalidTimestamp;

/// 9999-12-31T23:59:59.999Z.
const LATEST_MS: i64 = 253_402_300_799_999;
/// 0000-01-01T00:00:00Z.
const EARLIEST_MS: i64 = -62_167_219_200_000;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since 1970.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// From seconds with a fraction, rounded to the millisecond.
    pub fn from_secs_f64(secs: f64) -> Result<Self, InvalidTimestamp> {
        let millis = (secs * 1000.0).round();
        if millis >= EARLIEST_MS as f64 && millis <= LATEST_MS as f64 {
            Ok(Self(millis as i64))
        } else {
            Err(InvalidTimestamp)
        }
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This point and `span` later, at most the last representable one.
    pub fn plus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339: `2026-01-02T03:04:05.678Z`.
    pub fn from_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        let date = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let millis = date.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).map(Self).map_err(|_| InvalidTimestamp)
    }

    /// Reads the form of `x-amz-date`: `20260102T030405Z`.
    pub fn from_amz_date(text: &str) -> Result<Self, InvalidTimestamp> {
        let format = time::macros::format_description!(
            version = 1,
            "[year][month][day]T[hour][minute][second]Z"
        );
        let date = time::PrimitiveDateTime::parse(text, format).map_err(|_| InvalidTimestamp)?;
        Ok(Self::from_secs(date.assume_utc().unix_timestamp()))
    }

    /// Writes RFC 3339 with milliseconds if there are any: `2026-01-02T03:04:05.678Z`.
    pub fn to_rfc3339(self) -> String {
        self.date().format(&Rfc3339).unwrap_or_default()
    }

    /// Writes the form of `x-amz-date`: `20260102T030405Z`.
    pub fn to_amz_date(self) -> String {
        let d = self.date();
        let (year, month, day) = (d.year(), u8::from(d.month()), d.day());
        format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", d.hour(), d.minute(), d.second())
    }

    fn date(self) -> OffsetDateTime {
        let millis = self.0.clamp(EARLIEST_MS, LATEST_MS);
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
            .expect("the clamped years are representable")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            serializer.serialize_i64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        }
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secs = f64::deserialize(deserializer)?;
        Self::from_secs_f64(secs).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_seconds_with_milliseconds_if_there_are_any() {
        let json = |ms| serde_json::to_string(&Timestamp::from_millis(ms)).unwrap();
        assert_eq!(json(1_700_000_000_000), "1700000000");
        assert_eq!(json(1_700_000_000_123), "1700000000.123");
        let back: Timestamp = serde_json::from_str("1700000000.123").unwrap();
        assert_eq!(back.millis(), 1_700_000_000_123);
    }

    #[test]
    fn the_text_forms_round_trip() {
        let point = Timestamp::from_secs(1_767_323_045);
        assert_eq!(point.to_amz_date(), "20260102T030405Z");
        assert_eq!(Timestamp::from_amz_date("20260102T030405Z"), Ok(point));
        assert_eq!(point.to_rfc3339(), "2026-01-02T03:04:05Z");
        assert_eq!(Timestamp::from_rfc3339("2026-01-02T04:04:05+01:00"), Ok(point));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for wrong in ["", "20260102", "20261302T030405Z", "2026-01-02T03:04:05"] {
            assert_eq!(Timestamp::from_amz_date(wrong), Err(InvalidTimestamp), "{wrong}");
        }
        assert_eq!(Timestamp::from_secs_f64(f64::NAN), Err(InvalidTimestamp));
        assert_eq!(Timestamp::from_secs_f64(1e300), Err(InvalidTimestamp));
    }
}
