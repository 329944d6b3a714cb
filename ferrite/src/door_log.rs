//! What the device log has of those who did not get through a door.
//!
//! A flood of them is counted: each address has a few entries in a second, and all together have
//! some more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use doors::{HandshakeError, TurnedAway, Unready};
use service::{App, DeviceEvent};
use types::Timestamp;

/// Entries of one address in a second: many devices may share one.
const PER_ADDRESS_MAX: u32 = 25;
/// Entries of all addresses in a second.
const PER_SECOND_MAX: u32 = 100;

/// Writes to the device log.
pub(crate) struct DoorLog {
    app: Arc<App>,
    budget: Mutex<Budget>,
}

/// Entries of the current second.
#[derive(Debug, Default)]
struct Budget {
    second: i64,
    used: u32,
    by_address: HashMap<IpAddr, u32>,
    untold: u64,
}

impl DoorLog {
    /// Nothing is written yet.
    pub(crate) fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::clone(app), budget: Mutex::default() }
    }

    /// Somebody came, and their handshake failed.
    pub(crate) fn failed(&self, door: &str, unready: &Unready) {
        let Unready { peer, error } = unready;
        metrics::counter!(
            "ferrite_door_handshakes_failed_total",
            "door" => door.to_owned(), "reason" => error.reason()
        )
        .increment(1);
        let now = self.app.env.clock.now();
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(untold) = budget.take(peer.address.ip(), now) else { return };
        drop(budget);
        let is_proxy = matches!(error, HandshakeError::ProxyHeader(_));
        let mut details = error.to_string();
        if untold > 0 {
            details.push_str(&format!(" (and {untold} handshakes before it failed untold)"));
        }
        self.app.device_log.record(DeviceEvent {
            protocol: if is_proxy { "TCP" } else { "TLS" },
            source: Some(peer.address),
            ..DeviceEvent::failure("Connect", error.reason(), details)
        });
    }

    /// A door closed connections as soon as it had accepted them.
    pub(crate) fn turned_away(&self, away: &TurnedAway) {
        self.app.device_log.record(DeviceEvent {
            protocol: "TCP",
            source: Some(away.last),
            ..DeviceEvent::failure("Connect", away.reason(), away.to_string())
        });
    }
}

impl Budget {
    /// Whether `address` has an entry left: how many were left out since the last one.
    fn take(&mut self, address: IpAddr, now: Timestamp) -> Option<u64> {
        let second = now.millis() / 1000;
        if second != self.second {
            *self = Self { second, untold: self.untold, ..Self::default() };
        }
        // No more addresses are kept than there are entries.
        let is_used_up = self.used >= PER_SECOND_MAX
            || self.by_address.get(&address).is_some_and(|used| *used >= PER_ADDRESS_MAX);
        if is_used_up {
            self.untold += 1;
            return None;
        }
        self.used += 1;
        *self.by_address.entry(address).or_default() += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_leaves_room_for_others() {
        let mut budget = Budget::default();
        let at = Timestamp::from_secs;
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        for _ in 0..PER_ADDRESS_MAX {
            assert_eq!(budget.take(address(1), at(1)), Some(0));
        }
        assert_eq!(budget.take(address(1), at(1)), None);
        assert_eq!(budget.take(address(1), at(1)), None);
        assert_eq!(budget.take(address(2), at(1)), Some(2));
        assert_eq!(budget.take(address(1), at(1)), None);
        assert_eq!(budget.take(address(1), at(2)), Some(1));
    }

    #[test]
    fn many_addresses_share_what_all_have() {
        let mut budget = Budget::default();
        let now = Timestamp::from_secs(1);
        let told = (0..=255u8).filter_map(|last| budget.take([192, 0, 2, last].into(), now));
        assert_eq!(told.count(), PER_SECOND_MAX as usize);
        assert_eq!(budget.by_address.len(), PER_SECOND_MAX as usize);
    }
}
