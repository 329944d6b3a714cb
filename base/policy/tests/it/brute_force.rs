//! The engine against an evaluator that tries everything: documents, requests and contexts of few
//! letters, so that they often match.
//!
//! The evaluator below shares no code with the engine and is as plain as can be. It reads documents
//! as JSON each time, writes out every value that a variable may have, and matches patterns by
//! definition.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use policy::{ContextMap, Decision, Dialect, Document, Request, allows, evaluate};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

const CASES: u32 = 10_000;
/// How many of the cases each decision has to come from.
const EACH_MIN: u32 = CASES / 50;

type Keys = BTreeMap<&'static str, Vec<&'static str>>;

/// What is asked.
#[derive(Clone, Debug)]
struct Wish {
    action: &'static str,
    resource: String,
    keys: Keys,
}

#[test]
fn the_engine_decides_as_an_evaluator_that_tries_everything() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let seen = RefCell::new(HashMap::<&str, u32>::new());
    let outcome = TestRunner::new(config).run(&(documents(), wishes()), |(documents, wish)| {
        let expect = decide(&documents, &wish);
        let (found, is_allowed) = engine(&documents, &wish);
        prop_assert_eq!(found, expect);
        prop_assert_eq!(is_allowed, expect == "allowed");
        *seen.borrow_mut().entry(expect).or_default() += 1;
        Ok(())
    });
    outcome.unwrap();
    for decision in ["allowed", "denied", "refused"] {
        let times = seen.borrow().get(decision).copied().unwrap_or(0);
        assert!(times >= EACH_MIN, "{decision} {times} times");
    }
}

/// What the engine says, and its short form.
fn engine(documents: &[Value], wish: &Wish) -> (&'static str, bool) {
    let parse = |document: &Value| {
        let text = document.to_string();
        Document::parse(&text, Dialect::Iot).expect(&text)
    };
    let documents: Vec<Document> = documents.iter().map(parse).collect();
    let mut context = ContextMap::new();
    for (key, values) in &wish.keys {
        context = context.with_all(*key, values.iter().copied());
    }
    let request = Request { action: wish.action, resource: &wish.resource, context: &context };
    let named: Vec<(&str, &Document)> = documents.iter().map(|one| ("p", one)).collect();
    let decision = match evaluate(&named, &request) {
        Decision::Allowed { .. } => "allowed",
        Decision::ExplicitDeny { .. } => "denied",
        Decision::ImplicitDeny { .. } => "refused",
    };
    (decision, allows(&documents, &request))
}

// What is asked of both.

fn documents() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(document(), 1..=3)
}

fn document() -> impl Strategy<Value = Value> {
    let version = prop_oneof![
        4 => Just(Some("2012-10-17")),
        1 => Just(Some("2008-10-17")),
        1 => Just(None),
    ];
    (version, proptest::collection::vec(statement(), 1..=3)).prop_map(|(version, statements)| {
        let mut document = json!({ "Statement": statements });
        if let Some(version) = version {
            document["Version"] = json!(version);
        }
        document
    })
}

fn statement() -> impl Strategy<Value = Value> {
    let effect = prop_oneof![2 => Just("Allow"), 1 => Just("Deny")];
    let action = prop_oneof![3 => Just("Action"), 1 => Just("NotAction")];
    let resource = prop_oneof![3 => Just("Resource"), 1 => Just("NotResource")];
    let actions = proptest::collection::vec(action_pattern(), 1..=2);
    let resources = proptest::collection::vec(resource_pattern(), 1..=2);
    let conditions = prop_oneof![
        1 => Just(None),
        1 => proptest::collection::vec(condition(), 0..=2).prop_map(Some),
    ];
    (effect, action, actions, resource, resources, conditions).prop_map(
        |(effect, action, actions, resource, resources, conditions)| {
            let mut statement =
                json!({ "Effect": effect, action: actions, resource: one_or_all(resources) });
            if let Some(conditions) = conditions {
                statement["Condition"] = Value::Object(conditions.into_iter().collect());
            }
            statement
        },
    )
}

/// A list of one may also be written without a list.
fn one_or_all(mut list: Vec<String>) -> Value {
    if list.len() > 1 { json!(list) } else { json!(list.pop()) }
}

fn action_pattern() -> impl Strategy<Value = &'static str> {
    select(vec!["*", "iot:*", "iot:Publish", "IOT:PUB*", "iot:?onnect", "iot:Connect", "x:Publish"])
}

/// Pieces of patterns; what they are made of is what requests are made of.
const PIECES: [&str; 20] = [
    "a",
    "b",
    "/",
    "A",
    "*",
    "?",
    "*",
    "$",
    "${*}",
    "${?}",
    "${$}",
    "${",
    "${iot:ClientId}",
    "${IOT:clientid}",
    "${iot:Nothing}",
    "${iot:Nothing, 'a'}",
    "${iot:Certificate.Subject.Country}",
    "${iot:Certificate.Subject.Country.1}",
    "${iot:Certificate.Subject.Country.List}",
    "${iot:Set.List}",
];

fn pieces(most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(select(PIECES.to_vec()), 0..=most).prop_map(|pieces| pieces.concat())
}

fn resource_pattern() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("*".to_owned()), 6 => pieces(4).prop_map(|rest| format!("arn:{rest}"))]
}

const KEYS: [&str; 7] = [
    "iot:ClientId",
    "IOT:CLIENTID",
    "iot:Set",
    "iot:Nothing",
    "iot:Certificate.Subject.Country",
    "iot:Certificate.Subject.Country.1",
    "iot:Certificate.Subject.Country.List",
];

fn condition() -> impl Strategy<Value = (String, Value)> {
    let prefix = select(vec!["", "", "ForAllValues:", "ForAnyValue:"]);
    let suffix = select(vec!["", "IfExists"]);
    let names = [
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
    ];
    let texts = (prefix, select(names.to_vec()), suffix, keys_of_condition(pieces(2).boxed()))
        .prop_map(|(prefix, name, suffix, keys)| (format!("{prefix}{name}{suffix}"), keys));
    let booleans = keys_of_condition(select(vec!["true", "false"]).prop_map(str::to_owned).boxed());
    let nulls = booleans.prop_map(|keys| ("Null".to_owned(), keys));
    let numbers = keys_of_condition(select(vec!["1", "2.0", "3"]).prop_map(str::to_owned).boxed());
    let names =
        ["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThanEquals"];
    let numbers = (prefix_of_numbers(), select(names.to_vec()), numbers)
        .prop_map(|(prefix, name, keys)| (format!("{prefix}{name}"), keys));
    prop_oneof![4 => texts, 1 => nulls, 1 => numbers]
}

fn prefix_of_numbers() -> impl Strategy<Value = &'static str> {
    select(vec!["", "ForAllValues:", "ForAnyValue:"])
}

fn keys_of_condition(value: BoxedStrategy<String>) -> impl Strategy<Value = Value> {
    let values = proptest::collection::vec(value, 1..=2).prop_map(one_or_all);
    proptest::collection::vec((select(KEYS.to_vec()), values), 1..=2).prop_map(|keys| {
        let keys = keys.into_iter().map(|(key, values)| (key.to_owned(), values));
        Value::Object(keys.collect::<Map<_, _>>())
    })
}

fn wishes() -> impl Strategy<Value = Wish> {
    let action = select(vec!["iot:Publish", "iot:publish", "iot:Connect"]);
    let letters = ["a", "b", "/", "A", "*", "?", "$", "${", "1"];
    let resource = proptest::collection::vec(select(letters.to_vec()), 0..=4)
        .prop_map(|letters| format!("arn:{}", letters.concat()));
    let values = ["a", "b", "A", "ab", "", "*", "?", "1", "2", "a$"];
    let few = move || proptest::collection::vec(select(values.to_vec()), 0..=2);
    let many = proptest::collection::vec(select(values.to_vec()), 0..=7);
    let one = proptest::collection::vec(select(values.to_vec()), 1);
    let keys = (
        proptest::option::of(one),
        proptest::option::of(few()),
        proptest::option::of(prop_oneof![few(), many]),
    );
    (action, resource, keys).prop_map(|(action, resource, (client_id, set, country))| {
        let keys = [
            ("iot:ClientId", client_id),
            ("iot:Set", set),
            ("iot:Certificate.Subject.Country", country),
        ];
        let keys = keys.into_iter().filter_map(|(key, values)| Some((key, values?))).collect();
        Wish { action, resource, keys }
    })
}

// The evaluator.

/// A part of a pattern in which each variable is replaced.
#[derive(Clone, Debug)]
enum Part {
    Char(char),
    One,
    Any,
    /// A variable with the values that it may have.
    OneOf(Vec<String>),
    /// A variable without a value.
    Unknown,
}

/// Whether a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Match {
    Yes,
    No,
    /// It depends on a variable without a value.
    Unknown,
}

fn decide(documents: &[Value], wish: &Wish) -> &'static str {
    let mut is_allowed = false;
    for document in documents {
        let has_variables = document["Version"] == "2012-10-17";
        for statement in document["Statement"].as_array().into_iter().flatten() {
            if !applies(statement, wish, has_variables) {
                continue;
            }
            if statement["Effect"] == "Deny" {
                return "denied";
            }
            is_allowed = true;
        }
    }
    if is_allowed { "allowed" } else { "refused" }
}

fn applies(statement: &Value, wish: &Wish, has_variables: bool) -> bool {
    is_about_action(statement, wish.action)
        && is_about_resource(statement, wish, has_variables)
        && holds(statement, wish, has_variables)
}

fn is_about_action(statement: &Value, action: &str) -> bool {
    let matches = |patterns: &Value| {
        list(patterns).iter().any(|pattern| {
            let parts = parts(&pattern.to_lowercase(), true, false, &Keys::new());
            matches(&parts, &action.to_lowercase()) == Match::Yes
        })
    };
    match statement.get("Action") {
        Some(patterns) => matches(patterns),
        None => !matches(&statement["NotAction"]),
    }
}

fn is_about_resource(statement: &Value, wish: &Wish, has_variables: bool) -> bool {
    let best = |patterns: &Value| {
        let patterns = list(patterns);
        let found: Vec<Match> = patterns
            .iter()
            .map(|text| matches(&parts(text, true, has_variables, &wish.keys), &wish.resource))
            .collect();
        [Match::Yes, Match::Unknown].into_iter().find(|m| found.contains(m)).unwrap_or(Match::No)
    };
    match statement.get("Resource") {
        Some(patterns) => best(patterns) == Match::Yes,
        None => match best(&statement["NotResource"]) {
            Match::Yes => false,
            Match::No => true,
            // Nobody knows: on the side of refusal.
            Match::Unknown => statement["Effect"] == "Deny",
        },
    }
}

fn holds(statement: &Value, wish: &Wish, has_variables: bool) -> bool {
    let Some(block) = statement.get("Condition").and_then(Value::as_object) else { return true };
    let is_allow = statement["Effect"] == "Allow";
    block.iter().all(|(operator, keys)| {
        keys.as_object().into_iter().flatten().all(|(key, values)| {
            condition_holds(operator, key, &list(values), wish, (has_variables, is_allow))
        })
    })
}

fn condition_holds(
    operator: &str,
    key: &str,
    wanted: &[String],
    wish: &Wish,
    (has_variables, is_allow): (bool, bool),
) -> bool {
    let values = values_of_key(key, &wish.keys);
    if operator == "Null" {
        return wanted.iter().any(|wanted| (wanted == "true") == values.is_empty());
    }
    let (prefix, operator) = operator.split_once(':').unwrap_or(("", operator));
    let is_negated = operator.contains("Not");
    if values.is_empty() {
        let is_true_of_nothing = match prefix {
            "ForAllValues" => true,
            "ForAnyValue" => false,
            _ => is_negated,
        };
        return operator.ends_with("IfExists") || is_true_of_nothing;
    }
    // Whether a value is as the policy wants it, or is not, where the operator is a negation.
    let fits = |value: &String| {
        let found: Vec<Match> = wanted
            .iter()
            .map(|wanted| compare(operator, wanted, value, has_variables, &wish.keys))
            .collect();
        let is_equal = found.contains(&Match::Yes);
        if !is_negated {
            return is_equal;
        }
        // Where nobody knows, on the side of refusal.
        let is_refused = is_equal || is_allow && found.contains(&Match::Unknown);
        !is_refused
    };
    match prefix {
        "ForAllValues" => values.iter().all(fits),
        "ForAnyValue" => values.iter().any(fits),
        // One of the values is enough, and where there must be none, one is too many.
        _ if is_negated => values.iter().all(fits),
        _ => values.iter().any(fits),
    }
}

/// What an operator compares, without its negation.
fn compare(operator: &str, wanted: &str, value: &str, has_variables: bool, keys: &Keys) -> Match {
    let truth = |is: bool| if is { Match::Yes } else { Match::No };
    if let Some(relation) = operator.strip_prefix("Numeric") {
        let (Ok(wanted), Ok(value)) = (wanted.parse::<f64>(), value.parse::<f64>()) else {
            return Match::No;
        };
        return truth(match relation {
            "Equals" | "NotEquals" => value == wanted,
            "LessThan" => value < wanted,
            _ => value >= wanted,
        });
    }
    let parts = parts(wanted, operator.contains("Like"), has_variables, keys);
    if !operator.contains("IgnoreCase") {
        return matches(&parts, value);
    }
    let small: Vec<Part> = parts.into_iter().map(in_small_letters).collect();
    matches(&small, &value.to_lowercase())
}

fn in_small_letters(part: Part) -> Part {
    match part {
        Part::Char(c) => Part::Char(c.to_ascii_lowercase()),
        Part::OneOf(values) => Part::OneOf(values.iter().map(|v| v.to_lowercase()).collect()),
        other => other,
    }
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(list).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// The parts of a pattern.
fn parts(text: &str, wildcards: bool, variables: bool, keys: &Keys) -> Vec<Part> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        if variables
            && let Some(inside) = rest.strip_prefix("${")
            && let Some((name, after)) = inside.split_once('}')
            && let Some(part) = variable(name, keys)
        {
            parts.push(part);
            rest = after;
            continue;
        }
        parts.push(match c {
            '*' if wildcards => Part::Any,
            '?' if wildcards => Part::One,
            other => Part::Char(other),
        });
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    parts
}

/// What stands for `${name}`; nothing if that is no variable.
fn variable(name: &str, keys: &Keys) -> Option<Part> {
    let escaped = ["*", "?", "$"].into_iter().find(|c| *c == name);
    if let Some(c) = escaped {
        return c.chars().next().map(Part::Char);
    }
    let (name, default) = match name.split_once(", ") {
        Some((name, default)) => (name, Some(default.trim_matches('\'').to_owned())),
        None => (name, None),
    };
    if name.is_empty() || name.contains(['*', '?', '$', '{', '\'']) {
        return None;
    }
    let values = values_of_variable(name, keys);
    Some(match (values.is_empty(), default) {
        (false, _) => Part::OneOf(values),
        (true, Some(default)) => Part::OneOf(vec![default]),
        (true, None) => Part::Unknown,
    })
}

/// The values that may be put in the place of a variable: the first, the one with that index, all.
fn values_of_variable(name: &str, keys: &Keys) -> Vec<String> {
    let first = find(name, keys).into_iter().flatten().take(1).collect();
    let chosen: Vec<String> = match (find(name, keys), name.rsplit_once('.')) {
        (Some(_), _) | (None, None) => first,
        (None, Some((base, which))) => at(which, counted(base, keys)),
    };
    let is_wild = |value: &String| value.contains(['*', '$', '+', '?', '#']);
    let is_certificate = name.starts_with("iot:Certificate.");
    if is_certificate && chosen.iter().any(is_wild) { Vec::new() } else { chosen }
}

/// The values that a condition on a key sees.
fn values_of_key(key: &str, keys: &Keys) -> Vec<String> {
    match (find(key, keys), key.rsplit_once('.')) {
        (Some(values), _) if key.starts_with("iot:Certificate.") => {
            values.into_iter().take(1).collect()
        }
        (Some(values), _) => values,
        (None, Some((base, which))) => at(which, counted(base, keys)),
        (None, None) => Vec::new(),
    }
}

/// Of a certificate's values five count.
fn counted(base: &str, keys: &Keys) -> Vec<String> {
    let most = if base.starts_with("iot:Certificate.") { 5 } else { usize::MAX };
    find(base, keys).into_iter().flatten().take(most).collect()
}

fn at(which: &str, values: Vec<String>) -> Vec<String> {
    match which {
        "List" => values,
        index => match index.parse::<usize>() {
            Ok(index) => values.into_iter().skip(index).take(1).collect(),
            Err(_) => Vec::new(),
        },
    }
}

fn find(name: &str, keys: &Keys) -> Option<Vec<String>> {
    let found = keys.iter().find(|(key, _)| key.to_lowercase() == name.to_lowercase());
    found.map(|(_, values)| values.iter().map(|value| (*value).to_owned()).collect())
}

/// Whether the whole of `text` matches. A variable without a value may stand for anything, so that
/// only what begins otherwise is known not to match.
fn matches(parts: &[Part], text: &str) -> Match {
    let text: Vec<char> = text.chars().collect();
    if parts.iter().any(|part| matches!(part, Part::Unknown)) {
        let start = parts.iter().map_while(|part| match part {
            Part::Char(c) => Some(*c),
            _ => None,
        });
        let start: Vec<char> = start.collect();
        return if text.starts_with(&start) { Match::Unknown } else { Match::No };
    }
    if fits(parts, &text) { Match::Yes } else { Match::No }
}

fn fits(parts: &[Part], text: &[char]) -> bool {
    let Some((part, after)) = parts.split_first() else { return text.is_empty() };
    match part {
        Part::Char(c) => text.first() == Some(c) && fits(after, &text[1..]),
        Part::One => !text.is_empty() && fits(after, &text[1..]),
        Part::Any => (0..=text.len()).any(|taken| fits(after, &text[taken..])),
        Part::OneOf(values) => values.iter().any(|value| {
            let value: Vec<char> = value.chars().collect();
            text.starts_with(&value) && fits(after, &text[value.len()..])
        }),
        Part::Unknown => false,
    }
}
