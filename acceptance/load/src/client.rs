//! Connections that each send one request at a time, as SDKs do.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::report::Report;

/// The largest response that is read.
const RESPONSE_BYTES_MAX: usize = 1024 * 1024;

struct Shared {
    address: String,
    requests: Vec<Rc<[u8]>>,
    next: Cell<usize>,
    latencies: RefCell<Vec<Duration>>,
    statuses: RefCell<BTreeMap<u16, u64>>,
    deadline: Instant,
}

/// Sends `requests` over `clients` connections until all are answered or `limit` is over.
pub(crate) async fn measure(
    address: &str,
    requests: Vec<Rc<[u8]>>,
    clients: usize,
    limit: Duration,
) -> anyhow::Result<Report> {
    let start = now();
    let shared = Rc::new(Shared {
        address: address.to_owned(),
        latencies: RefCell::new(Vec::with_capacity(requests.len())),
        requests,
        next: Cell::new(0),
        statuses: RefCell::default(),
        deadline: start + limit,
    });
    let set = LocalSet::new();
    let work: Vec<_> =
        (0..clients).map(|_| set.spawn_local(connection(Rc::clone(&shared)))).collect();
    set.await;
    for ended in work {
        ended.await??;
    }
    let elapsed = now() - start;
    Ok(Report::new(shared.latencies.take(), shared.statuses.take(), elapsed))
}

#[allow(clippy::disallowed_methods, reason = "a measurement reads the machine's own clock")]
fn now() -> Instant {
    Instant::now()
}

async fn connection(shared: Rc<Shared>) -> anyhow::Result<()> {
    let connect = async || {
        let stream = TcpStream::connect(&shared.address).await;
        let stream = stream.with_context(|| format!("nothing listens on {}", shared.address))?;
        stream.set_nodelay(true)?;
        anyhow::Ok(stream)
    };
    let mut stream = connect().await?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let next = shared.next.get();
        let Some(request) = shared.requests.get(next) else { return Ok(()) };
        shared.next.set(next + 1);
        let start = now();
        if start >= shared.deadline {
            return Ok(());
        }
        stream.write_all(request).await?;
        let response = read_response(&mut stream, &mut buffer).await?;
        shared.latencies.borrow_mut().push(now() - start);
        *shared.statuses.borrow_mut().entry(response.status).or_default() += 1;
        if response.closes {
            stream = connect().await?;
        }
    }
}

struct Response {
    status: u16,
    closes: bool,
}

async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<Response> {
    buffer.clear();
    let (mut head, mut whole) = (None, usize::MAX);
    while buffer.len() < whole {
        if buffer.len() > RESPONSE_BYTES_MAX {
            bail!("a response is longer than {RESPONSE_BYTES_MAX} bytes");
        }
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection before its response was complete");
        }
        if head.is_none()
            && let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n")
        {
            let text =
                String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).to_lowercase();
            let length = header(&text, "content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
            whole = end + 4 + length;
            let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
            let closes = header(&text, "connection") == Some("close")
                || (text.starts_with("http/1.0") && header(&text, "connection").is_none());
            head = Some(Response { status, closes });
        }
    }
    head.context("a response has a head")
}

fn header<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(n, _)| *n == name).map(|(_, value)| value.trim())
}
