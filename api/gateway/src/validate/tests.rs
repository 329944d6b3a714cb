//! Refusals as AWS words them.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn check(operation: &str, mut input: Value, expect: Expect) {
    let service = &model::iot::SERVICE;
    let spec = service.operations.iter().find(|o| o.name == operation).unwrap();
    let outcome = match validate(service, spec.input.unwrap(), &mut input) {
        Ok(()) => input.to_string(),
        Err(Refusal::Type(text)) => format!("type: {text}"),
        Err(Refusal::Constraints(text)) => text,
    };
    expect.assert_eq(&outcome);
}

#[test]
fn a_name_out_of_pattern_is_refused_in_the_words_of_aws() {
    check(
        "CreateThing",
        json!({"thingName": "a b"}),
        expect![
            "1 validation error detected: Value 'a b' at 'thingName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+"
        ],
    );
}

#[test]
fn all_failures_come_at_once() {
    check(
        "CreateThing",
        json!({"thingName": "", "thingTypeName": "x".repeat(130)}),
        expect![[
            r#"3 validation errors detected: Value '' at 'thingName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+; Value '' at 'thingName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'thingTypeName' failed to satisfy constraint: Member must have length less than or equal to 128"#
        ]],
    );
}

#[test]
fn a_missing_member_is_null() {
    check(
        "CreatePolicy",
        json!({"policyName": "p", "policyDocument": null}),
        expect![
            "1 validation error detected: Value null at 'policyDocument' failed to satisfy constraint: Member must not be null"
        ],
    );
}

#[test]
fn a_member_begins_with_a_small_letter_whatever_the_model_says() {
    check(
        "TagResource",
        json!({"resourceArn": "arn", "tags": [{"Key": "a"}, {"Value": "1"}]}),
        expect![
            "1 validation error detected: Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null"
        ],
    );
}

#[test]
fn a_map_names_the_constraints_of_its_entries() {
    check(
        "CreateThing",
        json!({"thingName": "a", "attributePayload": {"attributes": {"k y": "v"}}}),
        expect![
            "1 validation error detected: Value '{k y=v}' at 'attributePayload.attributes' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: [a-zA-Z0-9_.,@/:#-]+]"
        ],
    );
}

#[test]
fn a_map_fails_once_for_all_its_values() {
    check(
        "CreateThing",
        json!({"thingName": "a", "attributePayload": {"attributes": {"k": "v w", "l": "x y"}}}),
        expect![[
            r#"1 validation error detected: Value '{k=v w, l=x y}' at 'attributePayload.attributes' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 800, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: [a-zA-Z0-9_.,@/:#=\[\]-]*]"#
        ]],
    );
}

#[test]
fn a_list_names_the_constraints_of_its_entries() {
    check(
        "UpdateThingGroupsForThing",
        json!({"thingGroupsToAdd": ["a", "b c", ""], "thingName": "d e"}),
        expect![
            "2 validation errors detected: Value 'd e' at 'thingName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+; Value '[a, b c, ]' at 'thingGroupsToAdd' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+]"
        ],
    );
    check(
        "CreateCertificateProvider",
        json!({
            "certificateProviderName": "p",
            "lambdaFunctionArn": "f",
            "accountDefaultForOperations": ["Fly", "Swim"],
        }),
        expect![
            "2 validation errors detected: Value '[Fly, Swim]' at 'accountDefaultForOperations' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [CreateCertificateFromCsr]]; Value '[Fly, Swim]' at 'accountDefaultForOperations' failed to satisfy constraint: Member must have length less than or equal to 1"
        ],
    );
}

#[test]
fn numbers_have_bounds_and_enums_have_values() {
    check(
        "ListThings",
        json!({"maxResults": 0}),
        expect![
            "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1"
        ],
    );
    check(
        "UpdateCertificate",
        json!({"certificateId": "a".repeat(64), "newStatus": "GONE"}),
        expect![
            "1 validation error detected: Value 'GONE' at 'newStatus' failed to satisfy constraint: Member must satisfy enum value set: [ACTIVE, INACTIVE, REVOKED, PENDING_TRANSFER, REGISTER_INACTIVE, PENDING_ACTIVATION]"
        ],
    );
}

#[test]
fn a_wrong_type_is_another_refusal() {
    let check = |operation, member: &str, value: Value, expect| {
        check(operation, json!({"thingName": "a", member: value}), expect);
    };
    check(
        "CreateThing",
        "thingTypeName",
        json!(5),
        expect!["type: NUMBER_VALUE can not be converted to a String"],
    );
    check(
        "CreateThing",
        "thingTypeName",
        json!(true),
        expect!["type: TRUE_VALUE can not be converted to a String"],
    );
    check(
        "CreateThing",
        "thingTypeName",
        json!({}),
        expect!["type: Start of structure or map found where not expected."],
    );
    check(
        "CreateThing",
        "attributePayload",
        json!([]),
        expect!["type: Start of list found where not expected"],
    );
    check("CreateThing", "attributePayload", json!("x"), expect!["type: Expected null"]);
    check(
        "UpdateThingGroupsForThing",
        "thingGroupsToAdd",
        json!("x"),
        expect!["type: Expected list or null"],
    );
    check(
        "UpdateThing",
        "expectedVersion",
        json!("1"),
        expect!["type: STRING_VALUE can not be converted to a Long"],
    );
    check(
        "ListThings",
        "maxResults",
        json!(1.5),
        expect!["type: NUMBER_VALUE can not be converted to an Integer"],
    );
}

#[test]
fn nulls_vanish_and_whole_numbers_become_whole() {
    check(
        "UpdateThing",
        json!({"thingName": "a", "expectedVersion": 2.0, "attributePayload": {"attributes": {"k": null}}}),
        expect![[r#"{"attributePayload":{"attributes":{}},"expectedVersion":2,"thingName":"a"}"#]],
    );
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let service = &model::iot::SERVICE;
    let spec = service.operations.iter().find(|o| o.name == "CreateThing").unwrap();
    let mut input = json!({"thingName": "é".repeat(100_000)});
    let Err(Refusal::Constraints(text)) = validate(service, spec.input.unwrap(), &mut input) else {
        panic!("accepted")
    };
    assert!(text.len() < 4096, "{}", text.len());
}
