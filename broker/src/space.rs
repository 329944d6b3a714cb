//! One tenant's clients and subscriptions: the space in which its topics have their meaning.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytestring::ByteString;
use mqtt::{HashMatch, SubscriptionOptions, TopicFilter, Version};
use service::{Permissions, Principal};
use types::Tenant;

use crate::mailbox::Mailbox;
use crate::trie::Trie;

/// What `#` matches: AWS differs from the standard.
const HASH: HashMatch = HashMatch::ChildrenOnly;

/// A client that is connected, as others see it.
pub(crate) struct Client {
    /// Given out once for each connection; never 0.
    pub(crate) number: u64,
    pub(crate) id: ByteString,
    pub(crate) version: Version,
    pub(crate) principal: Arc<Principal>,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) mailbox: Mailbox,
}

/// A client and how it subscribes.
#[derive(Clone)]
pub(crate) struct Subscriber {
    pub(crate) client: Arc<Client>,
    pub(crate) options: SubscriptionOptions,
}

/// One tenant's clients and subscriptions.
///
/// Locks: `clients` before `topics`; neither is held while a mailbox is locked.
pub(crate) struct Space {
    pub(crate) tenant: Tenant,
    clients: Mutex<HashMap<ByteString, Arc<Client>>>,
    topics: RwLock<Trie<Subscriber>>,
    generation: AtomicU64,
}

impl Space {
    pub(crate) fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            clients: Mutex::default(),
            topics: RwLock::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Registers `client` under its id, and returns the one that had it.
    pub(crate) fn enter(&self, client: &Arc<Client>) -> Option<Arc<Client>> {
        self.clients().insert(client.id.clone(), Arc::clone(client))
    }

    /// Removes `client`, unless another connection has its id by now.
    pub(crate) fn leave(&self, client: &Client) {
        let mut clients = self.clients();
        if clients.get(&client.id).is_some_and(|present| present.number == client.number) {
            clients.remove(&client.id);
        }
    }

    /// The client that is connected with this id.
    pub(crate) fn client(&self, id: &str) -> Option<Arc<Client>> {
        self.clients().get(id).cloned()
    }

    /// Everybody who is connected.
    pub(crate) fn everybody(&self) -> Vec<Arc<Client>> {
        self.clients().values().cloned().collect()
    }

    pub(crate) fn subscribe(&self, filter: &TopicFilter, subscriber: Subscriber) {
        let number = subscriber.client.number;
        self.change(|topics| topics.insert(filter, number, subscriber));
    }

    pub(crate) fn unsubscribe<'f>(
        &self,
        filters: impl IntoIterator<Item = &'f TopicFilter>,
        client: &Client,
    ) {
        self.change(|topics| {
            for filter in filters {
                topics.remove(filter, client.number);
            }
        });
    }

    /// A number that changes with every subscription: what matched holds as long as it stands
    /// still.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Who receives `topic`, each client once, with the highest of its QoS.
    pub(crate) fn subscribers(&self, topic: &str) -> Vec<Subscriber> {
        let mut found: Vec<(u64, Subscriber)> = Vec::new();
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.matches(topic, HASH, &mut |number, subscriber| {
            found.push((number, subscriber.clone()));
        });
        drop(topics);
        if !found.is_sorted_by(|a, b| a.0 < b.0) {
            found.sort_by_key(|(number, subscriber)| {
                (*number, std::cmp::Reverse(subscriber.options.qos))
            });
            found.dedup_by(|(number, lower), (kept, subscriber)| {
                let is_same = number == kept;
                if is_same {
                    // One filter without the client's own messages does not hide one with them.
                    subscriber.options.no_local &= lower.options.no_local;
                }
                is_same
            });
        }
        found.into_iter().map(|(_, subscriber)| subscriber).collect()
    }

    fn change(&self, act: impl FnOnce(&mut Trie<Subscriber>)) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        act(&mut topics);
        // Under the lock: whoever sees the new number finds the new subscriptions.
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<ByteString, Arc<Client>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
