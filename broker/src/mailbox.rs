//! A connection's mailbox: what others have for it, bounded, with one wake for many messages.
//!
//! A full mailbox drops what comes last: a slow subscriber never slows a publisher.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use mqtt::{Packet, PacketId, QoS};
use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::ending::Ending;
use crate::message::Message;
use crate::queue::Queued;
use crate::run::Run;
use crate::space::Subscriber;

/// A message on its way to one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// What.
    pub(crate) message: Arc<Message>,
    /// The lower one of the publisher's and the subscription's.
    pub(crate) qos: QoS,
    /// Whether the client is told that the message was kept.
    pub(crate) retain: bool,
    /// The subscription identifiers that it is told of, if it has given any.
    pub(crate) ids: Option<Arc<Vec<u32>>>,
    /// The queue that it is delivered from; none for what is not kept for a client that is away.
    pub(crate) queued: Option<Box<Queued>>,
}

/// What waits in a mailbox.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A message.
    One(Delivery),
    /// Messages of one topic, which are kept nowhere else.
    Batch(Batch),
}

/// What others have done for the client, to be told to it.
#[derive(Debug)]
pub(crate) enum Settled {
    /// A message of the client is safe, or why it is not: a reason code of MQTT 5.
    Taken(PacketId, u8),
    /// As `Taken`, for a message of QoS 2 that came over the client's last connection.
    Late(PacketId, u8),
    /// A message of QoS 2 that the client has received is noted as such: it can be released.
    Noted(PacketId),
    /// The client's own message of QoS 2 is released.
    Released(PacketId),
    /// An answer that had to wait for the store.
    Answer(Box<Packet>),
}

impl Mail {
    /// The queue that it is delivered from.
    pub(crate) fn into_queued(self) -> Option<Box<Queued>> {
        match self {
            Self::One(delivery) => delivery.queued,
            Self::Batch(_) => None,
        }
    }
}

impl Inner {
    /// Whom to wake because something waits now.
    fn wake_for_mail(&mut self) -> Posted {
        if !std::mem::take(&mut self.wants_mail) {
            return Posted::Waits;
        }
        self.waker.clone().map_or(Posted::Waits, Posted::Wake)
    }
}

impl Delivery {
    /// One that is kept nowhere else.
    pub(crate) fn new(message: Arc<Message>, qos: QoS, retain: bool) -> Self {
        Self { message, qos, retain, ids: None, queued: None }
    }
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
    waiting: VecDeque<Mail>,
    messages: usize,
    bytes: usize,
    /// What is to be told to the client beside its mail. Bounded by what it may have under way.
    settled: Vec<Settled>,
    waker: Option<Waker>,
    /// Whether the next message has to wake the connection.
    wants_mail: bool,
    closing: Option<Closing>,
    /// Messages that found no room since mail was last collected.
    dropped: u64,
    is_gone: bool,
}

/// What a connection finds beside its mail.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Messages that found no room since it last looked.
    pub(crate) dropped: u64,
    /// What is to be told to its client.
    pub(crate) settled: Vec<Settled>,
}

/// Why a connection has to end, and who waits for it to have ended.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) ending: Ending,
    /// To be dropped when the connection is gone: of the next one with its id, and of the calls
    /// that end it, which are as many as may run at once.
    pub(crate) waiting: Vec<oneshot::Sender<()>>,
}

impl Mailbox {
    pub(crate) fn new(limits: MailboxLimits) -> Self {
        Self { limits, inner: Mutex::default() }
    }

    /// Leaves a message. One that finds no room is counted.
    pub(crate) fn post(&self, delivery: Delivery) -> Posted {
        let mut inner = self.lock();
        let posted = self.add(&mut inner, delivery);
        if matches!(posted, Posted::Dropped) {
            inner.dropped += 1;
        }
        posted
    }

    /// Leaves a run of messages, as `subscriber` gets them; and how many found no room.
    pub(crate) fn post_run(&self, run: &Arc<Run>, subscriber: &Subscriber) -> (Posted, u64) {
        let mut inner = self.lock();
        if inner.is_gone {
            return (Posted::Gone, 0);
        }
        let count = run.parts.len();
        let fitting = run.fitting(self.limits.bytes_max.saturating_sub(inner.bytes));
        let taken = fitting.min(self.room(&inner));
        let dropped = (count - taken) as u64;
        inner.dropped += dropped;
        if taken == 0 {
            return (Posted::Dropped, dropped);
        }
        inner.messages += taken;
        // All of it is there for as long as any part is.
        inner.bytes += run.size;
        inner.waiting.push_back(Mail::Batch(Batch {
            run: Arc::clone(run),
            left: 0..taken,
            qos_max: subscriber.options.qos,
            ids: subscriber.ids.clone(),
        }));
        (inner.wake_for_mail(), dropped)
    }

    /// Leaves a message that is kept elsewhere if it finds no room here.
    pub(crate) fn offer(&self, delivery: Delivery) -> Posted {
        self.add(&mut self.lock(), delivery)
    }

    fn add(&self, inner: &mut Inner, delivery: Delivery) -> Posted {
        if inner.is_gone {
            return Posted::Gone;
        }
        let bytes = inner.bytes + delivery.message.size();
        if self.room(inner) == 0 || bytes > self.limits.bytes_max {
            return Posted::Dropped;
        }
        inner.bytes = bytes;
        inner.messages += 1;
        inner.waiting.push_back(Mail::One(delivery));
        inner.wake_for_mail()
    }

    /// For how many messages there is room.
    fn room(&self, inner: &Inner) -> usize {
        self.limits.messages_max.saturating_sub(inner.messages)
    }

    /// Lets the client know what was done for it; whether it is there.
    pub(crate) fn settle(&self, settled: Settled) -> bool {
        let mut inner = self.lock();
        if inner.is_gone {
            return false;
        }
        inner.settled.push(settled);
        drop(inner);
        self.wake();
        true
    }

    /// What the client was not told before its mailbox was closed.
    pub(crate) fn take_settled(&self) -> Vec<Settled> {
        std::mem::take(&mut self.lock().settled)
    }

    /// Whether no more messages fit.
    pub(crate) fn is_full(&self) -> bool {
        let inner = self.lock();
        inner.is_gone || self.room(&inner) == 0 || inner.bytes >= self.limits.bytes_max
    }

    /// Gives the connection a turn.
    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
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
            Some(closing) => closing.waiting.push(waiting),
            none => *none = Some(Closing { ending, waiting: vec![waiting] }),
        }
        drop(inner);
        self.wake();
        ended
    }

    /// Moves all mail into `mail` if that is empty; or says that the connection has to end.
    /// `waker` is woken for what comes later; not for more mail if `mail` was not empty, since the
    /// connection then waits for its client.
    pub(crate) fn collect(
        &self,
        mail: &mut VecDeque<Mail>,
        waker: &Waker,
    ) -> Result<Collected, Closing> {
        let mut inner = self.lock();
        if let Some(closing) = inner.closing.take() {
            return Err(closing);
        }
        inner.wants_mail = mail.is_empty();
        if mail.is_empty() {
            std::mem::swap(mail, &mut inner.waiting);
            (inner.messages, inner.bytes) = (0, 0);
        }
        if inner.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
        Ok(Collected {
            dropped: std::mem::take(&mut inner.dropped),
            settled: std::mem::take(&mut inner.settled),
        })
    }

    /// Takes no more mail, and hands over what waits.
    pub(crate) fn leave(&self) -> VecDeque<Mail> {
        let mut inner = self.lock();
        inner.is_gone = true;
        inner.waker = None;
        inner.closing = None;
        std::mem::take(&mut inner.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use oneshot::error::TryRecvError;

    use super::*;

    const LIMITS: MailboxLimits = MailboxLimits { messages_max: 3, bytes_max: 1000 };

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Alarm(AtomicUsize);

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A mailbox and the connection that it belongs to.
    struct Owner {
        mailbox: Mailbox,
        mail: VecDeque<Mail>,
        alarm: Arc<Alarm>,
    }

    impl Owner {
        fn new() -> Self {
            let mailbox = Mailbox::new(LIMITS);
            Self { mailbox, mail: VecDeque::new(), alarm: Arc::default() }
        }

        fn collect(&mut self) -> Option<Ending> {
            let waker = Waker::from(Arc::clone(&self.alarm));
            self.mailbox.collect(&mut self.mail, &waker).err().map(|closing| closing.ending)
        }

        /// What is collected, and taken out.
        fn read(&mut self) -> Vec<usize> {
            assert!(self.collect().is_none());
            let payload = |mail| match mail {
                Mail::One(delivery) => vec![delivery.message.payload.len()],
                Mail::Batch(Batch { run, left, .. }) => {
                    left.map(|at| run.parts[at].end - run.parts[at].payload).collect()
                }
            };
            self.mail.drain(..).flat_map(payload).collect()
        }

        /// Leaves a message of `bytes`, in a word.
        fn post(&self, bytes: usize) -> &'static str {
            match self.mailbox.post(delivery(bytes)) {
                Posted::Waits => "waits",
                Posted::Wake(waker) => {
                    waker.wake();
                    "wakes"
                }
                Posted::Dropped => "dropped",
                Posted::Gone => "gone",
            }
        }

        fn wakes(&self) -> usize {
            self.alarm.0.load(Ordering::Relaxed)
        }
    }

    fn delivery(bytes: usize) -> Delivery {
        let message = Message {
            topic: "t".into(),
            payload: vec![0; bytes].into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: None,
            expires: None,
            from: 0,
            receipt: None,
        };
        Delivery::new(Arc::new(message), QoS::AtMostOnce, false)
    }

    #[test]
    fn the_first_message_wakes_and_those_after_it_wait() {
        let mut owner = Owner::new();
        assert_eq!(owner.post(1), "waits", "nobody sleeps yet");
        assert_eq!(owner.read(), [1]);
        assert_eq!([owner.post(2), owner.post(3)], ["wakes", "waits"]);
        assert_eq!((owner.read(), owner.wakes()), (vec![2, 3], 1));
    }

    #[test]
    fn an_owner_with_mail_of_its_own_is_left_alone() {
        let mut owner = Owner::new();
        assert!(owner.read().is_empty());
        assert_eq!(owner.post(1), "wakes");
        assert!(owner.collect().is_none());
        assert_eq!(owner.post(2), "wakes", "it may take this one with the one that it has");
        assert!(owner.collect().is_none());
        assert_eq!((owner.mail.len(), owner.post(3)), (1, "waits"));
        assert_eq!((owner.read(), owner.read()), (vec![1], vec![2, 3]));
        assert_eq!(owner.post(4), "wakes");
    }

    #[test]
    fn a_full_mailbox_drops_what_comes_last() {
        let mut owner = Owner::new();
        assert_eq!(
            [1, 2, 3, 4].map(|bytes| owner.post(bytes)),
            ["waits", "waits", "waits", "dropped"]
        );
        assert_eq!(owner.read(), [1, 2, 3]);
        assert_eq!(owner.post(5), "wakes", "there is room again");
    }

    #[test]
    fn a_mailbox_is_full_by_bytes_as_well() {
        let mut owner = Owner::new();
        let overhead = delivery(0).message.size();
        let most = LIMITS.bytes_max - overhead;
        assert_eq!(
            [owner.post(most + 1), owner.post(most), owner.post(0)],
            ["dropped", "waits", "dropped"]
        );
        assert_eq!(owner.read(), [most]);
        assert_eq!(owner.post(most), "wakes", "there is room again");
    }

    #[test]
    fn the_first_reason_to_close_stands_and_wakes() {
        let mut owner = Owner::new();
        assert!(owner.read().is_empty());
        let mut first = owner.mailbox.close(Ending::TakenOver);
        let mut second = owner.mailbox.close(Ending::ShuttingDown);
        assert_eq!(owner.wakes(), 2);
        let waker = Waker::from(Arc::clone(&owner.alarm));
        let closing = owner.mailbox.collect(&mut owner.mail, &waker).unwrap_err();
        assert!(matches!(closing.ending, Ending::TakenOver));
        for waiting in [&mut first, &mut second] {
            assert_eq!(waiting.try_recv(), Err(TryRecvError::Empty), "everybody waits");
        }
        drop(closing);
        for waiting in [&mut first, &mut second] {
            assert_eq!(waiting.try_recv(), Err(TryRecvError::Closed), "it has ended");
        }
    }

    #[test]
    fn to_close_goes_before_mail() {
        let mut owner = Owner::new();
        owner.post(1);
        drop(owner.mailbox.close(Ending::ShuttingDown));
        assert!(matches!(owner.collect(), Some(Ending::ShuttingDown)));
        assert!(owner.mail.is_empty());
    }

    #[test]
    fn whoever_has_left_takes_nothing_and_holds_nobody_up() {
        let mut owner = Owner::new();
        assert!(owner.read().is_empty());
        owner.post(1);
        let mut waiting = owner.mailbox.close(Ending::TakenOver);
        drop(owner.mailbox.leave());
        assert_eq!(waiting.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(owner.post(2), "gone");
        let mut late = owner.mailbox.close(Ending::TakenOver);
        assert_eq!(late.try_recv(), Err(TryRecvError::Closed));
        assert!(owner.read().is_empty());
    }
}
