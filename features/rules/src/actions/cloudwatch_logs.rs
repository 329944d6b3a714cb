//! CloudWatch Logs: what is selected becomes an event of a log group.

use bytes::Bytes;
use model::iot::CloudwatchLogsAction;
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Payload, Statement, Template};
use targets::{Caller, LogEvent, PutLogEvents, TargetError, Targets};
use types::Timestamp;

use super::target::{TargetCall, TargetRequest, caller, text};
use super::{Action, Call, Selected, template};
use crate::engine::log::Resources;

/// The stream of a group that rules write to. AWS chooses names of its own.
const STREAM: &str = "rules";

/// A `cloudwatchLogs` action.
pub(crate) struct CloudwatchLogs {
    role_arn: String,
    group: Template,
    batch_mode: bool,
}

impl CloudwatchLogs {
    /// Reads the action.
    pub(crate) fn compile(
        action: &CloudwatchLogsAction,
        statement: &Statement,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            role_arn: action.role_arn.clone(),
            group: template("cloudwatchLogs.logGroupName", &action.log_group_name, statement)?,
            batch_mode: action.batch_mode.unwrap_or(false),
        })
    }

    fn events(&self, payload: &Bytes, at: Timestamp) -> Result<Vec<LogEvent>, String> {
        if !self.batch_mode {
            return Ok(vec![LogEvent { timestamp: at, message: text(payload)? }]);
        }
        let Some(sql::Value::Array(items)) = Payload::read(payload).value() else {
            return Err("the batch is not an array".to_owned());
        };
        items.into_iter().map(event).collect()
    }
}

fn event(item: sql::Value<'_>) -> Result<LogEvent, String> {
    let timestamp = item.clone().member("timestamp").as_int();
    let timestamp = timestamp.and_then(|millis| i64::try_from(millis).ok());
    match (timestamp, item.member("message")) {
        (Some(millis), sql::Value::String(message)) => {
            let timestamp = Timestamp::from_millis(millis);
            Ok(LogEvent { timestamp, message: message.into_owned() })
        }
        _ => Err("an element of the batch lacks its timestamp or its message".to_owned()),
    }
}

impl Action for CloudwatchLogs {
    fn name(&self) -> &'static str {
        "CloudwatchLogsAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let group = selected.text(&self.group)?;
        let resource = group.clone();
        let events = self.events(&selected.payload, selected.heard.at);
        let stream = STREAM.to_owned();
        Ok(Box::new(TargetCall {
            request: events.map(|events| PutLogEvents { group, stream, events }),
            caller: caller(selected, &self.role_arn),
            details: format!("Action: cloudwatchLogs, Group: {resource}"),
            resource,
            failure: "Failed to put log events to CloudWatch Logs",
        }))
    }
}

impl TargetRequest for PutLogEvents {
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move { targets.logs().put_log_events(caller, self.clone()).await })
    }

    fn resources(&self) -> Resources {
        vec![("LogGroupName", self.group.clone())]
    }

    fn inputs(&self) -> Value {
        let events = self.events.iter().map(
            |event| json!({ "timestamp": event.timestamp.millis(), "message": event.message }),
        );
        json!({ "logGroup": self.group, "events": events.collect::<Vec<_>>() })
    }
}
