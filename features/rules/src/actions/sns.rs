//! SNS: what is selected is published to a topic of SNS.

use model::iot::SnsAction;
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Statement, Template};
use targets::{Caller, Publish, TargetError, Targets};

use super::target::{TargetCall, TargetRequest, caller, text};
use super::{Action, Call, Selected, template};
use crate::engine::log::Resources;

/// An SNS action.
pub(crate) struct Sns {
    role_arn: String,
    target_arn: Template,
    is_structured: bool,
}

impl Sns {
    /// Reads the action.
    pub(crate) fn compile(action: &SnsAction, statement: &Statement) -> Result<Self, ApiError> {
        let format = action.message_format.as_ref();
        Ok(Self {
            role_arn: action.role_arn.clone(),
            target_arn: template("sns.targetArn", &action.target_arn, statement)?,
            is_structured: format.is_some_and(|format| format.as_str() == "JSON"),
        })
    }
}

impl Action for Sns {
    fn name(&self) -> &'static str {
        "SnsAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let target_arn = selected.text(&self.target_arn)?;
        let resource = target_arn.clone();
        let is_structured = self.is_structured;
        let message = text(&selected.payload);
        Ok(Box::new(TargetCall {
            request: message.map(|message| Publish { target_arn, message, is_structured }),
            caller: caller(selected, &self.role_arn),
            details: format!("Action: sns, Topic: {resource}"),
            resource,
            failure: "Failed to publish message to SNS",
        }))
    }
}

impl TargetRequest for Publish {
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move { targets.sns().publish(caller, self.clone()).await.map(drop) })
    }

    fn resources(&self) -> Resources {
        vec![("TargetArn", self.target_arn.clone())]
    }

    fn inputs(&self) -> Value {
        json!({
            "targetArn": self.target_arn,
            "message": self.message,
            "messageStructure": self.is_structured.then_some("json"),
        })
    }
}
