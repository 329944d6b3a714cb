//! From a host to a connection: look up, check, connect, shake hands.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use env::{TaskKind, Tasks};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::addresses::AddressRules;
use crate::error::{Error, Phase};
use crate::names::Lookup;
use crate::url::Origin;

/// The head of an answer is given up when so much has come without its end.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How many headers an answer may have.
const HEADERS_MAX: usize = 128;

/// The end of a connection that requests go into. The connection ends when it is dropped.
pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// Makes connections.
pub(crate) struct Connector {
    pub(crate) lookup: Lookup,
    pub(crate) rules: AddressRules,
    pub(crate) tls: TlsConnector,
    pub(crate) timeout: Duration,
    pub(crate) tasks: Tasks,
}

impl Connector {
    /// A new connection to `origin`, by `deadline` and within its own time.
    pub(crate) async fn connect(
        &self,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<Sender, Error> {
        let begun = Instant::now();
        let deadline = deadline.min(begun + self.timeout);
        timeout_at(deadline, self.open(origin, deadline)).await.unwrap_or_else(|_| {
            let (host, after) = (origin.host.clone(), deadline - begun);
            Err(Error::Timeout { host, phase: Phase::Connect, after })
        })
    }

    async fn open(&self, origin: &Origin, deadline: Instant) -> Result<Sender, Error> {
        let addresses = self.permitted(origin).await?;
        let not_connected = |source| Error::Connect { host: origin.host.clone(), source };
        let stream = reach(&addresses, deadline).await.map_err(not_connected)?;
        stream.set_nodelay(true).map_err(not_connected)?;
        if !origin.is_tls {
            return self.speak(origin, TokioIo::new(stream)).await;
        }
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|error| not_connected(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let secured = self.tls.connect(name, stream).await;
        let secured = secured.map_err(|error| of_handshake(origin, error))?;
        self.speak(origin, TokioIo::new(secured)).await
    }

    /// The addresses of the host that may be reached; they, and no others, are connected to.
    async fn permitted(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Error> {
        let host = &origin.host;
        let mut addresses = self
            .lookup
            .addresses(host, origin.port)
            .await
            .map_err(|source| Error::Lookup { host: host.clone(), source })?;
        let first = addresses.first().map(SocketAddr::ip);
        addresses.retain(|address| self.rules.permit(host, address.ip()));
        match first {
            Some(address) if addresses.is_empty() => {
                tracing::warn!(%host, %address, "address refused by outbound.allow");
                Err(Error::Refused { host: host.clone(), address })
            }
            _ => Ok(addresses),
        }
    }

    /// Begins to speak HTTP over `io`.
    async fn speak<I>(&self, origin: &Origin, io: I) -> Result<Sender, Error>
    where
        I: Read + Write + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(io)
            .await
            .map_err(|source| Error::of_exchange(&origin.host, source))?;
        self.tasks.spawn("outbound connection", TaskKind::Transient, async move {
            // What went wrong is told to whoever waits for an answer.
            drop(connection.await);
        });
        Ok(sender)
    }
}

/// Connects to the first address that takes it. Each gets its share of the time that is left, so
/// that one that swallows everything does not keep the next from its turn.
async fn reach(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / left;
        match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    Err(last)
}

/// A cut line may be whole the next time; a bad certificate is bad again.
fn of_handshake(origin: &Origin, error: io::Error) -> Error {
    let host = origin.host.clone();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(source) => Error::Tls { host, source: Box::new(source.clone()) },
        None => Error::Connect { host, source: error },
    }
}
