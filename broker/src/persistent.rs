//! A persistent session: what is kept of a client while it is away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use journal::{QueueId, Recovered, RecoveredEntry};
use mqtt::{PacketId, QoS, Version};
use service::{App, DeviceEvent, LogBudget};
use types::{Tenant, Timestamp};

use crate::departures::Departure;
use crate::exactly_once::Received;
use crate::keeping::Keeping;
use crate::mailbox::{Delivery, Settled};
use crate::message::Message;
use crate::publish::leave;
use crate::queue::{Note, Queue, QueueLimits};
use crate::subscriptions::Subscriptions;
use crate::turn::Turn;

/// A session that outlives its connection.
pub(crate) struct Persistent {
    /// What distinguishes it from every other recipient; never 0.
    pub(crate) number: u64,
    pub(crate) tenant: Tenant,
    pub(crate) client_id: ByteString,
    /// A session of one version is none for the other, as on AWS.
    pub(crate) version: Version,
    pub(crate) queue: Arc<Queue>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    app: Arc<App>,
    state: Mutex<State>,
}

/// What changes with the client's coming and going.
struct State {
    expiry_s: u32,
    /// How its last connection ended, while it is away.
    left: Option<Departure>,
    /// What it has sent and not released; with the connection while there is one.
    received: Received,
    /// What has become of messages of a connection that ends just now, to be noted in `received`.
    late: Vec<(PacketId, u8)>,
    /// What is published when it has been away for so long.
    will: Option<DelayedWill>,
    log_budget: LogBudget,
}

/// A Will that waits for its client to stay away.
#[derive(Clone)]
pub(crate) struct DelayedWill {
    pub(crate) message: Arc<Message>,
    pub(crate) due: Timestamp,
}

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) number: u64,
    pub(crate) tenant: Tenant,
    pub(crate) client_id: ByteString,
    pub(crate) version: Version,
    pub(crate) queue: QueueId,
    pub(crate) expiry_s: u32,
    pub(crate) left: Option<Departure>,
    pub(crate) will: Option<DelayedWill>,
}

impl Persistent {
    /// A session with what the journal has of it, which is taken out of `recovered`.
    pub(crate) fn new(app: &Arc<App>, parts: Parts, recovered: &mut Recovered) -> Self {
        let Parts { number, tenant, client_id, version, queue, expiry_s, left, will } = parts;
        let waiting = recovered.queues.remove(&queue).unwrap_or_default();
        let limits = QueueLimits::new(&app.limits);
        let queue = Arc::new(Queue::new(queue, app.journal.clone(), limits, waiting));
        let received = recovered.queues.remove(&queue.id_of_received()).unwrap_or_default();
        let received = received.iter().filter_map(|entry| Some((id_of(entry)?, entry.sequence)));
        let received = Received::recovered(received);
        let log_budget = LogBudget::default();
        Self {
            number,
            tenant,
            client_id,
            version,
            queue,
            subscriptions: Arc::default(),
            app: Arc::clone(app),
            state: Mutex::new(State {
                expiry_s,
                left,
                received,
                late: Vec::new(),
                will,
                log_budget,
            }),
        }
    }

    /// Takes a message: of QoS 0 only if the client is there.
    pub(crate) fn take(&self, delivery: Delivery, keeping: &mut Keeping, turn: &mut Turn<'_>) {
        if delivery.qos == QoS::AtMostOnce {
            if let Some(reader) = self.queue.reader() {
                leave(&reader, delivery, turn);
            }
            return;
        }
        let message = Arc::clone(&delivery.message);
        if !keeping.put(&self.queue, delivery, turn) {
            self.log_full(&message);
        }
    }

    /// As [`Persistent::take`], for a message of QoS 1 or 2 that a group hands on.
    pub(crate) fn take_shared(
        &self,
        delivery: Delivery,
        keeping: &mut Keeping,
        turn: &mut Turn<'_>,
    ) {
        let message = Arc::clone(&delivery.message);
        if !keeping.put_shared(&self.queue, delivery, turn) {
            self.log_full(&message);
        }
    }

    /// Takes note of what has become of a message that its client has sent, over the connection
    /// `number` which has ended.
    pub(crate) fn settle_late(&self, number: u64, packet_id: PacketId, code: u8) {
        let mut state = self.lock();
        if state.received.contains(packet_id) {
            state.received.note(packet_id, code);
            return;
        }
        match self.queue.reader().filter(|reader| reader.number != number) {
            Some(reader) => {
                drop(state);
                reader.mailbox.settle(Settled::Late(packet_id, code));
            }
            // It is ending: what it has received comes in a moment.
            None if state.left.is_none() => state.late.push((packet_id, code)),
            None => {}
        }
    }

    /// Whether its client is connected.
    pub(crate) fn is_online(&self) -> bool {
        self.queue.reader().is_some()
    }

    /// For how long it is kept without its client.
    pub(crate) fn expiry_s(&self) -> u32 {
        self.lock().expiry_s
    }

    /// How its client's last connection ended, if the client is away.
    pub(crate) fn left(&self) -> Option<Departure> {
        self.lock().left.clone()
    }

    /// When it is over, if its client stays away.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        let state = self.lock();
        let left_ms = state.left.as_ref()?.at.millis();
        Some(Timestamp::from_millis(left_ms + i64::from(state.expiry_s) * 1000))
    }

    pub(crate) fn will(&self) -> Option<DelayedWill> {
        self.lock().will.clone()
    }

    /// The Will, which waits no longer.
    pub(crate) fn take_will(&self) -> Option<DelayedWill> {
        self.lock().will.take()
    }

    /// Its client is here, and has it kept for so long. What it has not released goes with it.
    pub(crate) fn come(&self, expiry_s: u32) -> Received {
        let mut state = self.lock();
        state.expiry_s = expiry_s;
        state.left = None;
        state.will = None;
        std::mem::take(&mut state.received)
    }

    /// Its client has left.
    pub(crate) fn go(
        &self,
        expiry_s: u32,
        left: Departure,
        received: Received,
        will: Option<DelayedWill>,
    ) {
        let mut state = self.lock();
        state.expiry_s = expiry_s;
        state.left = Some(left);
        state.received = received;
        for (packet_id, code) in std::mem::take(&mut state.late) {
            state.received.note(packet_id, code);
        }
        state.will = will;
    }

    fn log_full(&self, message: &Message) {
        let untold = self.lock().log_budget.take(self.app.env.clock.now());
        let Some(untold) = untold else { return };
        let fill = self.queue.fill();
        let details = format!(
            "the message was dropped, for {} messages of {} bytes wait for the client \
             (and {untold} more that are not listed)",
            fill.messages, fill.bytes
        );
        self.app.device_log.record(DeviceEvent {
            account_id: Some(self.tenant.account.to_string()),
            region: Some(self.tenant.region.to_string()),
            client_id: Some(self.client_id.to_string()),
            topic_name: Some(message.topic.to_string()),
            ..DeviceEvent::failure("Queued", "QUEUE_FULL", details)
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id_of(entry: &RecoveredEntry) -> Option<PacketId> {
    Note::from_mark(entry.mark).packet_id
}
