//! ListTopicRules: what it filters by, and its pages.

use model::iot::op::{DisableTopicRule, ListTopicRules};
use serde_json::{Value, json};
use testing::Server;

use crate::{code, create, payload, server};

async fn names(server: &Server, request: Value) -> Vec<String> {
    let listed = server.call::<ListTopicRules>(request).await.unwrap();
    let name = |rule: &Value| rule["ruleName"].as_str().unwrap().to_owned();
    listed["rules"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn rules_are_listed_by_name_with_what_they_hear() {
    let server = server().await;
    assert_eq!(server.call::<ListTopicRules>(json!({})).await.unwrap(), json!({"rules": []}));
    create(&server, "b", json!({"sql": "SELECT *", "actions": []})).await.unwrap();
    create(&server, "a", payload()).await.unwrap();
    server.call::<DisableTopicRule>(json!({"ruleName": "b"})).await.unwrap();
    let item = |name: &str, is_disabled| {
        json!({
            "ruleName": name, "ruleArn": format!("arn:aws:iot:us-east-1:000000000000:rule/{name}"),
            "createdAt": 1_767_323_045, "ruleDisabled": is_disabled,
        })
    };
    let mut first = item("a", false);
    first["topicPattern"] = json!("plant/+/heat");
    let listed = server.call::<ListTopicRules>(json!({})).await.unwrap();
    assert_eq!(listed, json!({"rules": [first, item("b", true)]}));
    assert_eq!(names(&server.in_region("eu-west-1"), json!({})).await, [""; 0]);
}

#[tokio::test]
async fn a_topic_finds_the_rules_that_hear_it() {
    let server = server().await;
    for (name, filter) in [
        ("all", "#"),
        ("below", "a/#"),
        ("exact", "a/b"),
        ("level", "+/b"),
        ("own", "$aws/things/+/x"),
    ] {
        let payload = json!({"sql": format!("SELECT * FROM '{filter}'"), "actions": []});
        create(&server, name, payload).await.unwrap();
    }
    create(&server, "silent", json!({"sql": "SELECT *", "actions": []})).await.unwrap();
    for (topic, expect) in [
        ("a/b", vec!["all", "below", "exact", "level"]),
        ("a", vec!["all"]),
        ("c/b", vec!["all", "level"]),
        ("$aws/things/t/x", vec!["own"]),
    ] {
        assert_eq!(names(&server, json!({"topic": topic})).await, expect, "{topic}");
    }
}

#[tokio::test]
async fn rules_that_are_off_or_on_are_listed_alone() {
    let server = server().await;
    for (name, is_disabled) in
        [("off", json!(true)), ("on", json!(false)), ("said_nothing", json!(null))]
    {
        let mut payload = payload();
        if !is_disabled.is_null() {
            payload["ruleDisabled"] = is_disabled;
        }
        create(&server, name, payload).await.unwrap();
    }
    assert_eq!(names(&server, json!({"ruleDisabled": true})).await, ["off"]);
    assert_eq!(names(&server, json!({"ruleDisabled": false})).await, ["on", "said_nothing"]);
}

#[tokio::test]
async fn a_list_comes_in_pages_that_are_good_for_it_alone() {
    let server = server().await;
    for number in 0..5 {
        create(&server, &format!("r{number}"), payload()).await.unwrap();
    }
    let (mut seen, mut request) = (Vec::new(), json!({"maxResults": 2}));
    let mut first_token = None;
    loop {
        let page = server.call::<ListTopicRules>(request.clone()).await.unwrap();
        seen.push(names(&server, request.clone()).await);
        let Some(token) = page.get("nextToken") else { break };
        first_token.get_or_insert_with(|| token.clone());
        request["nextToken"] = token.clone();
    }
    assert_eq!(seen, [vec!["r0", "r1"], vec!["r2", "r3"], vec!["r4"]]);
    for other in [json!({"topic": "a"}), json!({"ruleDisabled": true})] {
        let mut request = other;
        request["nextToken"] = first_token.clone().unwrap();
        assert_eq!(code(server.call::<ListTopicRules>(request).await), "InvalidRequestException");
    }
}
