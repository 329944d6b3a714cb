//! Servers that do as a test says.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use env::{Env, TaskKind};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

/// One connection, as the server has it.
pub(crate) struct Peer(Box<dyn Stream>);

/// A request as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Server {
    /// Treats each connection as `script` says; it is told the connection's number, from 0.
    pub(crate) async fn start<F>(
        env: &Env,
        script: impl Fn(usize, Peer) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen(env, "127.0.0.1:0", None, script).await
    }

    /// As [`Server::start`], over TLS. A connection whose handshake fails is not told of.
    pub(crate) async fn start_tls<F>(
        env: &Env,
        acceptor: TlsAcceptor,
        script: impl Fn(usize, Peer) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen(env, "127.0.0.1:0", Some(acceptor), script).await
    }

    pub(crate) async fn listen<F>(
        env: &Env,
        address: &str,
        acceptor: Option<TlsAcceptor>,
        script: impl Fn(usize, Peer) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (tasks, count) = (env.tasks.clone(), Arc::clone(&accepted));
        env.tasks.spawn("server", TaskKind::Transient, async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                let peer = match &acceptor {
                    None => Peer(Box::new(stream)),
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => Peer(Box::new(stream)),
                        Err(_) => continue,
                    },
                };
                tasks.spawn("server's connection", TaskKind::Transient, script(number, peer));
            }
        });
        Self { address, accepted }
    }

    /// A server that answers every request with `answer`.
    pub(crate) async fn answering(env: &Env, answer: &'static str) -> Self {
        Self::start(env, move |_, mut peer| async move {
            while peer.request().await.is_some() {
                peer.say(answer).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Peer {
    /// The next request, unless the connection ended.
    pub(crate) async fn request(&mut self) -> Option<Received> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.ok()?;
        Some(Received { head, body: String::from_utf8(body).unwrap() })
    }

    /// Sends `text`; the other side may be gone.
    pub(crate) async fn say(&mut self, text: &str) {
        drop(self.0.write_all(text.as_bytes()).await);
        drop(self.0.flush().await);
    }

    /// Sends `text` until the other side is gone, and says so.
    pub(crate) async fn say_forever(&mut self, text: &str) {
        while self.0.write_all(text.as_bytes()).await.is_ok() {}
    }

    /// Waits until the other side is gone.
    pub(crate) async fn gone(&mut self) {
        let mut rest = Vec::new();
        drop(self.0.read_to_end(&mut rest).await);
    }
}
