//! A server that answers as a test tells it, and repeats what it heard.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) struct Peer {
    pub(crate) url: String,
    /// Each request, head and body.
    pub(crate) heard: mpsc::Receiver<String>,
}

impl Peer {
    /// Answers each request with status and body.
    pub(crate) async fn start(answer: impl FnMut(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, heard) = mpsc::channel(100);
        let answer = Arc::new(Mutex::new(answer));
        let tasks = env::Tasks::new();
        tasks.clone().spawn("peer", env::TaskKind::Transient, async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                tasks.spawn("peer's connection", env::TaskKind::Transient, async move {
                    let answer = |request: &str| (answer.lock().unwrap())(request);
                    if let Some(request) = serve(stream, answer).await {
                        drop(sender.send(request).await);
                    }
                });
            }
        });
        Self { url, heard }
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: impl FnOnce(&str) -> (u16, String),
) -> Option<String> {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            break;
        }
    }
    let (status, body) = answer(&request);
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    Some(request)
}
