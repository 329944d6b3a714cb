//! The first message of a client, read before it is decided how to answer.

use std::io::{self, Read};

use rustls::server::{Accepted, Acceptor, ClientHello};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A ClientHello, and all bytes that were read to have it.
pub(crate) struct Greeting {
    accepted: Accepted,
    bytes: Vec<u8>,
}

/// Reads from a socket and keeps a copy.
struct Copying<'a> {
    socket: &'a TcpStream,
    bytes: &'a mut Vec<u8>,
}

impl Greeting {
    /// Reads from `socket`, no more than a handshake message may be long. A client that breaks the
    /// rules is told so.
    pub(crate) async fn read(socket: &mut TcpStream) -> io::Result<Self> {
        let mut acceptor = Acceptor::default();
        let mut bytes = Vec::new();
        loop {
            socket.readable().await?;
            match acceptor.read_tls(&mut Copying { socket, bytes: &mut bytes }) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            let (error, mut alert) = match acceptor.accept() {
                Ok(None) => continue,
                Ok(Some(accepted)) => return Ok(Self { accepted, bytes }),
                Err(failed) => failed,
            };
            let mut answer = Vec::new();
            alert.write_all(&mut answer)?;
            // The client may be gone, which changes nothing.
            drop(socket.write_all(&answer).await);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
    }

    pub(crate) fn hello(&self) -> ClientHello<'_> {
        self.accepted.client_hello()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Read for Copying<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.try_read(room)?;
        self.bytes.extend_from_slice(room.get(..count).unwrap_or_default());
        Ok(count)
    }
}
