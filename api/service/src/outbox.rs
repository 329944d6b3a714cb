//! The outbox: messages that follow from a change, so that a crash between the two loses none.
//!
//! They are put into the batch of the change as one record, and published as soon as it is
//! committed. When they are safe wherever they have to be, the record is removed, many at a time.
//! What a server left that ended in between, or a request that was given up, is found and published
//! later: at least once, and more than once only after such an end, or after an error.
//!
//! Records lie in the order of their time. On a store that several servers share, one that is
//! younger than [`LEFT_AFTER`] is taken to be its owner's to publish; an older one is taken over by
//! whoever finds it first, by moving it to the present. Within one change, messages are published
//! in their order; between changes there is none.

mod record;

use std::future::poll_fn;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use env::{Env, Shutdown, TaskKind};
use store::{Batch, CommitError, Direction, Entry, Key, KeyRange, Store, StoreError};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use types::{Tenant, Timestamp};

use self::record::Left;
use crate::{ApiError, App, BoxFuture, OutgoingMessage, Publisher, Slot};

/// When a record is nobody's any more: beyond what a commit and its messages take, and what the
/// clocks of servers on one store may differ by.
const LEFT_AFTER: Duration = Duration::from_secs(30);
/// How often it is looked whether something was left.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// When messages that still cannot be published are given up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(86_400);
/// How long the records of what was published wait for others to be removed with.
const REMOVE_INTERVAL: Duration = Duration::from_millis(100);
/// Records that wait to be removed; what is beyond is left, and published once more.
const REMOVALS_MAX: usize = 65_536;
/// Records that are removed in one batch.
const REMOVE_BATCH: usize = 1024;
/// Records that are taken over in one batch.
const PAGE: u32 = 64;

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
    tenant: Tenant,
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
    /// when the publisher is there and before the first client is let in.
    pub async fn serve(&self, app: &Arc<App>) {
        self.look_or_log(&app.publisher, Look::AtStart).await;
        let (outbox, app, signal) =
            (self.clone(), Arc::clone(app), self.0.env.tasks.shutdown_signal());
        let work = async move { outbox.run(&app, signal).await };
        self.0.env.tasks.spawn("outbox", TaskKind::Vital, work);
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
        let mut records = Vec::new();
        for part in record::parts(&messages) {
            let key = self.new_key(now);
            batch.put(key.clone(), record::encode(tenant, part, now));
            records.push(key);
        }
        Posted { tenant: tenant.clone(), messages, records }
    }

    /// Publishes what was put into a batch that is committed. What cannot be published now is
    /// logged and published later: the change itself is done.
    pub async fn publish(&self, publisher: &Slot<dyn Publisher>, posted: Posted) {
        let Posted { tenant, messages, records } = posted;
        if messages.is_empty() {
            return;
        }
        match publish_all(publisher, &tenant, messages).await {
            Ok(()) => self.remove_soon(records),
            Err(error) => {
                tracing::warn!(?error, "messages could not be published and are tried again");
            }
        }
    }

    /// Removes the records of what was published. To be called last, after everything that
    /// publishes and before the store is closed.
    pub async fn close(&self) {
        self.remove().await;
    }

    /// The key of a new record: it is of this time, and no other has it.
    fn new_key(&self, now: Timestamp) -> Key {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        record::key(now, self.0.owner, number)
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

    async fn run(self, app: &App, mut shutdown: Shutdown) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut upto = Timestamp::EPOCH;
        loop {
            tokio::select! {
                () = self.wait_for_removals() => self.remove().await,
                _ = looks.tick() => {
                    let look = Look::Later { after: upto, now: self.0.env.clock.now() };
                    upto = self.look_or_log(&app.publisher, look).await.unwrap_or(upto);
                }
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

    /// Until when nothing is left, if that is so now.
    async fn look_or_log(&self, publisher: &Slot<dyn Publisher>, look: Look) -> Option<Timestamp> {
        match self.look(publisher, look).await {
            Ok(is_complete) => Some(look.upto()).filter(|_| is_complete),
            Err(error) => {
                tracing::warn!(%error, "messages that were left could not be looked for");
                None
            }
        }
    }

    /// Publishes what was left. Whether all of it could be taken over, whatever became of it then.
    async fn look(&self, publisher: &Slot<dyn Publisher>, look: Look) -> Result<bool, StoreError> {
        let (mut after, mut is_complete) = (None, true);
        loop {
            let range = look.range(&self.0.store, self.0.env.clock.now());
            let page = self.0.store.scan(range, after, PAGE, Direction::Forward).await?;
            let found = page.entries.iter().filter(|entry| !look.passes_by(entry, self.0.owner));
            let left: Vec<Left> = found.filter_map(record::read).collect();
            match self.take_over(left).await {
                Ok(taken) => self.publish_left(publisher, taken).await,
                // Somebody else has them now, or their owner came to it after all.
                Err(CommitError::Conflict(_)) => is_complete = false,
                Err(error) => {
                    tracing::warn!(%error, "messages that were left could not be taken over");
                    is_complete = false;
                }
            }
            after = page.entries.last().map(|entry| entry.key.clone());
            if !page.has_more {
                return Ok(is_complete);
            }
        }
    }

    /// Makes records this server's, as if they were of this moment, all or nothing.
    async fn take_over(&self, left: Vec<Left>) -> Result<Vec<Left>, CommitError> {
        if left.is_empty() {
            return Ok(left);
        }
        let now = self.0.env.clock.now();
        let mut batch = Batch::new();
        let mut taken = Vec::with_capacity(left.len());
        for record in left {
            batch.require_version(record.key.clone(), record.version);
            batch.delete(record.key.clone());
            if now.since(record.since) > GIVEN_UP_AFTER {
                tracing::error!(topics = ?record.topics(), "messages were given up after a day");
                continue;
            }
            let key = self.new_key(now);
            batch.put(key.clone(), record.value.clone());
            taken.push(Left { key, ..record });
        }
        self.0.store.commit(batch).await?;
        Ok(taken)
    }

    async fn publish_left(&self, publisher: &Slot<dyn Publisher>, taken: Vec<Left>) {
        if taken.is_empty() {
            return;
        }
        tracing::info!(changes = taken.len(), "publishing messages that were left");
        for Left { key, tenant, messages, .. } in taken {
            self.publish(publisher, Posted { tenant, messages, records: vec![key] }).await;
        }
        self.remove().await;
    }
}

/// When it is looked for what was left, and so what may be anybody's.
#[derive(Clone, Copy)]
enum Look {
    /// This server has published nothing yet.
    AtStart,
    /// Up to `after` nothing was left at the last look.
    Later { after: Timestamp, now: Timestamp },
}

impl Look {
    fn range(self, store: &Store, now: Timestamp) -> KeyRange {
        match self {
            // Nobody but an earlier run can have left anything in a store that is ours alone.
            Self::AtStart if store.newest_at_hand().is_some() => record::all(),
            Self::AtStart => record::between(Timestamp::EPOCH, earlier(now, LEFT_AFTER)),
            // What was committed late lies before what was found first.
            Self::Later { after, .. } => {
                let upto = self.upto();
                record::between(earlier(after, LEFT_AFTER).min(upto), upto)
            }
        }
    }

    /// Up to when it looks.
    fn upto(self) -> Timestamp {
        match self {
            Self::AtStart => Timestamp::EPOCH,
            Self::Later { now, .. } => earlier(now, LEFT_AFTER),
        }
    }

    /// Whether a record is none that was left: at its start, what a server owns it has just taken
    /// over.
    fn passes_by(self, entry: &Entry, owner: u64) -> bool {
        matches!(self, Self::AtStart) && record::owner(&entry.key) == Some(owner)
    }
}

fn earlier(time: Timestamp, span: Duration) -> Timestamp {
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.millis().saturating_sub(span_ms).max(0))
}

/// Publishes all of `messages`, beginning in their order, and resolves when all are safe wherever
/// they have to be; they wait for that together.
async fn publish_all(
    publisher: &Slot<dyn Publisher>,
    tenant: &Tenant,
    messages: Vec<OutgoingMessage>,
) -> Result<(), ApiError> {
    type Publishing<'a> = BoxFuture<'a, Result<(), ApiError>>;
    let begin = |message| Box::pin(publisher.publish(tenant, message)) as Publishing<'_>;
    let mut publishing: Vec<Publishing<'_>> = messages.into_iter().map(begin).collect();
    let mut result = Ok(());
    poll_fn(|cx| {
        publishing.retain_mut(|message| match message.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                result = Err(error);
                false
            }
            Poll::Pending => true,
        });
        if publishing.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    result
}
