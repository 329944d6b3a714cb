//! Which statement decides, and what is said when none does.

use policy::{Context, ContextMap, Decision, Dialect, Document, Request, evaluate};

const TOPIC: &str = "arn:aws:iot:us-east-1:123456789012:topic";

fn document(statements: &str) -> Document {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let text = text.replace("TOPIC", TOPIC);
    Document::parse(&text, Dialect::Iot).expect("the document is valid")
}

fn check(statements: &str, action: &str, topic: &str, context: &dyn Context, expect: &str) {
    let (document, resource) = (document(statements), format!("{TOPIC}/{topic}"));
    let request = Request { action, resource: &resource, context };
    let decision = evaluate(&[("p", &document)], &request);
    assert_eq!(decision.to_string(), expect, "{statements} on {action} {topic}");
}

const ALLOW_A: &str = r#"{"Sid":"A","Effect":"Allow","Action":"iot:Pub*","Resource":"TOPIC/a/*"}"#;
const DENY_SECRET: &str = r#"{"Effect":"Deny","Action":"*","Resource":"TOPIC/*/secret"}"#;

#[test]
fn deny_goes_before_allow_and_nothing_is_allowed_by_default() {
    let none = &ContextMap::new();
    let both = format!("{ALLOW_A},{DENY_SECRET}");
    for (statements, action, topic, expect) in [
        (ALLOW_A, "iot:Publish", "a/b", "allowed by statement 1 (A) of policy p"),
        (ALLOW_A, "IOT:publish", "a/b", "allowed by statement 1 (A) of policy p"),
        (&both, "iot:Publish", "a/b", "allowed by statement 1 (A) of policy p"),
        (&both, "iot:Publish", "a/secret", "denied by statement 2 of policy p"),
        (DENY_SECRET, "iot:Publish", "a/b", "no statement allows anything"),
        (
            ALLOW_A,
            "iot:Publish",
            "b",
            "no statement allows it; closest is statement 1 (A) of policy p, which is about other \
             resources",
        ),
        (
            ALLOW_A,
            "iot:Receive",
            "a/b",
            "no statement allows it; closest is statement 1 (A) of policy p, which is about other \
             actions",
        ),
    ] {
        check(statements, action, topic, none, expect);
    }
}

#[test]
fn the_closest_statement_of_all_policies_is_told() {
    let far = document(ALLOW_A);
    let near = document(
        r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
           {"Effect":"Allow","Action":"iot:Publish","Resource":"*",
            "Condition":{"StringEquals":{"iot:DomainName":"h"}}}"#,
    );
    let context = ContextMap::new();
    let request = Request { action: "iot:Publish", resource: "arn:x", context: &context };
    let decision = evaluate(&[("far", &far), ("near", &near)], &request);
    assert!(matches!(decision, Decision::ImplicitDeny { nearest: Some(_) }));
    assert_eq!(
        decision.to_string(),
        "no statement allows it; closest is statement 2 of policy near, which demands \
         StringEquals of iot:DomainName"
    );
    assert_eq!(evaluate(&[], &request), Decision::ImplicitDeny { nearest: None });
}

#[test]
fn negated_actions_and_resources_match_everything_else() {
    let none = &ContextMap::new();
    let statements = r#"{"Effect":"Allow","NotAction":"iot:Connect","NotResource":"TOPIC/a"}"#;
    check(statements, "iot:Publish", "b", none, "allowed by statement 1 of policy p");
    let closest =
        "no statement allows it; closest is statement 1 of policy p, which is about other";
    check(statements, "iot:Connect", "b", none, &format!("{closest} actions"));
    check(statements, "iot:Publish", "a", none, &format!("{closest} resources"));
}

#[test]
fn a_variable_without_a_value_refuses() {
    let (none, some) = (&ContextMap::new(), &ContextMap::new().with("iot:ClientId", "c"));
    let resource = r#""Action":"*","Resource":"TOPIC/${iot:ClientId}/*"}"#;
    let others = r#""Action":"*","NotResource":"TOPIC/${iot:ClientId}/*"}"#;
    let all = r#",{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let needs = "no statement allows it; closest is statement 1 of policy p, which needs \
                 ${iot:ClientId}, which has no value";
    let (allowed, denied) =
        ("allowed by statement 1 of policy p", "denied by statement 1 of policy p");
    let allowed_by_the_other = "allowed by statement 2 of policy p";
    check(&format!(r#"{{"Effect":"Allow",{resource}"#), "iot:Publish", "c/x", some, allowed);
    check(&format!(r#"{{"Effect":"Allow",{resource}"#), "iot:Publish", "c/x", none, needs);
    check(&format!(r#"{{"Effect":"Allow",{others}"#), "iot:Publish", "d/x", some, allowed);
    check(&format!(r#"{{"Effect":"Allow",{others}"#), "iot:Publish", "d/x", none, needs);
    let deny = |what: &str| format!(r#"{{"Effect":"Deny",{what}{all}"#);
    check(&deny(resource), "iot:Publish", "c/x", some, denied);
    check(&deny(resource), "iot:Publish", "c/x", none, allowed_by_the_other);
    check(&deny(others), "iot:Publish", "c/x", some, allowed_by_the_other);
    check(&deny(others), "iot:Publish", "c/x", none, denied);
}

#[test]
fn a_client_id_with_a_wildcard_stays_a_literal() {
    let context = &ContextMap::new().with("iot:ClientId", "*");
    let statement = r#"{"Effect":"Allow","Action":"*","Resource":"TOPIC/${iot:ClientId}/x"}"#;
    check(statement, "iot:Publish", "*/x", context, "allowed by statement 1 of policy p");
    let document = document(statement);
    let resource = format!("{TOPIC}/other/x");
    let request = Request { action: "iot:Publish", resource: &resource, context };
    assert!(!evaluate(&[("p", &document)], &request).is_allowed());
}

#[test]
fn a_document_depends_on_time_if_it_asks_for_it() {
    let condition = |block: &str| {
        format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{block}}}"#)
    };
    for (statements, expect) in [
        (ALLOW_A.to_owned(), false),
        (condition(r#"{"StringEquals":{"iot:ClientId":"aws:CurrentTime"}}"#), false),
        (condition(r#"{"DateLessThan":{"aws:CurrentTime":"2030-01-01"}}"#), true),
        (condition(r#"{"NumericLessThan":{"AWS:epochtime":"1"}}"#), true),
        (condition(r#"{"StringLike":{"iot:ClientId":"*${aws:EpochTime}"}}"#), true),
        (condition(r#"{"ArnLike":{"k":"arn:aws:iot:r:1:${aws:CurrentTime}"}}"#), true),
        (
            r#"{"Effect":"Deny","Action":"*","NotResource":"TOPIC/${aws:CurrentTime}"}"#.to_owned(),
            true,
        ),
    ] {
        assert_eq!(document(&statements).depends_on_time(), expect, "{statements}");
    }
}

#[test]
fn a_document_asks_for_keys_in_conditions_and_in_variables() {
    for (statements, expect) in [
        (ALLOW_A.to_owned(), false),
        (r#"{"Effect":"Deny","Action":"*","Resource":"TOPIC/${K:A.b}"}"#.to_owned(), true),
        (r#"{"Effect":"Deny","Action":"*","Resource":"TOPIC/${k:A}"}"#.to_owned(), false),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Null":{"k:a.b":"true"}}}"#
                .to_owned(),
            true,
        ),
    ] {
        assert_eq!(document(&statements).asks_for("k:a."), expect, "{statements}");
    }
}

/// Every variable of a connection in a resource, with a value and without.
#[test]
fn every_variable_stands_for_its_value_or_matches_nothing() {
    let certificate = ["Subject", "Issuer"].into_iter().flat_map(|whose| {
        [
            "DistinguishedNameQualifier",
            "Country",
            "Organization",
            "OrganizationalUnit",
            "State",
            "CommonName",
            "SerialNumber",
            "Title",
            "Surname",
            "GivenName",
            "Initials",
            "Pseudonym",
            "GenerationQualifier",
            "AlternativeName.RFC822Name",
            "AlternativeName.DNSName",
            "AlternativeName.DirectoryName",
            "AlternativeName.UniformResourceIdentifier",
            "AlternativeName.IPAddress",
        ]
        .map(|field| format!("iot:Certificate.{whose}.{field}"))
    });
    let others = [
        "iot:ClientId",
        "aws:SourceIp",
        "iot:DomainName",
        "iot:Connection.Thing.ThingName",
        "iot:Connection.Thing.ThingTypeName",
        "iot:Connection.Thing.Attributes[site]",
        "iot:Connection.Thing.Attributes[a,b]",
        "iot:Connection.Thing.IsAttached",
        "iot:Certificate.SerialNumber",
    ];
    let allowed = "allowed by statement 1 of policy p";
    for name in others.into_iter().map(str::to_owned).chain(certificate) {
        let statement =
            format!(r#"{{"Effect":"Allow","Action":"*","Resource":"TOPIC/${{{name}}}/x"}}"#);
        let context = ContextMap::new().with(name.as_str(), "v");
        check(&statement, "iot:Publish", "v/x", &context, allowed);
        let needs = format!(
            "no statement allows it; closest is statement 1 of policy p, which needs ${{{name}}}, \
             which has no value"
        );
        check(&statement, "iot:Publish", "v/x", &ContextMap::new(), &needs);
        // The text of the variable itself is no value of it either.
        check(&statement, "iot:Publish", &format!("${{{name}}}/x"), &ContextMap::new(), &needs);
    }
}

#[test]
fn certificate_values_over_the_bound_or_with_wildcards_are_not_put_in_place() {
    let statement =
        r#"{"Effect":"Allow","Action":"*","Resource":"TOPIC/${iot:Certificate.Subject.Title}"}"#;
    let allowed = "allowed by statement 1 of policy p";
    let needs = "no statement allows it; closest is statement 1 of policy p, which needs \
                 ${iot:Certificate.Subject.Title}, which has no value";
    let long = "x".repeat(1025);
    for (value, expect) in [
        ("plain", allowed),
        (long.get(1..).unwrap(), allowed),
        (&*long, needs),
        ("a*", needs),
        ("a$", needs),
        ("a+", needs),
        ("a?", needs),
        ("a#", needs),
    ] {
        let context = ContextMap::new().with("iot:Certificate.Subject.Title", value);
        check(statement, "iot:Publish", value, &context, expect);
    }
}

#[test]
fn policies_of_several_documents_are_taken_together() {
    let (allow, deny) = (document(ALLOW_A), document(DENY_SECRET));
    let context = ContextMap::new();
    let decide = |documents: &[(&'static str, &Document)], topic: &str| {
        let resource = format!("{TOPIC}/{topic}");
        let request = Request { action: "iot:Publish", resource: &resource, context: &context };
        evaluate(documents, &request).is_allowed()
    };
    assert!(decide(&[("a", &allow), ("d", &deny)], "a/b"));
    assert!(!decide(&[("a", &allow), ("d", &deny)], "a/secret"));
    assert!(!decide(&[("d", &deny), ("a", &allow)], "a/secret"));
    assert!(!decide(&[("d", &deny)], "a/b"));
}
