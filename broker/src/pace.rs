//! The pace of one connection: what it may send and be sent in a second.
//!
//! What a client sends too fast is refused by the message and delayed by the byte. What it is sent
//! too fast is delayed alone: it waits in the mailbox, and nothing acknowledged is lost to a rate.

use std::pin::Pin;
use std::task::Context;

use mqtt::{Publish, reason};
use service::{Bucket, Limits};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::session::Session;
use crate::turn::Turn;

/// The rates of one connection.
pub(crate) struct Pace {
    publishes: Option<Bucket>,
    reading: Delayed,
    writing: Delayed,
}

/// One direction, which rests while it is ahead of its rates.
#[derive(Default)]
struct Delayed {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// The pace that `limits` allow; none if they leave it open.
    pub(crate) fn new(limits: &Limits) -> Option<Box<Self>> {
        let (messages, bytes) = (limits.mqtt_publishes_per_s, limits.mqtt_bytes_per_s);
        if messages == 0 && bytes == 0 {
            return None;
        }
        let now = Instant::now();
        let bytes = Bucket::new(bytes, now);
        let publishes = Bucket::new(messages, now);
        Some(Box::new(Self {
            publishes,
            reading: Delayed { bytes, ..Delayed::default() },
            writing: Delayed { messages: publishes, bytes, timer: None },
        }))
    }

    /// Whether the client may publish one more message now.
    pub(crate) fn may_publish(&mut self) -> bool {
        self.publishes.as_mut().is_none_or(|publishes| publishes.take(Instant::now()))
    }

    /// Until when the client is not read from, if it is not; it is woken then.
    pub(crate) fn rest_of_reading(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        self.reading.rest(cx)
    }

    pub(crate) fn has_read(&mut self, bytes: usize) {
        self.reading.spend(0, bytes);
    }

    /// Whether the client may be sent messages; if not, it is woken when it may.
    pub(crate) fn may_write(&mut self, cx: &mut Context<'_>) -> bool {
        self.writing.rest(cx).is_none()
    }

    /// Takes note of a message to the client, of so many bytes; none if it was left out.
    pub(crate) fn has_written(&mut self, bytes: usize) {
        self.writing.spend(usize::from(bytes > 0), bytes);
    }
}

impl Session {
    /// Whether a message keeps to the client's rate. One that does not is refused here: with QoS 0
    /// nobody is told, and MQTT 3.1.1 has no word for it but silence.
    pub(crate) fn keeps_pace(
        &mut self,
        publish: &Publish,
        topic: &str,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(pace) = &mut self.pace else { return true };
        // What was taken before is only repeated.
        let is_known = publish.packet_id.is_some_and(|id| self.received.contains(id));
        if is_known || pace.may_publish() {
            return true;
        }
        turn.counts.throttled += 1;
        let most = self.limits().mqtt_publishes_per_s;
        let why = format!("the client publishes more than {most} messages a second");
        self.log_refusal("Publish-In", "THROTTLED", why.clone(), Some(topic));
        self.say_refused(publish, reason::QUOTA_EXCEEDED, &why, turn);
        false
    }
}

impl Delayed {
    fn spend(&mut self, messages: usize, bytes: usize) {
        let now = Instant::now();
        for (bucket, tokens) in [(&mut self.messages, messages), (&mut self.bytes, bytes)] {
            if let Some(bucket) = bucket {
                bucket.spend(tokens, now);
            }
        }
    }

    /// Until when it rests, if it does.
    fn rest(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        let now = Instant::now();
        let buckets = [&mut self.messages, &mut self.bytes].into_iter().flatten();
        let Some(until) = buckets.filter_map(|bucket| bucket.free_at(now)).max() else {
            self.timer = None;
            return None;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        if timer.as_mut().poll(cx).is_ready() {
            // Tokens came in the meantime: there is one more turn to see them.
            cx.waker().wake_by_ref();
        }
        Some(until)
    }
}
