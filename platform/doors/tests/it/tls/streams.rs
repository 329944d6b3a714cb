//! What is said after the handshake, in all the pieces in which it may come and go.

use std::future::poll_fn;
use std::io::{ErrorKind, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use ferrite_doors::{ClientCertificate, Deadline, SecureStream};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::unconstrained;
use tokio_rustls::client::TlsStream;

use super::openssl::{Openssl, P256};
use super::post_handshake::HandshakeFragments;
use super::rustls_client::{Shown, config, connect};
use super::{HANDSHAKE_S, tls};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
/// What a record takes at most on the wire.
const RECORD_BYTES_MAX: usize = 5 + 16 * 1024 + 2048;
const MIB: usize = 1024 * 1024;

/// Both ends of a connection after its handshake.
pub(crate) async fn ends(config: ClientConfig) -> (Box<SecureStream>, TlsStream<TcpStream>) {
    let (server, client) = meet(|address| connect(address, config)).await;
    (server, client.unwrap())
}

async fn meet<F: Future>(
    client: impl FnOnce(std::net::SocketAddr) -> F,
) -> (Box<SecureStream>, F::Output) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (socket, _) = listener.accept().await.unwrap();
        let deadline = Deadline::within(HANDSHAKE_S);
        tls().accept(socket, ClientCertificate::Wanted, deadline).await.unwrap().stream
    };
    tokio::join!(server, client(address))
}

/// The records in which `client` says `parts`.
fn records(client: &mut ClientConnection, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        client.writer().write_all(part).unwrap();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
    }
    bytes
}

/// Reads until something came of which the rest is missing.
pub(crate) async fn read_in_vain(server: &mut SecureStream) {
    let mut room = [0; 64];
    poll_fn(|cx| {
        let read = Pin::new(&mut *server).poll_read(cx, &mut ReadBuf::new(&mut room));
        assert!(read.is_pending(), "{read:?}");
        if server.bytes_held() > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// What one read gives.
async fn read_once(server: &mut SecureStream, bytes_max: usize) -> Vec<u8> {
    let mut room = vec![0; bytes_max];
    let count = server.read(&mut room).await.unwrap();
    room.truncate(count);
    room
}

/// Bytes without a period that could hide a mistake.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn tls_error(error: &std::io::Error) -> Option<&Error> {
    error.get_ref().and_then(|cause| cause.downcast_ref())
}

#[tokio::test]
async fn after_an_exchange_nothing_is_held() {
    for version in VERSIONS {
        let (mut server, mut client) = ends(config(version, None)).await;
        assert_eq!(server.bytes_held(), 0);
        for said in [&b"ping"[..], &noise(100_000)] {
            let mut heard = vec![0; said.len()];
            let heard = async {
                server.read_exact(&mut heard).await.unwrap();
                server.write_all(&heard).await.unwrap();
                server.flush().await.unwrap();
            };
            let mut back = vec![0; said.len()];
            let talk = async {
                client.write_all(said).await.unwrap();
                client.read_exact(&mut back).await.unwrap();
            };
            tokio::join!(heard, talk);
            assert_eq!((back == said, server.bytes_held()), (true, 0));
        }
    }
}

#[tokio::test]
async fn a_record_that_comes_in_two_halves_is_read_when_it_is_whole() {
    for version in VERSIONS {
        let (mut server, client) = ends(config(version, None)).await;
        let (mut socket, mut client) = client.into_inner();
        for half in [1, 4, 5, 6, 20, 27] {
            let record = records(&mut client, &[b"whole!"]);
            let (first, second) = record.split_at(half);
            socket.write_all(first).await.unwrap();
            read_in_vain(&mut server).await;
            socket.write_all(second).await.unwrap();
            assert_eq!(read_once(&mut server, 64).await, b"whole!");
            assert_eq!(server.bytes_held(), 0);
        }
    }
}

#[tokio::test]
async fn one_read_gives_as_many_records_as_came() {
    for version in VERSIONS {
        let (mut server, client) = ends(config(version, None)).await;
        let (mut socket, mut client) = client.into_inner();
        let three = records(&mut client, &[b"one ", b"two ", b"three"]);
        socket.write_all(&three).await.unwrap();
        assert_eq!(read_once(&mut server, 64).await, b"one two three");
        let two = records(&mut client, &[b"four ", b"five"]);
        socket.write_all(&two).await.unwrap();
        assert_eq!(read_once(&mut server, 7).await, b"four fi");
        assert_eq!(read_once(&mut server, 7).await, b"ve");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_read_later_and_does_not_stop_writing() {
    for version in VERSIONS {
        let (mut server, mut client) = ends(config(version, None)).await;
        let said = noise(16 * 1024);
        client.write_all(&said).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < said.len() {
            assert!(server.bytes_held() <= RECORD_BYTES_MAX);
            heard.extend(read_once(&mut server, 1000).await);
            server.write_all(b"!").await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'!');
        }
        assert!(heard == said);
        assert_eq!(server.bytes_held(), 0);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_server_wait_with_four_records() {
    for version in VERSIONS {
        let (mut server, mut client) = ends(config(version, None)).await;
        let said = noise(100_000);
        let mut written = 0;
        // Unconstrained: it is the socket that makes it wait.
        unconstrained(poll_fn(|cx| {
            while let Poll::Ready(more) = Pin::new(&mut server).poll_write(cx, &said) {
                written += more.unwrap();
                assert!(server.bytes_held() <= 4 * RECORD_BYTES_MAX);
            }
            Poll::Ready(())
        }))
        .await;
        assert!(server.bytes_held() > 0);
        let flush = async {
            server.flush().await.unwrap();
            assert_eq!(server.bytes_held(), 0);
        };
        let mut heard = vec![0; written];
        let (_, read) = tokio::join!(flush, client.read_exact(&mut heard));
        assert_eq!(read.unwrap(), written);
        assert!(heard.chunks(said.len()).next() == Some(&said[..]));
    }
}

#[tokio::test]
async fn a_mebibyte_goes_both_ways_at_once() {
    for version in VERSIONS {
        let (server, client) = ends(config(version, None)).await;
        let said = noise(MIB);
        let exchange = async |end: Pin<&mut dyn Both>| {
            let (mut from, mut to) = split(end);
            let mut heard = vec![0; MIB];
            let send = async {
                to.write_all(&said).await.unwrap();
                to.flush().await.unwrap();
            };
            let (read, ()) = tokio::join!(from.read_exact(&mut heard), send);
            read.unwrap();
            heard
        };
        let (mut server, client) = (pin!(server), pin!(client));
        let (heard, heard_by_client) = tokio::join!(exchange(server.as_mut()), exchange(client));
        assert!(heard == said && heard_by_client == said);
        assert_eq!(server.bytes_held(), 0);
    }
}

/// Either end.
trait Both: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> Both for T {}

#[tokio::test]
async fn a_farewell_is_the_end_of_what_the_client_says() {
    for version in VERSIONS {
        let (mut server, client) = ends(config(version, None)).await;
        let (mut socket, mut client) = client.into_inner();
        let mut bytes = records(&mut client, &[b"last words"]);
        client.send_close_notify();
        client.write_tls(&mut bytes).unwrap();
        // Nothing may be said after it; it is not listened to.
        bytes.extend([0x17, 3, 3, 0, 1, 0]);
        socket.write_all(&bytes).await.unwrap();
        assert_eq!(read_once(&mut server, 64).await, b"last words");
        assert_eq!(read_once(&mut server, 64).await, b"");
        assert_eq!(read_once(&mut server, 64).await, b"");
        assert_eq!(server.bytes_held(), 0);
        server.write_all(b"and mine").await.unwrap();
        server.shutdown().await.unwrap();
        let mut client = received(socket, client).await.unwrap();
        let mut heard = String::new();
        std::io::Read::read_to_string(&mut client.reader(), &mut heard).unwrap();
        assert_eq!(heard, "and mine");
    }
}

/// Reads all that comes on `socket` and gives what `client` makes of it.
async fn received(
    mut socket: TcpStream,
    mut client: ClientConnection,
) -> Result<ClientConnection, Error> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.unwrap();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        client.read_tls(&mut rest).unwrap();
        client.process_new_packets()?;
    }
    Ok(client)
}

#[tokio::test]
async fn an_end_without_a_farewell_is_an_error() {
    for version in VERSIONS {
        let (mut server, client) = ends(config(version, None)).await;
        let (mut socket, mut client) = client.into_inner();
        let mut bytes = records(&mut client, &[b"all", b"some"]);
        bytes.pop();
        socket.write_all(&bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        assert_eq!(read_once(&mut server, 64).await, b"all");
        for _ in 0..2 {
            let error = server.read(&mut [0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }
}

#[tokio::test]
async fn a_changed_record_is_an_error_of_which_the_client_is_told() {
    for version in VERSIONS {
        let (mut server, client) = ends(config(version, None)).await;
        let (mut socket, mut client) = client.into_inner();
        let mut bytes = records(&mut client, &[b"good", b"bad"]);
        *bytes.last_mut().unwrap() ^= 1;
        socket.write_all(&bytes).await.unwrap();
        assert_eq!(read_once(&mut server, 64).await, b"good");
        for _ in 0..2 {
            let error = server.read(&mut [0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert_eq!(tls_error(&error), Some(&Error::DecryptError));
        }
        let error = server.write(b"no more").await.unwrap_err();
        assert_eq!(tls_error(&error), Some(&Error::DecryptError));
        assert_eq!(server.bytes_held(), 0);
        server.shutdown().await.unwrap();
        let told = received(socket, client).await.unwrap_err();
        assert_eq!(told, Error::AlertReceived(AlertDescription::BadRecordMac));
    }
}

#[tokio::test]
async fn a_record_with_any_byte_changed_is_never_read_as_another() {
    for version in VERSIONS {
        for at in 0..28 {
            let (mut server, client) = ends(config(version, None)).await;
            let (mut socket, mut client) = client.into_inner();
            let mut bytes = records(&mut client, &[b"as is!"]);
            bytes[at] ^= 0xa5;
            socket.write_all(&bytes).await.unwrap();
            socket.shutdown().await.unwrap();
            let mut heard = [0; 64];
            match server.read(&mut heard).await {
                // Nobody looks at the lower half of a record's version.
                Ok(count) => assert_eq!((at, &heard[..count]), (2, &b"as is!"[..])),
                Err(error) => {
                    let kinds = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
                    assert!(kinds.contains(&error.kind()), "{at}: {error:?}");
                }
            }
            assert!(server.bytes_held() <= RECORD_BYTES_MAX);
        }
    }
}

#[tokio::test]
async fn after_its_own_farewell_the_server_says_nothing() {
    let (mut server, mut client) = ends(config(&TLS13, None)).await;
    server.shutdown().await.unwrap();
    assert_eq!(server.write(b"one more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty());
    client.write_all(b"but I").await.unwrap();
    assert_eq!(read_once(&mut server, 64).await, b"but I");
}

#[tokio::test]
async fn keys_are_changed_in_the_middle() {
    let (mut server, mut client) = ends(config(&TLS13, None)).await;
    for said in [b"first", b"then ", b"last "] {
        client.write_all(said).await.unwrap();
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(said).await.unwrap();
        let mut heard = [0; 10];
        server.read_exact(&mut heard).await.unwrap();
        server.write_all(&heard).await.unwrap();
        let mut back = [0; 10];
        client.read_exact(&mut back).await.unwrap();
        assert_eq!(back[..], [&said[..], said].concat());
        assert_eq!(server.bytes_held(), 0);
    }
}

#[tokio::test]
async fn half_a_handshake_message_does_not_stop_writing() {
    let (mut server, socket, mut fragments) = HandshakeFragments::begin().await;
    let mut socket = socket;
    // A KeyUpdate that asks for none.
    socket.write_all(&fragments.seal(&[24, 0])).await.unwrap();
    read_in_vain(&mut server).await;
    server.write_all(b"meanwhile").await.unwrap();
    socket.write_all(&fragments.seal(&[0, 1, 0])).await.unwrap();
    socket.shutdown().await.unwrap();
    let error = server.read(&mut [0; 64]).await.unwrap_err();
    assert_eq!((error.kind(), server.bytes_held()), (ErrorKind::UnexpectedEof, 0));
}

#[tokio::test]
async fn an_endless_handshake_message_is_cut_off() {
    // What encryption adds to a fragment of one byte is held with it.
    for (length, count) in [(16 * 1024, 8), (1, 4000)] {
        let (mut server, mut socket, mut fragments) = HandshakeFragments::begin().await;
        let mut bytes = fragments.seal(&[24, 0, 0xff, 0xff]);
        for _ in 0..count {
            bytes.extend(fragments.seal(&vec![0; length]));
        }
        let mut room = [0; 64];
        let read = poll_fn(|cx| {
            let read = Pin::new(&mut server).poll_read(cx, &mut ReadBuf::new(&mut room));
            assert!(server.bytes_held() < 70 * 1024);
            read
        });
        // The server may have heard enough before all is sent.
        let (read, _) = tokio::join!(read, socket.write_all(&bytes));
        read.unwrap_err();
    }
}

#[tokio::test]
async fn a_handshake_in_the_smallest_pieces_succeeds() {
    for version in VERSIONS {
        let openssl = Openssl::client_with(P256);
        let shown = Shown::new(openssl.certificate(), &openssl);
        let mut config = config(version, Some(shown));
        config.max_fragment_size = Some(32);
        // The client stays: with its ticket unread, its end would be a reset.
        let (mut server, _socket) = meet(async |address| {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
            client.writer().write_all(b"hello").unwrap();
            while client.is_handshaking() || client.wants_write() {
                step(&mut socket, &mut client).await;
            }
            socket
        })
        .await;
        assert_eq!(read_once(&mut server, 64).await, b"hello");
        assert_eq!(server.bytes_held(), 0);
    }
}

/// Says what `client` has to say, byte by byte, and hears an answer if it needs one.
async fn step(socket: &mut TcpStream, client: &mut ClientConnection) {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    for byte in bytes {
        socket.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    if client.is_handshaking() {
        let mut heard = vec![0; 4096];
        let count = socket.read(&mut heard).await.unwrap();
        assert!(count > 0);
        let mut rest = &heard[..count];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
}
