//! Rules that are tried on messages: on one that is given, and on those that really come.

use std::sync::Arc;

use bytes::Bytes;
use ferrite_rules::{Outside, Places, RuleSettings, Rules};
use http::StatusCode;
use mqtt::QoS;
use serde_json::{Value, json};
use service::{ApiError, HeardMessage, Sender, Tap};
use testing::Server;
use tokio::task::yield_now;
use types::Tenant;

use crate::ROLE;

const PATH: &str = "/_ferrite/v1/rules/test";

/// A server with rules, and who hears messages for them.
struct World {
    server: Server,
    taps: Vec<Arc<dyn Tap>>,
}

impl World {
    async fn new() -> Self {
        Self::with(RuleSettings::default()).await
    }

    async fn with(settings: RuleSettings) -> Self {
        let mut taps = Vec::new();
        let server = Server::build(|app| {
            let client = outbound::Client::new(&outbound::Settings::default(), &app.env).unwrap();
            let outside = Outside::open(app, client, &Places::default()).unwrap();
            let feature = Rules::start(app, settings, outside).feature();
            taps.clone_from(&feature.hooks.taps);
            vec![feature]
        });
        Self { server: server.await, taps }
    }

    async fn tenant(&self) -> Tenant {
        self.server.cx("Test").await.tenant
    }

    /// A message as the broker brings it.
    async fn publish(&self, topic: &str, payload: &'static [u8]) {
        let tenant = self.tenant().await;
        let payload = Bytes::from_static(payload);
        let sender = Sender { client_id: Some("pump".into()), ..Sender::default() };
        let heard = HeardMessage {
            tenant: &tenant,
            topic,
            payload: &payload,
            qos: QoS::AtMostOnce,
            properties: None,
            sender: &sender,
            at: self.server.clock().now(),
        };
        for tap in &self.taps {
            if tap.samples_per_s() > 0 {
                tap.sample(&heard);
            }
            if tap.wants(&tenant, topic) {
                assert!(tap.hear(&heard).is_none(), "nothing has to be done before");
            }
        }
    }

    async fn is_wanted(&self, topic: &str) -> bool {
        let tenant = self.tenant().await;
        self.taps.iter().any(|tap| tap.wants(&tenant, topic))
    }

    async fn send(&self, trial: Value) -> Result<Value, ApiError> {
        let (status, body) = self.server.raw("POST", PATH, trial.to_string()).await?;
        assert_eq!(status, StatusCode::OK);
        Ok(serde_json::from_slice(&body).unwrap())
    }

    async fn try_on(&self, sql: &str, from_live: Value) -> Result<Value, ApiError> {
        let action = json!({"s3": {"roleArn": ROLE, "bucketName": "b", "key": "${topic(2)}"}});
        let version = "2016-03-23";
        let payload = json!({"sql": sql, "awsIotSqlVersion": version, "actions": [action]});
        self.send(json!({"topicRulePayload": payload, "fromLive": from_live})).await
    }
}

fn topics(answer: &Value) -> Vec<&str> {
    let messages = answer["messages"].as_array().unwrap();
    messages.iter().map(|message| message["topic"].as_str().unwrap()).collect()
}

/// How many matched, did not, and failed; all of them were tried.
fn counts(answer: &Value) -> [u64; 3] {
    let count = |name: &str| answer["summary"][name].as_u64().unwrap();
    let counts = ["matched", "unmatched", "failed"].map(count);
    assert_eq!((count("messages"), count("untried")), (counts.iter().sum(), 0));
    counts
}

#[tokio::test]
async fn a_rule_is_tried_on_the_messages_that_came_lately() {
    let world = World::new().await;
    world.publish("plant/a/heat", br#"{"degrees": 60}"#).await;
    world.publish("plant/a/cold", br#"{"degrees": 60}"#).await;
    world.publish("plant/b/heat", br#"{"degrees": 50}"#).await;
    world.publish("plant/c/heat", b"\xFF").await;
    let statement = "SELECT degrees FROM 'plant/+/heat' \
                     WHERE get_or_default(degrees, 51) > 50";
    let answer = world.try_on(statement, json!({"count": 10})).await.unwrap();
    assert_eq!(counts(&answer), [1, 1, 1]);
    assert_eq!(topics(&answer), ["plant/a/heat", "plant/b/heat", "plant/c/heat"]);
    let [matched, unmatched, failed] = [0, 1, 2].map(|place| &answer["messages"][place]);
    assert_eq!(
        (&matched["outcome"], &matched["clientId"], &matched["at"], &matched["payload"]),
        (
            &json!("matched"),
            &json!("pump"),
            &json!(1_767_323_045_000_i64),
            &json!(r#"{"degrees": 60}"#)
        ),
    );
    assert_eq!(matched["output"], r#"{"degrees":60}"#);
    assert_eq!(matched["actions"][0]["inputs"]["key"], "a");
    assert_eq!((&unmatched["outcome"], &unmatched["output"]), (&json!("unmatched"), &Value::Null));
    let step = json!({"expression": "(get_or_default(degrees, 51) > 50)", "value": "false"});
    assert!(unmatched["steps"].as_array().unwrap().contains(&step), "{unmatched}");
    assert_eq!((&failed["outcome"], &failed["payloadBase64"]), (&json!("failed"), &json!("/w==")));
    assert!(failed["error"].as_str().unwrap().contains("not JSON"), "{failed}");
}

#[tokio::test]
async fn the_last_ones_are_tried_in_the_order_in_which_they_came() {
    let world = World::new().await;
    for topic in ["a/1", "a/2", "b/1", "a/3"] {
        world.publish(topic, b"{}").await;
    }
    let answer = world.try_on("SELECT * FROM 'a/#'", json!({"count": 2})).await.unwrap();
    assert_eq!(topics(&answer), ["a/2", "a/3"]);
}

#[tokio::test]
async fn an_action_whose_input_cannot_be_made_is_a_failure() {
    let world = World::new().await;
    world.publish("a", b"{}").await;
    let answer = world.try_on("SELECT * FROM 'a'", json!({"count": 1})).await.unwrap();
    assert_eq!(counts(&answer), [0, 0, 1], "there is no topic(2)");
    assert_eq!(answer["messages"][0]["matched"], true);
}

#[tokio::test]
async fn messages_of_another_tenant_are_not_seen() {
    let world = World::new().await;
    world.publish("a/1", b"{}").await;
    for server in [world.server.in_account("111122223333"), world.server.in_region("eu-west-1")] {
        let other = World { server, taps: world.taps.clone() };
        other.publish("a/2", b"{}").await;
        let answer = other.try_on("SELECT * FROM '#'", json!({"count": 9})).await.unwrap();
        assert_eq!(topics(&answer), ["a/2"]);
    }
    let answer = world.try_on("SELECT * FROM '#'", json!({"count": 9})).await.unwrap();
    assert_eq!(topics(&answer), ["a/1"]);
}

#[tokio::test]
async fn what_has_not_come_yet_is_waited_for_and_no_longer_than_that() {
    let world = World::new().await;
    let other = World { server: world.server.in_region("eu-west-1"), taps: world.taps.clone() };
    world.publish("a/1", b"{}").await;
    let trial = world.try_on("SELECT * FROM 'a/#'", json!({"count": 3, "waitSeconds": 60}));
    let publishing = async {
        while !world.is_wanted("a/2").await {
            yield_now().await;
        }
        assert!(!world.is_wanted("b").await && !other.is_wanted("a/2").await);
        for (topic, world) in [("b", &world), ("a/9", &other), ("a/2", &world), ("a/3", &world)] {
            world.publish(topic, b"{}").await;
        }
    };
    let (answer, ()) = tokio::join!(trial, publishing);
    assert_eq!(topics(&answer.unwrap()), ["a/1", "a/2", "a/3"]);
    assert!(!world.is_wanted("a/2").await, "nobody waits any more");
}

#[tokio::test]
async fn a_trial_that_waits_in_vain_tells_what_there_was() {
    let world = World::new().await;
    world.publish("a/1", b"{}").await;
    world.tenant().await;
    tokio::time::pause();
    let from_live = json!({"count": 2, "waitSeconds": 60});
    let answer = world.try_on("SELECT * FROM 'a/#'", from_live).await.unwrap();
    assert_eq!(topics(&answer), ["a/1"]);
    assert!(!world.is_wanted("a/2").await);
}

#[tokio::test]
async fn where_nothing_is_kept_only_what_is_waited_for_is_tried() {
    let world = World::with(RuleSettings { recent_messages: 0, ..RuleSettings::default() }).await;
    assert!(world.taps.iter().all(|tap| tap.samples_per_s() == 0), "nobody asks for any");
    world.publish("a/1", b"{}").await;
    let answer = world.try_on("SELECT * FROM 'a/#'", json!({"count": 2})).await.unwrap();
    assert_eq!(topics(&answer), [""; 0]);
    let trial = world.try_on("SELECT * FROM 'a/#'", json!({"count": 1, "waitSeconds": 60}));
    let publishing = async {
        while !world.is_wanted("a/2").await {
            yield_now().await;
        }
        world.publish("a/2", b"{}").await;
    };
    let (answer, ()) = tokio::join!(trial, publishing);
    assert_eq!(topics(&answer.unwrap()), ["a/2"]);
}

#[tokio::test]
async fn a_trial_asks_for_so_much_from_outside_and_says_what_it_left() {
    let world = World::new().await;
    for _ in 0..130 {
        world.publish("a/b", b"{}").await;
    }
    let sql = format!("SELECT get_thing_shadow('t', '{ROLE}') AS s FROM 'a/b'");
    let answer = world.try_on(&sql, json!({"count": 1000})).await.unwrap();
    let summary = &answer["summary"];
    assert_eq!((&summary["messages"], &summary["untried"]), (&json!(130), &json!(2)));
    assert_eq!(topics(&answer).len(), 128);
}

#[tokio::test]
async fn a_trial_says_on_what_it_is_and_within_bounds() {
    let world = World::new().await;
    let rule = json!({"sql": "SELECT * FROM 'a'", "awsIotSqlVersion": "2016-03-23"});
    let (message, live) = (json!({"topic": "a", "payload": "{}"}), json!({"count": 1}));
    let from = |live: Value| json!({"topicRulePayload": rule, "fromLive": live});
    let both = json!({"topicRulePayload": rule, "fromLive": live, "message": message});
    let alone = json!({"topicRulePayload": {"sql": "SELECT *"}, "fromLive": live});
    for (trial, named) in [
        (both, "not both"),
        (json!({"topicRulePayload": rule}), "fromLive"),
        (from(json!({"count": 0})), "count"),
        (from(json!({"count": 1001})), "count"),
        (from(json!({"count": 1, "waitSeconds": 61})), "waitSeconds"),
        (from(json!({"number": 1})), "number"),
        (alone, "FROM"),
    ] {
        let error = world.send(trial.clone()).await.unwrap_err();
        assert_eq!(error.code, "InvalidRequestException", "{trial}");
        assert!(error.message.contains(named), "{}", error.message);
    }
    let given = json!({"topicRulePayload": rule, "message": message});
    assert_eq!(world.send(given).await.unwrap()["output"], "{}");
}
