//! Who received a topic lately, remembered by each thread for as long as nobody subscribes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::space::{Space, Subscriber};

/// Topics remembered by a thread; beyond that all are forgotten.
const TOPICS_MAX: usize = 4096;
/// Subscribers remembered by a thread, over all its topics.
const SUBSCRIBERS_MAX: usize = 65_536;

/// The subscribers of topics, by space.
#[derive(Default)]
pub(crate) struct Matches {
    spaces: HashMap<u32, OfSpace>,
    topics: usize,
    subscribers: usize,
}

#[derive(Default)]
struct OfSpace {
    generation: u64,
    topics: HashMap<Box<str>, Arc<[Subscriber]>>,
}

impl Matches {
    /// Who receives `topic` now.
    pub(crate) fn of(&mut self, space: &Space, topic: &str) -> Arc<[Subscriber]> {
        let generation = space.generation();
        let known = self.spaces.entry(space.tenant.id.0).or_default();
        if known.generation != generation {
            self.topics -= known.topics.len();
            self.subscribers -= known.topics.values().map(|s| s.len()).sum::<usize>();
            known.topics.clear();
            known.generation = generation;
        }
        if let Some(subscribers) = known.topics.get(topic) {
            return Arc::clone(subscribers);
        }
        // Read after the generation: what is newer than that is looked up once too often.
        let subscribers: Arc<[Subscriber]> = space.subscribers(topic).into();
        if self.topics >= TOPICS_MAX || self.subscribers + subscribers.len() > SUBSCRIBERS_MAX {
            self.spaces.clear();
            (self.topics, self.subscribers) = (0, 0);
        }
        let known = self.spaces.entry(space.tenant.id.0).or_default();
        known.generation = generation;
        known.topics.insert(topic.into(), Arc::clone(&subscribers));
        self.topics += 1;
        self.subscribers += subscribers.len();
        subscribers
    }
}
