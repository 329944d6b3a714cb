//! SQS: what is selected becomes a message of a queue.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::iot::SqsAction;
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Statement, Template};
use targets::{Caller, SendMessage, TargetError, Targets};

use super::target::{TargetCall, TargetRequest, caller, text};
use super::{Action, Call, Selected, template};
use crate::engine::log::Resources;

/// An SQS action.
pub(crate) struct Sqs {
    role_arn: String,
    queue_url: Template,
    use_base64: bool,
}

impl Sqs {
    /// Reads the action.
    pub(crate) fn compile(action: &SqsAction, statement: &Statement) -> Result<Self, ApiError> {
        Ok(Self {
            role_arn: action.role_arn.clone(),
            queue_url: template("sqs.queueUrl", &action.queue_url, statement)?,
            use_base64: action.use_base64.unwrap_or(false),
        })
    }
}

impl Action for Sqs {
    fn name(&self) -> &'static str {
        "SqsAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let queue_url = selected.text(&self.queue_url)?;
        let resource = queue_url.clone();
        let body = if self.use_base64 {
            Ok(STANDARD.encode(&selected.payload))
        } else {
            text(&selected.payload)
        };
        Ok(Box::new(TargetCall {
            request: body.map(|body| SendMessage { queue_url, body }),
            caller: caller(selected, &self.role_arn),
            details: format!("Action: sqs, Queue: {resource}"),
            resource,
            failure: "Failed to send message to SQS",
        }))
    }
}

impl TargetRequest for SendMessage {
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move { targets.sqs().send_message(caller, self.clone()).await.map(drop) })
    }

    fn resources(&self) -> Resources {
        vec![("QueueUrl", self.queue_url.clone())]
    }

    fn inputs(&self) -> Value {
        json!({ "queueUrl": self.queue_url, "body": self.body })
    }
}
