//! Handshakes under way, which are bounded in number.

use env::TaskKind;
use ferrite_doors::Why;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::proxies::{HEADER, door_for};
use crate::{env, greet};

#[tokio::test]
async fn one_handshake_too_many_is_refused_and_a_finished_one_makes_room() {
    let env = env();
    let mut door = door_for("127.0.0.1");
    door.limits.handshakes_max = 1;
    let mut listener = ferrite_doors::open(door, &env).await.unwrap();
    let address = listener.local_addr();
    let (tell, mut told) = mpsc::channel(8);
    listener.tell(move |away| tell.try_send(away).unwrap());
    env.tasks.spawn("accept", TaskKind::Vital, listener.serve(greet));

    let mut slow = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    // Whoever was let in would be greeted after this; whoever was not may be gone.
    drop(second.write_all(HEADER).await);
    assert!(second.read_u8().await.is_err());
    let away = told.try_recv().unwrap();
    assert_eq!(away.why, Why::Busy { handshakes_max: 1 });
    assert_eq!((away.reason(), away.last), ("DOOR_BUSY", second.local_addr().unwrap()));

    slow.write_all(HEADER).await.unwrap();
    assert_eq!(slow.read_u8().await.unwrap(), b'!');
    // It stays, and its place among the handshakes is free.
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(HEADER).await.unwrap();
    assert_eq!(third.read_u8().await.unwrap(), b'!');
}
