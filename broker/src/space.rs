//! One tenant's clients and subscriptions: the space in which its topics have their meaning.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytestring::ByteString;
use mqtt::{HashMatch, SubscriptionOptions, TopicFilter, Version};
use service::{Permissions, Principal};
use types::{Tenant, Timestamp};
use uuid::Uuid;

use crate::departures::{CLIENTS_MAX, Departure, Departures, Facts};
use crate::mailbox::Mailbox;
use crate::subscriptions::Subscriptions;
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
    pub(crate) subscriptions: Subscriptions,
    /// How many retained messages are on their way to it from the store.
    pub(crate) bringing: AtomicUsize,
    /// What lifecycle events call its connection.
    pub(crate) session_id: Uuid,
    /// How many of its connections came before, as far as they are remembered: known from when it
    /// enters its space.
    pub(crate) version_number: u64,
    pub(crate) connected_at: Timestamp,
    /// Whether it asked for a session that ends with its connection.
    pub(crate) is_clean: bool,
    /// As granted.
    pub(crate) keep_alive_s: u16,
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
    clients: Mutex<Clients>,
    topics: RwLock<Trie<Subscriber>>,
    generation: AtomicU64,
}

impl Space {
    pub(crate) fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            clients: Mutex::new(Clients {
                present: HashMap::new(),
                departed: Departures::new(CLIENTS_MAX),
            }),
            topics: RwLock::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Registers `client` under its id, and returns it with the one that had it.
    pub(crate) fn enter(&self, mut client: Client) -> (Arc<Client>, Option<Arc<Client>>) {
        let mut clients = self.clients();
        let departed = clients.departed.take_next_version(&client.id, client.connected_at);
        let present = clients.present.get(&client.id).map(|other| other.version_number + 1);
        client.version_number = present.unwrap_or(departed);
        let client = Arc::new(client);
        let other = clients.present.insert(client.id.clone(), Arc::clone(&client));
        (client, other)
    }

    /// Removes `client`, unless another connection has its id by now.
    pub(crate) fn leave(&self, client: &Client) {
        self.clients().remove(client);
    }

    /// As [`Space::leave`], and takes note of when and why.
    pub(crate) fn leave_because(&self, client: &Client, reason: &'static str, at: Timestamp) {
        let (number, version_number) = (client.number, client.version_number);
        let facts = client.facts();
        let mut clients = self.clients();
        if clients.remove(client) {
            let departure = Departure { number, version_number, at, reason, facts };
            clients.departed.add(client.id.clone(), departure);
        }
    }

    /// The client that is connected with this id.
    pub(crate) fn client(&self, id: &str) -> Option<Arc<Client>> {
        self.clients().present.get(id).cloned()
    }

    /// The end of the last connection with this id, if that is not long ago.
    pub(crate) fn departure(&self, id: &str, now: Timestamp) -> Option<Departure> {
        self.clients().departed.find(id, now).cloned()
    }

    /// Everybody who is connected.
    pub(crate) fn everybody(&self) -> Vec<Arc<Client>> {
        self.clients().present.values().cloned().collect()
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

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is there, and who was.
struct Clients {
    present: HashMap<ByteString, Arc<Client>>,
    departed: Departures,
}

impl Clients {
    fn remove(&mut self, client: &Client) -> bool {
        let present = self.present.get(&client.id);
        let is_present = present.is_some_and(|present| present.number == client.number);
        if is_present {
            self.present.remove(&client.id);
        }
        is_present
    }
}

impl Client {
    /// What is told of it.
    pub(crate) fn facts(&self) -> Facts {
        let knock = &self.principal.knock;
        Facts {
            thing: self.permissions.rights().thing.as_ref().map(|thing| thing.name.clone()),
            is_clean: self.is_clean,
            keep_alive_s: self.keep_alive_s,
            source: knock.peer,
            target: knock.local,
        }
    }
}
