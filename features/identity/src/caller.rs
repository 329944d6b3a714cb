//! What callers of the administration may reach.

use service::{ApiError, Cx};
use types::AccountId;

/// The account that a request is about: the caller's own unless it names another, which only the
/// server's own account may. Keys that a policy binds administer nothing.
pub(crate) fn account(cx: &Cx, named: Option<AccountId>) -> Result<AccountId, ApiError> {
    let (caller, own) = (&cx.caller, cx.app.settings.account);
    let account = named.unwrap_or(caller.account);
    if caller.is_root && (account == caller.account || caller.account == own) {
        return Ok(account);
    }
    let message = format!(
        "User: {} is not authorized to perform: {} on account {account}. A key without a policy of \
         that account or of the server's own account may.",
        caller.arn, cx.operation
    );
    Err(ApiError::new("AccessDeniedException", message))
}
