//! What happens to a newcomer before anything is served: for whom a load balancer brings it, and
//! its handshake. Both together have one deadline and one place among those under way.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::HandshakeError;
use crate::deadline::Deadline;
use crate::entrance::Place;
use crate::listener::Door;
use crate::proxy_header::{ProxyHeader, ProxyHeaderError, ProxyHeaderRead};
use crate::tls::{ClientCertificate, Secured, Tls};

/// A connection that was let in, and of which nothing was read yet.
#[derive(Debug)]
pub struct Arrival {
    stream: TcpStream,
    address: SocketAddr,
    is_proxied: bool,
    deadline: Deadline,
    /// Given back when the handshake is over.
    place: Place,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, by the word of the load balancer if there is one.
    pub address: SocketAddr,
    /// Where it connected to, by the same word, if that is known.
    pub local: Option<SocketAddr>,
}

/// Somebody who did not get through the door.
#[derive(Debug)]
pub struct Unready {
    /// Who.
    pub peer: Peer,
    /// Why.
    pub error: HandshakeError,
}

impl Arrival {
    /// The connection from `address` that takes `place` among the handshakes of `door`.
    pub(crate) fn new(stream: TcpStream, address: SocketAddr, door: &Door, place: Place) -> Self {
        Self {
            stream,
            address,
            is_proxied: !door.proxies.is_empty(),
            deadline: Deadline::within(door.limits.handshake_s),
            place,
        }
    }

    /// The connection as it is.
    pub async fn plain(self) -> Result<(TcpStream, Peer), Unready> {
        let (stream, peer, _place) = self.introduced().await?;
        Ok((stream, peer))
    }

    /// The connection after its TLS handshake.
    pub async fn secured(
        self,
        tls: &Tls,
        ask: ClientCertificate,
    ) -> Result<(Secured, Peer), Unready> {
        let deadline = self.deadline;
        let (stream, peer, _place) = self.introduced().await?;
        match tls.accept(stream, ask, deadline).await {
            Ok(secured) => Ok((secured, peer)),
            Err(error) => Err(Unready { peer, error }),
        }
    }

    /// Who it is, once the load balancer has said so.
    async fn introduced(mut self) -> Result<(TcpStream, Peer, Place), Unready> {
        let mut peer = Peer { address: self.address, local: self.stream.local_addr().ok() };
        if self.is_proxied {
            let header = Box::pin(read_header(&mut self.stream, self.deadline));
            match header.await.map_err(|error| Unready { peer, error })? {
                ProxyHeader::Client { source, destination } => {
                    peer = Peer { address: source, local: Some(destination) };
                }
                ProxyHeader::Own => {}
            }
        }
        Ok((self.stream, peer, self.place))
    }
}

/// Reads the header that `stream` begins with, and not a byte more.
async fn read_header(
    stream: &mut TcpStream,
    deadline: Deadline,
) -> Result<ProxyHeader, HandshakeError> {
    let late = ProxyHeaderError::Late { limit_s: deadline.limit_s() };
    let read = deadline.bound(read_whole_header(stream)).await;
    read.unwrap_or_else(|| Err(late.into()))
}

async fn read_whole_header(stream: &mut TcpStream) -> Result<ProxyHeader, HandshakeError> {
    let mut read = Vec::new();
    loop {
        match ProxyHeader::read(&read)? {
            ProxyHeaderRead::Whole { header, .. } => return Ok(header),
            ProxyHeaderRead::Part { missing } => read_some(stream, missing, &mut read).await?,
        }
    }
}

async fn read_some(
    stream: &mut TcpStream,
    bytes_max: usize,
    into: &mut Vec<u8>,
) -> Result<(), HandshakeError> {
    let came = stream.take(bytes_max as u64).read_buf(into).await;
    match came.map_err(HandshakeError::Broken)? {
        0 if into.is_empty() => Err(HandshakeError::ClosedSilently),
        0 => Err(ProxyHeaderError::Closed.into()),
        _ => Ok(()),
    }
}
