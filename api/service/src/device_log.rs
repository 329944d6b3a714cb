//! The device log: what happened to each client, and why it was refused.
//!
//! The last entries stay in memory for whoever asks `why was my device refused?`; refusals also go
//! to the server's own log. A storm of them is counted rather than written.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use env::Env;
use metrics::{Counter, counter};
use serde::Serialize;
use types::Timestamp;

/// Refusals that are written to the server's log in one second; the rest is counted.
const LINES_PER_SECOND_MAX: u32 = 50;

/// Bytes of what one event says.
const DETAILS_BYTES_MAX: usize = 1024;
/// Entries of the device log that one client may fill in a second.
const CLIENT_ENTRIES_PER_SECOND_MAX: u32 = 10;

/// What happened to clients lately.
pub struct DeviceLog {
    env: Env,
    entries_max: usize,
    recent: Mutex<Recent>,
}

/// How many events of a kind went well or badly.
type Counters = HashMap<(&'static str, DeviceStatus), Counter>;

#[derive(Default)]
struct Recent {
    entries: VecDeque<DeviceEvent>,
    second: i64,
    lines: u32,
    unwritten: u64,
    counters: Counters,
}

/// Something that happened to a client, with AWS's words for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceEvent {
    /// When, filled in by the log.
    #[serde(serialize_with = "rfc3339")]
    pub timestamp: Timestamp,
    /// `Connect`, `Disconnect`, `Publish-In`, `Publish-Out`, `Subscribe`, `Unsubscribe`, or the
    /// operation that was asked for.
    pub event_type: &'static str,
    /// Whether it went wrong.
    pub status: DeviceStatus,
    /// `MQTT`, `HTTP` or, before either is known, `TLS` or `TCP`.
    pub protocol: &'static str,
    /// A word for the reason: `AUTHORIZATION_FAILURE`, `CERTIFICATE_INACTIVE` …
    pub reason: &'static str,
    /// What happened and what to do, in a sentence.
    pub details: String,
    /// Where the client is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SocketAddr>,
    /// Whose it is; none if it was not recognized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// In which region it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// As it named itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The certificate's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// The topic or filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_name: Option<String>,
    /// The thing whose shadow it is about, or `thing~shadow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_shadow_name: Option<String>,
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DeviceStatus {
    Success,
    Failure,
}

impl DeviceEvent {
    /// A failure about which no more is known than this.
    pub fn failure(event_type: &'static str, reason: &'static str, details: String) -> Self {
        Self {
            timestamp: Timestamp::EPOCH,
            event_type,
            status: DeviceStatus::Failure,
            protocol: "MQTT",
            reason,
            details,
            source: None,
            account_id: None,
            region: None,
            client_id: None,
            principal_id: None,
            topic_name: None,
            device_shadow_name: None,
        }
    }
}

impl DeviceLog {
    /// An empty log that keeps the last `entries_max`.
    pub fn new(env: &Env, entries_max: usize) -> Self {
        Self { env: env.clone(), entries_max, recent: Mutex::default() }
    }

    /// Keeps `event`, in place of the oldest one if there are too many.
    pub fn record(&self, mut event: DeviceEvent) {
        event.timestamp = self.env.clock.now();
        // A refusal may quote what it refuses.
        let end = event.details.floor_char_boundary(DETAILS_BYTES_MAX);
        event.details.truncate(end);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.count(&event);
        if let Some(unwritten) = recent.line(&event) {
            write_line(&event, unwritten);
        }
        if recent.entries.len() >= self.entries_max {
            recent.entries.pop_front();
        }
        recent.entries.push_back(event);
    }

    /// The newest entries that `is_wanted`, newest first, at most `max`.
    pub fn newest(&self, max: usize, is_wanted: impl Fn(&DeviceEvent) -> bool) -> Vec<DeviceEvent> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.entries.iter().rev().filter(|event| is_wanted(event)).take(max).cloned().collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).entries.clear();
    }
}

impl Recent {
    fn count(&mut self, event: &DeviceEvent) {
        let (event, status) = (event.event_type, event.status);
        let word = if status == DeviceStatus::Failure { "failure" } else { "success" };
        let counter = self.counters.entry((event, status)).or_insert_with(
            || counter!("ferrite_device_events_total", "event" => event, "status" => word),
        );
        counter.increment(1);
    }

    /// Whether `event` gets a line in the server's log: how many went without one before it.
    fn line(&mut self, event: &DeviceEvent) -> Option<u64> {
        if event.status == DeviceStatus::Success {
            return None;
        }
        let second = event.timestamp.millis() / 1000;
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        if self.lines >= LINES_PER_SECOND_MAX {
            self.unwritten += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.unwritten))
    }
}

/// How many entries of the device log one client may fill, so that others find room.
#[derive(Debug, Default)]
pub struct LogBudget {
    second: i64,
    used: u32,
    untold: u64,
}

impl LogBudget {
    /// Whether there is an entry left, and how many were left out since the last one.
    pub fn take(&mut self, now: Timestamp) -> Option<u64> {
        let second = now.millis() / 1000;
        if second != self.second {
            (self.second, self.used) = (second, 0);
        }
        if self.used >= CLIENT_ENTRIES_PER_SECOND_MAX {
            self.untold += 1;
            return None;
        }
        self.used += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

fn write_line(event: &DeviceEvent, unwritten: u64) {
    tracing::info!(
        event = event.event_type,
        reason = event.reason,
        details = event.details,
        client = event.client_id,
        principal = event.principal_id,
        topic = event.topic_name,
        source = event.source.map(tracing::field::display),
        unwritten,
        "device refused"
    );
}

fn rfc3339<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(client: &str) -> DeviceEvent {
        let mut event = DeviceEvent::failure("Connect", "AUTHORIZATION_FAILURE", String::new());
        event.client_id = Some(client.to_owned());
        event
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_go() {
        let log = DeviceLog::new(&Env::simulated(Timestamp::from_secs(9), 1), 2);
        for client in ["a", "b", "c"] {
            log.record(event(client));
        }
        let clients = |max| {
            let events = log.newest(max, |_| true);
            events.into_iter().filter_map(|event| event.client_id).collect::<Vec<_>>()
        };
        assert_eq!(clients(9), ["c", "b"]);
        assert_eq!(clients(1), ["c"]);
        assert!(log.newest(9, |event| event.client_id.as_deref() == Some("a")).is_empty());
    }

    #[test]
    fn a_storm_is_counted_rather_than_written() {
        let mut recent = Recent::default();
        let lines = (0..60).filter(|_| recent.line(&event("a")).is_some()).count();
        assert_eq!(lines, 50);
        let mut later = event("a");
        later.timestamp = Timestamp::from_secs(1);
        assert_eq!(recent.line(&later), Some(10));
    }
}
