//! Brings what waits on disk to the reader of a queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use env::TaskKind;
use journal::Sequence;
use mqtt::QoS;
use service::App;

use super::{Entry, Inner, Queue, Queued, Stage, State, Unsent};
use crate::mailbox::{Delivery, Posted};
use crate::message::Message;
use crate::space::Client;
use crate::stored;

/// Messages that are read at once.
const BATCH_MAX: usize = 100;

/// Loads what waits for the reader of `queue`, unless that is under way. For when the reader has
/// taken all that it was handed.
pub(crate) fn load(queue: &Arc<Queue>, app: &Arc<App>) {
    let Some(reader) = queue.begin_loading() else { return };
    let (queue, loading_app) = (Arc::clone(queue), Arc::clone(app));
    app.env.tasks.spawn("session-queue", TaskKind::Transient, async move {
        let goes_on = load_batches(&queue, &reader, &loading_app).await;
        // More may wait, and the reader may be another one by now.
        if let Some(reader) = queue.end_loading().filter(|_| goes_on) {
            reader.mailbox.wake();
        }
    });
}

/// Hands one batch over; if nothing in it is to be delivered, the next. Whether it makes sense to
/// go on.
async fn load_batches(queue: &Arc<Queue>, reader: &Arc<Client>, app: &App) -> bool {
    let pace = usize::try_from(queue.limits.drain_per_s).unwrap_or(usize::MAX);
    let most = if pace == 0 { BATCH_MAX } else { pace.min(BATCH_MAX) };
    loop {
        let batch = queue.next_batch(reader.number, most);
        if batch.is_empty() {
            return true;
        }
        let sequences: Vec<Sequence> = batch.iter().map(|entry| entry.sequence).collect();
        let bodies = match queue.journal.read(sequences).await {
            Ok(bodies) => bodies,
            Err(error) => {
                tracing::error!(%error, client_id = %reader.id, "queued messages not read");
                return false;
            }
        };
        let now = app.env.clock.now();
        let mut has_handed = false;
        for (unsent, body) in batch.into_iter().zip(bodies) {
            let message = body.and_then(|body| stored::decode(&body).ok());
            let is_due = |message: &Message| unsent.is_begun() || message.expiry_s(now).is_some();
            match message.filter(is_due) {
                None => queue.acknowledge(unsent.sequence),
                Some(message) => {
                    if !queue.hand(reader, unsent, message) {
                        return true;
                    }
                    has_handed = true;
                }
            }
        }
        if has_handed && pace == 0 {
            return true;
        } else if has_handed {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Queue {
    /// Whether messages wait to be handed out to several readers, and nobody does so yet.
    pub(crate) fn begin_draining(&self) -> bool {
        let mut inner = self.lock();
        let begins = !inner.is_loading && inner.has_waiting();
        inner.is_loading |= begins;
        begins
    }

    pub(crate) fn end_draining(&self) {
        self.lock().is_loading = false;
    }

    /// The first messages that wait for anybody.
    pub(crate) fn next_waiting(&self, most: usize) -> Vec<Unsent> {
        self.lock().next_waiting(most)
    }

    /// Somebody has a message now.
    pub(crate) fn hand_out(&self, sequence: Sequence) {
        let mut inner = self.lock();
        if let Some(entry) = inner.find(sequence).filter(|entry| entry.state != State::Handed) {
            entry.state = State::Handed;
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn begin_loading(&self) -> Option<Arc<Client>> {
        let mut inner = self.lock();
        if inner.is_loading || !inner.has_waiting() {
            return None;
        }
        let reader = inner.reader.clone()?;
        inner.is_loading = true;
        Some(reader)
    }

    /// Who reads now, if more can be loaded.
    fn end_loading(&self) -> Option<Arc<Client>> {
        let mut inner = self.lock();
        inner.is_loading = false;
        inner.reader.clone().filter(|_| inner.has_waiting())
    }

    /// The first messages that wait for the reader `number`.
    fn next_batch(&self, number: u64, most: usize) -> Vec<Unsent> {
        let inner = self.lock();
        if inner.reader.as_ref().is_none_or(|reader| reader.number != number) {
            return Vec::new();
        }
        inner.next_waiting(most)
    }

    /// Hands a message that was loaded to `reader`, if that still reads and has room.
    fn hand(
        self: &Arc<Self>,
        reader: &Arc<Client>,
        Unsent { sequence, note, is_again }: Unsent,
        message: Message,
    ) -> bool {
        let mut inner = self.lock();
        if inner.reader.as_ref().is_none_or(|now| now.number != reader.number) {
            return false;
        }
        let Some(entry) = inner.find(sequence) else { return true };
        let queue = Arc::clone(self);
        let queued = Queued { queue, sequence, packet_id: note.packet_id, is_again };
        let ids = reader.subscriptions.ids_matching(&message.topic);
        let delivery = Delivery {
            message: Arc::new(message),
            qos: note.qos,
            retain: note.retain,
            ids,
            queued: Some(Box::new(queued)),
        };
        debug_assert!(note.qos != QoS::AtMostOnce && note.stage == Stage::ToSend);
        let waker = match reader.mailbox.offer(delivery) {
            Posted::Waits => None,
            Posted::Wake(waker) => Some(waker),
            Posted::Dropped | Posted::Gone => return false,
        };
        entry.state = State::Handed;
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

impl Inner {
    /// The first messages that nobody has.
    fn next_waiting(&self, most: usize) -> Vec<Unsent> {
        let waiting = self.entries.iter().filter(|entry| entry.state == State::Waiting);
        waiting.take(most).map(Entry::unsent).collect()
    }
}
