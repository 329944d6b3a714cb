//! What a queue notes in the journal about one of its entries.

use journal::Mark;
use mqtt::{PacketId, QoS};

/// How far a message of QoS 2 has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is to be sent, and was perhaps.
    ToSend,
    /// The client has received it (PUBREC): it is not sent again.
    Released,
    /// It came from the client, which has not released it (PUBREL): its packet id is taken.
    Received,
}

/// An entry's note: the lower one of two QoS, RETAIN, how far it has come, its packet id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) stage: Stage,
    /// That of QoS 2; of QoS 1 since it was sent, and not in the journal.
    pub(crate) packet_id: Option<PacketId>,
}

const RETAIN_BIT: u32 = 1 << 2;
const STAGE_SHIFT: u32 = 3;
const ID_SHIFT: u32 = 16;

impl Note {
    /// The note that a client's own message leaves while its packet id is taken.
    pub(crate) fn received(packet_id: PacketId) -> Self {
        let packet_id = Some(packet_id);
        Self { qos: QoS::ExactlyOnce, retain: false, stage: Stage::Received, packet_id }
    }

    pub(crate) fn to_mark(self) -> Mark {
        let stage = match self.stage {
            Stage::ToSend => 0,
            Stage::Released => 1,
            Stage::Received => 2,
        };
        let id = self.packet_id.filter(|_| self.qos == QoS::ExactlyOnce).map_or(0, PacketId::get);
        let retain = if self.retain { RETAIN_BIT } else { 0 };
        u32::from(self.qos as u8) | retain | stage << STAGE_SHIFT | u32::from(id) << ID_SHIFT
    }

    pub(crate) fn from_mark(mark: Mark) -> Self {
        let [low, _, id_low, id_high] = mark.to_le_bytes();
        Self {
            qos: QoS::from_bits(low).unwrap_or(QoS::AtLeastOnce),
            retain: mark & RETAIN_BIT != 0,
            stage: match mark >> STAGE_SHIFT & 0b11 {
                0 => Stage::ToSend,
                1 => Stage::Released,
                _ => Stage::Received,
            },
            packet_id: PacketId::new(u16::from_le_bytes([id_low, id_high])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_from_its_mark() {
        let qos1 =
            Note { qos: QoS::AtLeastOnce, retain: true, stage: Stage::ToSend, packet_id: None };
        let id = PacketId::new(0xABCD);
        let sent = Note { qos: QoS::ExactlyOnce, retain: false, packet_id: id, ..qos1 };
        let released = Note { stage: Stage::Released, ..sent };
        let received = Note::received(PacketId::MIN);
        for note in [qos1, sent, released, received] {
            assert_eq!(Note::from_mark(note.to_mark()), note);
        }
        let in_flight = Note { packet_id: id, ..qos1 };
        assert_eq!(Note::from_mark(in_flight.to_mark()), qos1, "ids of QoS 1 are not kept");
    }
}
