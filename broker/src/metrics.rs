//! What the broker counts.

use metrics::{Counter, Gauge, counter, gauge};

/// Messages that found no room.
pub(crate) const DROPPED: &str = "ferrite_mqtt_messages_dropped_total";

/// Handles of the broker's metrics, shared by all connections.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) connections: Gauge,
    received: Counter,
    delivered: Counter,
    dropped: Counter,
    refused: Counter,
    throttled: Counter,
}

/// What a turn counted, added up at its end: threads would fight over the shared numbers.
#[derive(Default)]
pub(crate) struct Counts {
    /// Messages taken from clients.
    pub(crate) received: u64,
    /// Messages written to clients.
    pub(crate) delivered: u64,
    /// Messages for which a subscriber's mailbox had no room.
    pub(crate) dropped: u64,
    /// Messages that a policy kept from a subscriber, or a publisher from sending.
    pub(crate) refused: u64,
    /// Messages of clients that publish faster than they may.
    pub(crate) throttled: u64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            connections: gauge!("ferrite_mqtt_connections"),
            received: counter!("ferrite_mqtt_messages_received_total"),
            delivered: counter!("ferrite_mqtt_messages_delivered_total"),
            dropped: counter!(DROPPED),
            refused: counter!("ferrite_mqtt_messages_refused_total"),
            throttled: counter!("ferrite_mqtt_messages_throttled_total"),
        }
    }

    /// Adds what was counted, and starts again.
    pub(crate) fn add(&self, counts: &mut Counts) {
        let Counts { received, delivered, dropped, refused, throttled } = std::mem::take(counts);
        let pairs = [
            (&self.received, received),
            (&self.delivered, delivered),
            (&self.dropped, dropped),
            (&self.refused, refused),
            (&self.throttled, throttled),
        ];
        for (counter, number) in pairs {
            if number > 0 {
                counter.increment(number);
            }
        }
    }
}
