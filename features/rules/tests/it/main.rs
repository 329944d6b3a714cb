//! Rules, called as the gateway calls them, on the store that `FERRITE_TEST_STORE` names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod actions;
mod confirmation;
mod destinations;
mod device_log;
mod lists;
mod races;
mod rates;
mod rules;
mod stage;
mod statements;
mod tags;
mod trials;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use ferrite_rules as rules_feature;
use model::iot::op::{CreateTopicRule, GetTopicRule};
use rules_feature::{Courier, Outside, Places, Question, RuleSettings, Rules};
use serde_json::{Value, json};
use service::{ApiError, App, BoxFuture, Feature};
use testing::Server;
use tokio::sync::watch;
use tokio::time::timeout;

const ROLE: &str = "arn:aws:iam::000000000000:role/rules";
const STATEMENT: &str = "SELECT * FROM 'plant/+/heat' WHERE degrees > 50";

/// Destinations that answer with a status, or not at all.
#[derive(Default)]
struct Postbox {
    questions: watch::Sender<Vec<Question>>,
    /// Of its answers; 0 is none.
    status: AtomicU16,
}

impl Postbox {
    /// Waits for the `number`th question.
    async fn question(&self, number: usize) -> Question {
        let mut questions = self.questions.subscribe();
        let came = questions.wait_for(|questions| questions.len() >= number);
        let came = timeout(Duration::from_secs(20), came).await.expect("a question comes").unwrap();
        came[number - 1].clone()
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

impl Courier for Postbox {
    fn post(&self, question: Question) -> BoxFuture<'_, Result<u16, String>> {
        self.questions.send_modify(|questions| questions.push(question));
        let answer = match self.status.load(Ordering::SeqCst) {
            0 => Err("no response received from the endpoint".to_owned()),
            status => Ok(status),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// A server with rules alone, and where its destinations are asked.
async fn server_and_postbox() -> (Server, Arc<Postbox>) {
    let postbox = Arc::new(Postbox::default());
    let courier = Arc::clone(&postbox);
    let server = Server::build(|app| vec![feature(app, courier)]);
    (server.await, postbox)
}

/// What rules serve, with `courier` for their questions.
fn feature(app: &Arc<App>, courier: Arc<dyn Courier>) -> Feature {
    let client = outbound::Client::new(&outbound::Settings::default(), &app.env).unwrap();
    let outside = Outside::open(app, client, &Places::default()).unwrap();
    let outside = Outside { courier, ..outside };
    Rules::start(app, RuleSettings::default(), outside).feature()
}

async fn server() -> Server {
    server_and_postbox().await.0
}

/// A rule that republishes.
fn payload() -> Value {
    json!({"sql": STATEMENT, "actions": [{"republish": {"topic": "hot", "roleArn": ROLE}}]})
}

async fn create(server: &Server, name: &str, payload: Value) -> Result<Value, ApiError> {
    let request = json!({"ruleName": name, "topicRulePayload": payload});
    server.call::<CreateTopicRule>(request).await
}

async fn get(server: &Server, name: &str) -> Result<Value, ApiError> {
    server.call::<GetTopicRule>(json!({"ruleName": name})).await
}

/// The code of a refusal. Says what was answered if it is none.
fn code(result: Result<Value, ApiError>) -> &'static str {
    result.expect_err("a refusal is expected").code
}

/// The code and the message of a refusal.
fn refusal(result: Result<Value, ApiError>) -> (&'static str, String) {
    let error = result.expect_err("a refusal is expected");
    (error.code, error.message)
}
