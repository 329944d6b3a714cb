//! Rates: how often shadows may be asked for.

use std::time::Duration;

use model::iot_data::op::ListNamedShadowsForThing;
use serde_json::json;
use service::Limits;
use testing::Server;

use crate::mqtt::{error, listening_within, publish};
use crate::{delete, get, named, post, refusal, shadow};

async fn server(change: impl FnOnce(&mut Limits)) -> Server {
    let change = |choices: &mut testing::Choices| change(&mut choices.limits);
    let server = Server::build_with(change, |app| vec![shadow::feature(app)]).await;
    tokio::time::pause();
    server
}

const THERE_IS_NONE: &str = "ResourceNotFoundException";
const THROTTLED: &str = "ThrottlingException";

/// How requests for the things' shadows end.
async fn codes<const N: usize>(server: &Server, things: [&str; N]) -> Vec<&'static str> {
    let mut codes = Vec::new();
    for thing in things {
        codes.push(refusal(get(server, thing).await).0);
    }
    codes
}

#[tokio::test]
async fn a_thing_is_asked_for_no_more_often_than_it_may_be() {
    let server = server(|limits| limits.shadow_requests_per_thing_per_s = 2).await;
    let answers = codes(&server, ["lamp", "lamp", "lamp", "pump"]).await;
    assert_eq!(answers, [THERE_IS_NONE, THERE_IS_NONE, THROTTLED, THERE_IS_NONE]);
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(codes(&server, ["lamp", "lamp"]).await, [THERE_IS_NONE, THROTTLED]);
}

#[tokio::test]
async fn all_things_of_an_account_share_its_rate_and_every_operation_counts() {
    let server = server(|limits| limits.shadow_requests_per_s = 2).await;
    assert_eq!(codes(&server, ["lamp", "pump"]).await, [THERE_IS_NONE, THERE_IS_NONE]);
    let too_many = (THROTTLED, "Too Many Requests".to_owned());
    assert_eq!(refusal(get(&server, "fan").await), too_many);
    assert_eq!(refusal(delete(&server, "fan").await), too_many);
    assert_eq!(refusal(post(&server, "fan", None, "{}").await), too_many);
    let list = server.call::<ListNamedShadowsForThing>(named("fan", None)).await;
    assert_eq!(refusal(list), too_many);
}

#[tokio::test]
async fn a_thing_that_is_asked_too_often_takes_nothing_from_others() {
    let server = server(|limits| {
        limits.shadow_requests_per_s = 2;
        limits.shadow_requests_per_thing_per_s = 1;
    });
    let answers = codes(&server.await, ["lamp", "lamp", "lamp", "pump", "fan"]).await;
    assert_eq!(answers, [THERE_IS_NONE, THROTTLED, THROTTLED, THERE_IS_NONE, THROTTLED]);
}

#[tokio::test]
async fn a_device_is_told_so_by_its_token_and_changes_nothing() {
    let within = |limits: &mut Limits| limits.shadow_requests_per_thing_per_s = 1;
    let (server, ear, serves) = listening_within(within).await;
    tokio::time::pause();
    let request = r#"{"state":{"reported":{"up":1}}}"#;
    publish(&server, &serves, "lamp/shadow/update", request, 0).await;
    drop(ear.heard());
    let request = r#"{"state":{"reported":{"up":2}},"clientToken":"t"}"#;
    publish(&server, &serves, "lamp/shadow/update", request, 0).await;
    let mut refused = error(429, "Too Many Requests");
    refused["clientToken"] = json!("t");
    let told = vec![("$aws/things/lamp/shadow/update/rejected".to_owned(), refused)];
    assert_eq!(ear.told(), told);
    tokio::time::advance(Duration::from_secs(1)).await;
    let shadow = get(&server, "lamp").await.unwrap();
    assert_eq!((&shadow["version"], &shadow["state"]["reported"]["up"]), (&json!(1), &json!(1)));
}
