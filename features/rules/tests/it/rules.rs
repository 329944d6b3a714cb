//! Rules: create, get, replace, enable, disable, delete.

use std::time::Duration;

use model::iot::op::{
    CreateTopicRule, DeleteTopicRule, DisableTopicRule, EnableTopicRule, ReplaceTopicRule,
};
use serde_json::{Value, json};
use service::Limits;
use testing::Server;

use crate::{Postbox, ROLE, STATEMENT, code, create, get, payload, refusal, server};

const ARN: &str = "arn:aws:iot:us-east-1:000000000000:rule/hot";

#[tokio::test]
async fn a_rule_reads_as_it_was_written() {
    let server = server().await;
    let whole = json!({
        "sql": "SELECT *  FROM\n'a/#' ",
        "description": "",
        "actions": [
            {"s3": {"roleArn": ROLE, "bucketName": "b", "key": "${topic()}/${timestamp()}",
                "cannedAcl": "bucket-owner-read"}},
            {"dynamoDBv2": {"roleArn": ROLE, "putItem": {"tableName": "t"}}},
        ],
        "ruleDisabled": true,
        "awsIotSqlVersion": "2016-03-23",
        "errorAction": {"sqs": {"roleArn": ROLE, "queueUrl": "https://q/1", "useBase64": true}},
    });
    assert_eq!(create(&server, "hot", whole.clone()).await.unwrap(), Value::Null);
    let mut rule = whole;
    rule["ruleName"] = json!("hot");
    rule["createdAt"] = json!(1_767_323_045);
    assert_eq!(get(&server, "hot").await.unwrap(), json!({"ruleArn": ARN, "rule": rule}));
}

#[tokio::test]
async fn what_was_not_given_is_not_read_back() {
    let server = server().await;
    create(&server, "hot", json!({"sql": STATEMENT, "actions": []})).await.unwrap();
    let expected = json!({
        "ruleName": "hot", "sql": STATEMENT, "actions": [], "createdAt": 1_767_323_045,
        "ruleDisabled": false,
    });
    assert_eq!(get(&server, "hot").await.unwrap()["rule"], expected);
}

#[tokio::test]
async fn a_name_is_given_once() {
    let server = server().await;
    create(&server, "hot", payload()).await.unwrap();
    let request = json!({"ruleName": "hot", "topicRulePayload": payload()});
    let refused = server.call::<CreateTopicRule>(request).await.unwrap_err();
    assert_eq!(refused.code, "ResourceAlreadyExistsException");
    assert_eq!(refused.members["resourceArn"], ARN);
    create(&server.in_region("eu-west-1"), "hot", payload()).await.unwrap();
}

#[tokio::test]
async fn a_rule_is_replaced_whole_and_stays_as_old_as_it_is() {
    let server = server().await;
    let mut first = payload();
    first["description"] = json!("first");
    first["awsIotSqlVersion"] = json!("2016-03-23");
    create(&server, "hot", first).await.unwrap();
    server.clock().advance(Duration::from_secs(60));
    let second = json!({"sql": "SELECT a FROM 'b'", "actions": [], "ruleDisabled": true});
    let request = json!({"ruleName": "hot", "topicRulePayload": second});
    server.call::<ReplaceTopicRule>(request).await.unwrap();
    let mut rule = second;
    rule["ruleName"] = json!("hot");
    rule["createdAt"] = json!(1_767_323_045);
    assert_eq!(get(&server, "hot").await.unwrap()["rule"], rule);
}

#[tokio::test]
async fn a_rule_is_turned_off_and_on() {
    let server = server().await;
    create(&server, "hot", payload()).await.unwrap();
    let name = json!({"ruleName": "hot"});
    for _ in 0..2 {
        server.call::<DisableTopicRule>(name.clone()).await.unwrap();
        assert_eq!(get(&server, "hot").await.unwrap()["rule"]["ruleDisabled"], true);
    }
    for _ in 0..2 {
        server.call::<EnableTopicRule>(name.clone()).await.unwrap();
        assert_eq!(get(&server, "hot").await.unwrap()["rule"]["ruleDisabled"], false);
    }
}

#[tokio::test]
async fn access_to_an_unknown_rule_is_denied_and_deleting_it_succeeds() {
    let server = server().await;
    let name = json!({"ruleName": "cold"});
    let denied = ("UnauthorizedException", "Access to topic rule 'cold' was denied".to_owned());
    assert_eq!(refusal(get(&server, "cold").await), denied);
    let replace = json!({"ruleName": "cold", "topicRulePayload": payload()});
    assert_eq!(refusal(server.call::<ReplaceTopicRule>(replace).await), denied);
    assert_eq!(refusal(server.call::<EnableTopicRule>(name.clone()).await), denied);
    assert_eq!(refusal(server.call::<DisableTopicRule>(name.clone()).await), denied);
    create(&server, "cold", payload()).await.unwrap();
    for _ in 0..2 {
        server.call::<DeleteTopicRule>(name.clone()).await.unwrap();
        assert_eq!(refusal(get(&server, "cold").await), denied);
    }
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_rules() {
    let server = Server::build_with(
        |choices| choices.limits = Limits { topic_rules_max: 2, ..Limits::default() },
        |app| vec![crate::feature(app, std::sync::Arc::new(Postbox::default()))],
    );
    let server = server.await;
    create(&server, "a", payload()).await.unwrap();
    create(&server, "b", payload()).await.unwrap();
    assert_eq!(code(create(&server, "c", payload()).await), "InvalidRequestException");
    create(&server.in_region("eu-west-1"), "c", payload()).await.unwrap();
    server.call::<DeleteTopicRule>(json!({"ruleName": "a"})).await.unwrap();
    create(&server, "c", payload()).await.unwrap();
}

#[tokio::test]
async fn a_definition_has_a_bounded_number_of_bytes() {
    let server = server().await;
    let with_bytes = |bytes: usize| {
        let empty = json!({"sql": "SELECT * FROM 'a'", "description": "", "actions": []});
        let mut whole = empty.clone();
        whole["description"] = json!("d".repeat(bytes - empty.to_string().len()));
        assert_eq!(whole.to_string().len(), bytes);
        whole
    };
    create(&server, "most", with_bytes(128 * 1024)).await.unwrap();
    let (code, message) = refusal(create(&server, "more", with_bytes(128 * 1024 + 1)).await);
    assert_eq!(code, "InvalidRequestException");
    assert!(message.contains("131073") && message.contains("131072"), "{message}");
}
