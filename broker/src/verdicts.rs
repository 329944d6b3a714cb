//! What a client may do, remembered by topic until its permissions change.

use std::collections::HashMap;
use std::sync::Arc;

use policy::Decision;
use service::{Permissions, Rights, Wish};
use types::{Tenant, Timestamp};

/// Topics remembered for each action; beyond that all are forgotten.
const TOPICS_MAX: usize = 1024;

/// What is asked before it is done to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Publish,
    Receive,
    Subscribe,
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "iot:Publish",
            Self::Receive => "iot:Receive",
            Self::Subscribe => "iot:Subscribe",
        }
    }

    /// `topic/a/b` or `topicfilter/a/+`.
    pub(crate) fn resource(self, topic: &str) -> String {
        match self {
            Self::Publish | Self::Receive => format!("topic/{topic}"),
            Self::Subscribe => format!("topicfilter/{topic}"),
        }
    }
}

/// The verdicts of one connection.
pub(crate) struct Verdicts {
    permissions: Arc<Permissions>,
    generation: u64,
    rights: Arc<Rights>,
    publish: HashMap<Box<str>, bool>,
    receive: HashMap<Box<str>, bool>,
}

impl Verdicts {
    pub(crate) fn new(permissions: Arc<Permissions>) -> Self {
        // The number first: rights that are newer than it are read again.
        let generation = permissions.generation();
        let rights = permissions.rights();
        let (publish, receive) = (HashMap::new(), HashMap::new());
        Self { permissions, generation, rights, publish, receive }
    }

    /// Whether anything has changed since it was last asked; what was remembered is then
    /// forgotten.
    pub(crate) fn refresh(&mut self) -> bool {
        let generation = self.permissions.generation();
        let has_changed = generation != self.generation;
        if has_changed {
            self.generation = generation;
            self.rights = self.permissions.rights();
            self.publish.clear();
            self.receive.clear();
        }
        has_changed
    }

    /// Whether the client may do `action` to `topic`.
    pub(crate) fn allow(&mut self, action: Action, topic: &str, asker: &Asker<'_>) -> bool {
        self.allow_noting(action, topic, asker).0
    }

    /// As [`Verdicts::allow`], and whether the verdict is a new one.
    pub(crate) fn allow_noting(
        &mut self,
        action: Action,
        topic: &str,
        asker: &Asker<'_>,
    ) -> (bool, bool) {
        self.refresh();
        if self.rights.is_unlimited {
            return (true, false);
        }
        let known = match action {
            Action::Publish => &mut self.publish,
            Action::Receive => &mut self.receive,
            Action::Subscribe => return (asker.allows(&self.rights, action, topic), true),
        };
        if let Some(is_allowed) = known.get(topic) {
            return (*is_allowed, false);
        }
        let is_allowed = asker.allows(&self.rights, action, topic);
        if !self.rights.depends_on_time {
            if known.len() >= TOPICS_MAX {
                known.clear();
            }
            known.insert(topic.into(), is_allowed);
        }
        (is_allowed, true)
    }

    /// Why an action was refused, for people.
    pub(crate) fn explain(&self, action: Action, topic: &str, asker: &Asker<'_>) -> String {
        let resource = asker.tenant.arn("iot", &action.resource(topic));
        let wish =
            Wish { action: action.name(), resource: &resource, context: &[], now: asker.now };
        let decision: Decision<'_> = self.rights.decide(&wish);
        format!("{} on {resource}: {decision}", action.name())
    }
}

/// For whom, and when, a verdict is asked.
pub(crate) struct Asker<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) now: Timestamp,
}

impl Asker<'_> {
    fn allows(&self, rights: &Rights, action: Action, topic: &str) -> bool {
        let resource = self.tenant.arn("iot", &action.resource(topic));
        rights.allows(&Wish {
            action: action.name(),
            resource: &resource,
            context: &[],
            now: self.now,
        })
    }
}
