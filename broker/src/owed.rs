//! An acknowledgement that is owed to a publisher until its message is safe wherever it has to be.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use journal::Sequence;
use mqtt::{PacketId, reason};
use tokio::sync::oneshot;

use crate::mailbox::Settled;
use crate::queue::Queue;
use crate::space::Client;

/// What is told, once, when every part of it is settled: the worst of their codes.
pub(crate) struct Owed {
    to: To,
    parts: AtomicUsize,
    worst: AtomicU8,
    is_forgiven: AtomicBool,
}

enum To {
    /// The client that sent the message.
    Client(Arc<Client>, PacketId),
    /// A request over HTTP, which gets a reason code of MQTT 5.
    Request(Mutex<Option<oneshot::Sender<u8>>>),
    /// The queue that the message was in before.
    Queue(Arc<Queue>, Sequence),
}

impl Owed {
    /// To a client, when `parts` are settled.
    pub(crate) fn to_client(client: &Arc<Client>, packet_id: PacketId, parts: usize) -> Arc<Self> {
        Self::new(To::Client(Arc::clone(client), packet_id), parts)
    }

    /// To a request, when `parts` are settled.
    pub(crate) fn to_request(parts: usize) -> (Arc<Self>, oneshot::Receiver<u8>) {
        let (sender, answer) = oneshot::channel();
        (Self::new(To::Request(Mutex::new(Some(sender))), parts), answer)
    }

    /// To the queue that a message is moved out of.
    pub(crate) fn to_queue(queue: &Arc<Queue>, sequence: Sequence) -> Arc<Self> {
        Self::new(To::Queue(Arc::clone(queue), sequence), 1)
    }

    fn new(to: To, parts: usize) -> Arc<Self> {
        let (parts, worst) = (AtomicUsize::new(parts), AtomicU8::new(0));
        Arc::new(Self { to, parts, worst, is_forgiven: AtomicBool::new(false) })
    }

    /// One part is done, with this reason code of MQTT 5.
    pub(crate) fn settle(&self, code: u8) {
        self.worst.fetch_max(code, Ordering::AcqRel);
        if self.parts.fetch_sub(1, Ordering::AcqRel) > 1 || self.is_forgiven.load(Ordering::Acquire)
        {
            return;
        }
        let code = self.worst.load(Ordering::Acquire);
        match &self.to {
            To::Client(client, packet_id) => {
                let is_there = client.mailbox.settle(Settled::Taken(*packet_id, code));
                if let Some(kept) = client.kept.as_ref().filter(|_| !is_there) {
                    kept.settle_late(client.number, *packet_id, code);
                }
            }
            To::Request(answer) => {
                let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
                // Who asked may be gone.
                let _: Option<Result<(), u8>> = answer.map(|answer| answer.send(code));
            }
            To::Queue(queue, sequence) if code == reason::SUCCESS => queue.acknowledge(*sequence),
            To::Queue(queue, sequence) => queue.give_back(*sequence),
        }
    }

    /// The client that it is owed to, if it is one.
    pub(crate) fn client(&self) -> Option<&Client> {
        match &self.to {
            To::Client(client, _) => Some(client),
            To::Request(_) | To::Queue(..) => None,
        }
    }

    /// Nothing will be told: one part could not even be begun. The publisher sends again.
    pub(crate) fn forgive(&self) {
        self.is_forgiven.store(true, Ordering::Release);
    }
}
