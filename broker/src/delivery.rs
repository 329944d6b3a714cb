//! What happens to a message in a client's mailbox until it is on the wire.

use mqtt::{PublishHead, QoS};

use crate::mailbox::Delivery;
use crate::receipts::{Outcome, Receipt};
use crate::session::Session;
use crate::turn::Turn;
use crate::verdicts::{Action, Asker};

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
        let Delivery { message, qos, retain } = delivery;
        if message.receipt.as_ref().is_some_and(Receipt::is_abandoned) {
            // It was for one who waits no longer, and is not kept for later.
            return Delivered::Done;
        }
        if *qos != QoS::AtMostOnce && !self.window.has_room() {
            return Delivered::Later;
        }
        let Some(message_expiry_s) = message.expiry_s(turn.now) else { return Delivered::Done };
        if !self.may_receive(&message.topic, turn) {
            return Delivered::Done;
        }
        let mut head = PublishHead {
            dup: false,
            qos: *qos,
            retain: *retain,
            topic: &message.topic,
            packet_id: None,
            properties: message.properties.as_deref(),
            message_expiry_s,
            topic_alias: None,
        };
        if *qos != QoS::AtMostOnce {
            head.packet_id = Some(mqtt::PacketId::MAX);
        }
        let version = self.client.version;
        if mqtt::publish_len(version, &head, message.payload.len()) > self.packet_bytes_max {
            // MQTT-3.1.2-25: as if it had been delivered.
            if let Some(receipt) = &message.receipt {
                receipt.resolve(Outcome::TooLarge);
            }
            return Delivered::Done;
        }
        if head.packet_id.is_some() {
            let packet_id = self.window.take();
            head.packet_id = Some(packet_id);
            if let Some(receipt) = &message.receipt {
                self.receipts.add(packet_id, receipt);
            }
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
