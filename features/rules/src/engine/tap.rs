//! How rules hear messages.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use service::{ApiError, BoxFuture, HeardMessage, Tap};
use tokio::sync::oneshot;
use types::Tenant;

use super::log::Happening;
use super::rule::Rule;
use super::{Engine, HOPS_MAX, Job, Keeping};

/// Hears what the FROM of some rule matches.
pub(crate) struct RuleTap(pub(crate) Arc<Engine>);

/// What has to be done before a message is acknowledged.
type Kept = Option<BoxFuture<'static, Result<(), ApiError>>>;

impl Tap for RuleTap {
    fn wants(&self, tenant: &Tenant, topic: &str) -> bool {
        !self.0.is_idle() && !self.0.hearing(tenant, topic).is_empty()
    }

    fn hear(&self, message: &HeardMessage<'_>) -> Kept {
        let rules = self.0.hearing(message.tenant, message.topic);
        if rules.is_empty() {
            return None;
        }
        self.0.take(message, message.topic, rules)
    }
}

impl Engine {
    /// Has `rules` hear a message, whose topic they call `topic`.
    pub(crate) fn take(
        self: &Arc<Self>,
        message: &HeardMessage<'_>,
        topic: &str,
        rules: Arc<[Arc<Rule>]>,
    ) -> Kept {
        for rule in &*rules {
            rule.counters(self).matches.increment(1);
        }
        let heard = self.heard(message, topic);
        if heard.hops >= HOPS_MAX {
            for rule in &*rules {
                let details =
                    format!("the message came through {HOPS_MAX} rules; it goes no further");
                self.tell(rule, &heard, Happening::failure("RuleLoop", details));
            }
            return None;
        }
        if !self.keeps(message.qos) {
            self.enqueue(Job { heard, rules, kept: None });
            return None;
        }
        let journal = &self.world.app.journal;
        let sequence = journal.next_sequence();
        let queues = rules.iter().map(|rule| (rule.queue, 0)).collect();
        let (told, kept) = oneshot::channel();
        let told = Mutex::new(Some(told));
        let keeping = Keeping { engine: Arc::downgrade(self), heard, rules, sequence, told };
        let appended = journal.append(sequence, queues, Arc::new(keeping));
        Some(Box::pin(async move {
            if appended.is_err() {
                let message = "Too many messages wait to be written for rules.";
                return Err(ApiError::new("ThrottlingException", message));
            }
            match kept.await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => {
                    Err(ApiError::unavailable("The message could not be written for rules."))
                }
            }
        }))
    }

    /// Whether there are no rules at all.
    fn is_idle(&self) -> bool {
        !self.has_rules.load(Ordering::Acquire)
    }
}
