//! Reads any bytes as what a client sends over a WebSocket, whole and byte by byte.
#![no_main]

#[path = "../../api/gateway/src/frames.rs"]
mod frames;

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use frames::Frames;

const MESSAGE_BYTES_MAX: usize = 4096;

/// A client that sends `bytes` in chunks of `chunk`, and takes whatever it is sent.
struct Client<'a> {
    bytes: &'a [u8],
    chunk: usize,
}

impl AsyncRead for Client<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (chunk, rest) =
            self.bytes.split_at(self.chunk.min(self.bytes.len()).min(room.remaining()));
        room.put_slice(chunk);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What the broker reads of it, and whether it ends well. Nothing is ever waited for.
fn read(bytes: &[u8], chunk: usize) -> (Vec<u8>, bool) {
    let reading = async {
        let mut frames = Frames::new(Client { bytes, chunk }, MESSAGE_BYTES_MAX).await;
        let mut found = Vec::new();
        let result = frames.read_to_end(&mut found).await;
        (found, result.is_ok())
    };
    match pin!(reading).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => panic!("all bytes are there"),
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, usize::MAX);
    assert_eq!(whole, read(bytes, 1));
    assert!(whole.0.len() <= bytes.len());
});
