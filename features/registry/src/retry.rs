//! Read, check, write, and once more if another writer came in between.

use service::ApiError;
use store::{CommitError, StoreError};

/// How often a change is tried before the client is asked to come back.
const ATTEMPTS_MAX: usize = 16;

/// Why an attempt ended without a result.
pub(crate) enum Setback {
    /// The request is refused, however often it is tried.
    Refused(ApiError),
    /// The commit failed; after a conflict another attempt may succeed.
    Commit(CommitError),
    /// What was read does not fit together, since it changed between two reads.
    Moved,
}

/// Runs `attempt` until it succeeds, is refused, or has met a conflict too often.
pub(crate) async fn retry<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, Setback>>,
{
    for _ in 0..ATTEMPTS_MAX {
        match attempt().await {
            Ok(result) => return Ok(result),
            Err(Setback::Moved | Setback::Commit(CommitError::Conflict(_))) => {}
            Err(Setback::Commit(error)) => return Err(error.into()),
            Err(Setback::Refused(error)) => return Err(error),
        }
    }
    Err(ApiError::unavailable("The resource is being changed by others. Try again."))
}

impl From<ApiError> for Setback {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<CommitError> for Setback {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}
