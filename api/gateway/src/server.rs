//! HTTP/1.1 on one connection: bounded heads and bodies, deadlines, a graceful end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use service::{ApiError, Knock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use crate::device::Connection;
use crate::{Gateway, answer, websocket};

/// Bodies up to this size are read without asking for room: a connection has as much anyway.
const SMALL_BODY_KIB: u32 = 16;

impl Gateway {
    /// Serves requests on `stream` until either side closes it, or shutdown begins and the
    /// request at hand is answered; after an upgrade, MQTT until that ends.
    pub async fn serve_connection<S>(self: &Arc<Self>, stream: S, knock: Knock)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let client = Connection::new(knock);
        self.serve_requests(stream, &client).await;
        if let Some(granted) = client.into_granted() {
            Box::pin(self.serve_upgraded(granted)).await;
        }
    }

    async fn serve_requests<S>(&self, stream: S, client: &Connection)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let limits = &self.app.limits;
        let service = service_fn(|request| self.respond_to(request, client));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // A client that has sent all it wants to may close its side and wait for answers.
            .half_close(true)
            .header_read_timeout(Duration::from_secs(limits.http_idle_s))
            .max_buf_size(limits.http_header_bytes_max)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let mut shutdown = self.app.env.tasks.shutdown_signal();
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %client.knock.peer, %error, "connection ended early");
        }
    }

    async fn respond_to(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let id = uuid::Builder::from_random_bytes(self.app.env.random.bytes()).into_uuid();
        let response = match self.status_page(&request) {
            Some(response) => response,
            None if websocket::is_wanted(&request) => self.upgrade(request, connection, id).await,
            None => self.within_deadline(request, connection, id).await,
        };
        Ok(response.map(Full::new))
    }

    /// Health, readiness and metrics, which answer whatever else happens.
    fn status_page(&self, request: &Request<Incoming>) -> Option<Response<Bytes>> {
        if request.method() != Method::GET {
            return None;
        }
        match request.uri().path() {
            "/_ferrite/health" => Some(text(StatusCode::OK, "alive\n".into())),
            "/_ferrite/ready" if self.is_ready.load(Ordering::Acquire) => {
                Some(text(StatusCode::OK, "ready\n".into()))
            }
            "/_ferrite/ready" => Some(text(StatusCode::SERVICE_UNAVAILABLE, "starting\n".into())),
            "/metrics" => Some(text(StatusCode::OK, (self.metrics)())),
            _ => None,
        }
    }

    async fn within_deadline(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
        id: Uuid,
    ) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let has_body = !body.is_end_stream();
        let mut held = Held::default();
        let body = self.read_body(body, &mut held);
        let request = answer::Request { head: &head, connection, id };
        let mut response = self.answer(request, body).await;
        if has_body && held.turn.is_none() {
            // A body that was not read cannot be told from the next request: say so.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Reads a body within its deadline, and then takes a turn among the requests that run: a
    /// slow client keeps nobody else waiting.
    async fn read_body<'g>(
        &'g self,
        mut body: Incoming,
        held: &mut Held<'g>,
    ) -> Result<Bytes, ApiError> {
        let limits = &self.app.limits;
        let deadline = Duration::from_secs(limits.http_request_s);
        let stopping = |_| ApiError::unavailable("The server is shutting down.");
        let read = async {
            let kib = expected_kib(&body, limits.http_body_bytes_max);
            if kib > SMALL_BODY_KIB {
                let room = self.body_room.acquire_many(kib).await;
                held.room = Some(room.map_err(stopping)?);
            }
            collect(&mut body, limits.http_body_bytes_max).await
        };
        let body = tokio::time::timeout(deadline, read).await.unwrap_or_else(|_| {
            let message = format!("The request was not complete within {} s.", deadline.as_secs());
            Err(ApiError::new("RequestTimeoutException", message))
        })?;
        held.turn = Some(self.requests.acquire().await.map_err(stopping)?);
        Ok(body)
    }
}

/// What a request holds until it is answered.
#[derive(Default)]
struct Held<'g> {
    /// Room for its body.
    room: Option<SemaphorePermit<'g>>,
    /// Its turn to run.
    turn: Option<SemaphorePermit<'g>>,
}

/// The KiB that a body may need: what it announces, else the most that it may have.
fn expected_kib(body: &Incoming, bytes_max: usize) -> u32 {
    let bytes = body.size_hint().upper().unwrap_or(u64::MAX).min(bytes_max as u64);
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

async fn collect(body: &mut Incoming, bytes_max: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("A request body may have {bytes_max} bytes.");
        ApiError::new("RequestEntityTooLargeException", message)
    };
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let mut whole: Option<Bytes> = None;
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::new("SerializationException", format!("The request body broke off: {error}."))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if pieces.len() + whole.as_ref().map_or(0, Bytes::len) + data.len() > bytes_max {
            return Err(too_large());
        }
        match whole.take() {
            None if pieces.is_empty() => whole = Some(data),
            first => {
                pieces.extend_from_slice(&first.unwrap_or_default());
                pieces.extend_from_slice(&data);
            }
        }
    }
    Ok(whole.unwrap_or_else(|| pieces.freeze()))
}

fn text(status: StatusCode, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
