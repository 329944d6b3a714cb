//! What rules do with what they select: one file for each kind of action.

pub(crate) mod cloudwatch_logs;
pub(crate) mod cloudwatch_metric;
pub(crate) mod dynamodb;
pub(crate) mod firehose;
pub(crate) mod http;
pub(crate) mod kinesis;
pub(crate) mod lambda;
pub(crate) mod republish;
pub(crate) mod s3;
pub(crate) mod sns;
pub(crate) mod sqs;
mod target;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use model::iot;
use serde_json::Value;
use service::{ApiError, BoxFuture};
use sql::{Answers, Halt, Message, Statement, Template};

use crate::engine::batch::FailedBatch;
use crate::engine::heard::Heard;
use crate::engine::log::Resources;
use crate::engine::world::World;

/// An action of a rule, read once.
pub(crate) trait Action: Send + Sync {
    /// What AWS calls it where it fails: `RepublishAction`.
    fn name(&self) -> &'static str;

    /// What is to be done for a message.
    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt>;
}

/// What is to be done for one message: everything is known, and nothing borrowed.
pub(crate) trait Call: Send + Sync {
    /// What it is done to, as error actions name it: a topic, a bucket.
    fn resource(&self) -> String;

    /// What the device log says of what it is done to.
    fn resources(&self) -> Resources;

    /// What else error actions say of it: `Action: s3, Bucket: b`.
    fn details(&self) -> String;

    /// What goes out, for whoever tries a rule before it runs.
    fn inputs(&self) -> Value;

    /// Does it, once.
    fn run<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<(), ActionError>>;

    /// How often it is tried while errors pass by themselves.
    fn tries_max(&self) -> u32 {
        TRIES_MAX
    }
}

/// Tries of an action whose errors may pass. AWS retries and does not say how often.
const TRIES_MAX: u32 = 4;

/// Why an action could not be done.
#[derive(Clone, Debug)]
pub(crate) struct ActionError {
    /// What happened, as error actions tell it.
    pub(crate) message: String,
    /// Whether it may go better next time.
    pub(crate) is_transient: bool,
    /// What it happened to with others.
    pub(crate) batch: Option<Arc<FailedBatch>>,
}

impl ActionError {
    /// An error that every try has.
    pub(crate) fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_transient: false, batch: None }
    }

    /// An error that may pass.
    pub(crate) fn transient(message: impl Into<String>) -> Self {
        Self { is_transient: true, ..Self::lasting(message) }
    }
}

impl fmt::Display for ActionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// What a rule has selected of a message.
pub(crate) struct Selected<'s> {
    /// The message as it came.
    pub(crate) heard: &'s Heard,
    /// What the statement gives.
    pub(crate) payload: Bytes,
    /// For templates.
    pub(crate) message: &'s Message<'s>,
    /// Set by the statement.
    pub(crate) variables: &'s [sql::Value<'s>],
    /// From outside.
    pub(crate) answers: &'s Answers,
}

impl Selected<'_> {
    /// The text of a template.
    pub(crate) fn text(&self, template: &Template) -> Result<String, Halt> {
        template.fill(self.message, self.variables, self.answers)
    }
}

/// Reads an action as the API has it.
pub(crate) fn compile(
    action: &iot::Action,
    statement: &Statement,
) -> Result<Box<dyn Action>, ApiError> {
    macro_rules! built {
        ($($member:ident => $action:path),* $(,)?) => {
            $(if let Some(action) = &action.$member {
                return Ok(Box::new(<$action>::compile(action, statement)?));
            })*
        };
    }
    built! {
        republish => republish::Republish,
        lambda => lambda::Lambda,
        http => http::Http,
        s3 => s3::S3,
        dynamo_db => dynamodb::DynamoDb,
        dynamo_d_bv2 => dynamodb::DynamoDbV2,
        sqs => sqs::Sqs,
        sns => sns::Sns,
        kinesis => kinesis::Kinesis,
        firehose => firehose::Firehose,
        cloudwatch_metric => cloudwatch_metric::CloudwatchMetric,
        cloudwatch_logs => cloudwatch_logs::CloudwatchLogs,
    }
    Err(ApiError::invalid("The action is of a kind that is not built yet."))
}

/// Reads a template of the field `field`.
pub(crate) fn template(
    field: &str,
    text: &str,
    statement: &Statement,
) -> Result<Template, ApiError> {
    Template::parse(text, statement).map_err(|error| {
        let message = format!("The template in {field} is wrong: {error}.");
        ApiError::new("SqlParseException", message)
    })
}
