//! What happens to a PUBLISH: `accept` is the page to read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytestring::ByteString;
use mqtt::{Ack, Packet, PacketId, Publish, QoS, Version, reason};

use crate::bounds;
use crate::ending::{Ending, Fault};
use crate::mailbox::{Delivery, Posted};
use crate::message::Message;
use crate::retained::Waiting;
use crate::session::Session;
use crate::space::{Space, Subscriber};
use crate::turn::Turn;
use crate::verdicts::{Action, Asker};

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
        if let Err(action) = self.may_publish(&publish, &topic, turn) {
            return self.refuse(action, &publish, &topic, turn);
        }
        let packet_id = publish.packet_id;
        let message = Message::new(publish, topic, self.client.number, turn.now);
        let message = Arc::new(message);
        deliver(&self.space, Arc::clone(&message), turn);
        if message.retain {
            self.keep(message, packet_id);
        } else {
            self.acknowledge(packet_id, reason::SUCCESS, turn);
        }
        Ok(())
    }

    /// Has a message retained. It is acknowledged once it is written; if there is no room to
    /// wait, it is not, and the client sends it again.
    fn keep(&mut self, message: Arc<Message>, packet_id: Option<PacketId>) {
        let waiting = match packet_id {
            Some(packet_id) => Waiting::Client(Arc::clone(&self.client), packet_id),
            None => Waiting::Nobody,
        };
        let topic = message.topic.clone();
        if self.retained.keep(&self.space.tenant, message, waiting).is_err() {
            let why = "too many messages wait to be retained".to_owned();
            self.log_refusal("Publish-In", "THROTTLED", why, Some(&topic));
        } else {
            self.unsafe_messages += usize::from(packet_id.is_some());
        }
    }

    /// Writes the acknowledgements of messages that are safe by now.
    pub(crate) fn acknowledge_safe(&mut self, safe: &[(PacketId, u8)], turn: &mut Turn<'_>) {
        self.unsafe_messages = self.unsafe_messages.saturating_sub(safe.len());
        for (packet_id, code) in safe {
            self.acknowledge(Some(*packet_id), *code, turn);
        }
    }

    /// Whether the client has as much under way as it may: messages that wait to be safe, and
    /// subscriptions that wait for what is retained. It is not read from until some of it is done.
    pub(crate) fn has_enough(&self) -> bool {
        let most = usize::from(self.limits().mqtt_inflight_max);
        self.unsafe_messages >= most || self.client.bringing.load(Ordering::Acquire) >= most
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

    /// Which action is not allowed to the client, if one is not.
    fn may_publish(
        &mut self,
        publish: &Publish,
        topic: &str,
        turn: &Turn<'_>,
    ) -> Result<(), Action> {
        let Self { verdicts, space, .. } = self;
        let asker = Asker { tenant: &space.tenant, now: turn.now };
        let retain = publish.retain.then_some(Action::RetainPublish);
        for action in std::iter::once(Action::Publish).chain(retain) {
            if !verdicts.allow(action, topic, &asker) {
                return Err(action);
            }
        }
        Ok(())
    }

    /// Refuses a message for want of a policy. MQTT 5 has an answer for QoS 1; all else ends the
    /// connection, as on AWS.
    fn refuse(
        &mut self,
        action: Action,
        publish: &Publish,
        topic: &str,
        turn: &mut Turn<'_>,
    ) -> Result<(), Ending> {
        turn.counts.refused += 1;
        let why = self.verdicts.explain(action, topic, &self.asker(turn));
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

    fn acknowledge(&self, packet_id: Option<PacketId>, code: u8, turn: &mut Turn<'_>) {
        let is_told = code == reason::SUCCESS || self.client.version == Version::V5;
        if let Some(packet_id) = packet_id.filter(|_| is_told) {
            let ack = Ack { packet_id, code, properties: None };
            Packet::Puback(ack).encode(self.client.version, turn.output);
        }
    }
}

/// Leaves `message` in the mailbox of every subscriber.
pub(crate) fn deliver(space: &Space, message: impl Into<Arc<Message>>, turn: &mut Turn<'_>) {
    let message = message.into();
    let subscribers = turn.matches.of(space, &message.topic);
    if !subscribers.is_empty() {
        post(&subscribers, message, turn);
    }
}

/// Leaves `message` in the mailboxes of `subscribers`.
pub(crate) fn post(subscribers: &[Subscriber], message: Arc<Message>, turn: &mut Turn<'_>) {
    for subscriber in subscribers {
        if subscriber.options.no_local && subscriber.client.number == message.from {
            continue;
        }
        let qos = message.qos.min(subscriber.options.qos);
        let retain = message.retain && subscriber.options.retain_as_published;
        let delivery = Delivery { message: Arc::clone(&message), qos, retain };
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
