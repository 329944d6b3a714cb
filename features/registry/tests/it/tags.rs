//! Tags of policies, thing types, thing groups and billing groups.

use std::collections::BTreeMap;

use model::iot::op::{
    CreateBillingGroup, CreateDynamicThingGroup, CreatePolicy, CreateThingGroup, CreateThingType,
    DeletePolicy, DeleteThingGroup, ListTagsForResource, TagResource, UntagResource,
};
use serde_json::{Value, json};
use store::{Batch, Key};
use testing::Server;

use crate::{
    DOCUMENT, code, create_certificate, create_group, create_policy, create_thing, group_arn,
    server,
};

const POLICY: &str = "arn:aws:iot:us-east-1:000000000000:policy/p";

async fn tags(server: &Server, arn: &str) -> BTreeMap<String, String> {
    let listed = server.call::<ListTagsForResource>(json!({"resourceArn": arn})).await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    listed["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (text(&t["Key"]), text(&t["Value"])))
        .collect()
}

fn expected(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn tags_are_given_at_creation_changed_and_removed() {
    let server = server().await;
    let given = json!([{"Key": "a", "Value": "1"}]);
    let request = json!({"policyName": "p", "policyDocument": DOCUMENT, "tags": given});
    server.call::<CreatePolicy>(request).await.unwrap();
    let request = json!({"thingTypeName": "bulb", "tags": given});
    let created = server.call::<CreateThingType>(request).await.unwrap();
    let request = json!({"billingGroupName": "house", "tags": given});
    let bill = server.call::<CreateBillingGroup>(request).await.unwrap();
    let request = json!({"thingGroupName": "house", "tags": given});
    server.call::<CreateThingGroup>(request).await.unwrap();
    let request = json!({"thingGroupName": "warm", "queryString": "a:b", "tags": given});
    server.call::<CreateDynamicThingGroup>(request).await.unwrap();
    let (house, warm) = (group_arn("house"), group_arn("warm"));
    let text = |arn: &Value| arn.as_str().unwrap().to_owned();
    let (of_type, bill) = (text(&created["thingTypeArn"]), text(&bill["billingGroupArn"]));
    for arn in [POLICY, &of_type, &bill, &house, &warm] {
        assert_eq!(tags(&server, arn).await, expected(&[("a", "1")]));
        let more = json!([{"Key": "a", "Value": "2"}, {"Key": "b"}]);
        let request = json!({"resourceArn": arn, "tags": more});
        server.call::<TagResource>(request).await.unwrap();
        assert_eq!(tags(&server, arn).await, expected(&[("a", "2"), ("b", "")]));
        let request = json!({"resourceArn": arn, "tagKeys": ["a", "none"]});
        server.call::<UntagResource>(request).await.unwrap();
        assert_eq!(tags(&server, arn).await, expected(&[("b", "")]));
    }
}

#[tokio::test]
async fn all_tags_are_on_one_page() {
    let server = server().await;
    let tags: Vec<Value> = (0..50).map(|n| json!({"Key": format!("k{n:02}")})).collect();
    let request = json!({"policyName": "p", "policyDocument": DOCUMENT, "tags": tags});
    server.call::<CreatePolicy>(request).await.unwrap();
    let listed = server.call::<ListTagsForResource>(json!({"resourceArn": POLICY})).await.unwrap();
    let keys: Vec<&str> =
        listed["tags"].as_array().unwrap().iter().map(|t| t["Key"].as_str().unwrap()).collect();
    assert!(keys.len() == 50 && keys.is_sorted(), "{keys:?}");
    assert_eq!(listed.get("nextToken"), None);
    let request = json!({"resourceArn": POLICY, "nextToken": "hello"});
    assert_eq!(code(server.call::<ListTagsForResource>(request).await), "InvalidRequestException");
}

#[tokio::test]
async fn tags_go_with_their_resource() {
    let server = server().await;
    create_policy(&server, "p").await;
    let request = json!({"resourceArn": POLICY, "tags": [{"Key": "a", "Value": "1"}]});
    server.call::<TagResource>(request).await.unwrap();
    server.call::<DeletePolicy>(json!({"policyName": "p"})).await.unwrap();
    let listed = server.call::<ListTagsForResource>(json!({"resourceArn": POLICY})).await;
    assert_eq!(code(listed), "ResourceNotFoundException");
    create_policy(&server, "p").await;
    assert_eq!(tags(&server, POLICY).await, expected(&[]));

    let request = json!({"thingGroupName": "house", "tags": [{"Key": "a"}]});
    server.call::<CreateThingGroup>(request).await.unwrap();
    server.call::<DeleteThingGroup>(json!({"thingGroupName": "house"})).await.unwrap();
    create_group(&server, "house", "").await;
    assert_eq!(tags(&server, &group_arn("house")).await, expected(&[]));
}

#[tokio::test]
async fn what_carries_no_tags_is_refused() {
    let server = server().await;
    let thing = create_thing(&server, "lamp").await["thingArn"].as_str().unwrap().to_owned();
    let (_, certificate) = create_certificate(&server).await;
    for (arn, code_expected) in [
        (thing.as_str(), "InvalidRequestException"),
        (&certificate, "InvalidRequestException"),
        ("hello", "InvalidRequestException"),
        ("arn:aws:iot:eu-west-1:000000000000:policy/p", "InvalidRequestException"),
        ("arn:aws-cn:iot:us-east-1:000000000000:policy/p", "InvalidRequestException"),
        (POLICY, "ResourceNotFoundException"),
        (&group_arn("none"), "ResourceNotFoundException"),
    ] {
        let request = json!({"resourceArn": arn, "tags": [{"Key": "a"}], "tagKeys": ["a"]});
        assert_eq!(code(server.call::<TagResource>(request.clone()).await), code_expected);
        assert_eq!(code(server.call::<UntagResource>(request.clone()).await), code_expected);
        assert_eq!(code(server.call::<ListTagsForResource>(request).await), code_expected);
    }
}

#[tokio::test]
async fn a_resource_is_tagged_by_no_other_way_to_write_its_arn() {
    let server = server().await;
    create_policy(&server, "p").await;
    let alias = POLICY.replace("policy/", "policy:");
    let request = json!({"resourceArn": alias, "tags": [{"Key": "a", "Value": "1"}]});
    assert_eq!(code(server.call::<TagResource>(request).await), "InvalidRequestException");
    let request = json!({"resourceArn": POLICY.replace("policy/p", "certificateprovider/p")});
    assert_eq!(code(server.call::<ListTagsForResource>(request).await), "InvalidRequestException");
}

#[tokio::test]
async fn a_resource_has_fifty_tags_at_most() {
    let server = server().await;
    create_policy(&server, "p").await;
    let numbered = |from: usize, to: usize| {
        let tags: Vec<Value> = (from..to).map(|n| json!({"Key": format!("k{n}")})).collect();
        json!({"resourceArn": POLICY, "tags": tags})
    };
    server.call::<TagResource>(numbered(0, 50)).await.unwrap();
    let refused = server.call::<TagResource>(numbered(50, 51)).await;
    assert_eq!(code(refused), "LimitExceededException");
    server.call::<TagResource>(numbered(0, 1)).await.unwrap();
    let reserved = json!({"resourceArn": POLICY, "tags": [{"Key": "aws:x"}]});
    assert_eq!(code(server.call::<TagResource>(reserved).await), "InvalidRequestException");
}

#[tokio::test]
async fn resources_of_another_feature_carry_tags_while_their_record_is_there() {
    let server = server().await;
    let arn = "arn:aws:iot:us-east-1:000000000000:rule/hot";
    let tag = json!({"resourceArn": arn, "tags": [{"Key": "a", "Value": "1"}]});
    assert_eq!(code(server.call::<TagResource>(tag.clone()).await), "InvalidRequestException");
    server
        .app()
        .taggable
        .add("rule", |tenant, name| Key::new(tenant.id, service::kinds::TOPIC_RULE).text(name));
    assert_eq!(code(server.call::<TagResource>(tag.clone()).await), "ResourceNotFoundException");
    let mut batch = Batch::new();
    let tenant = server.cx("CreateTopicRule").await.tenant;
    let record = server.app().taggable.find("rule").unwrap()(&tenant, "hot");
    batch.put(record, "{}");
    server.app().store.commit(batch).await.unwrap();
    server.call::<TagResource>(tag).await.unwrap();
    assert_eq!(tags(&server, arn).await, expected(&[("a", "1")]));
}
