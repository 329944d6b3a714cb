//! What actions have in common that call what stands for an AWS service.

use bytes::Bytes;
use serde_json::Value;
use service::BoxFuture;
use targets::{AttributeValue, Binary, Caller, Item, TargetError, Targets};

use super::{ActionError, Call, Selected};
use crate::engine::log::Resources;
use crate::engine::world::World;

/// A request to a target, which can be made again.
pub(super) trait TargetRequest: Send + Sync {
    /// Makes it, once.
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>>;

    /// What the device log says of what it is done to.
    fn resources(&self) -> Resources;

    /// What goes out.
    fn inputs(&self) -> Value;
}

/// A request on its way.
pub(super) struct TargetCall<R> {
    /// What is asked for, or why that cannot be said.
    pub(super) request: Result<R, String>,
    /// On whose behalf.
    pub(super) caller: Caller,
    /// What it is done to.
    pub(super) resource: String,
    /// What error actions say of it.
    pub(super) details: String,
    /// What error actions begin with: `Failed to put S3 object`.
    pub(super) failure: &'static str,
}

impl<R: TargetRequest> Call for TargetCall<R> {
    fn resource(&self) -> String {
        self.resource.clone()
    }

    fn resources(&self) -> Resources {
        self.request.as_ref().map(TargetRequest::resources).unwrap_or_default()
    }

    fn details(&self) -> String {
        self.details.clone()
    }

    fn inputs(&self) -> Value {
        match &self.request {
            Ok(request) => request.inputs(),
            Err(reason) => serde_json::json!({ "error": reason }),
        }
    }

    fn run<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(async move {
            let told = |reason: &dyn std::fmt::Display| {
                format!("{}. The error received was {reason}", self.failure)
            };
            let request = self.request.as_ref();
            let request = request.map_err(|reason| ActionError::lasting(told(reason)))?;
            let sent = request.send(&world.outside.targets, &self.caller).await;
            sent.map_err(|error| ActionError {
                message: told(&error),
                is_transient: error.is_transient,
                batch: None,
            })
        })
    }
}

/// On whose behalf an action of a rule is.
pub(super) fn caller(selected: &Selected<'_>, role_arn: &str) -> Caller {
    Caller { tenant: selected.heard.tenant.clone(), role_arn: Some(role_arn.to_owned()) }
}

/// A payload as text.
pub(super) fn text(payload: &Bytes) -> Result<String, String> {
    let text = std::str::from_utf8(payload).map(str::to_owned);
    text.map_err(|_| "the payload is not UTF-8 text; encode it as base64 first".to_owned())
}

/// A value as DynamoDB has it.
pub(super) fn attribute(value: sql::Value<'_>) -> AttributeValue {
    match value {
        sql::Value::Undefined | sql::Value::Null => AttributeValue::Null(true),
        sql::Value::Boolean(boolean) => AttributeValue::Bool(boolean),
        sql::Value::Number(number) => AttributeValue::N(number.to_string()),
        sql::Value::String(text) => AttributeValue::S(text.into_owned()),
        sql::Value::Array(items) => AttributeValue::L(items.into_iter().map(attribute).collect()),
        sql::Value::Object(object) => AttributeValue::M(item(&object)),
    }
}

/// An object's members as attributes.
pub(super) fn item(object: &sql::Object<'_>) -> Item {
    object.iter().map(|(name, value)| (name.to_owned(), attribute(value.clone()))).collect()
}

/// Bytes as DynamoDB has them.
pub(super) fn binary(payload: &Bytes) -> AttributeValue {
    AttributeValue::B(Binary(payload.clone()))
}
