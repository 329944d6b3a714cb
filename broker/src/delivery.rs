//! What happens to a message in a client's mailbox until it is on the wire.

use mqtt::{PublishHead, PublishProperties, QoS};

use crate::mailbox::Delivery;
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
        let is_again = queued.as_ref().is_some_and(|queued| queued.is_again);
        let message_expiry_s = match message.expiry_s(turn.now) {
            Some(left_s) => left_s,
            // The delivery has begun, and is completed (MQTT-4.3.3-7).
            None if is_again && *qos == QoS::ExactlyOnce => Some(0),
            None => return leave_out(queued.as_deref()),
        };
        if !self.may_receive(&message.topic, turn) {
            return leave_out(queued.as_deref());
        }
        let with_ids =
            ids.as_deref().map(|ids| told_of(message.properties.as_deref(), ids.clone()));
        let mut head = PublishHead {
            // AWS never says that a message may have come before.
            dup: self.app.dialect.is_standard && is_again,
            qos: *qos,
            retain: *retain,
            topic: &message.topic,
            packet_id: None,
            properties: with_ids.as_ref().or(message.properties.as_deref()),
            message_expiry_s,
            topic_alias: None,
        };
        let alias = self.told.as_ref().and_then(|told| told.alias(&message.topic));
        if let Some(alias) = alias {
            head.topic_alias = Some(alias.number);
            head.topic = if alias.is_known { "" } else { head.topic };
        }
        if *qos != QoS::AtMostOnce {
            head.packet_id = Some(mqtt::PacketId::MAX);
        }
        let version = self.client.version;
        if mqtt::publish_len(version, &head, message.payload.len()) > self.packet_bytes_max {
            // MQTT-3.1.2-25: as if it had been delivered.
            if let Some(receipt) = &message.receipt {
                receipt.resolve(Outcome::TooLarge);
            }
            return leave_out(queued.as_deref());
        }
        if head.packet_id.is_some() {
            let awaits = if *qos == QoS::ExactlyOnce { Awaits::Pubrec } else { Awaits::Puback };
            let packet_id = self.window.send(awaits, queued.clone());
            head.packet_id = Some(packet_id);
            if let Some(receipt) = &message.receipt {
                self.receipts.add(packet_id, receipt);
            }
        }
        if let (Some(told), Some(alias)) = (&mut self.told, alias) {
            told.tell(&message.topic, alias);
        }
        mqtt::encode_publish(version, &head, &message.payload, turn.output);
        turn.counts.delivered += 1;
        Delivered::Done
    }

    fn may_receive(&mut self, topic: &str, turn: &mut Turn<'_>) -> bool {
        let Self { verdicts, space, .. } = self;
        let asker = Asker { tenant: &space.tenant, now: turn.now };
        let (is_allowed, is_new) = verdicts.allow_noting(Action::Receive, topic, &asker);
        if is_allowed {
            return true;
        }
        turn.counts.refused += 1;
        if is_new {
            // Once per topic and policy: each message of a busy topic would be too many.
            let why = self.verdicts.explain(Action::Receive, topic, &self.asker(turn));
            self.log_refusal("Publish-Out", "AUTHORIZATION_FAILURE", why, Some(topic));
        }
        false
    }
}

/// What the client does not get is kept for it no longer.
fn leave_out(queued: Option<&Queued>) -> Delivered {
    if let Some(queued) = queued {
        queued.queue.acknowledge(queued.sequence);
    }
    Delivered::Done
}

/// A message's properties with the client's subscription identifiers.
fn told_of(properties: Option<&PublishProperties>, ids: Vec<u32>) -> PublishProperties {
    let mut told = properties.cloned().unwrap_or_default();
    told.subscription_ids = ids;
    told
}
