//! The device log: what happened to each client, and why it was refused.
//!
//! The last entries stay in memory for whoever asks `why was my device refused?`; refusals also go
//! to the server's own log. A storm of them is counted rather than written.
//!
//! Connections and whatever fails are always told. What goes well with each message is told only
//! where the level asks for it; whoever has such an entry asks first, which costs one look.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use env::Env;
use metrics::{Counter, counter};
use serde::{Deserialize, Serialize};
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
    /// A [`LogLevel`]: what is told of each message.
    level: AtomicU8,
    recent: Mutex<Recent>,
}

/// How much an entry matters, in AWS's levels: each has those before it, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all(serialize = "UPPERCASE", deserialize = "lowercase"))]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    #[default]
    Error,
    Warn,
    Info,
    Debug,
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
    /// How much it matters.
    pub log_level: LogLevel,
    /// Whether it went wrong.
    pub status: DeviceStatus,
    /// `MQTT`, `HTTP` or, before either is known, `TLS` or `TCP`.
    pub protocol: &'static str,
    /// A word for the reason: `AUTHORIZATION_FAILURE`, `CERTIFICATE_INACTIVE` …
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
    /// What happened and what to do, in a sentence.
    #[serde(skip_serializing_if = "str::is_empty")]
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
    /// What it has to do with a rule.
    #[serde(flatten)]
    pub rule: Option<Box<RuleEvent>>,
}

/// What an entry says of a rule that met a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleEvent {
    /// The rule.
    pub rule_name: String,
    /// Its action, or the function of its statement: `RepublishAction`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_action: Option<&'static str>,
    /// What that was done to, by AWS's names: `RepublishTopic`.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    pub resources: Vec<(&'static str, String)>,
    /// What all entries about the message have in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
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
            log_level: LogLevel::Error,
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
            rule: None,
        }
    }

    /// Something that went well, about which no more is known than this.
    pub fn success(event_type: &'static str, log_level: LogLevel) -> Self {
        let status = DeviceStatus::Success;
        Self { log_level, status, ..Self::failure(event_type, "", String::new()) }
    }
}

impl DeviceLog {
    /// An empty log that keeps the last `entries_max`, and tells of each message what failed.
    pub fn new(env: &Env, entries_max: usize) -> Self {
        let level = AtomicU8::new(LogLevel::default() as u8);
        Self { env: env.clone(), entries_max, level, recent: Mutex::default() }
    }

    /// Tells of each message what `level` asks for, from now on.
    pub fn set_level(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Whether entries of `level` about each message are wanted.
    pub fn wants(&self, level: LogLevel) -> bool {
        self.level.load(Ordering::Relaxed) >= level as u8
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
#[derive(Debug)]
pub struct LogBudget {
    per_second_max: u32,
    second: i64,
    used: u32,
    untold: u64,
}

impl Default for LogBudget {
    fn default() -> Self {
        Self::new(CLIENT_ENTRIES_PER_SECOND_MAX)
    }
}

impl LogBudget {
    /// So many entries in a second.
    pub fn new(per_second_max: u32) -> Self {
        Self { per_second_max, second: 0, used: 0, untold: 0 }
    }

    /// Whether there is an entry left, and how many were left out since the last one.
    pub fn take(&mut self, now: Timestamp) -> Option<u64> {
        let second = now.millis() / 1000;
        if second != self.second {
            (self.second, self.used) = (second, 0);
        }
        if self.used >= self.per_second_max {
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
        rule = event.rule.as_ref().map(|rule| &*rule.rule_name),
        action = event.rule.as_ref().and_then(|rule| rule.rule_action),
        unwritten,
        "{}",
        headline(event.event_type)
    );
}

/// What went wrong, in a few words.
fn headline(event_type: &str) -> &'static str {
    match event_type {
        "Connect" => "connection refused",
        "Disconnect" => "connection ended",
        "Publish-In" => "message refused",
        "Publish-Out" => "message not delivered",
        "Queued" => "message not queued",
        "Subscribe" => "subscription refused",
        "RuleExecution" => "action of a rule failed",
        "ErrorActionFailure" => "error action of a rule failed",
        "FunctionExecution" | "ParseError" => "statement of a rule failed",
        "RuleMessageThrottled" => "message lost to a rule",
        "RuleNotFound" => "message to a rule that is not there",
        "RuleLoop" => "message came through too many rules",
        "DeadLetterFailure" => "dead letter not kept",
        _ => "request refused",
    }
}

fn as_map<S: serde::Serializer>(
    pairs: &[(&'static str, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
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
    fn what_goes_well_with_each_message_is_told_where_it_is_asked_for() {
        let log = DeviceLog::new(&Env::simulated(Timestamp::from_secs(9), 1), 2);
        let wanted = || [LogLevel::Error, LogLevel::Info, LogLevel::Debug].map(|it| log.wants(it));
        assert_eq!(wanted(), [true, false, false]);
        log.set_level(LogLevel::Info);
        assert_eq!(wanted(), [true, true, false]);
        log.set_level(LogLevel::Debug);
        assert_eq!(wanted(), [true, true, true]);
    }

    #[test]
    fn an_entry_about_a_rule_has_the_names_of_aws() {
        let rule = RuleEvent {
            rule_name: "hot".to_owned(),
            rule_action: Some("RepublishAction"),
            resources: vec![("RepublishTopic", "b".to_owned())],
            trace_id: Some("30aa7ccc".to_owned()),
        };
        let event = DeviceEvent {
            rule: Some(Box::new(rule)),
            ..DeviceEvent::success("RuleExecution", LogLevel::Info)
        };
        let shown = serde_json::to_value(&event).expect("an entry is JSON");
        let expected = serde_json::json!({
            "timestamp": "1970-01-01T00:00:00Z",
            "logLevel": "INFO",
            "traceId": "30aa7ccc",
            "status": "Success",
            "eventType": "RuleExecution",
            "protocol": "MQTT",
            "ruleName": "hot",
            "ruleAction": "RepublishAction",
            "resources": {"RepublishTopic": "b"},
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_line_says_what_went_wrong() {
        let told = ["Connect", "RuleExecution", "UpdateThingShadow"].map(headline);
        let expected = ["connection refused", "action of a rule failed", "request refused"];
        assert_eq!(told, expected);
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
