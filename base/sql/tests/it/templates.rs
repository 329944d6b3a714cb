//! Templates of actions: what stands between `${` and `}` is an expression on the message as it came.

use sql::{Answers, Payload, Statement, Template, Value, Version};

const PAYLOAD: &[u8] = br#"{"id":"d1","n":5,"o":{"k":[1,"x"]},"z":10.0,"b":true,"nil":null}"#;

fn filled(text: &str, version: Version) -> String {
    let statement = Statement::parse("SET @v = n SELECT n AS alias FROM 'a/b/c'", version)
        .expect("the statement is one");
    let template = match Template::parse(text, &statement) {
        Ok(template) => template,
        Err(error) => return format!("parse error: {error}"),
    };
    let (payload, answers) = (Payload::read(PAYLOAD), Answers::new());
    let filled = template.fill(&super::message(&payload), &[Value::int(5)], &answers);
    filled.unwrap_or_else(|halt| format!("{halt:?}"))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    for version in [Version::V2015, Version::V2016] {
        assert_eq!(filled(text, version), expected, "{text}");
    }
}

#[test]
fn expressions_become_texts_in_their_places() {
    check("", "");
    check("plain", "plain");
    check("${id}", "d1");
    check("dt/${topic(2)}/${id}/x", "dt/b/d1/x");
    check("${n + 1}-${upper(id)}", "6-D1");
    check("${b}", "true");
    check("${get(o.k, 1)}", "x");
    check("${'}'}${'{'}", "}{");
    check("$${id}", "$d1");
    check("$$aws/things/${id}/shadow/update", "$$aws/things/d1/shadow/update");
    check("100%$", "100%$");
    check("${ id }", "d1");
}

#[test]
fn arrays_and_objects_become_json() {
    check("${o}", r#"{"k":[1,"x"]}"#);
    check("${o.k}", r#"[1,"x"]"#);
    assert_eq!(filled("${z}", Version::V2015), "10.0");
    assert_eq!(filled("${z}", Version::V2016), "10");
    assert_eq!(filled("${{'a': [n]}}", Version::V2016), r#"{"a":[5]}"#);
}

#[test]
fn what_is_not_there_leaves_nothing() {
    check("[${missing}]", "[]");
    check("[${nil}]", "[]");
    check("[${o.none.x}]", "[]");
    // The message counts, not what is selected of it.
    check("[${alias}]", "[]");
    check("[${sqrt(-1)}]", "[]");
}

#[test]
fn variables_of_the_statement_may_stand_in_templates() {
    check("${@v}", "5");
    check("${@v * 2}", "10");
    check("${@w}", "parse error: @w has no value at position 2 (give it one before, with SET)");
}

#[test]
fn what_is_no_template_says_where() {
    check("a${id", "parse error: the expression that begins with ${ has no end at position 1");
    check("a${}", "parse error: expected an expression, found the end at position 3");
    check("${id x}", "parse error: expected the end, found 'x' at position 5");
    let refused = filled("${decode(*, 'proto', 'b', 'k', 'f', 'm')}", Version::V2016);
    assert!(refused.starts_with("parse error: a template cannot decode Protocol Buffers"));
    assert!(!filled("${decode('ODA=', 'base64')}", Version::V2016).starts_with("parse error"));
}

#[test]
fn a_message_that_is_no_json_has_no_fields() {
    let statement = Statement::parse("SELECT * FROM 't'", Version::V2016).expect("it is one");
    let template = Template::parse("x/${id}/${topic(1)}", &statement).expect("it is one");
    let (payload, answers) = (Payload::read(b"\xFF"), Answers::new());
    let filled = template.fill(&super::message(&payload), &[], &answers);
    assert_eq!(filled.as_deref(), Ok("x//a"));
}
