//! Clients that the gateway lets through: by WebSocket, under the policy of an access key.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use env::TaskKind;
use mqtt::{Connect, Packet, QoS, Version, reason};
use policy::{Dialect, Document};
use service::{
    ByteStream, Knock, MqttDoor as _, Permissions, Principal, PrincipalKind, Refusal, Rights,
    Visitor,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::BOTH;
use crate::client::{Client, connect, will};
use crate::world::{World, knock, policy};

/// A pipe whose end is a loss, as that of TCP under a WebSocket is.
struct Lossy(DuplexStream);

impl AsyncRead for Lossy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let read = Pin::new(&mut self.0).poll_read(cx, room);
        if matches!(read, Poll::Ready(Ok(()))) && room.filled().len() == before {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        read
    }
}

impl AsyncWrite for Lossy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What an access key with this policy allows.
fn permissions(text: &str) -> Arc<Permissions> {
    let document = Document::parse(text, Dialect::Iam).unwrap();
    let policies = vec![("access key".to_owned(), Arc::new(document))];
    Arc::new(Permissions::new(Rights { policies, ..Rights::default() }))
}

fn everything() -> Arc<Permissions> {
    Arc::new(Permissions::new(Rights { is_unlimited: true, ..Rights::default() }))
}

/// Whoever comes through the gateway with these permissions.
async fn dial(
    world: &World,
    version: Version,
    permissions: Arc<Permissions>,
    wrap: impl FnOnce(DuplexStream) -> Box<dyn ByteStream>,
) -> Client {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let principal = Arc::new(Principal {
        tenant: world.server.cx("Connect").await.tenant,
        id: "000000000000/AIDA".to_owned(),
        kind: PrincipalKind::Caller { arn: "arn:aws:iam::000000000000:user/u".to_owned() },
        knock: Knock { door: "https", certificate: None, ..knock() },
    });
    let visitor = Visitor { principal, permissions };
    let serve = Arc::clone(&world.broker).serve(wrap(far), visitor);
    world.server.app().env.tasks.spawn("visitor", TaskKind::Vital, serve);
    Client::new(near, version)
}

fn with_will(version: Version, id: &'static str) -> Connect {
    Connect { will: Some(will("gone", id)), ..connect(version, id) }
}

async fn listener(world: &World) -> Client {
    let mut client = world.connect(Version::V5, "listener").await;
    client.subscribe("#", QoS::AtLeastOnce).await;
    client
}

#[tokio::test]
async fn the_policy_of_the_access_key_binds() {
    let world = World::new().await;
    let may = policy(&[
        ("Allow", "Connect", "client/app"),
        ("Allow", "Publish", "topic/open"),
        ("Allow", "Subscribe", "topicfilter/open"),
    ]);
    let mut app = dial(&world, Version::V5, permissions(&may), |far| Box::new(far)).await;
    app.let_in(connect(Version::V5, "app")).await;
    assert_eq!(app.deliver("open", "on").await, reason::SUCCESS);
    assert_eq!(app.deliver("closed", "on").await, reason::NOT_AUTHORIZED);
    let codes = app.ask_for(&[("open", QoS::AtMostOnce), ("#", QoS::AtMostOnce)]).await;
    assert_eq!(codes, [0, reason::NOT_AUTHORIZED]);
    assert_eq!(app.deliver("open", "on").await, reason::SUCCESS);
    assert_eq!(app.pending().await, [], "Receive is not allowed");

    let mut other = dial(&world, Version::V5, permissions(&may), |far| Box::new(far)).await;
    other.send(Packet::Connect(Box::new(connect(Version::V5, "other")))).await;
    match other.packet().await {
        Packet::Connack(connack) => assert_eq!(connack.code, reason::NOT_AUTHORIZED),
        packet => panic!("CONNACK is expected, not {packet:?}"),
    }
    let refused = world.logged("Connect").pop().unwrap();
    assert_eq!(refused.principal_id.as_deref(), Some("000000000000/AIDA"));
}

#[tokio::test]
async fn the_end_of_the_stream_is_a_goodbye_and_a_loss_is_not() {
    let world = World::new().await;
    for version in BOTH {
        let mut listener = listener(&world).await;
        let mut polite = dial(&world, version, everything(), |far| Box::new(far)).await;
        polite.let_in(with_will(version, "polite")).await;
        drop(polite.stream);
        let mut lost = dial(&world, version, everything(), |far| Box::new(Lossy(far))).await;
        lost.let_in(with_will(version, "lost")).await;
        drop(lost.stream);
        let heard = listener.message().await;
        assert_eq!((&*heard.topic, &*heard.payload), ("gone", &b"lost"[..]));
        assert_eq!(listener.pending().await, []);
        listener.leave().await;
        let reasons = world.reasons("Disconnect");
        assert!(reasons.contains(&("polite".to_owned(), "CLIENT_INITIATED_DISCONNECT")));
        assert!(reasons.contains(&("lost".to_owned(), "CONNECTION_LOST")));
    }
}

#[tokio::test]
async fn a_day_is_as_long_as_it_lasts() {
    let world = World::new().await;
    let mut client = dial(&world, Version::V5, everything(), |far| Box::new(far)).await;
    client.let_in(connect(Version::V5, "app")).await;
    for _ in 0..86 {
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!(client.pending().await, []);
    }
    client.is_cut_off(reason::MAXIMUM_CONNECT_TIME).await;
    let reasons = world.reasons("Disconnect");
    assert_eq!(reasons, [("app".to_owned(), "WEBSOCKET_TTL_EXPIRATION")]);
}

#[tokio::test]
async fn permissions_that_end_end_the_connection() {
    let world = World::new().await;
    let permissions = everything();
    let held = Arc::clone(&permissions);
    let mut client = dial(&world, Version::V5, held, |far| Box::new(far)).await;
    client.let_in(connect(Version::V5, "app")).await;
    let detail = "the access key was deleted".to_owned();
    permissions.end(Refusal { reason: "ACCESS_KEY_DELETED", detail });
    client.is_cut_off(reason::NOT_AUTHORIZED).await;
}
