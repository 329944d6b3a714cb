//! On whose behalf a target is called.

use types::Tenant;

/// Whose rule it is, and the role that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account and region of the rule.
    pub tenant: Tenant,
    /// The role that the action names; it decides which credentials an `aws` back end is called
    /// with.
    pub role_arn: Option<String>,
}
