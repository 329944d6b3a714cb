//! The one writer: takes what waits, has the engine commit it, and tells everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::group::{Backlog, Group};
use crate::inbox::Inbox;
use crate::metrics::Metrics;
use crate::{JournalError, Sequence, Size};
use env::Tasks;

/// Sequences that are reserved at once: more than can be given while the disk is waited for.
pub(crate) const RESERVED_AT_ONCE: u64 = 1 << 32;

/// What keeps entries.
pub(crate) trait Engine {
    /// Writes `group`, durably if somebody waits for it. [`JournalError::Full`] wrote nothing, and
    /// the journal goes on; any other error stops it, and but for [`JournalError::Stopped`] the
    /// server. The group is not changed: it is lent whole
    /// because those who wait for it cannot be shared between threads.
    fn commit(
        &mut self,
        group: &mut Group,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Whether it would like to be called again, with an empty group if need be.
    fn has_chores(&self) -> bool;

    /// How large it is.
    fn size(&self) -> Size;

    /// Makes everything durable.
    fn close(&mut self) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// Gives out sequences.
pub(crate) struct Sequences {
    next: AtomicU64,
    reserved: AtomicU64,
}

impl Sequences {
    /// All up to `used` may have been given before; up to `reserved` they may be given now.
    pub(crate) fn new(used: Sequence, reserved: Sequence) -> Self {
        Self {
            next: AtomicU64::new(used.0.saturating_add(1)),
            reserved: AtomicU64::new(reserved.0),
        }
    }

    pub(crate) fn next(&self) -> Sequence {
        Sequence(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The new end of what is reserved, once half of it is given.
    fn due(&self) -> Option<Sequence> {
        let next = self.next.load(Ordering::Relaxed);
        let is_due =
            next.saturating_add(RESERVED_AT_ONCE / 2) > self.reserved.load(Ordering::Relaxed);
        is_due.then_some(Sequence(next.saturating_add(RESERVED_AT_ONCE)))
    }

    fn set_reserved(&self, reserved: Sequence) {
        self.reserved.store(reserved.0, Ordering::Relaxed);
    }
}

/// Hands what waits to the engine.
pub(crate) struct Writer<E> {
    engine: E,
    inbox: Arc<Inbox>,
    sequences: Arc<Sequences>,
    tasks: Tasks,
    metrics: Metrics,
}

/// However the writer ends, nobody waits for it any longer.
struct End<'w>(&'w Inbox, &'w Tasks);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
            self.1.begin_shutdown("the journal's writer panicked");
        }
        self.0.end();
    }
}

impl<E: Engine> Writer<E> {
    pub(crate) fn new(
        engine: E,
        inbox: &Arc<Inbox>,
        sequences: &Arc<Sequences>,
        tasks: &Tasks,
    ) -> Self {
        inbox.set_size(engine.size());
        Self {
            engine,
            inbox: Arc::clone(inbox),
            sequences: Arc::clone(sequences),
            tasks: tasks.clone(),
            metrics: Metrics::register(),
        }
    }

    /// Runs until the inbox is closed and empty.
    pub(crate) async fn run(mut self) {
        let (inbox, tasks) = (Arc::clone(&self.inbox), self.tasks.clone());
        let _end = End(&inbox, &tasks);
        let mut backlog = Backlog::default();
        let mut is_full = false;
        loop {
            if is_full || !(backlog.has_entries() || self.has_chores()) {
                inbox.wait(is_full || !backlog.is_empty()).await;
            }
            let is_closed = inbox.take(&mut backlog);
            backlog.settle_unneeded();
            let result = self.commit_next(&mut backlog).await;
            is_full = matches!(result, Err(JournalError::Full));
            if is_closed && !backlog.has_entries() {
                return self.close().await;
            }
        }
    }

    fn has_chores(&self) -> bool {
        !self.inbox.has_failed() && self.engine.has_chores()
    }

    async fn commit_next(&mut self, backlog: &mut Backlog) -> Result<(), JournalError> {
        let mut group = backlog.next_group(self.inbox.options().group_bytes_max);
        group.reserve = self.sequences.due();
        let result = match self.inbox.has_failed() {
            true => Err(JournalError::Stopped),
            false if group.is_empty() && !self.engine.has_chores() => Ok(()),
            false => self.engine.commit(&mut group).await,
        };
        if let (Ok(()), Some(reserved)) = (&result, group.reserve) {
            self.sequences.set_reserved(reserved);
        }
        self.metrics.count(&group, self.engine.size());
        self.inbox.set_size(self.engine.size());
        let result = result.map_err(|error| self.failed(error));
        // Whoever is told may count on the room, and may read.
        self.inbox.pass(backlog);
        backlog.settle(group, &result);
        result
    }

    fn failed(&self, error: JournalError) -> JournalError {
        if matches!(error, JournalError::Full) {
            tracing::error!("the disk is full: messages are refused until there is room");
        } else if matches!(error, JournalError::Stopped) {
            self.inbox.fail();
        } else if !self.inbox.has_failed() {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "the journal failed: the server stops");
            self.inbox.fail();
            self.tasks.begin_shutdown("the journal failed to write");
        }
        error
    }

    async fn close(&mut self) {
        if self.inbox.has_failed() {
            return;
        }
        if let Err(error) = self.engine.close().await {
            self.failed(error);
        }
    }
}
