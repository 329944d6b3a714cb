//! CloudWatch Logs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::aws::Call;
use crate::{Backend, Caller, Service, TargetError, Targets};

const SERVICE: Service = Service::Logs;
const JSON: &str = "application/x-amz-json-1.1";
/// Events of one request, as of CloudWatch Logs.
const EVENTS_MAX: usize = 10_000;
/// Bytes of one request, as of CloudWatch Logs, each event counting for 26 more than it has.
const BATCH_BYTES_MAX: usize = 1 << 20;
const EVENT_OVERHEAD_BYTES: usize = 26;

/// Hears what is logged where logs are local. It must not wait.
pub type LogSink = Arc<dyn Fn(&Caller, &PutLogEvents) + Send + Sync>;

/// Puts events into a log stream, which is made if its group is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutLogEvents {
    /// Which group.
    pub group: String,
    /// Which stream of it.
    pub stream: String,
    /// The events.
    pub events: Vec<LogEvent>,
}

/// An event of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// When.
    pub timestamp: Timestamp,
    /// What.
    pub message: String,
}

/// Logs, wherever they are.
#[derive(Clone, Copy)]
pub struct Logs<'t>(pub(crate) &'t Targets);

impl Logs<'_> {
    /// Puts events.
    pub async fn put_log_events(
        &self,
        caller: &Caller,
        mut put: PutLogEvents,
    ) -> Result<(), TargetError> {
        check(&put)?;
        // The service wants them in order.
        put.events.sort_by_key(|event| event.timestamp);
        if self.0.backend(SERVICE) == Backend::Local {
            (self.0.local().log_sink)(caller, &put);
            return Ok(());
        }
        match self.send(caller, &put).await {
            Err(error) if error.code == "ResourceNotFoundException" => {
                self.create_stream(caller, &put).await?;
                self.send(caller, &put).await
            }
            outcome => outcome,
        }
    }

    async fn send(&self, caller: &Caller, put: &PutLogEvents) -> Result<(), TargetError> {
        let event = |event: &'_ LogEvent| WireEvent {
            timestamp: event.timestamp.millis(),
            message: event.message.clone(),
        };
        let log_events = put.events.iter().map(event).collect();
        let body = Wire {
            log_group_name: &put.group,
            log_stream_name: &put.stream,
            log_events: Some(log_events),
        };
        let call = Call::json(SERVICE, JSON, "Logs_20140328.PutLogEvents", &body);
        let response = self.0.aws().send(caller, call).await?;
        let answer: Answer = serde_json::from_slice(&response.body).unwrap_or_default();
        answer.rejected_log_events_info.map_or(Ok(()), |rejected| Err(rejected.into_error()))
    }

    async fn create_stream(&self, caller: &Caller, put: &PutLogEvents) -> Result<(), TargetError> {
        let (log_group_name, log_stream_name) = (&put.group, &put.stream);
        let body = Wire { log_group_name, log_stream_name, log_events: None };
        let call = Call::json(SERVICE, JSON, "Logs_20140328.CreateLogStream", &body);
        match self.0.aws().send(caller, call).await {
            // Somebody else was faster.
            Err(error) if error.code == "ResourceAlreadyExistsException" => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    log_group_name: &'a str,
    log_stream_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_events: Option<Vec<WireEvent>>,
}

#[derive(Serialize)]
struct WireEvent {
    timestamp: i64,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    rejected_log_events_info: Option<Rejected>,
}

/// Places among the events of those that are not taken.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rejected {
    too_new_log_event_start_index: Option<usize>,
    too_old_log_event_end_index: Option<usize>,
    expired_log_event_end_index: Option<usize>,
}

impl Rejected {
    fn into_error(self) -> TargetError {
        let why = match self {
            Self { too_new_log_event_start_index: Some(from), .. } => {
                format!("too new from {from} on")
            }
            Self { too_old_log_event_end_index: Some(to), .. } => format!("too old up to {to}"),
            Self { expired_log_event_end_index: Some(to), .. } => format!("expired up to {to}"),
            Self { .. } => "refused".to_owned(),
        };
        let message = format!("Some log events were rejected: {why}");
        TargetError::refused(SERVICE, "RejectedLogEvents", message).with_status(200)
    }
}

fn check(put: &PutLogEvents) -> Result<(), TargetError> {
    let refused = |message| TargetError::refused(SERVICE, "InvalidParameterException", message);
    let is_known = |b: u8| b.is_ascii_alphanumeric() || b"._-/#".contains(&b);
    if !(1..=512).contains(&put.group.len()) || !put.group.bytes().all(is_known) {
        return Err(refused(
            "1 validation error detected: Value at 'logGroupName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
        ));
    }
    if !(1..=EVENTS_MAX).contains(&put.events.len()) {
        return Err(refused(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: \
             Member must have length between 1 and 10000",
        ));
    }
    let bytes = |event: &LogEvent| event.message.len() + EVENT_OVERHEAD_BYTES;
    if put.events.iter().map(bytes).sum::<usize>() > BATCH_BYTES_MAX {
        return Err(refused("Upload too large: 1048576 bytes exceeded"));
    }
    if put.events.iter().any(|event| event.message.is_empty()) {
        return Err(refused("Log event message must not be empty"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_were_not_taken_are_a_failure() {
        let json =
            r#"{"nextSequenceToken":"1","rejectedLogEventsInfo":{"tooOldLogEventEndIndex":2}}"#;
        let read: Answer = serde_json::from_str(json).unwrap();
        let error = read.rejected_log_events_info.unwrap().into_error();
        assert_eq!(error.message, "Some log events were rejected: too old up to 2");
        assert!(!error.is_transient);
        let read: Answer = serde_json::from_str(r#"{"nextSequenceToken":"1"}"#).unwrap();
        assert!(read.rejected_log_events_info.is_none());
    }
}
