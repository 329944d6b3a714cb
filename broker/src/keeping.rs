//! What a message still needs before it may be acknowledged: a place in the journal, for every
//! queue that took it.

use std::sync::Arc;

use journal::{Full, JournalError, Pending, Sequence};
use mqtt::{QoS, reason};

use crate::mailbox::Delivery;
use crate::message::Message;
use crate::owed::Owed;
use crate::queue::{Note, Offered, Queue};
use crate::turn::Turn;

/// The queues that have taken a message.
#[derive(Default)]
pub(crate) struct Keeping {
    sequence: Option<Sequence>,
    queues: Vec<(Arc<Queue>, Note)>,
}

/// A message on its way to the disk.
struct Stored {
    message: Arc<Message>,
    sequence: Sequence,
    queues: Vec<(Arc<Queue>, Note)>,
    owed: Option<Arc<Owed>>,
}

impl Keeping {
    /// Whether nothing has to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Puts a message of QoS 1 or 2 into `queue`; whether there was room.
    pub(crate) fn put(
        &mut self,
        queue: &Arc<Queue>,
        delivery: Delivery,
        turn: &mut Turn<'_>,
    ) -> bool {
        let sequence = self.sequence(queue);
        match queue.offer(sequence, delivery) {
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

    /// Notes with the message that its packet id is taken, in the queue of whoever sent it.
    pub(crate) fn note(&mut self, queue: &Arc<Queue>, note: Note) -> Sequence {
        let sequence = self.sequence(queue);
        self.queues.push((Arc::clone(queue), note));
        sequence
    }

    /// Has `message` written. `owed` is settled when it is safe. If there is no room for it to
    /// wait for that, it is taken out of the queues, and the answer is no.
    pub(crate) fn write(self, message: &Arc<Message>, owed: Option<Arc<Owed>>) -> bool {
        let Self { sequence: Some(sequence), queues } = self else { return true };
        let Some((first, _)) = queues.first() else { return true };
        let journal = first.journal().clone();
        let marks = queues.iter().map(|(queue, note)| (queue.id, note.to_mark())).collect();
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
                        queue.settle(self.sequence);
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
