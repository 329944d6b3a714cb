//! Why a target did not do what it was asked, in the words that AWS's SDK has for it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use store::{CommitError, StoreError};

use crate::Service;

/// A failure of one call. Several callers may be told the same one.
#[derive(Clone, Debug)]
pub struct TargetError {
    /// Which service failed.
    pub service: Service,
    /// Whether trying again, later, may help.
    pub is_transient: bool,
    /// The HTTP status; `None` if the service did not answer.
    pub status: Option<u16>,
    /// The service's code, such as `NoSuchBucket`; one of our own if it did not answer.
    pub code: String,
    /// The service's message.
    pub message: String,
    /// The id that the service gave to the request.
    pub request_id: Option<String>,
    pub(crate) source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TargetError {
    /// The service refuses the request, and would again.
    pub fn refused(service: Service, code: &str, message: impl Into<String>) -> Self {
        Self {
            service,
            is_transient: false,
            status: Some(400),
            code: code.to_owned(),
            message: message.into(),
            request_id: None,
            source: None,
        }
    }

    /// The service, or what stands for it, cannot do it now.
    pub fn unavailable(service: Service, message: impl Into<String>) -> Self {
        let code = "ServiceUnavailable".to_owned();
        let refused = Self::refused(service, "", message);
        Self { is_transient: true, status: Some(503), code, ..refused }
    }

    /// The service was not reached, or did not answer.
    pub fn unanswered(service: Service, message: impl Into<String>) -> Self {
        let code = "RequestFailed".to_owned();
        Self { is_transient: true, status: None, code, ..Self::refused(service, "", message) }
    }

    /// With another HTTP status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Which is not mended by trying again.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self { is_transient: false, ..self }
    }

    /// With what caused it.
    #[must_use]
    pub fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self }
    }

    /// The store behind a local target did not keep what it was to keep.
    pub(crate) fn of_commit(service: Service, error: CommitError) -> Self {
        let message = match &error {
            CommitError::Full => "The disk is full.",
            CommitError::Conflict(_) => "Too many change the same at once.",
            CommitError::Store(_) => "The store failed.",
        };
        Self::unavailable(service, message).caused_by(error)
    }

    /// The store behind a local target could not be read.
    pub(crate) fn of_store(service: Service, error: StoreError) -> Self {
        Self::unavailable(service, "The store could not be read.").caused_by(error)
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(status) = self.status else { return f.write_str(&self.message) };
        let request_id = self.request_id.as_deref().unwrap_or("null");
        let (service, code) = (self.service.sdk_name(), &self.code);
        write!(
            f,
            "{} (Service: {service}; Status Code: {status}; Error Code: {code}; Request ID: \
             {request_id})",
            self.message
        )
    }
}

impl Error for TargetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_the_sdk_of_aws_writes_it() {
        let error = TargetError {
            request_id: Some("9DF5416B9B47B9AF".into()),
            ..TargetError::refused(
                Service::S3,
                "NoSuchBucket",
                "The specified bucket does not exist",
            )
            .with_status(404)
        };
        assert_eq!(
            error.to_string(),
            "The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error \
             Code: NoSuchBucket; Request ID: 9DF5416B9B47B9AF)"
        );
        let error = TargetError::unanswered(Service::Sqs, "Unable to execute HTTP request");
        assert_eq!(error.to_string(), "Unable to execute HTTP request");
    }
}
