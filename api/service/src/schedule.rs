//! The schedule: timers that survive a restart, and whoever acts when they are due.
//!
//! A timer is set and cancelled in the batch of the change that it belongs to. Each kind is looked
//! through once a second, from the oldest due timer on, so a timer that another server has set or
//! left behind is found as well; [`Schedule::hint`] makes it exact below that second.
//!
//! Several servers on one store share the work by leases: a due timer is claimed in its record,
//! acted on, and removed. Should its server die, another one takes it over when the lease is over.
//! Thus a timer acts at least once, and more than once only if a server dies, or its store fails
//! it, between the act and the removal.
//!
//! The wall clock rules. If it jumps forward, everything that has come due runs, a bounded number
//! at a time; if it jumps backward, what has run stays done, and the rest waits for the new time.
//! Servers of one store should agree on the time to within [`SKEW_MAX`].

mod record;
mod turn;
mod watch;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use env::{Env, TaskKind};
use store::{Batch, Direction, Store, StoreError};
use tokio::sync::watch as signal;
use types::{TenantId, Timestamp};

use self::watch::Watch;
use crate::{ApiError, BoxFuture};

/// How often a kind is looked through, if nothing hints at something sooner.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Timers of one kind that are acted on at the same time.
const RUNNING_MAX: usize = 64;
/// How long an act may take; it is given up and tried again.
const ACT_WITHIN: Duration = Duration::from_secs(20);
/// How long a claim lasts; what is left beside [`ACT_WITHIN`] is for commits, and for clocks that
/// differ.
const LEASE: Duration = Duration::from_secs(30);
/// How far the clocks of two servers may differ, and how far one may be set back unnoticed.
const SKEW_MAX: Duration = Duration::from_secs(5);
/// The wait after a first failure; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(300);

/// What a timer is for. A number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKind(pub u16);

impl TimerKind {
    /// A persistent session that nobody came back to ends; by client id.
    pub const SESSION_EXPIRY: Self = Self(1);
    /// A Will is published, unless its client comes back first; by client id.
    pub const WILL_DELAY: Self = Self(2);
    /// The versions of a deleted shadow are forgotten; by thing, and `~` with the shadow's name.
    pub const SHADOW_TOMBSTONE: Self = Self(3);
    /// A destination of rules is asked to confirm that it wants messages; by its id, and the number
    /// of the question.
    pub const DESTINATION_QUESTION: Self = Self(16);
    /// A destination of rules has not confirmed in time; named as the question.
    pub const DESTINATION_TIMEOUT: Self = Self(17);
}

/// Something to be done at a time. All its fields together name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is for.
    pub kind: TimerKind,
    /// Which one of its kind.
    pub id: String,
    /// When, to the millisecond.
    pub due: Timestamp,
}

/// Timers of a kind, in the order in which they are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coming {
    /// The soonest first.
    pub timers: Vec<Timer>,
    /// Whether more come after them.
    pub has_more: bool,
}

/// Who acts when timers of a kind are due.
pub trait OnDue: Send + Sync {
    /// Does what `timer` is for; after an error, or without an answer in time, it is called again
    /// later. A server that dies right after the act repeats it, so that repeating must be
    /// harmless.
    fn due<'a>(&'a self, timer: &'a Timer) -> BoxFuture<'a, Result<(), ApiError>>;
}

/// The one durable timer. Clones are the same schedule.
#[derive(Clone)]
pub struct Schedule(Arc<Shared>);

struct Shared {
    store: Store,
    env: Env,
    /// This server, in the claims that it makes.
    owner: String,
    served: Mutex<BTreeSet<TimerKind>>,
    hints: signal::Sender<()>,
}

impl Schedule {
    /// The schedule that `store` keeps. Nothing is acted on before [`Schedule::serve`] says by
    /// whom.
    pub fn start(store: &Store, env: &Env) -> Self {
        let owner = format!("{:016x}", u64::from_be_bytes(env.random.bytes()));
        Self(Arc::new(Shared {
            store: store.clone(),
            env: env.clone(),
            owner,
            served: Mutex::default(),
            hints: signal::Sender::new(()),
        }))
    }

    /// Has `handler` act on the timers of `kind` from now on, beginning with those that have come
    /// due before; timers of a kind that nobody serves wait. A kind's first handler stays. Must be
    /// called inside the tokio runtime that is to run it.
    pub fn serve(&self, kind: TimerKind, handler: Arc<dyn OnDue>) {
        let mut served = self.0.served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.insert(kind) {
            let watch = Watch::new(Arc::clone(&self.0), kind, handler);
            self.0.env.tasks.spawn("schedule", TaskKind::Vital, watch.run());
        }
    }

    /// Sets `timer` if and only if `batch` is committed. Setting it again changes nothing, unless
    /// it is just being acted on: then it acts once more.
    pub fn set(&self, batch: &mut Batch, timer: &Timer) {
        batch.put(record::key(timer), record::Record::new(timer).encode());
    }

    /// Removes `timer` if and only if `batch` is committed. One that is gone is no error; one that
    /// is just being acted on is not interrupted.
    pub fn cancel(&self, batch: &mut Batch, timer: &Timer) {
        batch.delete(record::key(timer));
    }

    /// To be called after the commit of a timer that is `due`: then it acts at once when it is,
    /// and otherwise within a second.
    pub fn hint(&self, due: Timestamp) {
        if due <= self.0.env.clock.now().plus(LOOK_INTERVAL) {
            self.0.hints.send_replace(());
        }
    }

    /// The timers of `kind` that are still to act, behind `after`, at most `limit` of them.
    pub async fn coming(
        &self,
        kind: TimerKind,
        after: Option<&Timer>,
        limit: u32,
    ) -> Result<Coming, StoreError> {
        let after = after.map(record::key);
        let page =
            self.0.store.scan(record::all_of(kind), after, limit, Direction::Forward).await?;
        let timers = page.entries.iter().filter_map(record::read).map(|found| found.timer);
        Ok(Coming { timers: timers.collect(), has_more: page.has_more })
    }
}
