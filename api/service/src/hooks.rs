//! How features take part in messages: topics that they serve, messages that they hear, and
//! messages that they send.
//!
//! The broker carries them and never learns who a feature is; a feature never names the broker.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use mqtt::{PublishProperties, QoS, TopicFilter};
use types::{Tenant, Timestamp};

use crate::{ApiError, BoxFuture, Permissions, Principal};

/// What a feature wants of the broker.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Topics that it serves; the first of all features that takes a topic has it.
    pub reserved: Vec<Arc<dyn ReservedTopic>>,
    /// Who hears messages.
    pub taps: Vec<Arc<dyn Tap>>,
}

/// Whoever serves topics that begin with `$`.
pub trait ReservedTopic: Send + Sync {
    /// Whether messages may be published to `topic`, and who has them then.
    fn takes(&self, topic: &str) -> Option<Audience>;

    /// Whether clients may subscribe to `filter`: something that it matches may come.
    fn can_hear(&self, filter: &TopicFilter) -> bool;

    /// Does what a message asks for, and says what its sender is answered. The message is
    /// acknowledged after it. Messages of one connection come one after the other, in order. An
    /// error, one of those that `Publish` has, is told to whoever came over HTTP; over MQTT it is a reason code, and in MQTT 3.1.1
    /// there is no acknowledgement.
    fn handle(&self, message: ReservedMessage) -> BoxFuture<'_, Result<Answer, ApiError>>;
}

/// Who has a message to a reserved topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The service alone: neither subscribers nor taps.
    Service,
    /// Subscribers and taps as well.
    Everybody,
}

/// A message to a reserved topic, which its sender may publish.
#[derive(Clone, Debug)]
pub struct ReservedMessage {
    /// Whose topic it is.
    pub tenant: Tenant,
    /// As published.
    pub topic: String,
    /// As published.
    pub payload: Bytes,
    /// As published.
    pub qos: QoS,
    /// Those of MQTT 5.
    pub properties: Option<Box<PublishProperties>>,
    /// Who published it.
    pub sender: Sender,
    /// When it came.
    pub at: Timestamp,
}

/// Who published a message, as far as that is known.
#[derive(Clone, Default)]
pub struct Sender {
    /// None over HTTP, and for what the server itself has to say.
    pub client_id: Option<String>,
    /// What events and rules call whoever it is.
    pub principal_id: Option<String>,
    /// Whoever it is, over MQTT.
    pub principal: Option<Arc<Principal>>,
    /// What it may do, over MQTT.
    pub permissions: Option<Arc<Permissions>>,
    /// Where it is.
    pub source_ip: Option<IpAddr>,
    /// What else it has asked services and taps for, over MQTT, and is not done yet.
    pub under_way: usize,
    /// How many rules it has come through, one after the other.
    pub hops: u8,
}

/// What the sender of a message is answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Messages to its connection alone, whether it subscribes to them or not; nobody else has
    /// them. Over HTTP there is none to take them.
    pub to_sender: Vec<OutgoingMessage>,
}

/// A message of a feature.
#[derive(Clone, Debug, PartialEq)]
pub struct OutgoingMessage {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// The highest that subscribers get it with.
    pub qos: QoS,
    /// Whether it is kept for later subscribers; not on reserved topics.
    pub retain: bool,
    /// Those of MQTT 5.
    pub properties: Option<Box<PublishProperties>>,
    /// How many rules it has come through, one after the other.
    pub hops: u8,
}

/// Whoever hears messages beside subscribers, such as rules.
pub trait Tap: Send + Sync {
    /// Whether it wants messages of `topic`. Asked for each message: it must be quick.
    fn wants(&self, tenant: &Tenant, topic: &str) -> bool;

    /// Hears a message that it wants, before anybody is told that it was taken. What has to be
    /// done before it is acknowledged is returned; an error of that is the publisher's.
    fn hear(&self, message: &HeardMessage<'_>) -> Option<BoxFuture<'static, Result<(), ApiError>>>;

    /// How many messages of each thread it is shown in a second, whether it wants them or not; a KiB
    /// of payload counts as one more.
    fn samples_per_s(&self) -> u32 {
        0
    }

    /// Is shown a message that somebody publishes. What it keeps of it, it copies: the message may be
    /// a slice of what was read with it.
    fn sample(&self, _: &HeardMessage<'_>) {}
}

/// A message as a tap hears it.
pub struct HeardMessage<'a> {
    /// Whose topic it is.
    pub tenant: &'a Tenant,
    /// As published.
    pub topic: &'a str,
    /// As published; a clone shares it.
    pub payload: &'a Bytes,
    /// As published.
    pub qos: QoS,
    /// Those of MQTT 5.
    pub properties: Option<&'a PublishProperties>,
    /// Who published it.
    pub sender: &'a Sender,
    /// When it came.
    pub at: Timestamp,
}

/// Who would have a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nobody: it need not be made.
    Nobody,
    /// Clients that lose it anyhow if the server ends.
    Connected,
    /// Somebody who has it also after the server has ended: a session that is kept, or a tap.
    Kept,
}

/// Brings messages of features to devices.
pub trait Publisher: Send + Sync {
    /// Who would have a message to `topic` in the space of `tenant` now; everybody might where that
    /// is not known.
    fn reach(&self, _tenant: &Tenant, _topic: &str) -> Reach {
        Reach::Kept
    }

    /// Publishes a message in the space of `tenant`, as if a client had that may. It is safe
    /// wherever it has to be when this returns.
    fn publish<'a>(
        &'a self,
        tenant: &'a Tenant,
        message: OutgoingMessage,
    ) -> BoxFuture<'a, Result<(), ApiError>>;
}

/// Tells of clients that are connected, or were lately.
pub trait Sessions: Send + Sync {
    /// What is known of the client `client_id` of `tenant`, if anything is.
    fn describe(&self, tenant: &Tenant, client_id: &str) -> Option<ClientState>;
}

/// What is known of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientState {
    /// Why it left; none while it is connected.
    pub disconnect_reason: Option<String>,
    /// When it came or left.
    pub since: Timestamp,
    /// The thing that its connection is, or was, bound to.
    pub thing: Option<String>,
    /// Whether it asked for a session without what was kept before.
    pub is_clean: bool,
    /// As granted; not known, as is the next, if the server ended before the client did.
    pub keep_alive_s: Option<u16>,
    /// How long its session is kept without it.
    pub session_expiry_s: u32,
    /// Where it is.
    pub source: Option<SocketAddr>,
    /// Where it came to, if that is known.
    pub target: Option<SocketAddr>,
}

/// Where a part of the server is found that is made after those which use it.
pub struct Slot<T: ?Sized>(OnceLock<Weak<T>>);

impl<T: ?Sized> Slot<T> {
    /// Has `part` found here; the first one stays.
    pub fn set(&self, part: Weak<T>) {
        self.0.get_or_init(|| part);
    }

    /// The part, if it is there.
    pub fn get(&self) -> Option<Arc<T>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

impl<T: ?Sized> Default for Slot<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl Slot<dyn Publisher> {
    /// Who would have a message, as [`Publisher::reach`] says it; everybody might before the
    /// publisher is there.
    pub fn reach(&self, tenant: &Tenant, topic: &str) -> Reach {
        self.get().map_or(Reach::Kept, |publisher| publisher.reach(tenant, topic))
    }

    /// Publishes a message, as [`Publisher::publish`] does.
    pub async fn publish(&self, tenant: &Tenant, message: OutgoingMessage) -> Result<(), ApiError> {
        let publisher = self.get();
        let publisher =
            publisher.ok_or_else(|| ApiError::unavailable("The message broker is not there."))?;
        publisher.publish(tenant, message).await
    }
}

impl OutgoingMessage {
    /// A message of QoS 1 that is not kept.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: None,
            hops: 0,
        }
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { client_id, principal_id, source_ip, .. } = self;
        f.debug_struct("Sender")
            .field("client_id", client_id)
            .field("principal_id", principal_id)
            .field("source_ip", source_ip)
            .finish_non_exhaustive()
    }
}
