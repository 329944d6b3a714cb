//! Retained messages: the last message of a topic, kept for whoever subscribes to it next.
//!
//! One task writes them, in the order in which they came, many in one commit; a message of QoS 1
//! is acknowledged after that. An empty payload clears the topic. Expiry is checked on read.

mod operations;
mod record;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use env::TaskKind;
use mqtt::{PacketId, QoS, reason};
use service::{ApiError, App};
use store::{Batch, Key, TransactError, Versioned};
use tokio::sync::{mpsc, oneshot};
use types::{Tenant, TenantId};

pub(crate) use self::operations::endpoints;
use self::record::{Record, count_key, message_key, summary_key};
use crate::mailbox::{Delivery, Posted};
use crate::message::Message;
use crate::space::Client;

/// Messages that may wait to be written; beyond that QoS 1 is not acknowledged.
const WAITING_MAX: usize = 4096;
/// Messages that one commit takes.
const BATCH_MAX: usize = 256;

/// Keeps messages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Retained {
    app: Arc<App>,
    queue: mpsc::Sender<Request>,
}

/// A message to keep, and who waits for that.
struct Request {
    tenant: TenantId,
    message: Arc<Message>,
    waiting: Waiting,
}

/// Who waits for a message to be safe, and is told a reason code of MQTT 5.
pub(crate) enum Waiting {
    /// Nobody: QoS 0, or a Will.
    Nobody,
    /// The client that sent it, for its PUBACK.
    Client(Arc<Client>, PacketId),
    /// A request over HTTP.
    Request(oneshot::Sender<u8>),
}

/// There are too many messages to be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Waiting {
    fn tell(self, code: u8) {
        match self {
            Self::Nobody => {}
            Self::Client(client, packet_id) => client.mailbox.acknowledge(packet_id, code),
            // Who asked may be gone.
            Self::Request(answer) => drop(answer.send(code)),
        }
    }
}

impl Retained {
    /// Starts to write.
    pub(crate) fn start(app: &Arc<App>) -> Self {
        let (queue, requests) = mpsc::channel(WAITING_MAX);
        let writer = Writer { app: Arc::clone(app), requests };
        app.env.tasks.spawn("retained-messages", TaskKind::Vital, writer.run());
        Self { app: Arc::clone(app), queue }
    }

    /// Keeps `message`, or clears its topic if it is empty; `waiting` is acknowledged then.
    pub(crate) fn keep(
        &self,
        tenant: &Tenant,
        message: Arc<Message>,
        waiting: Waiting,
    ) -> Result<(), Busy> {
        let request = Request { tenant: tenant.id, message, waiting };
        self.queue.try_send(request).map_err(|_| Busy)
    }

    /// Keeps `message`, and resolves once it is safe.
    pub(crate) async fn keep_safely(
        &self,
        tenant: &Tenant,
        message: Arc<Message>,
    ) -> Result<(), ApiError> {
        let (answer, answered) = oneshot::channel();
        let busy =
            |_| ApiError::new("ThrottlingException", "Too many messages wait to be retained.");
        self.keep(tenant, message, Waiting::Request(answer)).map_err(busy)?;
        match answered.await {
            Ok(reason::SUCCESS) => Ok(()),
            Ok(reason::QUOTA_EXCEEDED) => Err(ApiError::new(
                "ThrottlingException",
                "There are as many retained messages as there may be.",
            )),
            Ok(_) | Err(_) => {
                Err(ApiError::unavailable("The message could not be retained. Try again."))
            }
        }
    }

    /// Brings the message of `topic`, if there is one, to a client that has just subscribed.
    pub(crate) fn bring(&self, tenant: &Tenant, topic: String, client: Arc<Client>, qos: QoS) {
        let (app, key) = (Arc::clone(&self.app), message_key(tenant.id, &topic));
        client.bringing.fetch_add(1, Ordering::AcqRel);
        self.app.env.tasks.spawn("retained-message", TaskKind::Transient, async move {
            match read(&app, &key).await {
                Ok(Some(message)) => hand_over(message, &client, qos),
                Ok(None) => {}
                Err(error) => tracing::warn!(topic, %error, "retained message not brought"),
            }
            client.bringing.fetch_sub(1, Ordering::AcqRel);
            client.mailbox.wake();
        });
    }
}

fn hand_over(message: Message, client: &Client, qos: QoS) {
    let qos = message.qos.min(qos);
    let delivery = Delivery { message: Arc::new(message), qos, retain: true };
    if let Posted::Wake(waker) = client.mailbox.post(delivery) {
        waker.wake();
    }
}

/// The message that is kept at `key`, unless its life is over.
async fn read(app: &App, key: &Key) -> Result<Option<Message>, ApiError> {
    let Some(found) = app.store.get(key).await? else { return Ok(None) };
    let record: Record = service::decode(&found)?;
    Ok(record.into_message(app.env.clock.now()))
}

/// Writes what is to be kept, one batch after the other.
struct Writer {
    app: Arc<App>,
    requests: mpsc::Receiver<Request>,
}

impl Writer {
    async fn run(mut self) {
        let mut shutdown = self.app.env.tasks.shutdown_signal();
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                received = self.requests.recv_many(&mut batch, BATCH_MAX) => {
                    if received == 0 {
                        return;
                    }
                    self.write(&mut batch).await;
                }
                // What came before has been written by now: the queue is looked at first.
                () = shutdown.begun() => return,
            }
        }
    }

    async fn write(&self, requests: &mut Vec<Request>) {
        let mut by_tenant: HashMap<TenantId, Vec<Request>> = HashMap::new();
        for request in requests.drain(..) {
            by_tenant.entry(request.tenant).or_default().push(request);
        }
        for (tenant, requests) in by_tenant {
            let refused = self.write_of(tenant, &requests).await;
            for Request { message, waiting, .. } in requests {
                match &refused {
                    Ok(refused) if refused.iter().any(|topic| *topic == *message.topic) => {
                        waiting.tell(reason::QUOTA_EXCEEDED);
                    }
                    Ok(_) => waiting.tell(reason::SUCCESS),
                    // MQTT 3.1.1 has no word for it: the client has to send it again.
                    Err(()) => waiting.tell(reason::UNSPECIFIED_ERROR),
                }
            }
        }
    }

    /// Writes the last message of each topic; tells which topics found no room.
    async fn write_of(&self, tenant: TenantId, requests: &[Request]) -> Result<Vec<String>, ()> {
        let mut last: HashMap<&str, &Message> = HashMap::new();
        for request in requests {
            last.insert(&request.message.topic, &request.message);
        }
        let messages: Vec<&Message> = last.into_values().collect();
        let keys: Vec<Key> = std::iter::once(count_key(tenant))
            .chain(messages.iter().map(|message| message_key(tenant, &message.topic)))
            .collect();
        let written = self.app.store.transact(&keys, |found| self.plan(tenant, &messages, found));
        written.await.map_err(|error| match error {
            TransactError::Refused(error) => {
                tracing::error!(%error, "the number of retained messages cannot be read");
            }
            TransactError::Commit(error) => {
                tracing::warn!(%error, "retained messages not written");
            }
        })
    }

    /// What to write, where `found` are the number of messages and those that are there.
    fn plan(
        &self,
        tenant: TenantId,
        messages: &[&Message],
        found: &[Option<Versioned>],
    ) -> Result<(Batch, Vec<String>), ApiError> {
        let most = self.app.limits.mqtt_retained_messages_max;
        let now = self.app.env.clock.now();
        let before: u64 = found.first().and_then(Option::as_ref).map_or(Ok(0), service::decode)?;
        let (mut batch, mut count, mut refused) = (Batch::new(), before, Vec::new());
        for (message, there) in messages.iter().zip(found.iter().skip(1)) {
            let key = message_key(tenant, &message.topic);
            let summary = summary_key(tenant, &message.topic);
            match (message.payload.is_empty(), there) {
                (true, None) => {}
                (true, Some(_)) => {
                    count = count.saturating_sub(1);
                    batch.delete(key).delete(summary);
                }
                (false, None) if count >= most => refused.push(message.topic.to_string()),
                (false, there) => {
                    count += u64::from(there.is_none());
                    let record = Record::new(message, now);
                    batch.put(summary, service::encode(&record.summary()));
                    batch.put(key, service::encode(&record));
                }
            }
        }
        if count != before {
            batch.put(count_key(tenant), service::encode(&count));
        }
        Ok((batch, refused))
    }
}
