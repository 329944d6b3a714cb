//! Which connections are used again, and how many there may be.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use env::Env;
use ferrite_outbound::{Error, Request};
use tokio::sync::Semaphore;

use crate::server::Server;
use crate::{client, post};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again() {
    let env = Env::system();
    let server = Server::answering(&env, OK).await;
    let client = client(&env, |_| {});
    for _ in 0..5 {
        client.send(post(&server.url("/"), "x")).await.unwrap();
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn one_that_nobody_used_for_long_is_not() {
    let env = Env::system();
    let server = Server::answering(&env, OK).await;
    let client = client(&env, |settings| settings.idle_s = 10);
    client.send(post(&server.url("/"), "x")).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    client.send(post(&server.url("/"), "x")).await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn one_that_the_server_closed_costs_no_request() {
    let env = Env::system();
    let server = Server::start(&env, |_, mut peer| async move {
        peer.request().await;
        peer.say(OK).await;
    })
    .await;
    let client = client(&env, |_| {});
    for _ in 0..5 {
        client.send(post(&server.url("/"), "x")).await.unwrap();
    }
    assert_eq!(server.accepted(), 5);
}

#[tokio::test]
async fn one_that_was_closed_unseen_costs_no_request_either() {
    let env = Env::system();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // How often the client has let go of its connection, and the server closed it.
    let steps = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let seen = Arc::clone(&steps);
    let server = thread::spawn(move || {
        for number in 1..=3 {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            stream.write_all(OK.as_bytes()).unwrap();
            reach(&seen.0, number);
            drop(stream);
            seen.1.fetch_add(1, Ordering::SeqCst);
        }
    });
    let client = client(&env, |_| {});
    for number in 1..=3 {
        client.send(post(&url, "x")).await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        steps.0.fetch_add(1, Ordering::SeqCst);
        // It is closed before the runtime has had a look.
        reach(&steps.1, number);
    }
    server.join().unwrap();
}

fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nx") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
}

/// Waits, without letting anything else have a turn.
fn reach(count: &AtomicUsize, number: usize) {
    while count.load(Ordering::SeqCst) < number {
        std::hint::spin_loop();
    }
}

#[tokio::test]
async fn as_many_are_kept_as_may_be() {
    let env = Env::system();
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let server = Server::start(&env, move |_, mut peer| {
        let open = Arc::clone(&open);
        async move {
            while peer.request().await.is_some() {
                open.acquire().await.unwrap().forget();
                peer.say(OK).await;
            }
        }
    })
    .await;
    let client = client(&env, |settings| settings.idle_per_host_max = 1);
    let (url, send) = (server.url("/"), |url: &str| client.send(post(url, "x")));
    let both = async { tokio::join!(send(&url), send(&url)) };
    let let_go = async {
        while server.accepted() < 2 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(2);
    };
    let ((first, second), ()) = tokio::join!(both, let_go);
    assert!(first.is_ok() && second.is_ok());
    gate.add_permits(2);
    let both = tokio::join!(send(&url), send(&url));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn a_host_that_hangs_fills_its_own_places_only() {
    let env = Env::system();
    let hanging = Server::start(&env, |_, mut peer| async move { peer.gone().await }).await;
    let healthy = Server::answering(&env, OK).await;
    let client = client(&env, |settings| settings.requests_per_host_max = 2);
    let stuck =
        || Request { timeout: Some(Duration::from_millis(200)), ..post(&hanging.url("/"), "x") };
    let healthy = async {
        while hanging.accepted() < 2 {
            tokio::task::yield_now().await;
        }
        client.send(post(&healthy.url("/"), "x")).await
    };
    let (first, second, third, fourth) =
        tokio::join!(client.send(stuck()), client.send(stuck()), client.send(stuck()), healthy);
    assert!(fourth.is_ok());
    for outcome in [first, second] {
        assert!(matches!(outcome, Err(Error::Timeout { .. })));
    }
    let third = third.unwrap_err();
    assert!(matches!(third, Error::Busy { .. } | Error::Timeout { .. }), "{third}");
    assert!(third.is_transient() && third.was_not_sent());
    assert_eq!(hanging.accepted(), 2);
}

#[tokio::test]
async fn a_request_that_is_given_up_takes_its_connection_along() {
    let env = Env::system();
    let gone = Arc::new(Semaphore::new(0));
    let tell = Arc::clone(&gone);
    let server = Server::start(&env, move |_, mut peer| {
        let tell = Arc::clone(&tell);
        async move {
            peer.request().await;
            peer.gone().await;
            tell.add_permits(1);
        }
    })
    .await;
    let client = client(&env, |_| {});
    let reached = async {
        while server.accepted() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = client.send(post(&server.url("/"), "x")) => unreachable!("there is no answer"),
        () = reached => {}
    }
    gone.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn nothing_is_left_after_shutdown() {
    let env = Env::system();
    let server_env = Env::system();
    let server = Server::answering(&server_env, OK).await;
    let client = client(&env, |_| {});
    client.send(post(&server.url("/"), "x")).await.unwrap();
    assert_eq!(env.tasks.running().get("outbound connection"), Some(&1));
    env.tasks.begin_shutdown("test");
    assert!(env.tasks.finished(Duration::from_secs(5)).await.is_empty());
    client.send(post(&server.url("/"), "x")).await.unwrap();
    assert!(env.tasks.finished(Duration::from_secs(5)).await.is_empty());
}
