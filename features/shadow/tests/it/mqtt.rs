//! Shadows over MQTT: requests on topics, and what comes of them.

use std::sync::Arc;
use std::time::Duration;

use mqtt::{QoS, TopicFilter};
use serde_json::{Value, json};
use service::{Audience, Feature, Limits, Reach, ReservedMessage, ReservedTopic, Sender, kinds};
use store::{Direction, Key, KeyRange};
use testing::{Choices, Ear, Server};
use types::TenantId;

use crate::{START, get, server, shadow, update};

/// A server, what is heard of it, and who serves its topics.
async fn listening() -> (Server, Arc<Ear>, Arc<dyn ReservedTopic>) {
    listening_within(|_| {}).await
}

/// The same, within other limits.
pub(crate) async fn listening_within(
    change: impl FnOnce(&mut Limits),
) -> (Server, Arc<Ear>, Arc<dyn ReservedTopic>) {
    let mut topics = Vec::new();
    let change = |choices: &mut Choices| change(&mut choices.limits);
    let server = Server::build_with(change, |app| {
        let Feature { hooks, .. } = shadow::feature(app);
        topics = hooks.reserved;
        vec![shadow::feature(app)]
    });
    let server = server.await;
    let ear = Ear::at(&server);
    (server, ear, topics.remove(0))
}

/// Publishes a request, as a client with `under_way` others.
pub(crate) async fn publish(
    server: &Server,
    serves: &Arc<dyn ReservedTopic>,
    topic: &str,
    payload: impl Into<Vec<u8>>,
    under_way: usize,
) {
    let cx = server.cx("test").await;
    let message = ReservedMessage {
        tenant: cx.tenant.clone(),
        topic: format!("$aws/things/{topic}"),
        payload: payload.into().into(),
        qos: QoS::AtLeastOnce,
        properties: None,
        sender: Sender { under_way, ..Sender::default() },
        at: cx.now(),
    };
    serves.handle(message).await.unwrap();
}

pub(crate) fn error(code: u16, message: &str) -> Value {
    json!({"code": code, "message": message, "timestamp": START})
}

#[tokio::test]
async fn a_request_is_answered_on_its_own_topics() {
    let (server, ear, serves) = listening().await;
    let send = async |topic: &str, payload: &str| {
        publish(&server, &serves, topic, payload, 0).await;
        let told = ear.told().into_iter();
        let below = "$aws/things/lamp/shadow/";
        told.map(|(topic, body)| (topic.strip_prefix(below).unwrap().to_owned(), body))
            .collect::<Vec<_>>()
    };
    let missing = "No shadow exists with name: 'lamp'";
    let told = send("lamp/shadow/get", "").await;
    assert_eq!(told, [("get/rejected".to_owned(), error(404, missing))]);
    let told = send("lamp/shadow/delete", r#"{"clientToken":"t"}"#).await;
    let mut refused = error(404, missing);
    refused["clientToken"] = json!("t");
    assert_eq!(told, [("delete/rejected".to_owned(), refused)]);

    let told = send("lamp/shadow/update", r#"{"state":{"desired":{"on":1}},"clientToken":"c"}"#);
    let topics: Vec<_> = told
        .await
        .into_iter()
        .map(|(topic, body)| {
            assert_eq!(body["clientToken"], "c");
            topic
        })
        .collect();
    assert_eq!(topics, ["update/delta", "update/accepted", "update/documents"]);
    let told = send("lamp/shadow/update", r#"{"state":{},"version":9,"clientToken":"c"}"#).await;
    let mut refused = error(409, "Version conflict");
    refused["clientToken"] = json!("c");
    assert_eq!(told, [("update/rejected".to_owned(), refused)]);

    let mut shadow = get(&server, "lamp").await.unwrap();
    shadow["clientToken"] = json!("g");
    let told = send("lamp/shadow/get", r#"{"clientToken":"g"}"#).await;
    assert_eq!(told, [("get/accepted".to_owned(), shadow)]);
    let told = send("lamp/shadow/get", "{").await;
    assert_eq!(told, [("get/rejected".to_owned(), error(400, "Invalid JSON"))]);
    let told = send("lamp/shadow/delete", "anything").await;
    let deleted = json!({"version": 1, "timestamp": START});
    assert_eq!(told, [("delete/accepted".to_owned(), deleted)]);
}

#[tokio::test]
async fn a_shadow_by_name_has_topics_of_its_own() {
    let (server, ear, serves) = listening().await;
    let request = r#"{"state":{"reported":{"up":1}}}"#;
    publish(&server, &serves, "lamp/shadow/name/net/update", request, 0).await;
    publish(&server, &serves, "lamp/shadow/name/wifi/get", "", 0).await;
    let told = ear.told();
    let topics: Vec<_> = told.iter().map(|(topic, _)| topic.as_str()).collect();
    let expected = [
        "$aws/things/lamp/shadow/name/net/update/accepted",
        "$aws/things/lamp/shadow/name/net/update/documents",
        "$aws/things/lamp/shadow/name/wifi/get/rejected",
    ];
    assert_eq!(topics, expected);
    assert_eq!(told[2].1["message"], "No shadow exists with name: 'lamp~wifi'");
}

#[tokio::test]
async fn a_client_with_too_much_under_way_is_told_so() {
    let (server, ear, serves) = listening().await;
    let most = server.app().limits.shadow_requests_under_way_max;
    let request = r#"{"state":{"reported":{"up":1}}}"#;
    let with_token = r#"{"state":{},"clientToken":"t"}"#;
    publish(&server, &serves, "lamp/shadow/update", with_token, most).await;
    let mut refused = error(429, "Too Many Requests");
    refused["clientToken"] = json!("t");
    let told = vec![("$aws/things/lamp/shadow/update/rejected".to_owned(), refused)];
    assert_eq!(ear.told(), told);
    publish(&server, &serves, "lamp/shadow/update", request, most - 1).await;
    assert_eq!(get(&server, "lamp").await.unwrap()["version"], 1);
}

#[tokio::test]
async fn a_refusal_stands_in_the_device_log_and_a_storm_of_them_leaves_room_for_others() {
    let (server, _ear, serves) = listening().await;
    tokio::time::pause();
    publish(&server, &serves, "lamp/shadow/name/net/update", "{", 0).await;
    publish(&server, &serves, "lamp/shadow/update", r#"{"state":{}}"#, 0).await;
    for _ in 0..20 {
        publish(&server, &serves, "pump/shadow/get", "", 0).await;
    }
    let log = server.app().device_log.newest(100, |_| true);
    let (first, last) = (log.last().unwrap(), log.first().unwrap());
    let shown = serde_json::to_value(first).unwrap();
    let expected = json!({
        "timestamp": shown["timestamp"], "eventType": "UpdateThingShadow", "status": "Failure",
        "logLevel": "ERROR", "protocol": "MQTT", "reason": "INVALID_REQUEST",
        "details": "Invalid JSON",
        "accountId": "000000000000", "region": "us-east-1",
        "topicName": "$aws/things/lamp/shadow/name/net/update", "deviceShadowName": "lamp~net",
    });
    assert_eq!(shown, expected);
    assert_eq!((last.event_type, last.reason), ("GetThingShadow", "NOT_FOUND"));
    assert_eq!(log.len(), 10);
}

#[tokio::test]
async fn a_failure_of_the_store_is_told_and_changes_nothing() {
    let (server, ear, serves) = listening().await;
    update(&server, "lamp", json!({"state": {"reported": {"up": 1}}})).await;
    drop(ear.heard());
    let Some(faults) = server.app().store.faults() else { return };
    faults.set_full(true);
    let request = r#"{"state":{"reported":{"up":2}}}"#;
    publish(&server, &serves, "lamp/shadow/update", request, 0).await;
    faults.set_full(false);
    let told = ear.told();
    assert_eq!(told.len(), 1, "nothing but the refusal: {told:?}");
    assert!(told[0].0.ends_with("update/rejected") && told[0].1["code"].as_u64().unwrap() >= 500);
    assert_eq!(get(&server, "lamp").await.unwrap()["state"], json!({"reported": {"up": 1}}));
}

#[tokio::test]
async fn requests_may_be_published_and_replies_may_not() {
    let (_, _, serves) = listening().await;
    let takes = |rest: &str| serves.takes(&format!("$aws/things/{rest}"));
    for topic in [
        "lamp/shadow/get",
        "lamp/shadow/update",
        "lamp/shadow/delete",
        "lamp/shadow/name/net/get",
        "lamp/shadow/name/$package/update",
        "lamp/shadow/other",
    ] {
        assert_eq!(takes(topic), Some(Audience::Everybody), "{topic}");
    }
    for topic in [
        "lamp/shadow/get/accepted",
        "lamp/shadow/update/delta",
        "lamp/shadow/update/documents",
        "lamp/shadow/name/net/delete/rejected",
        "lamp/shadow",
        "lamp/shadow/name/net",
        "la mp/shadow/get",
        "/shadow/get",
        "lamp/shadow/name//get",
        "lamp/jobs/get",
    ] {
        assert_eq!(takes(topic), None, "{topic}");
    }
    assert_eq!(serves.takes("things/lamp/shadow/get"), None);
}

#[tokio::test]
async fn what_is_told_of_shadows_can_be_subscribed_to() {
    let (_, _, serves) = listening().await;
    let can_hear =
        |text: &str| serves.can_hear(&TopicFilter::parse(text.to_owned().into()).unwrap());
    for filter in [
        "$aws/things/lamp/shadow/update/delta",
        "$aws/things/lamp/shadow/#",
        "$aws/things/+/shadow/update",
        "$aws/things/lamp/shadow/name/net/update/+",
        "$aws/things/+/shadow/name/+/get/accepted",
        "$aws/things/#",
        "$aws/+/lamp/shadow/get/rejected",
        "$aws/things/lamp/shadow/+/accepted",
    ] {
        assert!(can_hear(filter), "{filter}");
    }
    for filter in [
        "$aws/things/lamp/shadow",
        "$aws/things/lamp/shadow/get/delta",
        "$aws/things/lamp/jobs/#",
        "$aws/things/lamp/shadow/name/net",
        "things/lamp/shadow/get",
        "$aws/things/lamp",
    ] {
        assert!(!can_hear(filter), "{filter}");
    }
}

#[tokio::test]
async fn what_follows_from_an_update_is_told_also_if_the_server_ends_right_after_it() {
    let server = server().await;
    // Nobody is there yet who could tell of it.
    update(&server, "lamp", json!({"state": {"desired": {"on": 1}}})).await;
    let (store, clock) = (server.app().store.clone(), server.clock().clone());
    server.clock().advance(Duration::from_secs(60));
    let after = Server::build_with(
        |choices| {
            choices.store = Some(store);
            choices.clock = Some(clock);
            choices.seed = 8;
        },
        |app| vec![shadow::feature(app)],
    )
    .await;
    let ear = Ear::at(&after);
    after.app().outbox.serve(after.app()).await;
    let told: Vec<_> = ear.told().into_iter().map(|(topic, _)| topic).collect();
    let expected = ["delta", "accepted", "documents"];
    assert_eq!(told, expected.map(|last| format!("$aws/things/lamp/shadow/update/{last}")));
}

#[tokio::test]
async fn nothing_is_made_for_nobody_and_kept_for_those_who_lose_it_anyhow() {
    for (reach, count) in [(Reach::Nobody, 0), (Reach::Connected, 3)] {
        let server = server().await;
        let ear = Ear::reaching(&server, reach);
        update(&server, "lamp", json!({"state": {"desired": {"on": 1}}})).await;
        assert_eq!(ear.told().len(), count, "{reach:?}");
        let outbox = KeyRange::prefix(&Key::new(TenantId::GLOBAL, kinds::OUTBOX));
        let page = server.app().store.scan(outbox, None, 1, Direction::Forward).await.unwrap();
        assert_eq!(page.entries.len(), 0, "{reach:?}");
    }
}
