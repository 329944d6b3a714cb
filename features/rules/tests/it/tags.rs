//! Rules and tags.

use model::iot::op::{
    CreateTopicRule, DeleteTopicRule, ListTagsForResource, ReplaceTopicRule, TagResource,
    UntagResource,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{code, create, payload, server};

const ARN: &str = "arn:aws:iot:us-east-1:000000000000:rule/hot";

async fn create_tagged(server: &Server, tags: &str) -> Result<Value, service::ApiError> {
    let request = json!({"ruleName": "hot", "topicRulePayload": payload(), "tags": tags});
    server.call::<CreateTopicRule>(request).await
}

async fn tags(server: &Server) -> Value {
    let listed = server.call::<ListTagsForResource>(json!({"resourceArn": ARN})).await.unwrap();
    listed["tags"].clone()
}

#[tokio::test]
async fn a_rule_has_the_tags_of_its_header_and_those_that_are_added() {
    let server = server().await;
    create_tagged(&server, "site=north+side&b").await.unwrap();
    let given = json!([{"Key": "b", "Value": ""}, {"Key": "site", "Value": "north side"}]);
    assert_eq!(tags(&server).await, given);
    let replace = json!({"ruleName": "hot", "topicRulePayload": payload()});
    server.call::<ReplaceTopicRule>(replace).await.unwrap();
    assert_eq!(tags(&server).await, given);
    let more = json!({"resourceArn": ARN, "tags": [{"Key": "b", "Value": "2"}]});
    server.call::<TagResource>(more).await.unwrap();
    let less = json!({"resourceArn": ARN, "tagKeys": ["site"]});
    server.call::<UntagResource>(less).await.unwrap();
    assert_eq!(tags(&server).await, json!([{"Key": "b", "Value": "2"}]));
}

#[tokio::test]
async fn tags_go_with_their_rule() {
    let server = server().await;
    create_tagged(&server, "a=1").await.unwrap();
    server.call::<DeleteTopicRule>(json!({"ruleName": "hot"})).await.unwrap();
    let listed = server.call::<ListTagsForResource>(json!({"resourceArn": ARN})).await;
    assert_eq!(code(listed), "ResourceNotFoundException");
    let tag = json!({"resourceArn": ARN, "tags": [{"Key": "a", "Value": "1"}]});
    assert_eq!(code(server.call::<TagResource>(tag).await), "ResourceNotFoundException");
    create(&server, "hot", payload()).await.unwrap();
    assert_eq!(tags(&server).await, json!([]));
}

#[tokio::test]
async fn a_rule_is_not_created_with_tags_that_are_none() {
    let server = server().await;
    for wrong in ["a=1&a=2", "aws:a=1", "=1", "a=%ff"] {
        assert_eq!(code(create_tagged(&server, wrong).await), "InvalidRequestException", "{wrong}");
    }
    assert_eq!(code(crate::get(&server, "hot").await), "UnauthorizedException");
}
