//! What a client may do, remembered by topic until its permissions change.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;
use mqtt::Publish;
use policy::Decision;
use service::{Permissions, Rights, Wish};
use types::{Tenant, Timestamp};

/// Topics remembered for each action; beyond that all are forgotten.
const TOPICS_MAX: usize = 1024;
/// Patterns that are compared in less time than it takes to remember what came of it.
const PATTERNS_MAX: usize = 16;

/// What is asked before it is done to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Publish,
    RetainPublish,
    Receive,
    Subscribe,
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "iot:Publish",
            Self::RetainPublish => "iot:RetainPublish",
            Self::Receive => "iot:Receive",
            Self::Subscribe => "iot:Subscribe",
        }
    }

    /// The ARN of `topic`, or of a filter, as policies name it: `…:topic/a/b`, `…:topicfilter/a/+`.
    fn arn(self, tenant: &Tenant, topic: &str) -> String {
        let kind = match self {
            Self::Publish | Self::RetainPublish | Self::Receive => "topic/",
            Self::Subscribe => "topicfilter/",
        };
        let (region, account) = (tenant.region.as_str(), tenant.account.as_str());
        // In one piece: it is made for nearly every message.
        ["arn:aws:iot:", region, ":", account, ":", kind, topic].concat()
    }
}

/// The verdicts of one connection.
pub(crate) struct Verdicts {
    permissions: Arc<Permissions>,
    generation: u64,
    rights: Arc<Rights>,
    /// Whether what is allowed need not be remembered. What is refused is: it is told once.
    is_quick: bool,
    /// Whether something is added to what the client publishes: told here, where it is at hand.
    pub(crate) adds_properties: bool,
    /// From when they are first asked for: most clients do one thing, and idle ones nothing.
    publish: Option<Box<Known>>,
    retain: Option<Box<Known>>,
    receive: Option<Box<Known>>,
}

/// The verdicts on one action. Messages of one topic tend to come in a row, so the last verdict
/// is at hand.
#[derive(Default)]
struct Known {
    last_topic: String,
    last: Option<bool>,
    by_topic: HashMap<Box<str>, bool, RandomState>,
}

impl Known {
    fn find(&mut self, topic: &str) -> Option<bool> {
        if self.last.is_some() && self.last_topic == topic {
            return self.last;
        }
        self.last = self.by_topic.get(topic).copied();
        if let Some(is_allowed) = self.last {
            self.remember_last(topic, is_allowed);
        }
        self.last
    }

    fn remember_last(&mut self, topic: &str, is_allowed: bool) {
        self.last = Some(is_allowed);
        self.last_topic.clear();
        self.last_topic.push_str(topic);
    }

    fn remember(&mut self, topic: &str, is_allowed: bool) {
        if self.by_topic.len() >= TOPICS_MAX {
            self.by_topic.clear();
        }
        self.by_topic.insert(topic.into(), is_allowed);
    }
}

impl Verdicts {
    pub(crate) fn new(permissions: Arc<Permissions>) -> Self {
        // The number first: rights that are newer than it are read again.
        let generation = permissions.generation();
        let rights = permissions.rights();
        let (is_quick, adds_properties) = (is_quick(&rights), !rights.user_properties.is_empty());
        Self {
            permissions,
            generation,
            rights,
            is_quick,
            adds_properties,
            publish: None,
            retain: None,
            receive: None,
        }
    }

    /// Whether anything has changed since it was last asked; what was remembered is then
    /// forgotten.
    pub(crate) fn refresh(&mut self) -> bool {
        let generation = self.permissions.generation();
        let has_changed = generation != self.generation;
        if has_changed {
            self.generation = generation;
            self.rights = self.permissions.rights();
            self.is_quick = is_quick(&self.rights);
            self.adds_properties = !self.rights.user_properties.is_empty();
            (self.publish, self.retain, self.receive) = (None, None, None);
        }
        has_changed
    }

    /// Adds to a message what all messages of the client carry.
    pub(crate) fn add_properties(&self, publish: &mut Publish) {
        let properties = publish.properties.get_or_insert_default();
        properties.user_properties.extend(self.rights.user_properties.iter().cloned());
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
            Action::RetainPublish => &mut self.retain,
            Action::Subscribe => return (asker.allows(&self.rights, action, topic), true),
        };
        let known = known.get_or_insert_default();
        if let Some(is_allowed) = known.find(topic) {
            return (is_allowed, false);
        }
        let is_allowed = asker.allows(&self.rights, action, topic);
        if is_allowed && self.is_quick {
            known.remember_last(topic, is_allowed);
        } else if !self.rights.depends_on_time {
            known.remember(topic, is_allowed);
        }
        (is_allowed, true)
    }

    /// Why an action was refused, for people.
    pub(crate) fn explain(&self, action: Action, topic: &str, asker: &Asker<'_>) -> String {
        let resource = action.arn(asker.tenant, topic);
        let wish =
            Wish { action: action.name(), resource: &resource, context: &[], now: asker.now };
        let decision: Decision<'_> = self.rights.decide(&wish);
        format!("{} on {resource}: {decision}", action.name())
    }
}

fn is_quick(rights: &Rights) -> bool {
    let patterns = rights.policies.iter().map(|(_, document)| document.plain_patterns());
    patterns.sum::<Option<usize>>().is_some_and(|patterns| patterns <= PATTERNS_MAX)
}

/// For whom, and when, a verdict is asked.
pub(crate) struct Asker<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) now: Timestamp,
}

impl Asker<'_> {
    fn allows(&self, rights: &Rights, action: Action, topic: &str) -> bool {
        let resource = action.arn(self.tenant, topic);
        rights.allows(&Wish {
            action: action.name(),
            resource: &resource,
            context: &[],
            now: self.now,
        })
    }
}

#[cfg(test)]
mod tests {
    use policy::{Dialect, Document};
    use types::TenantId;

    use super::*;
    use crate::fixture;

    const NOON: Timestamp = Timestamp::from_secs(1_767_355_200);

    /// One that holds, and takes time.
    const CONDITION: &str = r#"{"StringNotEquals": {"iot:DomainName": "elsewhere"}}"#;

    /// Rights to do `action` to a topic, under a condition in JSON.
    fn rights(action: &str, resource: &str, condition: &str) -> Rights {
        let arn = fixture::tenant(TenantId(1)).arn("iot", resource);
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",
                "Action": "iot:{action}", "Resource": "{arn}", "Condition": {condition}}}]}}"#
        );
        let document = Document::parse(&text, Dialect::Iot).unwrap();
        let depends_on_time = document.depends_on_time();
        let policies = vec![("p".to_owned(), Arc::new(document))];
        Rights { policies, depends_on_time, ..Rights::default() }
    }

    fn of(rights: Rights) -> (Arc<Permissions>, Verdicts) {
        let permissions = Arc::new(Permissions::new(rights));
        (Arc::clone(&permissions), Verdicts::new(permissions))
    }

    /// On how many topics.
    fn remembered(known: &Option<Box<Known>>) -> usize {
        known.as_ref().map_or(0, |known| known.by_topic.len())
    }

    /// Whether an action is allowed at a time, and whether that had to be found out.
    fn ask(verdicts: &mut Verdicts, action: Action, topic: &str, now: Timestamp) -> (bool, bool) {
        let tenant = fixture::tenant(TenantId(1));
        verdicts.allow_noting(action, topic, &Asker { tenant: &tenant, now })
    }

    #[test]
    fn each_action_is_asked_for_its_own_resource() {
        let table = [
            (Action::Publish, "Publish", "topic/a/+"),
            (Action::Receive, "Receive", "topic/a/+"),
            (Action::Subscribe, "Subscribe", "topicfilter/a/+"),
        ];
        for (_, name, resource) in table {
            let (_, mut verdicts) = of(rights(name, resource, "{}"));
            let allowed = table.map(|(action, ..)| ask(&mut verdicts, action, "a/+", NOON).0);
            assert_eq!(allowed, table.map(|(_, other, _)| other == name));
        }
    }

    #[test]
    fn a_verdict_is_remembered_until_the_permissions_change() {
        for action in [Action::Publish, Action::Receive] {
            let name = action.name().trim_start_matches("iot:");
            let (permissions, mut verdicts) = of(rights(name, "topic/a", CONDITION));
            let mut seen = |topic| ask(&mut verdicts, action, topic, NOON);
            assert_eq!([seen("a"), seen("a")], [(true, true), (true, false)]);
            assert_eq!([seen("b"), seen("b")], [(false, true), (false, false)]);
            permissions.replace(rights(name, "topic/b", CONDITION));
            assert_eq!([seen("a"), seen("b")], [(false, true), (true, true)]);
            assert_eq!([seen("a"), seen("b")], [(false, false), (true, false)]);
        }
    }

    #[test]
    fn the_verdicts_of_one_action_are_not_those_of_another() {
        let (_, mut verdicts) = of(rights("Publish", "topic/a", "{}"));
        assert_eq!(ask(&mut verdicts, Action::Publish, "a", NOON), (true, true));
        assert_eq!(ask(&mut verdicts, Action::Receive, "a", NOON), (false, true));
        assert_eq!(ask(&mut verdicts, Action::Publish, "a", NOON), (true, false));
    }

    #[test]
    fn a_verdict_that_depends_on_the_time_is_not_remembered() {
        let until_noon =
            format!(r#"{{"DateLessThan": {{"aws:CurrentTime": "{}"}}}}"#, NOON.to_rfc3339());
        let (_, mut verdicts) = of(rights("Publish", "topic/a", &until_noon));
        let before = Timestamp::from_secs(NOON.secs() - 1);
        assert_eq!(ask(&mut verdicts, Action::Publish, "a", before), (true, true));
        assert_eq!(ask(&mut verdicts, Action::Publish, "a", NOON), (false, true));
        assert_eq!(ask(&mut verdicts, Action::Publish, "a", before), (true, true));
        assert_eq!(remembered(&verdicts.publish), 0);
    }

    #[test]
    fn so_many_topics_are_remembered_and_no_more() {
        let (_, mut verdicts) = of(rights("Publish", "topic/*", CONDITION));
        for topic in 0..3 * TOPICS_MAX {
            assert!(ask(&mut verdicts, Action::Publish, &topic.to_string(), NOON).0);
            assert!((1..=TOPICS_MAX).contains(&remembered(&verdicts.publish)));
        }
    }

    #[test]
    fn what_plain_patterns_allow_is_not_remembered_and_what_they_refuse_is() {
        let (_, mut verdicts) = of(rights("Publish", "topic/a*", "{}"));
        let mut seen = |topic| ask(&mut verdicts, Action::Publish, topic, NOON);
        assert_eq!(
            ["a1", "b", "a2", "b"].map(&mut seen),
            [(true, true), (false, true), (true, true), (false, false)]
        );
        let known = verdicts.publish.unwrap();
        assert_eq!(known.by_topic.keys().collect::<Vec<_>>(), [&Box::from("b")]);
    }

    #[test]
    fn whoever_needs_no_policy_is_always_allowed_and_nothing_is_remembered() {
        let unlimited = Rights { is_unlimited: true, ..Rights::default() };
        let (permissions, mut verdicts) = of(unlimited);
        for action in [Action::Publish, Action::Receive, Action::Subscribe] {
            assert_eq!(ask(&mut verdicts, action, "a", NOON), (true, false));
        }
        assert_eq!(remembered(&verdicts.publish) + remembered(&verdicts.receive), 0);
        permissions.replace(Rights::default());
        assert_eq!(ask(&mut verdicts, Action::Publish, "a", NOON), (false, true));
    }

    #[test]
    fn an_end_makes_every_verdict_new_as_well() {
        let (permissions, mut verdicts) = of(rights("Publish", "topic/a", "{}"));
        ask(&mut verdicts, Action::Publish, "a", NOON);
        assert!(!verdicts.refresh());
        let detail = String::new();
        permissions.end(service::Refusal { reason: "CERTIFICATE_REVOKED", detail });
        assert!(verdicts.refresh());
        assert_eq!(ask(&mut verdicts, Action::Publish, "a", NOON), (true, true));
    }

    #[test]
    fn a_refusal_names_the_action_and_the_resource() {
        let (_, verdicts) = of(rights("Publish", "topic/a", "{}"));
        let tenant = fixture::tenant(TenantId(1));
        let asker = Asker { tenant: &tenant, now: NOON };
        let why = verdicts.explain(Action::Publish, "b", &asker);
        let resource = tenant.arn("iot", "topic/b");
        assert!(why.starts_with(&format!("iot:Publish on {resource}: ")), "{why}");
    }
}
