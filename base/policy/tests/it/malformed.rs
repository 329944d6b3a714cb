//! Bad documents, and good ones that look bad: what is said of each.
//!
//! `grammar` has a document for each rule; here is what people and machines get wrong.

use policy::{Dialect, Document};

/// What AWS does with these is not documented; they are taken.
const UNKNOWN_ACTION: Outcome = Ok(());
const UNKNOWN_VARIABLE: Outcome = Ok(());
const UNFINISHED_VARIABLE: Outcome = Ok(());
const UNKNOWN_KEY: Outcome = Ok(());
const EMPTY_SID: Outcome = Ok(());
const NO_VALUES: Outcome = Ok(());

/// What is wrong, at which place.
type Outcome = Result<(), &'static str>;

fn check(what: &str, document: &str, expect: Outcome) {
    let found = Document::parse(document, Dialect::Iot).map(drop).map_err(|e| e.to_string());
    assert_eq!(found, expect.map_err(str::to_owned), "{what}: {document}");
}

/// A document whose statement has these members in place of its own.
fn with(members: &str) -> String {
    let mut statement =
        vec![("Effect", r#""Allow""#), ("Action", r#""iot:Publish""#), ("Resource", r#""*""#)];
    statement.retain(|(name, _)| {
        !members.contains(&format!(r#""{name}":"#))
            && !members.contains(&format!(r#""Not{name}":"#))
    });
    let kept: String =
        statement.iter().map(|(name, value)| format!(r#","{name}":{value}"#)).collect();
    let statement = format!("{members}{kept}");
    let statement = statement.trim_start_matches(',');
    format!(r#"{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}"#)
}

#[test]
#[rustfmt::skip]
fn what_is_no_json_is_refused_where_it_ends_to_be() {
    for (what, document, expect) in [
        ("nothing", "", "document: EOF while parsing a value at line 1 column 0"),
        ("blanks", " \n ", "document: EOF while parsing a value at line 2 column 1"),
        ("a word", "hello", "document: expected value at line 1 column 1"),
        ("half of it", r#"{"Version":"2012-10-17","#, "document: EOF while parsing a value at line 1 column 24"),
        ("something behind it", r#"{"Statement":[]}x"#, "document: trailing characters at line 1 column 17"),
        ("two of them", r#"{"Statement":[]}{}"#, "document: trailing characters at line 1 column 17"),
        ("single quotes", "{'Statement':[]}", "document: key must be a string at line 1 column 2"),
        ("a comma too many", r#"{"Statement":[],}"#, "document: trailing comma at line 1 column 17"),
        ("a comment", "// x\n{}", "document: expected value at line 1 column 1"),
        ("a number that is none", r#"{"Statement":01}"#, "document: invalid number at line 1 column 15"),
        ("a number over all bounds", r#"{"Statement":1e999}"#, "document: number out of range at line 1 column 18"),
        ("a byte order mark", "\u{feff}{}", "document: expected value at line 1 column 1"),
        ("half a surrogate", r#"{"Statement":"\ud800"}"#, "document: unexpected end of hex escape at line 1 column 21"),
    ] {
        check(what, document, Err(expect));
    }
}

#[test]
#[rustfmt::skip]
fn a_wrong_type_is_refused_at_each_place() {
    const OBJECT: &str = "must be an object";
    const STRING: &str = "must be a string";
    const VALUES: &str = "must be a string or a list of strings";
    let whole = |members: &str| format!("{{{members}}}");
    let wrong = ["null", "true", "1", "1.5", r#""x""#, "[]", "[[]]", "{}"];
    for value in wrong {
        let is = |kinds: &[&str]| kinds.contains(&value);
        let check = |place: &str, document: String, rule: &str| {
            let found = Document::parse(&document, Dialect::Iot).expect_err(&document);
            assert_eq!(found.to_string(), format!("{place}: {rule}"), "{document}");
        };
        if !is(&["{}"]) {
            check("document", value.to_owned(), OBJECT);
            let rule = if is(&["[]"]) { "must not be empty" } else { OBJECT };
            let place = if is(&["[[]]"]) { "Statement[0]" } else { "Statement" };
            check(place, whole(&format!(r#""Statement":{value}"#)), rule);
            let place = "Statement[0].Condition";
            check(place, with(&format!(r#""Condition":{value}"#)), OBJECT);
            let place = "Statement[0].Condition.StringEquals";
            check(place, with(&format!(r#""Condition":{{"StringEquals":{value}}}"#)), OBJECT);
        }
        if !is(&[r#""x""#]) {
            check("Version", whole(&format!(r#""Version":{value},"Statement":[]"#)), STRING);
            check("Id", whole(&format!(r#""Id":{value},"Statement":[]"#)), STRING);
            check("Statement[0].Sid", with(&format!(r#""Sid":{value}"#)), STRING);
            for member in ["Action", "NotAction", "Resource", "NotResource"] {
                let rule = if is(&["[]"]) { "must not be empty" } else { STRING };
                let place = format!("Statement[0].{member}");
                check(&place, with(&format!(r#""{member}":{value}"#)), rule);
            }
        }
        check("Statement[0].Effect", with(&format!(r#""Effect":{value}"#)), "must be Allow or Deny");
        if is(&["null", "[[]]", "{}"]) {
            let place = "Statement[0].Condition.StringEquals.k";
            check(place, with(&format!(r#""Condition":{{"StringEquals":{{"k":{value}}}}}"#)), VALUES);
        }
    }
}

#[test]
#[rustfmt::skip]
fn a_member_that_stands_twice_is_refused_at_each_depth() {
    for (document, name) in [
        (r#"{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}"#.to_owned(), "Version"),
        (r#"{"Statement":[],"Statement":[]}"#.to_owned(), "Statement"),
        (with(r#""Effect":"Allow","Effect":"Deny""#), "Effect"),
        (with(r#""Action":"iot:Publish","Action":"*""#), "Action"),
        (with(r#""Condition":{"Bool":{"k":"true"},"Bool":{"l":"true"}}"#), "Bool"),
        (with(r#""Condition":{"Bool":{"k":"true","k":"false"}}"#), "k"),
        (with(r#""Sid":"a","S\u0069d":"a""#), "Sid"),
    ] {
        let error = Document::parse(&document, Dialect::Iot).expect_err(&document).to_string();
        let expect = format!("document: duplicate member `{name}` at line 1 column ");
        assert!(error.starts_with(&expect), "{error}: {document}");
    }
}

#[test]
#[rustfmt::skip]
fn words_that_are_nearly_right() {
    for (what, members, expect) in [
        ("an effect in capitals", r#""Effect":"ALLOW""#, Err("Statement[0].Effect: must be Allow or Deny")),
        ("an effect with a blank", r#""Effect":"Allow ""#, Err("Statement[0].Effect: must be Allow or Deny")),
        ("a member in small letters", r#""effect":"Allow""#, Err("Statement[0].effect: no such member")),
        ("members in the plural", r#""Actions":"*""#, Err("Statement[0].Actions: no such member")),
        ("a principal", r#""Principal":"*""#, Err("Statement[0].Principal: no such member")),
        ("conditions in the plural", r#""Conditions":{}"#, Err("Statement[0].Conditions: no such member")),
        ("a resource and its opposite", r#""Resource":"*","NotResource":"*""#, Err("Statement[0]: must not have both Resource and NotResource")),
        ("an action without a service", r#""Action":"Publish""#, Err("Statement[0].Action: `Publish` must be * or service:Action")),
        ("an action with a slash", r#""Action":"iot/Publish""#, Err("Statement[0].Action: `iot/Publish` must be * or service:Action")),
        ("an action with a blank", r#""Action":"iot:Publish ""#, Err("Statement[0].Action: `iot:Publish ` must be * or service:Action")),
        ("an action with an escape", r#""Action":"iot:Pub${*}""#, Err("Statement[0].Action: `iot:Pub${*}` must be * or service:Action")),
        ("an action with two colons", r#""Action":"iot:a:b""#, Err("Statement[0].Action: `iot:a:b` must be * or service:Action")),
        ("a service with a wildcard", r#""Action":"io*:Publish""#, Err("Statement[0].Action: `io*:Publish` must be * or service:Action")),
        ("an empty action", r#""Action":"""#, Err("Statement[0].Action: `` must be * or service:Action")),
        ("the second action", r#""Action":["*","Publish"]"#, Err("Statement[0].Action: `Publish` must be * or service:Action")),
        ("an action that is misspelt", r#""Action":"iot:Pubish""#, UNKNOWN_ACTION),
        ("an action of a service that there is not", r#""Action":"tea:Brew""#, UNKNOWN_ACTION),
        ("a topic for a resource", r#""Resource":"topic/a""#, Err("Statement[0].Resource: `topic/a` must be * or an ARN")),
        ("an ARN in capitals", r#""Resource":"ARN:aws:iot:r:1:topic/a""#, Err("Statement[0].Resource: `ARN:aws:iot:r:1:topic/a` must be * or an ARN")),
        ("an ARN behind a blank", r#""Resource":" arn:aws:iot:r:1:topic/a""#, Err("Statement[0].Resource: ` arn:aws:iot:r:1:topic/a` must be * or an ARN")),
        ("an empty resource", r#""Resource":"""#, Err("Statement[0].Resource: `` must be * or an ARN")),
        ("a variable for a resource", r#""Resource":"${iot:ClientId}""#, Err("Statement[0].Resource: `${iot:ClientId}` must be * or an ARN")),
        ("the second resource", r#""NotResource":["*","a"]"#, Err("Statement[0].NotResource: `a` must be * or an ARN")),
        ("a variable that is misspelt", r#""Resource":"arn:aws:iot:r:1:client/${iot:ClientID2}""#, UNKNOWN_VARIABLE),
        ("a variable without its end", r#""Resource":"arn:aws:iot:r:1:client/${iot:ClientId""#, UNFINISHED_VARIABLE),
        ("a variable without a name", r#""Resource":"arn:aws:iot:r:1:client/${}""#, UNFINISHED_VARIABLE),
        ("a variable in a variable", r#""Resource":"arn:aws:iot:r:1:client/${a${b}}""#, UNFINISHED_VARIABLE),
        ("an empty Sid", r#""Sid":"""#, EMPTY_SID),
        ("an operator that there is not", r#""Condition":{"StringIs":{"k":"v"}}"#, Err("Statement[0].Condition.StringIs: no such operator")),
        ("an operator in small letters", r#""Condition":{"stringEquals":{"k":"v"}}"#, Err("Statement[0].Condition.stringEquals: no such operator")),
        ("a set prefix that there is not", r#""Condition":{"ForSomeValues:StringEquals":{"k":"v"}}"#, Err("Statement[0].Condition.ForSomeValues:StringEquals: no such operator")),
        ("a set prefix alone", r#""Condition":{"ForAllValues:":{"k":"v"}}"#, Err("Statement[0].Condition.ForAllValues:: no such operator")),
        ("two set prefixes", r#""Condition":{"ForAllValues:ForAnyValue:Bool":{"k":"true"}}"#, Err("Statement[0].Condition.ForAllValues:ForAnyValue:Bool: no such operator")),
        ("IfExists twice", r#""Condition":{"BoolIfExistsIfExists":{"k":"true"}}"#, Err("Statement[0].Condition.BoolIfExistsIfExists: no such operator")),
        ("Null with IfExists", r#""Condition":{"NullIfExists":{"k":"true"}}"#, Err("Statement[0].Condition.NullIfExists: no such operator")),
        ("Null with a set prefix", r#""Condition":{"ForAllValues:Null":{"k":"true"}}"#, Err("Statement[0].Condition.ForAllValues:Null: no such operator")),
        ("Null of something else", r#""Condition":{"Null":{"k":"yes"}}"#, Err("Statement[0].Condition.Null.k: must be true or false")),
        ("truth that is none", r#""Condition":{"Bool":{"k":["true","maybe"]}}"#, Err("Statement[0].Condition.Bool.k: must be true or false")),
        ("truth as a variable", r#""Condition":{"Bool":{"k":"${iot:ClientId}"}}"#, Err("Statement[0].Condition.Bool.k: must be true or false")),
        ("a number that is none", r#""Condition":{"NumericEquals":{"k":"ten"}}"#, Err("Statement[0].Condition.NumericEquals.k: must be a number")),
        ("a number without end", r#""Condition":{"NumericEquals":{"k":"inf"}}"#, Err("Statement[0].Condition.NumericEquals.k: must be a number")),
        ("a day that there is not", r#""Condition":{"DateEquals":{"k":"2026-02-30"}}"#, Err("Statement[0].Condition.DateEquals.k: must be a date")),
        ("an address that is none", r#""Condition":{"IpAddress":{"aws:SourceIp":"10.0.0"}}"#, Err("Statement[0].Condition.IpAddress.aws:SourceIp: must be an address or a CIDR range")),
        ("a range that is too narrow", r#""Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/33"}}"#, Err("Statement[0].Condition.NotIpAddress.aws:SourceIp: must be an address or a CIDR range")),
        ("a range of something else", r#""Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/a"}}"#, Err("Statement[0].Condition.IpAddress.aws:SourceIp: must be an address or a CIDR range")),
        ("a key that there is not", r#""Condition":{"StringEquals":{"iot:Cliend":"c"}}"#, UNKNOWN_KEY),
        ("an operator without keys", r#""Condition":{"StringEquals":{}}"#, Ok(())),
        ("a key without values", r#""Condition":{"StringEquals":{"k":[]}}"#, NO_VALUES),
    ] {
        check(what, &with(members), expect);
    }
}

#[test]
fn versions_that_are_nearly_right() {
    for version in ["2012-10-18", "2012-10-17 ", "2012", "", "2008-10-17\u{0}"] {
        let document = format!(
            r#"{{"Version":{},"Statement":{{"Effect":"Allow","Action":"*","Resource":"*"}}}}"#,
            serde_json::to_string(version).expect("text is JSON")
        );
        check("a version", &document, Err("Version: must be 2008-10-17 or 2012-10-17"));
    }
}

#[test]
fn what_is_nested_too_deep_is_refused_and_does_not_overflow() {
    for depth in [128, 1_000, 100_000] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for document in [
                deep.clone(),
                format!(r#"{{"Statement":{deep}}}"#),
                with(&format!(r#""Resource":{deep}"#)),
                with(&format!(r#""Condition":{{"Bool":{{"k":{deep}}}}}"#)),
            ] {
                let error = Document::parse(&document, Dialect::Iot).expect_err("it is too deep");
                assert!(error.to_string().starts_with("document: recursion limit exceeded"));
            }
        }
    }
}

#[test]
fn the_first_thing_that_is_wrong_is_told() {
    let (wrong, other) = (r#"{"Effect":"Maybe"}"#, r#"{"Effect":"Perhaps"}"#);
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{wrong},{other}]}}"#);
    check("two statements", &document, Err("Statement[0].Effect: must be Allow or Deny"));
}
