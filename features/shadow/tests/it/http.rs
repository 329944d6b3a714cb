//! Shadows over HTTP: get, update, delete, list.

use std::time::Duration;

use model::iot_data::op::{DeleteThingShadow, GetThingShadow, ListNamedShadowsForThing};
use serde_json::{Value, json};
use testing::{Ear, Server};

use crate::{START, delete, get, named, post, refusal, server, shadow, update};

#[tokio::test]
async fn a_shadow_is_there_from_its_first_update_on() {
    let server = server().await;
    let missing = refusal(get(&server, "lamp").await);
    let expected = ("ResourceNotFoundException", "No shadow exists with name: 'lamp'".to_owned());
    assert_eq!(missing, expected);
    let request = json!({"state": {"desired": {"on": true}}, "clientToken": "c"});
    let accepted = update(&server, "lamp", request).await;
    let expected = json!({
        "state": {"desired": {"on": true}},
        "metadata": {"desired": {"on": {"timestamp": START}}},
        "version": 1, "timestamp": START, "clientToken": "c",
    });
    assert_eq!(accepted, expected);
    server.clock().advance(Duration::from_secs(60));
    let expected = json!({
        "state": {"desired": {"on": true}, "delta": {"on": true}},
        "metadata": {"desired": {"on": {"timestamp": START}}},
        "version": 1, "timestamp": START + 60,
    });
    assert_eq!(get(&server, "lamp").await.unwrap(), expected);
}

#[tokio::test]
async fn an_update_is_told_to_devices_as_well() {
    let server = server().await;
    let ear = Ear::at(&server);
    update(&server, "lamp", json!({"state": {"desired": {"on": true}}})).await;
    update(&server, "lamp", json!({"state": {"reported": {"on": true}}})).await;
    let topics: Vec<_> = ear.told().into_iter().map(|(topic, _)| topic).collect();
    let expected = ["delta", "accepted", "documents", "accepted", "documents"];
    assert_eq!(topics, expected.map(|last| format!("$aws/things/lamp/shadow/update/{last}")));
    post(&server, "lamp", Some("a"), r#"{"state":1}"#).await.unwrap_err();
    get(&server, "lamp").await.unwrap();
    assert_eq!(ear.told(), [], "refusals and answers over HTTP are nobody else's");
}

#[tokio::test]
async fn a_shadow_by_name_is_another_one() {
    let server = server().await;
    let ear = Ear::at(&server);
    post(&server, "lamp", Some("net"), r#"{"state":{"reported":{"up":1}}}"#).await.unwrap();
    let topics: Vec<_> = ear.told().into_iter().map(|(topic, _)| topic).collect();
    let expected = ["accepted", "documents"];
    assert_eq!(topics, expected.map(|m| format!("$aws/things/lamp/shadow/name/net/update/{m}")));
    assert!(get(&server, "lamp").await.is_err());
    let request = named("lamp", Some("wifi"));
    let (code, message) = refusal(server.call::<GetThingShadow>(request).await);
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "No shadow exists with name: 'lamp~wifi'");
    let net = server.call::<GetThingShadow>(named("lamp", Some("net"))).await.unwrap();
    assert_eq!(net["state"], json!({"reported": {"up": 1}}));
}

#[tokio::test]
async fn shadows_are_listed_by_name_page_by_page() {
    let server = server().await;
    for name in ["b", "$package", "a"] {
        post(&server, "lamp", Some(name), r#"{"state":{}}"#).await.unwrap();
    }
    post(&server, "lamp", None, r#"{"state":{}}"#).await.unwrap();
    post(&server, "lamp2", Some("other"), r#"{"state":{}}"#).await.unwrap();
    let list =
        async |request: Value| server.call::<ListNamedShadowsForThing>(request).await.unwrap();
    let page = list(json!({"thingName": "lamp", "pageSize": 2})).await;
    assert_eq!((&page["results"], &page["timestamp"]), (&json!(["$package", "a"]), &json!(START)));
    let rest = json!({"thingName": "lamp", "pageSize": 2, "nextToken": page["nextToken"]});
    assert_eq!(list(rest).await, json!({"results": ["b"], "timestamp": START}));
    server.call::<DeleteThingShadow>(named("lamp", Some("a"))).await.unwrap();
    assert_eq!(list(json!({"thingName": "lamp"})).await["results"], json!(["$package", "b"]));
    assert_eq!(list(json!({"thingName": "nobody"})).await["results"], json!([]));
}

#[tokio::test]
async fn the_version_holds_an_update_to_what_it_is_about() {
    let server = server().await;
    let with_version = |version: u64| {
        let body = json!({"state": {"desired": {"x": version}}, "version": version});
        body.to_string()
    };
    for _ in 0..10 {
        update(&server, "lamp", json!({"state": {"reported": {"on": 1}}})).await;
    }
    for version in [9, 11] {
        let refused = refusal(post(&server, "lamp", None, with_version(version)).await);
        assert_eq!(refused, ("ConflictException", "Version conflict".to_owned()));
    }
    assert_eq!(get(&server, "lamp").await.unwrap()["version"], 10);
    let accepted = post(&server, "lamp", None, with_version(10)).await.unwrap();
    assert_eq!(accepted["version"], 11);
    let (code, message) = refusal(post(&server, "new", None, with_version(3)).await);
    assert_eq!((code, message.as_str()), ("InvalidRequestException", "Invalid version"));
    for (thing, version) in [("zero", 0), ("one", 1)] {
        let accepted = post(&server, thing, None, with_version(version)).await.unwrap();
        assert_eq!(accepted["version"], 1);
    }
}

#[tokio::test]
async fn a_deleted_shadow_goes_on_with_its_versions_for_two_days() {
    let server = server().await;
    let ear = Ear::at(&server);
    for _ in 0..4 {
        update(&server, "lamp", json!({"state": {"reported": {"on": 1}}})).await;
    }
    drop(ear.heard());
    let deleted = delete(&server, "lamp").await.unwrap();
    assert_eq!(deleted, json!({"version": 4, "timestamp": START}));
    let told = vec![("$aws/things/lamp/shadow/delete/accepted".to_owned(), deleted)];
    assert_eq!(ear.told(), told);
    assert!(get(&server, "lamp").await.is_err());
    let (code, message) = refusal(delete(&server, "lamp").await);
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "No shadow exists with name: 'lamp'");
    let accepted = update(&server, "lamp", json!({"state": {"desired": {"on": 1}}})).await;
    assert_eq!(accepted["version"], 5);
    delete(&server, "lamp").await.unwrap();
    forget(&server).await;
    let accepted = update(&server, "lamp", json!({"state": {"desired": {"on": 1}}})).await;
    assert_eq!(accepted["version"], 1);
}

/// Lets two days pass, and waits until nothing is left to be forgotten.
async fn forget(server: &Server) {
    let schedule = &server.app().schedule;
    let kind = service::TimerKind::SHADOW_TOMBSTONE;
    assert_eq!(schedule.coming(kind, None, 10).await.unwrap().timers.len(), 1);
    server.clock().advance(Duration::from_secs(48 * 60 * 60));
    schedule.hint(server.clock().now());
    while !schedule.coming(kind, None, 10).await.unwrap().timers.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_document_has_a_bound_that_counts_its_sections_alone() {
    let server = server().await;
    // Both sections are `{"a":"…"}`, 8 bytes beside the text.
    let sized = |bytes: usize| {
        let half = "x".repeat(bytes / 2 - 8);
        json!({"state": {"desired": {"a": half}, "reported": {"a": half}}}).to_string()
    };
    post(&server, "lamp", None, sized(8192)).await.unwrap();
    let refused = refusal(post(&server, "lamp", None, sized(8194)).await);
    let expected = "The payload exceeds the maximum size allowed".to_owned();
    assert_eq!(refused, ("RequestEntityTooLargeException", expected));
    // What a small update would make of it counts, not the update.
    let more = r#"{"state":{"desired":{"b":1}}}"#;
    assert_eq!(
        refusal(post(&server, "lamp", None, more).await).0,
        "RequestEntityTooLargeException"
    );
    let less = r#"{"state":{"desired":{"a":null,"b":1}}}"#;
    assert_eq!(post(&server, "lamp", None, less).await.unwrap()["version"], 2);
}

#[tokio::test]
async fn a_request_has_a_bound_of_its_own() {
    let server = server().await;
    let most = 8 * server.app().limits.shadow_document_bytes_max;
    let body = |bytes: usize| {
        let body = format!(r#"{{"state":{{}},"x":"{}"}}"#, "x".repeat(bytes - 19));
        assert_eq!(body.len(), bytes);
        body
    };
    post(&server, "lamp", None, body(most)).await.unwrap();
    let refused = refusal(post(&server, "lamp", None, body(most + 1)).await);
    assert_eq!(refused.0, "RequestEntityTooLargeException");
    // What is said of a name is as much as is needed to find it.
    let long = format!(r#"{{"state":{{"{}":{{}}}}}}"#, "x".repeat(1000));
    assert!(refusal(post(&server, "lamp", None, long).await).1.len() < 120);
}

#[tokio::test]
async fn what_is_refused_leaves_the_document_alone() {
    let server = server().await;
    update(&server, "lamp", json!({"state": {"reported": {"on": 1}}})).await;
    let before = get(&server, "lamp").await.unwrap();
    for body in [
        &b"{"[..],
        b"\xff",
        br#"{"state":{"x":{}}}"#,
        br#"{"state":{"desired":{"a":[null]}}}"#,
        br#"{"state":{"desired":{"a":1}},"version":7}"#,
    ] {
        post(&server, "lamp", None, body).await.unwrap_err();
    }
    assert_eq!(get(&server, "lamp").await.unwrap(), before);
}

#[tokio::test]
async fn a_thing_has_another_shadow_in_each_account_and_region() {
    let server = server().await;
    update(&server, "lamp", json!({"state": {"reported": {"on": 1}}})).await;
    assert!(get(&server.in_region("eu-west-1"), "lamp").await.is_err());
    assert!(get(&server.in_account("123456789012"), "lamp").await.is_err());
}

#[tokio::test]
async fn a_wider_bound_takes_what_aws_refuses() {
    let server = Server::build_with(
        |choices| choices.limits.shadow_document_bytes_max = 1024 * 1024,
        |app| vec![shadow::feature(app)],
    );
    let server = server.await;
    let long = json!({"state": {"reported": {"log": "x".repeat(100_000)}}});
    assert_eq!(update(&server, "lamp", long).await["version"], 1);
}
