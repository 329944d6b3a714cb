//! What single numbers give; `tests/it/numbers.rs` has what holds of all.

use std::cmp::Ordering;

use super::Number;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
}

#[test]
fn numbers_are_written_as_they_were_read() {
    for text in ["0", "-5", "10.0", "0.00", "1.50", "0.000001", "1E-7", "-12.5E-999", "1E+3"] {
        let written = number(text).to_string();
        let again = number(&written);
        assert_eq!(number(text).cmp(&again), Ordering::Equal, "{text} {written}");
    }
    assert_eq!(number("10.0").to_string(), "10.0");
    assert_eq!(number("0.000001").to_string(), "0.000001");
    assert_eq!(number("0.0000001").to_string(), "1E-7");
    assert_eq!(number("1e3").to_string(), "1E+3");
    assert_eq!(number("1.25e10").to_string(), "1.25E+10");
}

#[test]
fn more_than_34_digits_are_rounded_half_to_even() {
    let long = "12345678901234567890123456789012345";
    assert_eq!(number(long).to_string(), "1.234567890123456789012345678901234E+34");
    let odd = "12345678901234567890123456789012335";
    assert_eq!(number(odd).to_string(), "1.234567890123456789012345678901234E+34");
    let above = "123456789012345678901234567890123450001";
    assert_eq!(number(above).to_string(), "1.234567890123456789012345678901235E+38");
    let nines = "9".repeat(35);
    assert_eq!(number(&nines).to_string(), "1.000000000000000000000000000000000E+35");
}

#[test]
fn what_is_out_of_range_is_no_number() {
    for text in ["1e1000", "1e-1000", "1e99999999999", "-", "", ".5", "1.2.3", "1e", "+1", "0x1"] {
        assert!(Number::parse(text).is_none(), "{text}");
    }
    assert!(Number::parse("9.99e999").is_some());
}

#[test]
fn arithmetic_keeps_34_digits() {
    let check = |left: &str, right: &str, expect: [&str; 5]| {
        let (left, right) = (number(left), number(right));
        let results = [
            left.plus(right),
            left.minus(right),
            left.times(right),
            left.divided_by(right),
            left.remainder(right),
        ];
        let results = results.map(|result| result.map_or("none".into(), |it| it.to_string()));
        assert_eq!(results, expect.map(String::from));
    };
    check("7", "2", ["9", "5", "14", "3.5", "1"]);
    check("-7", "2", ["-5", "-9", "-14", "-3.5", "-1"]);
    check("0.1", "0.2", ["0.3", "-0.1", "0.02", "0.5", "0.1"]);
    check("1", "0", ["1", "1", "0", "none", "none"]);
    check("1", "3", ["4", "-2", "3", "0.3333333333333333333333333333333333", "1"]);
    check("2", "-3", ["-1", "5", "-6", "-0.6666666666666666666666666666666667", "2"]);
    check(
        "1e40",
        "1",
        [
            "1.000000000000000000000000000000000E+40",
            "1.000000000000000000000000000000000E+40",
            "1E+40",
            "1E+40",
            "0",
        ],
    );
    let big = "9999999999999999999999999999999999";
    check(
        big,
        big,
        [
            "2.000000000000000000000000000000000E+34",
            "0",
            "9.999999999999999999999999999999998E+67",
            "1",
            "0",
        ],
    );
}

#[test]
fn order_goes_by_value() {
    let sorted = ["-1e500", "-2", "-1.5", "0", "1e-500", "0.1", "1", "1.5", "2", "1e500"];
    for (at, left) in sorted.iter().enumerate() {
        for (other, right) in sorted.iter().enumerate() {
            assert_eq!(number(left).cmp(&number(right)), at.cmp(&other), "{left} {right}");
        }
    }
    assert_eq!(number("1.0"), number("1"));
    assert_eq!(number("100e-2"), number("1"));
}

#[test]
fn whole_numbers_and_doubles() {
    assert_eq!(number("2.0").normal().to_string(), "2");
    assert_eq!(number("1e3").normal().to_string(), "1000");
    assert_eq!(number("1e40").normal().to_string(), "1E+40");
    assert_eq!(number("-1.2").floor(), Some(-2));
    assert_eq!(number("-1e-50").floor(), Some(-1));
    assert_eq!(number("1.9").floor(), Some(1));
    assert_eq!(number("2.888").truncate(2).to_string(), "2.88");
    assert_eq!(number("2.00").truncate(5).without_trailing_noughts().to_string(), "2");
    assert_eq!(Number::from_double(2.0).unwrap().to_string(), "2.0");
    assert_eq!(Number::from_double(2.5e-7).unwrap().to_string(), "2.5E-7");
    assert_eq!(Number::from_double(f64::NAN), None);
    let pi = std::f64::consts::PI;
    assert!((Number::from_double(pi).unwrap().to_double() - pi).abs() < f64::EPSILON);
}
