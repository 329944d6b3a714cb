//! The messages of QoS 1 that a client has not acknowledged yet.

use std::collections::VecDeque;

use mqtt::PacketId;

/// Packet ids in flight to one client. Pure.
#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    /// Oldest first.
    in_flight: VecDeque<PacketId>,
    next: PacketId,
}

impl Window {
    /// A window for `size` messages, at least one.
    pub(crate) fn new(size: u16) -> Self {
        Self { size: usize::from(size.max(1)), in_flight: VecDeque::new(), next: PacketId::MIN }
    }

    /// Whether another message may go out.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight.len() < self.size
    }

    /// An id for one more message; there must be room for it.
    pub(crate) fn take(&mut self) -> PacketId {
        loop {
            let id = self.next;
            self.next = id.checked_add(1).unwrap_or(PacketId::MIN);
            // Ids go round after 65,535 messages: one that is still out is passed over.
            if !self.in_flight.contains(&id) {
                self.in_flight.push_back(id);
                return id;
            }
        }
    }

    /// Takes note of an acknowledgement; whether its message was in flight.
    pub(crate) fn acknowledge(&mut self, id: PacketId) -> bool {
        let Some(at) = self.in_flight.iter().position(|known| *known == id) else { return false };
        self.in_flight.remove(at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_opens_with_an_acknowledgement() {
        let mut window = Window::new(2);
        let (first, second) = (window.take(), window.take());
        assert!(!window.has_room());
        assert!(window.acknowledge(second) && window.has_room());
        assert!(!window.acknowledge(second));
        assert!(window.acknowledge(first));
    }

    #[test]
    fn an_id_that_is_out_is_not_given_twice() {
        let mut window = Window::new(3);
        let kept = window.take();
        for _ in 0..70_000 {
            let id = window.take();
            assert_ne!(id, kept);
            assert!(window.acknowledge(id));
        }
    }
}
