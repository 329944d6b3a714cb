//! Documents held against definitions that are slower and plainer.

use proptest::prelude::*;
use serde_json::{Map, Value};
use service::Limits;

use crate::document::Document;
use crate::json::{parse, write_value};
use crate::request::Update;
use crate::times;

/// Values with few names, so that updates meet.
fn value(with_nulls: bool) -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        "[ab\"\\\\é]{0,2}".prop_map(Value::from),
    ];
    let array = proptest::collection::vec(scalar.clone(), 0..3).prop_map(Value::from);
    let leaf = if with_nulls {
        prop_oneof![4 => scalar, 1 => array, 2 => Just(Value::Null)].boxed()
    } else {
        prop_oneof![4 => scalar, 1 => array].boxed()
    };
    leaf.prop_recursive(3, 24, 4, |inner| object_of(inner).prop_map(Value::Object))
}

fn object_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[abc]", inner, 0..4).prop_map(|map| map.into_iter().collect())
}

/// What a client sends as `state`.
fn state(with_nulls: bool) -> impl Strategy<Value = Value> {
    let section = move || {
        proptest::option::weighted(0.8, object_of(value(with_nulls)).prop_map(Value::Object))
    };
    (section(), section()).prop_map(|(desired, reported)| {
        let sections = [("desired", desired), ("reported", reported)];
        let named = sections.into_iter().filter_map(|(name, said)| Some((name.to_owned(), said?)));
        Value::Object(named.collect())
    })
}

/// Applies an update whose text is never given back, since the document borrows from it.
fn apply(document: &mut Document<'static>, state: &Value, now: i64) {
    let body = serde_json::json!({ "state": state }).to_string().leak();
    let update = Update::read(body.as_bytes(), now, &Limits::default());
    document.apply(&update.unwrap_or_else(|refusal| panic!("{}", refusal.message)).patch);
}

/// The state, and in what it differs.
fn written(document: &Document<'_>) -> (Value, Option<Value>) {
    let (mut state, mut delta) = (String::new(), String::new());
    document.write_state(&mut state);
    let difference = document.difference();
    difference.write(&mut delta);
    let delta = (!difference.is_empty()).then(|| serde_json::from_str(&delta).unwrap());
    (serde_json::from_str(&state).unwrap(), delta)
}

/// What a section is after an update, by definition.
fn merged(stored: Option<&Value>, said: &Value) -> Option<Value> {
    match (stored, said) {
        (_, Value::Null) => None,
        (Some(Value::Object(stored)), Value::Object(said)) => {
            let mut all = stored.clone();
            for (name, said) in said {
                match merged(stored.get(name), said) {
                    Some(value) => all.insert(name.clone(), value),
                    None => all.remove(name),
                };
            }
            Some(Value::Object(all))
        }
        (None, Value::Object(said)) if !said.is_empty() => {
            let kept: Map<_, _> = said
                .iter()
                .filter_map(|(name, said)| Some((name.clone(), merged(None, said)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        (Some(_), Value::Object(said)) => {
            let kept = merged(None, &Value::Object(said.clone()));
            Some(kept.unwrap_or_else(|| Value::Object(Map::new())))
        }
        _ => Some(said.clone()),
    }
}

/// Whether all that is desired is reported.
fn is_reported(desired: &Value, reported: Option<&Value>) -> bool {
    match (desired, reported) {
        (_, None) => false,
        (Value::Object(desired), Some(Value::Object(reported))) => {
            desired.iter().all(|(name, value)| is_reported(value, reported.get(name)))
        }
        (value, Some(is)) => value == is,
    }
}

fn section<'v>(state: &'v Value, name: &str) -> Option<&'v Value> {
    state.get(name)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_update_merges_as_it_is_defined_to(before in state(false), update in state(true)) {
        let mut document = Document::default();
        apply(&mut document, &before, 1);
        let (stored, _) = written(&document);
        apply(&mut document, &update, 2);
        let mut expected = Map::new();
        for name in ["desired", "reported"] {
            let nothing = Value::Object(Map::new());
            let is = section(&stored, name).unwrap_or(&nothing);
            let said = section(&update, name).unwrap_or(&nothing);
            let merged = merged(Some(is), said).filter(|value| *value != nothing);
            expected.extend(merged.map(|value| (name.to_owned(), value)));
        }
        prop_assert_eq!(written(&document).0, Value::Object(expected));
    }

    #[test]
    fn what_has_changed_makes_one_document_of_another(one in state(false), two in state(false)) {
        let (mut before, mut after) = (Document::default(), Document::default());
        apply(&mut before, &one, 1);
        apply(&mut after, &two, 1);
        let (mut changes, wanted) = (String::new(), written(&after).0);
        before.changes(&after).write_state(&mut changes);
        apply(&mut before, &serde_json::from_str(&changes).unwrap(), 1);
        prop_assert_eq!(written(&before).0, wanted);
    }

    #[test]
    fn an_update_made_twice_changes_nothing_more(before in state(false), update in state(true)) {
        let mut document = Document::default();
        apply(&mut document, &before, 1);
        apply(&mut document, &update, 2);
        let once = document.clone();
        apply(&mut document, &update, 2);
        prop_assert_eq!(document, once);
    }

    #[test]
    fn there_is_a_delta_unless_all_that_is_desired_is_reported(state in state(false)) {
        let mut document = Document::default();
        apply(&mut document, &state, 1);
        let (nothing, (written, delta)) = (Value::Object(Map::new()), written(&document));
        let desired = section(&written, "desired").unwrap_or(&nothing);
        let reported = section(&written, "reported").unwrap_or(&nothing);
        let has_none = is_reported(desired, Some(reported));
        prop_assert_eq!(document.difference().is_empty(), has_none);
        prop_assert_eq!(delta.is_none(), has_none);
        // Whoever reports what the delta says has nothing left to do.
        let report = serde_json::json!({ "reported": delta.unwrap_or(nothing.clone()) });
        apply(&mut document, &report, 2);
        prop_assert!(document.difference().is_empty());
    }

    #[test]
    fn a_document_is_read_as_it_was_written(before in state(false), update in state(true)) {
        let mut document = Document::default();
        apply(&mut document, &before, 1);
        apply(&mut document, &update, 1_700_000_000);
        let (mut state, mut times) = (String::new(), String::new());
        document.write_state(&mut state);
        document.write_times(&mut times);
        let (mut metadata, mut expected) = (String::new(), String::new());
        prop_assert_eq!(times::write_metadata(&state, &times, &mut metadata), Ok(()));
        document.write_metadata(&mut expected);
        prop_assert_eq!(metadata, expected);
        prop_assert_eq!(Document::read(&state, &times), Ok(document));
    }

    /// Of texts that look like JSON, those are read that a general parser reads, numbers apart that
    /// are beyond what it calculates with.
    #[test]
    fn what_is_json_is_read(text in "[\\[\\]{}\",:0-9eE+. ab\\\\unrtlfsd-]{0,24}") {
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => {
                let mut out = String::new();
                write_value(&parse(&text, 1).unwrap(), &mut out);
                prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), value);
            }
            Err(error) if error.to_string().contains("out of range") => {}
            Err(_) => prop_assert!(parse(&text, 1).is_err()),
        }
    }

    #[test]
    fn whatever_is_sent_is_answered(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        drop(Update::read(&body, 1, &Limits::default()));
    }
}
