//! `aws` back ends against a server that answers as it is told: who signs, and what failures mean.

use std::time::Duration;

use ferrite_targets::{Caller, PutObject, SendMessage, TargetError};

use crate::harness::{Bench, caller};
use crate::peer::Peer;

const ROLE: &str = "arn:aws:iam::123456789012:role/rules";
const KEY: &str = r#""access_key_id":"AKIADEFAULT","secret_access_key":"s""#;

fn settings(url: &str, more: &str) -> String {
    let place = format!(r#"{{"backend":"aws","endpoint":"{url}"}}"#);
    format!(r#"{{"sqs":{place},"s3":{place},"sts":{place},"credentials":{{{KEY}}}{more}}}"#)
}

async fn send(bench: &Bench, caller: &Caller) -> Result<(), TargetError> {
    let queue_url = "https://sqs.eu-west-1.amazonaws.com/123456789012/q".to_owned();
    let send = SendMessage { queue_url, body: "x".into() };
    bench.targets.sqs().send_message(caller, send).await.map(|_| ())
}

fn rule() -> Caller {
    Caller { role_arn: Some(ROLE.into()), ..caller() }
}

/// Who signed a request, for when and where: `AKIA/date/region/service`.
fn signer(request: &str) -> String {
    let credential = request.split("Credential=").nth(1).unwrap();
    credential.split("/aws4_request").next().unwrap().to_owned()
}

#[tokio::test]
async fn a_request_is_signed_for_the_region_of_the_queue_unless_a_setting_names_one() {
    let mut peer = Peer::start(|_| (200, "{}".into())).await;
    let bench = Bench::with(&settings(&peer.url, "")).await;
    send(&bench, &caller()).await.unwrap();
    let request = peer.heard.recv().await.unwrap();
    assert_eq!(signer(&request), "AKIADEFAULT/20270115/eu-west-1/sqs");
    assert!(request.contains("x-amz-target: AmazonSQS.SendMessage"), "{request}");
    let place = format!(
        r#"{{"sqs":{{"backend":"aws","endpoint":"{}","region":"eu-north-1",{KEY}}}}}"#,
        peer.url
    );
    let bench = Bench::with(&place).await;
    send(&bench, &caller()).await.unwrap();
    let request = peer.heard.recv().await.unwrap();
    assert_eq!(signer(&request), "AKIADEFAULT/20270115/eu-north-1/sqs");
}

#[tokio::test]
async fn a_role_stands_for_a_profile_if_the_settings_say_so() {
    let mut peer = Peer::start(|_| (200, "{}".into())).await;
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("credentials");
    std::fs::write(&file, "[edge]\naws_access_key_id=AKIAEDGE\naws_secret_access_key=s\n").unwrap();
    let more = format!(r#","roles":{{"{ROLE}":"edge"}}"#);
    let settings = settings(&peer.url, &more)
        .replace(KEY, &format!(r#"{KEY},"credentials_file":"{}""#, file.display()));
    let bench = Bench::with(&settings).await;
    send(&bench, &rule()).await.unwrap();
    assert!(signer(&peer.heard.recv().await.unwrap()).starts_with("AKIAEDGE/"));
    send(&bench, &caller()).await.unwrap();
    assert!(signer(&peer.heard.recv().await.unwrap()).starts_with("AKIADEFAULT/"));
}

#[tokio::test]
async fn somebody_elses_request_is_signed_as_the_role() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("credentials");
    std::fs::write(&file, "[edge]\naws_access_key_id=AKIAEDGE\naws_secret_access_key=s\n").unwrap();
    let credentials = format!(r#"{{"credentials_file":"{}"}}"#, file.display());
    let settings = format!(r#"{{"credentials":{credentials},"roles":{{"{ROLE}":"edge"}}}}"#);
    let bench = Bench::with(&settings).await;
    let url = outbound::Url::parse("https://example.com:8443/a?b=c").unwrap();
    let mut request = outbound::Request::post(url, "x".into());
    bench.targets.sign(&rule(), "eu-west-1", "execute-api", &mut request).await.unwrap();
    assert_eq!(request.headers["host"], "example.com:8443");
    let authorization = request.headers["authorization"].to_str().unwrap();
    assert_eq!(signer(authorization), "AKIAEDGE/20270115/eu-west-1/execute-api");
    let refused = bench.targets.sign(&caller(), "eu-west-1", "execute-api", &mut request).await;
    let error = refused.unwrap_err();
    assert_eq!((error.code.as_str(), error.is_transient), ("CredentialsError", false));
}

#[tokio::test]
async fn a_role_is_assumed_once_and_again_before_it_expires() {
    let mut assumed = 0;
    let mut peer = Peer::start(move |request| {
        if !request.contains("Action=AssumeRole") {
            return (200, "{}".into());
        }
        assumed += 1;
        let expires = if assumed == 1 { "2027-01-15T09:00:00Z" } else { "2027-01-15T10:00:00Z" };
        let key = format!("<AccessKeyId>ASIA{assumed}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>");
        (200, format!("{key}<SessionToken>t&amp;{assumed}</SessionToken><Expiration>{expires}</Expiration>"))
    })
    .await;
    let bench = Bench::with(&settings(&peer.url, r#","assume_roles":true"#)).await;
    let mut signers = Vec::new();
    for minutes in [0, 0, 54, 1, 0] {
        bench.env.clock.advance(Duration::from_secs(60 * minutes));
        send(&bench, &rule()).await.unwrap();
        while let Ok(request) = peer.heard.try_recv() {
            let is_assumed = request.contains("AssumeRole");
            let token = request.lines().find(|line| line.starts_with("x-amz-security-token"));
            assert_eq!(token.is_none(), is_assumed);
            signers.push(signer(&request).split('/').next().unwrap().to_owned());
        }
    }
    let first = ["AKIADEFAULT", "ASIA1", "ASIA1", "ASIA1"];
    let second = ["AKIADEFAULT", "ASIA2", "ASIA2"];
    assert_eq!(signers, [&first[..], &second[..]].concat());
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_says_why() {
    let refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not yours</Message></Error></ErrorResponse>";
    let peer = Peer::start(|_| (403, refusal.into())).await;
    let bench = Bench::with(&settings(&peer.url, r#","assume_roles":true"#)).await;
    let error = send(&bench, &rule()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "The role {ROLE} could not be assumed: not yours (Service: AWSSecurityTokenService; \
             Status Code: 403; Error Code: AccessDenied; Request ID: null)"
        )
    );
    assert_eq!((error.code.as_str(), error.is_transient), ("AccessDenied", false));
}

async fn check(status: u16, body: &'static str, expect: (&str, bool)) {
    let peer = Peer::start(move |_| (status, body.into())).await;
    let bench = Bench::with(&settings(&peer.url, "")).await;
    let put = PutObject { bucket: "bucket".into(), key: "k".into(), ..PutObject::default() };
    let error = bench.targets.s3().put_object(&caller(), put).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.is_transient), expect, "{status} {body}");
}

#[tokio::test]
async fn a_failure_says_whether_to_try_again() {
    check(503, "<Error><Code>SlowDown</Code></Error>", ("SlowDown", true)).await;
    check(400, "<Error><Code>RequestTimeout</Code></Error>", ("RequestTimeout", true)).await;
    check(500, "", ("InternalError", true)).await;
    check(403, "<Error><Code>AccessDenied</Code></Error>", ("AccessDenied", false)).await;
    check(301, "<Error><Code>PermanentRedirect</Code></Error>", ("PermanentRedirect", false)).await;
    check(400, "{\"__type\":", ("HTTP400", false)).await;
}

#[tokio::test]
async fn a_service_that_is_not_there_may_be_there_later() {
    let bench = Bench::with(&settings("http://127.0.0.1:1", "")).await;
    let error = send(&bench, &caller()).await.unwrap_err();
    assert!(error.is_transient && error.status.is_none());
    assert!(error.to_string().starts_with("Unable to execute HTTP request: could not connect"));
}

#[tokio::test]
async fn a_setting_that_is_wrong_is_named_and_not_tried_again() {
    let check = async |settings: &str, expect: &str| {
        let bench = Bench::with(settings).await;
        let error = send(&bench, &caller()).await.unwrap_err();
        assert!(!error.is_transient);
        assert!(error.to_string().contains(expect), "{error}");
    };
    check(&settings("nonsense", ""), "targets.sqs.endpoint").await;
    // Nobody has permitted that address.
    check(&settings("http://10.0.0.1:1", ""), "outbound.allow").await;
    check(r#"{"sqs":{"backend":"aws"}}"#, "targets.credentials").await;
}

#[tokio::test]
async fn an_acl_that_no_header_can_have_is_refused() {
    let bench = Bench::with(&settings("http://127.0.0.1:1", "")).await;
    let canned_acl = Some("private\r\nx-evil: 1".to_owned());
    let put =
        PutObject { bucket: "bucket".into(), key: "k".into(), canned_acl, ..PutObject::default() };
    let error = bench.targets.s3().put_object(&caller(), put).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.is_transient), ("InvalidArgument", false));
}
