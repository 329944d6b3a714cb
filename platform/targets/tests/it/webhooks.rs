//! Webhooks of local topics, against a server that answers as it is told.

use ferrite_targets::Publish;

use crate::harness::{Bench, caller};
use crate::peer::Peer;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alarms";

/// Hears what is posted, and answers with the statuses given, then with 200.
struct Listener(Peer);

impl Listener {
    async fn start(statuses: Vec<u16>) -> Self {
        let mut statuses = statuses.into_iter();
        Self(Peer::start(move |_| (statuses.next().unwrap_or(200), String::new())).await)
    }

    fn settings(&self, topic: &str) -> String {
        format!(r#"{{"sns":{{"webhooks":{{"{topic}":"{}/hook"}}}}}}"#, self.0.url)
    }

    /// The message of the next notification.
    async fn message(&mut self) -> String {
        let request = self.0.heard.recv().await.unwrap();
        assert!(request.contains("x-amz-sns-message-type: Notification"), "{request}");
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["TopicArn"], TOPIC);
        body["Message"].as_str().unwrap().to_owned()
    }
}

async fn publish(bench: &Bench, message: &str) {
    let publish =
        Publish { target_arn: TOPIC.into(), message: message.into(), is_structured: false };
    bench.targets.sns().publish(&caller(), publish).await.unwrap();
}

#[tokio::test]
async fn a_topics_messages_are_posted_in_order_once_each() {
    for topic in ["alarms", TOPIC] {
        let mut listener = Listener::start(vec![]).await;
        let bench = Bench::with(&listener.settings(topic)).await;
        for n in 0..20 {
            publish(&bench, &n.to_string()).await;
        }
        for n in 0..20 {
            assert_eq!(listener.message().await, n.to_string());
        }
        publish(&bench, "last").await;
        assert_eq!(listener.message().await, "last");
    }
}

#[tokio::test]
async fn a_message_is_posted_again_until_it_is_taken_and_never_if_it_is_refused() {
    let mut listener = Listener::start(vec![503, 200, 404]).await;
    let bench = Bench::with(&listener.settings("alarms")).await;
    for message in ["slow", "refused", "taken"] {
        publish(&bench, message).await;
    }
    for message in ["slow", "slow", "refused", "taken"] {
        assert_eq!(listener.message().await, message);
    }
}

#[tokio::test]
async fn what_was_not_posted_is_posted_by_the_next_server() {
    let nowhere = r#"{"sns":{"webhooks":{"alarms":"http://127.0.0.1:1/"}}}"#;
    let bench = Bench::with(nowhere).await;
    publish(&bench, "before").await;
    let mut listener = Listener::start(vec![]).await;
    let bench = bench.restart(&listener.settings("alarms")).await;
    assert_eq!(listener.message().await, "before");
    publish(&bench, "after").await;
    assert_eq!(listener.message().await, "after");
}

#[tokio::test]
async fn a_webhook_that_is_new_begins_with_the_next_message() {
    let bench = Bench::start().await;
    publish(&bench, "long ago").await;
    let mut listener = Listener::start(vec![]).await;
    let bench = bench.restart(&listener.settings("alarms")).await;
    publish(&bench, "now").await;
    assert_eq!(listener.message().await, "now");
}

#[tokio::test]
async fn a_webhook_that_is_no_longer_set_is_forgotten() {
    let nowhere = r#"{"sns":{"webhooks":{"alarms":"http://127.0.0.1:1/"}}}"#;
    let bench = Bench::with(nowhere).await;
    publish(&bench, "before").await;
    let bench = bench.restart("{}").await;
    publish(&bench, "meanwhile").await;
    let mut listener = Listener::start(vec![]).await;
    let bench = bench.restart(&listener.settings("alarms")).await;
    publish(&bench, "after").await;
    assert_eq!(listener.message().await, "after");
}

#[tokio::test]
async fn a_topic_that_begins_anew_is_posted_from_its_beginning() {
    let mut listener = Listener::start(vec![]).await;
    let bench = Bench::with(&listener.settings("alarms")).await;
    for message in ["one", "two"] {
        publish(&bench, message).await;
        assert_eq!(listener.message().await, message);
    }
    bench.store.wipe().await.unwrap();
    bench.targets.wipe().await.unwrap();
    publish(&bench, "three").await;
    assert_eq!(listener.message().await, "three");
}
