//! A run of messages on its way to one subscriber.

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;
use mqtt::{PacketId, QoS, Version};

use crate::delivery::{Delivered, Outgoing};
use crate::run::Run;
use crate::session::Session;
use crate::turn::Turn;
use crate::window::Awaits;

/// The messages of a run that a subscriber has yet to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) run: Arc<Run>,
    /// Which of its parts.
    pub(crate) left: Range<usize>,
    /// That of the subscription.
    pub(crate) qos_max: QoS,
    /// The subscription identifiers that it is told of, if it has given any.
    pub(crate) ids: Option<Arc<Vec<u32>>>,
}

/// How much is written of a batch at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portion {
    pub(crate) messages_max: usize,
    /// No message is begun with so much unwritten.
    pub(crate) output_bytes_max: usize,
}

impl Session {
    /// Writes messages of `batch` to the client, if it may have them, until it may have no more in
    /// flight or the portion is full.
    pub(crate) fn deliver_batch(
        &mut self,
        batch: &mut Batch,
        portion: Portion,
        turn: &mut Turn<'_>,
    ) -> Delivered {
        let Batch { run, left, qos_max, ids } = batch;
        if !self.may_receive(&run.topic, left.len(), turn) {
            left.start = left.end;
            return Delivered::Done;
        }
        let version = self.client.version;
        let copies = run.version == version && ids.is_none() && self.told.is_none();
        let mut start = run.start(left.start);
        for at in left.clone().take(portion.messages_max) {
            if turn.output.len() >= portion.output_bytes_max {
                break;
            }
            let part = &run.parts[at];
            let qos = part.qos.min(*qos_max);
            if qos != QoS::AtMostOnce && !self.window.has_room() {
                return Delivered::Later;
            }
            let packet = &run.packets[start..part.end];
            let is_as_it_is = copies && part.qos == qos && part.more.is_none();
            if is_as_it_is && packet.len() <= self.packet_bytes_max {
                turn.output.extend_from_slice(packet);
                if qos != QoS::AtMostOnce {
                    let id = self.window.send(Awaits::Puback, None);
                    set_packet_id(turn.output, part.end - part.payload, id, version);
                }
                turn.counts.delivered += 1;
            } else {
                let more = part.more.as_deref();
                let outgoing = Outgoing {
                    topic: &run.topic,
                    payload: &run.packets[part.payload..part.end],
                    qos,
                    retain: false,
                    properties: more.map(|more| &*more.properties),
                    expires: more.and_then(|more| more.expires),
                    ids: ids.as_deref(),
                    queued: None,
                    receipt: None,
                };
                self.send(&outgoing, turn);
            }
            start = part.end;
            left.start = at + 1;
        }
        Delivered::Done
    }
}

/// Gives the PUBLISH at the end of `output`, which has a packet id and no properties, the id `id`.
fn set_packet_id(output: &mut BytesMut, payload_bytes: usize, id: PacketId, version: Version) {
    // In MQTT 5 the length of the properties stands between.
    let end = output.len() - payload_bytes - usize::from(version == Version::V5);
    output[end - 2..end].copy_from_slice(&id.get().to_be_bytes());
}
