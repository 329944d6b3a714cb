//! The schedule: timers act when they are due, at least once, whatever becomes of servers.

mod clock;
mod nodes;
mod simulation;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use env::{Clock, Env, Random, Tasks};
use ferrite_service::{ApiError, BoxFuture, OnDue, Schedule, Timer, TimerKind};
use store::{Batch, Options, Store, StoreUrl};
use testing::Server;
use tokio::sync::mpsc;
use types::{TenantId, Timestamp};

/// The kind that is served in most tests.
const KIND: TimerKind = TimerKind::WILL_DELAY;
/// As long as a claim lasts.
const LEASE: Duration = Duration::from_secs(30);

fn timer(id: &str, due: Timestamp) -> Timer {
    Timer { tenant: TenantId(1), kind: KIND, id: id.to_owned(), due }
}

/// A handler made of a function.
struct Acts<F>(F);

impl<F, R> OnDue for Acts<F>
where
    F: Fn(Timer) -> R + Send + Sync,
    R: Future<Output = Result<(), ApiError>> + Send + 'static,
{
    fn due<'a>(&'a self, timer: &'a Timer) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin((self.0)(timer.clone()))
    }
}

/// A handler that notes each act, and its notes.
fn notes() -> (Arc<dyn OnDue>, mpsc::Receiver<String>) {
    let (sender, notes) = mpsc::channel(16_384);
    let handler = Acts(move |timer: Timer| {
        let sender = sender.clone();
        async move { sender.send(timer.id).await.map_err(ApiError::internal) }
    });
    (Arc::new(handler), notes)
}

/// What was noted and not yet read.
fn unread(notes: &mut mpsc::Receiver<String>) -> Vec<String> {
    std::iter::from_fn(|| notes.try_recv().ok()).collect()
}

/// One of the servers on a store.
struct Node {
    env: Env,
    store: Store,
    schedule: Schedule,
}

impl Node {
    fn start(store: &Store, clock: &Clock) -> Self {
        let env = Env { clock: clock.clone(), random: Random::system(), tasks: Tasks::new() };
        let schedule = Schedule::start(store, &env);
        Self { env, store: store.clone(), schedule }
    }

    /// Sets timers, without a hint.
    async fn set(&self, timers: &[Timer]) {
        for timers in timers.chunks(1_000) {
            let mut batch = Batch::new();
            timers.iter().for_each(|timer| self.schedule.set(&mut batch, timer));
            self.store.commit(batch).await.unwrap();
        }
    }

    /// Moves the clock on and has the schedule notice at once.
    fn advance(&self, span: Duration) {
        self.env.clock.advance(span);
        self.look();
    }

    /// Has the schedule look at once.
    fn look(&self) {
        self.schedule.hint(self.env.clock.now());
    }

    /// The ids of the timers that are still to act.
    async fn coming(&self) -> Vec<String> {
        let coming = self.schedule.coming(KIND, None, 20_000).await.unwrap();
        coming.timers.into_iter().map(|timer| timer.id).collect()
    }

    /// Stops as a server does that is asked to: what runs is finished.
    async fn stop(&self) {
        self.env.tasks.begin_shutdown("test");
        assert!(self.env.tasks.finished(Duration::from_secs(60)).await.is_empty());
    }
}

/// A node on the store that is tested, and what keeps the store.
async fn node() -> (Node, Server) {
    let server = Server::with(Vec::new()).await;
    (Node::start(&server.app().store, server.clock()), server)
}

/// A node on a store in memory, for tests that own tokio's clock: neither a disk nor a network
/// waits for a clock that jumps.
async fn node_in_memory() -> Node {
    let env = Env::simulated(Timestamp::from_secs(1_767_323_045), 1);
    let store = Store::open(Options { url: StoreUrl::Memory }, &env).await.unwrap();
    Node::start(&store, &env.clock)
}
