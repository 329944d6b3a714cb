//! Persistent sessions: begun and resumed by CONNECT, kept while their clients are away, ended by
//! time, by a clean CONNECT or by `DeleteConnection`.
//!
//! Sessions and subscriptions are documents; what waits in them is in the journal. One task writes
//! the documents, in order, many in one commit.

mod load;
mod record;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::Recovered;
use mqtt::{Connect, Packet, TopicFilter, Version};
use service::{App, Timer, TimerKind};
use store::Batch;
use tokio::sync::{mpsc, oneshot, watch};
use types::Timestamp;

pub(crate) use self::record::GroupRecord;
use self::record::{SessionRecord, SubscriptionRecord};
use self::writer::{Change, Then};
use crate::departures::Departure;
use crate::exactly_once::Received;
use crate::mailbox::Settled;
use crate::message::Message;
use crate::persistent::{DelayedWill, Parts, Persistent};
use crate::queue::new_queue_id;
use crate::space::{Client, Space};
use crate::subscriptions::Held;

/// Keeps sessions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) app: Arc<App>,
    changes: mpsc::Sender<Change>,
    /// How many connections may still have something to write when the server stops.
    connections: Arc<watch::Sender<usize>>,
    /// The last number that was given to a recipient.
    last_number: Arc<AtomicU64>,
}

/// Keeps sessions from being written no longer while somebody has to leave one.
pub(crate) struct Stay(Arc<watch::Sender<usize>>);

/// What a client finds.
pub(crate) struct Opened {
    /// The session that is kept after this connection; or was until now, and ends with it.
    pub(crate) session: Option<Arc<Persistent>>,
    /// Whether it was there before.
    pub(crate) is_present: bool,
    /// The Will of a session that ended because the client wanted a clean one.
    pub(crate) will: Option<Arc<Message>>,
}

/// How a client leaves its session.
pub(crate) struct Leaving {
    pub(crate) departure: Departure,
    pub(crate) expiry_s: u32,
    pub(crate) received: Received,
    pub(crate) will: Option<DelayedWill>,
}

/// Why a session cannot be had.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// There are as many as there may be.
    TooMany,
    /// The store does not answer.
    Store,
}

/// Why a change cannot be taken now.
#[derive(Debug)]
pub(crate) struct Busy;

impl Sessions {
    /// Starts to write.
    pub(crate) fn start(app: &Arc<App>) -> Self {
        let connections = Arc::new(watch::Sender::new(0));
        let changes = writer::start(app, connections.subscribe());
        Self { app: Arc::clone(app), changes, connections, last_number: Arc::default() }
    }

    /// Has what changes of sessions written at least until what is returned is dropped.
    pub(crate) fn stay(&self) -> Stay {
        self.connections.send_modify(|count| *count += 1);
        Stay(Arc::clone(&self.connections))
    }

    /// A number for one more connection, session or group; never 0.
    pub(crate) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The session for `connect`: the one that is kept for the client, or a new one, or none. For
    /// one client after the other.
    pub(crate) async fn open(
        &self,
        space: &Space,
        connect: &Connect,
    ) -> Result<Opened, Unavailable> {
        let asked_s = self.asked_expiry_s(connect);
        let found = space.session(&connect.client_id);
        if let Some(session) = &found
            && !connect.clean
            && session.version == connect.version
        {
            let timers = timers(session);
            let session = Arc::clone(session);
            self.write_session(&session, asked_s, timers).await?;
            return Ok(Opened { session: Some(session), is_present: true, will: None });
        }
        let will = match &found {
            Some(session) => self.end(space, session).await?,
            None => None,
        };
        let mut opened = Opened { session: None, is_present: false, will };
        if asked_s == 0 {
            return Ok(opened);
        }
        let session = self.new_session(space, connect, asked_s)?;
        self.write_session(&session, asked_s, Vec::new()).await?;
        space.add_session(Arc::clone(&session));
        opened.session = Some(session);
        Ok(opened)
    }

    /// For how long `connect` wants its session kept, as far as it may be.
    pub(crate) fn asked_expiry_s(&self, connect: &Connect) -> u32 {
        let limits = &self.app.limits;
        match connect.version {
            Version::V311 if connect.clean => 0,
            Version::V311 => limits.mqtt_session_expiry_s_default,
            Version::V5 => {
                let asked_s = connect.properties.session_expiry_s.unwrap_or(0);
                asked_s.min(limits.mqtt_session_expiry_s_max)
            }
        }
    }

    /// The client of `session` has left: it is kept for as long as it may, or ends here. The Will
    /// that is to be published now, if the session ends.
    pub(crate) async fn leave(
        &self,
        space: &Space,
        session: &Arc<Persistent>,
        leaving: Leaving,
    ) -> Option<Arc<Message>> {
        let Leaving { departure, expiry_s, received, will } = leaving;
        session.go(expiry_s, departure, received, will);
        if expiry_s == 0 {
            let write = self.ending(session);
            let will = self.forget(space, session);
            // Nobody was promised anything: whoever comes with its id is written after it.
            self.change(write, Then::Nobody).await;
            return will;
        }
        let record = SessionRecord::of(session);
        let (tenant, timers) = (session.tenant.id, timers(session));
        let schedule = self.app.schedule.clone();
        let dues: Vec<Timestamp> = timers.iter().map(|timer| timer.due).collect();
        let write = move |batch: &mut Batch| {
            batch.put(record.key(tenant), service::encode(&record));
            timers.iter().for_each(|timer| schedule.set(batch, timer));
        };
        self.change(write, Then::Nobody).await;
        dues.into_iter().for_each(|due| self.app.schedule.hint(due));
        None
    }

    /// Ends the session of a client that is away, and waits until that is safe: what waits in it is
    /// gone. Its Will, if one waits. For one client after the other.
    pub(crate) async fn end(
        &self,
        space: &Space,
        session: &Arc<Persistent>,
    ) -> Result<Option<Arc<Message>>, Unavailable> {
        self.write(self.ending(session)).await?;
        Ok(self.forget(space, session))
    }

    /// Writes that the Will of `session` waits no longer, and waits until that is safe.
    pub(crate) async fn end_will(&self, session: &Arc<Persistent>) -> Result<(), Unavailable> {
        let record = SessionRecord::of(session);
        let tenant = session.tenant.id;
        self.write(move |batch| {
            batch.put(record.key(tenant), service::encode(&record));
        })
        .await
    }

    /// What removes a session from the store.
    fn ending(&self, session: &Persistent) -> impl FnOnce(&mut Batch) + Send + use<> {
        let timers = timers(session);
        let schedule = self.app.schedule.clone();
        let (tenant, client_id) = (session.tenant.id, session.client_id.clone());
        move |batch: &mut Batch| {
            batch.delete(record::session_key(tenant, &client_id));
            batch.delete_range(record::subscriptions_range(tenant, Some(&client_id)));
            timers.iter().for_each(|timer| schedule.cancel(batch, timer));
        }
    }

    /// Removes every session of `space` from memory and from the journal.
    pub(crate) fn forget_all(&self, space: &Space) {
        for session in space.all_sessions() {
            drop(self.forget(space, &session));
        }
    }

    /// Removes a session from memory and from the journal. Its Will, if one waits.
    fn forget(&self, space: &Space, session: &Arc<Persistent>) -> Option<Arc<Message>> {
        let filters = session.subscriptions.take();
        self.unsubscribe(space, &filters, session.number);
        space.remove_session(session);
        for queue in [session.queue.id, session.queue.id_of_received()] {
            self.app.journal.forget(queue);
        }
        session.take_will().map(|will| will.message)
    }

    /// Writes what a session subscribes to, or not any more. `client` is sent `answer` when that
    /// is safe.
    pub(crate) fn subscribe(
        &self,
        session: &Persistent,
        changed: Vec<(TopicFilter, Option<Held>)>,
        client: &Arc<Client>,
        answer: Packet,
    ) -> Result<(), Busy> {
        let (tenant, client_id) = (session.tenant.id, session.client_id.clone());
        let write = move |batch: &mut Batch| {
            for (filter, held) in changed {
                let key = record::subscription_key(tenant, &client_id, filter.as_str());
                match held {
                    Some(held) => {
                        let record = SubscriptionRecord::of(&client_id, &held);
                        batch.put(key, service::encode(&record));
                    }
                    None => {
                        batch.delete(key);
                    }
                }
            }
        };
        let then = Then::Answer(Arc::clone(client), Settled::Answer(Box::new(answer)));
        let change = Change { write: Box::new(write), then };
        self.changes.try_send(change).map_err(|_| Busy)
    }

    /// Writes something that belongs to sessions, in its turn; lost only if the server stops.
    pub(crate) fn write_soon(&self, write: impl FnOnce(&mut Batch) + Send + 'static) {
        let change = Change { write: Box::new(write), then: Then::Nobody };
        if self.changes.try_send(change).is_err() {
            tracing::error!("too many sessions wait to be written; one change is lost");
        }
    }

    fn new_session(
        &self,
        space: &Space,
        connect: &Connect,
        expiry_s: u32,
    ) -> Result<Arc<Persistent>, Unavailable> {
        if space.session_count() >= self.app.limits.mqtt_sessions_max {
            return Err(Unavailable::TooMany);
        }
        let parts = Parts {
            number: self.next_number(),
            tenant: space.tenant.clone(),
            // A copy: the id must not hold the buffer that it came in.
            client_id: (&*connect.client_id).into(),
            version: connect.version,
            queue: new_queue_id(&self.app.env.random),
            expiry_s,
            left: None,
            will: None,
        };
        Ok(Arc::new(Persistent::new(&self.app, parts, &mut Recovered::default())))
    }

    /// Writes that the client of `session` is here, and waits until that is safe.
    async fn write_session(
        &self,
        session: &Arc<Persistent>,
        expiry_s: u32,
        cancelled: Vec<Timer>,
    ) -> Result<(), Unavailable> {
        let mut record = SessionRecord::of(session);
        record.is_connected(expiry_s);
        let (tenant, schedule) = (session.tenant.id, self.app.schedule.clone());
        let write = move |batch: &mut Batch| {
            cancelled.iter().for_each(|timer| schedule.cancel(batch, timer));
            batch.put(record.key(tenant), service::encode(&record));
        };
        self.write(write).await
    }

    /// Waits until all is safe that has changed by now.
    pub(crate) async fn flush(&self) -> Result<(), Unavailable> {
        self.write(|_| {}).await
    }

    async fn write(
        &self,
        write: impl FnOnce(&mut Batch) + Send + 'static,
    ) -> Result<(), Unavailable> {
        let (waiting, written) = oneshot::channel();
        self.change(write, Then::Tell(waiting)).await;
        written.await.map_err(|_| Unavailable::Store)
    }

    async fn change(&self, write: impl FnOnce(&mut Batch) + Send + 'static, then: Then) {
        let change = Change { write: Box::new(write), then };
        if self.changes.send(change).await.is_err() {
            tracing::warn!("the server stops; what changed of a session is not written");
        }
    }
}

/// What is to happen while the client of `session` is away.
fn timers(session: &Persistent) -> Vec<Timer> {
    let timer = |kind: TimerKind, due| Timer {
        tenant: session.tenant.id,
        kind,
        id: session.client_id.to_string(),
        due,
    };
    let expiry = session.expires().map(|due| timer(TimerKind::SESSION_EXPIRY, due));
    let will = session.will().map(|will| timer(TimerKind::WILL_DELAY, will.due));
    expiry.into_iter().chain(will).collect()
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
