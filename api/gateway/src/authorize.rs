//! Whether an access key's IAM policy allows an operation on a resource.

use std::borrow::Cow;

use model::spec::OperationSpec;
use policy::{Context, Decision};
use service::{AccessKey, ApiError, Cx};

use crate::resources::action_prefix;

/// Refuses what the key's policy does not allow. A key without a policy may do everything.
pub(crate) fn check(key: &AccessKey, cx: &Cx, operation: &OperationSpec) -> Result<(), ApiError> {
    let Some(document) = &key.policy else { return Ok(()) };
    let action = format!("{}:{}", action_prefix(operation.service), operation.name);
    let request = policy::Request { action: &action, resource: &cx.resource, context: &Facts(cx) };
    let decision = policy::evaluate(&[("access key", document)], &request);
    let reason = match decision {
        Decision::Allowed { .. } => return Ok(()),
        Decision::ExplicitDeny { .. } => "with an explicit deny in an identity-based policy",
        Decision::ImplicitDeny { .. } => "because no identity-based policy allows the action",
    };
    tracing::debug!(?decision, %action, resource = %cx.resource, "denied by the key's policy");
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {} {reason}",
        cx.caller.arn, cx.resource
    );
    Err(ApiError::new("AccessDeniedException", message))
}

/// The condition keys that a signed request has values for.
struct Facts<'c>(&'c Cx);

impl Context for Facts<'_> {
    fn values(&self, key: &str) -> Option<Vec<Cow<'_, str>>> {
        let Cx { caller, tenant, .. } = self.0;
        let one = |value: Cow<'static, str>| Some(vec![value]);
        match key.to_ascii_lowercase().as_str() {
            "aws:sourceip" => one(caller.source_ip.to_string().into()),
            "aws:currenttime" => one(self.0.now().to_rfc3339().into()),
            "aws:epochtime" => one(self.0.now().secs().to_string().into()),
            "aws:userid" => one(caller.user_id.clone().into()),
            "aws:principalarn" => one(caller.arn.clone().into()),
            "aws:principalaccount" => one(caller.account.to_string().into()),
            "aws:requestedregion" => one(tenant.region.to_string().into()),
            "aws:username" => {
                caller.arn.split_once(":user/").map(|(_, name)| vec![Cow::Borrowed(name)])
            }
            _ => None,
        }
    }
}
