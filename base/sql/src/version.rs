//! Versions of rules SQL.

use crate::number::Number;

/// A version of rules SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `2015-10-08`, which a rule without a version has.
    V2015,
    /// `2016-03-23`.
    V2016,
    /// `beta`: as `2016-03-23`.
    Beta,
}

impl Version {
    /// The version that `awsIotSqlVersion` names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::V2015, Self::V2016, Self::Beta].into_iter().find(|version| version.name() == name)
    }

    /// What `awsIotSqlVersion` and `sql_version()` call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V2015 => "2015-10-08",
            Self::V2016 => "2016-03-23",
            Self::Beta => "beta",
        }
    }

    /// The number as this version has it: since 2016-03-23 whole decimals are Ints.
    pub(crate) fn normal(self, number: Number) -> Number {
        if self == Self::V2015 { number } else { number.normal() }
    }

    /// The number as this version has a decimal: `10.0` in 2015-10-08, 10 since.
    pub(crate) fn decimal(self, number: Number) -> Number {
        if self == Self::V2015 { number.with_point() } else { number.normal() }
    }

    /// A calculation with doubles, as this version has its result; none for NaN and infinities.
    pub(crate) fn double(self, double: f64) -> Option<Number> {
        Number::from_double(double).map(|number| self.normal(number))
    }
}
