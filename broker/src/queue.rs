//! What waits for one persistent session or for one group of a shared subscription: the order of
//! its messages, and who has them at the moment. Their bodies are in the journal.
//!
//! While its reader keeps up, a message goes to the reader's mailbox as it comes. What finds no
//! room there stays on disk, and is loaded when the reader has taken the rest.

mod load;
mod note;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use env::Random;
use journal::{Journal, JournalError, QueueId, RecoveredEntry, Sequence};
use mqtt::{PacketId, QoS};
use service::Limits;
use types::Timestamp;

pub(crate) use self::load::load;
pub(crate) use self::note::{Note, Stage};
use crate::mailbox::{Delivery, Posted};
use crate::space::Client;

/// The least packet id of those that a queue gives out itself, for QoS 2: such an id is written
/// with its message, so that both sides know the message by it after a crash. Connections give
/// out the ids below.
pub(crate) const KEPT_IDS_FROM: u16 = 0x8000;

/// What distinguishes the ids of the journal's queues for what clients send from those for what
/// waits for them.
const RECEIVED_BIT: u64 = 1;

/// The messages that wait for somebody.
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    journal: Journal,
    limits: QueueLimits,
    /// How many nobody has taken yet. Changed under the lock, read without.
    waiting: AtomicUsize,
    inner: Mutex<Inner>,
}

/// What a queue may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    messages_max: usize,
    bytes_max: u64,
    /// Messages that are loaded a second; all at once if it is 0.
    pub(crate) drain_per_s: u32,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({})", self.id.0)
    }
}

#[derive(Default)]
struct Inner {
    /// By sequence.
    entries: VecDeque<Entry>,
    bytes: u64,
    reader: Option<Arc<Client>>,
    is_loading: bool,
    /// Messages that found no room, since the queue is there.
    dropped: u64,
    /// Those among them that could not be written, and that the client was not told of.
    unwritten: u64,
    /// Packet ids of messages of QoS 2.
    kept_ids: HashSet<u16>,
    last_kept_id: u16,
}

struct Entry {
    sequence: Sequence,
    note: Note,
    bytes: u32,
    state: State,
    /// Whether it may have been sent to a connection that is gone.
    is_sent: bool,
    /// When the first such connection ended, in seconds; 0 where that is not known.
    sent_s: u32,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// On disk alone, or about to be: who reads it waits for that.
    Waiting,
    /// With the reader.
    Handed,
}

/// A message's place in the queue that it is delivered from.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) queue: Arc<Queue>,
    pub(crate) sequence: Sequence,
    /// The packet id that it has, if it was sent before or must be sent with this one.
    pub(crate) packet_id: Option<PacketId>,
    /// Whether it may have been sent before.
    pub(crate) is_again: bool,
}

/// Told what became of a write.
type Settled = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

/// What became of a message that was offered.
pub(crate) enum Offered {
    /// It is in the queue, and has to be written with this note; wake whoever it is.
    Taken(Note, Option<Waker>),
    /// There was no room.
    Full,
}

/// What a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fill {
    pub(crate) messages: usize,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
}

/// A message to be sent anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsent {
    pub(crate) sequence: Sequence,
    pub(crate) note: Note,
    /// Whether it may have been sent before.
    pub(crate) is_again: bool,
}

impl Unsent {
    /// Whether its delivery is to be completed, however old it has grown (MQTT-4.3.3-7).
    pub(crate) fn is_begun(&self) -> bool {
        self.is_again && self.note.qos == QoS::ExactlyOnce
    }
}

/// An id for a queue: so large a number that no two are the same.
pub(crate) fn new_queue_id(random: &Random) -> QueueId {
    QueueId((u64::from_be_bytes(random.bytes()) >> 1) & !RECEIVED_BIT)
}

impl QueueLimits {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            messages_max: limits.mqtt_queue_messages_max,
            bytes_max: limits.mqtt_queue_bytes_max as u64,
            drain_per_s: limits.mqtt_queue_drain_per_s,
        }
    }
}

impl Queue {
    /// A queue with what the journal has of it.
    pub(crate) fn new(
        id: QueueId,
        journal: Journal,
        limits: QueueLimits,
        recovered: Vec<RecoveredEntry>,
    ) -> Self {
        let mut inner = Inner::default();
        for RecoveredEntry { sequence, mark, bytes } in recovered {
            let note = Note::from_mark(mark);
            let state = if note.stage == Stage::ToSend { State::Waiting } else { State::Handed };
            inner.add(Entry {
                sequence,
                note,
                bytes,
                state,
                is_sent: note.packet_id.is_some(),
                sent_s: 0,
            });
        }
        let waiting = inner.count_waiting();
        Self { id, journal, limits, waiting: AtomicUsize::new(waiting), inner: Mutex::new(inner) }
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Where the journal notes what came from the reader: a queue has no entry twice, and a
    /// message may come from whom it goes to.
    pub(crate) fn id_of_received(&self) -> QueueId {
        QueueId(self.id.0 | RECEIVED_BIT)
    }

    /// Takes a message of QoS 1 or 2, and hands it to the reader if that keeps up.
    pub(crate) fn offer(self: &Arc<Self>, sequence: Sequence, delivery: Delivery) -> Offered {
        let mut inner = self.lock();
        let has_older = inner.is_loading || self.has_waiting();
        // What is paced lets newer messages pass, as on AWS.
        let keeps_up = !has_older || self.limits.drain_per_s > 0;
        // What is of QoS 2 must not be seen before it is on disk, and is read from there.
        let is_handed = keeps_up && delivery.qos != QoS::ExactlyOnce;
        let reader = inner.reader.clone().filter(|_| is_handed);
        self.take(&mut inner, sequence, delivery, reader.as_ref())
    }

    /// Takes a message of QoS 1 that `client` gets, of those who share the queue.
    pub(crate) fn lend(
        self: &Arc<Self>,
        sequence: Sequence,
        delivery: Delivery,
        client: &Arc<Client>,
    ) -> Offered {
        self.take(&mut self.lock(), sequence, delivery, Some(client))
    }

    fn take(
        self: &Arc<Self>,
        inner: &mut Inner,
        sequence: Sequence,
        delivery: Delivery,
        reader: Option<&Arc<Client>>,
    ) -> Offered {
        let bytes = u32::try_from(delivery.message.size()).unwrap_or(u32::MAX);
        let is_full = inner.entries.len() >= self.limits.messages_max
            || inner.bytes + u64::from(bytes) > self.limits.bytes_max;
        let (qos, retain) = (delivery.qos, delivery.retain);
        let packet_id = if qos == QoS::ExactlyOnce { inner.new_kept_id() } else { None };
        if is_full || (qos == QoS::ExactlyOnce && packet_id.is_none()) {
            inner.dropped += 1;
            return Offered::Full;
        }
        let note = Note { qos, retain, stage: Stage::ToSend, packet_id };
        let (state, waker) = match reader {
            Some(reader) => self.hand_over(sequence, delivery, reader),
            None => (State::Waiting, None),
        };
        inner.add(Entry { sequence, note, bytes, state, is_sent: false, sent_s: 0 });
        if state != State::Handed {
            self.waiting.fetch_add(1, Ordering::AcqRel);
        }
        Offered::Taken(note, waker)
    }

    fn hand_over(
        self: &Arc<Self>,
        sequence: Sequence,
        mut delivery: Delivery,
        reader: &Client,
    ) -> (State, Option<Waker>) {
        let queue = Arc::clone(self);
        let queued = Queued { queue, sequence, packet_id: None, is_again: false };
        delivery.queued = Some(Box::new(queued));
        match reader.mailbox.offer(delivery) {
            Posted::Waits => (State::Handed, None),
            Posted::Wake(waker) => (State::Handed, Some(waker)),
            Posted::Dropped | Posted::Gone => (State::Waiting, None),
        }
    }

    /// Has the reader look for what is on disk by now.
    pub(crate) fn wake_reader(&self) {
        if let Some(reader) = self.reader().filter(|_| self.has_waiting()) {
            reader.mailbox.wake();
        }
    }

    /// Takes a message out that could not be written.
    pub(crate) fn withdraw(&self, sequence: Sequence) {
        let mut inner = self.lock();
        if let Some(entry) = inner.remove(sequence) {
            inner.dropped += 1;
            inner.unwritten += u64::from(entry.state == State::Waiting);
            self.forget(&entry);
        }
    }

    /// How many messages could not be written since it was last asked, and nobody has had.
    pub(crate) fn take_unwritten(&self) -> u64 {
        std::mem::take(&mut self.lock().unwritten)
    }

    /// The reader has acknowledged a message, or must not have it.
    pub(crate) fn acknowledge(&self, sequence: Sequence) {
        let mut inner = self.lock();
        if let Some(entry) = inner.remove(sequence) {
            self.forget(&entry);
        }
        drop(inner);
        self.journal.release([(self.id, sequence)]);
    }

    /// As [`Queue::acknowledge`]; `settled` is told when that is on disk.
    pub(crate) fn acknowledge_safely(&self, sequence: Sequence, settled: Settled) {
        let mut inner = self.lock();
        if let Some(entry) = inner.remove(sequence) {
            self.forget(&entry);
        }
        drop(inner);
        self.journal.release_safely(self.id, sequence, settled);
    }

    /// The reader has received a message of QoS 2: it must not be sent again, but be released.
    pub(crate) fn receive(&self, sequence: Sequence) -> Option<Note> {
        let mut inner = self.lock();
        let entry = inner.find(sequence)?;
        entry.note.stage = Stage::Released;
        Some(entry.note)
    }

    /// A message that was handed over was not delivered.
    pub(crate) fn give_back(&self, sequence: Sequence) {
        let mut inner = self.lock();
        if let Some(entry) = inner.find(sequence).filter(|entry| entry.state == State::Handed) {
            entry.state = State::Waiting;
            self.waiting.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Lets `client` read, and says what was sent to the reader before it and is not acknowledged.
    pub(crate) fn attach(&self, client: &Arc<Client>) -> Vec<Unsent> {
        let mut inner = self.lock();
        inner.reader = Some(Arc::clone(client));
        let sent = inner.entries.iter().filter(|entry| entry.is_sent);
        sent.map(Entry::unsent).collect()
    }

    /// Drops messages of QoS 1 that were sent for longer than `retry_s` without an answer; how
    /// many there were.
    pub(crate) fn give_up(&self, retry_s: u32, now: Timestamp) -> usize {
        let mut inner = self.lock();
        let is_over = |entry: &&Entry| {
            let is_once = entry.note.qos == QoS::AtLeastOnce;
            is_once && entry.sent_s > 0 && entry.sent_s.saturating_add(retry_s) < seconds(now)
        };
        let over: Vec<_> = inner.entries.iter().filter(is_over).map(|e| e.sequence).collect();
        for sequence in &over {
            inner.remove(*sequence);
        }
        inner.dropped += over.len() as u64;
        self.recount(&inner);
        drop(inner);
        let count = over.len();
        self.journal.release(over.into_iter().map(|sequence| (self.id, sequence)));
        count
    }

    /// The reader `number` is gone; these were in flight to it. The answer is whether it was the
    /// reader.
    pub(crate) fn detach(
        &self,
        number: u64,
        in_flight: &[(Sequence, PacketId)],
        now: Timestamp,
    ) -> bool {
        let mut inner = self.lock();
        if inner.reader.as_ref().is_none_or(|reader| reader.number != number) {
            return false;
        }
        inner.reader = None;
        for (sequence, packet_id) in in_flight {
            if let Some(entry) = inner.find(*sequence) {
                entry.note.packet_id = Some(*packet_id);
                entry.is_sent = true;
                if entry.sent_s == 0 {
                    entry.sent_s = seconds(now);
                }
            }
        }
        for entry in &mut inner.entries {
            let is_handed = entry.state == State::Handed && entry.note.stage == Stage::ToSend;
            if is_handed {
                entry.state = State::Waiting;
            }
        }
        self.recount(&inner);
        true
    }

    /// Whether messages wait that no reader has taken.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Who reads.
    pub(crate) fn reader(&self) -> Option<Arc<Client>> {
        self.lock().reader.clone()
    }

    pub(crate) fn fill(&self) -> Fill {
        let inner = self.lock();
        Fill { messages: inner.entries.len(), bytes: inner.bytes, dropped: inner.dropped }
    }

    /// Takes note that an entry is gone.
    fn forget(&self, entry: &Entry) {
        if entry.state == State::Waiting {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn recount(&self, inner: &Inner) {
        self.waiting.store(inner.count_waiting(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whole seconds, which are enough to count a day or a week by.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.millis() / 1000).unwrap_or_default()
}

impl Entry {
    fn unsent(&self) -> Unsent {
        Unsent { sequence: self.sequence, note: self.note, is_again: self.is_sent }
    }
}

impl Inner {
    /// Adds an entry where its sequence belongs, which is mostly the end.
    fn add(&mut self, entry: Entry) {
        self.bytes += u64::from(entry.bytes);
        if let Some(id) = entry.note.packet_id.filter(|id| id.get() >= KEPT_IDS_FROM) {
            self.kept_ids.insert(id.get());
        }
        let newer = self.entries.iter().rev().take_while(|other| other.sequence > entry.sequence);
        let at = self.entries.len() - newer.count();
        self.entries.insert(at, entry);
    }

    fn find(&mut self, sequence: Sequence) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence).ok()?;
        self.entries.get_mut(at)
    }

    fn remove(&mut self, sequence: Sequence) -> Option<Entry> {
        let at = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence).ok()?;
        let entry = self.entries.remove(at)?;
        self.bytes = self.bytes.saturating_sub(u64::from(entry.bytes));
        if let Some(id) = entry.note.packet_id {
            self.kept_ids.remove(&id.get());
        }
        Some(entry)
    }

    fn has_waiting(&self) -> bool {
        self.entries.iter().any(|entry| entry.state == State::Waiting)
    }

    fn count_waiting(&self) -> usize {
        self.entries.iter().filter(|entry| entry.state != State::Handed).count()
    }

    /// An id that no message of this queue has.
    fn new_kept_id(&mut self) -> Option<PacketId> {
        let ids = usize::from(u16::MAX - KEPT_IDS_FROM);
        if self.kept_ids.len() >= ids {
            return None;
        }
        loop {
            self.last_kept_id = self.last_kept_id.wrapping_add(1) | KEPT_IDS_FROM;
            if !self.kept_ids.contains(&self.last_kept_id) {
                return PacketId::new(self.last_kept_id);
            }
        }
    }
}
