//! What is sent, and what comes back of it.

use std::sync::{Arc, Mutex};

use env::Env;
use ferrite_outbound::{Error, Request, Url};
use http::{HeaderMap, Method};

use crate::server::Server;
use crate::{client, post};

#[tokio::test]
async fn a_request_arrives_as_it_was_given_and_its_answer_as_it_was_sent() {
    let env = Env::system();
    let received = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&received);
    let server = Server::start(&env, move |_, mut peer| {
        let keep = Arc::clone(&keep);
        async move {
            *keep.lock().unwrap() = peer.request().await;
            peer.say("HTTP/1.1 418 Teapot\r\nx-tea: Earl\r\nx-tea: Grey\r\ncontent-length: 5\r\n\r\nshort")
                .await;
        }
    })
    .await;
    let mut request = post(&server.url("/a%2Fb?x=1&y=%20"), "{\"t\":1}");
    request.headers.insert("content-type", "application/json".parse().unwrap());
    let response = client(&env, |_| {}).send(request).await.unwrap();

    let received = received.lock().unwrap().take().unwrap();
    let expect = format!(
        "POST /a%2Fb?x=1&y=%20 HTTP/1.1\r\ncontent-type: application/json\r\nhost: {}\r\n\
         content-length: 7\r\n\r\n",
        server.address
    );
    assert_eq!((received.head, received.body.as_str()), (expect, "{\"t\":1}"));
    assert_eq!((response.status.as_u16(), &response.body[..]), (418, &b"short"[..]));
    let teas: Vec<_> = response.headers.get_all("x-tea").iter().collect();
    assert_eq!(teas, ["Earl", "Grey"]);
}

#[tokio::test]
async fn a_host_that_the_caller_signed_is_left_alone() {
    let env = Env::system();
    let server = Server::start(&env, |_, mut peer| async move {
        let head = peer.request().await.unwrap().head;
        assert!(head.contains("host: signed.example\r\n"), "{head}");
        assert!(!head.contains("127.0.0.1"), "{head}");
        peer.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    })
    .await;
    let mut request = Request::new(Method::GET, Url::parse(&server.url("/")).unwrap());
    request.headers.insert("host", "signed.example".parse().unwrap());
    let response = client(&env, |_| {}).send(request).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body.len()), (204, 0));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let env = Env::system();
    let moved =
        "HTTP/1.1 307 Moved\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::answering(&env, moved).await;
    let response = client(&env, |_| {}).send(post(&server.url("/"), "x")).await.unwrap();
    assert_eq!(response.status.as_u16(), 307);
    assert_eq!(response.headers.get("location").unwrap(), "http://169.254.169.254/");
}

#[tokio::test]
async fn chunks_are_put_together_and_nothing_is_decompressed() {
    let env = Env::system();
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-encoding: gzip\r\n\r\n\
                  3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let server = Server::answering(&env, chunks).await;
    let response = client(&env, |_| {}).send(post(&server.url("/"), "x")).await.unwrap();
    assert_eq!(&response.body[..], b"abcde");
}

#[tokio::test]
async fn headers_that_frame_a_message_are_the_clients_own() {
    let env = Env::system();
    let server = Server::answering(&env, "HTTP/1.1 204 No Content\r\n\r\n").await;
    for name in ["content-length", "transfer-encoding", "connection", "upgrade", "expect", "te"] {
        let mut headers = HeaderMap::new();
        headers.insert(name, "7".parse().unwrap());
        let request = Request { headers, ..post(&server.url("/"), "x") };
        let error = client(&env, |_| {}).send(request).await.unwrap_err();
        assert!(matches!(&error, Error::Header { name: refused } if refused == name), "{error}");
        assert!(!error.is_transient());
    }
    assert_eq!(server.accepted(), 0);
}
