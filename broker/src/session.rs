//! One client's conversation: packets in, packets out, no socket and no clock.

use std::sync::Arc;

use bytes::BytesMut;
use bytestring::ByteString;
use mqtt::{AckProperties, Packet, PacketId, QoS, Version, Will, reason};
use service::{App, DeviceEvent, DeviceStatus, Limits, LogBudget, LogLevel};
use types::Timestamp;

use crate::departures::Departure;
use crate::ending::{Ending, Fault};
use crate::exactly_once::Received;
use crate::groups::Group;
use crate::mailbox::Settled;
use crate::message::Message;
use crate::pace::Pace;
use crate::persistent::{DelayedWill, Persistent};
use crate::queue::{Queued, Stage};
use crate::receipts::Receipts;
use crate::retained::Retained;
use crate::routing::Line;
use crate::sessions::{Leaving, Sessions};
use crate::space::{Client, Space};
use crate::told::Told;
use crate::turn::Turn;
use crate::verdicts::{Asker, Verdicts};
use crate::window::{Awaits, Window};

/// What a DISCONNECT, PUBACK or SUBACK has beside its reason string, at most.
const PACKET_BESIDE_REASON_BYTES: usize = 64;

/// What a client was granted, and what it has open.
pub(crate) struct Session {
    pub(crate) app: Arc<App>,
    pub(crate) space: Arc<Space>,
    pub(crate) client: Arc<Client>,
    pub(crate) verdicts: Verdicts,
    pub(crate) will: Option<Box<Will>>,
    /// Messages of QoS 1 and 2 that the client has not acknowledged.
    pub(crate) window: Window,
    /// The client's own of QoS 2 that it has not released.
    pub(crate) received: Received,
    /// Those among them for which somebody waits.
    pub(crate) receipts: Receipts,
    /// What the client's topic aliases stand for.
    pub(crate) aliases: Vec<Option<ByteString>>,
    /// What the client was told that aliases stand for; none if it takes no aliases.
    pub(crate) told: Option<Box<Told>>,
    pub(crate) aliases_max: usize,
    /// The largest packet that the client takes.
    pub(crate) packet_bytes_max: usize,
    /// Whether refusals are explained to the client (MQTT 5, Request Problem Information).
    pub(crate) tells_reasons: bool,
    /// How long the session outlives the connection, as granted or as DISCONNECT says.
    pub(crate) expiry_s: u32,
    /// How fast it may be spoken to and speak; none if that is left open.
    pub(crate) pace: Option<Box<Pace>>,
    /// What it has asked services for; none before the first time.
    pub(crate) line: Option<Arc<Line>>,
    pub(crate) log_budget: LogBudget,
    pub(crate) retained: Arc<Retained>,
    pub(crate) sessions: Arc<Sessions>,
    /// The groups that it is a member of, in which messages may wait.
    pub(crate) shares: Vec<Arc<Group>>,
    /// Messages of QoS 1 that are not acknowledged because they are not safe yet.
    pub(crate) unsafe_messages: usize,
    /// Requests to subscribe or to unsubscribe, in the same way.
    pub(crate) unsafe_answers: usize,
}

impl Session {
    /// Takes over what is kept of the session.
    pub(crate) fn resume(&mut self) {
        let Some(kept) = self.client.kept.clone() else { return };
        self.give_up(&kept);
        self.log_unwritten(&kept);
        // Before it comes: whoever has news of what it sent before finds it.
        let unsent = kept.queue.attach(&self.client);
        self.received = kept.come(self.expiry_s);
        for unsent in unsent {
            let Some(packet_id) = unsent.note.packet_id else { continue };
            if unsent.note.stage == Stage::Released {
                let (queue, sequence) = (Arc::clone(&kept.queue), unsent.sequence);
                let id = Some(packet_id);
                let queued = Queued { queue, sequence, packet_id: id, is_again: true };
                // Released anew, once it is sure to be noted.
                if !self.note_received(packet_id, &queued) {
                    self.client.mailbox.settle(Settled::Noted(packet_id));
                }
                self.window.send(Awaits::Pubcomp, Some(Box::new(queued)));
            } else {
                self.window.reserve(packet_id);
            }
        }
        let groups = kept.subscriptions.shared();
        self.shares = groups.iter().filter_map(|text| self.space.groups.find(text)).collect();
    }

    /// Puts it into the device log that messages were not kept while the client was away.
    fn log_unwritten(&mut self, kept: &Persistent) {
        let unwritten = kept.queue.take_unwritten();
        if unwritten > 0 {
            let why = format!(
                "{unwritten} messages were dropped: the disk took no more of what waits for \
                 clients; `journal.bytes_max` says how much it may"
            );
            self.log_refusal("Queued", "JOURNAL_FULL", why, None);
        }
    }

    /// Drops what was sent for as long as a message is sent again, and says so.
    fn give_up(&mut self, kept: &Persistent) {
        let limits = self.limits();
        let retry_s = match kept.version {
            Version::V311 => limits.mqtt_retry_s_v311,
            Version::V5 => limits.mqtt_retry_s_v5,
        };
        if retry_s == 0 {
            return;
        }
        let given_up = kept.queue.give_up(retry_s, self.app.env.clock.now());
        if given_up > 0 {
            let why = format!(
                "{given_up} messages were dropped: the client did not acknowledge them for {retry_s} s"
            );
            self.log_refusal("Publish-Out", "RETRY_EXPIRED", why, None);
        }
    }

    /// Acts on a packet of the client.
    pub(crate) fn handle(&mut self, packet: Packet, turn: &mut Turn<'_>) -> Result<(), Ending> {
        match packet {
            Packet::Publish(publish) => self.accept(publish, turn),
            Packet::Pubrec(_) | Packet::Pubrel(_) | Packet::Pubcomp(_)
                if self.app.dialect.qos_max != QoS::ExactlyOnce =>
            {
                Err(forbidden("a packet of QoS 2, which is not offered"))
            }
            Packet::Puback(ack) => {
                self.on_puback(ack.packet_id, ack.code);
                Ok(())
            }
            Packet::Pubrec(ack) => {
                self.on_pubrec(&ack, turn);
                Ok(())
            }
            Packet::Pubrel(ack) => {
                self.on_pubrel(ack.packet_id, turn);
                Ok(())
            }
            Packet::Pubcomp(ack) => {
                self.on_pubcomp(&ack);
                Ok(())
            }
            Packet::Subscribe(subscribe) => self.on_subscribe(subscribe, turn),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(&unsubscribe, turn),
            Packet::Pingreq => {
                Packet::Pingresp.encode(self.client.version, turn.output);
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(self.on_disconnect(&disconnect)),
            Packet::Connect(_) => Err(forbidden("a second CONNECT")),
            Packet::Auth(_) => Err(forbidden("AUTH, for enhanced authentication is not offered")),
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                Err(forbidden("a packet that only a server sends"))
            }
        }
    }

    /// The client has a message, or does not want it: a reason code of MQTT 5.
    pub(crate) fn on_puback(&mut self, id: PacketId, code: u8) {
        self.receipts.acknowledge(id, code);
        self.finish(id, Awaits::Puback);
    }

    /// The end that the client asks for. It may change how long its session is kept, if it is.
    fn on_disconnect(&mut self, disconnect: &mqtt::Disconnect) -> Ending {
        if let Some(expiry_s) = disconnect.properties.session_expiry_s {
            if self.expiry_s == 0 && expiry_s > 0 {
                return Ending::Fault(Fault::protocol(
                    "DISCONNECT asks for a session that outlives the connection, and CONNECT did not",
                ));
            }
            self.expiry_s = expiry_s.min(self.limits().mqtt_session_expiry_s_max);
        }
        // The Will goes only with a normal goodbye (MQTT-3.14.4-3).
        Ending::Client { with_will: disconnect.code != reason::NORMAL_DISCONNECTION }
    }

    /// When the Will is to be published, if not now (MQTT 5, 3.1.3.2.2).
    pub(crate) fn will_delay(&self, will: &Will, now: Timestamp) -> Option<DelayedWill> {
        let delay_s = will.delay_s.unwrap_or(0).min(self.expiry_s);
        if delay_s == 0 || self.client.kept.is_none() {
            return None;
        }
        let due = Timestamp::from_millis(now.millis() + i64::from(delay_s) * 1000);
        let message = Message::of_will(will.clone(), self.client.holder(), due);
        Some(DelayedWill { message: Arc::new(message), due })
    }

    /// What the client leaves to its session.
    pub(crate) fn leaving(
        &mut self,
        ending: &Ending,
        will: Option<DelayedWill>,
        now: Timestamp,
    ) -> Option<Leaving> {
        let client = &self.client;
        for settled in client.mailbox.take_settled() {
            if let Settled::Taken(packet_id, code) | Settled::Late(packet_id, code) = settled {
                self.received.note(packet_id, code);
            }
        }
        if let Some(kept) = &client.kept {
            let queued = self.window.in_flight().filter_map(|sent| {
                let queued = sent.queued.as_ref().filter(|queued| queued.queue.id == kept.queue.id);
                queued.map(|queued| (queued.sequence, sent.id))
            });
            if !kept.queue.detach(client.number, &queued.collect::<Vec<_>>(), now) {
                // Another connection has the session by now.
                return None;
            }
        }
        let expiry_s =
            if let Ending::Deleted { ends_session: true, .. } = ending { 0 } else { self.expiry_s };
        Some(Leaving {
            departure: Departure {
                number: client.number,
                version_number: client.version_number,
                at: now,
                reason: ending.disconnect_reason().into(),
                facts: client.facts(),
            },
            expiry_s,
            received: std::mem::take(&mut self.received),
            will,
        })
    }

    /// Whether the client is told `why`: it wants to know, and can take a packet of that size
    /// (MQTT-3.4.2-2, MQTT-3.9.2-1, MQTT-3.14.2-3).
    fn tells(&self, why: &str) -> bool {
        let bytes = why.len().saturating_add(PACKET_BESIDE_REASON_BYTES);
        self.tells_reasons && bytes <= self.packet_bytes_max
    }

    /// The properties of an acknowledgement that says why, if the client wants to know.
    pub(crate) fn properties_telling(&self, why: &str) -> Option<Box<AckProperties>> {
        let tells = self.client.version == Version::V5 && self.tells(why);
        tells.then(|| {
            let reason_string = Some(ByteString::from(why));
            Box::new(AckProperties { reason_string, ..AckProperties::default() })
        })
    }

    /// Writes the DISCONNECT that tells an MQTT 5 client why.
    pub(crate) fn say_goodbye(&self, ending: &Ending, output: &mut BytesMut) {
        if self.client.version != Version::V5 {
            return;
        }
        let Some(code) = ending.code() else { return };
        let mut disconnect = mqtt::Disconnect { code, ..mqtt::Disconnect::default() };
        let why = ending.detail();
        if self.tells(&why) {
            disconnect.properties.reason_string = Some(why.into());
        }
        Packet::Disconnect(disconnect).encode(Version::V5, output);
    }

    /// For whom a verdict is asked.
    pub(crate) fn asker<'a>(&'a self, turn: &Turn<'_>) -> Asker<'a> {
        Asker { tenant: &self.space.tenant, now: turn.now }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.app.limits
    }

    /// Puts it into the device log that the client was too slow for its messages.
    pub(crate) fn log_dropped(&mut self, dropped: u64) {
        let why = format!(
            "{dropped} messages were dropped: the client does not take them as fast as they come"
        );
        self.log_refusal("Publish-Out", "QUEUE_FULL", why, None);
    }

    /// Puts a refusal of this client into the device log, as far as its budget goes.
    pub(crate) fn log_refusal(
        &mut self,
        event_type: &'static str,
        reason: &'static str,
        details: String,
        topic: Option<&str>,
    ) {
        let Some(untold) = self.log_budget.take(self.app.env.clock.now()) else { return };
        let details = match untold {
            0 => details,
            _ => format!("{details} (and {untold} more that are not listed)"),
        };
        self.app.device_log.record(DeviceEvent {
            topic_name: topic.map(str::to_owned),
            ..self.client.event(event_type, DeviceStatus::Failure, reason, details)
        });
    }
}

impl Client {
    /// An entry of the device log about this client.
    pub(crate) fn event(
        &self,
        event_type: &'static str,
        status: DeviceStatus,
        reason: &'static str,
        details: String,
    ) -> DeviceEvent {
        let log_level = match status {
            DeviceStatus::Success => LogLevel::Info,
            DeviceStatus::Failure => LogLevel::Error,
        };
        DeviceEvent {
            status,
            log_level,
            source: Some(self.principal.knock.peer),
            account_id: Some(self.principal.tenant.account.to_string()),
            region: Some(self.principal.tenant.region.to_string()),
            client_id: Some(self.id.to_string()),
            principal_id: Some(self.principal.id.clone()),
            ..DeviceEvent::failure(event_type, reason, details)
        }
    }
}

fn forbidden(what: &str) -> Ending {
    Ending::Fault(Fault::protocol(format!("the client sent {what}")))
}
