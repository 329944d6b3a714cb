//! JSON is what serde_json takes for it, and has the same values.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::de::IgnoredAny;
use serde_json::Value as Json;
use sql::{Answers, Payload, Statement, Version};

/// Values of a few levels. Numbers are such as doubles hold to the digit.
pub(crate) fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        (-1_000_000_i32..1_000_000).prop_map(|number| Json::from(f64::from(number) / 64.0)),
        "\\PC{0,8}".prop_map(Json::from),
        "[a-e\"\\\\\n\u{1}é😀]{0,4}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Json::from),
            object(inner).prop_map(Json::from),
        ]
    })
}

/// An object, mostly of the fields that statements of the tests ask for.
pub(crate) fn object(
    inner: impl Strategy<Value = Json>,
) -> impl Strategy<Value = serde_json::Map<String, Json>> {
    vec(("[a-e]|\\PC{0,3}", inner), 0..6).prop_map(|members| members.into_iter().collect())
}

fn written(value: &Json, is_pretty: bool) -> String {
    let written =
        if is_pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    written.expect("a value can be written")
}

/// Numbers by their values alone, since 10.0 comes back as 10.
fn plain(value: Json) -> Json {
    match value {
        Json::Number(number) => Json::from(number.as_f64().expect("a double holds the number")),
        Json::Array(items) => items.into_iter().map(plain).collect(),
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, plain(value))).collect())
        }
        other => other,
    }
}

fn given(text: &str, version: Version) -> String {
    let statement = Statement::parse("SELECT * AS x", version).expect("the statement is one");
    let (payload, answers) = (Payload::read(text.as_bytes()), Answers::new());
    let outcome = super::evaluate(&statement, &payload, &answers).expect("the payload is JSON");
    let output = outcome.output.expect("there is no condition");
    String::from_utf8(output.to_bytes()).expect("JSON is text")
}

#[test]
fn strings_have_no_control_characters() {
    for byte in 0..=0x7F_u8 {
        let text = [b'"', byte, b'"'];
        let may_stand = byte >= 0x20 && byte != b'"' && byte != b'\\';
        assert_eq!(Payload::read(&text).is_json(), may_stand, "{byte:#x}");
    }
}

proptest! {
    #[test]
    fn values_go_through_unchanged(value in value(), is_pretty: bool) {
        let text = written(&value, is_pretty);
        prop_assert!(Payload::read(text.as_bytes()).is_json());
        for version in [Version::V2015, Version::V2016] {
            let given: Json = serde_json::from_str(&given(&text, version)).expect("JSON comes out");
            prop_assert_eq!(plain(given), plain(serde_json::json!({ "x": value })));
        }
    }

    #[test]
    fn damaged_texts_are_json_where_serde_says_so(
        value in value(),
        is_pretty: bool,
        damages in vec((any::<Index>(), "[-+0-9eE.,:{}\\[\\]\"\\\\untrue \t\n\u{1}x]", 0..3_u8), 1..4),
    ) {
        let mut characters: Vec<char> = written(&value, is_pretty).chars().collect();
        for (at, new, kind) in damages {
            let at = at.index(characters.len() + 1);
            let new = new.chars().next().expect("there is a character");
            match kind {
                0 if at < characters.len() => characters[at] = new,
                1 if at < characters.len() => drop(characters.remove(at)),
                _ => characters.insert(at, new),
            }
        }
        let text: String = characters.into_iter().collect();
        let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(Payload::read(text.as_bytes()).is_json(), is_json, "{}", text);
    }

    #[test]
    fn any_bytes_are_json_or_not(bytes in vec(any::<u8>(), 0..64)) {
        let payload = Payload::read(&bytes);
        let is_json = std::str::from_utf8(&bytes)
            .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        prop_assert_eq!(payload.is_json(), is_json);
        prop_assert_eq!(payload.bytes(), bytes.as_slice());
    }
}
