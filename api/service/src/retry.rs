//! Read, check, write, and once more if another writer came in between.

use store::{CommitError, StoreError};

use crate::ApiError;

/// How often a change is tried before the client is asked to come back.
const ATTEMPTS_MAX: usize = 16;

/// Why an attempt ended without a result.
pub enum Setback {
    /// The request is refused, however often it is tried.
    Refused(ApiError),
    /// The commit failed; after a conflict another attempt may succeed.
    Commit(CommitError),
    /// What was read does not fit together, since it changed between two reads.
    Moved,
}

/// Runs `attempt` until it succeeds, is refused, or has met a conflict too often.
pub async fn retry<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, ApiError>
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn an_attempt_is_made_again_until_it_ends_or_has_had_its_tries() {
        let tries = Cell::new(0);
        let attempt = |ends_at: usize| {
            tries.set(tries.get() + 1);
            let result = if tries.get() == ends_at { Ok(()) } else { Err(Setback::Moved) };
            std::future::ready(result)
        };
        retry(|| attempt(3)).await.unwrap();
        assert_eq!(tries.replace(0), 3);
        let error = retry(|| attempt(usize::MAX)).await.unwrap_err();
        assert_eq!((error.code, tries.get()), ("ServiceUnavailableException", ATTEMPTS_MAX));
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let tries = Cell::new(0);
        let refused: Result<(), ApiError> = retry(|| {
            tries.set(tries.get() + 1);
            std::future::ready(Err(ApiError::invalid("no").into()))
        })
        .await;
        assert_eq!((refused.unwrap_err().code, tries.get()), (ApiError::INVALID, 1));
    }
}
