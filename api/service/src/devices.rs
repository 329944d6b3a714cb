//! Devices at the door: who they are and what they may do, as the broker asks.
//!
//! Whoever knows certificates and policies implements [`Authenticator`] and [`PolicySource`]; the
//! broker asks them and never learns their name.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use mqtt::UserProperties;
use policy::{Decision, Document};
use store::Key;
use types::{Tenant, Timestamp};

use crate::BoxFuture;

/// What is known of a connection before its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// The door's name: `mqtts`, `https`, `http` or `mqtt`.
    pub door: &'static str,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Where it came to, if that is known.
    pub local: Option<SocketAddr>,
    /// The host that the client asked for (SNI), in lower case.
    pub server_name: Option<String>,
    /// The DER of the client's certificate. The client has proved that it holds its key, and
    /// nothing else is known of it.
    pub certificate: Option<Bytes>,
}

impl Knock {
    /// Whether the door speaks TLS.
    pub fn is_over_tls(&self) -> bool {
        matches!(self.door, "mqtts" | "https")
    }
}

/// Who a client says it is, in its CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// As sent.
    pub user_name: Option<String>,
    /// As sent.
    pub password: Option<Bytes>,
}

/// Whoever may connect: an X.509 certificate, an access key, or under `--dev` somebody without
/// either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose topics and policies.
    pub tenant: Tenant,
    /// What events and rules call it: a certificate's id, or an access key's account and user.
    pub id: String,
    /// What it is.
    pub kind: PrincipalKind,
    /// How it came. Its certificate is not kept here.
    pub knock: Knock,
}

/// What a principal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A registered certificate, by its ARN.
    Certificate {
        /// `arn:aws:iot:…:cert/…`.
        arn: String,
    },
    /// Whoever signed with an access key, by the key's ARN. Its policy comes with the key.
    Caller {
        /// `arn:aws:iam::…:user/…`.
        arn: String,
    },
    /// Somebody at a plain door under `--dev`, who may do everything.
    Administrator,
    /// Somebody at a plain door under `--dev` who asked for the policy with this name.
    Policy(String),
}

/// Why somebody is not let in, for the device log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A word for it, in the form of AWS's own: `CERTIFICATE_INACTIVE`.
    pub reason: &'static str,
    /// What happened and what to do, in a sentence.
    pub detail: String,
}

/// Says who a client is.
pub trait Authenticator: Send + Sync {
    /// The principal of a client: at once after the handshake where there is a certificate, else
    /// at CONNECT with what it says there.
    fn authenticate<'a>(
        &'a self,
        knock: &'a Knock,
        login: Option<&'a Login>,
    ) -> BoxFuture<'a, Result<Arc<Principal>, Refusal>>;
}

/// Says what a client may do.
pub trait PolicySource: Send + Sync {
    /// What `principal` may do when it connects as `client_id`; over HTTP there is no such id, and
    /// policies find neither it nor a thing. What is returned is kept current for as long as
    /// somebody holds it: a change of a policy, an attachment, a thing or a certificate reaches it
    /// within a second.
    fn permissions<'a>(
        &'a self,
        principal: &'a Arc<Principal>,
        client_id: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<Permissions>, Refusal>>;
}

/// Knows where things are registered.
pub trait Things: Send + Sync {
    /// The key of the record that a thing has for as long as it is registered: a change can require
    /// that it is there.
    fn record_of(&self, tenant: &Tenant, thing: &str) -> Key;
}

/// What a client may do, now and after changes.
pub struct Permissions {
    rights: RwLock<Arc<Rights>>,
    generation: AtomicU64,
    ended: Mutex<Ended>,
}

/// Whether permissions are at their end. Small: every connection has one.
#[derive(Default)]
struct Ended {
    refusal: Option<Box<Refusal>>,
    /// Who wants to know; one for each task that waits.
    wakers: Vec<Waker>,
}

/// What a client may do at one time.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// Whether everything is allowed, and no policy asked.
    pub is_unlimited: bool,
    /// The policies by name, ready to be evaluated.
    pub policies: Vec<(String, Arc<Document>)>,
    /// What is known of the connection: `iot:ClientId`, `aws:SourceIp`, `iot:DomainName`,
    /// `iot:Connection.Thing.…`, `iot:Certificate.…`, each with its values.
    pub context: Vec<(String, Vec<String>)>,
    /// The thing that the connection is bound to.
    pub thing: Option<BoundThing>,
    /// Whether a policy asks for the time, so that no verdict lasts.
    pub depends_on_time: bool,
    /// What is added to all that the client publishes; nothing for most.
    pub user_properties: UserProperties,
}

/// The thing that a connection is bound to (client id = thing name, or exclusive attachment).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundThing {
    /// Its name.
    pub name: String,
    /// Whether the principal belongs to it alone: events then name it.
    pub is_exclusive: bool,
}

/// What a client wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// `iot:Publish` …
    pub action: &'a str,
    /// The ARN of what it is done to.
    pub resource: &'a str,
    /// Keys of this request alone, such as `iot:LastWillTopic`.
    pub context: &'a [(&'a str, &'a [&'a str])],
    /// When.
    pub now: Timestamp,
}

impl Permissions {
    /// Permissions as they are now.
    pub fn new(rights: Rights) -> Self {
        Self {
            rights: RwLock::new(Arc::new(rights)),
            generation: AtomicU64::new(0),
            ended: Mutex::default(),
        }
    }

    /// A number that grows with every change, the end included: a verdict holds as long as it
    /// stands still.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What the client may do now.
    pub fn rights(&self) -> Arc<Rights> {
        Arc::clone(&self.rights.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the client may do from now on.
    pub fn replace(&self, rights: Rights) {
        *self.rights.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rights);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Ends the client's connection: its certificate is no longer good.
    pub fn end(&self, refusal: Refusal) {
        // Under the lock, so that whoever sees the new generation also sees why, and whoever is
        // woken sees the new generation.
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.refusal.get_or_insert_with(|| Box::new(refusal));
        self.generation.fetch_add(1, Ordering::AcqRel);
        let wakers = std::mem::take(&mut ended.wakers);
        drop(ended);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Why the connection has to end, if it has to.
    pub fn ending(&self) -> Option<Refusal> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.refusal.as_deref().cloned()
    }

    /// Ready when the connection has to end, with the reason; until then the task of `cx` is woken
    /// when it has to.
    pub fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Refusal> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refusal) = &ended.refusal {
            return Poll::Ready((**refusal).clone());
        }
        if !ended.wakers.iter().any(|known| known.will_wake(cx.waker())) {
            ended.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Rights {
    /// Decides a wish, and says which statement of which policy did.
    pub fn decide(&self, wish: &Wish<'_>) -> Decision<'_> {
        let documents: Vec<(&str, &Document)> =
            self.policies.iter().map(|(name, document)| (name.as_str(), &**document)).collect();
        let context = WishContext { rights: self, wish };
        let request =
            policy::Request { action: wish.action, resource: wish.resource, context: &context };
        policy::evaluate(&documents, &request)
    }

    /// What each policy alone says to a wish, in their order.
    pub fn decide_each(&self, wish: &Wish<'_>) -> Vec<Decision<'_>> {
        let context = WishContext { rights: self, wish };
        let request =
            policy::Request { action: wish.action, resource: wish.resource, context: &context };
        let policies = self.policies.iter();
        let alone = policies.map(|(name, document)| [(name.as_str(), &**document)]);
        alone.map(|policy| policy::evaluate(&policy, &request)).collect()
    }

    /// The keys and variables that the policies look for and that nobody has given a value, by
    /// name.
    pub fn missing(&self, wish: &Wish<'_>) -> Vec<&str> {
        let context = WishContext { rights: self, wish };
        let request =
            policy::Request { action: wish.action, resource: wish.resource, context: &context };
        policy::missing(self.policies.iter().map(|(_, document)| &**document), &request)
    }

    /// What is missing for a wish to be granted, in sentences.
    pub fn hints(&self, wish: &Wish<'_>) -> Vec<String> {
        let documents: Vec<(&str, &Document)> =
            self.policies.iter().map(|(name, document)| (name.as_str(), &**document)).collect();
        let context = WishContext { rights: self, wish };
        let request =
            policy::Request { action: wish.action, resource: wish.resource, context: &context };
        policy::hints(&documents, &request)
    }

    /// Whether a wish is granted.
    pub fn allows(&self, wish: &Wish<'_>) -> bool {
        if self.is_unlimited {
            return true;
        }
        let context = WishContext { rights: self, wish };
        let request =
            policy::Request { action: wish.action, resource: wish.resource, context: &context };
        policy::allows(self.policies.iter().map(|(_, document)| &**document), &request)
    }
}

/// The keys of a connection and those of one request.
struct WishContext<'a> {
    rights: &'a Rights,
    wish: &'a Wish<'a>,
}

impl policy::Context for WishContext<'_> {
    fn values(&self, key: &str) -> Option<Cow<'_, [Cow<'_, str>]>> {
        if let Some((_, values)) = self.wish.context.iter().find(|(name, _)| is_key(name, key)) {
            return Some(values.iter().map(|value| Cow::Borrowed(*value)).collect());
        }
        if let Some((_, values)) = self.rights.context.iter().find(|(name, _)| is_key(name, key)) {
            return Some(values.iter().map(|value| Cow::Borrowed(value.as_str())).collect());
        }
        let now = self.wish.now;
        let time = match key {
            _ if is_key(key, "aws:CurrentTime") => now.to_rfc3339(),
            _ if is_key(key, "aws:EpochTime") => (now.millis() / 1000).to_string(),
            _ => return None,
        };
        Some(Cow::Owned(vec![Cow::Owned(time)]))
    }
}

fn is_key(name: &str, key: &str) -> bool {
    name.eq_ignore_ascii_case(key)
}
