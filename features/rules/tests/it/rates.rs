//! Rates: how often rules are evaluated and changed.

use std::time::Duration;

use model::iot::op::{CreateTopicRuleDestination, DeleteTopicRule, ReplaceTopicRule};
use mqtt::QoS;
use serde_json::json;
use tokio::time::Instant;

use crate::stage::Stage;
use crate::{code, create, payload};

const STATEMENT: &str = "SELECT * FROM 'plant/#'";

/// A rule that may be evaluated twice in a second.
async fn twice_a_second() -> Stage {
    let stage = Stage::within(|limits| limits.rule_evaluations_per_s = 2).await;
    stage.rule("hot", STATEMENT, &["out/${n}"]).await;
    tokio::time::pause();
    stage
}

#[tokio::test]
async fn what_is_kept_waits_in_its_order_until_it_may_be_evaluated() {
    let stage = twice_a_second().await;
    let begun = Instant::now();
    for n in 0..6 {
        stage.publish("plant/a", &json!({ "n": n }), QoS::AtLeastOnce).await;
    }
    let expected: Vec<_> = (0..6).map(|n| format!("out/{n}")).collect();
    assert_eq!(stage.republished(6).await, expected);
    let took = begun.elapsed();
    assert!((2000..2500).contains(&took.as_millis()), "four of them waited: {took:?}");
    assert_eq!(stage.log(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn what_is_not_kept_is_lost_and_the_log_says_so() {
    let stage = twice_a_second().await;
    for n in 0..3 {
        stage.publish("$aws/rules/hot/x", &json!({ "n": n }), QoS::AtMostOnce).await;
    }
    assert_eq!(stage.republished(2).await, ["out/0", "out/1"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    stage.publish("plant/a", &json!({"n": 3}), QoS::AtMostOnce).await;
    assert_eq!(stage.republished(3).await, ["out/0", "out/1", "out/3"]);
    let log = stage.log();
    assert_eq!(log.len(), 1, "one was lost: {log:?}");
    let event = &log[0];
    assert_eq!(event["eventType"], "RuleMessageThrottled");
    assert_eq!(event["reason"], "RuleExecutionThrottled");
    assert_eq!(event["details"], "Message for Rule hot throttled");
}

#[tokio::test]
async fn each_operation_has_a_rate_of_its_own_and_each_account_too() {
    let stage = Stage::within(|limits| {
        limits.topic_rule_changes_per_s = 1;
        limits.topic_rule_deletes_per_s = 2;
    });
    let Stage { server, .. } = stage.await;
    tokio::time::pause();
    create(&server, "a", payload()).await.unwrap();
    assert_eq!(code(create(&server, "b", payload()).await), "ThrottlingException");
    create(&server.in_account("111111111111"), "b", payload()).await.unwrap();
    let replace = json!({"ruleName": "a", "topicRulePayload": payload()});
    server.call::<ReplaceTopicRule>(replace).await.unwrap();
    let url = json!({"confirmationUrl": "https://example.com/a"});
    let destination = json!({"destinationConfiguration": {"httpUrlConfiguration": url}});
    server.call::<CreateTopicRuleDestination>(destination.clone()).await.unwrap();
    let again = server.call::<CreateTopicRuleDestination>(destination).await;
    assert_eq!(code(again), "ThrottlingException");
    for _ in 0..2 {
        server.call::<DeleteTopicRule>(json!({"ruleName": "a"})).await.unwrap();
    }
    let third = server.call::<DeleteTopicRule>(json!({"ruleName": "a"})).await;
    assert_eq!(code(third), "ThrottlingException");
}
