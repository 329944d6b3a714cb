//! Any text is a statement or none, and any statement has an answer for any message.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value as Json;
use sql::{Answers, Output, Payload, Statement, Template, Version};

use super::json;

/// Every function that takes its arguments from the message, and how many.
const FUNCTIONS: [(&str, usize); 66] = [
    ("abs", 1),
    ("acos", 1),
    ("asin", 1),
    ("atan", 1),
    ("atan2", 2),
    ("bitand", 2),
    ("bitnot", 1),
    ("bitor", 2),
    ("bitxor", 2),
    ("ceil", 1),
    ("chr", 1),
    ("concat", 3),
    ("cos", 1),
    ("cosh", 1),
    ("decode", 2),
    ("decode", 6),
    ("encode", 2),
    ("endswith", 2),
    ("exp", 1),
    ("floor", 1),
    ("get", 2),
    ("get_mqtt_property", 1),
    ("get_or_default", 2),
    ("get_user_properties", 1),
    ("indexof", 2),
    ("isnull", 1),
    ("isundefined", 1),
    ("length", 1),
    ("ln", 1),
    ("log", 1),
    ("lower", 1),
    ("lpad", 2),
    ("ltrim", 1),
    ("md2", 1),
    ("md5", 1),
    ("mod", 2),
    ("nanvl", 2),
    ("newuuid", 0),
    ("numbytes", 1),
    ("parse_time", 2),
    ("parse_time", 3),
    ("power", 2),
    ("rand", 0),
    ("regexp_matches", 2),
    ("regexp_replace", 3),
    ("regexp_substr", 2),
    ("remainder", 2),
    ("replace", 3),
    ("round", 1),
    ("rpad", 2),
    ("rtrim", 1),
    ("sha256", 1),
    ("sign", 1),
    ("sin", 1),
    ("sinh", 1),
    ("sqrt", 1),
    ("startswith", 2),
    ("substring", 2),
    ("substring", 3),
    ("tanh", 1),
    ("time_to_epoch", 2),
    ("timestamp", 0),
    ("topic", 1),
    ("transform", 3),
    ("trim", 1),
    ("trunc", 2),
];

const OPERATORS: [&str; 14] =
    ["+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "AND", "OR", "IN"];

/// Texts that mean something to one function or another.
const TEXTS: [&str; 16] = [
    "'base64'",
    "'proto'",
    "'enrichArray'",
    "'UTC'",
    "'America/New_York'",
    "'yyyy-MM-dd HH:mm:ss.SSS z'",
    "'2021-03-04 05:06:07.089 PST'",
    "'EEE, d MMM yyyy'",
    "'[yyyy][D]'",
    "'(a|b)*'",
    "'$1${x}'",
    "'AAEC'",
    "'1e3'",
    "'-4.5'",
    "'true'",
    "''",
];

fn expression() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        4 => "[a-e]".prop_map(|name| name),
        1 => "[a-e]\\.[a-e]".prop_map(|path| path),
        1 => Just("*".to_owned()),
        2 => any::<i32>().prop_map(|number| number.to_string()),
        1 => "[0-9]{1,36}(\\.[0-9]{1,20})?(e-?[0-9]{1,4})?".prop_map(|number| number),
        1 => select(vec!["true", "false", "NULL", "missing"]).prop_map(str::to_owned),
        2 => select(TEXTS.to_vec()).prop_map(str::to_owned),
        1 => "'[a-zA-Z0-9 $\\\\.*+?()\\[\\]{}|^:/-]{0,8}'".prop_map(|text| text),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let inner = inner.boxed();
        prop_oneof![
            4 => (select(FUNCTIONS.to_vec()), vec(inner.clone(), 6)).prop_map(|((name, count), items)| {
                format!("{name}({})", items.get(..count).expect("enough").join(", "))
            }),
            4 => (inner.clone(), select(OPERATORS.to_vec()), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            1 => inner.clone().prop_map(|inner| format!("NOT {inner}")),
            1 => inner.clone().prop_map(|inner| format!("-{inner}")),
            1 => (inner.clone(), select(vec!["Int", "Double", "String", "Boolean"]))
                .prop_map(|(inner, kind)| format!("cast({inner} AS {kind})")),
            1 => vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'a':{a},'b':{b}}}")),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("CASE {a} WHEN {b} THEN {c} ELSE a END")),
            1 => (inner.clone(), inner.clone()).prop_map(|(what, condition)| {
                format!("(SELECT VALUE {what} FROM a WHERE {condition})")
            }),
            1 => inner.clone().prop_map(|what| format!("EXISTS (SELECT {what} AS x FROM b AS y)")),
        ]
    })
    .boxed()
}

fn statement() -> impl Strategy<Value = String> {
    (expression(), expression(), expression(), 0..4_u8).prop_map(|(a, b, c, kind)| match kind {
        0 => format!("SELECT VALUE {a} FROM 't'"),
        1 => format!("SELECT *, {a} AS x.y, {b} AS z FROM 't' WHERE {c}"),
        2 => format!("SELECT {a}, {b} AS x FROM 't'"),
        _ => format!("SET @a = {a}, @b = concat(@a, {b}) SELECT @b AS x FROM 't' WHERE @a = @a"),
    })
}

/// Evaluates twice, which gives the same, and what it gives is JSON or what came.
fn run(text: &str, version: Version, bytes: &[u8]) {
    let Ok(statement) = Statement::parse(text, version) else { return };
    let (payload, answers) = (Payload::read(bytes), Answers::new());
    let outcome = super::evaluate(&statement, &payload, &answers);
    assert_eq!(outcome, super::evaluate(&statement, &payload, &answers), "{text}");
    let Ok(outcome) = outcome else { return };
    if let Some(Output::Value(value)) = &outcome.output
        && !value.is_undefined()
    {
        let written = value.to_json();
        assert!(Payload::read(written.as_bytes()).is_json(), "{text} gives {written}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn statements_have_an_answer_for_every_message(
        text in statement(),
        object in json::object(json::value()),
        value in json::value(),
    ) {
        for version in [Version::V2015, Version::V2016] {
            run(&text, version, Json::Object(object.clone()).to_string().as_bytes());
            run(&text, version, value.to_string().as_bytes());
            run(&text, version, b"\xFF\x00");
        }
    }

    #[test]
    fn any_text_is_a_statement_or_none(text in "\\PC{0,64}", tail in "\\PC{0,32}") {
        for text in [text.clone(), format!("SELECT {text} FROM '{tail}'"), format!("SELECT a WHERE {text}")] {
            run(&text, Version::V2015, b"{}");
            run(&text, Version::V2016, b"{}");
        }
    }

    #[test]
    fn any_words_are_a_statement_or_none(words in vec(select(WORDS.to_vec()), 0..24)) {
        let text = words.join(" ");
        run(&format!("SELECT {text}"), Version::V2016, br#"{"a":{"b":[1]}}"#);
        run(&text, Version::V2016, b"[1]");
    }

    #[test]
    fn any_text_is_a_template_or_none(text in "(\\PC|\\$\\{|\\}|'){0,32}", inner in expression()) {
        let statement = Statement::parse("SET @a = 1 SELECT a", Version::V2016).expect("it is one");
        let (payload, answers) = (Payload::read(b"{\"a\":[1],\"b\":\"x\"}"), Answers::new());
        for text in [text, format!("x/${{{inner}}}/${{@a}}")] {
            if let Ok(template) = Template::parse(&text, &statement) {
                let message = super::message(&payload);
                drop(template.fill(&message, &[sql::Value::int(1)], &answers));
            }
        }
    }
}

const WORDS: [&str; 40] = [
    "SELECT", "SET", "FROM", "WHERE", "AS", "VALUE", "CASE", "WHEN", "THEN", "ELSE", "END", "IN",
    "EXISTS", "NOT", "AND", "OR", "NULL", "true", "a", "b", "@v", "1", "-", "2.5", "'t'", "\"x\"",
    "(", ")", "[", "]", "{", "}", ":", ",", ".", "*", "=", "<>", "+", "get(",
];
