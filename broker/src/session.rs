//! One client's conversation: packets in, packets out, no socket and no clock.

use std::sync::Arc;

use bytes::BytesMut;
use bytestring::ByteString;
use mqtt::{Ack, AckProperties, Packet, Version, Will, reason};
use service::{App, DeviceEvent, DeviceStatus, Limits, LogBudget};

use crate::ending::{Ending, Fault};
use crate::receipts::Receipts;
use crate::retained::Retained;
use crate::space::{Client, Space};
use crate::turn::Turn;
use crate::verdicts::{Asker, Verdicts};
use crate::window::Window;

/// What a DISCONNECT, PUBACK or SUBACK has beside its reason string, at most.
const PACKET_BESIDE_REASON_BYTES: usize = 64;

/// What a client was granted, and what it has open.
pub(crate) struct Session {
    pub(crate) app: Arc<App>,
    pub(crate) space: Arc<Space>,
    pub(crate) client: Arc<Client>,
    pub(crate) verdicts: Verdicts,
    pub(crate) will: Option<Will>,
    /// Messages of QoS 1 that the client has not acknowledged.
    pub(crate) window: Window,
    /// Those among them for which somebody waits.
    pub(crate) receipts: Receipts,
    /// What the client's topic aliases stand for.
    pub(crate) aliases: Vec<Option<ByteString>>,
    /// The largest packet that the client takes.
    pub(crate) packet_bytes_max: usize,
    /// Whether refusals are explained to the client (MQTT 5, Request Problem Information).
    pub(crate) tells_reasons: bool,
    /// Whether CONNECT asked for a session that outlives the connection.
    pub(crate) asked_to_persist: bool,
    pub(crate) log_budget: LogBudget,
    pub(crate) retained: Retained,
    /// Messages of the client that are not acknowledged because they are not safe yet.
    pub(crate) unsafe_messages: usize,
}

impl Session {
    /// Acts on a packet of the client.
    pub(crate) fn handle(&mut self, packet: Packet, turn: &mut Turn<'_>) -> Result<(), Ending> {
        match packet {
            Packet::Publish(publish) => self.accept(publish, turn),
            Packet::Puback(ack) => self.on_puback(&ack),
            Packet::Subscribe(subscribe) => self.on_subscribe(subscribe, turn),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(&unsubscribe, turn),
            Packet::Pingreq => {
                Packet::Pingresp.encode(self.client.version, turn.output);
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(goodbye(&disconnect, self.asked_to_persist)),
            Packet::Connect(_) => Err(forbidden("a second CONNECT")),
            Packet::Auth(_) => Err(forbidden("AUTH, for enhanced authentication is not offered")),
            Packet::Pubrec(_) | Packet::Pubrel(_) | Packet::Pubcomp(_) => {
                Err(forbidden("a packet of QoS 2, which is not offered"))
            }
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                Err(forbidden("a packet that only a server sends"))
            }
        }
    }

    fn on_puback(&mut self, ack: &Ack) -> Result<(), Ending> {
        // An id that is not in flight is no error: the client may acknowledge late or twice.
        if self.window.acknowledge(ack.packet_id) {
            self.receipts.acknowledge(ack.packet_id, ack.code);
        }
        Ok(())
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
        DeviceEvent {
            status,
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

/// The end that a client asks for. It may keep its session if its CONNECT `asked` for one.
fn goodbye(disconnect: &mqtt::Disconnect, asked: bool) -> Ending {
    if !asked && disconnect.properties.session_expiry_s.is_some_and(|expiry_s| expiry_s > 0) {
        return Ending::Fault(Fault::protocol(
            "DISCONNECT asks for a session that outlives the connection, and CONNECT did not",
        ));
    }
    // The Will goes only with a normal goodbye (MQTT-3.14.4-3).
    Ending::Client { with_will: disconnect.code != reason::NORMAL_DISCONNECTION }
}
