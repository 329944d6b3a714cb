//! How the bounds are declared: a line for each, and everything else follows from the lines.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Which set of values the bounds begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// What a message or resource may be is AWS's; rates and quotas are generous.
    #[default]
    Default,
    /// AWS's rates and quotas too.
    Aws,
    /// What a message or resource may be is as wide as the protocols make it.
    Relaxed,
}

/// Why a bound cannot be what somebody wants it to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LimitError {
    #[error("there is no such bound")]
    Unknown,
    #[error("`{value}` is not a whole number from {least} to {most}")]
    Outside { value: String, least: String, most: String },
    #[error("`{lower}` is {lower_value}, above `{upper}`, which is {upper_value}")]
    Reversed { lower: &'static str, lower_value: u64, upper: &'static str, upper_value: u64 },
}

/// A kind of number that a bound may be of.
pub(super) trait Number: Copy + PartialOrd + FromStr + Display {
    const ONE: Self;
    /// The highest bound that has no other highest: higher ones overflow where they are used.
    const HIGHEST: Self;
}

impl Number for u16 {
    const ONE: Self = 1;
    const HIGHEST: Self = Self::MAX;
}

impl Number for u32 {
    const ONE: Self = 1;
    const HIGHEST: Self = Self::MAX;
}

impl Number for u64 {
    const ONE: Self = 1;
    const HIGHEST: Self = Self::MAX >> 4;
}

impl Number for usize {
    const ONE: Self = 1;
    const HIGHEST: Self = Self::MAX >> 4;
}

/// Reads a number that has to be in `range`.
pub(super) fn read<N: Number>(value: &str, range: RangeInclusive<N>) -> Result<N, LimitError> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| LimitError::Outside {
        value: value.to_owned(),
        least: range.start().to_string(),
        most: range.end().to_string(),
    })
}

/// Declares the struct of bounds from lines of the form
/// `name: kind = default, aws value, relaxed value, within range;`, where all but the default may
/// be left out. Without a range a bound is at least 1.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $default:expr
        $(, aws $aws:expr)? $(, relaxed $relaxed:expr)? $(, within $range:expr)?;)*) => {
        /// The bounds of one server.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the fields say it")]
        pub struct Limits {
            $($(#[$doc])* pub $name: $kind,)*
        }

        impl Limits {
            /// The name of each bound.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// The bounds of a profile.
            pub fn of(profile: $crate::Profile) -> Self {
                Self {
                    $($name: match profile {
                        $($crate::Profile::Aws => $aws,)?
                        $($crate::Profile::Relaxed => $relaxed,)?
                        _ => $default,
                    },)*
                }
            }

            /// Changes the bound called `name`, if `value` is one that it can have.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), $crate::LimitError> {
                match name {
                    $(stringify!($name) => {
                        let range = limits!(@range $kind $(, $range)?);
                        self.$name = $crate::limits::declare::read::<$kind>(value, range)?;
                    })*
                    _ => return Err($crate::LimitError::Unknown),
                }
                Ok(())
            }
        }
    };
    (@range $kind:ty) => {
        <$kind as $crate::limits::declare::Number>::ONE
            ..=<$kind as $crate::limits::declare::Number>::HIGHEST
    };
    (@range $kind:ty, $range:expr) => { $range };
}

pub(super) use limits;
