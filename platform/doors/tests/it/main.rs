//! Doors over loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod few_files;
mod handshakes;
mod proxies;
mod tls;
mod workers;

use std::net::SocketAddr;

use env::{Env, TaskKind};
use ferrite_doors::{Arrival, Door, DoorError, DoorLimits, Listener, Peer};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use types::Timestamp;

/// Files that a process has open besides the connections under test.
const OTHER_FILES: u64 = 200;
const TEN_THOUSAND: usize = 10_000;
/// Longer than closing connections ever takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn env() -> Env {
    Env::simulated(Timestamp::from_secs(1_767_323_045), 1)
}

fn door(connections_max: usize) -> Door {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let limits = DoorLimits { connections_max, handshakes_max: connections_max, handshake_s: 60 };
    Door { name: "http", address, limits, proxies: Vec::new() }
}

/// Greets, then waits for the other end to close.
async fn greet(arrival: Arrival) {
    let (mut stream, _) = arrival.plain().await.unwrap();
    if stream.write_all(b"!").await.is_ok() {
        stream.read_u8().await.unwrap_err();
    }
}

fn serve(listener: Listener, env: &Env) -> SocketAddr {
    let address = listener.local_addr();
    env.tasks.spawn("accept", TaskKind::Vital, listener.serve(greet));
    address
}

/// A connection that was let in, or nothing if it was closed at once.
async fn knock(address: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.read_u8().await.is_ok().then_some(stream)
}

/// Knocks until there is room again: a closed connection leaves its place a moment later.
async fn knock_until_admitted(address: SocketAddr) -> TcpStream {
    loop {
        if let Some(stream) = knock(address).await {
            return stream;
        }
    }
}

#[test]
fn a_full_door_refuses_counts_and_recovers() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let render = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let env = env();
            let address = serve(ferrite_doors::open(door(2), &env).await.unwrap(), &env);
            let first = knock(address).await.unwrap();
            let second = knock(address).await.unwrap();
            assert!(knock(address).await.is_none());
            let text = render.render();
            assert!(text.contains("ferrite_door_connections{door=\"http\"} 2"), "{text}");
            assert!(
                text.contains("ferrite_door_refused_total{door=\"http\",reason=\"DOOR_FULL\"} 1"),
                "{text}"
            );
            drop(first);
            let third = knock_until_admitted(address).await;
            drop((second, third));
            env.tasks.begin_shutdown("asked");
            assert!(env.tasks.finished(PATIENCE).await.is_empty());
            let text = render.render();
            assert!(text.contains("ferrite_door_connections{door=\"http\"} 0"), "{text}");
        });
    });
}

#[tokio::test]
async fn shutdown_closes_the_port_and_leaves_connections_to_finish() {
    let env = env();
    let address = serve(ferrite_doors::open(door(10), &env).await.unwrap(), &env);
    let mut inside = knock(address).await.unwrap();
    env.tasks.begin_shutdown("asked");
    while env.tasks.running().contains_key("accept") {
        tokio::task::yield_now().await;
    }
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(env.tasks.running().get("http"), Some(&1));
    inside.shutdown().await.unwrap();
    assert!(env.tasks.finished(PATIENCE).await.is_empty());
}

#[tokio::test]
async fn a_handler_learns_who_is_there() {
    let env = env();
    let listener = ferrite_doors::open(door(10), &env).await.unwrap();
    let address = listener.local_addr();
    let (seen, mut peers) = mpsc::channel(1);
    let serving = listener.serve(move |arrival| {
        let seen = seen.clone();
        async move {
            let (stream, peer) = arrival.plain().await.unwrap();
            seen.send((stream.nodelay().unwrap(), peer)).await.unwrap();
        }
    });
    env.tasks.spawn("accept", TaskKind::Vital, serving);
    let stream = TcpStream::connect(address).await.unwrap();
    let peer = Peer { address: stream.local_addr().unwrap(), local: Some(address) };
    assert_eq!(peers.recv().await, Some((true, peer)));
}

#[tokio::test]
async fn a_taken_port_is_explained() {
    let env = env();
    let first = ferrite_doors::open(door(10), &env).await.unwrap();
    let again = Door { address: first.local_addr(), ..door(10) };
    let Err(error) = ferrite_doors::open(again, &env).await else { panic!("opened twice") };
    let text = error.to_string();
    assert!(text.contains("in use") && text.contains("`listen.http`"), "{text}");
    if cfg!(target_os = "linux") {
        assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
    }
}

#[tokio::test]
async fn an_address_of_another_machine_is_explained() {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let away = Door { address: SocketAddr::from(([192, 0, 2, 1], 0)), ..door(10) };
    let opened = ferrite_doors::open(away, &env()).await;
    assert!(matches!(opened, Err(DoorError::ForeignAddress { door: "http", .. })));
}

#[tokio::test]
async fn ten_thousand_idle_connections_fit() {
    let files = ferrite_doors::raise_file_descriptor_limit().now;
    // Both ends are in this process.
    let room = usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX);
    let count = room.min(TEN_THOUSAND);
    if count < TEN_THOUSAND {
        println!("{count} connections, because this process may have only {files} files open");
    }
    let env = env();
    let address = serve(ferrite_doors::open(door(count), &env).await.unwrap(), &env);
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        idle.push(knock(address).await.unwrap());
    }
    assert_eq!(env.tasks.running().get("http"), Some(&count));
    assert!(knock(address).await.is_none());
    drop(idle.pop());
    idle.push(knock_until_admitted(address).await);
    drop(idle);
    env.tasks.begin_shutdown("asked");
    assert!(env.tasks.finished(PATIENCE).await.is_empty());
}
