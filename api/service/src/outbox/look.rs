//! Looking for what was left: by a server that ended, by a request that was given up, and by
//! publications that failed and whose next try has come.

use std::time::Duration;

use env::Shutdown;
use store::{Batch, CommitError, Direction, Entry, KeyRange, Store, StoreError};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};
use types::Timestamp;

use super::record::{self, Left};
use super::{LEFT_AFTER, Outbox, Posted, all, earlier};
use crate::{Publisher, Slot};

/// How often it is looked whether something was left.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// One of so many looks begins at the beginning, once in an hour: it finds what was committed too
/// late for the looks between.
const LOOKS_PER_WHOLE: u64 = 360;
/// Records that are taken over in one batch, and published together.
const PAGE: u32 = 64;

/// When it is looked for what was left, and so what may be anybody's.
#[derive(Clone, Copy)]
enum Look {
    /// This server has taken over nothing yet.
    AtStart,
    /// Up to `after` nothing was left at the last look.
    Later { after: Timestamp, now: Timestamp },
}

impl Outbox {
    /// Publishes what an earlier run left, drops `first`, and then publishes what is left from now
    /// on.
    pub(super) async fn keep_looking(
        self,
        publisher: &Slot<dyn Publisher>,
        first: oneshot::Sender<()>,
        mut shutdown: Shutdown,
    ) {
        self.look_or_log(publisher, Look::AtStart, &shutdown).await;
        drop(first);
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut upto = Timestamp::EPOCH;
        for number in 0_u64.. {
            tokio::select! {
                _ = looks.tick() => {}
                () = shutdown.begun() => return,
            }
            if number.is_multiple_of(LOOKS_PER_WHOLE) {
                upto = Timestamp::EPOCH;
            }
            let look = Look::Later { after: upto, now: self.0.env.clock.now() };
            upto = self.look_or_log(publisher, look, &shutdown).await.unwrap_or(upto);
        }
    }

    /// Until when nothing is left, if that is so now.
    async fn look_or_log(
        &self,
        publisher: &Slot<dyn Publisher>,
        look: Look,
        shutdown: &Shutdown,
    ) -> Option<Timestamp> {
        match self.look(publisher, look, shutdown).await {
            Ok(is_complete) => Some(look.upto()).filter(|_| is_complete),
            Err(error) => {
                tracing::warn!(%error, "messages that were left could not be looked for");
                None
            }
        }
    }

    /// Publishes what was left. Whether all of it could be taken over, whatever became of it then.
    async fn look(
        &self,
        publisher: &Slot<dyn Publisher>,
        look: Look,
        shutdown: &Shutdown,
    ) -> Result<bool, StoreError> {
        let (mut after, mut is_complete) = (None, true);
        while !shutdown.has_begun() {
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
        Ok(false)
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
            let key = self.new_key(now);
            batch.require_version(record.key.clone(), record.version);
            batch.delete(record.key.clone());
            batch.put(key.clone(), record.value.clone());
            taken.push(Left { key, ..record });
        }
        self.0.store.commit(batch).await?;
        Ok(taken)
    }

    /// Publishes them together, so that the last of them is not too old by its turn.
    async fn publish_left(&self, publisher: &Slot<dyn Publisher>, taken: Vec<Left>) {
        if taken.is_empty() {
            return;
        }
        tracing::info!(changes = taken.len(), "publishing messages that were left");
        let publish = |Left { key, about, messages, .. }: Left| {
            self.publish(publisher, Posted { about, messages, records: vec![key] })
        };
        all(taken.into_iter().map(publish)).await;
        self.remove().await;
    }
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
    /// over, or it is of a change that it has just made.
    fn passes_by(self, entry: &Entry, owner: u64) -> bool {
        matches!(self, Self::AtStart) && record::owner(&entry.key) == Some(owner)
    }
}
