//! A connection's mailbox: what others have for it, bounded, with one wake for many messages.
//!
//! A full mailbox drops what comes last: a slow subscriber never slows a publisher.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use mqtt::QoS;
use tokio::sync::oneshot;

use crate::ending::Ending;
use crate::message::Message;

/// A message on its way to one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// What.
    pub(crate) message: Arc<Message>,
    /// The lower one of the publisher's and the subscription's.
    pub(crate) qos: QoS,
}

/// What may wait in a mailbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxLimits {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

/// What became of a delivery.
#[derive(Debug)]
pub(crate) enum Posted {
    /// It waits, and the connection knows or is about to.
    Waits,
    /// It waits, and the connection sleeps: wake it once the batch is done.
    Wake(Waker),
    /// There was no room.
    Dropped,
    /// Nobody is there any more.
    Gone,
}

/// Where others leave messages, and the word that the connection has to end.
pub(crate) struct Mailbox {
    limits: MailboxLimits,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    waker: Option<Waker>,
    /// Whether the next message has to wake the connection.
    wants_mail: bool,
    closing: Option<Closing>,
    is_gone: bool,
}

/// Why a connection has to end, and who waits for it to have ended.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) ending: Ending,
    /// To be dropped when the connection is gone.
    pub(crate) waiting: oneshot::Sender<()>,
}

impl Mailbox {
    pub(crate) fn new(limits: MailboxLimits) -> Self {
        Self { limits, inner: Mutex::default() }
    }

    /// Leaves a message.
    pub(crate) fn post(&self, delivery: Delivery) -> Posted {
        let mut inner = self.lock();
        if inner.is_gone {
            return Posted::Gone;
        }
        let bytes = inner.bytes + delivery.message.size();
        if inner.waiting.len() >= self.limits.messages_max || bytes > self.limits.bytes_max {
            return Posted::Dropped;
        }
        inner.bytes = bytes;
        inner.waiting.push_back(delivery);
        if !std::mem::take(&mut inner.wants_mail) {
            return Posted::Waits;
        }
        inner.waker.clone().map_or(Posted::Waits, Posted::Wake)
    }

    /// Tells the connection to end; the first reason stands. What is returned resolves, with an
    /// error, when it has ended.
    pub(crate) fn close(&self, ending: Ending) -> oneshot::Receiver<()> {
        let (waiting, ended) = oneshot::channel();
        let mut inner = self.lock();
        if inner.is_gone {
            return ended;
        }
        match &mut inner.closing {
            // Whoever waited before is told now; the connection ends all the same.
            Some(closing) => closing.waiting = waiting,
            none => *none = Some(Closing { ending, waiting }),
        }
        let waker = inner.waker.clone();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        ended
    }

    /// Moves all mail into `mail` if that is empty, or says that the connection has to end.
    /// `waker` is woken for what comes later; not for more mail while `mail` is not empty, since
    /// the connection then waits for its client.
    pub(crate) fn collect(&self, mail: &mut VecDeque<Delivery>, waker: &Waker) -> Option<Closing> {
        let mut inner = self.lock();
        if inner.closing.is_some() {
            return inner.closing.take();
        }
        if mail.is_empty() {
            std::mem::swap(mail, &mut inner.waiting);
            inner.bytes = 0;
        }
        inner.wants_mail = mail.is_empty();
        if inner.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
        None
    }

    /// Takes no more mail, and forgets what waits.
    pub(crate) fn leave(&self) {
        let mut inner = self.lock();
        inner.is_gone = true;
        inner.waiting = VecDeque::new();
        inner.waker = None;
        inner.closing = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
