//! What is a policy document, and what is refused where.

use policy::{Dialect, Document, Version, document_length_without_whitespace};

const BODY: &str = r#""Effect":"Allow","Action":"iot:Publish","Resource":"*""#;

#[test]
#[rustfmt::skip]
fn what_is_no_document_is_refused_with_its_place() {
    let statement = |members: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{{{BODY}}},{{{members}}}]}}"#);
    for (text, expect) in [
        ("{}".to_owned(), "Statement: is missing"),
        (r#"{"a":1}"#.to_owned(), "a: no such member"),
        ("[]".to_owned(), "document: must be an object"),
        (format!(r#"{{"Version":"2012-10-18","Statement":{{{BODY}}}}}"#), "Version: must be 2008-10-17 or 2012-10-17"),
        (format!(r#"{{"Id":1,"Statement":{{{BODY}}}}}"#), "Id: must be a string"),
        (r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned(), "Statement: must not be empty"),
        (r#"{"Statement":[1]}"#.to_owned(), "Statement[0]: must be an object"),
        (r#"{"Statement":{"Effect":"Permit"}}"#.to_owned(), "Statement.Effect: must be Allow or Deny"),
        (statement(r#""Effect":"allow""#), "Statement[1].Effect: must be Allow or Deny"),
        (statement(r#""Effect":"Allow","Resource":"*""#), "Statement[1]: must have Action or NotAction"),
        (statement(r#""Effect":"Allow","Action":"*""#), "Statement[1]: must have Resource or NotResource"),
        (statement(r#""Effect":"Allow","Action":"*","NotAction":"*","Resource":"*""#), "Statement[1]: must not have both Action and NotAction"),
        (statement(r#""Effect":"Allow","Action":[],"Resource":"*""#), "Statement[1].Action: must not be empty"),
        (statement(r#""Effect":"Allow","Action":"iot: *","Resource":"*""#), "Statement[1].Action: `iot: *` must be * or service:Action"),
        (statement(r#""Effect":"Allow","Action":["*","Publish"],"Resource":"*""#), "Statement[1].Action: `Publish` must be * or service:Action"),
        (statement(r#""Effect":"Allow","NotAction":"iot:","Resource":"*""#), "Statement[1].NotAction: `iot:` must be * or service:Action"),
        (statement(r#""Effect":"Allow","Action":"*","Resource":"topic/a""#), "Statement[1].Resource: `topic/a` must be * or an ARN"),
        (statement(r#""Effect":"Allow","Action":"*","Resource":[1]"#), "Statement[1].Resource: must be a string"),
        (statement(&format!(r#"{BODY},"Principal":"*""#)), "Statement[1].Principal: no such member"),
        (statement(&format!(r#"{BODY},"Condition":[]"#)), "Statement[1].Condition: must be an object"),
        (statement(&format!(r#"{BODY},"Condition":{{"StringIs":{{}}}}"#)), "Statement[1].Condition.StringIs: no such operator"),
        (statement(&format!(r#"{BODY},"Condition":{{"NullIfExists":{{}}}}"#)), "Statement[1].Condition.NullIfExists: no such operator"),
        (statement(&format!(r#"{BODY},"Condition":{{"Bool":{{"k":"yes"}}}}"#)), "Statement[1].Condition.Bool.k: must be true or false"),
        (statement(&format!(r#"{BODY},"Condition":{{"IpAddress":{{"k":"10.0.0.0/33"}}}}"#)), "Statement[1].Condition.IpAddress.k: must be an address or a CIDR range"),
        (statement(&format!(r#"{BODY},"Condition":{{"NumericLessThan":{{"k":"x"}}}}"#)), "Statement[1].Condition.NumericLessThan.k: must be a number"),
        (statement(&format!(r#"{BODY},"Condition":{{"DateEquals":{{"k":["2026-13-01"]}}}}"#)), "Statement[1].Condition.DateEquals.k: must be a date"),
    ] {
        let error = Document::parse(&text, Dialect::Iot).expect_err(&text);
        assert_eq!(error.to_string(), expect, "{text}");
    }
}

#[test]
fn a_member_may_not_stand_twice() {
    let text = format!(r#"{{"Statement":{{{BODY},"Effect":"Deny"}}}}"#);
    let error = Document::parse(&text, Dialect::Iot).unwrap_err();
    assert_eq!(error.place(), "document");
    assert!(error.reason().starts_with("duplicate member `Effect`"), "{error}");
}

#[test]
fn what_is_a_document_is_read() {
    for (text, version) in [
        (format!(r#"{{"Statement":{{{BODY}}}}}"#), Version::V2008),
        (
            format!(r#"{{"Version":"2008-10-17","Id":"x","Statement":[{{{BODY}}}]}}"#),
            Version::V2008,
        ),
        (
            format!(r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"a b",{BODY}}}]}}"#),
            Version::V2012,
        ),
        (
            r#"{"Statement":{"Effect":"Deny","NotAction":["iotjobsdata:Get*","*"],
                "NotResource":["arn:aws:iot:*:*:topic/+/#"],"Condition":{}}}"#
                .to_owned(),
            Version::V2008,
        ),
    ] {
        assert_eq!(Document::parse(&text, Dialect::Iot).map(|d| d.version()), Ok(version));
    }
}

#[test]
fn a_sid_of_iam_is_alphanumeric_and_unique() {
    let check = |first: &str, second: &str, expect: Result<(), &str>| {
        let text =
            format!(r#"{{"Statement":[{{"Sid":"{first}",{BODY}}},{{"Sid":"{second}",{BODY}}}]}}"#);
        assert!(Document::parse(&text, Dialect::Iot).is_ok());
        let found = Document::parse(&text, Dialect::Iam).map(drop).map_err(|e| e.to_string());
        assert_eq!(found, expect.map_err(str::to_owned));
    };
    check("a", "b", Ok(()));
    check("a", "a", Err("Statement[1].Sid: must be unique"));
    check("a", "b c", Err("Statement[1].Sid: must be letters and digits"));
}

#[test]
fn whitespace_does_not_count() {
    assert_eq!(document_length_without_whitespace(" { \"é\" :\n\t1 } "), 7);
}
