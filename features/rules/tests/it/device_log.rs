//! What the device log has of rules.

use mqtt::QoS;
use serde_json::{Value, json};
use service::LogLevel;

use crate::stage::Stage;

/// A stage whose log has so much, after a message that meets the condition and one that does not.
async fn after_two_messages(level: LogLevel) -> Vec<Value> {
    let stage = Stage::new().await;
    stage.server.app().device_log.set_level(level);
    stage.rule("hot", "SELECT * FROM 'plant/#' WHERE n > 1", &["out/${n}"]).await;
    for n in [1, 2] {
        stage.publish("plant/a", &json!({ "n": n }), QoS::AtMostOnce).await;
    }
    assert_eq!(stage.republished(1).await, ["out/2"]);
    stage.log()
}

/// The values of one member.
fn of<'e>(events: &'e [Value], member: &str) -> Vec<&'e str> {
    events.iter().map(|event| event[member].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn what_goes_well_is_not_told_unless_it_is_asked_for() {
    assert_eq!(after_two_messages(LogLevel::Error).await, Vec::<Value>::new());
    assert_eq!(after_two_messages(LogLevel::Warn).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_match_and_what_its_action_did_are_told_as_aws_tells_them() {
    let mut events = after_two_messages(LogLevel::Info).await;
    let traces: Vec<_> = events
        .iter_mut()
        .map(|event| event.as_object_mut().unwrap().remove("traceId").unwrap())
        .collect();
    assert!(traces[0] != traces[1] && traces[1] == traces[2], "one for each message: {traces:?}");
    let common = json!({
        "logLevel": "INFO", "status": "Success", "accountId": "000000000000",
        "clientId": "lamp", "principalId": "certificate", "topicName": "plant/a",
        "ruleName": "hot",
    });
    let with = |more: Value| {
        let mut whole = common.clone();
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        whole
    };
    let expected = [
        with(json!({"eventType": "RuleMatch", "details": "the condition of WHERE is not met"})),
        with(json!({"eventType": "RuleMatch"})),
        with(json!({
            "eventType": "RuleExecution",
            "ruleAction": "RepublishAction",
            "resources": {"RepublishTopic": "out/2"},
        })),
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn each_step_is_told_at_the_level_debug() {
    let events = after_two_messages(LogLevel::Debug).await;
    let expected = ["RuleMatch", "RuleMatch", "StartingRuleExecution", "RuleExecution"];
    assert_eq!(of(&events, "eventType"), expected);
    assert_eq!(of(&events, "logLevel"), ["INFO", "INFO", "DEBUG", "INFO"]);
    assert_eq!(events[2]["ruleAction"], "RepublishAction");
}

#[tokio::test]
async fn a_failure_is_told_whatever_the_level_with_what_it_was_done_to() {
    let stage = Stage::new().await;
    stage.rule("hot", "SELECT * FROM 'plant/#'", &["closed/a", "out"]).await;
    stage.publish("plant/a", &json!({}), QoS::AtMostOnce).await;
    stage.republished(2).await;
    let events = stage.log();
    assert_eq!(of(&events, "eventType"), ["RuleExecution"]);
    let event = &events[0];
    assert_eq!((&event["logLevel"], &event["status"]), (&json!("ERROR"), &json!("Failure")));
    assert_eq!(
        (&event["ruleName"], &event["ruleAction"]),
        (&json!("hot"), &json!("RepublishAction"))
    );
    assert_eq!(event["resources"], json!({"RepublishTopic": "closed/a"}));
    assert!(event["details"].as_str().unwrap().ends_with("It is closed."), "{event}");
}

#[tokio::test]
async fn messages_to_nobody_are_told_until_there_are_too_many() {
    let stage = Stage::new().await;
    for _ in 0..30 {
        stage.publish("$aws/rules/nobody/x", &json!({}), QoS::AtMostOnce).await;
    }
    let events = stage.log();
    assert_eq!(of(&events, "eventType"), vec!["RuleNotFound"; 10]);
    assert_eq!(events[0]["ruleName"], "nobody");
    stage.server.clock().advance(std::time::Duration::from_secs(1));
    stage.publish("$aws/rules/nobody/x", &json!({}), QoS::AtMostOnce).await;
    let events = stage.log();
    let details = "Rule nobody not found, or it is disabled (20 before it untold)";
    assert_eq!(events.last().unwrap()["details"], details);
}

#[tokio::test]
async fn a_busy_rule_leaves_others_room() {
    let stage = Stage::new().await;
    stage.server.app().device_log.set_level(LogLevel::Info);
    stage.rule("hot", "SELECT * FROM 'plant/#' WHERE n < 0", &["out"]).await;
    stage.rule("last", "SELECT * FROM 'end'", &["out"]).await;
    for n in 0..150 {
        stage.publish("plant/a", &json!({ "n": n }), QoS::AtMostOnce).await;
    }
    stage.publish("$aws/rules/hot/plant/a", &json!({"n": -1}), QoS::AtMostOnce).await;
    stage.republished(1).await;
    let of_hot = |event: &service::DeviceEvent| {
        event.rule.as_ref().is_some_and(|rule| rule.rule_name == "hot")
    };
    assert_eq!(stage.server.app().device_log.newest(1000, of_hot).len(), 100);
}
