//! The outbox: messages that follow from a change, so that a crash between the two loses none.
//!
//! They are put into the batch of the change as one record, and published as soon as it is
//! committed. When they are safe wherever they have to be, the record is removed, many at a time.
//! What a server left that ended in between, or a request that was given up, is found and published
//! later: at least once, and more than once only after such an end, or after an error.
//!
//! Messages that fail, or are not safe in time, take the place of all in the record and are tried
//! again after a pause that grows with each try. Only what was tried often enough is given up,
//! whatever the clock says.
//!
//! Records lie in the order of their time. On a store that several servers share, one that is
//! younger than [`LEFT_AFTER`] is taken to be its owner's to publish; an older one is taken over by
//! whoever finds it first, by moving it to the present. Within one change, messages are published
//! in their order; between changes there is none.

mod look;
mod record;

use std::future::poll_fn;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use env::{Env, Shutdown, TaskKind};
use store::{Batch, Key, Store};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use types::{Tenant, Timestamp};

use self::record::About;
use crate::{App, OutgoingMessage, Publisher, Slot};

/// When a record is nobody's any more: beyond what a commit and its messages take, and what the
/// clocks of servers on one store may differ by.
const LEFT_AFTER: Duration = Duration::from_secs(30);
/// How long it may take until messages are safe. It is below [`LEFT_AFTER`], so that they are still
/// their owner's then.
const PUBLISH_WITHIN: Duration = Duration::from_secs(20);
/// The pause after a first try that failed; it doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(30);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Tries after which messages are given up: their pauses are a day.
const TRIES_MAX: u32 = 31;
/// How long clients wait outside while that is published which an earlier run left; what it had no
/// time for follows while they are inside.
const START_WITHIN: Duration = Duration::from_secs(5);
/// How long the records of what was published wait for others to be removed with.
const REMOVE_INTERVAL: Duration = Duration::from_millis(100);
/// Records that wait to be removed; what is beyond is left, and published once more.
const REMOVALS_MAX: usize = 65_536;
/// Records that are removed in one batch.
const REMOVE_BATCH: usize = 1024;

/// Publishes what follows from changes. Clones are the same outbox.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

struct Shared {
    store: Store,
    env: Env,
    /// This server, in the keys of its records.
    owner: u64,
    next: AtomicU64,
    /// Records whose messages are out.
    published: Mutex<Vec<Key>>,
    is_published: Notify,
}

/// Messages that are in a batch. To be handed to [`Outbox::publish`] when that is committed; if it
/// is not, there is nothing to do.
#[derive(Debug)]
#[must_use = "messages wait for long if nobody publishes them after the commit"]
pub struct Posted {
    about: About,
    messages: Vec<OutgoingMessage>,
    records: Vec<Key>,
}

impl Outbox {
    /// The outbox that `store` keeps. What was left there waits until [`Outbox::serve`].
    pub fn new(store: &Store, env: &Env) -> Self {
        Self(Arc::new(Shared {
            store: store.clone(),
            env: env.clone(),
            owner: u64::from_be_bytes(env.random.bytes()),
            next: AtomicU64::new(0),
            published: Mutex::default(),
            is_published: Notify::new(),
        }))
    }

    /// Publishes what an earlier run left, and from now on what this one leaves. To be called once,
    /// when the publisher is there and before the first client is let in; it returns soon, also if
    /// much was left.
    pub async fn serve(&self, app: &Arc<App>) {
        let tasks = &self.0.env.tasks;
        let removing = self.clone().keep_removing(tasks.shutdown_signal());
        tasks.spawn("outbox-removals", TaskKind::Vital, removing);
        let (outbox, app, signal) = (self.clone(), Arc::clone(app), tasks.shutdown_signal());
        let (first, first_is_over) = oneshot::channel();
        let looking = async move { outbox.keep_looking(&app.publisher, first, signal).await };
        tasks.spawn("outbox", TaskKind::Vital, looking);
        // It goes on beyond that.
        drop(timeout(START_WITHIN, first_is_over).await);
    }

    /// Has `messages` published if and only if `batch` is committed. Without messages nothing is
    /// put into the batch.
    pub fn put(
        &self,
        batch: &mut Batch,
        tenant: &Tenant,
        messages: Vec<OutgoingMessage>,
    ) -> Posted {
        let now = self.0.env.clock.now();
        let about = About { tenant: tenant.clone(), since: now, tries: 0 };
        let records = self.put_records(batch, now, &about, &messages);
        Posted { about, messages, records }
    }

    /// Publishes what was put into a batch that is committed. What cannot be published now, or not
    /// soon, is logged and published later: the change itself is done.
    pub async fn publish(&self, publisher: &Slot<dyn Publisher>, posted: Posted) {
        let Posted { about, messages, records } = posted;
        if messages.is_empty() {
            return;
        }
        let failed = publish_all(publisher, &about.tenant, messages).await;
        if failed.is_empty() {
            self.remove_soon(records);
        } else {
            self.put_off(about, &failed, records).await;
        }
    }

    /// Removes the records of what was published. To be called last, after everything that
    /// publishes and before the store is closed.
    pub async fn close(&self) {
        self.remove().await;
    }

    /// Leaves of `records` those messages alone that failed, until their next try; after the last
    /// one nothing is left.
    async fn put_off(&self, mut about: About, failed: &[OutgoingMessage], records: Vec<Key>) {
        let mut batch = Batch::new();
        for key in records {
            // Should somebody have taken it over, it is theirs to publish.
            batch.require_exists(key.clone()).delete(key);
        }
        about.tries = about.tries.saturating_add(1);
        let About { tries, since, .. } = about;
        if tries < TRIES_MAX {
            let next = self.0.env.clock.now().plus(pause_after(tries));
            // It is found when it is as old as what was left.
            self.put_records(&mut batch, earlier(next, LEFT_AFTER), &about, failed);
        }
        match self.0.store.commit(batch).await {
            Ok(_) if tries < TRIES_MAX => {}
            Ok(_) => {
                let topics: Vec<&str> = failed.iter().map(|failed| &*failed.topic).collect();
                tracing::error!(?topics, ?since, tries, "messages were given up");
            }
            Err(error) => {
                tracing::warn!(%error, "what failed could not be put off and is repeated");
            }
        }
    }

    /// Puts records of `time` for `messages` into `batch`.
    fn put_records(
        &self,
        batch: &mut Batch,
        time: Timestamp,
        about: &About,
        messages: &[OutgoingMessage],
    ) -> Vec<Key> {
        let put = |part| {
            let key = self.new_key(time);
            batch.put(key.clone(), record::encode(about, part));
            key
        };
        record::parts(messages).map(put).collect()
    }

    /// The key of a new record of `time`, which no other has.
    fn new_key(&self, time: Timestamp) -> Key {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        record::key(time, self.0.owner, number)
    }

    fn remove_soon(&self, records: Vec<Key>) {
        let mut published = self.published();
        if published.len() < REMOVALS_MAX {
            published.extend(records);
        }
        drop(published);
        self.0.is_published.notify_one();
    }

    fn published(&self) -> MutexGuard<'_, Vec<Key>> {
        self.0.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the records of what was published. What it has begun it finishes.
    async fn keep_removing(self, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = self.wait_for_removals() => self.remove().await,
                () = shutdown.begun() => return,
            }
        }
    }

    /// Resolves when there is something to remove, and it had the time to become more.
    async fn wait_for_removals(&self) {
        while self.published().is_empty() {
            self.0.is_published.notified().await;
        }
        tokio::time::sleep(REMOVE_INTERVAL).await;
    }

    async fn remove(&self) {
        let published = mem::take(&mut *self.published());
        for records in published.chunks(REMOVE_BATCH) {
            let mut batch = Batch::new();
            for key in records {
                batch.delete(key.clone());
            }
            if let Err(error) = self.0.store.commit(batch).await {
                tracing::warn!(%error, "what was published could not be removed and is repeated");
            }
        }
    }
}

/// How long messages wait that were tried so often.
fn pause_after(tries: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
    PAUSE_FIRST.saturating_mul(doubled).min(PAUSE_MAX)
}

fn earlier(time: Timestamp, span: Duration) -> Timestamp {
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.millis().saturating_sub(span_ms).max(0))
}

/// Publishes all of `messages`, beginning in their order; they wait together until they are safe
/// wherever they have to be. Those that failed, or are not safe in time.
async fn publish_all(
    publisher: &Slot<dyn Publisher>,
    tenant: &Tenant,
    messages: Vec<OutgoingMessage>,
) -> Vec<OutgoingMessage> {
    let mut left: Vec<Option<OutgoingMessage>> = messages.into_iter().map(Some).collect();
    let publish = async |place: &mut Option<OutgoingMessage>| {
        let Some(message) = place.clone() else { return };
        match publisher.publish(tenant, message).await {
            Ok(()) => *place = None,
            Err(error) => tracing::warn!(?error, "a message could not be published"),
        }
    };
    if timeout(PUBLISH_WITHIN, all(left.iter_mut().map(publish))).await.is_err() {
        tracing::warn!("messages could not be published in time");
    }
    left.into_iter().flatten().collect()
}

/// Resolves when all of `futures` have, which are begun in their order.
async fn all(futures: impl Iterator<Item: Future<Output = ()>>) {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    poll_fn(|cx| {
        pending.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
