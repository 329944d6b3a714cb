//! How destinations are asked, and how they confirm.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use model::iot::op::{
    ConfirmTopicRuleDestination, CreateTopicRuleDestination, DeleteTopicRuleDestination,
    GetTopicRuleDestination, UpdateTopicRuleDestination,
};
use rules_feature::Question;
use serde_json::{Value, json};
use service::ApiError;
use testing::Server;
use tokio::time::{sleep, timeout};

use crate::{Postbox, code, rules_feature, server_and_postbox};

const URL: &str = "https://example.com/in";

/// Adds a destination, and waits for its question.
async fn asked() -> (Server, Arc<Postbox>, String, Question) {
    let (server, postbox) = server_and_postbox().await;
    let http = json!({"httpUrlConfiguration": {"confirmationUrl": URL}});
    let request = json!({"destinationConfiguration": http});
    let created = server.call::<CreateTopicRuleDestination>(request).await.unwrap();
    let arn = created["topicRuleDestination"]["arn"].as_str().unwrap().to_owned();
    let question = postbox.question(1).await;
    (server, postbox, arn, question)
}

fn body(question: &Question) -> Value {
    serde_json::from_slice(&question.body).unwrap()
}

fn token(question: &Question) -> String {
    body(question)["confirmationToken"].as_str().unwrap().to_owned()
}

async fn confirm(server: &Server, token: &str) -> Result<Value, ApiError> {
    let request = json!({"confirmationToken": token});
    server.call::<ConfirmTopicRuleDestination>(request).await
}

async fn set(server: &Server, arn: &str, status: &str) {
    let request = json!({"arn": arn, "status": status});
    server.call::<UpdateTopicRuleDestination>(request).await.unwrap();
}

async fn described(server: &Server, arn: &str) -> Value {
    let found = server.call::<GetTopicRuleDestination>(json!({"arn": arn})).await.unwrap();
    found["topicRuleDestination"].clone()
}

/// Waits until the destination is as `is` has it; nothing tells when a timer is done.
async fn becomes(server: &Server, arn: &str, is: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let found = described(server, arn).await;
            if is(&found) {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.expect("the destination changes")
}

#[tokio::test]
async fn a_destination_is_asked_as_aws_asks() {
    let (_server, _, arn, question) = asked().await;
    let token = token(&question);
    assert_eq!(question.url, format!("{URL}/?confirmationToken={token}"));
    assert_eq!(
        question.headers,
        [
            ("content-type", "application/json".to_owned()),
            ("x-amz-rules-engine-message-type", "DestinationConfirmation".to_owned()),
            ("x-amz-rules-engine-destination-arn", arn.clone()),
        ]
    );
    assert_eq!(
        body(&question),
        json!({
            "arn": arn,
            "confirmationToken": token,
            "enableUrl": format!("https://localhost:8443/confirmdestination/{token}"),
            "messageType": "DestinationConfirmation",
        })
    );
    assert!(
        token.len() <= 2048
            && token.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    );
}

#[tokio::test]
async fn the_reason_says_how_the_question_was_taken() {
    let (server, postbox, arn, _) = asked().await;
    let sent = "Awaiting confirmation. Confirmation message sent on 2026-01-02T03:04:05.000Z";
    let reason = |text: &str| json!(format!("{sent}{text}"));
    let none = reason("; no response received from the endpoint.");
    becomes(&server, &arn, |found| found["statusReason"] == none).await;
    postbox.answers(502);
    set(&server, &arn, "IN_PROGRESS").await;
    let bad = reason(". The destination responded with HTTP status code - 502.");
    becomes(&server, &arn, |found| found["statusReason"] == bad).await;
    postbox.answers(200);
    set(&server, &arn, "IN_PROGRESS").await;
    becomes(&server, &arn, |found| found["statusReason"] == none).await;
}

#[tokio::test]
async fn a_destination_confirms_with_its_token() {
    let (server, _, arn, question) = asked().await;
    let token = token(&question);
    server.clock().advance(Duration::from_secs(5));
    for _ in 0..2 {
        assert_eq!(confirm(&server, &token).await.unwrap(), json!({}));
    }
    let found = described(&server, &arn).await;
    assert_eq!(
        found,
        json!({
            "arn": arn, "status": "ENABLED", "createdAt": 1_767_323_045,
            "lastUpdatedAt": 1_767_323_050, "httpUrlProperties": {"confirmationUrl": URL},
        })
    );
    set(&server, &arn, "DISABLED").await;
    assert_eq!(code(confirm(&server, &token).await), "InvalidRequestException");
    assert_eq!(described(&server, &arn).await["status"], "DISABLED");
    set(&server, &arn, "ENABLED").await;
    assert_eq!(described(&server, &arn).await["status"], "ENABLED");
}

#[tokio::test]
async fn the_link_confirms_whoever_opens_it() {
    let (server, _, arn, question) = asked().await;
    let link = body(&question)["enableUrl"].as_str().unwrap().to_owned();
    let path = link.strip_prefix("https://localhost:8443").unwrap();
    // As the server's own account, whatever account the destination has.
    let (status, _) = server.in_account("111122223333").raw("GET", path, "").await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(described(&server, &arn).await["status"], "ENABLED");
    let wrong = server.raw("GET", "/confirmdestination/hello", "").await;
    assert_eq!(wrong.unwrap_err().code, "InvalidRequestException");
}

#[tokio::test]
async fn a_token_is_good_for_one_question_of_one_destination() {
    let (server, postbox, arn, first) = asked().await;
    let first = token(&first);
    let elsewhere = server.in_region("eu-west-1");
    assert_eq!(code(confirm(&elsewhere, &first).await), "InvalidRequestException");
    set(&server, &arn, "IN_PROGRESS").await;
    let second = token(&postbox.question(2).await);
    for wrong in [&first, "hello", "", &second.replace(|c: char| c.is_ascii_digit(), "z")] {
        assert_eq!(code(confirm(&server, wrong).await), "InvalidRequestException", "{wrong}");
    }
    assert_eq!(described(&server, &arn).await["status"], "IN_PROGRESS");
    confirm(&server, &second).await.unwrap();
    assert_eq!(described(&server, &arn).await["status"], "ENABLED");
    server.call::<DeleteTopicRuleDestination>(json!({"arn": arn})).await.unwrap();
    assert_eq!(code(confirm(&server, &second).await), "InvalidRequestException");
}

#[tokio::test]
async fn a_destination_that_does_not_confirm_in_time_is_given_up_and_may_be_asked_again() {
    let (server, postbox, arn, question) = asked().await;
    becomes(&server, &arn, |found| found.get("statusReason").is_some()).await;
    server.clock().advance(Duration::from_secs(3 * 86_400));
    let late = confirm(&server, &token(&question)).await;
    assert_eq!(code(late), "InvalidRequestException");
    let found = becomes(&server, &arn, |found| found["status"] == "ERROR").await;
    assert_eq!(found["statusReason"], "The confirmation timed out.");
    set(&server, &arn, "IN_PROGRESS").await;
    confirm(&server, &token(&postbox.question(2).await)).await.unwrap();
    assert_eq!(described(&server, &arn).await["status"], "ENABLED");
}
