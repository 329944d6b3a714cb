//! Basic Ingest: messages to one rule, past the broker.

use std::sync::{Arc, PoisonError};

use metrics::counter;
use mqtt::TopicFilter;
use service::{
    Answer, ApiError, Audience, BoxFuture, DeviceEvent, HeardMessage, ReservedMessage,
    ReservedTopic, RuleEvent,
};

use super::Engine;

/// What the topics of Basic Ingest begin with.
pub(crate) const PREFIX: &str = "$aws/rules/";

/// Serves `$aws/rules/{rule}/…`.
pub(crate) struct BasicIngest(pub(crate) Arc<Engine>);

impl ReservedTopic for BasicIngest {
    fn takes(&self, topic: &str) -> Option<Audience> {
        topic.strip_prefix(PREFIX).filter(|rest| !rest.is_empty()).map(|_| Audience::Service)
    }

    fn can_hear(&self, _: &TopicFilter) -> bool {
        false
    }

    fn handle(&self, message: ReservedMessage) -> BoxFuture<'_, Result<Answer, ApiError>> {
        let rest = message.topic.strip_prefix(PREFIX).unwrap_or_default();
        let (name, topic) = rest.split_once('/').unwrap_or((rest, ""));
        let Some(rule) = self.0.rule(message.tenant.id, name) else {
            self.tell_missing(&message, name);
            return Box::pin(std::future::ready(Ok(Answer::default())));
        };
        let heard = HeardMessage {
            tenant: &message.tenant,
            topic: &message.topic,
            payload: &message.payload,
            qos: message.qos,
            properties: message.properties.as_deref(),
            sender: &message.sender,
            at: message.at,
        };
        let kept = self.0.take(&heard, topic, Arc::from([rule]));
        Box::pin(async move {
            match kept {
                Some(kept) => kept.await.map(|()| Answer::default()),
                None => Ok(Answer::default()),
            }
        })
    }
}

impl BasicIngest {
    /// The publisher is not told that there is no such rule; the log is.
    fn tell_missing(&self, message: &ReservedMessage, name: &str) {
        counter!("ferrite_rule_not_found_total").increment(1);
        let mut budget = self.0.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(untold) = budget.take(self.0.now()) else { return };
        drop(budget);
        let gap = if untold > 0 { format!(" ({untold} before it untold)") } else { String::new() };
        let details = format!("Rule {name} not found, or it is disabled{gap}");
        let rule = RuleEvent { rule_name: name.to_owned(), ..RuleEvent::default() };
        self.0.world.app.device_log.record(DeviceEvent {
            account_id: Some(message.tenant.account.to_string()),
            region: Some(message.tenant.region.to_string()),
            client_id: message.sender.client_id.clone(),
            principal_id: message.sender.principal_id.clone(),
            topic_name: Some(message.topic.clone()),
            rule: Some(Box::new(rule)),
            ..DeviceEvent::failure("RuleNotFound", "RuleNotFound", details)
        });
    }
}
