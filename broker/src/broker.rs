//! The broker: every tenant's space, and the life of one connection from knock to goodbye.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::BytesMut;
use journal::Recovered;
use mqtt::{Decoder, HashMatch, Packet};
use service::{
    ApiError, App, Authenticator, BoxFuture, ByteStream, DeviceEvent, DeviceStatus, Hooks, Knock,
    MqttDoor, PolicySource, Sender, Visitor,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use types::{Tenant, TenantId};

use crate::connect::{Admitted, Newcomer};
use crate::connection::Connection;
use crate::connections::GONE_WITHIN;
use crate::ending::Ending;
use crate::lifecycle::{self, Lifecycle};
use crate::mailbox::Mail;
use crate::message::Message;
use crate::metrics::Metrics;
use crate::publish::deliver;
use crate::queue::Queued;
use crate::retained::Retained;
use crate::routing::Routing;
use crate::session::Session;
use crate::sessions::{Sessions, Stay};
use crate::space::{Client, Space};
use crate::turn::with_lent;
use crate::window::Awaits;

/// The device gateway and message broker of one server.
pub struct Broker {
    pub(crate) app: Arc<App>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) policies: Arc<dyn PolicySource>,
    pub(crate) metrics: Metrics,
    pub(crate) retained: Arc<Retained>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) routing: Arc<Routing>,
    spaces: Mutex<HashMap<TenantId, Arc<Space>>>,
    is_stopping: watch::Sender<bool>,
}

impl Broker {
    /// A broker that asks `authenticator` who its clients are and `policies` what they may do.
    pub fn new(
        app: Arc<App>,
        authenticator: Arc<dyn Authenticator>,
        policies: Arc<dyn PolicySource>,
    ) -> Arc<Self> {
        let metrics = Metrics::new();
        let routing = Arc::new(Routing::new(app.dialect.is_standard));
        let broker = Arc::new(Self {
            retained: Arc::new(Retained::start(&app, metrics.clone())),
            sessions: Arc::new(Sessions::start(&app)),
            app,
            authenticator,
            policies,
            metrics,
            routing,
            spaces: Mutex::default(),
            is_stopping: watch::Sender::new(false),
        });
        let itself: Weak<Self> = Arc::downgrade(&broker);
        broker.app.publisher.set(itself.clone());
        broker.app.sessions.set(itself);
        broker
    }

    /// Has features take part in messages. To be called once, before the first client is let in.
    pub fn hook(&self, hooks: impl IntoIterator<Item = Hooks>) {
        let mut all = Hooks::default();
        for Hooks { reserved, taps } in hooks {
            all.reserved.extend(reserved);
            all.taps.extend(taps);
        }
        self.routing.set(all);
    }

    /// Brings back the persistent sessions of an earlier run, with what the journal has of them.
    /// To be called before the first client is let in.
    pub async fn bring_back_sessions(
        self: &Arc<Self>,
        mut recovered: Recovered,
    ) -> Result<(), ApiError> {
        for tenant in self.app.tenants.all().await? {
            let space = self.space(&tenant);
            self.sessions.load(&space, &mut recovered).await?;
        }
        // What is left belongs to sessions that ended just before the server did.
        for queue in recovered.queues.into_keys() {
            self.app.journal.forget(queue);
        }
        // Not before: whose session is not there yet would be taken for gone.
        self.serve_timers();
        Ok(())
    }

    /// Serves one client until its connection ends.
    pub fn serve_connection<S>(
        self: &Arc<Self>,
        stream: S,
        knock: Knock,
    ) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.serve_client(stream, Box::new(Newcomer::Stranger(knock)))
    }

    /// Each step is in a box, from before the first poll: what a future is made of it holds to its
    /// end, and while a client is connected, nothing is to be held but its connection.
    fn serve_client<S>(
        self: &Arc<Self>,
        stream: S,
        newcomer: Box<Newcomer>,
    ) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let comes_by_websocket = matches!(*newcomer, Newcomer::Visitor(_));
        let coming = Box::pin(Arc::clone(self).let_in(stream, newcomer));
        let broker = Arc::clone(self);
        async move {
            let Some(mut connection) = coming.await else { return };
            let client = Arc::clone(&connection.session().client);
            let guard = Presence { broker: &broker, client, _stay: broker.sessions.stay() };
            let ending = if comes_by_websocket {
                let longest = Duration::from_secs(broker.app.limits.websocket_s);
                let ended = Box::pin(tokio::time::timeout(longest, connection.run())).await;
                ended.unwrap_or(Ending::Expired)
            } else {
                connection.run().await
            };
            Box::pin(broker.part(connection, ending)).await;
            drop(guard);
        }
    }

    /// From the first byte of a client to its CONNACK; none if it does not come in.
    async fn let_in<S>(
        self: Arc<Self>,
        mut stream: S,
        newcomer: Box<Newcomer>,
    ) -> Option<Box<Connection<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut decoder = Decoder::server(self.app.limits.mqtt_packet_bytes_max);
        let mut input = BytesMut::new();
        let admitted = match self.admit(&newcomer, &mut stream, &mut decoder, &mut input).await {
            Ok(admitted) => admitted,
            Err(refused) => {
                self.turn_away(newcomer.knock(), &mut stream, &refused).await;
                return None;
            }
        };
        self.app.device_log.record(admitted.event());
        let Admitted { session, connack, patience } = admitted;
        let mut output = BytesMut::new();
        Packet::Connack(Box::new(connack)).encode(session.client.version, &mut output);
        self.metrics.connections.increment(1);
        self.tell(&session.space, &session.client, &Lifecycle::Connected);
        let io = (stream, decoder, input);
        let mut connection = Connection::new(Arc::clone(&self), io, session, output, patience);
        if matches!(*newcomer, Newcomer::Visitor(_)) {
            connection.end_with_goodbye();
        }
        Some(Box::new(connection))
    }

    /// From the end of a conversation to the end of its connection.
    async fn part<S>(self: &Arc<Self>, mut connection: Box<Connection<S>>, ending: Ending)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let leftover = connection.take_mail();
        self.bury(connection.session(), &ending, leftover).await;
        connection.let_others_go_on();
        connection.close(&ending).await;
    }

    /// Ends every connection, those that come later too; clients are told that the server stops.
    pub fn stop(&self) {
        // First: whoever enters a space after it was looked through sees this.
        self.is_stopping.send_replace(true);
        let spaces: Vec<_> = self.spaces().values().cloned().collect();
        for client in spaces.iter().flat_map(|space| space.everybody()) {
            // Nobody waits for this one: shutdown waits for all tasks.
            drop(client.mailbox.close(Ending::ShuttingDown));
        }
    }

    /// Ends every connection, and forgets every session, with its Will and all that waits for it:
    /// for a server whose store is emptied.
    pub async fn reset(&self) {
        let spaces = std::mem::take(&mut *self.spaces());
        let clients = spaces.values().flat_map(|space| space.everybody());
        let ended: Vec<_> = clients
            .map(|client| {
                client.mailbox.close(Ending::Deleted { with_will: false, ends_session: true })
            })
            .collect();
        for ended in ended {
            // An error says that it has ended; one that takes longer ends all the same.
            drop(tokio::time::timeout(GONE_WITHIN, ended).await);
        }
        for space in spaces.values() {
            self.sessions.forget_all(space);
        }
        // So that nothing of theirs is written after this; whether it is, is of no matter.
        drop(self.sessions.flush().await);
    }

    /// What is left to do for a client whose connection has ended, with the mail that it did not
    /// get.
    async fn bury(self: &Arc<Self>, session: &mut Session, ending: &Ending, mail: VecDeque<Mail>) {
        let client = Arc::clone(&session.client);
        if client.kept.is_none() {
            self.sessions.unsubscribe(&session.space, &client.subscriptions.take(), client.number);
        }
        self.log_ending(session, ending);
        let rest = client.mailbox.leave();
        give_back(session, mail.into_iter().chain(rest));
        session.shares.iter().for_each(|group| self.drain(group));
        let now = self.app.env.clock.now();
        let will = session.will.take().filter(|_| ending.publishes_will());
        let delayed = will.as_ref().and_then(|will| session.will_delay(will, now));
        let is_delayed = delayed.is_some();
        // Before the client leaves: whoever waits for its id must not come in before its Will.
        if let Some(will) = will.filter(|_| !is_delayed) {
            let message = Arc::new(Message::of_will(*will, client.holder(), now));
            self.publish_will(&session.space, &message, client.sender());
        }
        if let Some(kept) = &client.kept {
            let will = match session.leaving(ending, delayed, now) {
                Some(leaving) => self.sessions.leave(&session.space, kept, leaving).await,
                None => None,
            };
            if let Some(will) = will {
                self.publish_will(&session.space, &will, client.sender());
            }
        }
        let space = &session.space;
        self.tell(space, &client, &Lifecycle::Disconnected(ending));
        space.leave_because(&client, ending.disconnect_reason(), now);
    }

    /// Publishes what a client left to be published when it is lost.
    pub(crate) fn publish_will(&self, space: &Space, message: &Arc<Message>, sender: Sender) {
        let now = self.app.env.clock.now();
        if let Some(route) = space.route(message, || sender, now) {
            route.start(&self.app);
        }
        let keeping =
            with_lent(&self.metrics, |lent| deliver(space, message, &mut lent.turn(now).1));
        let is_kept = keeping.write(message, None)
            && (!message.retain
                || self.retained.keep(&space.tenant, Arc::clone(message), None).is_ok());
        if !is_kept {
            let details = "too many messages wait to be written to disk".to_owned();
            self.app.device_log.record(DeviceEvent {
                topic_name: Some(message.topic.to_string()),
                ..DeviceEvent::failure("Publish-In", "THROTTLED", details)
            });
        }
    }

    /// Tells whoever listens what happened to `client`. Not for within a turn.
    pub(crate) fn tell(&self, space: &Space, client: &Client, what: &Lifecycle<'_>) {
        let now = self.app.env.clock.now();
        let route = with_lent(&self.metrics, |lent| {
            lifecycle::tell(space, client, what, &mut lent.turn(now).1)
        });
        if let Some(route) = route {
            route.start(&self.app);
        }
    }

    fn log_ending(&self, session: &Session, ending: &Ending) {
        let status =
            if ending.is_failure() { DeviceStatus::Failure } else { DeviceStatus::Success };
        let reason = match ending {
            Ending::Fault(fault) => fault.reason,
            Ending::Revoked(refusal) => refusal.reason,
            _ => ending.disconnect_reason(),
        };
        let event = session.client.event("Disconnect", status, reason, ending.detail());
        self.app.device_log.record(event);
    }

    /// Whether the server stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.is_stopping.borrow()
    }

    /// Resolves when the server stops.
    pub(crate) async fn stopped(&self) {
        // An error would say that the broker is gone, and this is the broker.
        drop(self.is_stopping.subscribe().wait_for(|is_stopping| *is_stopping).await);
    }

    /// The space of `tenant`, which appears with its first client.
    pub(crate) fn space(&self, tenant: &Tenant) -> Arc<Space> {
        let mut spaces = self.spaces();
        let space = spaces.entry(tenant.id).or_insert_with(|| {
            let is_standard = self.app.dialect.is_standard;
            let hash = if is_standard { HashMatch::ParentToo } else { HashMatch::ChildrenOnly };
            Arc::new(Space::new(tenant.clone(), hash, &self.app.limits, &self.routing))
        });
        Arc::clone(space)
    }

    /// The space of the tenant with this number, if it has had a client or a session.
    pub(crate) fn known_space(&self, tenant: TenantId) -> Option<Arc<Space>> {
        self.spaces().get(&tenant).cloned()
    }

    fn spaces(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Arc<Space>>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MqttDoor for Broker {
    fn serve(
        self: Arc<Self>,
        stream: Box<dyn ByteStream>,
        visitor: Visitor,
    ) -> BoxFuture<'static, ()> {
        let newcomer = Box::new(Newcomer::Visitor(visitor));
        Box::pin(self.serve_client(stream, newcomer))
    }
}

/// Keeps others from finding a client whose task was dropped or has panicked.
struct Presence<'b> {
    broker: &'b Broker,
    client: Arc<Client>,
    _stay: Stay,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.broker.metrics.connections.decrement(1);
        drop(self.client.mailbox.leave());
        if let Some(kept) = &self.client.kept {
            kept.queue.detach(self.client.number, &[], self.broker.app.env.clock.now());
        }
        self.broker.space(&self.client.principal.tenant).leave(&self.client);
    }
}

/// Returns what a client has not acknowledged to the groups that it had it from. What its own
/// session keeps stays there.
fn give_back(session: &Session, mail: impl Iterator<Item = Mail>) {
    let own = session.client.kept.as_ref().map(|kept| kept.queue.id);
    let is_own = |queued: &Queued| own == Some(queued.queue.id);
    for sent in session.window.in_flight() {
        let Some(queued) = sent.queued.as_ref().filter(|queued| !is_own(queued)) else { continue };
        match sent.awaits {
            Awaits::Puback => queued.queue.give_back(queued.sequence),
            // Nobody else may have it (MQTT-4.8.2-5).
            Awaits::Pubrec | Awaits::Pubcomp => queued.queue.acknowledge(queued.sequence),
        }
    }
    for queued in mail.filter_map(Mail::into_queued).filter(|queued| !is_own(queued)) {
        queued.queue.give_back(queued.sequence);
    }
}
