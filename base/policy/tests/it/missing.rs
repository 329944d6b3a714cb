//! Which keys and variables a decision looks for in vain.

use policy::{ContextMap, Dialect, Document, Request, missing};

const ARN: &str = "arn:aws:iot:us-east-1:123456789012";

fn check(statements: &str, resource: &str, context: &ContextMap<'_>, expect: &[&str]) {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let document = Document::parse(&text.replace("ARN", ARN), Dialect::Iot).expect(&text);
    let resource = format!("{ARN}:{resource}");
    let request = Request { action: "iot:Publish", resource: &resource, context };
    assert_eq!(missing([&document], &request), expect, "{statements} on {resource}");
}

#[test]
fn variables_of_resources_are_missed_where_they_decide() {
    let (none, client) = (&ContextMap::new(), &ContextMap::new().with("iot:ClientId", "c"));
    let own = r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/${iot:ClientId}/${iot:B}"}"#;
    check(own, "topic/c/b", none, &["iot:B", "iot:ClientId"]);
    check(own, "topic/c/b", client, &["iot:B"]);
    check(own, "client/c", none, &[]);
    let other_action = own.replace("iot:Publish", "iot:Receive");
    check(&other_action, "topic/c/b", none, &[]);
    let but = r#"{"Effect":"Deny","Action":"*","NotResource":"ARN:topic/${iot:ClientId}"}"#;
    check(but, "topic/c", none, &["iot:ClientId"]);
    check(but, "topic/c", client, &[]);
    let beside_one =
        r#"{"Effect":"Allow","Action":"*","Resource":["ARN:topic/${iot:B}","ARN:topic/a"]}"#;
    check(beside_one, "topic/a", none, &[]);
    check(beside_one, "topic/b", none, &["iot:B"]);
    let default = r#"{"Effect":"Allow","Action":"*","Resource":"ARN:topic/${iot:B, 'b'}"}"#;
    check(default, "topic/b", none, &[]);
}

#[test]
fn keys_of_conditions_are_missed_where_the_resource_fits() {
    let none = &ContextMap::new();
    let statement = r#"{"Effect":"Deny","Action":"*","Resource":"ARN:topic/a","Condition":{"StringEquals":{"iot:DomainName":"${iot:ClientId}"},"Null":{"aws:SourceIp":"true"}}}"#;
    check(statement, "topic/a", none, &["aws:SourceIp", "iot:ClientId", "iot:DomainName"]);
    check(statement, "topic/b", none, &[]);
    let known = &ContextMap::new().with("IOT:domainname", "h").with("aws:SourceIp", "192.0.2.1");
    check(statement, "topic/a", known, &["iot:ClientId"]);
}

#[test]
fn a_key_that_is_there_without_values_is_not_missed() {
    let statement = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"iot:ConnectAttributes":"LastWill"}}}"#;
    check(statement, "topic/a", &ContextMap::new(), &["iot:ConnectAttributes"]);
    let empty = &ContextMap::new().with_all("iot:ConnectAttributes", [""; 0]);
    check(statement, "topic/a", empty, &[]);
}

#[test]
fn forms_of_a_certificates_field_are_missed_if_they_have_no_value() {
    let statement = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"iot:Certificate.Subject.Country.1":"FR"}}}"#;
    let field = "iot:Certificate.Subject.Country";
    let one = &ContextMap::new().with(field, "DE");
    check(statement, "topic/a", one, &["iot:Certificate.Subject.Country.1"]);
    let two = &ContextMap::new().with_all(field, ["DE", "FR"]);
    check(statement, "topic/a", two, &[]);
}

#[test]
fn each_name_is_told_once_in_whatever_letters() {
    let statement = |name: &str| {
        format!(r#"{{"Effect":"Allow","Action":"*","Resource":"ARN:topic/${{{name}}}"}}"#)
    };
    let both = format!("{},{}", statement("iot:B"), statement("IOT:b"));
    check(&both, "topic/a", &ContextMap::new(), &["iot:B"]);
}
