//! Who has a message beside its subscribers: the service of a reserved topic, and taps.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytestring::ByteString;
use env::TaskKind;
use mqtt::{TopicFilter, reason};
use service::{
    Answer, ApiError, App, Audience, BoxFuture, HeardMessage, Hooks, OutgoingMessage,
    ReservedMessage, ReservedTopic, Sender, Tap,
};
use types::{Tenant, Timestamp};

use crate::lifecycle;
use crate::mailbox::{Delivery, Posted};
use crate::message::Message;
use crate::owed::Owed;
use crate::session::Session;
use crate::space::{Client, Space};

/// Topics that begin so belong to services; on AWS. In the standard's dialect those that begin with
/// `$aws/` do.
pub(crate) const RESERVED: char = '$';
const RESERVED_BY_STANDARD: &str = "$aws/";

/// The features' part in messages, as far as it is known by now.
#[derive(Default)]
pub(crate) struct Routing {
    hooks: OnceLock<Hooks>,
    /// The most that a tap is shown of each thread.
    samples_per_s: AtomicU32,
    is_standard: bool,
}

/// What is to be done with a message before it is acknowledged.
pub(crate) struct Route {
    /// Whether its subscribers have it.
    pub(crate) is_heard: bool,
    works: Vec<Work>,
}

type Doing = BoxFuture<'static, Result<Answer, ApiError>>;

/// Something to be done for a message.
enum Work {
    /// After what the same client has asked for before.
    InOrder(Doing),
    AtOnce(Doing),
}

impl Routing {
    /// Without features yet.
    pub(crate) fn new(is_standard: bool) -> Self {
        Self { is_standard, ..Self::default() }
    }

    /// Whether `topic`, or a filter, is for services alone.
    pub(crate) fn is_reserved(&self, topic: &str) -> bool {
        topic.starts_with(RESERVED)
            && (!self.is_standard || topic.starts_with(RESERVED_BY_STANDARD))
    }

    /// Has features take part; only the first call counts.
    pub(crate) fn set(&self, hooks: Hooks) {
        let hooks = self.hooks.get_or_init(|| hooks);
        let samples = hooks.taps.iter().map(|tap| tap.samples_per_s()).max().unwrap_or_default();
        self.samples_per_s.store(samples, Ordering::Relaxed);
    }

    /// How many messages taps are shown of each thread in a second.
    pub(crate) fn samples_per_s(&self) -> u32 {
        self.samples_per_s.load(Ordering::Relaxed)
    }

    /// Whoever hears messages beside subscribers.
    pub(crate) fn taps(&self) -> &[Arc<dyn Tap>] {
        self.hooks.get().map_or(&[], |hooks| &hooks.taps)
    }

    /// Who serves `topic`, and who else has it.
    pub(crate) fn server(&self, topic: &str) -> Option<(&Arc<dyn ReservedTopic>, Audience)> {
        let hooks = self.hooks.get()?;
        hooks.reserved.iter().find_map(|server| Some((server, server.takes(topic)?)))
    }

    /// Whether anything ever comes that `filter`, which begins with `$`, matches.
    pub(crate) fn can_hear(&self, filter: &TopicFilter) -> bool {
        lifecycle::can_hear(filter)
            || self
                .hooks
                .get()
                .is_some_and(|hooks| hooks.reserved.iter().any(|s| s.can_hear(filter)))
    }

    /// Whether a tap wants messages of `topic`.
    pub(crate) fn is_tapped(&self, tenant: &Tenant, topic: &str) -> bool {
        self.taps().iter().any(|tap| tap.wants(tenant, topic))
    }

    /// Lets taps hear a message, and says what they have to do before it is acknowledged.
    fn tap(&self, message: &HeardMessage<'_>) -> impl Iterator<Item = Work> {
        self.taps().iter().filter_map(|tap| {
            if !tap.wants(message.tenant, message.topic) {
                return None;
            }
            let keeps = tap.hear(message)?;
            Some(Work::AtOnce(Box::pin(async move { keeps.await.map(|()| Answer::default()) })))
        })
    }
}

impl Space {
    /// Whether anybody has messages of `topic` beside its subscribers.
    pub(crate) fn is_routed(&self, topic: &str) -> bool {
        topic.starts_with(RESERVED) || self.routing.is_tapped(&self.tenant, topic)
    }

    /// Who has `message` beside its subscribers; none if it is theirs alone, as most are.
    pub(crate) fn route(
        &self,
        message: &Message,
        sender: impl FnOnce() -> Sender,
        at: Timestamp,
    ) -> Option<Route> {
        let server = || self.routing.server(&message.topic);
        let server = if message.topic.starts_with(RESERVED) { server() } else { None };
        let is_heard = server.is_none_or(|(_, audience)| audience == Audience::Everybody);
        let is_tapped = is_heard && self.routing.is_tapped(&self.tenant, &message.topic);
        let is_shown = is_heard && self.routing.samples(at);
        if server.is_none() && !is_tapped && !is_shown {
            return None;
        }
        let sender = sender();
        let mut works = Vec::new();
        if is_tapped || is_shown {
            let Message { topic, payload, qos, properties, .. } = message;
            let (tenant, properties, sender) = (&self.tenant, properties.as_deref(), &sender);
            let qos = *qos;
            let heard = HeardMessage { tenant, topic, payload, qos, properties, sender, at };
            if is_shown {
                self.routing.show(&heard);
            }
            if is_tapped {
                works.extend(self.routing.tap(&heard));
            }
        }
        works.extend(server.map(|(server, _)| {
            let (server, asked) = (Arc::clone(server), self.asked(message, sender, at));
            Work::InOrder(Box::pin(async move { server.handle(asked).await }))
        }));
        Some(Route { is_heard, works })
    }

    fn asked(&self, message: &Message, sender: Sender, at: Timestamp) -> ReservedMessage {
        ReservedMessage {
            tenant: self.tenant.clone(),
            topic: message.topic.to_string(),
            payload: message.payload.clone(),
            qos: message.qos,
            properties: message.properties.clone(),
            sender,
            at,
        }
    }
}

impl Route {
    /// How many things have to be done before the message is acknowledged.
    pub(crate) fn parts(&self) -> u8 {
        u8::try_from(self.works.len()).unwrap_or(u8::MAX)
    }

    /// Does it all, for whoever waits.
    pub(crate) async fn follow(self) -> Result<(), ApiError> {
        for work in self.works {
            let (Work::InOrder(doing) | Work::AtOnce(doing)) = work;
            doing.await?;
        }
        Ok(())
    }

    /// Has it done for nobody who waits.
    pub(crate) fn start(self, app: &App) {
        if self.works.is_empty() {
            return;
        }
        app.env.tasks.spawn("routed-message", TaskKind::Transient, async move {
            if let Err(error) = self.follow().await {
                tracing::warn!(%error, "a message was not taken by who serves or hears its topic");
            }
        });
    }
}

/// What one client has asked services for: done one after the other, in the order in which it
/// came. Bounded by what a client may have under way.
#[derive(Default)]
pub(crate) struct Line(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    is_moving: bool,
}

/// Something to be done for a client.
struct Job {
    doing: Doing,
    client: Arc<Client>,
    owed: Option<Arc<Owed>>,
}

impl Session {
    /// Who the client is to services and taps.
    pub(crate) fn sender(&self) -> Sender {
        self.client.sender()
    }

    /// Has done what a message of the client needs; each settles a part of `owed`.
    pub(crate) fn follow(&mut self, route: Route, owed: Option<&Arc<Owed>>) {
        for work in route.works {
            let (client, owed) = (Arc::clone(&self.client), owed.cloned());
            client.asked.fetch_add(1, Ordering::AcqRel);
            match work {
                Work::InOrder(doing) => {
                    let line = self.line.get_or_insert_default();
                    Line::add(line, Job { doing, client, owed }, &self.app);
                }
                Work::AtOnce(doing) => {
                    let job = Job { doing, client, owed };
                    self.app.env.tasks.spawn("tap", TaskKind::Transient, job.run());
                }
            }
        }
    }
}

impl Line {
    fn add(line: &Arc<Self>, job: Job, app: &App) {
        let mut waiting = line.lock();
        waiting.jobs.push_back(job);
        if std::mem::replace(&mut waiting.is_moving, true) {
            return;
        }
        drop(waiting);
        let line = Arc::clone(line);
        app.env.tasks.spawn("reserved-topic", TaskKind::Transient, async move {
            while let Some(job) = line.next() {
                job.run().await;
            }
        });
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        let job = waiting.jobs.pop_front();
        waiting.is_moving = job.is_some();
        job
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Does it; its answers are with the client before it is acknowledged.
    async fn run(self) {
        let Self { doing, client, owed } = self;
        let code = match doing.await {
            Ok(answer) => {
                answer.to_sender.into_iter().for_each(|message| client.hand(message));
                reason::SUCCESS
            }
            Err(error) => {
                tracing::debug!(client_id = %client.id, %error, "a message was not taken");
                code_of(&error)
            }
        };
        if let Some(owed) = owed {
            owed.settle(code);
        }
        client.asked.fetch_sub(1, Ordering::AcqRel);
        client.mailbox.wake();
    }
}

impl Client {
    /// Who it is to services and taps.
    pub(crate) fn sender(&self) -> Sender {
        Sender {
            client_id: Some(self.id.to_string()),
            principal_id: Some(self.principal.id.clone()),
            principal: Some(Arc::clone(&self.principal)),
            permissions: Some(Arc::clone(&self.permissions)),
            source_ip: Some(self.principal.knock.peer.ip().to_canonical()),
            under_way: self.asked.load(Ordering::Acquire),
            hops: 0,
        }
    }

    /// Leaves it a message that is for it alone.
    fn hand(&self, message: OutgoingMessage) {
        let qos = message.qos;
        let message = Arc::new(Message::of_feature(message));
        match self.mailbox.post(Delivery::new(message, qos, false)) {
            Posted::Wake(waker) => waker.wake(),
            // What finds no room is counted there, and told of in the device log.
            Posted::Waits | Posted::Dropped | Posted::Gone => {}
        }
    }
}

impl Message {
    /// What a feature has to say.
    pub(crate) fn of_feature(message: OutgoingMessage) -> Self {
        let OutgoingMessage { topic, payload, qos, retain, properties, hops: _ } = message;
        Self { qos, retain, properties, ..Self::of_server(ByteString::from(topic), payload) }
    }
}

/// What MQTT 5 calls an error.
fn code_of(error: &ApiError) -> u8 {
    match error.code {
        "ThrottlingException" | "LimitExceededException" => reason::QUOTA_EXCEEDED,
        "ForbiddenException" | "UnauthorizedException" => reason::NOT_AUTHORIZED,
        _ => reason::UNSPECIFIED_ERROR,
    }
}
