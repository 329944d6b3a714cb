//! Lambda: what is selected goes to a function, which nobody waits for.

use bytes::Bytes;
use functions::Invocation;
use model::iot::LambdaAction;
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Payload, Statement, Template};

use super::{Action, ActionError, Call, Selected, template};
use crate::engine::log::Resources;
use crate::engine::world::World;

/// A Lambda action.
pub(crate) struct Lambda {
    function_arn: Template,
}

impl Lambda {
    /// Reads the action.
    pub(crate) fn compile(action: &LambdaAction, statement: &Statement) -> Result<Self, ApiError> {
        Ok(Self { function_arn: template("lambda.functionArn", &action.function_arn, statement)? })
    }
}

impl Action for Lambda {
    fn name(&self) -> &'static str {
        "LambdaAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let function_arn = selected.text(&self.function_arn)?;
        Ok(Box::new(Invoke { function_arn, payload: selected.payload.clone() }))
    }
}

struct Invoke {
    function_arn: String,
    payload: Bytes,
}

impl Call for Invoke {
    fn resource(&self) -> String {
        self.function_arn.clone()
    }

    fn resources(&self) -> Resources {
        vec![("FunctionArn", self.function_arn.clone())]
    }

    fn details(&self) -> String {
        format!("Action: lambda, Function: {}", self.function_arn)
    }

    fn inputs(&self) -> Value {
        json!({
            "functionArn": self.function_arn,
            "payload": String::from_utf8_lossy(&self.payload),
        })
    }

    fn run<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(async move {
            if !Payload::read(&self.payload).is_json() {
                let reason = "the payload is not JSON; encode it as base64 first";
                return Err(ActionError::lasting(told(reason)));
            }
            let event = Invocation::event(&self.function_arn, self.payload.clone());
            let invoked = world.outside.functions.invoke(event).await;
            invoked.map(drop).map_err(|error| ActionError {
                message: told(&error.chain()),
                is_transient: error.is_transient(),
                batch: None,
            })
        })
    }
}

fn told(reason: &str) -> String {
    format!("Failed to invoke lambda function. The error received was {reason}")
}
