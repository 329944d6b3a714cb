//! Rules and tags, as far as rules have to do with them: the operations on tags are the registry's.

use std::collections::BTreeMap;

use model::iot::op::{CreateTopicRule, DeleteTopicRule, ReplaceTopicRule};
use serde_json::{Value, json};
use service::ApiError;
use service::tags::{Tags, key};
use testing::Server;

use crate::{code, create, get, payload, server};

const ARN: &str = "arn:aws:iot:us-east-1:000000000000:rule/hot";

async fn create_tagged(server: &Server, tags: &str) -> Result<Value, ApiError> {
    let request = json!({"ruleName": "hot", "topicRulePayload": payload(), "tags": tags});
    server.call::<CreateTopicRule>(request).await
}

/// The tags that are kept of the rule.
async fn tags(server: &Server) -> BTreeMap<String, String> {
    let cx = server.cx("ListTagsForResource").await;
    let found = cx.store().get(&key(&cx, ARN)).await.unwrap();
    found.map(|found| service::decode::<Tags>(&found).unwrap().tags).unwrap_or_default()
}

#[tokio::test]
async fn a_rule_has_the_tags_of_its_header_also_when_it_is_replaced() {
    let server = server().await;
    create_tagged(&server, "site=north+side&b").await.unwrap();
    let replace = json!({"ruleName": "hot", "topicRulePayload": payload()});
    server.call::<ReplaceTopicRule>(replace).await.unwrap();
    let given = [("b", ""), ("site", "north side")];
    assert_eq!(tags(&server).await, given.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}

#[tokio::test]
async fn tags_go_with_their_rule() {
    let server = server().await;
    create_tagged(&server, "a=1").await.unwrap();
    server.call::<DeleteTopicRule>(json!({"ruleName": "hot"})).await.unwrap();
    create(&server, "hot", payload()).await.unwrap();
    assert_eq!(tags(&server).await, BTreeMap::new());
}

#[tokio::test]
async fn rules_say_that_they_carry_tags() {
    let server = server().await;
    let cx = server.cx("TagResource").await;
    let record = server.app().taggable.find("rule").unwrap();
    create(&server, "hot", payload()).await.unwrap();
    assert!(cx.store().get(&record(&cx.tenant, "hot")).await.unwrap().is_some());
    assert!(cx.store().get(&record(&cx.tenant, "cold")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_rule_is_not_created_with_tags_that_are_none() {
    let server = server().await;
    for wrong in ["a=1&a=2", "aws:a=1", "=1", "a=%ff"] {
        assert_eq!(code(create_tagged(&server, wrong).await), "InvalidRequestException", "{wrong}");
    }
    assert_eq!(code(get(&server, "hot").await), "UnauthorizedException");
}
