//! What a request names by name, by ARN, or by both.

use service::{ApiError, Cx};
use types::Arn;

/// A resource that a request may name in two ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    /// What its ARN says before the `/`: `thing`, `billinggroup`.
    pub(crate) kind: &'static str,
    /// The member that holds its name; the one with its ARN is called alike.
    pub(crate) member: &'static str,
    /// Its name, if the request has it.
    pub(crate) name: Option<&'a str>,
    /// Its ARN, if the request has it.
    pub(crate) arn: Option<&'a str>,
}

impl<'a> Named<'a> {
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

/// The name in an ARN of the tenant's own.
fn name_in<'a>(cx: &Cx, kind: &str, text: &'a str) -> Result<&'a str, ApiError> {
    let invalid = || ApiError::invalid(format!("Invalid ARN: {text}"));
    let arn = Arn::parse(text).map_err(|_| invalid())?;
    let is_of_tenant = arn.service == "iot" && cx.tenant.owns(&arn);
    match arn.type_and_name() {
        Some((found, name)) if is_of_tenant && found == kind && !name.is_empty() => Ok(name),
        _ => Err(invalid()),
    }
}
