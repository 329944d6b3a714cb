//! Functions behind a URL.

use std::time::Duration;

use bytes::Bytes;
use env::Env;
use ferrite_functions::{Invocation, InvokeError, Signature};
use serde_json::json;

use crate::server::{Server, answer};
use crate::{ARN, Stage, request};

const SECRET: &str = "0123456789abcdef";

fn settings(url: &str) -> String {
    format!("[pump]\nurl = \"{url}/hook?x=1\"\nsecret = \"{SECRET}\"\ntimeout_s = 60")
}

#[tokio::test]
async fn a_payload_is_posted_signed_and_its_answer_is_the_result() {
    let env = Env::system();
    let server = Server::start(&env, &answer(200, "", "{\"open\":true}")).await;
    let stage = Stage::new(&settings(&server.url));
    let mut invocation = request(&json!({ "t": 1 }));
    invocation.function = "pump:live".to_owned();
    invocation.client_context = Some("{\"a\":1}".to_owned());
    let response = stage.functions.invoke(invocation).await.unwrap();
    assert_eq!(&response.payload[..], b"{\"open\":true}");

    let received = server.received().pop().unwrap();
    assert_eq!((&*received.target, &*received.body), ("/hook?x=1", &b"{\"t\":1}"[..]));
    let header = |name| received.header(name).unwrap();
    assert_eq!(header("x-ferrite-function"), format!("{ARN}:pump:live"));
    assert_eq!(header("x-ferrite-invocation-type"), "RequestResponse");
    assert_eq!(header("x-ferrite-request-id").len(), 36);
    assert_eq!(header("x-amz-client-context"), "eyJhIjoxfQ==");
    assert_eq!(header("content-type"), "application/json");
    let timestamp_s: i64 = header("x-ferrite-timestamp").parse().unwrap();
    let now_s = stage.env.clock.now().millis() / 1000;
    assert!((now_s - 60..=now_s).contains(&timestamp_s));
    let signature = Signature::of(SECRET, timestamp_s, &received.body);
    assert_eq!(header("x-ferrite-signature"), format!("v1={signature}"));
}

#[test]
fn a_signature_is_what_others_compute() {
    // printf '1700000000.{"t":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
    let expect = "4dfc174918041d97096b0960f3765db6b30fbc137012d8e831c03d0f11d3d615";
    assert_eq!(Signature::of(SECRET, 1_700_000_000, b"{\"t\":1}").to_string(), expect);
}

#[tokio::test]
async fn what_is_no_answer_is_told_apart() {
    let check = async |said: &str| {
        let env = Env::system();
        let server = Server::start(&env, said).await;
        let stage = Stage::new(&settings(&server.url));
        let error = stage.invoke(&json!({})).await.unwrap_err();
        (error.chain(), error.is_transient())
    };
    let failed = "{\"errorType\":\"ValueError\",\"errorMessage\":\"no such pump\"}";
    let handled = answer(200, "x-amz-function-error: Handled\r\n", failed);
    let told = |text: &str| text.replace("pump", &format!("{ARN}:pump"));
    let expect = format!("{ARN}:pump failed: ValueError: no such pump");
    assert_eq!(check(&handled).await, (expect, false));
    for (status, body, expect, is_transient) in [
        (429, "slow down", "pump is throttled: its back end says slow down", true),
        (403, "{\"message\":\"no\"}", "the back end of pump answered 403: no", false),
        (302, "", "the back end of pump answered 302: ", false),
        (500, "oh", "the back end of pump answered 500: oh", true),
    ] {
        assert_eq!(check(&answer(status, "", body)).await, (told(expect), is_transient));
    }
    let long = format!("the answer of {ARN}:pump has more than 6291556 bytes");
    let head = "HTTP/1.1 200 X\r\ncontent-length: 7000000\r\n\r\n";
    assert_eq!(check(head).await, (long, false));
    let cut = "could not reach the back end of pump: 127.0.0.1 did not answer in HTTP";
    let (chain, is_transient) = check("nonsense\r\n\r\n").await;
    assert!(chain.starts_with(&told(cut)) && !is_transient, "{chain}");
}

#[tokio::test]
async fn one_that_hangs_ends_with_the_callers_time() {
    let env = Env::system();
    let server = Server::start(&env, "").await;
    let stage = Stage::new(&settings(&server.url));
    let timeout = Some(Duration::from_millis(200));
    let invocation = Invocation { timeout, ..request(&json!({})) };
    let error = stage.functions.invoke(invocation).await.unwrap_err();
    assert!(matches!(error, InvokeError::Timeout { is_ended: false, .. }), "{error:?}");
}

#[tokio::test]
async fn an_address_that_is_not_permitted_is_not_reached() {
    let stage = Stage::new(&settings("http://169.254.169.254"));
    let error = stage.invoke(&json!({})).await.unwrap_err();
    assert!(error.chain().contains("outbound.allow"), "{}", error.chain());
    assert!(!error.is_transient());
}

#[tokio::test]
async fn payloads_are_bounded_as_on_aws() {
    let env = Env::system();
    let server = Server::start(&env, &answer(200, "", "ok")).await;
    let stage = Stage::new(&settings(&server.url));
    let payload = |bytes: usize| Bytes::from(vec![b'x'; bytes]);
    for (invocation, expect) in [
        (Invocation::request("pump", payload(6 << 20)), None),
        (
            Invocation::request("pump", payload((6 << 20) + 1)),
            Some("6291457 bytes; at most 6291456"),
        ),
        (Invocation::event("pump", payload(1 << 20)), None),
        (Invocation::event("pump", payload((1 << 20) + 1)), Some("1048577 bytes; at most 1048576")),
    ] {
        let error = stage.functions.invoke(invocation).await.err().map(|error| error.to_string());
        let expect =
            expect.map(|text| format!("the payload for {ARN}:pump has {text} are allowed"));
        assert_eq!(error, expect);
    }
}
