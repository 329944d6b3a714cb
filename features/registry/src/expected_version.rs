//! The version that a request expects of what it changes.

use service::ApiError;

/// Refuses to change the `kind` called `name` if it is not in the version that is expected.
pub(crate) fn check(
    kind: &str,
    name: &str,
    version: i64,
    expected: Option<i64>,
) -> Result<(), ApiError> {
    if expected.is_none_or(|expected| expected == version) {
        return Ok(());
    }
    let message = format!("The version for {kind} {name} does not match the expected version.");
    Err(ApiError::version_conflict(message))
}
