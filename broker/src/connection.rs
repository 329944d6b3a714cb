//! A connection: reads, lets the session act, writes; one wake, one read, one write.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use mqtt::{Decoder, PLAIN_PUBACK_BYTES, Plain, reason};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Broker;
use crate::batch::Portion;
use crate::delivery::Delivered;
use crate::ending::{Ending, Fault};
use crate::mailbox::{Collected, Mail};
use crate::queue;
use crate::receipts::Receipts;
use crate::session::Session;
use crate::turn::{Lent, Turn, with_lent};

/// How much room a read has at least.
const READ_BYTES_MIN: usize = 16 * 1024;
/// The size of the buffer that a thread reads into.
const READ_BYTES: usize = 64 * 1024;
/// While so much is unwritten, no more mail is encoded.
const OUTPUT_BYTES_HIGH: usize = 64 * 1024;
/// While so much is unwritten, nothing is read: the client does not take its acknowledgements.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Reads in one turn; then others have theirs.
const READS_PER_TURN_MAX: usize = 4;
/// How long a client may take to hear why it is cut off.
const GOODBYE: Duration = Duration::from_secs(2);

/// How much a client may still send while it hears why.
const UNREAD_BYTES_MAX: u64 = 1024 * 1024;

/// A client's stream and its session.
pub(crate) struct Connection<S> {
    broker: Arc<Broker>,
    stream: S,
    decoder: Decoder,
    session: Session,
    /// The beginning of a packet whose end is yet to come.
    partial: BytesMut,
    /// What the client has not taken yet.
    unwritten: BytesMut,
    is_unflushed: bool,
    /// Mail that is not encoded yet.
    mail: VecDeque<Mail>,
    last_heard: Instant,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
    /// That of the permissions, when they were last looked at.
    generation: Option<u64>,
    are_timers_set: bool,
    /// Whether the end of the stream is the client's goodbye, as that of a WebSocket is.
    ends_with_goodbye: bool,
    /// Who waits for this connection to be gone.
    waiting: Vec<oneshot::Sender<()>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection that has said CONNACK in `unwritten`, and that may be silent for `patience`.
    pub(crate) fn new(
        broker: Arc<Broker>,
        (stream, decoder, partial): (S, Decoder, BytesMut),
        session: Session,
        unwritten: BytesMut,
        patience: Duration,
    ) -> Self {
        let last_heard = Instant::now();
        Self {
            broker,
            stream,
            decoder,
            session,
            // What came with CONNECT alone is kept, not the buffer that it came in.
            partial: if partial.is_empty() { BytesMut::new() } else { partial },
            unwritten,
            is_unflushed: false,
            mail: VecDeque::new(),
            last_heard,
            patience,
            silence: Box::pin(sleep_until(last_heard + patience)),
            generation: None,
            are_timers_set: false,
            ends_with_goodbye: false,
            waiting: Vec::new(),
        }
    }

    /// Takes the end of the stream for the client's goodbye.
    pub(crate) fn end_with_goodbye(&mut self) {
        self.ends_with_goodbye = true;
    }

    /// The mail that the client did not get.
    pub(crate) fn take_mail(&mut self) -> VecDeque<Mail> {
        std::mem::take(&mut self.mail)
    }

    /// Serves the client until its connection ends, and says why it did.
    pub(crate) async fn run(&mut self) -> Ending {
        let broker = Arc::clone(&self.broker);
        let turns =
            std::future::poll_fn(|cx| with_lent(&broker.metrics, |lent| self.poll_turn(lent, cx)));
        turns.await
    }

    /// Tells the client why, and closes.
    pub(crate) async fn close(&mut self, ending: &Ending) {
        if matches!(ending, Ending::Lost(_)) {
            return;
        }
        self.session.say_goodbye(ending, &mut self.unwritten);
        let Self { stream, unwritten, .. } = self;
        let goodbye = async {
            stream.write_all_buf(unwritten).await?;
            stream.shutdown().await?;
            // What is unread when a socket closes resets it, and the client would never hear why.
            let mut unread = stream.take(UNREAD_BYTES_MAX);
            tokio::io::copy(&mut unread, &mut tokio::io::sink()).await
        };
        // A client that does not listen is not waited for.
        drop(tokio::time::timeout(GOODBYE, goodbye).await);
    }

    /// Nobody need wait for the goodbye: neither whoever has the client's id next, nor whoever
    /// wants to know that a message has arrived.
    pub(crate) fn let_others_go_on(&mut self) {
        self.waiting = Vec::new();
        self.mail = VecDeque::new();
        self.session.receipts = Receipts::default();
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// One turn: as much as there is to do now.
    fn poll_turn(&mut self, lent: &mut Lent, cx: &mut Context<'_>) -> Poll<Ending> {
        let now = self.broker.app.env.clock.now();
        let (input, mut turn) = lent.turn(now);
        // Nothing of whoever had its turn before, even if that one panicked.
        input.clear();
        turn.output.clear();
        if !self.unwritten.is_empty() {
            std::mem::swap(turn.output, &mut self.unwritten);
        }
        let result = self.advance(input, &mut turn, cx);
        if !turn.output.is_empty() {
            // The client is slow: what is left waits with the connection.
            std::mem::swap(turn.output, &mut self.unwritten);
        } else if self.unwritten.capacity() > 0 {
            self.unwritten = BytesMut::new();
        }
        match result {
            Ok(()) => Poll::Pending,
            Err(ending) => Poll::Ready(ending),
        }
    }

    fn advance(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Ending> {
        self.check_signals(cx)?;
        let mut reads = 0;
        // Whether whoever has mail for the client, from here on, gives it another turn.
        let mut is_expecting = false;
        loop {
            let read =
                if reads < READS_PER_TURN_MAX { self.read(input, turn, cx) } else { Ok(false) };
            // Before what was read is acknowledged.
            turn.hand_over();
            let has_read = read?;
            if is_expecting && !has_read {
                break;
            }
            let may_have_more = self.write_mail(turn, cx)?;
            let was_full = turn.output.len() >= OUTPUT_BYTES_HIGH;
            self.flush(turn, cx)?;
            // What was held back because the client did not read may go on now.
            let has_room_again = was_full && turn.output.len() < OUTPUT_BYTES_HIGH;
            reads += 1;
            is_expecting = !may_have_more && self.mail.is_empty();
            if !has_read && !may_have_more && !has_room_again {
                break;
            }
        }
        if reads >= READS_PER_TURN_MAX {
            // There may be more to read, and nobody else would wake this connection for it.
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// The ends that come from outside: silence, and a certificate that is no longer good.
    fn check_signals(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        let permissions = &self.session.client.permissions;
        let generation = Some(permissions.generation());
        if generation != self.generation {
            self.generation = generation;
            if let Some(refusal) = permissions.ending() {
                return Err(Ending::Revoked(refusal));
            }
        }
        // A timer that was polled wakes this task, so it need not be polled again each time.
        if !self.are_timers_set {
            self.are_timers_set = true;
            if let Poll::Ready(refusal) = self.session.client.permissions.poll_ended(cx) {
                return Err(Ending::Revoked(refusal));
            }
            if self.silence.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
        }
        while self.silence.is_elapsed() {
            let until = self.last_heard + self.patience;
            if Instant::now() >= until {
                return Err(Ending::KeepAlive);
            }
            self.silence.as_mut().reset(until);
            if self.silence.as_mut().poll(cx).is_pending() {
                break;
            }
        }
        Ok(())
    }

    /// Reads once and acts on every packet; whether anything came.
    fn read(
        &mut self,
        lent: &mut BytesMut,
        turn: &mut Turn<'_>,
        cx: &mut Context<'_>,
    ) -> Result<bool, Ending> {
        if turn.output.len() >= OUTPUT_BYTES_MAX || self.session.has_enough() {
            return Ok(false);
        }
        let pace = self.session.pace.as_mut();
        if let Some(until) = pace.and_then(|pace| pace.rest_of_reading(cx)) {
            // It is not the client that is silent.
            self.last_heard = until;
            return Ok(false);
        }
        if self.partial.is_empty() {
            let read = self.read_into(lent, turn, cx);
            if !lent.is_empty() {
                // A copy, so that a slow client holds no more than what it has sent.
                self.partial = BytesMut::from(&**lent);
                lent.clear();
            }
            return read;
        }
        let mut own = std::mem::take(&mut self.partial);
        // Whole packets are in it if they came with CONNECT, or if the client had to wait.
        let before = own.len();
        self.act_on(&mut own, turn)?;
        let has_acted = own.len() < before;
        let read = if has_acted { Ok(true) } else { self.read_into(&mut own, turn, cx) };
        if !own.is_empty() {
            self.partial = own;
        }
        read
    }

    fn read_into(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
        cx: &mut Context<'_>,
    ) -> Result<bool, Ending> {
        let room = if input.is_empty() { READ_BYTES } else { READ_BYTES_MIN };
        if input.capacity() - input.len() < READ_BYTES_MIN {
            input.reserve(room);
        }
        match pin!(self.stream.read_buf(input)).poll(cx) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) if self.ends_with_goodbye => {
                return Err(Ending::Client { with_will: false });
            }
            Poll::Ready(Ok(0)) => return Err(Ending::Lost(None)),
            Poll::Ready(Ok(bytes)) => {
                if let Some(pace) = &mut self.session.pace {
                    pace.has_read(bytes);
                }
            }
            Poll::Ready(Err(error)) => return Err(Ending::lost(error)),
        }
        self.last_heard = Instant::now();
        self.act_on(input, turn)?;
        Ok(true)
    }

    /// Acts on every whole packet in `input`, or on as many as the client may have under way.
    fn act_on(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), Ending> {
        while !self.session.has_enough() {
            self.act_on_plain(input, turn);
            match self.decoder.decode(input) {
                Ok(Some(packet)) => self.session.handle(packet, turn)?,
                Ok(None) => return Ok(()),
                Err(malformed) => return Err(Ending::Fault(Fault::malformed(&malformed))),
            }
        }
        Ok(())
    }

    /// Acts on packets that are like the one before, in so many ways that little is left to do.
    fn act_on_plain(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) {
        let mut taken = 0;
        while let Some(plain) = self.decoder.plain(&input[taken..]) {
            taken += match plain {
                Plain::Puback(id) => {
                    self.session.on_puback(id, reason::SUCCESS);
                    PLAIN_PUBACK_BYTES
                }
                Plain::Publish(publish) if self.session.accept_plain(&publish, turn) => {
                    publish.packet.len()
                }
                Plain::Publish(_) => break,
            };
        }
        input.advance(taken);
    }

    /// Encodes the mail that the client can take, and what it is owed. Whether to look again: for
    /// more mail, that would wake nobody, or for more to read, now that the client was told.
    fn write_mail(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> Result<bool, Ending> {
        let is_woken_for_more = self.mail.is_empty();
        let mailbox = &self.session.client.mailbox;
        let Collected { dropped, settled } = match mailbox.collect(&mut self.mail, cx.waker()) {
            Ok(collected) => collected,
            Err(closing) => {
                self.waiting = closing.waiting;
                return Err(closing.ending);
            }
        };
        if dropped > 0 {
            self.session.log_dropped(dropped);
        }
        let has_settled = !settled.is_empty();
        self.session.tell_settled(settled, turn);
        while turn.output.len() < OUTPUT_BYTES_HIGH {
            let Some(mail) = self.mail.front_mut() else { break };
            let before = turn.output.len();
            let delivered = match mail {
                _ if self.session.pace.as_mut().is_some_and(|pace| !pace.may_write(cx)) => break,
                Mail::One(delivery) => self.session.deliver(delivery, turn),
                Mail::Batch(batch) => {
                    let messages_max = if self.session.pace.is_some() { 1 } else { usize::MAX };
                    let portion = Portion { messages_max, output_bytes_max: OUTPUT_BYTES_HIGH };
                    self.session.deliver_batch(batch, portion, turn)
                }
            };
            if delivered == Delivered::Later {
                break;
            }
            if let Some(pace) = &mut self.session.pace {
                pace.has_written(turn.output.len() - before);
            }
            if !matches!(mail, Mail::Batch(batch) if !batch.left.is_empty()) {
                self.mail.pop_front();
            }
        }
        if self.mail.is_empty() {
            self.ask_for_more();
        }
        Ok(has_settled || !is_woken_for_more && self.mail.is_empty())
    }

    /// Has brought what waits on disk for the client, or for a group that it is in.
    fn ask_for_more(&self) {
        if let Some(session) = &self.session.client.kept
            && session.queue.has_waiting()
        {
            queue::load(&session.queue, &self.broker.app);
        }
        for group in &self.session.shares {
            if group.queue().is_some_and(|queue| queue.has_waiting()) {
                self.broker.drain(group);
            }
        }
    }

    /// Writes as much as the client takes.
    fn flush(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> Result<(), Ending> {
        while !turn.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, turn.output) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(Ending::Lost(None)),
                Poll::Ready(Ok(written)) => turn.output.advance(written),
                Poll::Ready(Err(error)) => return Err(Ending::lost(error)),
            }
            self.is_unflushed = true;
        }
        if self.is_unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.is_unflushed = false,
                Poll::Ready(Err(error)) => return Err(Ending::lost(error)),
            }
        }
        Ok(())
    }
}
