//! Who changed a shadow, when, and what.

use std::time::Duration;

use http::StatusCode;
use mqtt::QoS;
use serde_json::{Value, json};
use service::{Feature, ReservedMessage, Sender};
use testing::{Choices, Server};

use crate::{START, delete, post, shadow, update};

const PATH: &str = "/_ferrite/v1/things/lamp/shadow/history";

async fn remembering(change: impl FnOnce(&mut Choices)) -> Server {
    Server::build_with(change, |app| vec![shadow::feature(app)]).await
}

async fn versions(server: &Server, path: &str) -> Vec<Value> {
    let (status, body) = server.raw("GET", path, "").await.unwrap();
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_slice(&body).unwrap();
    answer["versions"].as_array().unwrap().clone()
}

/// The numbers of versions.
async fn numbers(server: &Server, path: &str) -> Vec<u64> {
    let versions = versions(server, path).await;
    versions.iter().map(|version| version["version"].as_u64().unwrap()).collect()
}

async fn report(server: &Server, level: u64) {
    update(server, "lamp", json!({"state": {"reported": {"level": level}}})).await;
}

#[tokio::test]
async fn nothing_is_remembered_unless_that_is_wanted() {
    let server = remembering(|_| {}).await;
    report(&server, 1).await;
    assert_eq!(numbers(&server, PATH).await, [0_u64; 0]);
}

#[tokio::test]
async fn every_version_says_who_made_it_and_what_was_changed() {
    let server = remembering(|choices| choices.limits.shadow_history_versions_max = 10).await;
    let first = json!({"state": {"desired": {"on": true, "mode": {"name": "a"}}}});
    update(&server, "lamp", first).await;
    server.clock().advance(Duration::from_secs(5));
    let second = json!({"state": {"desired": {"mode": {"name": "b"}, "on": null}}});
    update(&server, "lamp", second).await;
    delete(&server, "lamp").await.unwrap();
    let by = |version: u64, seconds: i64| {
        json!({
            "version": version, "timestamp": START + seconds,
            "principal": "arn:aws:iam::000000000000:root", "sourceIp": "127.0.0.1",
        })
    };
    let mut deleted = by(2, 5);
    deleted["state"] = Value::Null;
    deleted["changes"] = json!({"desired": {"mode": null}});
    let mut changed = by(2, 5);
    changed["state"] = json!({"desired": {"mode": {"name": "b"}}});
    changed["changes"] = json!({"desired": {"mode": {"name": "b"}, "on": null}});
    let mut made = by(1, 0);
    made["state"] = json!({"desired": {"on": true, "mode": {"name": "a"}}});
    assert_eq!(versions(&server, PATH).await, [deleted, changed, made]);
}

#[tokio::test]
async fn versions_come_newest_first_page_by_page_and_no_more_than_wanted() {
    let server = remembering(|choices| choices.limits.shadow_history_versions_max = 5).await;
    for level in 1..=8 {
        report(&server, level).await;
    }
    assert_eq!(numbers(&server, PATH).await, [8, 7, 6, 5, 4]);
    assert_eq!(numbers(&server, &format!("{PATH}?limit=2")).await, [8, 7]);
    let page = versions(&server, &format!("{PATH}?limit=2&before=7")).await;
    assert_eq!((&page[0]["version"], &page[1]["version"]), (&json!(6), &json!(5)));
    assert_eq!(
        page[1]["changes"],
        json!({"reported": {"level": 5}}),
        "compared with the next page"
    );
    post(&server, "lamp", Some("net"), r#"{"state":{"reported":{"up":1}}}"#).await.unwrap();
    assert_eq!(numbers(&server, &format!("{PATH}?name=net")).await, [1]);
}

#[tokio::test]
async fn versions_that_are_too_old_go() {
    let server = remembering(|choices| {
        choices.limits.shadow_history_versions_max = 100;
        choices.limits.shadow_history_s_max = 60;
    });
    let server = server.await;
    for level in 1..=3 {
        report(&server, level).await;
        server.clock().advance(Duration::from_secs(30));
    }
    // The third was made 30 seconds ago, the second 60.
    assert_eq!(numbers(&server, PATH).await, [3, 2]);
    server.clock().advance(Duration::from_secs(1));
    assert_eq!(numbers(&server, PATH).await, [3]);
    report(&server, 4).await;
    assert_eq!(numbers(&server, PATH).await, [4, 3]);
}

#[tokio::test]
async fn only_shadows_that_there_may_be_are_asked_for() {
    let server = remembering(|_| {}).await;
    for path in ["/_ferrite/v1/things/la mp/shadow/history", "/_ferrite/v1/things/lamp/shadow"] {
        assert!(server.raw("GET", path, "").await.is_err(), "{path}");
    }
    assert!(server.raw("GET", &format!("{PATH}?limit=many"), "").await.is_err());
}

#[tokio::test]
async fn a_deletion_is_shown_with_what_it_deleted_and_numbers_are_as_they_were_written() {
    let server = remembering(|choices| choices.limits.shadow_history_versions_max = 10).await;
    post(&server, "lamp", None, r#"{"state":{"reported":{"n":12345678901234567890123,"m":1.0}}}"#)
        .await
        .unwrap();
    delete(&server, "lamp").await.unwrap();
    let (_, body) = server.raw("GET", &format!("{PATH}?limit=1"), "").await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        text.contains(r#""state":{"reported":{"m":1.0,"n":12345678901234567890123}}"#),
        "{text}"
    );
    assert_eq!(text.matches(r#""version":1"#).count(), 2, "{text}");
}

#[tokio::test]
async fn a_lower_bound_lets_go_of_what_a_higher_one_kept() {
    let before = remembering(|choices| choices.limits.shadow_history_versions_max = 100).await;
    for level in 1..=6 {
        report(&before, level).await;
    }
    let store = before.app().store.clone();
    let after = remembering(|choices| {
        choices.store = Some(store);
        choices.seed = 8;
        choices.limits.shadow_history_versions_max = 2;
    });
    let after = after.await;
    report(&after, 7).await;
    assert_eq!(numbers(&after, PATH).await, [7, 6]);
}

#[tokio::test]
async fn whoever_has_an_odd_name_is_told_of_as_well() {
    let server = remembering(|choices| {
        choices.limits.shadow_history_versions_max = 10;
        choices.limits.shadow_history_s_max = 60;
    });
    let server = server.await;
    let Feature { hooks, .. } = shadow::feature(server.app());
    let cx = server.cx("test").await;
    for _ in 0..2 {
        let message = ReservedMessage {
            tenant: cx.tenant.clone(),
            topic: "$aws/things/lamp/shadow/update".to_owned(),
            payload: r#"{"state":{"reported":{"on":1}}}"#.into(),
            qos: QoS::AtLeastOnce,
            properties: None,
            sender: Sender { client_id: Some("a\"b\\".to_owned()), ..Sender::default() },
            at: cx.now(),
        };
        hooks.reserved[0].handle(message).await.unwrap();
    }
    let versions = versions(&server, PATH).await;
    assert_eq!((versions.len(), &versions[0]["clientId"]), (2, &json!("a\"b\\")));
}
