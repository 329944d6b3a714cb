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
        if batch.push(member) >= self.bounds.messages {
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
