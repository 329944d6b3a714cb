//! The life of a request: a place, a connection, the exchange, the body.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use env::{Env, TaskKind};
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use metrics::counter;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::addresses::AddressRules;
use crate::connect::{Connector, Sender};
use crate::error::{Error, Phase};
use crate::message::{Request, Response};
use crate::names::{Lookup, Names};
use crate::pool::{Place, Pool};
use crate::settings::{Settings, SettingsError};
use crate::trust::tls_config;
use crate::url::Origin;

/// Headers that frame a message or concern one connection: a caller that sets them, or passes them
/// on from somebody else, could make two requests out of one.
const FRAMING: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// How long a connection that was used before may take to be ready again.
const READY_WITHIN: Duration = Duration::from_millis(100);

/// Sends requests. Cheap to clone; clones share connections and bounds.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    connector: Connector,
    pool: Arc<Pool>,
    timeout: Duration,
    response_bytes_max: usize,
}

/// By when a request must be done.
struct Deadline {
    at: Instant,
    after: Duration,
}

impl Client {
    /// A client by `settings`. Must be called inside a tokio runtime.
    pub fn new(settings: &Settings, env: &Env) -> Result<Self, SettingsError> {
        Self::with_names(settings, env, Names::system())
    }

    /// As [`Client::new`], with other names than the machine's.
    pub fn with_names(settings: &Settings, env: &Env, names: Names) -> Result<Self, SettingsError> {
        settings.check_bounds()?;
        let pool = Arc::new(Pool::new(settings));
        let connector = Connector {
            lookup: Lookup::new(names, settings.lookups_max, env.tasks.clone()),
            rules: AddressRules::parse(&settings.allow)?,
            tls: TlsConnector::from(tls_config(settings)?),
            timeout: settings.connect_timeout(),
            tasks: env.tasks.clone(),
        };
        tend(env, Arc::downgrade(&pool), settings.idle());
        Ok(Self(Arc::new(Shared {
            connector,
            pool,
            timeout: settings.timeout(),
            response_bytes_max: settings.response_bytes_max,
        })))
    }

    /// Sends `request` and reads its answer, whatever its status. Dropping the future gives the
    /// request up and closes its connection.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let outcome = self.0.answer(request).await;
        let kind = outcome.as_ref().map_or_else(Error::kind, |_| "answered");
        counter!("ferrite_outbound_requests_total", "outcome" => kind).increment(1);
        outcome
    }
}

impl Shared {
    async fn answer(&self, request: Request) -> Result<Response, Error> {
        let origin = request.url.origin().clone();
        let after = request.timeout.unwrap_or(self.timeout);
        let bytes_max = request.response_bytes_max.unwrap_or(self.response_bytes_max);
        let request = framed(request)?;
        let deadline = Deadline { at: Instant::now() + after, after };
        let place = timeout_at(deadline.at, self.pool.enter(&origin))
            .await
            .map_err(|_| Error::Busy { host: origin.host.clone(), after })?;
        let (sender, head) = self.exchange(&place, &origin, request, &deadline).await?;
        let (parts, body) = head.into_parts();
        let status = parts.status;
        let body = match timeout_at(deadline.at, read(body, bytes_max)).await {
            Ok(Ok(Some(body))) => body,
            Ok(Ok(None)) => {
                let (host, status) = (origin.host, status.as_u16());
                return Err(Error::TooLarge { host, status, bytes_max });
            }
            Ok(Err(error)) => return Err(Error::of_exchange(&origin.host, error)),
            Err(_) => return Err(deadline.missed(&origin)),
        };
        place.keep(sender);
        Ok(Response { status, headers: parts.headers, body })
    }

    /// Sends on a connection that is there, or on a new one. One that was kept may have been closed
    /// by the other side meanwhile; if nothing of the request had left, the next one has it.
    async fn exchange(
        &self,
        place: &Place,
        origin: &Origin,
        mut request: http::Request<Full<Bytes>>,
        deadline: &Deadline,
    ) -> Result<(Sender, http::Response<Incoming>), Error> {
        loop {
            let kept = kept(place).await;
            let is_new = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => self.connector.connect(origin, deadline.at).await?,
            };
            let answer = timeout_at(deadline.at, sender.try_send_request(request)).await;
            let mut error = match answer {
                Ok(Ok(head)) => return Ok((sender, head)),
                Ok(Err(error)) => error,
                Err(_) => return Err(deadline.missed(origin)),
            };
            match error.take_message() {
                Some(unsent) if !is_new => request = unsent,
                _ => return Err(Error::of_exchange(&origin.host, error.into_error())),
            }
        }
    }
}

impl Deadline {
    fn missed(&self, origin: &Origin) -> Error {
        Error::Timeout { host: origin.host.clone(), phase: Phase::Answer, after: self.after }
    }
}

/// A connection that was kept and is ready.
async fn kept(place: &Place) -> Option<Sender> {
    while let Some(mut sender) = place.take_idle() {
        // The other side may have closed it already: one turn for the runtime to hear of it, and
        // one for the connection's task. A request that goes out on it would be lost.
        yield_now().await;
        yield_now().await;
        if let Ok(Ok(())) = timeout(READY_WITHIN, sender.ready()).await {
            return Some(sender);
        }
    }
    None
}

/// The request as it goes out.
fn framed(request: Request) -> Result<http::Request<Full<Bytes>>, Error> {
    let Request { method, url, mut headers, body, .. } = request;
    refuse_framing(&headers)?;
    if !headers.contains_key(header::HOST) {
        let authority = HeaderValue::try_from(url.authority()).expect("a host is a header's value");
        headers.insert(header::HOST, authority);
    }
    let mut framed = http::Request::new(Full::new(body));
    *framed.method_mut() = method;
    *framed.uri_mut() = url.target().clone().into();
    *framed.headers_mut() = headers;
    Ok(framed)
}

fn refuse_framing(headers: &HeaderMap) -> Result<(), Error> {
    match FRAMING.iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(Error::Header { name: name.to_string() }),
        None => Ok(()),
    }
}

/// The whole body, or none if it is longer than `bytes_max`.
async fn read(mut body: Incoming, bytes_max: usize) -> Result<Option<Bytes>, hyper::Error> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Ok(None);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame?.into_data() else { continue };
        if part.len() > bytes_max - whole.len() {
            return Ok(None);
        }
        whole.extend_from_slice(&part);
    }
    Ok(Some(whole.freeze()))
}

/// Drops kept connections in time, and all of them at shutdown.
fn tend(env: &Env, pool: Weak<Pool>, every: Duration) {
    let mut shutdown = env.tasks.shutdown_signal();
    env.tasks.spawn("outbound connections kept", TaskKind::Transient, async move {
        while timeout(every, shutdown.begun()).await.is_err() {
            let Some(pool) = pool.upgrade() else { return };
            pool.drop_expired();
        }
        if let Some(pool) = pool.upgrade() {
            pool.close();
        }
    });
}
