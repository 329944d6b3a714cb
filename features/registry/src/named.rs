//! What a request names by name, by ARN, or by both.

use service::{ApiError, Cx};
use types::Arn;

use crate::principal::unknown;

/// A resource that a request may name in two ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    /// What its ARN says before the `/`.
    kind: &'static str,
    /// The member that holds its name; the one with its ARN is called alike.
    member: &'static str,
    name: Option<&'a str>,
    arn: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// The thing of `thingName` and `thingArn`.
    pub(crate) fn thing(name: &'a Option<String>, arn: &'a Option<String>) -> Self {
        Self { kind: "thing", member: "thing", name: name.as_deref(), arn: arn.as_deref() }
    }

    /// The group of `thingGroupName` and `thingGroupArn`.
    pub(crate) fn thing_group(name: &'a Option<String>, arn: &'a Option<String>) -> Self {
        let (name, arn) = (name.as_deref(), arn.as_deref());
        Self { kind: "thinggroup", member: "thingGroup", name, arn }
    }

    /// The group of `billingGroupName` and `billingGroupArn`.
    pub(crate) fn billing_group(name: &'a Option<String>, arn: &'a Option<String>) -> Self {
        let (name, arn) = (name.as_deref(), arn.as_deref());
        Self { kind: "billinggroup", member: "billingGroup", name, arn }
    }

    /// The resource's name. Where a request has both, they must be of the same resource.
    pub(crate) fn resolve(self, cx: &Cx) -> Result<&'a str, ApiError> {
        let Self { kind, member, name, arn } = self;
        let Some(arn) = arn else {
            return name
                .ok_or_else(|| ApiError::invalid(format!("Pass {member}Name or {member}Arn.")));
        };
        let of_arn = name_in(cx, kind, arn)?;
        if name.is_some_and(|name| name != of_arn) {
            return Err(ApiError::invalid(format!(
                "{member}Name and {member}Arn name different resources."
            )));
        }
        Ok(of_arn)
    }
}

/// The name in an ARN. What another account, region or partition has is unknown here, as are its
/// certificates where a request names a principal.
fn name_in<'a>(cx: &Cx, kind: &str, text: &'a str) -> Result<&'a str, ApiError> {
    let arn = Arn::parse(text).ok().filter(|arn| arn.service == "iot");
    let name = arn.and_then(|arn| match arn.type_and_name()? {
        (found, name) if found == kind && !name.is_empty() => Some((arn, name)),
        _ => None,
    });
    match name {
        Some((arn, name)) if cx.tenant.owns(&arn) => Ok(name),
        Some(_) => Err(unknown(text)),
        None => Err(ApiError::invalid(format!("Invalid ARN of a {kind}: {text}"))),
    }
}
