//! Whether a destination wants messages: it is asked by a POST with a token, and answers by sending
//! the token back or by opening the link that has it.
//!
//! The question is a timer, so that it is put also if the server ends right after it was to be. It
//! may be put twice. A token is good for one question, until it expires.

use std::sync::Arc;

use bytes::Bytes;
use model::iot::TopicRuleDestinationStatus;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service::retry::{Setback, retry};
use service::{
    Access, ApiError, App, BoxFuture, Caller, Cx, OnDue, RawRequest, RawResponse, RawRoute,
    RouteMatch, Timer, TimerKind,
};
use store::Batch;
use types::{AccountId, Tenant, Timestamp};

use crate::live::Live;
use crate::store::destinations::{self, Destination};

/// What tokens are sealed for.
const PURPOSE: &str = "confirmation of a destination of rules";
/// Where links lead.
const LINK: &str = "/confirmdestination/";
/// What AWS calls the message that asks.
const MESSAGE_TYPE: &str = "DestinationConfirmation";
/// As AWS has it while nothing has come back.
const NO_RESPONSE: &str = "no response received from the endpoint.";

/// What asks a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// With the token.
    pub url: String,
    /// For the headers, with the type of the message.
    pub headers: [(&'static str, String); 3],
    /// JSON.
    pub body: Bytes,
}

/// Brings questions to destinations.
pub trait Courier: Send + Sync {
    /// Sends `question` by POST: the status of the answer, or why there is none.
    fn post(&self, question: Question) -> BoxFuture<'_, Result<u16, String>>;
}

/// What a destination proves by: whoever has it was sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    account: AccountId,
    region: String,
    destination: String,
    question: String,
}

impl Token {
    fn of(tenant: &Tenant, destination: &Destination) -> Self {
        Self {
            account: tenant.account,
            region: tenant.region.to_string(),
            destination: destination.id().to_owned(),
            question: destination.question.id.clone(),
        }
    }

    fn seal(&self, app: &App) -> String {
        let text = serde_json::to_vec(self).expect("a token is JSON");
        app.keyring.seal(PURPOSE, &text, &app.env.random)
    }

    /// Reads a token that this server, or another one with its keys, has made.
    pub(crate) fn open(app: &App, text: &str) -> Result<Self, ApiError> {
        let opened = app.keyring.open(PURPOSE, text).map_err(|_| wrong_token())?;
        serde_json::from_slice(&opened).map_err(|_| wrong_token())
    }

    /// Whose destination it is for.
    pub(crate) async fn tenant(&self, app: &App) -> Result<Tenant, ApiError> {
        let region = self.region.parse().map_err(|_| wrong_token())?;
        app.tenants.find(self.account, region).await
    }
}

/// What a token is told that is none, or no longer.
pub(crate) fn wrong_token() -> ApiError {
    ApiError::invalid("The confirmation token is invalid, or has expired.")
}

/// Enables the destination of a token that answers its question. Answering twice is no error.
pub(crate) async fn confirm(cx: &Cx, token: &Token) -> Result<(), ApiError> {
    retry(|| try_confirm(cx, token)).await
}

async fn try_confirm(cx: &Cx, token: &Token) -> Result<(), Setback> {
    use TopicRuleDestinationStatus::{Enabled, InProgress};
    let before = destinations::find(cx, &token.destination).await?;
    let before = before.filter(|before| {
        let question = &before.document.question;
        question.id == token.question && cx.now() < question.expires
    });
    let before = before.ok_or_else(wrong_token)?;
    match before.document.status {
        InProgress => {}
        Enabled => return Ok(()),
        _ => return Err(wrong_token().into()),
    }
    let mut after = before.document.clone();
    after.status = Enabled;
    after.status_reason = None;
    after.modified = cx.now();
    let mut batch = Batch::new();
    cancel(cx, &mut batch, &before.document);
    destinations::replace(&mut batch, &before, &after);
    cx.commit(batch).await?;
    Ok(())
}

/// Has a destination asked, and given up in time.
pub(crate) fn schedule(cx: &Cx, batch: &mut Batch, destination: &Destination) {
    for timer in destination.timers(cx.tenant.id) {
        cx.app.schedule.set(batch, &timer);
    }
}

/// Waits no longer for an answer.
pub(crate) fn cancel(cx: &Cx, batch: &mut Batch, destination: &Destination) {
    for timer in destination.timers(cx.tenant.id) {
        cx.app.schedule.cancel(batch, &timer);
    }
}

/// The link that a person may open: whoever has it may confirm, in whichever account.
pub(crate) fn link(live: &Arc<Live>) -> RawRoute {
    let live = Arc::clone(live);
    let matches = RouteMatch::Prefix("GET", LINK);
    RawRoute::new(matches, Access::Link, "ConfirmTopicRuleDestination", move |cx, request| {
        let live = Arc::clone(&live);
        async move {
            open_link(&cx, &request).await?;
            live.settle().await;
            RawResponse::json(&json!({}))
        }
    })
}

async fn open_link(cx: &Cx, request: &RawRequest) -> Result<(), ApiError> {
    let text = request.path.strip_prefix(LINK).unwrap_or_default();
    let token = Token::open(&cx.app, text)?;
    let tenant = token.tenant(&cx.app).await?;
    let resource = tenant.arn("iot", &format!("ruledestination/http/{}", token.destination));
    let cx = Cx { tenant, resource: resource.into(), ..cx.clone() };
    confirm(&cx, &token).await?;
    cx.app.audit.log(&cx, "success");
    Ok(())
}

/// Puts questions to destinations, and gives up those that do not answer.
pub(crate) struct Confirmations {
    app: Arc<App>,
    courier: Arc<dyn Courier>,
}

impl Confirmations {
    /// Has questions put from now on, beginning with those that were left.
    pub(crate) fn start(app: &Arc<App>, courier: Arc<dyn Courier>) {
        let confirmations = Arc::new(Self { app: Arc::clone(app), courier });
        for kind in [TimerKind::DESTINATION_QUESTION, TimerKind::DESTINATION_TIMEOUT] {
            app.schedule.serve(kind, confirmations.clone());
        }
    }

    async fn ask(&self, timer: &Timer) -> Result<(), ApiError> {
        let Some((cx, destination)) = self.in_progress(timer).await? else { return Ok(()) };
        let sent = self.app.env.clock.now();
        let answer = self.courier.post(question(&cx, &destination)).await;
        let reason = format!(
            "Awaiting confirmation. Confirmation message sent on {}{}",
            in_millis(sent),
            said(&answer)
        );
        self.note(timer, |destination| destination.status_reason = Some(reason.clone())).await
    }

    async fn give_up(&self, timer: &Timer) -> Result<(), ApiError> {
        let note = |destination: &mut Destination| {
            destination.status = TopicRuleDestinationStatus::Error;
            destination.status_reason = Some("The confirmation timed out.".to_owned());
        };
        self.note(timer, note).await
    }

    /// Changes a destination that still waits for the answer to the timer's question.
    async fn note(
        &self,
        timer: &Timer,
        change: impl Fn(&mut Destination) + Sync,
    ) -> Result<(), ApiError> {
        let noted = retry(|| async {
            let Some((cx, _)) = self.in_progress(timer).await? else { return Ok(()) };
            let id = named(timer).0;
            let Some(before) = destinations::find(&cx, id).await? else { return Ok(()) };
            let mut after = before.document.clone();
            if after.question.id != named(timer).1 {
                return Ok(());
            }
            change(&mut after);
            after.modified = self.app.env.clock.now();
            let mut batch = Batch::new();
            destinations::replace(&mut batch, &before, &after);
            self.app.store.commit(batch).await?;
            Ok::<(), Setback>(())
        });
        noted.await
    }

    /// The destination that the timer is about, if it still waits for an answer to its question.
    async fn in_progress(&self, timer: &Timer) -> Result<Option<(Cx, Destination)>, ApiError> {
        let (id, question) = named(timer);
        let key = destinations::key(timer.tenant, id);
        let Some(found) = self.app.store.get(&key).await? else { return Ok(None) };
        let destination = destinations::decode(&found)?;
        let is_waiting = destination.status == TopicRuleDestinationStatus::InProgress
            && destination.question.id == question;
        let tenants = self.app.tenants.all().await?;
        let tenant = tenants.into_iter().find(|tenant| tenant.id == timer.tenant);
        let cx = tenant.map(|tenant| self.cx(tenant, &destination.arn));
        Ok(cx.filter(|_| is_waiting).map(|cx| (cx, destination)))
    }

    fn cx(&self, tenant: Tenant, arn: &str) -> Cx {
        let caller = Caller {
            access_key_id: String::new(),
            account: tenant.account,
            arn: "iot.amazonaws.com".to_owned(),
            user_id: "iot.amazonaws.com".to_owned(),
            source_ip: std::net::Ipv4Addr::LOCALHOST.into(),
            is_over_tls: false,
            is_root: false,
        };
        Cx::of_server(&self.app, tenant, caller, "UpdateTopicRuleDestination", arn)
    }
}

impl OnDue for Confirmations {
    fn due<'a>(&'a self, timer: &'a Timer) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move {
            match timer.kind {
                TimerKind::DESTINATION_QUESTION => self.ask(timer).await,
                _ => self.give_up(timer).await,
            }
        })
    }
}

/// The ids of the destination and of its question.
fn named(timer: &Timer) -> (&str, &str) {
    timer.id.split_once('/').unwrap_or((&timer.id, ""))
}

fn question(cx: &Cx, destination: &Destination) -> Question {
    let token = Token::of(&cx.tenant, destination).seal(&cx.app);
    let link = format!("{}{LINK}{token}", cx.app.settings.api_url(&cx.tenant));
    let body = json!({
        "arn": destination.arn,
        "confirmationToken": token,
        "enableUrl": link,
        "messageType": MESSAGE_TYPE,
    });
    Question {
        url: with_token(&destination.confirmation_url, &token),
        headers: [
            ("content-type", "application/json".to_owned()),
            ("x-amz-rules-engine-message-type", MESSAGE_TYPE.to_owned()),
            ("x-amz-rules-engine-destination-arn", destination.arn.clone()),
        ],
        body: body.to_string().into(),
    }
}

/// The URL with the token in its query, as AWS writes it: `https://host/path/?confirmationToken=…`.
fn with_token(url: &str, token: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let separator = if path.ends_with('/') { "" } else { "/" };
    let more = if query.is_empty() { String::new() } else { format!("{query}&") };
    format!("{path}{separator}?{more}confirmationToken={token}")
}

/// What AWS says of how a destination took its question.
fn said(answer: &Result<u16, String>) -> String {
    match answer {
        Ok(200..=299) => format!("; {NO_RESPONSE}"),
        Ok(status) => format!(". The destination responded with HTTP status code - {status}."),
        Err(why) => format!("; {why}."),
    }
}

/// `2020-07-09T22:47:54.154Z`.
fn in_millis(time: Timestamp) -> String {
    let text = Timestamp::from_secs(time.secs()).to_rfc3339();
    text.replace('Z', &format!(".{:03}Z", time.millis().rem_euclid(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stands_in_the_query() {
        for (url, expect) in [
            ("https://a", "https://a/?confirmationToken=t"),
            ("https://a/b/", "https://a/b/?confirmationToken=t"),
            ("https://a/b?c=d", "https://a/b/?c=d&confirmationToken=t"),
        ] {
            assert_eq!(with_token(url, "t"), expect);
        }
    }

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(
            in_millis(Timestamp::from_millis(1_594_334_874_154)),
            "2020-07-09T22:47:54.154Z"
        );
        assert_eq!(in_millis(Timestamp::from_secs(1_594_334_874)), "2020-07-09T22:47:54.000Z");
    }
}
