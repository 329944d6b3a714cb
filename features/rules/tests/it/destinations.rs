//! Destinations: create, get, list, update, delete, and those that come with rules.

use std::time::Duration;

use model::iot::op::{
    CreateTopicRuleDestination, DeleteTopicRule, DeleteTopicRuleDestination,
    GetTopicRuleDestination, ListTopicRuleDestinations, ReplaceTopicRule,
    UpdateTopicRuleDestination,
};
use serde_json::{Value, json};
use service::{ApiError, Limits};
use testing::Server;

use crate::{Postbox, STATEMENT, code, create, payload, refusal, server, server_and_postbox};

async fn add(server: &Server, url: &str) -> Result<Value, ApiError> {
    let http = json!({"httpUrlConfiguration": {"confirmationUrl": url}});
    let request = json!({"destinationConfiguration": http});
    let created = server.call::<CreateTopicRuleDestination>(request).await?;
    Ok(created["topicRuleDestination"].clone())
}

/// The URLs that are listed, in their order.
async fn urls(server: &Server) -> Vec<String> {
    let listed = server.call::<ListTopicRuleDestinations>(json!({})).await.unwrap();
    let listed = listed["destinationSummaries"].as_array().unwrap().clone();
    let url =
        |summary: &Value| summary["httpUrlSummary"]["confirmationUrl"].as_str().unwrap().to_owned();
    let mut urls: Vec<String> = listed.iter().map(url).collect();
    urls.sort();
    urls
}

fn rule_to(urls: &[&str]) -> Value {
    let actions: Vec<Value> = urls.iter().map(|url| json!({"http": {"url": url}})).collect();
    json!({"sql": STATEMENT, "actions": actions})
}

#[tokio::test]
async fn a_destination_waits_for_its_confirmation() {
    let server = server().await;
    let created = add(&server, "https://example.com/in").await.unwrap();
    let arn = created["arn"].as_str().unwrap();
    let id = arn.strip_prefix("arn:aws:iot:us-east-1:000000000000:ruledestination/http/").unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(
        created,
        json!({
            "arn": arn, "status": "IN_PROGRESS", "createdAt": 1_767_323_045,
            "lastUpdatedAt": 1_767_323_045,
            "httpUrlProperties": {"confirmationUrl": "https://example.com/in"},
        })
    );
    let found = server.call::<GetTopicRuleDestination>(json!({"arn": arn})).await.unwrap();
    assert_eq!(found["topicRuleDestination"]["arn"], arn);
    let listed = server.call::<ListTopicRuleDestinations>(json!({})).await.unwrap();
    let summary = &listed["destinationSummaries"][0];
    assert_eq!((&summary["arn"], &summary["status"]), (&json!(arn), &json!("IN_PROGRESS")));
    assert_eq!(summary["httpUrlSummary"], json!({"confirmationUrl": "https://example.com/in"}));
}

#[tokio::test]
async fn a_url_has_one_destination() {
    let server = server().await;
    add(&server, "https://example.com/in").await.unwrap();
    let again = add(&server, "https://example.com/in").await;
    assert_eq!(code(again), "ResourceAlreadyExistsException");
    add(&server, "https://example.com/in/").await.unwrap();
    add(&server.in_region("eu-west-1"), "https://example.com/in").await.unwrap();
    for wrong in ["http://example.com/", "example.com", "https://[::1]/", ""] {
        assert_eq!(code(add(&server, wrong).await), "InvalidRequestException", "{wrong}");
    }
}

#[tokio::test]
async fn a_destination_is_of_exactly_one_kind_and_of_one_that_works() {
    let server = server().await;
    let http = json!({"confirmationUrl": "https://example.com/"});
    let vpc = json!({"vpcId": "v", "subnetIds": [], "roleArn": crate::ROLE});
    let influx = json!({"endpoint": "https://a", "influxDBVersion": "V3", "secretId": "s"});
    for (configuration, expect, named) in [
        (json!({}), "InvalidRequestException", "exactly one"),
        (
            json!({"httpUrlConfiguration": http, "vpcConfiguration": vpc}),
            "InvalidRequestException",
            "exactly one",
        ),
        (json!({"vpcConfiguration": vpc}), "NotImplementedException", "vpcConfiguration"),
        (
            json!({"influxDBConfiguration": influx}),
            "NotImplementedException",
            "influxDBConfiguration",
        ),
    ] {
        let request = json!({"destinationConfiguration": configuration});
        let (code, message) = refusal(server.call::<CreateTopicRuleDestination>(request).await);
        assert_eq!(code, expect);
        assert!(message.contains(named), "{message}");
    }
}

#[tokio::test]
async fn a_rule_brings_the_destinations_that_its_actions_need() {
    let (server, postbox) = server_and_postbox().await;
    add(&server, "https://a.example.com/").await.unwrap();
    let actions = json!([
        {"http": {"url": "https://a.example.com/"}},
        {"http": {"url": "https://b.example.com/x"}},
        {"http": {"url": "https://b.example.com/x"}},
        {"http": {"url": "https://c.example.com/${topic()}",
            "confirmationUrl": "https://c.example.com/"}},
        {"http": {"url": "https://${d}.example.com/", "confirmationUrl": "https://${d}.example.com/"}},
    ]);
    let error = json!({"http": {"url": "https://e.example.com/"}});
    let rule = json!({"sql": STATEMENT, "actions": actions, "errorAction": error});
    create(&server, "r", rule).await.unwrap();
    let expected = [
        "https://a.example.com/",
        "https://b.example.com/x",
        "https://c.example.com/",
        "https://e.example.com/",
    ];
    assert_eq!(urls(&server).await, expected);
    postbox.question(4).await;
    let replace =
        json!({"ruleName": "r", "topicRulePayload": rule_to(&["https://f.example.com/"])});
    server.call::<ReplaceTopicRule>(replace).await.unwrap();
    server.call::<DeleteTopicRule>(json!({"ruleName": "r"})).await.unwrap();
    assert_eq!(urls(&server).await, [&expected[..], &["https://f.example.com/"]].concat());
}

#[tokio::test]
async fn a_rule_that_is_refused_brings_none() {
    let server = server().await;
    create(&server, "r", payload()).await.unwrap();
    let refused = create(&server, "r", rule_to(&["https://a.example.com/"])).await;
    assert_eq!(code(refused), "ResourceAlreadyExistsException");
    assert_eq!(urls(&server).await, [""; 0]);
}

#[tokio::test]
async fn a_status_changes_as_far_as_it_may() {
    let server = server().await;
    let arn = add(&server, "https://example.com/").await.unwrap()["arn"].clone();
    for status in ["ENABLED", "DISABLED", "ERROR", "DELETING"] {
        let request = json!({"arn": arn, "status": status});
        let (code, message) = refusal(server.call::<UpdateTopicRuleDestination>(request).await);
        assert_eq!(code, "InvalidRequestException");
        assert!(message.contains(status) && message.contains("IN_PROGRESS"), "{message}");
    }
    server.clock().advance(Duration::from_secs(1));
    let request = json!({"arn": arn, "status": "IN_PROGRESS"});
    server.call::<UpdateTopicRuleDestination>(request).await.unwrap();
    let found = server.call::<GetTopicRuleDestination>(json!({"arn": arn})).await.unwrap();
    assert_eq!(found["topicRuleDestination"]["lastUpdatedAt"], 1_767_323_046);
}

#[tokio::test]
async fn access_to_a_destination_that_is_not_there_is_denied() {
    let server = server().await;
    let arn = add(&server, "https://example.com/").await.unwrap()["arn"].clone();
    server.call::<DeleteTopicRuleDestination>(json!({"arn": arn})).await.unwrap();
    let elsewhere = arn.as_str().unwrap().replace("us-east-1", "eu-west-1");
    for unknown in
        [arn.as_str().unwrap(), &elsewhere, "hello", "arn:aws:iot:us-east-1:000000000000:rule/r"]
    {
        let request = json!({"arn": unknown, "status": "IN_PROGRESS"});
        let message = format!("Access to TopicRuleDestination '{unknown}' was denied");
        let denied = ("UnauthorizedException", message);
        let call = request.clone();
        assert_eq!(refusal(server.call::<GetTopicRuleDestination>(call).await), denied);
        let call = request.clone();
        assert_eq!(refusal(server.call::<UpdateTopicRuleDestination>(call).await), denied);
        assert_eq!(refusal(server.call::<DeleteTopicRuleDestination>(request).await), denied);
    }
    // Its URL is free again.
    add(&server, "https://example.com/").await.unwrap();
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_destinations() {
    let server = Server::build_with(
        |choices| choices.limits = Limits { rule_destinations_max: 2, ..Limits::default() },
        |app| vec![crate::feature(app, std::sync::Arc::new(Postbox::default()))],
    );
    let server = server.await;
    let first = add(&server, "https://a.example.com/").await.unwrap()["arn"].clone();
    let two = rule_to(&["https://b.example.com/", "https://c.example.com/"]);
    assert_eq!(code(create(&server, "r", two.clone()).await), "InvalidRequestException");
    assert_eq!(code(crate::get(&server, "r").await), "UnauthorizedException");
    server.call::<DeleteTopicRuleDestination>(json!({"arn": first})).await.unwrap();
    create(&server, "r", two).await.unwrap();
    assert_eq!(code(add(&server, "https://d.example.com/").await), "InvalidRequestException");
}

#[tokio::test]
async fn destinations_are_listed_in_pages() {
    let server = server().await;
    for number in 0..5 {
        add(&server, &format!("https://example.com/{number}")).await.unwrap();
    }
    let (mut sizes, mut request) = (Vec::new(), json!({"maxResults": 2}));
    loop {
        let page = server.call::<ListTopicRuleDestinations>(request.clone()).await.unwrap();
        sizes.push(page["destinationSummaries"].as_array().unwrap().len());
        let Some(token) = page.get("nextToken") else { break };
        request["nextToken"] = token.clone();
    }
    assert_eq!(sizes, [2, 2, 1]);
}
