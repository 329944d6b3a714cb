//! Patterns against tables and against the definition.

use proptest::prelude::*;

use super::*;
use crate::context::ContextMap;

const ALL: Grammar = Grammar { wildcards: true, variables: true };

fn check(pattern: &str, text: &str, expect: Result<bool, Unresolved<'_>>) {
    let context = ContextMap::new()
        .with("iot:ClientId", "c*1")
        .with_all("iot:Certificate.Subject.Country", ["DE", "FR"]);
    let pattern_read = Pattern::parse(pattern, ALL);
    let found = pattern_read.matches(text, Case::Sensitive, &context);
    assert_eq!(found, expect, "{pattern} on {text}");
}

#[test]
fn wildcards_cross_slashes_and_mqtt_wildcards_are_literal() {
    for (pattern, text, expect) in [
        ("*", "", true),
        ("*", "a/b", true),
        ("", "", true),
        ("", "a", false),
        ("a", "a", true),
        ("a", "A", false),
        ("a", "ab", false),
        ("?", "é", true),
        ("?", "", false),
        ("a?c", "a/c", true),
        ("some/*/topic", "some/x/topic", true),
        ("some/*/topic", "some/x/y/topic", true),
        ("some/*/topic", "some/+/topic", true),
        ("some/+/topic", "some/+/topic", true),
        ("some/+/topic", "some/x/topic", false),
        ("a/#", "a/b", false),
        ("a*b*c", "axxbxxbc", true),
        ("a*b*c", "axxbxxbd", false),
        ("**a**", "bab", true),
        ("*?", "", false),
    ] {
        check(pattern, text, Ok(expect));
    }
}

#[test]
fn escapes_stand_for_the_character() {
    for (pattern, text, expect) in [
        ("a${*}", "a*", true),
        ("a${*}", "ab", false),
        ("a${?}", "a?", true),
        ("a${$}{x}", "a${x}", true),
        ("a$b", "a$b", true),
        ("a${", "a${", true),
        ("a${}", "a${}", true),
    ] {
        check(pattern, text, Ok(expect));
    }
}

#[test]
fn variables_match_literally() {
    check("client/${iot:ClientId}", "client/c*1", Ok(true));
    check("client/${iot:ClientId}", "client/cx1", Ok(false));
    check("client/${iot:clientid}/*", "client/c*1/x", Ok(true));
    check("*${iot:Certificate.Subject.Country.List}", "client/FR", Ok(true));
    check("*${iot:Certificate.Subject.Country.List}?", "client/DEx", Ok(true));
    check("*${iot:Certificate.Subject.Country}", "client/FR", Ok(false));
}

#[test]
fn a_missing_variable_is_told_only_where_it_matters() {
    check("client/${iot:X}", "client/${iot:X}", Err(Unresolved("iot:X")));
    check("client/${iot:X}", "topic/a", Ok(false));
}

#[test]
fn version_2008_has_no_variables() {
    let pattern = Pattern::parse("${iot:X}", Grammar { wildcards: true, variables: false });
    let found = pattern.matches("${iot:X}", Case::Sensitive, &ContextMap::new());
    assert_eq!(found, Ok(true));
}

#[test]
fn many_wildcards_do_not_blow_up() {
    let pattern = "*a".repeat(1000) + "b";
    let text = "a".repeat(1000);
    check(&pattern, &text, Ok(false));
    let listed = "*${iot:Certificate.Subject.Country.List}".repeat(30) + "b";
    check(&listed, &"DEFR".repeat(50), Ok(false));
}

/// The definition.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', after)), None) => naive(after, text),
        (Some(('*', after)), Some((_, rest))) => naive(after, text) || naive(pattern, rest),
        (None, Some(_)) | (Some(_), None) => false,
        (Some((p, after)), Some((t, rest))) => (*p == '?' || p == t) && naive(after, rest),
    }
}

proptest! {
    #[test]
    fn both_matchers_agree_with_the_definition(
        pattern in "[ab/*?é]{0,10}",
        text in "[ab/é]{0,12}",
    ) {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let expect = naive(&chars(&pattern), &chars(&text));
        let pattern = Pattern::parse(&pattern, ALL);
        let context = ContextMap::new();
        prop_assert_eq!(glob(&pattern.pieces, &text, Case::Sensitive), expect);
        prop_assert_eq!(pattern.reaches_end(&text, Case::Sensitive, &context), Ok(expect));
    }

    #[test]
    fn the_case_is_ignored_where_it_shall_be(text in "[a-cA-C*?]{0,8}") {
        let pattern = Pattern::parse(&text.to_uppercase(), ALL);
        prop_assert!(glob(&pattern.pieces, &text, Case::Insensitive));
    }
}
