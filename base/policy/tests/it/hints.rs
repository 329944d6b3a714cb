//! What is said to whoever was refused.

use policy::{Context, ContextMap, Dialect, Document, Request, hints};

const ARN: &str = "arn:aws:iot:us-east-1:123456789012";

/// The policy that tutorials show, which is not enough.
const TUTORIAL: &str = r#"{"Effect":"Allow","Action":["iot:Connect","iot:Publish","iot:Subscribe","iot:Receive"],"Resource":"ARN:topic/*"}"#;

fn document(version: &str, statements: &str) -> Document {
    let text = format!(r#"{{"Version":"{version}","Statement":[{statements}]}}"#);
    Document::parse(&text.replace("ARN", ARN), Dialect::Iot).expect(&text)
}

fn hints_on(
    version: &str,
    statements: &str,
    action: &str,
    resource: &str,
    context: &dyn Context,
) -> Vec<String> {
    let document = document(version, statements);
    let resource = format!("{ARN}:{resource}");
    hints(&[("p", &document)], &Request { action, resource: &resource, context })
}

/// Checks the hints of policy `p`, but for the last, which says what to add.
fn check(statements: &str, action: &str, resource: &str, context: &dyn Context, expect: &[&str]) {
    let mut found = hints_on("2012-10-17", statements, action, resource, context);
    let last = found.pop().expect("there is a hint");
    assert_eq!(
        last,
        format!("to allow it, add a statement that allows {action} on {ARN}:{resource}")
    );
    let expect: Vec<String> = expect.iter().map(|text| text.replace("ARN", ARN)).collect();
    assert_eq!(found, expect, "{statements} on {action} {resource}");
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

#[test]
fn the_tutorials_policy_lacks_clients_and_topic_filters() {
    let none = &ContextMap::new();
    let allows = "statement 1 of policy p allows";
    check(
        TUTORIAL,
        "iot:Publish",
        "client/x",
        none,
        &[&format!(
            "{allows} iot:Publish on ARN:topic/*, but iot:Publish is decided by topic/<topic>"
        )],
    );
    let expect = |action, form| {
        format!("{allows} {action} on ARN:topic/*, but {action} is decided by {form}")
    };
    let next = "statement 1 of policy p also allows iot:Subscribe, which will be refused as well: \
                it is decided by topicfilter/<filter>, and no resource there is one";
    let connect = expect("iot:Connect", "client/<client id>");
    check(TUTORIAL, "iot:Connect", "client/x", none, &[&connect, next]);
    let subscribe = expect("iot:Subscribe", "topicfilter/<filter>");
    check(TUTORIAL, "iot:Subscribe", "topicfilter/a/#", none, &[&subscribe]);
    assert!(hints_on("2012-10-17", TUTORIAL, "iot:Publish", "topic/a", none).is_empty());
}

#[test]
fn only_a_subscription_that_no_filter_matches_is_foretold() {
    let none = &ContextMap::new();
    let hint = |resource| {
        let statement = allow("iot:Subscribe", resource);
        hints_on("2012-10-17", &statement, "iot:Connect", "client/x", none).join(" ")
    };
    for resource in ["*", "ARN:*", "ARN:topic*", "ARN:topicfilter/a", "arn:aws:iot:*"] {
        assert!(!hint(resource).contains("as well"), "{resource}");
    }
    for resource in ["ARN:topic/*", "ARN:client/x", "ARN:topicfilters/*"] {
        assert!(hint(resource).contains("as well"), "{resource}");
    }
}

#[test]
fn without_a_policy_one_is_to_be_attached() {
    let context = ContextMap::new();
    let resource = format!("{ARN}:client/x");
    let request = Request { action: "iot:Connect", resource: &resource, context: &context };
    let found = hints(&[], &request);
    assert!(found[0].starts_with("no policy is attached"), "{found:?}");
    assert_eq!(
        found[1],
        format!("to allow it, add a statement that allows iot:Connect on {resource}")
    );
}

#[test]
fn what_is_added_is_the_resource_and_no_pattern() {
    for (resource, expect) in [
        ("client/*", "client/${*}"),
        ("client/a?", "client/a${?}"),
        ("topic/${a}", "topic/${$}{a}"),
        ("topicfilter/$share/g/a/#", "topicfilter/$share/g/a/#"),
    ] {
        let found = hints_on(
            "2012-10-17",
            &allow("iot:Fly", "*"),
            "iot:Connect",
            resource,
            &ContextMap::new(),
        );
        let last = found.last().expect("there is a hint");
        let expect =
            format!("to allow it, add a statement that allows iot:Connect on {ARN}:{expect}");
        assert_eq!(last, &expect);
        // What is added does allow it.
        let (_, added) = expect.rsplit_once(" ").expect("the hint ends in the resource");
        let allowed = hints_on(
            "2012-10-17",
            &allow("iot:Connect", added),
            "iot:Connect",
            resource,
            &ContextMap::new(),
        );
        assert!(allowed.is_empty(), "{allowed:?}");
    }
}

#[test]
fn an_explicit_deny_is_named() {
    let context = ContextMap::new();
    let statements = format!(
        r#"{},{{"Sid":"Secret","Effect":"Deny","Action":"*","Resource":"ARN:topic/*/secret"}}"#,
        allow("*", "*")
    );
    let found = hints_on("2012-10-17", &statements, "iot:Publish", "topic/a/secret", &context);
    let expect = format!(
        "statement 2 (Secret) of policy p denies iot:Publish on {ARN}:topic/*/secret, and a Deny \
         goes before every Allow: make that statement narrower, or detach policy p, for \
         {ARN}:topic/a/secret"
    );
    assert_eq!(found, [expect]);
}

#[test]
#[rustfmt::skip]
fn a_resource_that_is_nearly_right_is_told_from_the_right_one() {
    let context = &ContextMap::new().with("iot:ClientId", "c1");
    for (action, written, resource, why) in [
        ("iot:Publish", "ARN:topic/Lamp/*", "topic/lamp/1", "which differs from ARN:topic/lamp/1 in upper and lower case"),
        ("iot:Publish", "ARN:topic/lamp/+/on", "topic/lamp/1/on", "where + and # are letters like others: the policy's wildcard is *, as in ARN:topic/lamp/*/on"),
        ("iot:Receive", "ARN:topic/lamp/#", "topic/lamp/1/on", "where + and # are letters like others: the policy's wildcard is *, as in ARN:topic/lamp/*"),
        ("iot:Publish", "arn:aws:iot:eu-west-1:123456789012:topic/*", "topic/a", "but its region is eu-west-1 and should be us-east-1"),
        ("iot:Publish", "arn:aws:iot:us-east-1:210987654321:topic/*", "topic/a", "but its account is 210987654321 and should be 123456789012"),
        ("iot:Publish", "arn:aws:iotdata:eu-west-1:123456789012:topic/*", "topic/a", "but its service is iotdata and should be iot, and its region is eu-west-1 and should be us-east-1"),
        ("iot:Publish", "ARN:topicfilter/a", "topic/a", "but iot:Publish is decided by topic/<topic>"),
        ("iot:Subscribe", "ARN:topicfilter/a/*", "topicfilter/$share/g/a/b", "but a shared subscription is decided by its whole filter, $share/<group>/ included"),
        ("iot:Connect", "ARN:client/${iot:ClientId}-a", "client/c1", "which is ARN:client/c1-a here, and ARN:client/c1 is something else"),
        ("iot:Publish", "ARN:topic/a", "topic/b", "and ARN:topic/b is something else"),
        ("iot:GetThingShadow", "ARN:topic/a", "thing/a", "but iot:GetThingShadow is decided by thing/<name>"),
    ] {
        let why = why.replace("ARN", ARN);
        let expect = format!("statement 1 of policy p allows {action} on {written}, {why}");
        check(&allow(action, written), action, resource, context, &[&expect]);
    }
}

#[test]
fn a_document_without_variables_says_so() {
    let context = &ContextMap::new().with("iot:ClientId", "c1");
    let statement = allow("iot:Connect", "ARN:client/${iot:ClientId}");
    let found = hints_on("2008-10-17", &statement, "iot:Connect", "client/c1", context);
    let expect = "is no variable: policies have them with \"Version\": \"2012-10-17\" alone";
    assert!(found[0].ends_with(expect), "{found:?}");
}

#[test]
#[rustfmt::skip]
fn a_variable_without_a_value_says_why() {
    let context = &ContextMap::new()
        .with("iot:ClientId", "c1")
        .with("iot:Certificate.Subject.CommonName", "x*");
    for (variable, why) in [
        ("iot:Connection.Thing.ThingName", "has no value: the connection has no thing with it."),
        ("iot:Connection.Thing.Attributes[site]", "has no value: the connection's thing has no such attribute"),
        ("iot:Certificate.Subject.Country", "has no value: the certificate does not have it"),
        ("iot:Certificate.Subject.Country.1", "has no value: the certificate does not have it"),
        ("iot:Certificate.Subject.CommonName", "cannot be put in place: it has *, $, +, ? or #"),
        ("iot:DomainName", "has no value: the client names no host (SNI)"),
    ] {
        let statement = allow("iot:Publish", &format!("ARN:topic/${{{variable}}}/a"));
        let found = hints_on("2012-10-17", &statement, "iot:Publish", "topic/c1/a", context);
        let expect = format!("/a, but ${{{variable}}} {why}");
        assert!(found[0].contains(&expect), "{found:?}");
    }
    for (variable, meant) in [
        ("iot:ClientID2", Some("iot:ClientId")),
        ("iot:Connection.Thing.ThingNam", Some("iot:Connection.Thing.ThingName")),
        ("iot:Certificate.Subject.CommonNames", Some("iot:Certificate.Subject.CommonName")),
        ("foo:bar", None),
    ] {
        let statement = allow("iot:Publish", &format!("ARN:topic/${{{variable}}}/a"));
        let found = hints_on("2012-10-17", &statement, "iot:Publish", "topic/c1/a", context);
        let meant = meant.map(|meant| format!("; ${{{meant}}} may be meant")).unwrap_or_default();
        let expect = format!("there is no variable ${{{variable}}}{meant}");
        assert!(found[0].ends_with(&expect), "{found:?}");
    }
}

#[test]
fn a_condition_says_what_it_demands_and_what_there_is() {
    let statement = |condition: &str| {
        format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#)
    };
    let context = &ContextMap::new()
        .with("iot:DomainName", "h3")
        .with_all("iot:ConnectAttributes", ["PersistentConnect", "LastWill"]);
    let demands = "statement 1 of policy p demands";
    for (condition, expect) in [
        (
            r#"{"StringEquals":{"iot:DomainName":["h1","h2"]}}"#,
            "StringEquals of iot:DomainName with h1, h2, and the request has h3",
        ),
        (
            r#"{"Bool":{"iot:Connection.Thing.IsAttached":"true"}}"#,
            "Bool of iot:Connection.Thing.IsAttached with true, and the request has no such value",
        ),
        (
            r#"{"ForAllValues:StringEquals":{"iot:ConnectAttributes":["LastWill"]}}"#,
            "ForAllValues:StringEquals of iot:ConnectAttributes with LastWill, and the request has \
             PersistentConnect, LastWill",
        ),
        (
            r#"{"StringEquals":{"iot:DomainName":"${iot:ClientId}"}}"#,
            "StringEquals of iot:DomainName with ${iot:ClientId}, and the request has h3; \
             ${iot:ClientId} has no value outside MQTT",
        ),
    ] {
        check(
            &statement(condition),
            "iot:Connect",
            "client/x",
            context,
            &[&format!("{demands} {expect}")],
        );
    }
}

#[test]
fn related_and_misspelt_actions_are_told() {
    let none = &ContextMap::new();
    check(
        &allow("iot:Publish", "*"),
        "iot:RetainPublish",
        "topic/a",
        none,
        &["a retained message needs iot:RetainPublish besides iot:Publish, and statement 1 of \
         policy p allows iot:Publish alone"],
    );
    check(
        &allow("iot:Subscribe", "*"),
        "iot:Receive",
        "topic/a",
        none,
        &[
            "a subscription needs iot:Receive on topic/<topic> for what is delivered, and statement 1 \
         of policy p allows iot:Subscribe alone",
        ],
    );
    check(
        &allow("iot:Conect", "*"),
        "iot:Connect",
        "client/a",
        none,
        &["statement 1 of policy p names the action iot:Conect, which there is not; it is spelt \
         iot:Connect"],
    );
    check(
        &allow("iot:Receive", "*"),
        "iot:Connect",
        "client/a",
        none,
        &["no statement of p allows iot:Connect on anything"],
    );
}

#[test]
fn negated_lists_are_told() {
    let none = &ContextMap::new();
    let but = r#"{"Effect":"Allow","NotAction":["iot:Connect","iot:Publish"],"Resource":"*"}"#;
    check(
        but,
        "iot:Connect",
        "client/a",
        none,
        &["statement 1 of policy p allows every action but iot:Connect, iot:Publish, which has \
         iot:Connect"],
    );
    let but = r#"{"Effect":"Allow","Action":"*","NotResource":"ARN:topic/a/*"}"#;
    check(
        but,
        "iot:Publish",
        "topic/a/b",
        none,
        &[
            "statement 1 of policy p allows iot:Publish on everything but ARN:topic/a/*, and that is \
         where ARN:topic/a/b belongs",
        ],
    );
}

#[test]
fn the_nearest_misses_come_first_and_not_too_many() {
    let none = &ContextMap::new();
    let resources: Vec<String> = (0..20).map(|i| format!(r#""ARN:topic/{i}""#)).collect();
    let statements = format!(
        r#"{{"Effect":"Allow","Action":"*","Resource":[{}]}},{},{}"#,
        resources.join(","),
        allow("*", "ARN:topic/LAMP"),
        allow("*", "ARN:topic/${iot:Connection.Thing.ThingName}")
    );
    let found = hints_on("2012-10-17", &statements, "iot:Publish", "topic/lamp", none);
    assert_eq!(found.len(), 7);
    assert!(found[0].starts_with("statement 3 of policy p"), "{found:?}");
    assert!(found[1].starts_with("statement 2 of policy p"), "{found:?}");
}
