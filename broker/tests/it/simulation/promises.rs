//! What was published, who was promised it, and what came.

use std::collections::{HashMap, HashSet};

use mqtt::QoS;

/// A message, as its payload names it.
pub(super) type Number = usize;

#[derive(Debug)]
struct Sent {
    source: &'static str,
    topic: &'static str,
    qos: QoS,
    /// Who had subscribed for good when it was first sent.
    owed_to: HashSet<&'static str>,
    is_acknowledged: bool,
    /// Whether it was sent once more: then it may come late.
    is_again: bool,
}

/// What the test knows.
pub(super) struct Promises {
    sent: Vec<Sent>,
    /// Who has received what, in order.
    received: HashMap<&'static str, Vec<Number>>,
    subscribers: HashSet<&'static str>,
    keeps_order: bool,
    events: usize,
}

/// The members of the one group.
const GROUP: [&str; 2] = ["kept", "clean"];

impl Promises {
    pub(super) fn new(keeps_order: bool) -> Self {
        Self {
            sent: Vec::new(),
            received: HashMap::new(),
            subscribers: HashSet::new(),
            keeps_order,
            events: 0,
        }
    }

    /// Grows with everything that happens.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    pub(super) fn subscribed(&mut self, who: &'static str) {
        self.events += 1;
        self.subscribers.insert(who);
    }

    /// The session of `who` has ended, and nothing is owed to it.
    pub(super) fn ended(&mut self, who: &'static str) {
        self.events += 1;
        self.subscribers.remove(who);
        for sent in &mut self.sent {
            sent.owed_to.remove(who);
        }
    }

    pub(super) fn publish(
        &mut self,
        source: &'static str,
        topic: &'static str,
        qos: QoS,
    ) -> Number {
        self.events += 1;
        let owed_to = self.subscribers.clone();
        self.sent.push(Sent {
            source,
            topic,
            qos,
            owed_to,
            is_acknowledged: false,
            is_again: false,
        });
        self.sent.len() - 1
    }

    pub(super) fn sent_again(&mut self, number: Number) {
        self.sent[number].is_again = true;
    }

    pub(super) fn acknowledged(&mut self, number: Number) {
        self.events += 1;
        self.sent[number].is_acknowledged = true;
    }

    pub(super) fn received(&mut self, who: &'static str, number: Number) {
        self.events += 1;
        self.received.entry(who).or_default().push(number);
        assert!(
            who != "barred" || self.sent[number].topic != super::SECRET,
            "{number} must not come to {who}"
        );
    }

    /// Holds that all was delivered that was promised.
    pub(super) fn check(&self) {
        for (number, sent) in self.sent.iter().enumerate() {
            if sent.qos != QoS::AtMostOnce && sent.is_acknowledged {
                self.check_arrival(number, sent);
            }
        }
        for who in ["ear", "barred"] {
            self.check_order(who);
        }
        self.check_once("ear");
    }

    fn has(&self, who: &str, number: Number) -> bool {
        self.received.get(who).is_some_and(|received| received.contains(&number))
    }

    fn check_arrival(&self, number: Number, sent: &Sent) {
        for who in ["ear", "barred"] {
            let is_owed =
                sent.owed_to.contains(who) && !(who == "barred" && sent.topic == super::SECRET);
            assert!(!is_owed || self.has(who, number), "{number} {sent:?} is lost for {who}");
        }
        let is_owed = sent.owed_to.contains("kept");
        let has_come = GROUP.iter().any(|who| self.has(who, number));
        assert!(!is_owed || has_come, "{number} {sent:?} is lost for the group");
    }

    /// What was acknowledged at once came in order, by its first copy.
    fn check_order(&self, who: &str) {
        let mut last: HashMap<(&str, &str), Number> = HashMap::new();
        let mut seen = HashSet::new();
        for number in self.received.get(who).into_iter().flatten() {
            let sent = &self.sent[*number];
            let counts = sent.qos != QoS::AtMostOnce && sent.is_acknowledged && !sent.is_again;
            if !(self.keeps_order && counts && seen.insert(*number)) {
                continue;
            }
            let last = last.entry((sent.source, sent.topic)).or_default();
            assert!(*last <= *number, "{number} comes to {who} after {last}");
            *last = *number;
        }
    }

    fn check_once(&self, who: &str) {
        let mut seen = HashSet::new();
        for number in self.received.get(who).into_iter().flatten() {
            let is_first = seen.insert(*number);
            let sent = &self.sent[*number];
            assert!(is_first || sent.qos != QoS::ExactlyOnce, "{number} {sent:?} comes twice");
        }
    }
}
