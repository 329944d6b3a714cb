//! Doors behind a load balancer that says for whom it connects.

use std::net::SocketAddr;
use std::path::Path;

use env::{Env, TaskKind};
use ferrite_doors::{
    Arrival, Door, HandshakeError, Peer, ProxyHeader, ProxyHeaderError, ProxyHeaderRead,
    TurnedAway, Why,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::{door, env};

/// 192.0.2.1:50000 to 10.0.0.1:8883, with one value that is passed over.
pub(crate) const HEADER: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc0\0\x02\x01\x0a\0\0\x01\xc3\x50\x22\xb3\x04\0\x01\0";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// A door for load balancers on `from`.
pub(crate) fn door_for(from: &str) -> Door {
    Door { proxies: vec![from.parse().unwrap()], ..door(10) }
}

/// What a door saw of somebody: who it is and what was said first, or why it was refused.
type Seen = Result<(Peer, [u8; 4]), HandshakeError>;

/// Opens `door` and gives its address, those who came, and those who were turned away.
async fn serve(
    door: Door,
    env: &Env,
) -> (SocketAddr, mpsc::Receiver<Seen>, mpsc::Receiver<TurnedAway>) {
    let mut listener = ferrite_doors::open(door, env).await.unwrap();
    let address = listener.local_addr();
    let (saw, seen) = mpsc::channel(8);
    let (tell, told) = mpsc::channel(8);
    listener.tell(move |away| tell.try_send(away).unwrap());
    let serving = listener.serve(move |arrival: Arrival| {
        let saw = saw.clone();
        async move {
            let seen = match arrival.plain().await {
                Ok((mut stream, peer)) => {
                    let mut first = [0; 4];
                    stream.read_exact(&mut first).await.unwrap();
                    Ok((peer, first))
                }
                Err(unready) => Err(unready.error),
            };
            saw.send(seen).await.unwrap();
        }
    });
    env.tasks.spawn("accept", TaskKind::Vital, serving);
    (address, seen, told)
}

/// What the door says of a load balancer that sends `parts`, one after the other, and leaves.
async fn after(handshake_s: u64, parts: &[&[u8]]) -> Seen {
    let env = env();
    let mut door = door_for("127.0.0.0/8");
    door.limits.handshake_s = handshake_s;
    let (address, mut seen, _) = serve(door, &env).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for part in parts {
        stream.write_all(part).await.unwrap();
        tokio::task::yield_now().await;
    }
    if handshake_s > 1 {
        stream.shutdown().await.unwrap();
    }
    seen.recv().await.unwrap()
}

#[tokio::test]
async fn a_client_is_who_the_load_balancer_says() {
    let peer = Peer {
        address: "192.0.2.1:50000".parse().unwrap(),
        local: Some("10.0.0.1:8883".parse().unwrap()),
    };
    let (start, end) = HEADER.split_at(9);
    for parts in [&[HEADER, b"ping"][..], &[start, end, b"ping"], &[&[HEADER, b"ping"].concat()]] {
        assert_eq!(after(60, parts).await.unwrap(), (peer, *b"ping"));
    }
}

#[tokio::test]
async fn a_load_balancer_may_come_for_itself() {
    let (peer, first) = after(60, &[LOCAL, b"ping"]).await.unwrap();
    assert!(peer.address.ip().is_loopback() && peer.local.is_some(), "{peer:?}");
    assert_eq!(&first, b"ping");
}

#[tokio::test]
async fn whoever_says_not_for_whom_is_refused() {
    let refused = async |parts: &[&[u8]]| match after(60, parts).await.unwrap_err() {
        HandshakeError::ProxyHeader(error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&[b"\x16\x03\x01"]).await, ProxyHeaderError::Missing);
    assert_eq!(refused(&[b"PROXY TCP4 "]).await, ProxyHeaderError::Version1);
    assert_eq!(refused(&[&HEADER[..20]]).await, ProxyHeaderError::Closed);
    let silent = after(60, &[]).await.unwrap_err();
    assert!(matches!(silent, HandshakeError::ClosedSilently), "{silent:?}");
    let HandshakeError::ProxyHeader(late) = after(1, &[&HEADER[..20]]).await.unwrap_err() else {
        panic!("not the header's fault")
    };
    assert_eq!(late, ProxyHeaderError::Late { limit_s: 1 });
}

#[tokio::test]
async fn strangers_are_turned_away_and_counted() {
    let env = env();
    let (address, _, mut told) = serve(door_for("192.0.2.0/24"), &env).await;
    let mut last = address;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        last = stream.local_addr().unwrap();
        // Whoever was let in would be heard out with this; whoever was not may be gone.
        drop(stream.write_all(b"ping").await);
        assert!(stream.read_u8().await.is_err());
        env.clock.advance(std::time::Duration::from_secs(6));
    }
    let first = told.try_recv().unwrap();
    assert_eq!((first.why, first.times), (Why::Stranger, 1));
    let rest = told.try_recv().unwrap();
    assert_eq!(rest, TurnedAway { door: "http", why: Why::Stranger, last, times: 2 });
    assert!(rest.to_string().contains("`listen.proxy_from`"), "{rest}");
}

#[test]
fn the_fuzzers_corpus_is_read_to_an_end() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/proxy_v2");
    let (mut whole, mut refused) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        match ProxyHeader::read(&std::fs::read(entry.unwrap().path()).unwrap()) {
            Ok(ProxyHeaderRead::Whole { .. }) => whole += 1,
            Ok(ProxyHeaderRead::Part { .. }) => {}
            Err(_) => refused += 1,
        }
    }
    assert!(whole >= 4 && refused >= 4, "{whole} whole, {refused} refused");
}
