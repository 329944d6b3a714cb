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
use mqtt::{HashMatch, QoS, TopicFilter, reason};
use service::{ApiError, App, DeviceEvent, DeviceStatus, LogBudget};
use store::{Batch, Direction, Key, KeyRange, TransactError, Versioned};
use tokio::sync::mpsc;
use types::{Tenant, TenantId};

pub(crate) use self::operations::endpoints;
use self::record::{Record, count_key, message_key, messages_key, summary_key};
use crate::keeping::Keeping;
use crate::mailbox::Delivery;
use crate::message::Message;
use crate::metrics::Metrics;
use crate::owed::Owed;
use crate::publish::leave;
use crate::space::Client;
use crate::turn::with_lent;

/// Messages that may wait to be written; beyond that QoS 1 is not acknowledged.
const WAITING_MAX: usize = 4096;
/// Messages that one commit takes.
const BATCH_MAX: usize = 256;
/// Messages that are looked through at once for a filter with wildcards.
const PAGE: u32 = 500;

/// Keeps messages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Retained {
    app: Arc<App>,
    metrics: Metrics,
    queue: mpsc::Sender<Request>,
}

/// A message to keep, and the acknowledgement that waits for that.
struct Request {
    tenant: TenantId,
    message: Arc<Message>,
    owed: Option<Arc<Owed>>,
}

/// There are too many messages to be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Retained {
    /// Starts to write.
    pub(crate) fn start(app: &Arc<App>, metrics: Metrics) -> Self {
        let (queue, requests) = mpsc::channel(WAITING_MAX);
        let log_budget = LogBudget::default();
        let writer = Writer { app: Arc::clone(app), requests, log_budget };
        app.env.tasks.spawn("retained-messages", TaskKind::Vital, writer.run());
        Self { app: Arc::clone(app), metrics, queue }
    }

    /// Keeps `message`, or clears its topic if it is empty; a part of `owed` is settled then.
    pub(crate) fn keep(
        &self,
        tenant: &Tenant,
        message: Arc<Message>,
        owed: Option<Arc<Owed>>,
    ) -> Result<(), Busy> {
        let request = Request { tenant: tenant.id, message, owed };
        self.queue.try_send(request).map_err(|_| Busy)
    }

    /// Brings what is kept for each of `filters` to a client that has just subscribed, with the QoS
    /// beside it: the message of one topic, or those of all that the filter matches.
    pub(crate) fn bring(
        &self,
        tenant: &Tenant,
        filters: Vec<(TopicFilter, QoS)>,
        client: Arc<Client>,
    ) {
        let (retained, tenant) = (self.clone(), tenant.id);
        client.bringing.fetch_add(filters.len(), Ordering::AcqRel);
        self.app.env.tasks.spawn("retained-message", TaskKind::Transient, async move {
            if let Err(error) = retained.bring_all(tenant, &filters, &client).await {
                let client_id = &*client.id;
                tracing::warn!(client_id, %error, "retained messages not brought");
            }
            client.bringing.fetch_sub(filters.len(), Ordering::AcqRel);
            client.mailbox.wake();
        });
    }

    async fn bring_all(
        &self,
        tenant: TenantId,
        filters: &[(TopicFilter, QoS)],
        client: &Client,
    ) -> Result<(), ApiError> {
        let (wild, exact): (Vec<_>, Vec<_>) =
            filters.iter().partition(|(filter, _)| filter.has_wildcards());
        let key = |(filter, _): &&(TopicFilter, QoS)| message_key(tenant, filter.filter());
        let keys: Vec<Key> = exact.iter().map(key).collect();
        let messages = self.app.store.get_many(&keys).await?;
        for ((_, qos), found) in exact.iter().zip(&messages) {
            if let Some(found) = found {
                self.hand_over(found, client, *qos)?;
            }
        }
        for (filter, qos) in wild {
            self.bring_matching(tenant, filter, client, *qos).await?;
        }
        Ok(())
    }

    async fn bring_matching(
        &self,
        tenant: TenantId,
        filter: &TopicFilter,
        client: &Client,
        qos: QoS,
    ) -> Result<(), ApiError> {
        // The standard's dialect alone: AWS keeps nothing for wildcards.
        let literal = filter.filter().split(['+', '#']).next().unwrap_or_default();
        let range = KeyRange::text_prefix(&messages_key(tenant), literal.trim_end_matches('/'));
        let mut after = None;
        loop {
            let page = self.app.store.scan(range.clone(), after, PAGE, Direction::Forward).await?;
            for entry in &page.entries {
                let topic = entry.key.reader().text().unwrap_or_default();
                if filter.matches(&topic, HashMatch::ParentToo) {
                    let found = Versioned { value: entry.value.clone(), version: entry.version };
                    self.hand_over(&found, client, qos)?;
                }
            }
            match page.entries.last().filter(|_| page.has_more) {
                Some(last) => after = Some(last.key.clone()),
                None => return Ok(()),
            }
        }
    }

    /// Leaves a message that was kept with `client`, unless its life is over.
    fn hand_over(&self, found: &Versioned, client: &Client, qos: QoS) -> Result<(), ApiError> {
        let now = self.app.env.clock.now();
        let record: Record = service::decode(found)?;
        let Some(message) = record.into_message(now) else { return Ok(()) };
        let qos = message.qos.min(qos);
        let message = Arc::new(message);
        let ids = client.subscriptions.ids_matching(&message.topic);
        let delivery = Delivery { ids, ..Delivery::new(Arc::clone(&message), qos, true) };
        with_lent(&self.metrics, |lent| {
            let (_, mut turn) = lent.turn(now);
            let Some(session) = &client.kept else { return leave(client, delivery, &mut turn) };
            let mut keeping = Keeping::default();
            session.take(delivery, &mut keeping, &mut turn);
            // What cannot be written is dropped, as what finds no room in the queue is.
            keeping.write(&message, None);
        });
        Ok(())
    }
}

/// Writes what is to be kept, one batch after the other.
struct Writer {
    app: Arc<App>,
    requests: mpsc::Receiver<Request>,
    /// How much is told of messages that find no room.
    log_budget: LogBudget,
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

    async fn write(&mut self, requests: &mut Vec<Request>) {
        let mut by_tenant: HashMap<TenantId, Vec<Request>> = HashMap::new();
        for request in requests.drain(..) {
            by_tenant.entry(request.tenant).or_default().push(request);
        }
        for (tenant, requests) in by_tenant {
            let refused = self.write_of(tenant, &requests).await;
            for request in requests {
                let topic = &*request.message.topic;
                let code = match &refused {
                    Ok(refused) if refused.iter().any(|refused| *refused == *topic) => {
                        self.log_refused(&request);
                        reason::QUOTA_EXCEEDED
                    }
                    Ok(_) => reason::SUCCESS,
                    // MQTT 3.1.1 has no word for it: the client has to send it again.
                    Err(()) => reason::UNSPECIFIED_ERROR,
                };
                if let Some(owed) = &request.owed {
                    owed.settle(code);
                }
            }
        }
    }

    /// Puts it into the device log that a message found no room.
    fn log_refused(&mut self, Request { message, owed, .. }: &Request) {
        let Some(untold) = self.log_budget.take(self.app.env.clock.now()) else { return };
        let most = self.app.limits.mqtt_retained_messages_max;
        let untold =
            if untold > 0 { format!(" ({untold} more found none)") } else { String::new() };
        let details = format!(
            "there is no room for another retained message{untold}: there are {most} \
             (limits.mqtt_retained_messages_max)"
        );
        let (event, reason) = ("Publish-In", "RETAINED_MESSAGES_EXCEEDED");
        let logged = match owed.as_ref().and_then(|owed| owed.client()) {
            Some(client) => client.event(event, DeviceStatus::Failure, reason, details),
            None => DeviceEvent::failure(event, reason, details),
        };
        let topic_name = Some(message.topic.to_string());
        self.app.device_log.record(DeviceEvent { topic_name, ..logged });
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
