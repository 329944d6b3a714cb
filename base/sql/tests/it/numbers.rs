//! Numbers are those of a library for numbers of any length, rounded to 34 digits.

use std::num::NonZeroU64;
use std::str::FromStr as _;

use bigdecimal::num_bigint::Sign;
use bigdecimal::{BigDecimal, RoundingMode, Zero as _};
use proptest::prelude::*;
use sql::Number;

/// Texts of numbers of up to 50 digits, far from the ends of the range.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,20}",
        "-?[0-9]{1,40}",
        "-?[0-9]{1,36}\\.[0-9]{1,14}",
        "-?[0-9]{1,3}\\.[0-9]{1,3}",
        "-?[0-9]{1,17}(\\.[0-9]{1,40})?[eE]-?[0-9]{1,2}",
        "-?[1-9]0{1,36}",
        "-?9{30,36}(\\.9{1,4})?",
        "-?[0-9]{33}[05](5|50|500|4999)",
    ]
}

fn rounded(number: &BigDecimal) -> BigDecimal {
    let digits = NonZeroU64::new(34).expect("34 is not nought");
    number.with_precision_round(digits, RoundingMode::HalfEven)
}

fn read(text: &str) -> (Number, BigDecimal) {
    let number = Number::parse(text).expect("the text is a number");
    (number, rounded(&BigDecimal::from_str(text).expect("the text is a number")))
}

#[track_caller]
fn same(given: Option<Number>, expected: &BigDecimal) {
    let given = given.expect("the number is in range").to_string();
    let given = BigDecimal::from_str(&given).expect("what is written is a number");
    assert_eq!(given, rounded(expected));
}

proptest! {
    #[test]
    fn what_is_read_is_rounded_to_34_digits(text in text()) {
        let (number, expected) = read(&text);
        same(Some(number), &expected);
    }

    #[test]
    fn sums_differences_and_products_are_those_of_long_numbers(left in text(), right in text()) {
        let ((left, long_left), (right, long_right)) = (read(&left), read(&right));
        same(left.plus(right), &(&long_left + &long_right));
        same(left.minus(right), &(&long_left - &long_right));
        same(left.times(right), &(&long_left * &long_right));
    }

    #[test]
    fn quotients_and_rests_are_those_of_long_numbers(left in text(), right in text()) {
        let ((left, long_left), (right, long_right)) = (read(&left), read(&right));
        if long_right.is_zero() {
            prop_assert!(left.divided_by(right).is_none());
            prop_assert!(left.remainder(right).is_none());
        } else {
            same(left.divided_by(right), &(&long_left / &long_right));
            same(left.remainder(right), &(&long_left % &long_right));
        }
    }

    #[test]
    fn order_is_that_of_long_numbers(left in text(), right in text()) {
        let ((left, long_left), (right, long_right)) = (read(&left), read(&right));
        prop_assert_eq!(left.cmp(&right), long_left.cmp(&long_right));
        let sign = match long_left.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        };
        prop_assert_eq!(left.signum(), sign);
    }

    #[test]
    fn floors_are_those_of_long_numbers(text in text()) {
        let (number, expected) = read(&text);
        let floor = expected.with_scale_round(0, RoundingMode::Floor);
        if let Some(given) = number.floor() {
            prop_assert_eq!(BigDecimal::from(given), floor);
        } else {
            prop_assert!(floor.digits() > 34);
        }
    }

    #[test]
    fn doubles_come_back(double in any::<f64>().prop_filter("finite", |double| double.is_finite())) {
        let number = Number::from_double(double).expect("doubles are in range");
        prop_assert_eq!(number.to_double(), double);
    }

    #[test]
    fn any_text_is_a_number_or_none(text in "[-0-9.eE+]{0,12}|[0-9]{1,3}e-?[0-9]{1,12}") {
        if let Some(number) = Number::parse(&text) {
            let written = number.to_string();
            prop_assert_eq!(Number::parse(&written), Some(number), "{}", written);
        }
    }

    #[test]
    fn numbers_at_the_ends_of_the_range_do_not_panic(
        left in "-?[0-9]{1,36}[eE]-?(9[0-9]{2}|10[0-9]{2})",
        right in "-?(0|[0-9]{1,36})[eE]-?(9[0-9]{2}|[0-9]{1,10})",
    ) {
        for (left, right) in [(&left, &right), (&right, &left)] {
            let (Some(left), Some(right)) = (Number::parse(left), Number::parse(right)) else {
                continue;
            };
            let results = [left.plus(right), left.minus(right), left.times(right), left.divided_by(right)];
            for result in results.into_iter().chain([left.remainder(right)]).flatten() {
                prop_assert!(Number::parse(&result.to_string()).is_some());
            }
            prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
            prop_assert!(left.truncate(3).without_trailing_noughts().abs() <= left.abs());
        }
    }
}
