//! Messages that go out together: those of one rule to one URL, and mostly of one topic.
//!
//! Nobody runs a batch but those whose messages are in it. Each waits until it is full or was open
//! long enough; whoever wakes first sends it, and tells the others how it went. A message is done
//! when its batch is, and not before.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use model::iot::HttpAction;
use serde_json::json;
use sql::Payload;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use super::{ActionError, Body, Post, failed};
use crate::engine::batch::FailedBatch;
use crate::engine::world::World;

/// How long a batch is open, if the rule does not say.
const OPEN_MS: i32 = 20;
/// Messages of a batch, if the rule does not say.
const MESSAGES_MAX: i32 = 10;
/// Bytes of a batch, if the rule does not say.
const BYTES_MAX: i32 = 5120;

/// The batches of one action that are open.
pub(super) struct Batches {
    bounds: Bounds,
    open: Mutex<HashMap<Scope, Arc<Batch>>>,
}

/// When a batch is sent, and what may be in one.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    open: Duration,
    messages: usize,
    bytes: usize,
    is_across_topics: bool,
}

/// What messages of one batch have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Scope {
    url: String,
    topic: Option<String>,
}

struct Batch {
    until: Instant,
    is_full: Notify,
    members: Mutex<Vec<Member>>,
}

struct Member {
    item: Bytes,
    headers: Vec<(HeaderName, String)>,
    told: oneshot::Sender<Result<(), ActionError>>,
}

impl Batches {
    /// Those of an action, if it sends batches.
    pub(super) fn compile(action: &HttpAction) -> Option<Arc<Self>> {
        if action.enable_batching != Some(true) {
            return None;
        }
        let config = action.batch_config.clone().unwrap_or_default();
        let size = |given: Option<i32>, otherwise: i32| {
            usize::try_from(given.unwrap_or(otherwise)).unwrap_or_default()
        };
        let open_ms = u64::try_from(config.max_batch_open_ms.unwrap_or(OPEN_MS));
        let bounds = Bounds {
            open: Duration::from_millis(open_ms.unwrap_or_default()),
            messages: size(config.max_batch_size, MESSAGES_MAX),
            bytes: size(config.max_batch_size_bytes, BYTES_MAX),
            is_across_topics: config.batch_across_topics == Some(true),
        };
        Some(Arc::new(Self { bounds, open: Mutex::default() }))
    }

    /// Sends a message with others. If whoever was to send them is gone, it is sent with the next.
    pub(super) async fn send(&self, world: &World, post: &Post) -> Result<(), ActionError> {
        let item = item(&post.body)?;
        loop {
            if let Some(result) = self.send_once(world, post, item.clone()).await {
                return result;
            }
        }
    }

    async fn send_once(
        &self,
        world: &World,
        post: &Post,
        item: Bytes,
    ) -> Option<Result<(), ActionError>> {
        let scope = self.scope(post);
        let (batch, mut told) = self.join(&scope, post, item);
        tokio::select! {
            biased;
            result = &mut told => return result.ok(),
            () = batch.is_full.notified() => {}
            () = sleep_until(batch.until) => {}
        }
        let members = self.close(&scope, &batch);
        if !members.is_empty() {
            self.deliver(world, post, members).await;
        }
        told.await.ok()
    }

    fn scope(&self, post: &Post) -> Scope {
        let topic = (!self.bounds.is_across_topics).then(|| post.topic.clone());
        Scope { url: post.url.clone(), topic }
    }

    /// Lets a message into the batch that is open, or into a new one if it has no room there.
    fn join(
        &self,
        scope: &Scope,
        post: &Post,
        item: Bytes,
    ) -> (Arc<Batch>, oneshot::Receiver<Result<(), ActionError>>) {
        let (told, is_told) = oneshot::channel();
        let member = Member { item, headers: post.headers.clone(), told };
        let mut open = self.lock();
        let until = Instant::now() + self.bounds.open;
        let batch = match open.entry(scope.clone()) {
            Entry::Vacant(place) => Arc::clone(place.insert(Batch::new(until))),
            Entry::Occupied(mut place) => {
                if place.get().bytes_with(&member.item) > self.bounds.bytes {
                    place.insert(Batch::new(until)).is_full.notify_one();
                }
                Arc::clone(place.get())
            }
        };
        let is_full = batch.push(member) >= self.bounds.messages;
        if is_full || batch.bytes_with(&Bytes::new()) >= self.bounds.bytes {
            open.remove(scope);
            batch.is_full.notify_one();
        }
        (batch, is_told)
    }

    /// Takes what is in a batch; nothing, if somebody else has.
    fn close(&self, scope: &Scope, batch: &Arc<Batch>) -> Vec<Member> {
        let mut open = self.lock();
        if open.get(scope).is_some_and(|it| Arc::ptr_eq(it, batch)) {
            open.remove(scope);
        }
        std::mem::take(&mut *batch.lock())
    }

    async fn deliver(&self, world: &World, post: &Post, members: Vec<Member>) {
        let headers = members.last().map(|last| last.headers.clone()).unwrap_or_default();
        let body = Body { bytes: array(&members), is_json: true };
        let sent = post.deliver(world, body, &headers).await;
        let is_across_topics = self.bounds.is_across_topics;
        let failed = FailedBatch::new(members.len(), is_across_topics);
        for member in members {
            let batch = Some(Arc::clone(&failed));
            let result = sent.clone().map_err(|error| ActionError { batch, ..error });
            let is_failure = result.is_err();
            if member.told.send(result).is_err() && is_failure {
                failed.leave();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Scope, Arc<Batch>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn new(until: Instant) -> Arc<Self> {
        Arc::new(Self { until, is_full: Notify::new(), members: Mutex::default() })
    }

    /// The bytes of its array if `item` comes into it.
    fn bytes_with(&self, item: &Bytes) -> usize {
        let members = self.lock();
        let items: usize = members.iter().map(|member| member.item.len()).sum();
        // Brackets, and a comma after each but the last.
        2 + items + members.len() + item.len()
    }

    fn push(&self, member: Member) -> usize {
        let mut members = self.lock();
        members.push(member);
        members.len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A payload as an item of a JSON array: as it is, or as a text if it is none of JSON.
fn item(payload: &Bytes) -> Result<Bytes, ActionError> {
    if Payload::read(payload).is_json() {
        return Ok(payload.clone());
    }
    let text = std::str::from_utf8(payload);
    let text = text.map_err(|_| failed("the payload is not UTF-8 text, which batches are of"))?;
    Ok(json!(text).to_string().into())
}

fn array(members: &[Member]) -> Bytes {
    let items: Vec<&[u8]> = members.iter().map(|member| &*member.item).collect();
    [b"[".as_slice(), &items.join(&b','), b"]"].concat().into()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use types::{Tenant, TenantId};

    use super::*;

    fn batches(bytes: usize) -> Batches {
        let open = Duration::from_secs(1);
        let bounds = Bounds { open, messages: 10, bytes, is_across_topics: false };
        Batches { bounds, open: Mutex::default() }
    }

    fn post(topic: &str) -> Post {
        let account = "123456789012".parse().unwrap();
        let region = "us-east-1".parse().unwrap();
        Post {
            tenant: Tenant { id: TenantId(1), account, region },
            url: "https://example.com/".to_owned(),
            confirmation_url: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            topic: topic.to_owned(),
            signer: None,
            batches: None,
        }
    }

    fn join(batches: &Batches, topic: &str, item: &'static str) -> Arc<Batch> {
        let post = post(topic);
        batches.join(&batches.scope(&post), &post, Bytes::from_static(item.as_bytes())).0
    }

    #[tokio::test]
    async fn a_batch_is_closed_when_nothing_more_fits() {
        // [12345,6] has nine bytes.
        for (bytes, is_closed) in [(9, true), (10, true), (11, false)] {
            let batches = batches(bytes);
            let first = join(&batches, "a", "12345");
            assert!(Arc::ptr_eq(&first, &join(&batches, "a", "6")));
            assert_eq!(batches.lock().is_empty(), is_closed, "{bytes}");
            assert_eq!(first.is_full.notified().now_or_never().is_some(), is_closed, "{bytes}");
        }
    }

    #[tokio::test]
    async fn a_message_that_does_not_fit_closes_the_batch_and_opens_another() {
        let batches = batches(12);
        let first = join(&batches, "a", "12345");
        let second = join(&batches, "a", "123456");
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(first.is_full.notified().now_or_never().is_some());
        assert!(second.is_full.notified().now_or_never().is_none());
        assert!(!Arc::ptr_eq(&second, &join(&batches, "b", "1")), "topics have their own");
    }

    #[tokio::test]
    async fn whoever_waits_for_a_sender_that_is_gone_hears_of_it() {
        let batches = batches(100);
        let post = post("a");
        let scope = batches.scope(&post);
        let (batch, told) = batches.join(&scope, &post, Bytes::from_static(b"1"));
        let members = batches.close(&scope, &batch);
        assert_eq!(array(&members), "[1]");
        assert!(batches.close(&scope, &batch).is_empty(), "one alone sends it");
        drop(members);
        told.await.unwrap_err();
    }
}
