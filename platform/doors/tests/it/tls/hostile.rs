//! Bytes that are not TLS, or stop being it.

use std::net::SocketAddr;

use ferrite_doors::{ClientCertificate, HandshakeError, PlainText};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rustls_client::{client_hello, config};
use super::{meet, meet_within, tls};

/// How much an endless client sends at most: more than a server may keep.
const ENDLESS_BYTES: usize = 64 * 1024 * 1024;

/// Sends `bytes`, closes its half and gives what came back.
async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    // The server may have closed before it had everything.
    if stream.write_all(bytes).await.is_ok() && stream.shutdown().await.is_ok() {
        drop(stream.read_to_end(&mut answer).await);
    }
    answer
}

async fn refused(bytes: &[u8]) -> (HandshakeError, Vec<u8>) {
    let ask = ClientCertificate::Wanted;
    let (seen, answer) = meet(&tls(), ask, |address| send(address, bytes)).await;
    (seen.unwrap_err(), answer)
}

/// A handshake record around `body`.
fn record(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x16, 3, 1], &length[..], body].concat()
}

#[tokio::test]
async fn mqtt_without_tls_is_recognized() {
    let (error, answer) = refused(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04pump").await;
    assert!(matches!(error, HandshakeError::PlainText(PlainText::Mqtt)), "{error:?}");
    assert!(error.to_string().contains("MQTT CONNECT without TLS"), "{error}");
    assert!(answer.is_empty());
}

#[tokio::test]
async fn http_without_tls_is_answered() {
    let body = "x".repeat(32 * 1024);
    let request =
        format!("POST /topics/a HTTP/1.1\r\nHost: a\r\nContent-Length: 32768\r\n\r\n{body}");
    let (error, answer) = refused(request.as_bytes()).await;
    let expected = PlainText::Http { method: "POST".to_owned() };
    assert!(matches!(&error, HandshakeError::PlainText(found) if *found == expected), "{error:?}");
    let answer = String::from_utf8(answer).unwrap();
    let (head, sentence) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", sentence.len())), "{head}");
    assert!(sentence.contains("https://"), "{sentence}");
}

#[tokio::test]
async fn an_answered_client_is_heard_out() {
    let talk = async |address: SocketAddr| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[b'A'; 16 * 1024]).await.unwrap();
        // Would fail if the server closed with any of these unread.
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        stream.write_all(b"still here").await.unwrap();
        answer
    };
    let (seen, answer) = meet(&tls(), ClientCertificate::Wanted, talk).await;
    assert_eq!(seen.unwrap_err().reason(), "TLS_PLAIN_TEXT");
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
}

#[tokio::test]
async fn other_bytes_are_shown() {
    let (error, _) = refused(&[0x80, 0x2e, 1, 0, 2]).await;
    assert!(error.to_string().contains("first byte 0x80"), "{error}");
    assert_eq!(error.reason(), "TLS_PLAIN_TEXT");
}

#[tokio::test]
async fn a_connection_without_a_byte_is_told_from_a_broken_one() {
    let (error, _) = refused(b"").await;
    assert!(matches!(error, HandshakeError::ClosedSilently), "{error:?}");
}

#[tokio::test]
async fn a_hello_that_ends_anywhere_is_closed_early() {
    let hello = client_hello(config(&TLS13, None));
    for length in (1..hello.len()).step_by(7).chain([1, 4, 5, 6, hello.len() - 1, hello.len()]) {
        let (error, _) = refused(&hello[..length]).await;
        assert!(matches!(error, HandshakeError::ClosedEarly), "{length}: {error:?}");
    }
}

#[tokio::test]
async fn a_hello_with_any_byte_changed_ends_cleanly() {
    for version in [&TLS12, &TLS13] {
        let hello = client_hello(config(version, None));
        for at in 0..hello.len() {
            let mut changed = hello.clone();
            changed[at] ^= 0xa5;
            let (error, _) = refused(&changed).await;
            assert!(!matches!(error, HandshakeError::Internal(_)), "{at}: {error:?}");
        }
    }
}

#[tokio::test]
async fn records_that_are_not_a_hello_break_the_rules() {
    let finished = record(&[20, 0, 0, 2, 1, 2]);
    let zeroes = record(&[0; 64]);
    let huge = record(&[1, 0xff, 0xff, 0xff, 3, 3]);
    let long_record = [0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 9];
    let application_data = [0x17, 3, 3, 0, 2, 1, 2];
    let alert = [0x15, 3, 3, 0, 2, 9, 9];
    for bytes in [&finished[..], &zeroes, &huge, &long_record, &application_data, &alert] {
        let (error, _) = refused(bytes).await;
        let reason = error.reason();
        assert!(matches!(reason, "TLS_MALFORMED" | "TLS_CLOSED_EARLY"), "{bytes:?} {error:?}");
    }
}

#[tokio::test]
async fn an_endless_hello_is_cut_off() {
    // A handshake message of 16 MB, in whole records.
    let mut first = vec![1, 0xff, 0xff, 0xff];
    first.resize(16 * 1024, 0);
    let next = record(&[0; 16 * 1024]);
    let endless = async |address: SocketAddr| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut sent = 0;
        let mut bytes = record(&first);
        while sent < ENDLESS_BYTES && stream.write_all(&bytes).await.is_ok() {
            sent += bytes.len();
            bytes.clone_from(&next);
        }
        sent
    };
    let (seen, sent) = meet(&tls(), ClientCertificate::Wanted, endless).await;
    assert!(matches!(seen, Err(HandshakeError::Malformed(_))), "{seen:?}");
    assert!(sent < ENDLESS_BYTES);
}

#[tokio::test]
async fn a_client_that_stalls_is_let_go() {
    let tls = tls();
    let hello = client_hello(config(&TLS13, None));
    for (bytes, came) in [(&[][..], false), (&hello[..9], false), (&hello[..], true)] {
        let stall = async |address: SocketAddr| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            // Until the server has had enough.
            stream.read_to_end(&mut Vec::new()).await
        };
        let (seen, _) = meet_within(1, &tls, ClientCertificate::Wanted, stall).await;
        let error = seen.unwrap_err();
        let HandshakeError::Timeout { handshake_s: 1, hello_came } = error else {
            panic!("{error:?}")
        };
        assert_eq!(hello_came, came);
    }
}

#[tokio::test]
async fn a_reset_is_no_fault_of_this_server() {
    let hello = client_hello(config(&TLS13, None));
    let reset = async |address: SocketAddr| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        stream.readable().await.unwrap();
        stream.set_zero_linger().unwrap();
    };
    let (seen, ()) = meet(&tls(), ClientCertificate::Wanted, reset).await;
    assert!(matches!(seen, Err(HandshakeError::Broken(_))), "{seen:?}");
}
