//! DynamoDB's numbers: up to 38 digits, and one way to write each.

/// Digits that DynamoDB keeps.
const DIGITS_MAX: usize = 38;
/// The power of ten of the largest number.
const EXPONENT_MAX: i64 = 125;
/// The power of ten of the smallest number.
const EXPONENT_MIN: i64 = -130;

/// Why a text is no number of DynamoDB's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// It is no number at all.
    NotANumber,
    /// It has more digits than are kept.
    TooManyDigits,
    /// It is too large.
    Overflow,
    /// It is too close to zero.
    Underflow,
}

/// The one text of a number: `-12.50` and `-1.25e1` both are `-125e-1`; zero is `0`.
pub(crate) fn canonical(text: &str) -> Result<String, NumberError> {
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(NumberError::NotANumber);
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok("0".to_owned());
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let shift = i64::try_from(zeros).unwrap_or(i64::MAX)
        - i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let exponent = exponent.saturating_add(shift);
    check(significant.len(), exponent)?;
    Ok(format!("{}{significant}e{exponent}", if is_negative { "-" } else { "" }))
}

fn parse_exponent(text: &str) -> Result<i64, NumberError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberError::NotANumber);
    }
    // One that does not fit is too large or too small in any case.
    let far = if text.starts_with('-') { -1_000_000_000 } else { 1_000_000_000 };
    Ok(text.parse::<i32>().map_or(far, i64::from))
}

fn check(digits: usize, exponent: i64) -> Result<(), NumberError> {
    if digits > DIGITS_MAX {
        return Err(NumberError::TooManyDigits);
    }
    let first = exponent.saturating_add(i64::try_from(digits).unwrap_or(i64::MAX) - 1);
    match first {
        _ if first > EXPONENT_MAX => Err(NumberError::Overflow),
        _ if first < EXPONENT_MIN => Err(NumberError::Underflow),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_in_one_way() {
        for (text, expect) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("000", "0"),
            ("1", "1e0"),
            ("1.0", "1e0"),
            ("+1", "1e0"),
            ("100", "1e2"),
            ("1e2", "1e2"),
            ("-12.50", "-125e-1"),
            ("-1.25E+1", "-125e-1"),
            ("0.001", "1e-3"),
            (".5", "5e-1"),
            ("5.", "5e0"),
            ("9.9e125", "99e124"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expect), "{text}");
        }
    }

    #[test]
    fn what_dynamodb_does_not_keep_is_named() {
        for text in ["", "-", ".", "abc", "1e", "1e+", "1 ", "0x1", "NaN", "--1", "1.2.3", "１"] {
            assert_eq!(canonical(text), Err(NumberError::NotANumber), "{text}");
        }
        assert_eq!(canonical(&"1".repeat(39)), Err(NumberError::TooManyDigits));
        assert!(canonical(&"1".repeat(38)).is_ok());
        assert_eq!(canonical("1e126"), Err(NumberError::Overflow));
        assert_eq!(canonical("1e99999999999"), Err(NumberError::Overflow));
        assert_eq!(canonical("1e-131"), Err(NumberError::Underflow));
        assert_eq!(canonical("1e-99999999999"), Err(NumberError::Underflow));
    }
}
