//! One tenant's clients and subscriptions: the space in which its topics have their meaning.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytestring::ByteString;
use foldhash::quality::RandomState;
use mqtt::{Filters, HashMatch, Holder, QoS, SubscriptionOptions, TopicFilter, Version};
use service::{Limits, Permissions, Principal, Reach};
use types::{Tenant, Timestamp};
use uuid::Uuid;

use crate::departures::{CLIENTS_MAX, Departure, Departures, Facts};
use crate::groups::{Group, Groups};
use crate::mailbox::{Delivery, Mailbox};
use crate::message::Message;
use crate::persistent::Persistent;
use crate::quotas::Quotas;
use crate::routing::Routing;
use crate::subscriptions::{Subscriptions, Terms};

/// How many clients with different ids may come in at once, at best.
const DOORS: usize = 256;

/// A client that is connected, as others see it.
pub(crate) struct Client {
    /// Given out once for each connection; never 0.
    pub(crate) number: u64,
    pub(crate) id: ByteString,
    pub(crate) version: Version,
    pub(crate) principal: Arc<Principal>,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) mailbox: Mailbox,
    pub(crate) subscriptions: Arc<Subscriptions>,
    /// What is kept of it when its connection ends.
    pub(crate) kept: Option<Arc<Persistent>>,
    /// How many retained messages are on their way to it from the store.
    pub(crate) bringing: AtomicUsize,
    /// What it has asked services and taps for that is not done yet.
    pub(crate) asked: AtomicUsize,
    /// What lifecycle events call its connection.
    pub(crate) session_id: Uuid,
    /// How many of its connections came before, as far as they are remembered: known from when it
    /// enters its space.
    pub(crate) version_number: u64,
    pub(crate) connected_at: Timestamp,
    /// Whether it asked for a session of its own, without what was kept before.
    pub(crate) is_clean: bool,
    /// As granted.
    pub(crate) keep_alive_s: u16,
}

/// Whom a subscription brings messages to.
#[derive(Clone)]
pub(crate) enum Recipient {
    /// A client whose session ends with its connection.
    Client(Arc<Client>),
    /// A session, whether its client is connected or not.
    Session(Arc<Persistent>),
    /// One member of a group.
    Group(Arc<Group>),
}

/// A recipient and how it subscribes, as it is kept.
pub(crate) struct Subscription {
    pub(crate) to: Recipient,
    pub(crate) terms: Terms,
}

/// A recipient of a topic.
#[derive(Clone)]
pub(crate) struct Subscriber {
    pub(crate) to: Recipient,
    pub(crate) options: SubscriptionOptions,
    /// The subscription identifiers that it is to be told.
    pub(crate) ids: Option<Arc<Vec<u32>>>,
}

impl Recipient {
    /// What distinguishes it from all others.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Client(client) => client.number,
            Self::Session(session) => session.number,
            Self::Group(group) => group.number,
        }
    }
}

impl Holder for Subscription {
    fn number(&self) -> u64 {
        self.to.number()
    }
}

impl Subscription {
    fn subscriber(&self) -> Subscriber {
        let Terms { options, id } = self.terms;
        Subscriber { to: self.to.clone(), options, ids: id.map(|id| Arc::new(vec![id.get()])) }
    }
}

impl Subscriber {
    /// Whether it has a message also after the server has ended.
    pub(crate) fn reach(&self) -> Reach {
        match &self.to {
            Recipient::Client(_) => Reach::Connected,
            Recipient::Session(_) | Recipient::Group(_) if self.options.qos == QoS::AtMostOnce => {
                Reach::Connected
            }
            Recipient::Session(_) | Recipient::Group(_) => Reach::Kept,
        }
    }

    /// `message` as this subscription brings it.
    pub(crate) fn delivery(&self, message: &Arc<Message>) -> Delivery {
        Delivery {
            message: Arc::clone(message),
            qos: message.qos.min(self.options.qos),
            retain: message.retain && self.options.retain_as_published,
            ids: self.ids.clone(),
            queued: None,
        }
    }

    /// Takes over what another subscription of the same recipient is about.
    fn merge(&mut self, lower: &Self) {
        // One filter without the client's own messages does not hide one with them.
        self.options.no_local &= lower.options.no_local;
        self.ids = match (self.ids.take(), &lower.ids) {
            (Some(one), Some(other)) => {
                Some(Arc::new(one.iter().chain(&**other).copied().collect()))
            }
            (one, other) => one.or_else(|| other.clone()),
        };
    }
}

/// One tenant's clients and subscriptions.
///
/// Locks: `clients` before `topics`; neither is held while a queue or a mailbox is locked.
pub(crate) struct Space {
    pub(crate) tenant: Tenant,
    /// Nothing but itself: what is remembered of this space is of no other.
    pub(crate) identity: Arc<()>,
    pub(crate) groups: Groups,
    pub(crate) quotas: Quotas,
    pub(crate) routing: Arc<Routing>,
    hash: HashMatch,
    doors: Box<[tokio::sync::Mutex<()>]>,
    hasher: RandomState,
    clients: Mutex<Clients>,
    sessions: Mutex<HashMap<ByteString, Arc<Persistent>, RandomState>>,
    topics: RwLock<Filters<Subscription>>,
    generation: AtomicU64,
}

impl Space {
    /// An empty space, where `a/#` matches what `hash` says, with the rates of `limits`, and
    /// `routing` for what has more than subscribers.
    pub(crate) fn new(
        tenant: Tenant,
        hash: HashMatch,
        limits: &Limits,
        routing: &Arc<Routing>,
    ) -> Self {
        Self {
            tenant,
            identity: Arc::default(),
            groups: Groups::default(),
            quotas: Quotas::new(limits),
            routing: Arc::clone(routing),
            hash,
            doors: std::iter::repeat_with(tokio::sync::Mutex::default).take(DOORS).collect(),
            hasher: RandomState::default(),
            sessions: Mutex::default(),
            clients: Mutex::new(Clients {
                present: HashMap::default(),
                departed: Departures::new(CLIENTS_MAX),
            }),
            topics: RwLock::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Where those who come with the same id wait for each other.
    pub(crate) fn door(&self, id: &str) -> &tokio::sync::Mutex<()> {
        let hash = usize::try_from(self.hasher.hash_one(id) >> 1).unwrap_or_default();
        &self.doors[hash % DOORS]
    }

    /// Whether somebody with this id may come in where `most` may be.
    pub(crate) fn has_room_for(&self, id: &str, most: usize) -> bool {
        let clients = self.clients();
        clients.present.len() < most || clients.present.contains_key(id)
    }

    /// Registers `client` under its id.
    pub(crate) fn enter(&self, mut client: Client) -> Arc<Client> {
        let mut clients = self.clients();
        let departed = clients.departed.take_next_version(&client.id, client.connected_at);
        let present = clients.present.get(&client.id).map(|other| other.version_number + 1);
        let kept = client.kept.as_ref().and_then(|session| session.left());
        let kept = kept.map_or(0, |left| left.version_number + 1);
        client.version_number = present.unwrap_or(departed).max(kept);
        let client = Arc::new(client);
        clients.present.insert(client.id.clone(), Arc::clone(&client));
        client
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
            let departure = Departure { number, version_number, at, reason: reason.into(), facts };
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

    pub(crate) fn subscribe<'f>(
        &self,
        subscriptions: impl IntoIterator<Item = (&'f TopicFilter, Subscription)>,
    ) {
        self.change(|topics| {
            for (filter, subscription) in subscriptions {
                topics.insert(filter, subscription);
            }
        });
    }

    pub(crate) fn unsubscribe<'f>(
        &self,
        filters: impl IntoIterator<Item = &'f TopicFilter>,
        holder: u64,
    ) {
        self.change(|topics| {
            for filter in filters {
                topics.remove(filter, holder);
            }
        });
    }

    /// The session that is kept for the client `id`.
    pub(crate) fn session(&self, id: &str) -> Option<Arc<Persistent>> {
        self.sessions().get(id).cloned()
    }

    pub(crate) fn session_count(&self) -> usize {
        self.sessions().len()
    }

    pub(crate) fn all_sessions(&self) -> Vec<Arc<Persistent>> {
        self.sessions().values().cloned().collect()
    }

    /// Keeps `session` under its client's id.
    pub(crate) fn add_session(&self, session: Arc<Persistent>) {
        self.sessions().insert(session.client_id.clone(), session);
    }

    /// Keeps `session` no more, unless another has its place by now.
    pub(crate) fn remove_session(&self, session: &Persistent) {
        let mut sessions = self.sessions();
        if sessions.get(&session.client_id).is_some_and(|there| there.number == session.number) {
            sessions.remove(&session.client_id);
        }
    }

    /// A number that changes with every subscription: what matched holds as long as it stands
    /// still.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Who receives `topic`, each client once, with the highest of its QoS.
    pub(crate) fn subscribers(&self, topic: &str) -> Vec<Subscriber> {
        let mut found: Vec<Subscriber> = Vec::new();
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.matches(topic, self.hash, &mut |subscription| found.push(subscription.subscriber()));
        drop(topics);
        if !found.is_sorted_by(|a, b| a.to.number() < b.to.number()) {
            found.sort_by_key(|subscriber| {
                (subscriber.to.number(), std::cmp::Reverse(subscriber.options.qos))
            });
            found.dedup_by(|lower, kept| {
                let is_same = lower.to.number() == kept.to.number();
                if is_same {
                    kept.merge(lower);
                }
                is_same
            });
        }
        found
    }

    fn change(&self, act: impl FnOnce(&mut Filters<Subscription>)) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        act(&mut topics);
        // Under the lock: whoever sees the new number finds the new subscriptions.
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<ByteString, Arc<Persistent>, RandomState>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is there, and who was.
struct Clients {
    present: HashMap<ByteString, Arc<Client>, RandomState>,
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
    /// The number under which it subscribes: its session's, if that is kept.
    pub(crate) fn holder(&self) -> u64 {
        self.kept.as_ref().map_or(self.number, |session| session.number)
    }

    /// Itself as a recipient.
    pub(crate) fn recipient(self: &Arc<Self>) -> Recipient {
        match &self.kept {
            Some(session) => Recipient::Session(Arc::clone(session)),
            None => Recipient::Client(Arc::clone(self)),
        }
    }

    /// What is told of it.
    pub(crate) fn facts(&self) -> Facts {
        let knock = &self.principal.knock;
        Facts {
            thing: self.permissions.rights().thing.as_ref().map(|thing| thing.name.clone()),
            is_clean: self.is_clean,
            keep_alive_s: Some(self.keep_alive_s),
            source: Some(knock.peer),
            target: knock.local,
        }
    }
}
