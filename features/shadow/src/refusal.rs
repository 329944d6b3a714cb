//! Why a request is refused, in the words of AWS's shadow service.

use service::ApiError;

/// What a client is told instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// As over HTTP; MQTT says it as well.
    pub(crate) status: u16,
    /// The error's code over HTTP.
    code: &'static str,
    /// What it says.
    pub(crate) message: String,
    /// The request's own, if it had a valid one.
    pub(crate) client_token: Option<Box<str>>,
}

impl Refusal {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), client_token: None }
    }

    /// 400: the request is not one.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, ApiError::INVALID, message)
    }

    /// 404: there is no such shadow. `name` is the thing's, or `thing~shadow`.
    pub(crate) fn not_found(name: &str) -> Self {
        let message = format!("No shadow exists with name: '{name}'");
        Self::new(404, "ResourceNotFoundException", message)
    }

    /// 404: the thing is not registered, and would have to be.
    pub(crate) fn no_thing() -> Self {
        Self::new(404, "ResourceNotFoundException", "Thing not found")
    }

    /// 409: the shadow has another version.
    pub(crate) fn conflict() -> Self {
        Self::new(409, "ConflictException", "Version conflict")
    }

    /// 413: the document would be too long.
    pub(crate) fn too_large() -> Self {
        let message = "The payload exceeds the maximum size allowed";
        Self::new(413, "RequestEntityTooLargeException", message)
    }

    /// 415: not UTF-8.
    pub(crate) fn encoding() -> Self {
        let message = "Unsupported documented encoding; supported encoding is UTF-8";
        Self::new(415, "UnsupportedDocumentEncodingException", message)
    }

    /// 429: too much at once.
    pub(crate) fn throttled() -> Self {
        Self::new(429, "ThrottlingException", "Too Many Requests")
    }

    /// A word for the device log.
    pub(crate) fn reason(&self) -> &'static str {
        match self.status {
            404 => "NOT_FOUND",
            409 => "VERSION_CONFLICT",
            413 => "PAYLOAD_TOO_LARGE",
            429 => "THROTTLED",
            500.. => "SERVER_ERROR",
            _ => "INVALID_REQUEST",
        }
    }

    /// The same, said to whoever sent `client_token`.
    pub(crate) fn to(self, client_token: Option<&str>) -> Self {
        Self { client_token: client_token.map(Into::into), ..self }
    }

    /// What `rejected` says over MQTT, at `now` in seconds.
    pub(crate) fn document(&self, now: i64) -> String {
        let mut document = serde_json::json!({
            "code": self.status, "message": self.message, "timestamp": now,
        });
        if let Some(token) = &self.client_token {
            document["clientToken"] = serde_json::Value::from(&**token);
        }
        document.to_string()
    }
}

/// A failure of the server is told as one, and nothing more.
impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        tracing::warn!(%error, "a request to a shadow failed");
        match error.code {
            "ServiceUnavailableException" => Self::new(503, error.code, "Service unavailable"),
            _ => Self::new(500, ApiError::INTERNAL, "Internal service failure"),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}
