//! Every condition operator on values that it holds for and values that it does not.

use policy::{ContextMap, Dialect, Document, Request, evaluate};

/// Whether an Allow with that condition block lets a request with that context pass.
fn holds(block: &str, context: &ContextMap<'_>) -> bool {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{block}}}}}"#
    );
    let document = Document::parse(&text, Dialect::Iot).expect(&text);
    let request = Request { action: "iot:Connect", resource: "*", context };
    evaluate(&[("p", &document)], &request).is_allowed()
}

fn check(operator: &str, policy: &str, value: Option<&str>, expect: bool) {
    let context = match value {
        Some(value) => ContextMap::new().with("K", value),
        None => ContextMap::new(),
    };
    let block = format!(r#"{{"{operator}":{{"k":{policy}}}}}"#);
    assert_eq!(holds(&block, &context), expect, "{block} on {value:?}");
}

#[test]
fn strings() {
    for (operator, policy, value, expect) in [
        ("StringEquals", r#""a""#, "a", true),
        ("StringEquals", r#""a""#, "A", false),
        ("StringEquals", r#"["a","b"]"#, "b", true),
        ("StringEquals", r#""a*""#, "ab", false),
        ("StringEquals", r#""a*""#, "a*", true),
        ("StringEquals", "1", "1", true),
        ("StringNotEquals", r#"["a","b"]"#, "b", false),
        ("StringNotEquals", r#"["a","b"]"#, "c", true),
        ("StringEqualsIgnoreCase", r#""a""#, "A", true),
        ("StringNotEqualsIgnoreCase", r#""a""#, "A", false),
        ("StringLike", r#""a*c?""#, "abcd", true),
        ("StringLike", r#""a${*}""#, "ab", false),
        ("StringNotLike", r#""a*""#, "ab", false),
        ("StringNotLike", r#""a*""#, "b", true),
        ("BinaryEquals", r#""QmluYXJ5""#, "QmluYXJ5", true),
    ] {
        check(operator, policy, Some(value), expect);
    }
}

#[test]
fn numbers_dates_and_truth() {
    for (operator, policy, value, expect) in [
        ("NumericEquals", "10", "10.0", true),
        ("NumericNotEquals", r#""10""#, "10", false),
        ("NumericLessThan", "10", "9", true),
        ("NumericLessThan", "10", "10", false),
        ("NumericLessThanEquals", "10", "10", true),
        ("NumericGreaterThan", "10", "11", true),
        ("NumericGreaterThanEquals", "10", "9", false),
        ("NumericLessThan", "10", "x", false),
        ("DateLessThan", r#""2026-01-02""#, "2026-01-01T23:59:59Z", true),
        ("DateGreaterThanEquals", r#""2026-01-02T00:00:00Z""#, "1767312000", true),
        ("DateEquals", r#""2026-01-02T01:00:00+01:00""#, "2026-01-02T00:00:00Z", true),
        ("DateNotEquals", r#""2026-01-02""#, "2026-01-02", false),
        ("Bool", "true", "true", true),
        ("Bool", r#""True""#, "true", true),
        ("Bool", r#"["true"]"#, "false", false),
    ] {
        check(operator, policy, Some(value), expect);
    }
}

#[test]
fn addresses_and_arns() {
    const ARN: &str = "arn:aws:iot:eu-west-1:123456789012:topic/a:b";
    for (operator, policy, value, expect) in [
        ("IpAddress", r#""10.1.0.0/16""#, "10.1.2.3", true),
        ("IpAddress", r#""10.1.0.0/16""#, "10.2.2.3", false),
        ("IpAddress", r#""10.1.0.0/16""#, "::ffff:10.1.2.3", true),
        ("IpAddress", r#""10.1.2.3""#, "10.1.2.3", true),
        ("IpAddress", r#""0.0.0.0/0""#, "10.1.2.3", true),
        ("IpAddress", r#""0.0.0.0/0""#, "2001:db8::1", false),
        ("IpAddress", r#""2001:db8::/32""#, "2001:db8::1", true),
        ("IpAddress", r#""2001:db8::/32""#, "2001:db9::1", false),
        ("IpAddress", r#""10.1.2.3""#, "nowhere", false),
        ("NotIpAddress", r#""10.1.0.0/16""#, "10.1.2.3", false),
        ("ArnEquals", r#""arn:aws:iot:*:123456789012:topic/*""#, ARN, true),
        ("ArnEquals", r#""arn:aws:iot:*:topic/*""#, ARN, false),
        ("ArnLike", r#""arn:*:*:*:*:*""#, ARN, true),
        ("ArnLike", r#""*""#, ARN, true),
        ("ArnLike", r#""arn:aws:iot:*:123456789012:topic/*""#, "x", false),
        ("ArnNotEquals", r#""arn:aws:iot:*:123456789012:topic/*""#, ARN, false),
        ("ArnNotLike", r#""arn:aws:s3:::*""#, ARN, true),
    ] {
        check(operator, policy, Some(value), expect);
    }
}

#[test]
fn a_missing_key() {
    for (operator, policy, expect) in [
        ("StringEquals", r#""a""#, false),
        ("StringEqualsIfExists", r#""a""#, true),
        ("StringNotEquals", r#""a""#, true),
        ("NotIpAddress", r#""10.0.0.1""#, true),
        ("Bool", r#""false""#, false),
        ("BoolIfExists", r#""true""#, true),
        ("Null", r#""true""#, true),
        ("Null", r#""false""#, false),
        ("ForAllValues:StringEquals", r#""a""#, true),
        ("ForAnyValue:StringEquals", r#""a""#, false),
        ("ForAnyValue:StringNotEquals", r#""a""#, false),
    ] {
        check(operator, policy, None, expect);
    }
    check("StringEqualsIfExists", r#""a""#, Some("b"), false);
    check("Null", r#""false""#, Some("x"), true);
}

#[test]
fn connect_attributes_are_a_set() {
    let (all, any) = ("ForAllValues:StringEquals", "ForAnyValue:StringEquals");
    let (not_all, not_any) = ("ForAllValues:StringNotEquals", "ForAnyValue:StringNotEquals");
    for (operator, attributes, expect) in [
        (all, &[][..], true),
        (any, &[], false),
        (all, &["LastWill"], true),
        (all, &["LastWill", "PersistentConnect"], false),
        (any, &["LastWill", "PersistentConnect"], true),
        (any, &["PersistentConnect"], false),
        (not_all, &["PersistentConnect"], true),
        (not_all, &["LastWill", "PersistentConnect"], false),
        (not_any, &["LastWill", "PersistentConnect"], true),
        (not_any, &["LastWill"], false),
    ] {
        let values = attributes.iter().copied();
        let context = ContextMap::new().with_all("iot:ConnectAttributes", values);
        let block = format!(r#"{{"{operator}":{{"iot:ConnectAttributes":["LastWill"]}}}}"#);
        assert_eq!(holds(&block, &context), expect, "{operator} {attributes:?}");
    }
}

#[test]
fn all_operators_and_keys_must_hold() {
    let block = r#"{"StringEquals":{"a":"1","b":"2"},"Bool":{"c":"true"}}"#;
    let context = || ContextMap::new().with("a", "1").with("b", "2").with("c", "true");
    assert!(holds(block, &context()));
    for key in ["a", "b", "c"] {
        assert!(!holds(block, &context().with(key, "x")), "{key}");
    }
}

#[test]
fn values_may_have_variables() {
    let context = || ContextMap::new().with("iot:ClientId", "c*").with("k", "c*");
    assert!(holds(r#"{"StringEquals":{"k":"${iot:ClientId}"}}"#, &context()));
    let arn = "arn:aws:iot:r:1:topic/c*";
    let block = r#"{"ArnEquals":{"k":"arn:aws:iot:r:1:topic/${iot:ClientId}"}}"#;
    assert!(holds(block, &context().with("k", arn)));
    assert!(!holds(block, &context().with("k", "arn:aws:iot:r:1:topic/cd")));
    // Without a value neither the condition nor its negation lets a request pass.
    for operator in ["StringEquals", "StringNotEquals"] {
        let block = format!(r#"{{"{operator}":{{"k":"${{iot:X}}"}}}}"#);
        assert!(!holds(&block, &context()), "{operator}");
    }
}

#[test]
fn a_certificates_fields_are_compared_one_or_all() {
    const COUNTRY: &str = "iot:Certificate.Subject.Country";
    let context = ContextMap::new()
        .with_all(COUNTRY, ["DE", "FR", "IT", "ES", "PT", "NL"])
        .with_all("iot:Certificate.AvailableKeys", (0..9).map(|i| format!("k{i}")));
    for (operator, suffix, value, expect) in [
        ("StringEquals", "", "DE", true),
        ("StringEquals", "", "FR", false),
        ("StringNotEquals", "", "FR", true),
        ("StringEquals", ".0", "DE", true),
        ("StringEquals", ".1", "FR", true),
        ("StringEquals", ".4", "PT", true),
        ("StringEquals", ".5", "NL", false),
        ("StringEquals", ".9", "DE", false),
        ("ForAnyValue:StringEquals", ".List", "IT", true),
        ("ForAnyValue:StringEquals", ".list", "NL", false),
        ("ForAllValues:StringLike", ".List", "??", true),
        ("ForAllValues:StringLike", ".List", "D?", false),
    ] {
        let block = format!(r#"{{"{operator}":{{"{COUNTRY}{suffix}":"{value}"}}}}"#);
        assert_eq!(holds(&block, &context), expect, "{block}");
    }
    // A list by nature, with all its values.
    let block = r#"{"ForAnyValue:StringEquals":{"iot:Certificate.AvailableKeys":"k8"}}"#;
    assert!(holds(block, &context));
}

#[test]
fn the_topic_of_a_will_is_compared_as_an_arn() {
    let topic = |name: &str| format!("arn:aws:iot:eu-west-1:123456789012:topic/{name}");
    for (operator, policy, will, expect) in [
        ("ArnEquals", "wills/*", Some("wills/c"), true),
        ("ArnEquals", "wills/*", Some("other/c"), false),
        ("ArnEquals", "wills/*", None, false),
        ("ArnEqualsIfExists", "wills/*", None, true),
        ("ArnLike", "wills/${iot:ClientId}", Some("wills/c"), true),
        ("ArnLike", "wills/${iot:ClientId}", Some("wills/d"), false),
        ("ArnNotEquals", "wills/*", Some("other/c"), true),
        ("ArnNotLike", "wills/*", Some("wills/c"), false),
    ] {
        let mut context = ContextMap::new().with("iot:ClientId", "c");
        if let Some(will) = will {
            context = context.with("iot:LastWillTopic", topic(will));
        }
        let block = format!(r#"{{"{operator}":{{"iot:LastWillTopic":"{}"}}}}"#, topic(policy));
        assert_eq!(holds(&block, &context), expect, "{block} on {will:?}");
    }
}

#[test]
fn what_is_known_of_a_thing_and_of_the_connection_is_compared() {
    let context = ContextMap::new()
        .with("iot:ClientId", "lamp")
        .with("aws:SourceIp", "192.0.2.1")
        .with("iot:DomainName", "h.example")
        .with("iot:Connection.Thing.ThingName", "lamp")
        .with("iot:Connection.Thing.ThingTypeName", "Lamp")
        .with("iot:Connection.Thing.Attributes[site]", "north")
        .with("iot:Connection.Thing.IsAttached", "true");
    for (block, expect) in [
        (r#"{"StringEquals":{"iot:ClientId":"${iot:Connection.Thing.ThingName}"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":["198.51.100.0/24","192.0.2.0/24"]}}"#, true),
        (r#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, false),
        (r#"{"StringLike":{"iot:DomainName":"*.example"}}"#, true),
        (r#"{"StringEquals":{"iot:Connection.Thing.ThingTypeName":"Lamp"}}"#, true),
        (r#"{"StringEquals":{"iot:Connection.Thing.Attributes[site]":"south"}}"#, false),
        (r#"{"Null":{"iot:Connection.Thing.Attributes[floor]":"true"}}"#, true),
        (r#"{"Bool":{"iot:Connection.Thing.IsAttached":["true"]}}"#, true),
        (r#"{"Bool":{"iot:Connection.Thing.IsAttached":"false"}}"#, false),
    ] {
        assert_eq!(holds(block, &context), expect, "{block}");
    }
}
