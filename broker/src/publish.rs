//! What happens to a PUBLISH: `accept` is the page to read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytestring::ByteString;
use mqtt::{Ack, Packet, PacketId, Publish, QoS, Version, reason};

use crate::bounds;
use crate::ending::{Ending, Fault};
use crate::keeping::Keeping;
use crate::mailbox::{Delivery, Posted, Settled};
use crate::message::Message;
use crate::owed::Owed;
use crate::session::Session;
use crate::space::{Client, Recipient, Space, Subscriber};
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
        self.check_receive_maximum(&publish)?;
        if !self.is_as_said(&publish, turn)? || !self.keeps_pace(&publish, &topic, turn) {
            return Ok(());
        }
        if let Err(action) = self.may_publish(&publish, &topic, turn) {
            return self.refuse(action, &publish, &topic, turn);
        }
        if self.verdicts.adds_properties {
            self.verdicts.add_properties(&mut publish);
        }
        let packet_id = publish.packet_id;
        if let Some(id) = packet_id.filter(|_| publish.qos == QoS::ExactlyOnce)
            && self.has_received(id, turn)
        {
            return Ok(());
        }
        if self.gather(&mut publish, &topic, turn) {
            self.acknowledge(packet_id, reason::SUCCESS, turn);
            return Ok(());
        }
        let message = Arc::new(Message::new(publish, topic, self.client.holder(), turn.now));
        let route = self.space.route(&message, || self.sender(), turn.now);
        let mut keeping = match &route {
            Some(route) if !route.is_heard => Keeping::default(),
            _ => deliver(&self.space, &message, turn),
        };
        if let Some(id) = packet_id.filter(|_| message.qos == QoS::ExactlyOnce) {
            self.receive(id, &mut keeping);
        }
        let routed = route.as_ref().map_or(0, |route| usize::from(route.parts()));
        let parts = keeping.parts() + usize::from(message.retain) + routed;
        if parts == 0 {
            self.acknowledge(packet_id, reason::SUCCESS, turn);
            return Ok(());
        }
        let owed = packet_id.map(|id| (id, Owed::to_client(&self.client, id, parts)));
        let shared = owed.as_ref().map(|(_, owed)| owed);
        let has_room = keeping.write(&message, shared.cloned());
        let has_room = has_room && self.keep_retained(&message, shared);
        if let Some(route) = route.filter(|_| has_room) {
            self.follow(route, shared);
        }
        self.count_unsafe(has_room, owed, &message);
        Ok(())
    }

    /// Has a message retained, if it is to be; whether there was room for it to wait.
    fn keep_retained(&self, message: &Arc<Message>, owed: Option<&Arc<Owed>>) -> bool {
        !message.retain
            || self.retained.keep(&self.space.tenant, Arc::clone(message), owed.cloned()).is_ok()
    }

    /// Takes note of a message that is acknowledged later; or, if there was no room for it to wait
    /// until it is safe, never: the client sends it again.
    fn count_unsafe(
        &mut self,
        has_room: bool,
        owed: Option<(PacketId, Arc<Owed>)>,
        message: &Message,
    ) {
        if !has_room {
            if let Some((id, owed)) = owed {
                owed.forgive();
                self.received.forget(id);
            }
            let why = "too many messages wait to be written to disk".to_owned();
            self.log_refusal("Publish-In", "THROTTLED", why, Some(&message.topic));
        } else if message.qos == QoS::AtLeastOnce && owed.is_some() {
            self.unsafe_messages += 1;
        }
    }

    /// Tells the client what was done for it.
    pub(crate) fn tell_settled(&mut self, settled: Vec<Settled>, turn: &mut Turn<'_>) {
        for settled in settled {
            match settled {
                Settled::Taken(packet_id, code) => {
                    if !self.received.contains(packet_id) {
                        self.unsafe_messages = self.unsafe_messages.saturating_sub(1);
                    }
                    self.acknowledge(Some(packet_id), code, turn);
                }
                Settled::Late(packet_id, code) => {
                    if self.received.contains(packet_id) {
                        self.acknowledge(Some(packet_id), code, turn);
                    }
                }
                Settled::Noted(packet_id) => self.release(packet_id, turn),
                Settled::Released(packet_id) => self.complete(packet_id, turn),
                Settled::Answer(packet) => {
                    self.unsafe_answers = self.unsafe_answers.saturating_sub(1);
                    packet.encode(self.client.version, turn.output);
                }
            }
        }
    }

    /// Whether the client has as much under way as it may: messages that wait to be safe, and
    /// subscriptions that wait for what is retained. It is not read from until some of it is done.
    pub(crate) fn has_enough(&self) -> bool {
        let most = usize::from(self.limits().mqtt_inflight_max);
        // MQTT 5 has a word for too many; see `check_receive_maximum`.
        let waits = self.client.version == Version::V311 && self.unsafe_messages >= most;
        let brought = self.client.bringing.load(Ordering::Acquire);
        let asked = self.client.asked.load(Ordering::Acquire);
        waits || self.unsafe_answers >= most || brought >= most || asked >= most
    }

    /// Holds a client of MQTT 5 to the Receive Maximum that it was told (MQTT-3.3.4-9).
    fn check_receive_maximum(&self, publish: &Publish) -> Result<(), Ending> {
        let is_known = publish.packet_id.is_none_or(|id| self.received.contains(id));
        let most = usize::from(self.limits().mqtt_inflight_max);
        let under_way = self.unsafe_messages + self.received.len();
        if self.client.version == Version::V311 || is_known || under_way < most {
            return Ok(());
        }
        let why = format!("more than {most} messages of the client await their acknowledgement");
        Err(fault(reason::RECEIVE_MAXIMUM_EXCEEDED, "RECEIVE_MAXIMUM_EXCEEDED", why))
    }

    /// The topic of a message, which an alias may stand for (MQTT 5, 3.3.2.3.4).
    fn resolve_alias(&mut self, publish: &mut Publish) -> Result<ByteString, Ending> {
        let topic = std::mem::take(&mut publish.topic);
        let Some(alias) = publish.properties.as_mut().and_then(|p| p.topic_alias.take()) else {
            return Ok(topic);
        };
        if self.aliases.is_empty() {
            self.aliases.resize(self.aliases_max, None);
        }
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
        if publish.qos > self.app.dialect.qos_max {
            let qos = publish.qos as u8;
            return Err(fault(
                reason::QOS_NOT_SUPPORTED,
                "QOS_NOT_SUPPORTED",
                format!("the message on {topic} has QoS {qos}, which is not offered"),
            ));
        }
        bounds::check_payload(topic, &publish.payload, limits).map_err(Ending::Fault)?;
        let routing = &self.space.routing;
        bounds::check_destination(topic, publish.retain, limits, routing).map_err(Ending::Fault)?;
        match publish.properties.as_deref_mut() {
            Some(properties) => bounds::check_properties(properties, limits).map_err(Ending::Fault),
            None => Ok(()),
        }
    }

    /// Whether a payload is what it is said to be, where that is looked at.
    fn is_as_said(&self, publish: &Publish, turn: &mut Turn<'_>) -> Result<bool, Ending> {
        let properties = publish.properties.as_deref();
        match bounds::check_format(&publish.payload, properties, &self.app.dialect) {
            Ok(()) => Ok(true),
            Err(fault) if self.say_refused(publish, fault.code, &fault.detail, turn) => Ok(false),
            Err(fault) => Err(Ending::Fault(fault)),
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
        if self.say_refused(publish, reason::NOT_AUTHORIZED, &why, turn) {
            return Ok(());
        }
        Err(fault(reason::NOT_AUTHORIZED, "AUTHORIZATION_FAILURE", why))
    }

    /// Tells the client that a message is refused, if its version has a packet for that; whether
    /// it has.
    pub(crate) fn say_refused(
        &self,
        publish: &Publish,
        code: u8,
        why: &str,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(packet_id) = publish.packet_id.filter(|_| self.client.version == Version::V5)
        else {
            return false;
        };
        let ack = Ack { packet_id, code, properties: self.properties_telling(why) };
        let is_twice = publish.qos == QoS::ExactlyOnce;
        let packet = if is_twice { Packet::Pubrec(ack) } else { Packet::Puback(ack) };
        packet.encode(Version::V5, turn.output);
        true
    }

    /// Writes PUBACK, or PUBREC for what came with QoS 2.
    pub(crate) fn acknowledge(
        &mut self,
        packet_id: Option<PacketId>,
        code: u8,
        turn: &mut Turn<'_>,
    ) {
        let Some(packet_id) = packet_id else { return };
        let ack = Ack { packet_id, code, properties: None };
        let is_told = code == reason::SUCCESS || self.client.version == Version::V5;
        if self.received.contains(packet_id) {
            let is_released = self.received.note(packet_id, code);
            if is_told {
                Packet::Pubrec(ack).encode(self.client.version, turn.output);
            }
            if is_released {
                self.on_pubrel(packet_id, turn);
            }
        } else if is_told {
            Packet::Puback(ack).encode(self.client.version, turn.output);
        }
    }
}

/// Leaves `message` with every subscriber. What is returned is to be written before the message
/// is acknowledged.
pub(crate) fn deliver(space: &Space, message: &Arc<Message>, turn: &mut Turn<'_>) -> Keeping {
    // What came before it goes before it.
    turn.hand_over();
    let subscribers = turn.matches.of(space, &message.topic);
    post(&subscribers, message, turn)
}

/// Leaves `message` with `subscribers`, as [`deliver`] does.
pub(crate) fn post(
    subscribers: &[Subscriber],
    message: &Arc<Message>,
    turn: &mut Turn<'_>,
) -> Keeping {
    let mut keeping = Keeping::default();
    for subscriber in subscribers {
        if subscriber.options.no_local && subscriber.to.number() == message.from {
            continue;
        }
        let delivery = subscriber.delivery(message);
        match &subscriber.to {
            Recipient::Client(client) => leave(client, delivery, turn),
            Recipient::Session(session) => session.take(delivery, &mut keeping, turn),
            Recipient::Group(group) => group.take(delivery, &mut keeping, turn),
        }
    }
    keeping
}

/// Leaves a message in the mailbox of `client`.
pub(crate) fn leave(client: &Client, delivery: Delivery, turn: &mut Turn<'_>) {
    match client.mailbox.post(delivery) {
        Posted::Wake(waker) => turn.wakes.push(waker),
        Posted::Dropped => turn.counts.dropped += 1,
        Posted::Waits | Posted::Gone => {}
    }
}

fn fault(code: u8, reason: &'static str, detail: String) -> Ending {
    Ending::Fault(Fault::new(code, reason, detail))
}
