//! Messages that a client publishes to one topic in one turn: kept as the packets that they came
//! in, and handed over together. Each mailbox is locked once for all of them, and a subscriber that
//! speaks the publisher's version has the packets copied, not encoded.

use std::sync::Arc;

use bytes::BytesMut;
use mqtt::{PlainPublish, Publish, PublishHead, PublishProperties, QoS, Version, reason};
use types::Timestamp;

use crate::mailbox::Posted;
use crate::message::{detach, expiry, properties_size};
use crate::session::Session;
use crate::space::{Recipient, Subscriber};
use crate::turn::Turn;

/// A larger message travels alone: it is shared as it came, and not copied.
const PAYLOAD_BYTES_MAX: usize = 8 * 1024;

/// What a message counts beside its packet and its properties.
const PART_BYTES: usize = size_of::<Part>();

/// Messages of one client on one topic, in order.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) topic: Box<str>,
    /// In which the packets are.
    pub(crate) version: Version,
    /// The number of the client that sent them.
    pub(crate) from: u64,
    /// One after the other, each without properties and with the sender's packet id.
    pub(crate) packets: BytesMut,
    pub(crate) parts: Vec<Part>,
    /// The bytes that it counts for where memory is bounded.
    pub(crate) size: usize,
}

/// Where one message stands in its run.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) payload: usize,
    pub(crate) end: usize,
    pub(crate) qos: QoS,
    /// What few messages have: it is not in the packet.
    pub(crate) more: Option<Box<More>>,
}

/// What a message has beside its payload.
#[derive(Debug)]
pub(crate) struct More {
    pub(crate) properties: Box<PublishProperties>,
    /// When it is no longer worth delivering.
    pub(crate) expires: Option<Timestamp>,
}

impl Run {
    /// Where the packet of a part begins.
    pub(crate) fn start(&self, part: usize) -> usize {
        part.checked_sub(1).map_or(0, |before| self.parts[before].end)
    }

    /// How many messages from the first on count for no more than `bytes`.
    pub(crate) fn fitting(&self, bytes: usize) -> usize {
        if self.size <= bytes {
            return self.parts.len();
        }
        let more =
            |part: &Part| part.more.as_ref().map_or(0, |more| properties_size(&more.properties));
        let sizes = self.parts.iter().scan(0, |before, part| {
            *before += more(part) + PART_BYTES;
            Some(*before + part.end)
        });
        sizes.take_while(|size| *size <= bytes).count()
    }

    /// Takes note of the packet that was added last.
    fn note(&mut self, payload_bytes: usize, qos: QoS, more: Option<Box<More>>) {
        let end = self.packets.len();
        let properties = more.as_ref().map_or(0, |more| properties_size(&more.properties));
        self.size += end - self.parts.last().map_or(0, |last| last.end) + PART_BYTES + properties;
        self.parts.push(Part { payload: end - payload_bytes, end, qos, more });
    }

    /// Adds a message that was decoded.
    fn add(&mut self, publish: &mut Publish, now: Timestamp) {
        let head = PublishHead {
            dup: false,
            qos: publish.qos,
            retain: false,
            topic: &self.topic,
            packet_id: publish.packet_id,
            properties: None,
            message_expiry_s: None,
            topic_alias: None,
        };
        mqtt::encode_publish(self.version, &head, &publish.payload, &mut self.packets);
        let more = publish.properties.take().map(|mut properties| {
            detach(&mut properties);
            let expires = expiry(Some(&properties), now);
            Box::new(More { properties, expires })
        });
        self.note(publish.payload.len(), publish.qos, more);
    }
}

/// The run to which a turn adds messages. Bounded by what is read in a turn.
#[derive(Default)]
pub(crate) struct Gathering(Option<Open>);

struct Open {
    run: Run,
    subscribers: Arc<[Subscriber]>,
    /// That of the space, when these were the topic's subscribers.
    generation: u64,
}

impl Session {
    /// Has a message left with its subscribers before the turn ends. Not if anybody else has to
    /// see to it, or keeps it: then the caller does.
    pub(crate) fn gather(&self, publish: &mut Publish, topic: &str, turn: &mut Turn<'_>) -> bool {
        let is_plain = !publish.retain && publish.qos != QoS::ExactlyOnce;
        if !is_plain || publish.payload.len() > PAYLOAD_BYTES_MAX || self.space.is_routed(topic) {
            return false;
        }
        let (generation, from) = (self.space.generation(), self.client.holder());
        if turn.run.opened_by(from, generation).is_none_or(|open| *open.run.topic != *topic) {
            turn.hand_over();
            let subscribers = turn.matches.of(&self.space, topic);
            if !subscribers.iter().all(|s| matches!(s.to, Recipient::Client(_))) {
                return false;
            }
            let (packets, parts) = (BytesMut::new(), Vec::with_capacity(1));
            let version = self.client.version;
            let topic = topic.into();
            let run = Run { topic, version, from, packets, parts, size: 0 };
            turn.run.0 = Some(Open { run, subscribers, generation });
        }
        if self.space.routing.samples(turn.now) {
            self.show(publish, topic, turn.now);
        }
        if let Some(open) = &mut turn.run.0
            && !open.subscribers.is_empty()
        {
            open.run.add(publish, turn.now);
        }
        true
    }

    /// Takes a message like the one before it, to the same topic and without anything that has to
    /// be looked at: what was found of that one is true of this one. Not if something has changed
    /// meanwhile.
    pub(crate) fn accept_plain(&mut self, publish: &PlainPublish<'_>, turn: &mut Turn<'_>) -> bool {
        let (generation, from) = (self.space.generation(), self.client.holder());
        let Some(open) = turn.run.opened_by(from, generation) else { return false };
        let limits = &self.app.limits;
        let under_way = self.unsafe_messages + self.received.len();
        if publish.topic != open.run.topic.as_bytes()
            || publish.payload.len() > limits.mqtt_payload_bytes_max.min(PAYLOAD_BYTES_MAX)
            || under_way > 0
            || self.pace.is_some()
            || self.verdicts.refresh()
            || self.verdicts.adds_properties
            || self.space.routing.samples(turn.now)
        {
            return false;
        }
        turn.counts.received += 1;
        let qos = if publish.packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        if !open.subscribers.is_empty() {
            open.run.packets.extend_from_slice(publish.packet);
            open.run.note(publish.payload.len(), qos, None);
        }
        self.acknowledge(publish.packet_id, reason::SUCCESS, turn);
        true
    }
}

impl Gathering {
    /// The run of the client `from`, unless somebody has subscribed since.
    fn opened_by(&mut self, from: u64, generation: u64) -> Option<&mut Open> {
        self.0.as_mut().filter(|open| open.run.from == from && open.generation == generation)
    }
}

impl Turn<'_> {
    /// Leaves with their subscribers what was gathered for them.
    pub(crate) fn hand_over(&mut self) {
        let Some(Open { run, subscribers, .. }) = self.run.0.take() else { return };
        if run.parts.is_empty() {
            return;
        }
        let run = Arc::new(run);
        for subscriber in subscribers.iter() {
            let Recipient::Client(client) = &subscriber.to else { continue };
            if subscriber.options.no_local && client.number == run.from {
                continue;
            }
            let (posted, dropped) = client.mailbox.post_run(&run, subscriber);
            self.counts.dropped += dropped;
            if let Posted::Wake(waker) = posted {
                self.wakes.push(waker);
            }
        }
    }
}
