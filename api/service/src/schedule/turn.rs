//! One timer's turn: claim it, act, note how that went.

use std::sync::Arc;

use store::{Batch, CommitError, Sequence};
use types::Timestamp;

use super::record::{Found, Record};
use super::{ACT_WITHIN, LEASE, OnDue, Shared};
use crate::ApiError;

pub(super) struct Turn {
    shared: Arc<Shared>,
    handler: Arc<dyn OnDue>,
    found: Found,
}

/// A timer that is ours: its record as we wrote it, until when, and in which commit.
struct Claim {
    record: Record,
    until: Timestamp,
    version: Sequence,
}

impl Turn {
    pub(super) fn new(shared: Arc<Shared>, handler: Arc<dyn OnDue>, found: Found) -> Self {
        Self { shared, handler, found }
    }

    /// Leaves the timer removed if its handler did what it is for, and otherwise to be tried again.
    pub(super) async fn run(self) {
        let Some(claim) = self.claim().await else { return };
        let noted = match self.act().await {
            Ok(()) => self.note(&claim, None).await,
            Err(error) => self.put_off(&claim, &error).await,
        };
        match noted {
            // Cancelled or set anew meanwhile: what stands there now is what counts.
            Ok(_) | Err(CommitError::Conflict(_)) => {}
            Err(error) => self.log(&error, "a timer's turn was not noted, and it is repeated"),
        }
    }

    /// Makes the timer ours, unless it is not due any more, was cancelled, or somebody else was
    /// faster. A claim whose commit took too long to leave time for the act is left to end.
    async fn claim(&self) -> Option<Claim> {
        let now = self.now();
        if now < self.found.timer.due {
            return None;
        }
        let until = now.plus(LEASE);
        let record = self.found.record.claimed(&self.shared.owner, now, until);
        match self.write(self.found.version, Some(&record)).await {
            Ok(version) => Some(Claim { record, until, version })
                .filter(|claim| self.now().plus(ACT_WITHIN) <= claim.until),
            Err(CommitError::Conflict(_)) => None,
            Err(error) => {
                self.log(&error, "a timer could not be claimed");
                None
            }
        }
    }

    async fn act(&self) -> Result<(), ApiError> {
        let act = self.handler.due(&self.found.timer);
        let late = || Err(ApiError::unavailable("The act took too long."));
        tokio::time::timeout(ACT_WITHIN, act).await.unwrap_or_else(|_| late())
    }

    async fn put_off(&self, claim: &Claim, error: &ApiError) -> Result<Sequence, CommitError> {
        let record = claim.record.put_off(self.now());
        let (timer, tries) = (&self.found.timer, claim.record.tries());
        let kind = timer.kind.0;
        tracing::warn!(?error, kind, id = timer.id, tries, "a timer failed and is tried again");
        self.note(claim, Some(&record)).await
    }

    /// Writes what follows on our claim.
    async fn note(&self, claim: &Claim, next: Option<&Record>) -> Result<Sequence, CommitError> {
        self.write(claim.version, next).await
    }

    /// Writes the timer's next record, or removes it, if it still is as of `version`.
    async fn write(
        &self,
        version: Sequence,
        next: Option<&Record>,
    ) -> Result<Sequence, CommitError> {
        let key = &self.found.key;
        let mut batch = Batch::new();
        batch.require_version(key.clone(), version);
        match next {
            Some(record) => batch.put(key.clone(), record.encode()),
            None => batch.delete(key.clone()),
        };
        self.shared.store.commit(batch).await
    }

    fn log(&self, error: &CommitError, what: &str) {
        let timer = &self.found.timer;
        tracing::warn!(
            ?error,
            kind = timer.kind.0,
            id = timer.id,
            what,
            "the schedule met an error"
        );
    }

    fn now(&self) -> Timestamp {
        self.shared.env.clock.now()
    }
}
