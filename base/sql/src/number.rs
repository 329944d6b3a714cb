//! Numbers of rules SQL: whole numbers and decimals of 34 digits, as Java's `DECIMAL128` has them.
//!
//! Results that have more digits are rounded half to even. What is larger than 9.99E999 or closer to
//! nothing than 1E-999 is no number (quotas of the AWS IoT SQL reference, "Data types").

use std::cmp::Ordering;
use std::fmt;

/// Digits that a number keeps.
const DIGITS_MAX: u32 = 34;
/// The first whole number with more digits than a number keeps.
const BEYOND: i128 = 10_i128.pow(DIGITS_MAX);
/// Bytes of numbers that are read without a thought to rounding.
const SHORT_MAX: usize = 18;
/// The exponent of a number's first digit, either way.
const EXPONENT_MAX: i32 = 999;

/// A number.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole number below 10^34.
    Int(i128),
    /// Any other, and in version 2015-10-08 also a whole one that was written with a point.
    Decimal(Decimal),
}

/// `digits` × 10^`exponent`; the digits are fewer than 35.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: i128,
    exponent: i32,
}

impl Decimal {
    /// The number, rounded to 34 digits; none if it is out of range. `inexact` says that the value
    /// lies above `digits` by less than one.
    fn rounded(mut digits: i128, mut exponent: i32, mut inexact: bool) -> Option<Self> {
        let extra = length(digits).saturating_sub(DIGITS_MAX);
        if extra > 0 {
            let unit = 10_i128.pow(extra);
            let (mut quotient, rest) = (digits.div_euclid(unit), digits.rem_euclid(unit));
            quotient += i128::from(rounds_up(rest, unit, inexact, quotient));
            (digits, exponent, inexact) =
                (quotient, exponent.checked_add(extra.cast_signed())?, false);
        }
        if digits.abs() >= BEYOND {
            return Self::rounded(digits, exponent, inexact);
        }
        if digits == 0 {
            // Nought keeps its places, yet not so many that counting them takes time.
            return Some(Self { digits, exponent: exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX) });
        }
        let first = exponent.checked_add(length(digits).cast_signed() - 1)?;
        (first.abs() <= EXPONENT_MAX).then_some(Self { digits, exponent })
    }

    /// The whole number that it is, if it is one of at most 34 digits.
    fn whole(self) -> Option<i128> {
        // Most have digits behind the point, and few.
        if self.exponent < 0 && i64::try_from(self.digits).is_ok_and(|digits| digits % 10 != 0) {
            return None;
        }
        if self.digits == 0 {
            return Some(0);
        }
        if self.exponent >= 0 {
            let power = 10_i128.checked_pow(self.exponent.cast_unsigned())?;
            return self.digits.checked_mul(power).filter(|whole| whole.abs() < BEYOND);
        }
        let power = 10_i128.checked_pow(self.exponent.unsigned_abs())?;
        (self.digits % power == 0).then_some(self.digits / power)
    }
}

/// A number with a point and few digits, as most are.
fn short_decimal(bytes: &[u8]) -> Option<Decimal> {
    let (is_negative, unsigned) = match bytes.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, bytes),
    };
    let (mut digits, mut behind) = (0_i64, None);
    (unsigned.len() <= SHORT_MAX && unsigned.first()?.is_ascii_digit()).then_some(())?;
    for byte in unsigned {
        match byte {
            b'0'..=b'9' => digits = digits * 10 + i64::from(byte - b'0'),
            b'.' if behind.is_none() => {
                behind = Some(0);
                continue;
            }
            _ => return None,
        }
        behind = behind.map(|behind: i32| behind + 1);
    }
    let exponent = -behind?;
    Some(Decimal { digits: i128::from(if is_negative { -digits } else { digits }), exponent })
}

/// Whether `rest` of `unit` is more than half, or half of an odd number.
fn rounds_up(rest: i128, unit: i128, inexact: bool, quotient: i128) -> bool {
    match (rest * 2).cmp(&unit) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => inexact || quotient % 2 != 0,
    }
}

/// Decimal digits of `number`; nought has one.
fn length(number: i128) -> u32 {
    number.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
}

impl Number {
    /// The last whole number.
    pub const WHOLE_MAX: i128 = BEYOND - 1;

    /// What `text` says, if it is a number as JSON writes it and in range.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 18 && bytes.iter().all(u8::is_ascii_digit) {
            return text.parse::<i64>().ok().map(|int| Self::Int(int.into()));
        }
        if let Some(decimal) = short_decimal(bytes) {
            return Some(Self::Decimal(decimal));
        }
        Reader::default().read(bytes)
    }

    /// The number nearest to a double, with the fewest digits that say it; none for NaN and infinities.
    #[must_use]
    pub fn from_double(double: f64) -> Option<Self> {
        if !double.is_finite() {
            return None;
        }
        if double == 0.0 {
            return Some(Self::Decimal(Decimal { digits: 0, exponent: -1 }));
        }
        let text = format!("{double:e}");
        let number = Self::parse(&text)?;
        // A double that is whole still is a decimal: 2.0.
        Some(number.whole().map_or(number, |whole| Self::Int(whole).with_point()))
    }

    /// The double that is nearest.
    #[must_use]
    pub fn to_double(self) -> f64 {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "the nearest is asked for")]
            Self::Int(int) => int as f64,
            Self::Decimal(decimal) => {
                format!("{}e{}", decimal.digits, decimal.exponent).parse().unwrap_or(f64::NAN)
            }
        }
    }

    /// The same, as a whole number if it is one.
    #[must_use]
    pub fn normal(self) -> Self {
        match self {
            Self::Decimal(decimal) => decimal.whole().map_or(self, Self::Int),
            Self::Int(_) => self,
        }
    }

    /// The same, with a point also if it is whole, as version 2015-10-08 writes decimals.
    #[must_use]
    pub fn with_point(self) -> Self {
        match self {
            Self::Int(int) => match int.checked_mul(10).filter(|digits| digits.abs() < BEYOND) {
                Some(digits) => Self::Decimal(Decimal { digits, exponent: -1 }),
                None => Self::Decimal(Decimal { digits: int, exponent: 0 }),
            },
            Self::Decimal(_) => self,
        }
    }

    /// The same as a decimal, without a point if it is whole.
    #[must_use]
    pub fn as_decimal(self) -> Self {
        Self::Decimal(self.decimal())
    }

    /// The whole number that it is, if it is one of at most 34 digits, in whatever form.
    #[must_use]
    pub fn whole(self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(int),
            Self::Decimal(decimal) => decimal.whole(),
        }
    }

    /// The greatest whole number that is not greater; none beyond 34 digits.
    #[must_use]
    pub fn floor(self) -> Option<i128> {
        let Self::Decimal(decimal) = self else { return self.whole() };
        if decimal.exponent >= 0 {
            return decimal.whole();
        }
        let power = 10_i128.checked_pow(decimal.exponent.unsigned_abs());
        Some(power.map_or(decimal.digits.signum().min(0), |power| decimal.digits.div_euclid(power)))
    }

    /// The number without what stands behind `places` places after the point; nothing is added.
    #[must_use]
    pub fn truncate(self, places: u32) -> Self {
        let Self::Decimal(decimal) = self else { return self };
        let places = places.min(DIGITS_MAX);
        let Some(extra) = decimal.exponent.checked_neg().and_then(|behind| {
            u32::try_from(behind).ok()?.checked_sub(places).filter(|extra| *extra > 0)
        }) else {
            return self;
        };
        let digits = 10_i128.checked_pow(extra).map_or(0, |power| decimal.digits / power);
        Self::Decimal(Decimal { digits, exponent: places.cast_signed().wrapping_neg() })
    }

    /// The number without noughts at its end behind the point.
    #[must_use]
    pub fn without_trailing_noughts(self) -> Self {
        let Self::Decimal(mut decimal) = self else { return self };
        while decimal.exponent < 0 && decimal.digits % 10 == 0 {
            decimal = Decimal { digits: decimal.digits / 10, exponent: decimal.exponent + 1 };
        }
        if decimal.exponent == 0 { Self::Int(decimal.digits) } else { Self::Decimal(decimal) }
    }

    /// -1, 0 or 1.
    #[must_use]
    pub fn signum(self) -> i128 {
        self.decimal().digits.signum()
    }

    /// The number without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        if self.signum() < 0 { self.negated() } else { self }
    }

    /// The number with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Int(int) => Self::Int(-int),
            Self::Decimal(Decimal { digits, exponent }) => {
                Self::Decimal(Decimal { digits: -digits, exponent })
            }
        }
    }

    /// The sum; whole if both are.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        if let (Self::Int(left), Self::Int(right)) = (self, other) {
            return Self::of_whole(left + right);
        }
        let (left, right) = (self.decimal(), other.decimal());
        let (high, low) =
            if left.exponent >= right.exponent { (left, right) } else { (right, left) };
        add_aligned(high, low).map(Self::Decimal)
    }

    /// The difference; whole if both are.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated())
    }

    /// The product; whole if both are.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        let (left, right) = (self.decimal(), other.decimal());
        let exponent = left.exponent.checked_add(right.exponent)?;
        let both_whole = matches!((self, other), (Self::Int(_), Self::Int(_)));
        match left.digits.checked_mul(right.digits) {
            Some(digits) if both_whole => Self::of_whole(digits),
            Some(digits) => Decimal::rounded(digits, exponent, false).map(Self::Decimal),
            None => multiply_wide(left.digits, right.digits, exponent).map(Self::Decimal),
        }
    }

    /// The quotient to 34 digits; none by nought.
    #[must_use]
    pub fn divided_by(self, other: Self) -> Option<Self> {
        let (left, right) = (self.decimal(), other.decimal());
        if right.digits == 0 {
            return None;
        }
        let divisor = right.digits.abs();
        let dividend = left.digits.abs();
        let (mut quotient, mut rest) = (dividend / divisor, dividend % divisor);
        let mut exponent = left.exponent.checked_sub(right.exponent)?;
        while rest != 0 && length(quotient) <= DIGITS_MAX + 1 {
            quotient = quotient * 10 + rest * 10 / divisor;
            rest = rest * 10 % divisor;
            exponent = exponent.checked_sub(1)?;
        }
        let rounded = Decimal::rounded(quotient, exponent, rest != 0)?;
        let is_negative = left.digits.signum() * right.digits.signum() < 0;
        let number = Self::Decimal(rounded);
        Some(if is_negative { number.negated() } else { number })
    }

    /// What is left by a division without fractions, with the sign of what was divided; none by
    /// nought. Whole if both are.
    #[must_use]
    pub fn remainder(self, other: Self) -> Option<Self> {
        if let (Self::Int(left), Self::Int(right)) = (self, other) {
            return left.checked_rem(right).map(Self::Int);
        }
        let (left, right) = (self.decimal(), other.decimal());
        if right.digits == 0 {
            return None;
        }
        if left.exponent >= right.exponent {
            let shift = left.exponent.checked_sub(right.exponent)?;
            let divisor = right.digits.abs();
            let rest = (0..shift).fold(left.digits % divisor, |rest, _| rest * 10 % divisor);
            return Decimal::rounded(rest, right.exponent, false).map(Self::Decimal);
        }
        let shift = right.exponent.checked_sub(left.exponent)?.cast_unsigned();
        let divisor = 10_i128.checked_pow(shift).and_then(|power| power.checked_mul(right.digits));
        let rest = divisor.map_or(left.digits, |divisor| left.digits % divisor);
        Decimal::rounded(rest, left.exponent, false).map(Self::Decimal)
    }

    fn decimal(self) -> Decimal {
        match self {
            Self::Int(digits) => Decimal { digits, exponent: 0 },
            Self::Decimal(decimal) => decimal,
        }
    }

    /// A whole number, or the decimal nearest to it if it has over 34 digits.
    pub(crate) fn of_whole(whole: i128) -> Option<Self> {
        if whole.abs() < BEYOND {
            return Some(Self::Int(whole));
        }
        Decimal::rounded(whole, 0, false).map(Self::Decimal)
    }
}

/// The sum of two of which the first has the greater exponent.
fn add_aligned(high: Decimal, low: Decimal) -> Option<Decimal> {
    if high.digits == 0 {
        return Some(low);
    }
    let shift = high.exponent.checked_sub(low.exponent)?.cast_unsigned();
    // Three digits more than are kept: what lies below them only decides how a half is rounded.
    let up = shift.min((DIGITS_MAX + 3).saturating_sub(length(high.digits)));
    let digits = high.digits.checked_mul(10_i128.checked_pow(up)?)?;
    let down = shift - up;
    let (low_digits, inexact) = match 10_i128.checked_pow(down) {
        Some(power) => (low.digits.div_euclid(power), low.digits.rem_euclid(power) != 0),
        None => (low.digits.signum().min(0), low.digits != 0),
    };
    let exponent = low.exponent.checked_add(down.cast_signed())?;
    Decimal::rounded(digits.checked_add(low_digits)?, exponent, inexact)
}

/// The product of two that do not fit together, rounded.
fn multiply_wide(left: i128, right: i128, exponent: i32) -> Option<Decimal> {
    // Halves of 17 digits: each partial product has at most 34.
    const HALF: i128 = 10_i128.pow(17);
    let (a, b) = (left.abs(), right.abs());
    let (a_high, a_low, b_high, b_low) = (a / HALF, a % HALF, b / HALF, b % HALF);
    let middle = a_high * b_low + a_low * b_high;
    let low = a_low * b_low + middle % HALF * HALF;
    let high = a_high * b_high + middle / HALF + low / BEYOND;
    let low = low % BEYOND;
    // high × 10^34 + low, of which 37 digits are kept, and whether there is more.
    let room = (DIGITS_MAX + 3).saturating_sub(length(high));
    let unit = 10_i128.pow(DIGITS_MAX.saturating_sub(room));
    let digits = high * 10_i128.pow(room.min(DIGITS_MAX)) + low / unit;
    let dropped = DIGITS_MAX.saturating_sub(room).cast_signed();
    let product = Decimal::rounded(digits, exponent.checked_add(dropped)?, low % unit != 0)?;
    let sign = left.signum() * right.signum();
    Some(Decimal { digits: product.digits * sign, ..product })
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Self::Int(left), Self::Int(right)) = (self, other) {
            return left.cmp(right);
        }
        let (left, right) = (self.decimal(), other.decimal());
        if let Some(order) = order_of_short(left, right) {
            return order;
        }
        let signs = left.digits.signum().cmp(&right.digits.signum());
        if signs != Ordering::Equal || left.digits == 0 {
            return signs;
        }
        let magnitude =
            |number: Decimal| i64::from(number.exponent) + i64::from(length(number.digits));
        match magnitude(left).cmp(&magnitude(right)) {
            Ordering::Equal => scaled(left, right).cmp(&scaled(right, left)),
            order if left.digits < 0 => order.reverse(),
            order => order,
        }
    }
}

/// The order of two that have few digits, near to each other.
fn order_of_short(left: Decimal, right: Decimal) -> Option<Ordering> {
    let scaled = |number: Decimal, exponent: i32| {
        let digits = i64::try_from(number.digits).ok()?;
        digits.checked_mul(
            10_i64.checked_pow(number.exponent.checked_sub(exponent)?.cast_unsigned())?,
        )
    };
    let exponent = left.exponent.min(right.exponent);
    Some(scaled(left, exponent)?.cmp(&scaled(right, exponent)?))
}

/// The digits of `number` at the exponent of `other`, if that is lower. Both are of one magnitude,
/// so that there are at most 34.
fn scaled(number: Decimal, other: Decimal) -> i128 {
    let shift = number.exponent.saturating_sub(other.exponent);
    let power = 10_i128.saturating_pow(u32::try_from(shift).unwrap_or(0));
    number.digits.saturating_mul(power)
}

impl fmt::Display for Number {
    /// As Java's `BigDecimal` writes itself: with an exponent where the point would stand far off.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = match self {
            // Few digits are written much faster.
            Self::Int(int) => {
                return match i64::try_from(*int) {
                    Ok(short) => write!(formatter, "{short}"),
                    Err(_) => write!(formatter, "{int}"),
                };
            }
            Self::Decimal(decimal) => *decimal,
        };
        let digits = decimal.digits.unsigned_abs();
        let digits = u64::try_from(digits).map_or_else(|_| digits.to_string(), |it| it.to_string());
        let sign = if decimal.digits < 0 { "-" } else { "" };
        let places = i32::try_from(digits.len()).unwrap_or(i32::MAX);
        let first = decimal.exponent.saturating_add(places - 1);
        if decimal.exponent > 0 || first < -6 {
            let (head, tail) = digits.split_at(1);
            let point = if tail.is_empty() { "" } else { "." };
            return write!(formatter, "{sign}{head}{point}{tail}E{first:+}");
        }
        let behind = decimal.exponent.unsigned_abs() as usize;
        if behind == 0 {
            return write!(formatter, "{sign}{digits}");
        }
        formatter.write_str(sign)?;
        let Some(whole) = digits.len().checked_sub(behind).filter(|whole| *whole > 0) else {
            return write!(formatter, "0.{digits:0>behind$}");
        };
        let (whole, fraction) = digits.split_at(whole);
        formatter.write_str(whole)?;
        formatter.write_str(".")?;
        formatter.write_str(fraction)
    }
}

/// Reads a number: its digits, where its point was, and what was cut off.
#[derive(Default)]
struct Reader {
    digits: i128,
    kept: u32,
    exponent: i32,
    cut: Option<(bool, bool)>,
    has_point: bool,
    is_exponential: bool,
}

impl Reader {
    fn read(mut self, bytes: &[u8]) -> Option<Number> {
        let (is_negative, bytes) = match bytes.split_first()? {
            (b'-', rest) => (true, rest),
            _ => (false, bytes),
        };
        let mut rest = bytes.iter();
        let mut seen = 0_usize;
        while let Some(byte) = rest.next() {
            match byte {
                b'0'..=b'9' => {
                    self.take(i128::from(byte - b'0'));
                    seen += 1;
                }
                b'.' if !self.has_point && seen > 0 => self.has_point = true,
                b'e' | b'E' if seen > 0 => {
                    self.is_exponential = true;
                    let exponent = std::str::from_utf8(rest.as_slice()).ok()?;
                    let exponent = exponent.parse::<i32>().ok().or_else(|| far(exponent))?;
                    self.exponent = self.exponent.saturating_add(exponent);
                    break;
                }
                _ => return None,
            }
        }
        (seen > 0).then_some(())?;
        self.finish(is_negative)
    }

    fn take(&mut self, digit: i128) {
        if self.kept < DIGITS_MAX {
            self.digits = self.digits * 10 + digit;
            self.kept += u32::from(self.digits != 0);
            self.exponent -= i32::from(self.has_point);
            return;
        }
        // The first digit that is cut off says whether to round; the others, whether it was a half.
        self.cut = Some(match self.cut {
            None => {
                self.digits = self.digits * 10 + digit;
                (true, false)
            }
            Some((first, more)) => (first, more || digit != 0),
        });
        self.exponent += i32::from(!self.has_point);
    }

    fn finish(self, is_negative: bool) -> Option<Number> {
        let is_cut = self.cut.is_some();
        let exponent = self.exponent.saturating_sub(i32::from(is_cut));
        let decimal =
            Decimal::rounded(self.digits, exponent, self.cut.is_some_and(|(_, more)| more))?;
        let is_whole = !self.has_point && !self.is_exponential && !is_cut;
        let number = if is_whole { Number::Int(decimal.digits) } else { Number::Decimal(decimal) };
        Some(if is_negative { number.negated() } else { number })
    }
}

/// An exponent of more digits than are worth reading.
fn far(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(if text.starts_with('-') { i32::MIN / 2 } else { i32::MAX / 2 })
}

#[cfg(test)]
mod tests;
