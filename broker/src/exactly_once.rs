//! QoS 2: the messages of a client that it has not released, and those to it that it has received.
//!
//! For a persistent session both are in the journal, so that a message arrives once even if the
//! server crashes between any two of its packets.

use std::collections::HashMap;
use std::sync::Arc;

use journal::Sequence;
use mqtt::{Ack, Packet, PacketId, reason};

use crate::keeping::Keeping;
use crate::mailbox::Settled;
use crate::queue::{Note, Queued};
use crate::session::Session;
use crate::turn::Turn;
use crate::window::Awaits;

/// The packet ids of messages that a client has sent and not released. Bounded by their number.
#[derive(Default)]
pub(crate) struct Received(HashMap<PacketId, Taken>);

struct Taken {
    /// Where it is noted, for a persistent session.
    sequence: Option<Sequence>,
    /// Whether the client may be told, again if it asks.
    is_safe: bool,
    /// Whether the client has released it already, though it was not told.
    is_released: bool,
}

impl Received {
    /// What the journal has of a session.
    pub(crate) fn recovered(noted: impl IntoIterator<Item = (PacketId, Sequence)>) -> Self {
        let taken =
            |sequence| Taken { sequence: Some(sequence), is_safe: true, is_released: false };
        Self(noted.into_iter().map(|(id, sequence)| (id, taken(sequence))).collect())
    }

    pub(crate) fn contains(&self, id: PacketId) -> bool {
        self.0.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The id is free again; whether it was not.
    pub(crate) fn forget(&mut self, id: PacketId) -> bool {
        self.0.remove(&id).is_some()
    }

    /// The message is safe: whoever sends it again is told. Or it could not be made so, and is
    /// taken when it comes again. Whether it can be released at once.
    pub(crate) fn note(&mut self, id: PacketId, code: u8) -> bool {
        if code != reason::SUCCESS {
            self.0.remove(&id);
            return false;
        }
        self.0.get_mut(&id).is_some_and(|taken| {
            taken.is_safe = true;
            taken.is_released
        })
    }
}

impl Session {
    /// Whether the message `id` came before and is not released: it is not delivered again.
    pub(crate) fn has_received(&mut self, id: PacketId, turn: &mut Turn<'_>) -> bool {
        let Some(taken) = self.received.0.get(&id) else { return false };
        if taken.is_safe {
            let ack = Ack { packet_id: id, code: reason::SUCCESS, properties: None };
            Packet::Pubrec(ack).encode(self.client.version, turn.output);
        }
        true
    }

    /// Takes note that a message of QoS 2 came, with the message itself.
    pub(crate) fn receive(&mut self, id: PacketId, keeping: &mut Keeping) {
        let kept = self.client.kept.as_ref();
        let sequence = kept.map(|session| keeping.note(&session.queue, Note::received(id)));
        self.received.0.insert(id, Taken { sequence, is_safe: false, is_released: false });
    }

    /// PUBREL of the client: the packet id may be used again once that is noted.
    pub(crate) fn on_pubrel(&mut self, id: PacketId, turn: &mut Turn<'_>) {
        let Some(taken) = self.received.0.get_mut(&id) else {
            let code = reason::PACKET_IDENTIFIER_NOT_FOUND;
            let ack = Ack { packet_id: id, code, properties: None };
            return Packet::Pubcomp(ack).encode(self.client.version, turn.output);
        };
        if !taken.is_safe {
            // PUBREC goes first, when it may.
            taken.is_released = true;
            return;
        }
        let (Some(sequence), Some(session)) = (taken.sequence, &self.client.kept) else {
            return self.complete(id, turn);
        };
        let client = Arc::clone(&self.client);
        let settled = Box::new(move |result: Result<(), journal::JournalError>| {
            if result.is_ok() {
                client.mailbox.settle(Settled::Released(id));
            }
        });
        let queue = session.queue.id_of_received();
        session.queue.journal().release_safely(queue, sequence, settled);
    }

    /// Ends a message of the client.
    pub(crate) fn complete(&mut self, id: PacketId, turn: &mut Turn<'_>) {
        if self.received.forget(id) {
            let ack = Ack { packet_id: id, code: reason::SUCCESS, properties: None };
            Packet::Pubcomp(ack).encode(self.client.version, turn.output);
        }
    }

    /// PUBREC of the client: it has the message, which is not sent again once that is noted.
    pub(crate) fn on_pubrec(&mut self, ack: &Ack, turn: &mut Turn<'_>) {
        let id = ack.packet_id;
        if ack.code >= reason::UNSPECIFIED_ERROR {
            // The client does not want it (MQTT 5, 4.3.3).
            return self.finish(id, Awaits::Pubrec);
        }
        let Some(received) = self.window.receive(id) else {
            let is_known = self.window.awaits_pubcomp(id);
            let code = if is_known { reason::SUCCESS } else { reason::PACKET_IDENTIFIER_NOT_FOUND };
            let ack = Ack { packet_id: id, code, properties: None };
            return Packet::Pubrel(ack).encode(self.client.version, turn.output);
        };
        let queued = received.queued.clone();
        if !queued.is_some_and(|queued| self.note_received(id, &queued)) {
            self.release(id, turn);
        }
    }

    /// Has it noted that the client has received a message, which is released after that. Not if
    /// there is nothing to be noted.
    pub(crate) fn note_received(&self, id: PacketId, queued: &Queued) -> bool {
        let client = Arc::clone(&self.client);
        let settled = Box::new(move |result: Result<(), journal::JournalError>| {
            if result.is_ok() {
                client.mailbox.settle(Settled::Noted(id));
            }
        });
        let Queued { queue, sequence, .. } = queued;
        let is_own = self.client.kept.as_ref().is_some_and(|kept| kept.queue.id == queue.id);
        if !is_own {
            // Nobody else of the group may have it any more.
            queue.acknowledge_safely(*sequence, settled);
            return true;
        }
        // What is not there any more could not be written.
        let Some(note) = queue.receive(*sequence) else { return false };
        queue.journal().mark_safely(queue.id, *sequence, note.to_mark(), settled);
        true
    }

    /// Releases a message that the client has received.
    pub(crate) fn release(&mut self, id: PacketId, turn: &mut Turn<'_>) {
        if self.window.awaits_pubcomp(id) {
            let ack = Ack { packet_id: id, code: reason::SUCCESS, properties: None };
            Packet::Pubrel(ack).encode(self.client.version, turn.output);
        }
    }

    /// PUBCOMP of the client.
    pub(crate) fn on_pubcomp(&mut self, ack: &Ack) {
        self.finish(ack.packet_id, Awaits::Pubcomp);
    }

    /// A message is done with. An id that is not in flight is no error: the client may acknowledge
    /// late or twice.
    pub(crate) fn finish(&mut self, id: PacketId, awaits: Awaits) {
        let finished = self.window.acknowledge(id, awaits);
        if let Some(queued) = finished.and_then(|in_flight| in_flight.queued) {
            queued.queue.acknowledge(queued.sequence);
        }
    }
}
