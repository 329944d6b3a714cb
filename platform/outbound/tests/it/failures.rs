//! Servers that are slow, that break off, that say nonsense, that never end.

use std::time::Duration;

use env::Env;
use ferrite_outbound::{Error, Phase, Request};

use crate::server::{Peer, Server};
use crate::{client, post};

/// How a request ends on a server that does `script`; it leaves no connection behind.
async fn fails<F>(script: impl Fn(Peer) -> F + Send + 'static) -> Error
where
    F: Future<Output = ()> + Send + 'static,
{
    let (env, server_env) = (Env::system(), Env::system());
    let server = Server::start(&server_env, move |_, peer| script(peer)).await;
    let client = client(&env, |settings| settings.response_bytes_max = 1000);
    let timeout = Some(Duration::from_millis(500));
    let request = Request { timeout, ..post(&server.url("/secret"), "x") };
    let error = client.send(request).await.unwrap_err();
    assert!(!error.chain().contains("secret"), "{}", error.chain());
    env.tasks.begin_shutdown("test");
    assert!(env.tasks.finished(Duration::from_secs(5)).await.is_empty());
    error
}

#[tokio::test]
async fn silence_ends_with_the_time_that_a_request_has() {
    let error = fails(|mut peer| async move {
        peer.request().await;
        peer.gone().await;
    })
    .await;
    assert_eq!(error.to_string(), "127.0.0.1 did not answer within 500ms");
    assert!(matches!(error, Error::Timeout { phase: Phase::Answer, .. }));
    assert!(error.is_transient() && !error.was_not_sent());
}

#[tokio::test]
async fn a_body_that_drips_does_too() {
    let error = fails(|mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
        peer.gone().await;
    })
    .await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Answer, .. }), "{error}");
}

#[tokio::test]
async fn a_cut_line_is_told_from_an_answer() {
    for said in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
        let error = fails(move |mut peer| async move {
            peer.request().await;
            peer.say(said).await;
        })
        .await;
        assert!(matches!(error, Error::Closed { .. }), "{said:?} {error:?}");
        assert!(error.is_transient() && !error.was_not_sent());
    }
}

#[tokio::test]
async fn nonsense_is_not_tried_again() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(300_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(500));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let other = ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2.0 200 OK\r\n\r\n", chunked];
    let all = other.map(str::to_owned).into_iter().chain([long, many]);
    for (number, said) in all.enumerate() {
        let error = fails(move |mut peer| {
            let said = said.clone();
            async move {
                peer.request().await;
                peer.say(&said).await;
                peer.gone().await;
            }
        })
        .await;
        assert!(matches!(error, Error::Protocol { .. }), "{number} {error:?}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_body_without_end_is_left_where_the_bound_is() {
    for head in ["content-length: 1001", "transfer-encoding: chunked", "connection: close"] {
        let error = fails(move |mut peer| async move {
            peer.request().await;
            peer.say(&format!("HTTP/1.1 502 Bad\r\n{head}\r\n\r\n")).await;
            peer.say_forever("8\r\naaaaaaaa\r\n").await;
        })
        .await;
        assert_eq!(error.to_string(), "127.0.0.1 answered 502 with more than 1000 bytes");
        assert!(!error.is_transient() && !error.was_not_sent());
    }
}

#[tokio::test]
async fn a_length_beyond_the_bound_is_not_waited_for() {
    let error = fails(|mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n").await;
        peer.gone().await;
    })
    .await;
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_of_just_the_bound_is_read() {
    let env = Env::system();
    let server = Server::start(&env, |_, mut peer| async move {
        peer.request().await;
        peer.say(&format!("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}", "a".repeat(10))).await;
    })
    .await;
    for (bytes_max, is_read) in [(10, true), (9, false)] {
        let bound = Some(bytes_max);
        let request = Request { response_bytes_max: bound, ..post(&server.url("/"), "x") };
        assert_eq!(client(&env, |_| {}).send(request).await.is_ok(), is_read);
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_worth_another_try() {
    let env = Env::system();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&env, |_| {}).send(post(&url, "x")).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(error.is_transient() && error.was_not_sent());
}
