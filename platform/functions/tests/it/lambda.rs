//! Functions behind the Lambda API, at an endpoint that checks signatures.

use std::time::Duration;

use env::Env;
use ferrite_functions::{Invocation, InvocationKind, InvokeError};
use serde_json::json;
use types::Timestamp;

use crate::server::{Received, Server, answer};
use crate::{ARN, Stage, request};

const KEY: &str = "access_key_id = \"AKIDEXAMPLE\", secret_access_key = \"the-secret\"";

fn settings(url: &str, more: &str) -> String {
    format!("[pump]\ntimeout_s = 60\nlambda = {{ endpoint = \"{url}\", {more} }}")
}

/// Whether `secret` signed what came, for the Lambda API of `region`; and whose key it says it is.
fn verify(received: &Received, region: &str, secret: &str, now: Timestamp) -> Option<String> {
    let (path, query) = received.target.split_once('?').unwrap_or((&received.target, ""));
    let headers: Vec<(&str, &[u8])> =
        received.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = sigv4::Request {
        method: "POST",
        raw_path: path,
        raw_query: query,
        headers: &headers,
        payload: sigv4::Payload::Bytes(&received.body),
    };
    let authorization = sigv4::parse(&request).unwrap()?;
    assert_eq!((&*authorization.region, &*authorization.service), (region, "lambda"));
    let date = &authorization.date;
    let key = sigv4::SigningKey::derive(secret, date, region, "lambda");
    let skew = Duration::from_secs(300);
    sigv4::verify(&request, &authorization, &key, now, skew).ok()?;
    Some(authorization.access_key_id.to_string())
}

#[tokio::test]
async fn an_invocation_is_signed_and_its_answer_is_the_result() {
    let env = Env::system();
    let said = answer(200, "x-amz-executed-version: 7\r\n", "{\"open\":true}");
    let server = Server::start(&env, &said).await;
    let stage = Stage::new(&settings(&server.url, &format!("region = \"eu-west-1\", {KEY}")));
    let mut invocation = request(&json!({ "t": 1 }));
    invocation.function = "pump:$LATEST".to_owned();
    invocation.client_context = Some("{\"a\":1}".to_owned());
    let response = stage.functions.invoke(invocation).await.unwrap();
    assert_eq!(&response.payload[..], b"{\"open\":true}");
    assert_eq!(response.executed_version.as_deref(), Some("7"));

    let received = server.received().pop().unwrap();
    let target = "/2015-03-31/functions/pump/invocations?Qualifier=%24LATEST";
    assert_eq!((&*received.target, &*received.body), (target, &b"{\"t\":1}"[..]));
    assert_eq!(received.header("x-amz-invocation-type"), Some("RequestResponse"));
    assert_eq!(received.header("x-amz-client-context"), Some("eyJhIjoxfQ=="));
    let now = stage.env.clock.now();
    let signer = verify(&received, "eu-west-1", "the-secret", now);
    assert_eq!(signer.as_deref(), Some("AKIDEXAMPLE"));
    assert_eq!(verify(&received, "eu-west-1", "another", now), None);
}

#[tokio::test]
async fn a_function_may_have_another_name_there() {
    let env = Env::system();
    let server = Server::start(&env, &answer(200, "", "1")).await;
    let there = "arn:aws:lambda:eu-west-1:123456789012:function:other";
    let stage = Stage::new(&settings(&server.url, &format!("function = \"{there}\", {KEY}")));
    stage.invoke(&json!({})).await.unwrap();
    let received = server.received().pop().unwrap();
    let name = there.replace(':', "%3A");
    assert_eq!(received.target, format!("/2015-03-31/functions/{name}/invocations"));
    assert!(verify(&received, "us-east-1", "the-secret", stage.env.clock.now()).is_some());
}

#[tokio::test]
async fn an_event_is_queued_there() {
    let env = Env::system();
    let server = Server::start(&env, &answer(202, "", "")).await;
    let stage = Stage::new(&settings(&server.url, KEY));
    let event = Invocation { kind: InvocationKind::Event, ..request(&json!({})) };
    assert_eq!(stage.functions.invoke(event).await.unwrap().payload.len(), 0);
    let received = server.received().pop().unwrap();
    assert_eq!(received.header("x-amz-invocation-type"), Some("Event"));
}

#[tokio::test]
async fn a_handler_that_fails_and_an_api_that_refuses_are_told_apart() {
    let check = async |said: &str| {
        let env = Env::system();
        let server = Server::start(&env, said).await;
        let stage = Stage::new(&settings(&server.url, KEY));
        stage.invoke(&json!({})).await.unwrap_err()
    };
    let failed = "{\"errorType\":\"ValueError\",\"errorMessage\":\"no such pump\"}";
    let error = check(&answer(200, "x-amz-function-error: Unhandled\r\n", failed)).await;
    assert_eq!(error.to_string(), format!("{ARN}:pump failed: ValueError: no such pump"));
    let missing = "{\"Type\":\"User\",\"Message\":\"Function not found\"}";
    let error = check(&answer(404, "", missing)).await;
    let expect = format!("the back end of {ARN}:pump answered 404: Function not found");
    assert_eq!(error.to_string(), expect);
    let error = check(&answer(429, "", "{\"message\":\"Rate Exceeded.\"}")).await;
    assert!(matches!(error, InvokeError::Throttled { .. }), "{error:?}");
}

#[tokio::test]
async fn the_key_may_be_in_a_shared_file_or_the_environment() {
    let env = Env::system();
    let server = Server::start(&env, &answer(200, "", "1")).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let file = "[mill]\naws_access_key_id = AKIDMILL\naws_secret_access_key = of-the-mill\n\
                aws_session_token = token\n";
    std::fs::write(home.path().join(".aws/credentials"), file).unwrap();
    let home = home.path().display().to_string();
    let variables = [
        ("HOME", &*home),
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "of-the-environment"),
    ];
    for (more, id, secret) in [
        ("profile = \"mill\"", "AKIDMILL", "of-the-mill"),
        ("region = \"us-east-1\"", "AKIDENV", "of-the-environment"),
    ] {
        let stage = Stage::open(&settings(&server.url, more), &variables).unwrap();
        stage.invoke(&json!({})).await.unwrap();
        let received = server.received().pop().unwrap();
        let signer = verify(&received, "us-east-1", secret, stage.env.clock.now());
        assert_eq!(signer.as_deref(), Some(id));
        let token = received.header("x-amz-security-token");
        assert_eq!(token, (id == "AKIDMILL").then_some("token"));
    }
}

#[tokio::test]
async fn without_a_key_the_error_names_what_to_set() {
    let stage = Stage::new(&settings("http://127.0.0.1:1", "region = \"us-east-1\""));
    let error = stage.invoke(&json!({})).await.unwrap_err();
    let expect = format!(
        "no credentials for {ARN}:pump: neither a key nor a home directory is set; see \
         [functions.\"pump\"] lambda"
    );
    assert_eq!(error.to_string(), expect);
}
