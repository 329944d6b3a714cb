//! Who received a topic lately, remembered by each thread for as long as nobody subscribes.
//!
//! A topic is remembered when it comes again: one that does not would only drive others out.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::space::{Space, Subscriber};

/// Topics remembered by a thread; beyond that all are forgotten.
const TOPICS_MAX: usize = 4096;
/// Subscribers remembered by a thread, over all its topics.
const SUBSCRIBERS_MAX: usize = 65_536;
/// Places in which a topic leaves its trace.
const TRACES: usize = 4096;

/// The subscribers of topics, by space.
#[derive(Default)]
pub(crate) struct Matches {
    spaces: HashMap<u32, OfSpace, RandomState>,
    topics: usize,
    subscribers: usize,
    traces: Traces,
}

#[derive(Default)]
struct OfSpace {
    /// Which one it is: a server after another has the same tenants.
    identity: Option<Arc<()>>,
    generation: u64,
    topics: HashMap<Box<str>, Arc<[Subscriber]>, RandomState>,
}

impl Matches {
    /// Who receives `topic` now.
    pub(crate) fn of(&mut self, space: &Space, topic: &str) -> Arc<[Subscriber]> {
        let generation = space.generation();
        let known = self.spaces.entry(space.tenant.id.0).or_default();
        let is_known = known.identity.as_ref().is_some_and(|it| Arc::ptr_eq(it, &space.identity));
        if known.generation != generation || !is_known {
            self.topics -= known.topics.len();
            self.subscribers -= known.topics.values().map(|s| s.len()).sum::<usize>();
            known.topics.clear();
            known.generation = generation;
            known.identity = Some(Arc::clone(&space.identity));
        }
        if let Some(subscribers) = known.topics.get(topic) {
            return Arc::clone(subscribers);
        }
        // Read after the generation: what is newer than that is looked up once too often.
        let subscribers: Arc<[Subscriber]> = space.subscribers(topic).into();
        if !self.traces.is_there_again(topic) {
            return subscribers;
        }
        if self.topics >= TOPICS_MAX || self.subscribers + subscribers.len() > SUBSCRIBERS_MAX {
            self.spaces.clear();
            (self.topics, self.subscribers) = (0, 0);
        }
        let known = self.spaces.entry(space.tenant.id.0).or_default();
        known.generation = generation;
        known.identity = Some(Arc::clone(&space.identity));
        known.topics.insert(topic.into(), Arc::clone(&subscribers));
        self.topics += 1;
        self.subscribers += subscribers.len();
        subscribers
    }
}

/// Which topics came lately, as their hashes. One that is forgotten for another with the same place
/// is new once more.
#[derive(Default)]
struct Traces {
    hasher: RandomState,
    /// As many as there are places, once a topic has come.
    hashes: Vec<u64>,
}

impl Traces {
    /// Whether `topic` came lately; from now on it did.
    fn is_there_again(&mut self, topic: &str) -> bool {
        let hash = self.hasher.hash_one(topic);
        self.hashes.resize(TRACES, 0);
        let place = usize::try_from(hash % TRACES as u64).unwrap_or_default();
        std::mem::replace(&mut self.hashes[place], hash) == hash
    }
}

#[cfg(test)]
mod tests {
    use mqtt::{HashMatch, QoS, TopicFilter};
    use service::Limits;
    use types::TenantId;

    use super::*;
    use crate::space::Client;

    fn space(tenant: u32) -> Space {
        let tenant = crate::fixture::tenant(TenantId(tenant));
        Space::new(tenant, HashMatch::ChildrenOnly, &Limits::default(), &Arc::default())
    }

    /// Subscribes `client` to `filter`, without taking note of it in any cache.
    fn subscribe(space: &Space, client: &Arc<Client>, filter: &str, qos: QoS) {
        let held = crate::fixture::held(filter, qos);
        space.subscribe([(&held.filter, held.subscription(client.recipient()))]);
    }

    /// The numbers of those who receive `topic`.
    fn numbers(matches: &mut Matches, space: &Space, topic: &str) -> Vec<u64> {
        matches.of(space, topic).iter().map(|subscriber| subscriber.to.number()).collect()
    }

    #[test]
    fn what_was_found_is_remembered_until_somebody_subscribes() {
        let (space, mut matches) = (space(1), Matches::default());
        let one = crate::fixture::client(1);
        subscribe(&space, &one, "a/+", QoS::AtMostOnce);
        let [first, again, known] = [(); 3].map(|()| matches.of(&space, "a/b"));
        assert!(!Arc::ptr_eq(&first, &again) && Arc::ptr_eq(&again, &known));
        subscribe(&space, &crate::fixture::client(2), "a/b", QoS::AtMostOnce);
        assert_eq!(numbers(&mut matches, &space, "a/b"), [1, 2]);
        space.unsubscribe([&TopicFilter::parse("a/+".into()).unwrap()], one.number);
        assert_eq!(numbers(&mut matches, &space, "a/b"), [2]);
        assert!(numbers(&mut matches, &space, "a/c").is_empty());
    }

    #[test]
    fn spaces_do_not_share_what_is_remembered() {
        let (here, there, mut matches) = (space(1), space(2), Matches::default());
        subscribe(&here, &crate::fixture::client(1), "t", QoS::AtMostOnce);
        subscribe(&there, &crate::fixture::client(2), "t", QoS::AtMostOnce);
        for _ in 0..2 {
            assert_eq!(numbers(&mut matches, &here, "t"), [1]);
            assert_eq!(numbers(&mut matches, &there, "t"), [2]);
        }
    }

    #[test]
    fn what_was_found_is_not_found_for_the_same_tenant_of_another_server() {
        let (before, after, mut matches) = (space(1), space(1), Matches::default());
        for (space, number) in [(&before, 1), (&after, 2)] {
            subscribe(space, &crate::fixture::client(number), "t", QoS::AtMostOnce);
            assert_eq!(numbers(&mut matches, space, "t"), [number]);
        }
    }

    #[test]
    fn so_many_topics_are_remembered_and_no_more() {
        let (space, mut matches) = (space(1), Matches::default());
        subscribe(&space, &crate::fixture::client(1), "#", QoS::AtMostOnce);
        for topic in 0..3 * TOPICS_MAX {
            let topic = topic.to_string();
            assert_eq!([(); 2].map(|()| numbers(&mut matches, &space, &topic)), [[1], [1]]);
            assert!(matches.topics <= TOPICS_MAX);
            let remembered: usize = matches.spaces.values().map(|known| known.topics.len()).sum();
            assert_eq!((remembered, remembered), (matches.topics, matches.subscribers));
        }
    }

    #[test]
    fn so_many_subscribers_are_remembered_and_one_topic_more() {
        let (space, mut matches) = (space(1), Matches::default());
        for number in 1..=1000 {
            subscribe(&space, &crate::fixture::client(number), "#", QoS::AtMostOnce);
        }
        for topic in (0..400).map(|number| number / 2) {
            assert_eq!(matches.of(&space, &topic.to_string()).len(), 1000);
            assert!(matches.subscribers <= SUBSCRIBERS_MAX);
        }
        subscribe(&space, &crate::fixture::client(1001), "x", QoS::AtMostOnce);
        assert_eq!([(); 2].map(|()| matches.of(&space, "x").len()), [1001; 2]);
        assert_eq!((matches.topics, matches.subscribers), (1, 1001), "what is old is not counted");
    }

    #[test]
    fn each_client_is_found_once_with_its_highest_qos() {
        let (space, mut matches) = (space(1), Matches::default());
        let (one, two) = (crate::fixture::client(1), crate::fixture::client(2));
        subscribe(&space, &two, "a/b", QoS::AtMostOnce);
        subscribe(&space, &one, "a/#", QoS::AtMostOnce);
        subscribe(&space, &one, "a/+", QoS::AtLeastOnce);
        subscribe(&space, &one, "a/b", QoS::AtMostOnce);
        let found = matches.of(&space, "a/b");
        let found: Vec<_> = found.iter().map(|s| (s.to.number(), s.options.qos)).collect();
        assert_eq!(found, [(1, QoS::AtLeastOnce), (2, QoS::AtMostOnce)]);
    }
}
