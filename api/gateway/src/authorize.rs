//! Whether a caller's policies allow an operation on a resource.

mod request_tags;

use std::borrow::Cow;

use model::ServiceId;
use model::spec::OperationSpec;
use policy::{Context, Decision};
use serde_json::Value;
use service::{AccessKey, ApiError, Cx};

use crate::device::Device;
use crate::resources::action_prefix;

/// What allows a caller to do anything.
pub(crate) enum Grants<'a> {
    /// The IAM policy of an access key.
    Key(&'a AccessKey),
    /// The IoT policies of a certificate.
    Device(&'a Device),
}

impl Grants<'_> {
    /// Refuses what is not allowed: each action on each of the resources.
    pub(crate) fn check(
        &self,
        cx: &Cx,
        operation: &OperationSpec,
        resources: &[String],
        input: &Value,
    ) -> Result<(), ApiError> {
        for action in actions(operation, input) {
            for resource in resources {
                match self {
                    Self::Key(key) => {
                        check_key(key, &Facts { cx, operation, input }, &action, resource)?;
                    }
                    Self::Device(device) => device.check(cx, &action, resource)?,
                }
            }
        }
        Ok(())
    }
}

/// Refuses what the key's policy does not allow. A key without a policy may do everything.
fn check_key(
    key: &AccessKey,
    facts: &Facts<'_>,
    action: &str,
    resource: &str,
) -> Result<(), ApiError> {
    let Some(document) = &key.policy else { return Ok(()) };
    let request = policy::Request { action, resource, context: facts };
    let decision = policy::evaluate(&[("access key", document)], &request);
    let reason = match decision {
        Decision::Allowed { .. } => return Ok(()),
        Decision::ExplicitDeny { .. } => "with an explicit deny in an identity-based policy",
        Decision::ImplicitDeny { .. } => "because no identity-based policy allows the action",
    };
    tracing::debug!(?decision, %action, %resource, "denied by the key's policy");
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {resource} {reason}",
        facts.cx.caller.arn
    );
    Err(ApiError::new("AccessDeniedException", message))
}

/// What has to be allowed for an operation: its own action, and for a message that is to be
/// retained a second one.
fn actions(operation: &OperationSpec, input: &Value) -> Vec<String> {
    let prefix = action_prefix(operation.service);
    let mut actions = vec![format!("{prefix}:{}", operation.name)];
    let is_retained = input.get("retain").and_then(Value::as_bool).unwrap_or(false);
    if operation.service == ServiceId::IotData && operation.name == "Publish" && is_retained {
        actions.push(format!("{prefix}:RetainPublish"));
    }
    actions
}

/// The condition keys that a signed request has values for.
struct Facts<'c> {
    cx: &'c Cx,
    operation: &'c OperationSpec,
    input: &'c Value,
}

impl Facts<'_> {
    /// The keys of single operations, which stand in their inputs.
    fn of_operation(&self, key: &str) -> Option<Cow<'_, str>> {
        match (self.operation.name, key) {
            ("AttachThingPrincipal" | "DetachThingPrincipal", "iot:thingarn") => {
                let thing = self.input.get("thingName")?.as_str()?;
                Some(self.cx.arn(&format!("thing/{thing}")).into())
            }
            ("SendDirectMessage", "iot:topic") => self.input.get("topic")?.as_str().map(Cow::from),
            ("GetConnection" | "GetThingConnectivityData", "iot:includesocketinformation") => {
                let asked = self.input.get("includeSocketInformation").and_then(Value::as_bool);
                Some(asked.unwrap_or_default().to_string().into())
            }
            _ => None,
        }
    }
}

impl Context for Facts<'_> {
    fn values(&self, key: &str) -> Option<Cow<'_, [Cow<'_, str>]>> {
        let Cx { caller, tenant, .. } = self.cx;
        let key = key.to_ascii_lowercase();
        if let Some(tags) = request_tags::values(self.input, &key) {
            return Some(Cow::Owned(tags));
        }
        let value: Cow<'_, str> = match key.as_str() {
            "aws:securetransport" => caller.is_over_tls.to_string().into(),
            "aws:sourceip" => caller.source_ip.to_canonical().to_string().into(),
            "aws:currenttime" => self.cx.now().to_rfc3339().into(),
            "aws:epochtime" => self.cx.now().secs().to_string().into(),
            "aws:userid" => caller.user_id.as_str().into(),
            "aws:principalarn" => caller.arn.as_str().into(),
            "aws:principalaccount" => caller.account.to_string().into(),
            "aws:requestedregion" => tenant.region.as_str().into(),
            "aws:username" => caller.arn.split_once(":user/")?.1.into(),
            key => self.of_operation(key)?,
        };
        Some(Cow::Owned(vec![value]))
    }
}
