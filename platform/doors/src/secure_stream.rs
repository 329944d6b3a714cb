//! A connection under TLS that holds no buffer while nothing is under way.
//!
//! Records are read into the thread's scratch buffer and decrypted there, and encrypted there to be
//! written. What is kept is the exception, and freed when it is over: a record of which the rest
//! has not come, plaintext for which the reader had no room, and ciphertext that the socket did not
//! take. The first two are at most a record, the last at most four, and parts of a handshake message
//! at most 64 KiB.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use rustls::{CommonState, HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::records::{PLAINTEXT_BYTES_MAX, Records};
use crate::scratch;

/// What is said to a client, and what it says, after its handshake.
pub struct SecureStream {
    socket: TcpStream,
    records: Records,
    is_closed: bool,
}

impl SecureStream {
    /// Whether the client came back to an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.agreed().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// How much memory is held for what was read and for what is to be written.
    pub fn bytes_held(&self) -> usize {
        self.records.bytes_held()
    }

    /// Shakes hands with a client whose first bytes are `hello`. What fails leaves the socket, and
    /// has told the client.
    pub(crate) async fn accept(
        socket: TcpStream,
        config: Arc<ServerConfig>,
        hello: Vec<u8>,
    ) -> Result<Self, (io::Error, TcpStream)> {
        let records = match Records::new(config) {
            Ok(records) => records,
            Err(error) => return Err((broken(error), socket)),
        };
        let mut stream = Self { socket, records, is_closed: false };
        match stream.shake_hands(hello).await {
            Ok(()) => Ok(stream),
            Err(error) => Err((error, stream.socket)),
        }
    }

    /// What both sides have agreed on.
    pub(crate) fn agreed(&self) -> &CommonState {
        self.records.agreed()
    }

    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }

    async fn shake_hands(&mut self, mut hello: Vec<u8>) -> io::Result<()> {
        let received = 0..hello.len();
        self.take(&mut hello, received, None)?;
        drop(hello);
        loop {
            poll_fn(|cx| self.poll_send(cx)).await?;
            if !self.agreed().is_handshaking() {
                return Ok(());
            }
            if poll_fn(|cx| self.poll_receive(cx, None)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads once from the socket and says how much there was; the end of it is 0.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        reader: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<usize>> {
        let room = self.records.room(reader.as_ref().map_or(0, |reader| reader.remaining()));
        if room.is_empty() {
            return Poll::Ready(Err(io::Error::other("a message is too long")));
        }
        let start = room.start;
        scratch::lend(|scratch| {
            let mut received = ReadBuf::new(scratch.get_mut(room).unwrap_or_default());
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut received))?;
            let count = received.filled().len();
            self.take(scratch, start..start + count, reader)?;
            Poll::Ready(Ok(count))
        })
    }

    fn take(
        &mut self,
        scratch: &mut [u8],
        received: Range<usize>,
        reader: Option<&mut ReadBuf<'_>>,
    ) -> io::Result<()> {
        let taken = self.records.read(scratch, received, reader);
        // Answers do not wait. What the socket does not take goes with what is written next.
        self.try_send();
        taken.map_err(broken)
    }

    /// Writes what waits, for as much as the socket takes now. Errors will come again.
    fn try_send(&mut self) {
        while !self.records.unsent.is_empty()
            && let Ok(taken @ 1..) = self.socket.try_write(self.records.unsent.as_slice())
        {
            self.records.unsent.consume(taken);
        }
    }

    /// Writes all that waits.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.records.unsent.is_empty() {
            let waiting = self.records.unsent.as_slice();
            let taken = ready!(Pin::new(&mut self.socket).poll_write(cx, waiting))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.records.unsent.consume(taken);
        }
        Poll::Ready(Ok(()))
    }

    /// Encrypts so much and writes of it what the socket takes.
    fn say(&mut self, cx: &mut Context<'_>, said: &[u8]) -> io::Result<()> {
        scratch::lend(|scratch| {
            let length = self.records.write(said, scratch).map_err(io::Error::other)?;
            self.send(cx, scratch.get(..length).unwrap_or_default())
        })
    }

    fn say_farewell(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        scratch::lend(|scratch| {
            let length = self.records.close(scratch).map_err(io::Error::other)?;
            self.send(cx, scratch.get(..length).unwrap_or_default())
        })
    }

    /// Writes what the socket takes of `ciphertext` after what waits, and keeps the rest.
    fn send(&mut self, cx: &mut Context<'_>, ciphertext: &[u8]) -> io::Result<()> {
        let mut taken = 0;
        if self.records.unsent.is_empty()
            && let Poll::Ready(written) = Pin::new(&mut self.socket).poll_write(cx, ciphertext)
        {
            taken = written?;
        }
        self.records.unsent.push(ciphertext.get(taken..).unwrap_or_default());
        Ok(())
    }
}

impl AsyncRead for SecureStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        reader: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.records.unread.is_empty() {
            let unread = this.records.unread.as_slice();
            let count = unread.len().min(reader.remaining());
            reader.put_slice(unread.get(..count).unwrap_or_default());
            this.records.unread.consume(count);
            return Poll::Ready(Ok(()));
        }
        this.records.check().map_err(broken)?;
        let before = reader.filled().len();
        while !this.records.is_closed() && reader.remaining() > 0 {
            let received = ready!(this.poll_receive(cx, Some(reader)));
            if reader.filled().len() > before {
                // An error that follows what was read is told the next time.
                break;
            }
            if received? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SecureStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.records.check().map_err(broken)?;
        if this.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut written = 0;
        for part in bytes.chunks(PLAINTEXT_BYTES_MAX) {
            match this.poll_send(cx) {
                Poll::Ready(sent) => sent?,
                Poll::Pending if written == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
            this.say(cx, part)?;
            written += part.len();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_closed {
            this.is_closed = true;
            // Whoever broke the rules was told so, and that is the farewell.
            if this.records.check().is_ok() {
                this.say_farewell(cx)?;
            }
        }
        ready!(this.poll_send(cx))?;
        match ready!(Pin::new(&mut this.socket).poll_shutdown(cx)) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for SecureStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
