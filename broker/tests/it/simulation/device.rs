//! A client that keeps its promises, though it may be slow with them.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use mqtt::{Ack, Connect, Disconnect, Packet, PacketId, Publish, QoS, Version};

use super::INFLIGHT_MAX;
use super::promises::{Number, Promises};
use crate::client::{Client, connect, keeping, payload, publish, subscription};
use crate::world::World;

/// What a client is there for.
pub(super) enum Role {
    Publisher { is_kept: bool },
    Subscriber { filter: &'static str, qos: QoS, is_kept: bool },
}

impl Role {
    pub(super) fn subscriber(filter: &'static str, qos: QoS) -> Self {
        Self::Subscriber { filter, qos, is_kept: true }
    }

    pub(super) fn member(is_kept: bool) -> Self {
        Self::Subscriber { filter: "$share/g/t/#", qos: QoS::AtLeastOnce, is_kept }
    }

    fn is_kept(&self) -> bool {
        match self {
            Self::Publisher { is_kept } | Self::Subscriber { is_kept, .. } => *is_kept,
        }
    }
}

/// A message on its way out.
struct Outgoing {
    number: Number,
    message: Publish,
    is_sent: bool,
    /// The server has it (PUBREC), and it is to be released.
    is_received: bool,
}

pub(super) struct Device {
    id: &'static str,
    version: Version,
    role: Role,
    connection: Option<Client>,
    /// Not acknowledged to the end, oldest first.
    outgoing: VecDeque<Outgoing>,
    last_id: u16,
    /// Packet ids of QoS 2 that came and were not released.
    unreleased: HashSet<PacketId>,
    /// Answers that are held back.
    withheld: Vec<Packet>,
    in_flight: HashSet<PacketId>,
    is_subscribed: bool,
}

impl Device {
    pub(super) fn new(id: &'static str, version: Version, role: Role) -> Self {
        Self {
            id,
            version,
            role,
            connection: None,
            outgoing: VecDeque::new(),
            last_id: 0,
            unreleased: HashSet::new(),
            withheld: Vec::new(),
            in_flight: HashSet::new(),
            is_subscribed: false,
        }
    }

    /// Whether nothing is on its way.
    pub(super) fn is_done(&self) -> bool {
        self.outgoing.is_empty() && self.withheld.is_empty()
    }

    pub(super) fn cut_off(&mut self) {
        self.connection = None;
        self.withheld.clear();
        self.in_flight.clear();
    }

    /// Its session has ended, with its connection.
    pub(super) fn end(&mut self, promises: &mut Promises) {
        self.cut_off();
        self.is_subscribed = false;
        promises.ended(self.id);
    }

    pub(super) async fn disconnect(&mut self, says_goodbye: bool) {
        if let Some(client) = self.connection.as_mut().filter(|_| says_goodbye) {
            client.send(Packet::Disconnect(Disconnect::default())).await;
        }
        self.cut_off();
    }

    /// Connects, over whatever connection there is; sends again what was not acknowledged.
    pub(super) async fn connect(&mut self, world: &World, promises: &mut Promises) {
        let mut client = world.dial(self.version);
        let asked = if self.role.is_kept() { keeping } else { connect };
        let mut asked: Connect = asked(self.version, self.id);
        asked.properties.session_expiry_s = asked.properties.session_expiry_s.map(|_| u32::MAX);
        client.send(Packet::Connect(Box::new(asked))).await;
        self.cut_off();
        let Some(Packet::Connack(connack)) = client.next().await else { return };
        assert_eq!(connack.code, 0, "{connack:?}");
        if !connack.session_present {
            self.forget();
        }
        self.connection = Some(client);
        for outgoing in &mut self.outgoing {
            if outgoing.is_sent {
                promises.sent_again(outgoing.number);
                outgoing.message.dup = true;
            }
            outgoing.is_sent = false;
        }
        if let Role::Subscriber { filter, qos, .. } = self.role
            && !self.is_subscribed
        {
            self.subscribe(filter, qos).await;
        }
    }

    /// The server knows nothing of before.
    fn forget(&mut self) {
        assert!(!self.is_subscribed || !self.role.is_kept(), "the session of {} is lost", self.id);
        self.unreleased.clear();
        self.is_subscribed = false;
    }

    async fn subscribe(&mut self, filter: &str, qos: QoS) {
        let Some(client) = &mut self.connection else { return };
        let subscriptions = vec![subscription(filter, qos)];
        let (packet_id, properties) = (client.new_id(), mqtt::SubscribeProperties::default());
        let subscribe = mqtt::Subscribe { packet_id, properties, subscriptions };
        client.send(Packet::Subscribe(subscribe)).await;
    }

    pub(super) fn publish(&mut self, promises: &mut Promises, topic: &'static str, qos: QoS) {
        if self.connection.is_none() && qos == QoS::AtMostOnce {
            return;
        }
        let number = promises.publish(self.id, topic, qos);
        let mut message = publish(topic, &number.to_string());
        message.qos = qos;
        if qos != QoS::AtMostOnce {
            self.last_id = self.last_id % 1000 + 1;
            message.packet_id = PacketId::new(self.last_id);
        }
        self.outgoing.push_back(Outgoing { number, message, is_sent: false, is_received: false });
    }

    /// Sends what is to be sent, as far as it may be in flight.
    pub(super) async fn flush(&mut self) {
        let Some(client) = &mut self.connection else { return };
        let window = self.outgoing.iter_mut().take(usize::from(INFLIGHT_MAX));
        for outgoing in window.filter(|outgoing| !outgoing.is_sent) {
            outgoing.is_sent = true;
            match outgoing.message.packet_id.filter(|_| outgoing.is_received) {
                Some(packet_id) => client.answer(Packet::Pubrel, packet_id).await,
                None => client.send(Packet::Publish(outgoing.message.clone())).await,
            }
        }
        self.outgoing
            .retain(|outgoing| outgoing.message.qos != QoS::AtMostOnce || !outgoing.is_sent);
    }

    /// Reads what has come and answers, or holds the answers back until the next time.
    pub(super) async fn exchange(&mut self, promises: &mut Promises, withholds: bool) {
        loop {
            let Some(client) = &mut self.connection else { return };
            match tokio::time::timeout(Duration::from_millis(1), client.next()).await {
                Ok(Some(packet)) => self.take(packet, promises),
                Ok(None) => return self.cut_off(),
                Err(_) if withholds || self.withheld.is_empty() => return,
                Err(_) => self.answer().await,
            }
        }
    }

    async fn answer(&mut self) {
        for answer in std::mem::take(&mut self.withheld) {
            if let Packet::Puback(ack) | Packet::Pubcomp(ack) = &answer {
                self.in_flight.remove(&ack.packet_id);
            }
            if let Some(client) = &mut self.connection {
                client.send(answer).await;
            }
        }
    }

    fn take(&mut self, packet: Packet, promises: &mut Promises) {
        match packet {
            Packet::Publish(message) => self.take_message(&message, promises),
            Packet::Pubrel(ack) => {
                self.unreleased.remove(&ack.packet_id);
                self.in_flight.insert(ack.packet_id);
                self.withheld.push(Packet::Pubcomp(plain(ack.packet_id)));
            }
            Packet::Puback(ack) if ack.code == 0 => self.take_end(ack.packet_id, promises),
            Packet::Pubcomp(ack) => self.take_end(ack.packet_id, promises),
            Packet::Pubrec(ack) if ack.code == 0 => self.take_pubrec(ack.packet_id, promises),
            // Sent again over the next connection.
            Packet::Puback(_) | Packet::Pubrec(_) | Packet::Disconnect(_) => {}
            Packet::Suback(_) => {
                self.is_subscribed = true;
                if self.role.is_kept() {
                    promises.subscribed(self.id);
                }
            }
            other => panic!("{other:?} comes to {}", self.id),
        }
    }

    fn take_message(&mut self, message: &Publish, promises: &mut Promises) {
        let number = payload(message).parse().unwrap();
        let Some(id) = message.packet_id else { return promises.received(self.id, number) };
        self.in_flight.insert(id);
        assert!(self.in_flight.len() <= usize::from(INFLIGHT_MAX), "too much is in flight");
        if message.qos == QoS::AtLeastOnce {
            promises.received(self.id, number);
            return self.withheld.push(Packet::Puback(plain(id)));
        }
        if self.unreleased.insert(id) {
            promises.received(self.id, number);
        }
        self.withheld.push(Packet::Pubrec(plain(id)));
    }

    fn take_pubrec(&mut self, id: PacketId, promises: &mut Promises) {
        let is_it = |outgoing: &&mut Outgoing| outgoing.message.packet_id == Some(id);
        if let Some(outgoing) = self.outgoing.iter_mut().find(is_it) {
            outgoing.is_received = true;
            promises.acknowledged(outgoing.number);
        }
        self.withheld.push(Packet::Pubrel(plain(id)));
    }

    fn take_end(&mut self, id: PacketId, promises: &mut Promises) {
        let is_it = |outgoing: &Outgoing| outgoing.message.packet_id == Some(id);
        if let Some(at) = self.outgoing.iter().position(is_it)
            && let Some(outgoing) = self.outgoing.remove(at)
        {
            promises.acknowledged(outgoing.number);
        }
    }
}

fn plain(packet_id: PacketId) -> Ack {
    Ack { packet_id, code: 0, properties: None }
}
