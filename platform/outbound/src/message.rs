//! What is sent, and what comes back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::url::Url;

/// A request with its whole body.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Its headers. `host` is added if it is missing; what frames the message (`content-length`,
    /// `transfer-encoding`, `connection` …) is the client's own and is refused.
    pub headers: HeaderMap,
    /// Its body; may be empty.
    pub body: Bytes,
    /// How long it may take from first to last, if not as the settings say.
    pub timeout: Option<Duration>,
    /// The longest body of an answer, if not as the settings say.
    pub response_bytes_max: Option<usize>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body, as it was sent: nothing is decompressed.
    pub body: Bytes,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: None,
            response_bytes_max: None,
        }
    }

    /// A `POST` of `body`.
    pub fn post(url: Url, body: Bytes) -> Self {
        Self { body, ..Self::new(Method::POST, url) }
    }
}
