//! The messages of QoS 1 and 2 that a client has not acknowledged yet.

use std::collections::VecDeque;

use mqtt::PacketId;

use crate::queue::{KEPT_IDS_FROM, Queued};

/// What a client has to send next for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    Puback,
    Pubrec,
    /// It has received the message; the PUBREL is noted, or on its way.
    Pubcomp,
}

/// A message that is out.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: PacketId,
    pub(crate) awaits: Awaits,
    /// Where it is kept until it is acknowledged.
    pub(crate) queued: Option<Box<Queued>>,
}

/// Packet ids in flight to one client. Pure.
#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    /// Oldest first.
    in_flight: VecDeque<InFlight>,
    /// Ids of messages that were sent on an earlier connection, and will be sent again.
    reserved: Vec<PacketId>,
    next: PacketId,
    /// So many ids from `next` on are known to be free.
    free: u16,
}

impl Window {
    /// A window for `size` messages, at least one.
    pub(crate) fn new(size: u16) -> Self {
        Self {
            size: usize::from(size.max(1)),
            in_flight: VecDeque::new(),
            reserved: Vec::new(),
            next: PacketId::MIN,
            free: 0,
        }
    }

    /// Keeps an id for the message that had it before.
    pub(crate) fn reserve(&mut self, id: PacketId) {
        self.reserved.push(id);
        self.free = 0;
    }

    /// Whether another message may go out.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight.len() < self.size
    }

    /// Sends a message out, with the id that it has or a new one; there must be room for it.
    pub(crate) fn send(&mut self, awaits: Awaits, queued: Option<Box<Queued>>) -> PacketId {
        let known = queued.as_ref().and_then(|queued| queued.packet_id);
        let id = known.unwrap_or_else(|| self.new_id());
        if known.is_some() {
            self.reserved.retain(|reserved| *reserved != id);
            self.free = 0;
        }
        self.in_flight.push_back(InFlight { id, awaits, queued });
        id
    }

    /// Takes note that the client has sent what `awaits` says for the message `id`: the message,
    /// if it was in flight and waited for that.
    pub(crate) fn acknowledge(&mut self, id: PacketId, awaits: Awaits) -> Option<InFlight> {
        let is_it = |known: &InFlight| known.id == id && known.awaits == awaits;
        let at = self.in_flight.iter().position(is_it)?;
        self.in_flight.remove(at)
    }

    /// The message `id` if the client is to send PUBREC for it; it awaits PUBCOMP from now on.
    pub(crate) fn receive(&mut self, id: PacketId) -> Option<&InFlight> {
        let is_it = |known: &&mut InFlight| known.id == id && known.awaits == Awaits::Pubrec;
        let found = self.in_flight.iter_mut().find(is_it)?;
        found.awaits = Awaits::Pubcomp;
        Some(found)
    }

    /// Whether the client has received the message `id` and is to send PUBCOMP.
    pub(crate) fn awaits_pubcomp(&self, id: PacketId) -> bool {
        self.in_flight.iter().any(|known| known.id == id && known.awaits == Awaits::Pubcomp)
    }

    /// Everything that is out.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = &InFlight> {
        self.in_flight.iter()
    }

    fn new_id(&mut self) -> PacketId {
        if self.free == 0 {
            self.find_free();
        }
        self.free -= 1;
        let id = self.next;
        self.next = after(id);
        id
    }

    /// Passes over ids that are still out, for ids go round, and counts those that are free after
    /// them.
    fn find_free(&mut self) {
        while self.is_taken(self.next) {
            self.next = after(self.next);
        }
        let next = self.next.get();
        let taken =
            self.in_flight.iter().map(|known| known.id).chain(self.reserved.iter().copied());
        let ahead = taken.map(PacketId::get).filter(|id| *id > next).min();
        self.free = ahead.unwrap_or(KEPT_IDS_FROM).min(KEPT_IDS_FROM) - next;
    }

    fn is_taken(&self, id: PacketId) -> bool {
        self.in_flight.iter().any(|known| known.id == id) || self.reserved.contains(&id)
    }
}

fn after(id: PacketId) -> PacketId {
    id.checked_add(1).filter(|next| next.get() < KEPT_IDS_FROM).unwrap_or(PacketId::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(window: &mut Window) -> PacketId {
        window.send(Awaits::Puback, None)
    }

    #[test]
    fn a_full_window_opens_with_an_acknowledgement() {
        let mut window = Window::new(2);
        let (first, second) = (send(&mut window), send(&mut window));
        assert!(!window.has_room());
        assert!(window.acknowledge(second, Awaits::Puback).is_some() && window.has_room());
        assert!(window.acknowledge(second, Awaits::Puback).is_none());
        assert!(window.acknowledge(first, Awaits::Puback).is_some());
    }

    #[test]
    fn an_id_that_is_out_is_not_given_twice() {
        let mut window = Window::new(3);
        let kept = send(&mut window);
        let reserved = PacketId::new(77).unwrap();
        window.reserve(reserved);
        for _ in 0..70_000 {
            let id = send(&mut window);
            assert!(id != kept && id != reserved && id.get() < KEPT_IDS_FROM);
            assert!(window.acknowledge(id, Awaits::Puback).is_some());
        }
    }

    #[test]
    fn a_message_of_qos_2_is_out_until_it_is_complete() {
        let mut window = Window::new(1);
        let id = window.send(Awaits::Pubrec, None);
        assert!(window.acknowledge(id, Awaits::Puback).is_none(), "PUBACK is not for QoS 2");
        assert!(window.acknowledge(id, Awaits::Pubcomp).is_none(), "PUBREC comes first");
        assert!(window.receive(id).is_some() && window.receive(id).is_none());
        assert!(window.awaits_pubcomp(id) && !window.has_room());
        assert!(window.acknowledge(id, Awaits::Pubcomp).is_some() && window.has_room());
    }
}
