//! Secrets: those of the settings, and whose they are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ferrite_targets::{
    Backend, Caller, LocalPlaces, SecretValue, Service, Settings, TargetError, Targets,
};

use crate::harness::{Bench, caller, tenant};
use crate::peer::Peer;

const ROLE: &str = "arn:aws:iam::123456789012:role/rules";
const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:";

async fn get(bench: &Bench, caller: &Caller, id: &str) -> Result<SecretValue, TargetError> {
    let secret = bench.targets.secretsmanager().get_secret_value(caller, id).await;
    secret.map(|secret| SecretValue::clone(&secret))
}

fn text(text: &str) -> SecretValue {
    SecretValue::Text(text.to_owned().into())
}

fn code<T: std::fmt::Debug>(outcome: Result<T, TargetError>) -> (String, Option<u16>, bool) {
    let error = outcome.unwrap_err();
    (error.code, error.status, error.is_transient)
}

/// A quarter of an hour later: nothing of before is remembered.
fn later(bench: &Bench) {
    bench.env.clock.advance(Duration::from_secs(15 * 60));
}

#[tokio::test]
async fn a_secret_of_the_settings_goes_by_its_name_and_its_arns() {
    let bench = Bench::with(
        r#"{"secretsmanager":{"secrets":{"mill/key":{"text":"word"},
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:own":{"text":"mine"}}}}"#,
    )
    .await;
    assert_eq!(bench.targets.backend(Service::SecretsManager), Backend::Local);
    for id in ["mill/key", &format!("{ARN}mill/key"), &format!("{ARN}mill/key-a1B2c3")] {
        assert_eq!(get(&bench, &caller(), id).await.unwrap(), text("word"), "{id}");
    }
    for id in ["own", &format!("{ARN}own-a1B2c3")] {
        assert_eq!(get(&bench, &caller(), id).await.unwrap(), text("mine"), "{id}");
    }
    let not_found = ("ResourceNotFoundException".to_owned(), Some(400), false);
    for id in ["mill", "mill/key-a1B2c3", "arn:aws:ssm:us-east-1:123456789012:secret:own"] {
        assert_eq!(code(get(&bench, &caller(), id).await), not_found, "{id}");
    }
    let error = get(&bench, &caller(), "mill").await.unwrap_err().to_string();
    assert!(error.starts_with(
        "Secrets Manager can't find the specified secret. (Service: AWSSecretsManager; "
    ));
}

#[tokio::test]
async fn a_secret_of_one_account_is_no_other_accounts() {
    let own = format!(r#"{{"secretsmanager":{{"secrets":{{"{ARN}own":{{"text":"mine"}}}}}}}}"#);
    let bench = Bench::with(&own).await;
    assert_eq!(get(&bench, &caller(), "own").await.unwrap(), text("mine"));
    let mut other = tenant(2);
    other.tenant.account = "210987654321".parse().unwrap();
    for id in ["own", &format!("{ARN}own")] {
        assert_eq!(code(get(&bench, &other, id).await).0, "ResourceNotFoundException", "{id}");
    }
}

#[tokio::test]
async fn a_file_is_read_again_after_a_quarter_of_an_hour() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("key");
    let settings = format!(
        r#"{{"secretsmanager":{{"secrets":{{"text":{{"file":"{0}"}},"bytes":{{"binary_file":"{0}"}}}}}}}}"#,
        file.display()
    );
    let bench = Bench::with(&settings).await;
    let (code_of, status, is_transient) = code(get(&bench, &caller(), "text").await);
    assert_eq!((code_of.as_str(), status, is_transient), ("ServiceUnavailable", Some(503), true));
    std::fs::write(&file, "word\n").unwrap();
    assert_eq!(get(&bench, &caller(), "text").await.unwrap(), text("word"));
    let bytes = get(&bench, &caller(), "bytes").await.unwrap();
    assert_eq!(bytes, SecretValue::Binary("d29yZAo=".to_owned().into()));
    std::fs::write(&file, "other").unwrap();
    bench.env.clock.advance(Duration::from_secs(15 * 60 - 1));
    assert_eq!(get(&bench, &caller(), "text").await.unwrap(), text("word"));
    bench.env.clock.advance(Duration::from_secs(1));
    assert_eq!(get(&bench, &caller(), "text").await.unwrap(), text("other"));
    std::fs::write(&file, "reset").unwrap();
    bench.targets.wipe().await.unwrap();
    assert_eq!(get(&bench, &caller(), "text").await.unwrap(), text("reset"));
}

#[tokio::test]
async fn a_file_is_as_long_as_a_secret_may_be_and_text_is_utf_8() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("key");
    let settings =
        format!(r#"{{"secretsmanager":{{"secrets":{{"s":{{"file":"{}"}}}}}}}}"#, file.display());
    let bench = Bench::with(&settings).await;
    std::fs::write(&file, "x".repeat(65_536)).unwrap();
    assert_eq!(get(&bench, &caller(), "s").await.unwrap(), text(&"x".repeat(65_536)));
    for (content, why) in [
        (vec![b'x'; 65_537], "the file has more than 65536 bytes"),
        (vec![0xff], "the file is not UTF-8: name it as binary_file"),
    ] {
        std::fs::write(&file, content).unwrap();
        later(&bench);
        let error = get(&bench, &caller(), "s").await.unwrap_err();
        assert_eq!(error.message, format!("The secret s could not be read: {why}"));
    }
}

#[tokio::test]
async fn a_secret_that_is_nowhere_or_everywhere_stops_the_start() {
    let bench = Bench::start().await;
    for (secret, why) in [
        ("{}".to_owned(), "set one of text, file and binary_file"),
        (r#"{"text":"a","file":"b"}"#.to_owned(), "set one of text, file and binary_file"),
        (format!(r#"{{"text":"{}"}}"#, "x".repeat(65_537)), "a secret has at most 65536 bytes"),
    ] {
        let settings = format!(r#"{{"secretsmanager":{{"secrets":{{"mill":{secret}}}}}}}"#);
        let settings: Settings = serde_json::from_str(&settings).unwrap();
        let places = LocalPlaces {
            objects: bench.directory.path().join("other"),
            store: bench.store.clone(),
            kinds: crate::harness::KINDS,
            log_sink: Arc::new(|_, _| {}),
        };
        let client = outbound::Client::new(&outbound::Settings::default(), &bench.env).unwrap();
        let error = Targets::new(settings, places, client, &bench.env).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let expect = format!("targets.secretsmanager.secrets, `mill`: {why}");
        assert_eq!(error.to_string(), expect);
    }
}

fn at_aws(url: &str) -> String {
    let key = r#""access_key_id":"AKIADEFAULT","secret_access_key":"s""#;
    format!(r#"{{"secretsmanager":{{"backend":"aws","endpoint":"{url}",{key}}}}}"#)
}

#[tokio::test]
async fn a_secret_at_aws_is_asked_for_once_in_a_while_by_each_role() {
    let mut asked = 0;
    let mut peer = Peer::start(move |_| {
        asked += 1;
        (200, format!(r#"{{"Name":"s","SecretString":"word {asked}"}}"#))
    })
    .await;
    let bench = Bench::with(&at_aws(&peer.url)).await;
    let role = Caller { role_arn: Some(ROLE.into()), ..caller() };
    assert_eq!(get(&bench, &caller(), "s").await.unwrap(), text("word 1"));
    assert_eq!(get(&bench, &caller(), "s").await.unwrap(), text("word 1"));
    assert_eq!(get(&bench, &role, "s").await.unwrap(), text("word 2"));
    later(&bench);
    assert_eq!(get(&bench, &caller(), "s").await.unwrap(), text("word 3"));
    let request = peer.heard.recv().await.unwrap();
    assert!(request.contains("x-amz-target: secretsmanager.GetSecretValue"), "{request}");
    assert!(request.contains("content-type: application/x-amz-json-1.1"), "{request}");
    assert!(request.contains("/us-east-1/secretsmanager/aws4_request"), "{request}");
    assert!(request.ends_with(r#"{"SecretId":"s","VersionStage":"AWSCURRENT"}"#), "{request}");
}

#[tokio::test]
async fn a_secrets_arn_says_where_to_ask_if_that_is_a_region() {
    let answer = r#"{"SecretBinary":"AAE="}"#;
    let mut peer = Peer::start(move |_| (200, answer.into())).await;
    let bench = Bench::with(&at_aws(&peer.url)).await;
    for (region, signed_for) in [("eu-west-1", "eu-west-1"), ("x@evil.example/", "us-east-1")] {
        let id = ARN.replace("us-east-1", region) + "s";
        let secret = get(&bench, &caller(), &id).await.unwrap();
        assert_eq!(secret, SecretValue::Binary("AAE=".to_owned().into()));
        let request = peer.heard.recv().await.unwrap();
        assert!(request.contains(&format!("/{signed_for}/secretsmanager/")), "{request}");
    }
}

#[tokio::test]
async fn an_answer_without_a_secret_is_a_failure_that_tells_nothing_of_it() {
    for answer in [r#"{"Name":"s"}"#, r#"{"SecretString":12345}"#, "secret word"] {
        let peer = Peer::start(move |_| (200, answer.into())).await;
        let bench = Bench::with(&at_aws(&peer.url)).await;
        let error = get(&bench, &caller(), "s").await.unwrap_err();
        assert_eq!(outbound::chain(&error), "The answer to GetSecretValue cannot be read.");
    }
    let refusal = r#"{"__type":"AccessDeniedException","Message":"not yours"}"#;
    let peer = Peer::start(move |_| (400, refusal.into())).await;
    let bench = Bench::with(&at_aws(&peer.url)).await;
    for _ in 0..2 {
        let refused = code(get(&bench, &caller(), "s").await);
        assert_eq!(refused, ("AccessDeniedException".into(), Some(400), false));
    }
}

#[tokio::test]
async fn what_is_no_id_is_refused() {
    let bench = Bench::start().await;
    for id in ["", &"x".repeat(2049)] {
        assert_eq!(code(get(&bench, &caller(), id).await).0, "ValidationException");
    }
    let role = Caller { role_arn: Some("x".repeat(2049)), ..caller() };
    assert_eq!(code(get(&bench, &role, "s").await).0, "ValidationException");
}
