//! What happens to a message in a client's mailbox until it is on the wire.

use mqtt::{PublishHead, PublishProperties, QoS};
use types::Timestamp;

use crate::mailbox::Delivery;
use crate::message::seconds_left;
use crate::queue::Queued;
use crate::receipts::{Outcome, Receipt};
use crate::session::Session;
use crate::turn::Turn;
use crate::verdicts::{Action, Asker};
use crate::window::Awaits;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It is written, or need not be.
    Done,
    /// The client has to acknowledge others first.
    Later,
}

/// A message as it is about to be written.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// There is room for it in the window.
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: Option<&'a PublishProperties>,
    /// When it is no longer worth delivering.
    pub(crate) expires: Option<Timestamp>,
    pub(crate) ids: Option<&'a Vec<u32>>,
    pub(crate) queued: Option<&'a Queued>,
    pub(crate) receipt: Option<&'a Receipt>,
}

impl Session {
    /// Writes a message to the client, if it may have it and its life is not over.
    pub(crate) fn deliver(&mut self, delivery: &Delivery, turn: &mut Turn<'_>) -> Delivered {
        let Delivery { message, qos, retain, ids, queued } = delivery;
        if message.receipt.as_ref().is_some_and(Receipt::is_abandoned) {
            // It was for one who waits no longer, and is not kept for later.
            return Delivered::Done;
        }
        if *qos != QoS::AtMostOnce && !self.window.has_room() {
            return Delivered::Later;
        }
        if !self.may_receive(&message.topic, 1, turn) {
            leave_out(queued.as_deref());
            return Delivered::Done;
        }
        let outgoing = Outgoing {
            topic: &message.topic,
            payload: &message.payload,
            qos: *qos,
            retain: *retain,
            properties: message.properties.as_deref(),
            expires: message.expires,
            ids: ids.as_deref(),
            queued: queued.as_deref(),
            receipt: message.receipt.as_ref(),
        };
        self.send(&outgoing, turn);
        Delivered::Done
    }

    /// Writes a message that the client may receive, unless its life is over or it is too large.
    pub(crate) fn send(&mut self, outgoing: &Outgoing<'_>, turn: &mut Turn<'_>) {
        let Outgoing { topic, payload, qos, retain, properties, expires, ids, queued, receipt } =
            *outgoing;
        let is_again = queued.is_some_and(|queued| queued.is_again);
        let message_expiry_s = match seconds_left(expires, turn.now) {
            Some(left_s) => left_s,
            // The delivery has begun, and is completed (MQTT-4.3.3-7).
            None if is_again && qos == QoS::ExactlyOnce => Some(0),
            None => return leave_out(queued),
        };
        let with_ids = ids.map(|ids| told_of(properties, ids.clone()));
        let mut head = PublishHead {
            // AWS never says that a message may have come before.
            dup: self.app.dialect.is_standard && is_again,
            qos,
            retain,
            topic,
            packet_id: (qos != QoS::AtMostOnce).then_some(mqtt::PacketId::MAX),
            properties: with_ids.as_ref().or(properties),
            message_expiry_s,
            topic_alias: None,
        };
        let alias = self.told.as_ref().and_then(|told| told.alias(topic));
        if let Some(alias) = alias {
            head.topic_alias = Some(alias.number);
            head.topic = if alias.is_known { "" } else { topic };
        }
        let version = self.client.version;
        if mqtt::publish_len(version, &head, payload.len()) > self.packet_bytes_max {
            // MQTT-3.1.2-25: as if it had been delivered.
            if let Some(receipt) = receipt {
                receipt.resolve(Outcome::TooLarge);
            }
            return leave_out(queued);
        }
        if head.packet_id.is_some() {
            let awaits = if qos == QoS::ExactlyOnce { Awaits::Pubrec } else { Awaits::Puback };
            let packet_id = self.window.send(awaits, queued.cloned().map(Box::new));
            head.packet_id = Some(packet_id);
            if let Some(receipt) = receipt {
                self.receipts.add(packet_id, receipt);
            }
        }
        if let (Some(told), Some(alias)) = (&mut self.told, alias) {
            told.tell(topic, alias);
        }
        mqtt::encode_publish(version, &head, payload, turn.output);
        turn.counts.delivered += 1;
    }

    /// Whether the client may have `messages` of `topic`; those that it may not are counted.
    pub(crate) fn may_receive(
        &mut self,
        topic: &str,
        messages: usize,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Self { verdicts, space, .. } = self;
        let asker = Asker { tenant: &space.tenant, now: turn.now };
        let (is_allowed, is_new) = verdicts.allow_noting(Action::Receive, topic, &asker);
        if is_allowed {
            return true;
        }
        turn.counts.refused += messages as u64;
        if is_new {
            // Once per topic and policy: each message of a busy topic would be too many.
            let why = self.verdicts.explain(Action::Receive, topic, &self.asker(turn));
            self.log_refusal("Publish-Out", "AUTHORIZATION_FAILURE", why, Some(topic));
        }
        false
    }
}

/// What the client does not get is kept for it no longer.
fn leave_out(queued: Option<&Queued>) {
    if let Some(queued) = queued {
        queued.queue.acknowledge(queued.sequence);
    }
}

/// A message's properties with the client's subscription identifiers.
fn told_of(properties: Option<&PublishProperties>, ids: Vec<u32>) -> PublishProperties {
    let mut told = properties.cloned().unwrap_or_default();
    told.subscription_ids = ids;
    told
}
