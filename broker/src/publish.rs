//! What happens to a PUBLISH: `accept` is the page to read.

use std::sync::Arc;

use bytestring::ByteString;
use mqtt::{Ack, Packet, PacketId, Publish, QoS, Version, reason};

use crate::bounds;
use crate::ending::{Ending, Fault};
use crate::mailbox::{Delivery, Posted};
use crate::message::Message;
use crate::session::Session;
use crate::space::{Space, Subscriber};
use crate::turn::Turn;
use crate::verdicts::Action;

impl Session {
    /// Takes a message from the client: whoever subscribes to its topic has it in the mailbox
    /// when this returns.
    pub(crate) fn accept(
        &mut self,
        mut publish: Publish,
        turn: &mut Turn<'_>,
    ) -> Result<(), Ending> {
        turn.counts.received += 1;
        let topic = self.resolve_alias(&mut publish)?;
        self.check_shape(&mut publish, &topic)?;
        if !self.may_publish(&topic, turn) {
            return self.refuse(&publish, &topic, turn);
        }
        let packet_id = publish.packet_id;
        let message = Message::new(publish, topic, self.client.number, turn.now);
        deliver(&self.space, message, turn);
        self.acknowledge(packet_id, turn);
        Ok(())
    }

    /// The topic of a message, which an alias may stand for (MQTT 5, 3.3.2.3.4).
    fn resolve_alias(&mut self, publish: &mut Publish) -> Result<ByteString, Ending> {
        let topic = std::mem::take(&mut publish.topic);
        let Some(alias) = publish.properties.as_mut().and_then(|p| p.topic_alias.take()) else {
            return Ok(topic);
        };
        let slot = usize::from(alias).checked_sub(1).and_then(|at| self.aliases.get_mut(at));
        let Some(slot) = slot else {
            let most = self.limits().mqtt_topic_alias_max;
            return Err(fault(
                reason::TOPIC_ALIAS_INVALID,
                "TOPIC_ALIAS_INVALID",
                format!("topic alias {alias} is not within 1 to {most}"),
            ));
        };
        if topic.is_empty() {
            let unknown =
                || Fault::protocol(format!("topic alias {alias} was not given a topic before"));
            return slot.clone().ok_or_else(|| Ending::Fault(unknown()));
        }
        // A copy: the alias must not hold the buffer that it came in.
        let own = ByteString::from(&*topic);
        *slot = Some(own);
        Ok(topic)
    }

    fn check_shape(&self, publish: &mut Publish, topic: &str) -> Result<(), Ending> {
        let limits = self.limits();
        if publish.qos == QoS::ExactlyOnce {
            return Err(fault(
                reason::QOS_NOT_SUPPORTED,
                "QOS_NOT_SUPPORTED",
                format!("the message on {topic} has QoS 2, which is not offered; use QoS 1"),
            ));
        }
        if publish.retain {
            return Err(fault(
                reason::RETAIN_NOT_SUPPORTED,
                "RETAIN_NOT_SUPPORTED",
                format!("the message on {topic} is to be retained, which is not built yet"),
            ));
        }
        if publish.payload.len() > limits.mqtt_payload_bytes_max {
            let (bytes, most) = (publish.payload.len(), limits.mqtt_payload_bytes_max);
            return Err(fault(
                reason::PACKET_TOO_LARGE,
                "PAYLOAD_TOO_LARGE",
                format!("the message on {topic} has {bytes} bytes of at most {most}"),
            ));
        }
        bounds::check_topic(topic, limits).map_err(Ending::Fault)?;
        match publish.properties.as_deref_mut() {
            Some(properties) => bounds::check_properties(properties, limits).map_err(Ending::Fault),
            None => Ok(()),
        }
    }

    fn may_publish(&mut self, topic: &str, turn: &Turn<'_>) -> bool {
        let Self { verdicts, space, .. } = self;
        let asker = crate::verdicts::Asker { tenant: &space.tenant, now: turn.now };
        verdicts.allow(Action::Publish, topic, &asker)
    }

    /// Refuses a message for want of a policy. MQTT 5 has an answer for QoS 1; all else ends the
    /// connection, as on AWS.
    fn refuse(
        &mut self,
        publish: &Publish,
        topic: &str,
        turn: &mut Turn<'_>,
    ) -> Result<(), Ending> {
        turn.counts.refused += 1;
        let why = self.verdicts.explain(Action::Publish, topic, &self.asker(turn));
        self.log_refusal("Publish-In", "AUTHORIZATION_FAILURE", why.clone(), Some(topic));
        match publish.packet_id {
            Some(packet_id) if self.client.version == Version::V5 => {
                let properties = self.properties_telling(&why);
                let ack = Ack { packet_id, code: reason::NOT_AUTHORIZED, properties };
                Packet::Puback(ack).encode(Version::V5, turn.output);
                Ok(())
            }
            _ => Err(fault(reason::NOT_AUTHORIZED, "AUTHORIZATION_FAILURE", why)),
        }
    }

    fn acknowledge(&self, packet_id: Option<PacketId>, turn: &mut Turn<'_>) {
        if let Some(packet_id) = packet_id {
            let ack = Ack { packet_id, code: reason::SUCCESS, properties: None };
            Packet::Puback(ack).encode(self.client.version, turn.output);
        }
    }
}

/// Leaves `message` in the mailbox of every subscriber.
pub(crate) fn deliver(space: &Space, message: Message, turn: &mut Turn<'_>) {
    let subscribers = turn.matches.of(space, &message.topic);
    if !subscribers.is_empty() {
        post(&subscribers, message, turn);
    }
}

/// Leaves `message` in the mailboxes of `subscribers`.
pub(crate) fn post(subscribers: &[Subscriber], message: Message, turn: &mut Turn<'_>) {
    let message = Arc::new(message);
    for subscriber in subscribers {
        if subscriber.options.no_local && subscriber.client.number == message.from {
            continue;
        }
        let qos = message.qos.min(subscriber.options.qos);
        let delivery = Delivery { message: Arc::clone(&message), qos };
        match subscriber.client.mailbox.post(delivery) {
            Posted::Wake(waker) => turn.wakes.push(waker),
            Posted::Dropped => turn.counts.dropped += 1,
            Posted::Waits | Posted::Gone => {}
        }
    }
}

fn fault(code: u8, reason: &'static str, detail: String) -> Ending {
    Ending::Fault(Fault::new(code, reason, detail))
}
