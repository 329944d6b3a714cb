//! Routes that no model describes: `/_ferrite/…`, and protocols of their own.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{ApiError, BoxFuture, Cx};

/// Who may call a raw route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, unsigned, as the server's own account: for `--dev` and what tells nothing.
    Open,
    /// Anybody who has the link, unsigned, at a path that a modelled operation may have as well: what
    /// the link holds is the proof. Signed requests go to the operation.
    Link,
    /// Whoever signs with a valid access key.
    Signed,
    /// The root key of the server's own account.
    Administrator,
}

/// Which requests a raw route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteMatch {
    /// A method and an exact path.
    Path(&'static str, &'static str),
    /// A method and all paths that begin so.
    Prefix(&'static str, &'static str),
    /// Requests signed for this service.
    SigningService(&'static str),
}

/// An HTTP request whose signature holds.
#[derive(Debug)]
pub struct RawRequest {
    /// `GET` …
    pub method: String,
    /// As sent.
    pub path: String,
    /// As sent, without the question mark.
    pub query: String,
    /// As sent.
    pub headers: HeaderMap,
    /// Whole.
    pub body: Bytes,
    /// Who is at the other end of the connection.
    pub source_ip: IpAddr,
}

impl RawRequest {
    /// The value of a query parameter, percent-decoding left to the caller.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// What a raw route answers.
#[derive(Debug)]
pub struct RawResponse {
    /// 200 …
    pub status: StatusCode,
    /// `application/json` …
    pub content_type: &'static str,
    /// Whole.
    pub body: Bytes,
}

impl RawResponse {
    /// 200 with `value` as JSON.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(value).map_err(ApiError::unwritable)?;
        let content_type = "application/json";
        Ok(Self { status: StatusCode::OK, content_type, body: body.into() })
    }
}

type Handler =
    dyn Fn(Cx, RawRequest) -> BoxFuture<'static, Result<RawResponse, ApiError>> + Send + Sync;

/// A route and the function that serves it.
pub struct RawRoute {
    /// Which requests.
    pub matches: RouteMatch,
    /// Whose requests.
    pub access: Access,
    /// The route's name in the audit trail and in policies.
    pub operation: &'static str,
    handler: Box<Handler>,
}

impl RawRoute {
    /// Ties `handler` to the requests that `matches` describes.
    pub fn new<H, F>(
        matches: RouteMatch,
        access: Access,
        operation: &'static str,
        handler: H,
    ) -> Self
    where
        H: Fn(Cx, RawRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<RawResponse, ApiError>> + Send + 'static,
    {
        let handler =
            move |cx, request| -> BoxFuture<'static, _> { Box::pin(handler(cx, request)) };
        Self { matches, access, operation, handler: Box::new(handler) }
    }

    /// Serves one request.
    pub fn call(
        &self,
        cx: Cx,
        request: RawRequest,
    ) -> BoxFuture<'static, Result<RawResponse, ApiError>> {
        (self.handler)(cx, request)
    }
}
