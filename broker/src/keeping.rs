//! What a message still needs before it may be acknowledged: a place in the journal, for every
//! queue that took it.

use std::sync::Arc;

use journal::{Full, JournalError, Pending, QueueId, Sequence};
use metrics::counter;
use mqtt::{QoS, reason};

use crate::mailbox::Delivery;
use crate::message::Message;
use crate::metrics::DROPPED;
use crate::owed::Owed;
use crate::queue::{Note, Offered, Queue};
use crate::space::Client;
use crate::turn::Turn;

/// The queues that have taken a message.
#[derive(Default)]
pub(crate) struct Keeping {
    own: Part,
    /// For whoever has it from a group: a session that is in several groups, or subscribes beside
    /// them, takes it more than once, and a queue has no sequence twice.
    shared: Vec<Part>,
}

/// One entry of the journal.
#[derive(Default)]
struct Part {
    sequence: Option<Sequence>,
    queues: Vec<(Arc<Queue>, Note)>,
    /// Where it is noted that the packet id of whoever sent it is taken.
    received: Option<(Arc<Queue>, Note)>,
}

/// A message on its way to the disk.
struct Stored {
    message: Arc<Message>,
    sequence: Sequence,
    queues: Vec<(Arc<Queue>, Note)>,
    owed: Option<Arc<Owed>>,
}

impl Keeping {
    /// How many writes are needed.
    pub(crate) fn parts(&self) -> usize {
        usize::from(!self.own.is_empty()) + self.shared.len()
    }

    /// Puts a message of QoS 1 or 2 into `queue`, which takes no other copy of it but from groups;
    /// whether there was room.
    pub(crate) fn put(
        &mut self,
        queue: &Arc<Queue>,
        delivery: Delivery,
        turn: &mut Turn<'_>,
    ) -> bool {
        self.own.put(queue, turn, |sequence| queue.offer(sequence, delivery))
    }

    /// As [`Keeping::put`], for a message that a group has handed on, or keeps itself.
    pub(crate) fn put_shared(
        &mut self,
        queue: &Arc<Queue>,
        delivery: Delivery,
        turn: &mut Turn<'_>,
    ) -> bool {
        self.put_apart(queue, turn, |sequence| queue.offer(sequence, delivery))
    }

    /// Leaves a message of QoS 1 with `client`, and in `queue` until it is acknowledged; whether
    /// there was room in the queue.
    pub(crate) fn lend(
        &mut self,
        queue: &Arc<Queue>,
        client: &Arc<Client>,
        delivery: Delivery,
        turn: &mut Turn<'_>,
    ) -> bool {
        self.put_apart(queue, turn, |sequence| queue.lend(sequence, delivery, client))
    }

    /// Notes with the message that its packet id is taken, for whoever sent it.
    pub(crate) fn note(&mut self, queue: &Arc<Queue>, note: Note) -> Sequence {
        self.own.received = Some((Arc::clone(queue), note));
        self.own.sequence(queue)
    }

    /// Has `message` written. A part of `owed` is settled with each write. If there is no room for
    /// it to wait for that, it is taken out of the queues, and the answer is no.
    pub(crate) fn write(self, message: &Arc<Message>, owed: Option<Arc<Owed>>) -> bool {
        // That the publisher's packet id is taken comes last: it stands for all the rest.
        let mut has_room = true;
        for part in self.shared.into_iter().chain([self.own]) {
            has_room &= part.write(message, owed.clone());
        }
        has_room
    }

    fn put_apart(
        &mut self,
        queue: &Arc<Queue>,
        turn: &mut Turn<'_>,
        offer: impl FnOnce(Sequence) -> Offered,
    ) -> bool {
        let has_it = |part: &Part| part.queues.iter().any(|(other, _)| other.id == queue.id);
        if let Some(part) = self.shared.iter_mut().find(|part| !has_it(part)) {
            return part.put(queue, turn, offer);
        }
        let mut part = Part::default();
        let is_taken = part.put(queue, turn, offer);
        self.shared.extend(is_taken.then_some(part));
        is_taken
    }
}

impl Part {
    fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.received.is_none()
    }

    fn put(
        &mut self,
        queue: &Arc<Queue>,
        turn: &mut Turn<'_>,
        offer: impl FnOnce(Sequence) -> Offered,
    ) -> bool {
        match offer(self.sequence(queue)) {
            Offered::Taken(note, waker) => {
                turn.wakes.extend(waker);
                self.queues.push((Arc::clone(queue), note));
                true
            }
            Offered::Full => {
                turn.counts.dropped += 1;
                false
            }
        }
    }

    fn write(self, message: &Arc<Message>, owed: Option<Arc<Owed>>) -> bool {
        let Self { sequence: Some(sequence), queues, received } = self else { return true };
        let marked = queues.iter().map(|(queue, note)| (queue.id, note.to_mark()));
        let received_mark =
            received.as_ref().map(|(queue, note)| (queue.id_of_received(), note.to_mark()));
        let marks: Vec<(QueueId, u32)> = marked.chain(received_mark).collect();
        let first = queues.first().or(received.as_ref()).map(|(queue, _)| queue.journal().clone());
        let Some(journal) = first else { return true };
        let stored = Arc::new(Stored { message: Arc::clone(message), sequence, queues, owed });
        match journal.append(sequence, marks, Arc::clone(&stored) as Arc<dyn Pending>) {
            Ok(()) => true,
            Err(Full::Waiting) => {
                stored.withdraw();
                false
            }
            // As for a queue that is full: the newest is dropped, the publisher goes on.
            Err(Full::Disk) => {
                stored.withdraw();
                counter!(DROPPED).increment(stored.queues.len() as u64);
                stored.tell(reason::SUCCESS);
                true
            }
        }
    }

    fn sequence(&mut self, queue: &Queue) -> Sequence {
        *self.sequence.get_or_insert_with(|| queue.journal().next_sequence())
    }
}

impl Stored {
    fn withdraw(&self) {
        for (queue, _) in &self.queues {
            queue.withdraw(self.sequence);
        }
    }

    fn tell(&self, code: u8) {
        if let Some(owed) = &self.owed {
            owed.settle(code);
        }
    }
}

impl Pending for Stored {
    fn encode(&self, bytes: &mut Vec<u8>) {
        crate::stored::encode(&self.message, bytes);
    }

    fn settled(&self, result: Result<(), JournalError>) {
        match result {
            Ok(()) => {
                for (queue, note) in &self.queues {
                    if note.qos == QoS::ExactlyOnce {
                        queue.wake_reader();
                    }
                }
                self.tell(reason::SUCCESS);
            }
            Err(error) => {
                tracing::error!(%error, "a message was not written to the journal");
                self.withdraw();
                self.tell(reason::UNSPECIFIED_ERROR);
            }
        }
    }
}
