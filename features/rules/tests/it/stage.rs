//! Rules that hear messages, and what they republish.

use std::sync::Arc;
use std::time::Duration;

use mqtt::QoS;
use serde_json::{Value, json};
use service::{
    ApiError, BoxFuture, Feature, Limits, OutgoingMessage, Publisher, ReservedMessage,
    ReservedTopic, Sender, Tap,
};
use testing::{Choices, Server};
use tokio::sync::watch;
use tokio::time::timeout;
use types::Tenant;

use crate::{Postbox, ROLE, create, feature};

/// A server without a broker.
pub(crate) struct Stage {
    pub(crate) server: Server,
    ingest: Arc<dyn ReservedTopic>,
    tap: Arc<dyn Tap>,
    out: Arc<Out>,
}

/// Takes what is republished, but for topics that begin with `closed`.
#[derive(Default)]
struct Out(watch::Sender<Vec<String>>);

impl Publisher for Out {
    fn publish<'a>(
        &'a self,
        _: &'a Tenant,
        message: OutgoingMessage,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        let is_open = !message.topic.starts_with("closed");
        self.0.send_modify(|topics| topics.push(message.topic));
        let answer = if is_open { Ok(()) } else { Err(ApiError::invalid("It is closed.")) };
        Box::pin(std::future::ready(answer))
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::within(|_| {}).await
    }

    /// The same, within other limits.
    pub(crate) async fn within(change: impl FnOnce(&mut Limits)) -> Self {
        let mut hooks = None;
        let change = |choices: &mut Choices| change(&mut choices.limits);
        let server = Server::build_with(change, |app| {
            let mut feature: Feature = feature(app, Arc::new(Postbox::default()));
            hooks = Some(std::mem::take(&mut feature.hooks));
            vec![feature]
        });
        let server = server.await;
        let mut hooks = hooks.unwrap();
        let out = Arc::new(Out::default());
        let publisher: Arc<dyn Publisher> = out.clone();
        server.app().publisher.set(Arc::downgrade(&publisher));
        Self { server, ingest: hooks.reserved.remove(0), tap: hooks.taps.remove(0), out }
    }

    /// Makes a rule that republishes to each of `topics`.
    pub(crate) async fn rule(&self, name: &str, sql: &str, topics: &[&str]) {
        let action = |topic: &&str| json!({"republish": {"topic": topic, "roleArn": ROLE}});
        let actions: Vec<_> = topics.iter().map(action).collect();
        create(&self.server, name, json!({"sql": sql, "actions": actions})).await.unwrap();
    }

    fn sender() -> Sender {
        Sender {
            client_id: Some("lamp".to_owned()),
            principal_id: Some("certificate".to_owned()),
            ..Sender::default()
        }
    }

    /// Publishes a message, past the rule's FROM if it is for Basic Ingest.
    pub(crate) async fn publish(&self, topic: &str, payload: &Value, qos: QoS) {
        let cx = self.server.cx("test").await;
        let message = ReservedMessage {
            tenant: cx.tenant.clone(),
            topic: topic.to_owned(),
            payload: payload.to_string().into(),
            qos,
            properties: None,
            sender: Self::sender(),
            at: cx.now(),
        };
        if topic.starts_with('$') {
            self.ingest.handle(message).await.unwrap();
            return;
        }
        let heard = service::HeardMessage {
            tenant: &message.tenant,
            topic,
            payload: &message.payload,
            qos,
            properties: None,
            sender: &message.sender,
            at: message.at,
        };
        if let Some(kept) = self.tap.hear(&heard) {
            kept.await.unwrap();
        }
    }

    /// Waits until so many messages were republished; their topics.
    pub(crate) async fn republished(&self, count: usize) -> Vec<String> {
        let mut topics = self.out.0.subscribe();
        let came = topics.wait_for(|topics| topics.len() >= count);
        let came = timeout(Duration::from_secs(60), came).await.expect("they come").unwrap();
        came.clone()
    }

    /// What the device log has, the oldest first, without what is the same everywhere.
    pub(crate) fn log(&self) -> Vec<Value> {
        let mut events = self.server.app().device_log.newest(100, |_| true);
        events.reverse();
        let shown = |event: &service::DeviceEvent| {
            let mut shown = serde_json::to_value(event).unwrap();
            let members = shown.as_object_mut().unwrap();
            for member in ["timestamp", "protocol", "region"] {
                members.remove(member);
            }
            shown
        };
        events.iter().map(shown).collect()
    }
}
