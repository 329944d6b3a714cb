//! The broker: every tenant's space, and the life of one connection from knock to goodbye.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use mqtt::{Decoder, Packet};
use service::{
    App, Authenticator, BoxFuture, ByteStream, DeviceStatus, Knock, MqttDoor, PolicySource, Visitor,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use types::{Tenant, TenantId};

use crate::connect::{Admitted, Newcomer};
use crate::connection::Connection;
use crate::ending::Ending;
use crate::lifecycle::{self, Lifecycle};
use crate::message::Message;
use crate::metrics::Metrics;
use crate::publish::deliver;
use crate::retained::{Retained, Waiting};
use crate::session::Session;
use crate::space::{Client, Space};
use crate::turn::with_lent;

/// The device gateway and message broker of one server.
pub struct Broker {
    pub(crate) app: Arc<App>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) policies: Arc<dyn PolicySource>,
    pub(crate) metrics: Metrics,
    pub(crate) retained: Retained,
    spaces: Mutex<HashMap<TenantId, Arc<Space>>>,
    last_number: AtomicU64,
    is_stopping: watch::Sender<bool>,
}

impl Broker {
    /// A broker that asks `authenticator` who its clients are and `policies` what they may do.
    pub fn new(
        app: Arc<App>,
        authenticator: Arc<dyn Authenticator>,
        policies: Arc<dyn PolicySource>,
    ) -> Arc<Self> {
        let retained = Retained::start(&app);
        Arc::new(Self {
            app,
            retained,
            authenticator,
            policies,
            metrics: Metrics::new(),
            spaces: Mutex::default(),
            last_number: AtomicU64::new(0),
            is_stopping: watch::Sender::new(false),
        })
    }

    /// Serves one client until its connection ends.
    pub async fn serve_connection<S>(self: &Arc<Self>, stream: S, knock: Knock)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.serve_client(stream, &Newcomer::Stranger(knock)).await;
    }

    async fn serve_client<S>(self: &Arc<Self>, mut stream: S, newcomer: &Newcomer)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut decoder = Decoder::server(self.app.limits.mqtt_packet_bytes_max);
        let mut input = BytesMut::new();
        // In a box, so that a connection does not hold the room that letting it in took.
        match Box::pin(self.admit(newcomer, &mut stream, &mut decoder, &mut input)).await {
            Ok(admitted) => {
                let comes_by_websocket = matches!(newcomer, Newcomer::Visitor(_));
                self.converse(admitted, (stream, decoder, input), comes_by_websocket).await;
            }
            Err(refused) => self.turn_away(newcomer.knock(), &mut stream, &refused).await,
        }
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

    async fn converse<S>(
        self: &Arc<Self>,
        admitted: Admitted,
        io: (S, Decoder, BytesMut),
        comes_by_websocket: bool,
    ) where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.app.device_log.record(admitted.event());
        let Admitted { session, connack, patience } = admitted;
        let mut output = BytesMut::new();
        Packet::Connack(Box::new(connack)).encode(session.client.version, &mut output);
        self.metrics.connections.increment(1);
        let guard = Presence { broker: self, client: Arc::clone(&session.client) };
        self.tell(&session.space, &session.client, &Lifecycle::Connected);
        let mut connection = Connection::new(Arc::clone(self), io, session, output, patience);
        let ending = if comes_by_websocket {
            connection.end_with_goodbye();
            let longest = Duration::from_secs(self.app.limits.websocket_s);
            // In a box, for the room of the others' connections.
            let ended = Box::pin(tokio::time::timeout(longest, connection.run())).await;
            ended.unwrap_or(Ending::Expired)
        } else {
            connection.run().await
        };
        self.bury(connection.session(), &ending);
        connection.let_others_go_on();
        connection.close(&ending).await;
        drop(guard);
    }

    /// What is left to do for a client whose connection has ended.
    fn bury(&self, session: &mut Session, ending: &Ending) {
        session.unsubscribe_all();
        self.log_ending(session, ending);
        // Before the client leaves: whoever waits for its id must not come in before its Will.
        if let Some(will) = session.will.take()
            && ending.publishes_will()
        {
            let now = self.app.env.clock.now();
            let message = Arc::new(Message::of_will(will, session.client.number, now));
            if message.retain
                && self
                    .retained
                    .keep(&session.space.tenant, Arc::clone(&message), Waiting::Nobody)
                    .is_err()
            {
                let why = "too many messages wait to be retained".to_owned();
                session.log_refusal("Publish-In", "THROTTLED", why, Some(&message.topic));
            }
            with_lent(&self.metrics, |lent| {
                deliver(&session.space, message, &mut lent.turn(now).1);
            });
        }
        let Session { space, client, .. } = session;
        self.tell(space, client, &Lifecycle::Disconnected(ending));
        space.leave_because(client, ending.disconnect_reason(), self.app.env.clock.now());
        client.mailbox.leave();
    }

    /// Tells whoever listens what happened to `client`. Not for within a turn.
    pub(crate) fn tell(&self, space: &Space, client: &Client, what: &Lifecycle<'_>) {
        let now = self.app.env.clock.now();
        with_lent(&self.metrics, |lent| {
            lifecycle::tell(space, client, what, &mut lent.turn(now).1);
        });
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
        let space = spaces.entry(tenant.id).or_insert_with(|| Arc::new(Space::new(tenant.clone())));
        Arc::clone(space)
    }

    /// A number for one more connection.
    pub(crate) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
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
        Box::pin(async move { self.serve_client(stream, &Newcomer::Visitor(visitor)).await })
    }
}

/// Keeps others from finding a client whose task was dropped or has panicked.
struct Presence<'b> {
    broker: &'b Broker,
    client: Arc<Client>,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.broker.metrics.connections.decrement(1);
        self.client.mailbox.leave();
        self.broker.space(&self.client.principal.tenant).leave(&self.client);
    }
}
