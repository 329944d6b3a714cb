//! The Lambda Runtime API of one process: HTTP on a port of its own on loopback.
//!
//! What it is asked becomes a [`Call`] for the process's task; it knows nothing itself.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use env::{TaskKind, Tasks};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::invocation::RESPONSE_BYTES_MAX;
use crate::local::Work;

/// How many connections a process may have to its API.
const CONNECTIONS_MAX: usize = 16;
const PREFIX: &str = "/2018-06-01/runtime/";

/// What a process asks of its API.
#[derive(Debug)]
pub(crate) enum Call {
    /// It waits for an event.
    Next(oneshot::Sender<Event>),
    /// It has the answer to one.
    Response { request_id: String, body: Body, accepted: oneshot::Sender<bool> },
    /// Its handler failed at one.
    Error { request_id: String, body: Bytes, accepted: oneshot::Sender<bool> },
    /// It cannot begin at all.
    InitError { body: Bytes },
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Bytes),
    TooLarge,
}

/// An event as it is handed over.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) work: Work,
    pub(crate) deadline_ms: i64,
}

/// Serves the API until `ended` is dropped, and says where.
pub(crate) async fn serve(
    tasks: &Tasks,
    calls: mpsc::Sender<Call>,
    ended: watch::Receiver<()>,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (of_connections, mut stop) = (tasks.clone(), ended.clone());
    tasks.spawn("function runtime api", TaskKind::Transient, async move {
        loop {
            let place = Arc::clone(&places).acquire_owned();
            let accepted = tokio::select! {
                _ = stop.changed() => return,
                accepted = async { (place.await, listener.accept().await) } => accepted,
            };
            let (Ok(place), Ok((stream, _))) = accepted else { continue };
            let (calls, ended) = (calls.clone(), ended.clone());
            let kind = TaskKind::Transient;
            of_connections.spawn("function runtime api connection", kind, async move {
                converse(stream, calls, ended).await;
                drop(place);
            });
        }
    });
    Ok(address)
}

async fn converse(stream: TcpStream, calls: mpsc::Sender<Call>, mut ended: watch::Receiver<()>) {
    let answer = service_fn(move |request| {
        let calls = calls.clone();
        async move { Ok::<_, Infallible>(answer(request, &calls).await) }
    });
    // What a process says that is not HTTP is its own trouble.
    tokio::select! {
        _ = ended.changed() => {}
        outcome = http1::Builder::new().serve_connection(TokioIo::new(stream), answer) => {
            drop(outcome);
        }
    }
}

async fn answer(request: Request<Incoming>, calls: &mpsc::Sender<Call>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let Some(path) = path.strip_prefix(PREFIX) else { return unknown() };
    let steps: Vec<&str> = path.split('/').collect();
    match (request.method(), steps.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(calls).await,
        (&Method::POST, ["invocation", id, "response"]) => respond(id, request, calls).await,
        (&Method::POST, ["invocation", id, "error"]) => fail(id, request, calls).await,
        (&Method::POST, ["init", "error"]) => {
            let body = error_body(request).await;
            let is_heard = calls.send(Call::InitError { body }).await.is_ok();
            if is_heard { accepted() } else { ended() }
        }
        _ => unknown(),
    }
}

/// Keeps the process waiting until there is an event.
async fn next(calls: &mpsc::Sender<Call>) -> Response<Full<Bytes>> {
    let (hand_over, handed_over) = oneshot::channel();
    if calls.send(Call::Next(hand_over)).await.is_err() {
        return ended();
    }
    match handed_over.await {
        Ok(event) => event_response(event),
        Err(_) => ended(),
    }
}

async fn respond(
    id: &str,
    request: Request<Incoming>,
    calls: &mpsc::Sender<Call>,
) -> Response<Full<Bytes>> {
    let body = match Limited::new(request.into_body(), RESPONSE_BYTES_MAX).collect().await {
        Ok(body) => Body::Whole(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Body::TooLarge,
        // The process cut its own line: it may come again, or end.
        Err(_) => return unknown(),
    };
    let is_too_large = matches!(body, Body::TooLarge);
    let (accepted, is_known) = oneshot::channel();
    let call = Call::Response { request_id: id.to_owned(), body, accepted };
    match told(calls, call, is_known).await {
        Some(_) if is_too_large => too_large(),
        outcome => settled(outcome),
    }
}

async fn fail(
    id: &str,
    request: Request<Incoming>,
    calls: &mpsc::Sender<Call>,
) -> Response<Full<Bytes>> {
    let body = error_body(request).await;
    let (accepted, is_known) = oneshot::channel();
    let call = Call::Error { request_id: id.to_owned(), body, accepted };
    settled(told(calls, call, is_known).await)
}

/// Tells the process's task, and whether it knows the invocation; none if it has ended.
async fn told(
    calls: &mpsc::Sender<Call>,
    call: Call,
    is_known: oneshot::Receiver<bool>,
) -> Option<bool> {
    calls.send(call).await.ok()?;
    is_known.await.ok()
}

/// What an error says; nothing of one that is too long to be one.
async fn error_body(request: Request<Incoming>) -> Bytes {
    let error_type = request.headers().get("lambda-runtime-function-error-type").cloned();
    let body = Limited::new(request.into_body(), RESPONSE_BYTES_MAX).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    match error_type.as_ref().and_then(|value| value.to_str().ok()) {
        Some(error_type) if body.is_empty() => {
            serde_json::json!({ "errorType": error_type }).to_string().into()
        }
        _ => body,
    }
}

fn event_response(Event { work, deadline_ms }: Event) -> Response<Full<Bytes>> {
    let mut response = json(StatusCode::OK, work.payload);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    };
    set("lambda-runtime-aws-request-id", &work.request_id);
    set("lambda-runtime-deadline-ms", &deadline_ms.to_string());
    set("lambda-runtime-invoked-function-arn", &work.invoked_arn);
    set("lambda-runtime-trace-id", &work.trace_id);
    if let Some(context) = &work.client_context {
        set("lambda-runtime-client-context", context);
    }
    response
}

fn settled(is_known: Option<bool>) -> Response<Full<Bytes>> {
    match is_known {
        Some(true) => accepted(),
        Some(false) => error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        None => ended(),
    }
}

fn accepted() -> Response<Full<Bytes>> {
    json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

fn too_large() -> Response<Full<Bytes>> {
    let message = "Exceeded maximum allowed payload size (6291556 bytes).";
    error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
}

fn unknown() -> Response<Full<Bytes>> {
    error(StatusCode::NOT_FOUND, "NotFound", "The Runtime API has no such operation")
}

/// For a process that lives a moment longer than its task.
fn ended() -> Response<Full<Bytes>> {
    error(StatusCode::GONE, "Ended", "This process is not needed any longer")
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "errorType": kind, "errorMessage": message });
    json(status, body.to_string().into())
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
