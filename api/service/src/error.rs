//! What an operation answers when it refuses or fails.

use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};
use store::CommitError;
use store::StoreError;

/// An error in AWS's terms: a code, a message for the client, and a cause for the log.
pub struct ApiError {
    /// The exception's name, such as `ResourceNotFoundException`.
    pub code: &'static str,
    /// What the client reads.
    pub message: String,
    /// Further members of the exception.
    pub members: Map<String, Value>,
    /// What the log gets besides.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// The code that stands for each service's own name of an internal failure.
    pub const INTERNAL: &'static str = "InternalFailureException";
    /// The code that stands for each service's own name of an invalid request.
    pub const INVALID: &'static str = "InvalidRequestException";

    /// Any code.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), members: Map::new(), source: None }
    }

    /// The request contradicts the documentation.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID, message)
    }

    /// The resource is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    /// The resource exists with other properties.
    pub fn already_exists(message: impl Into<String>, id: &str, arn: &str) -> Self {
        let mut error = Self::new("ResourceAlreadyExistsException", message);
        error.members.insert("resourceId".into(), id.into());
        error.members.insert("resourceArn".into(), arn.into());
        error
    }

    /// `expectedVersion` is not the version.
    pub fn version_conflict(message: impl Into<String>) -> Self {
        Self::new("VersionConflictException", message)
    }

    /// The resource is still in use.
    pub fn delete_conflict(message: impl Into<String>) -> Self {
        Self::new("DeleteConflictException", message)
    }

    /// One more would be over a limit.
    pub fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    /// The server failed; the client learns no more than that.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let message = "An internal failure occurred; the server's log has the details.";
        Self { source: Some(source.into()), ..Self::new(Self::INTERNAL, message) }
    }

    /// The server cannot take this now; the same request may succeed later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new("ServiceUnavailableException", message)
    }

    /// The bound input does not fit its type, though it passed validation.
    pub(crate) fn unreadable(error: serde_json::Error) -> Self {
        Self::new("SerializationException", error.to_string())
    }

    pub(crate) fn unwritable(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Full => Self::unavailable(
                "The server's disk is full: nothing was written. Free space in the data directory; \
                 the server recovers by itself.",
            ),
            // Operations that can meet a conflict retry or name it; one that comes here lost a
            // race more often than it may retry.
            CommitError::Conflict(_) => {
                Self::unavailable("The resource is being changed by others. Try again.")
            }
            CommitError::Store(error) => Self::internal(error),
        }
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        let mut cause = self.source.as_ref().map(|s| &**s as &dyn Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Error for ApiError {}
