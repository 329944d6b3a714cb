//! A WebSocket as a stream of bytes: what its binary messages hold, one after the other.
//!
//! A client's packet may span messages, and its message may hold several packets. The server sends
//! each packet in a message of its own: there are clients that look at one in each. The client's
//! close frame is the end of the stream; a connection that is lost without one is an error.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// What a connection reads into.
const READ_BYTES: usize = 4096;
/// The longest message that the server sends.
const SENT_BYTES_MAX: usize = 64 * 1024;
/// How much is gathered before it is written, unless it is flushed.
const GATHERED_BYTES: usize = 32 * 1024;

/// The server's end of a WebSocket.
pub(crate) struct Frames<S> {
    socket: WebSocketStream<S>,
    unread: Bytes,
    /// What is left of the packet that is being sent.
    unsent: usize,
    has_ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Frames on a connection whose upgrade was answered.
    pub(crate) async fn new(stream: S, message_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(GATHERED_BYTES)
            .max_write_buffer_size(2 * SENT_BYTES_MAX)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self { socket, unread: Bytes::new(), unsent: 0, has_ended: false }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() && !self.has_ended {
            match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) | None => {
                    self.has_ended = true;
                }
                Some(Ok(Message::Text(_))) => {
                    let why = "MQTT comes in binary messages, not in text (MQTT-6.0.0-1)";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
            }
        }
        let taken = self.unread.len().min(room.remaining());
        room.put_slice(self.unread.get(..taken).unwrap_or_default());
        self.unread.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.socket.poll_ready_unpin(cx)).map_err(io_error)?;
        if self.unsent == 0 {
            self.unsent = packet_len(bytes);
        }
        let sent = bytes.get(..self.unsent.min(SENT_BYTES_MAX)).unwrap_or(bytes);
        let message = Message::Binary(Bytes::copy_from_slice(sent));
        self.socket.start_send_unpin(message).map_err(io_error)?;
        self.unsent = self.unsent.saturating_sub(sent.len());
        Poll::Ready(Ok(sent.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush_unpin(cx).map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.socket.poll_close_unpin(cx)).map_err(io_error)?;
        Pin::new(self.socket.get_mut()).poll_shutdown(cx)
    }
}

/// The length of the packet that `bytes` begin with: one byte, up to four that say how much
/// follows, and that. Of what is no packet, all.
fn packet_len(bytes: &[u8]) -> usize {
    let mut following = 0;
    for (at, byte) in bytes.iter().skip(1).take(4).enumerate() {
        following |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return 2 + at + following;
        }
    }
    bytes.len()
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            io::Error::new(io::ErrorKind::UnexpectedEof, error)
        }
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What is read of a client that sends `bytes`, so many at once, and whether it ends well.
    async fn read(bytes: &[u8], at_once: usize) -> (Vec<u8>, bool) {
        let (near, far) = tokio::io::duplex(at_once);
        let (mut heard, mut said) = tokio::io::split(near);
        let client = async {
            // The server may have had enough before the end.
            drop(said.write_all(bytes).await);
            drop(said.shutdown().await);
        };
        let server = async {
            let mut frames = Frames::new(far, 4096).await;
            let mut found = Vec::new();
            let result = frames.read_to_end(&mut found).await;
            (found, result.is_ok())
        };
        let answers = async { tokio::io::copy(&mut heard, &mut tokio::io::sink()).await };
        let (found, (), _) = tokio::join!(server, client, answers);
        found
    }

    #[test]
    fn a_packet_says_how_long_it_is() {
        assert_eq!(packet_len(&[0xD0, 0, 0xD0, 0]), 2);
        assert_eq!(packet_len(&[0x40, 2, 0, 1, 0x30]), 4);
        assert_eq!(packet_len(&[0x30, 0x80, 1]), 131);
        assert_eq!(packet_len(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]), 268_435_460);
        assert_eq!(packet_len(&[0x30, 0x80]), 2, "what is no packet goes as it is");
    }

    #[tokio::test]
    async fn each_packet_is_a_message_and_a_long_one_is_several() {
        let (near, far) = tokio::io::duplex(1024 * 1024);
        let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let mut server = Frames::new(far, 1024).await;
        let long = [vec![0x30, 0xF0, 0xA2, 0x04], vec![0; 70_000]].concat();
        let bytes = [&[0x40, 2, 0, 1][..], &long, &[0xD0, 0]].concat();
        server.write_all(&bytes).await.unwrap();
        server.flush().await.unwrap();
        let mut messages = Vec::new();
        for _ in 0..4 {
            messages.push(client.next().await.unwrap().unwrap().into_data().len());
        }
        assert_eq!(messages, [4, SENT_BYTES_MAX, 70_004 - SENT_BYTES_MAX, 2]);
    }
    #[tokio::test]
    async fn the_fuzzers_corpus_is_read_alike_in_whole_and_in_pieces() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/websocket");
        let mut well = Vec::new();
        for entry in std::fs::read_dir(&corpus).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let whole = read(&bytes, 1024 * 1024).await;
            assert_eq!(whole, read(&bytes, 1).await, "{}", path.display());
            if whole.1 {
                well.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        well.sort_unstable();
        let expected = "after-close close-with-a-wrong-code empty-message fragments length-in-16-bits \
                        length-in-64-bits packet packet-in-two-messages packets pong";
        assert_eq!(well.join(" "), expected, "these end by a close frame");
    }
}
