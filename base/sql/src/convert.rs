//! Conversions: what a value is where another type is asked for (AWS IoT SQL reference, "Data types").

use std::borrow::Cow;

use crate::Version;
use crate::number::Number;
use crate::syntax::CastType;
use crate::value::Value;

impl<'m> Value<'m> {
    /// The value as a number: numbers, and texts that say one.
    #[must_use]
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::String(text) => number_in(text),
            _ => None,
        }
    }

    /// The value as a whole number: what stands behind the point is cut off downwards. The
    /// conversion table says nearest; the functions' pages and examples cut off. What is beyond all
    /// whole numbers is the last of them: `substring(text, -2.411E247)` begins at the start.
    #[must_use]
    pub fn as_int(&self) -> Option<i128> {
        let number = self.as_number()?;
        Some(number.floor().unwrap_or(number.signum() * Number::WHOLE_MAX))
    }

    /// The value as a text: anything but Null and Undefined.
    #[must_use]
    pub fn into_text(self) -> Option<Cow<'m, str>> {
        match self {
            Self::Undefined | Self::Null => None,
            Self::Boolean(true) => Some(Cow::Borrowed("true")),
            Self::Boolean(false) => Some(Cow::Borrowed("false")),
            Self::String(text) => Some(text),
            other => Some(Cow::Owned(other.to_json())),
        }
    }

    /// The value as true or false: booleans, and those words in whatever case.
    #[must_use]
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// What `cast(… AS kind)` makes of the value.
    pub(crate) fn cast(self, kind: CastType, version: Version) -> Self {
        match kind {
            CastType::Text => self.into_text().map_or(Self::Undefined, Self::String),
            CastType::Boolean => match &self {
                Self::Number(number) => Self::Boolean(number.signum() != 0),
                other => other.as_boolean().map_or(Self::Undefined, Self::Boolean),
            },
            CastType::Int => {
                self.cast_number().and_then(Number::floor).map_or(Self::Undefined, Self::int)
            }
            CastType::Decimal => Self::of(self.cast_number().map(|number| version.decimal(number))),
        }
    }

    fn cast_number(&self) -> Option<Number> {
        match self {
            Self::Boolean(boolean) => Some(Number::Int(i128::from(*boolean))),
            other => other.as_number(),
        }
    }
}

/// The number that a text says: `-?\d+(\.\d+)?((?i)E-?\d+)?`.
fn number_in(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let exponent = unsigned.find(['e', 'E']);
    let (mantissa, exponent) = match exponent {
        Some(at) => (unsigned.get(..at)?, Some(unsigned.get(at + 1..)?)),
        None => (unsigned, None),
    };
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent = exponent.map(|exponent| exponent.strip_prefix('-').unwrap_or(exponent));
    let has_form =
        is_number(whole) && fraction.is_none_or(is_number) && exponent.is_none_or(is_number);
    if has_form { Number::parse(text) } else { None }
}
