//! What the device log has of rules: whatever fails, and what goes well where its level asks for it.

use std::sync::{Mutex, PoisonError};

use metrics::counter;
use service::{DeviceEvent, DeviceStatus, LogBudget, LogLevel, RuleEvent};
use sql::{Halt, Request};

use super::Engine;
use super::heard::Heard;
use super::rule::{Calls, Rule, reason};

/// Entries in a second about what went well for one rule.
const SUCCESSES_PER_SECOND_MAX: u32 = 100;

/// What something was done to, by the names that AWS's log has for it.
pub(crate) type Resources = Vec<(&'static str, String)>;

/// So that one rule leaves others room in the device log.
pub(crate) struct Budgets {
    failures: Mutex<LogBudget>,
    successes: Mutex<LogBudget>,
}

impl Default for Budgets {
    fn default() -> Self {
        let successes = Mutex::new(LogBudget::new(SUCCESSES_PER_SECOND_MAX));
        Self { failures: Mutex::default(), successes }
    }
}

/// Something that happened to a message on its way through a rule.
pub(crate) struct Happening {
    event: DeviceEvent,
    action: Option<&'static str>,
    resources: Resources,
}

impl Happening {
    /// Something that went wrong.
    pub(crate) fn failure(event_type: &'static str, details: String) -> Self {
        let event = DeviceEvent::failure(event_type, event_type, details);
        Self { event, action: None, resources: Resources::new() }
    }

    /// Something that went well.
    pub(crate) fn success(event_type: &'static str, log_level: LogLevel) -> Self {
        let event = DeviceEvent::success(event_type, log_level);
        Self { event, action: None, resources: Resources::new() }
    }

    /// As it is for `action`, which works on `resources`.
    pub(crate) fn of(self, action: &'static str, resources: Resources) -> Self {
        Self { action: Some(action), resources, ..self }
    }
}

impl Engine {
    /// Whether entries of `level` about each message are wanted: asked before they are made.
    pub(super) fn logs(&self, level: LogLevel) -> bool {
        self.world.app.device_log.wants(level)
    }

    /// Writes down what happened to a message, as far as the rule's entries reach.
    pub(super) fn tell(&self, rule: &Rule, heard: &Heard, happening: Happening) {
        let Happening { mut event, action, resources } = happening;
        let budget = match event.status {
            DeviceStatus::Success => &rule.budgets.successes,
            DeviceStatus::Failure => {
                counter!("ferrite_rule_failures_total", "event" => event.event_type).increment(1);
                &rule.budgets.failures
            }
        };
        let untold = budget.lock().unwrap_or_else(PoisonError::into_inner).take(self.now());
        let Some(untold) = untold else { return };
        if untold > 0 {
            let gap = if event.details.is_empty() { "" } else { " " };
            event.details.push_str(&format!("{gap}({untold} before it untold)"));
        }
        self.world.app.device_log.record(DeviceEvent {
            account_id: Some(heard.tenant.account.to_string()),
            region: Some(heard.tenant.region.to_string()),
            client_id: heard.client_id.clone(),
            principal_id: heard.principal.clone(),
            topic_name: Some(heard.topic.clone()),
            rule: Some(Box::new(RuleEvent {
                rule_name: rule.name.clone(),
                rule_action: action,
                resources,
                trace_id: Some(heard.trace_id()),
            })),
            ..event
        });
    }

    /// Tells that a message is lost to a rule because too many wait, or come.
    pub(super) fn throttled(&self, rule: &Rule, heard: &Heard) {
        rule.counters(self).throttled.increment(1);
        let details = format!("Message for Rule {} throttled", rule.name);
        let mut happening = Happening::failure("RuleMessageThrottled", details);
        happening.event.reason = "RuleExecutionThrottled";
        self.tell(rule, heard, happening);
    }

    /// Tells that a rule hears a message, and whether its condition is met.
    pub(super) fn tell_match(
        &self,
        rule: &Rule,
        heard: &Heard,
        prepared: &Result<Option<Calls>, Halt>,
    ) {
        if !self.logs(LogLevel::Info) {
            return;
        }
        let mut happening = Happening::success("RuleMatch", LogLevel::Info);
        happening.event.details = match prepared {
            Ok(Some(_)) => String::new(),
            Ok(None) => "the condition of WHERE is not met".to_owned(),
            Err(Halt::Wanted(_)) => "the statement asks functions first".to_owned(),
            Err(halt) => reason(halt),
        };
        self.tell(rule, heard, happening);
    }

    /// Tells that a function has answered a statement.
    pub(super) fn tell_answer(&self, rule: &Rule, heard: &Heard, request: &Request) {
        if !self.logs(LogLevel::Debug) {
            return;
        }
        let (function, resources) = asked(request);
        let happening = Happening::success("FunctionExecution", LogLevel::Debug);
        self.tell(rule, heard, happening.of(function, resources));
    }
}

/// What AWS's log calls a function of SQL.
pub(super) fn function_name(function: &'static str) -> &'static str {
    match function {
        "aws_lambda" => "AwsLambda",
        "get_dynamodb" => "GetDynamodb",
        "get_thing_shadow" => "GetThingShadow",
        "get_registry_data" => "GetRegistryData",
        "get_secret" => "GetSecret",
        "machinelearning_predict" => "MachinelearningPredict",
        other => other,
    }
}

/// Which function asks for something, and what for.
fn asked(request: &Request) -> (&'static str, Resources) {
    let (function, resources) = match request {
        Request::Lambda { function, .. } => ("aws_lambda", vec![("FunctionArn", function)]),
        Request::DynamoDb { table, .. } => ("get_dynamodb", vec![("Table", table)]),
        Request::ThingShadow { thing, .. } => ("get_thing_shadow", vec![("ThingName", thing)]),
        Request::RegistryData { operation, thing, .. } => {
            ("get_registry_data", vec![("Operation", operation), ("ThingName", thing)])
        }
        Request::Secret { id, .. } => ("get_secret", vec![("SecretId", id)]),
        Request::Prediction { model, .. } => ("machinelearning_predict", vec![("ModelId", model)]),
        Request::Descriptor { bucket, key } => ("decode", vec![("Bucket", bucket), ("Key", key)]),
    };
    let resources = resources.into_iter().map(|(name, value)| (name, value.clone()));
    (function_name(function), resources.collect())
}
