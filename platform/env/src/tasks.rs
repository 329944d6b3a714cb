//! Named background work, supervised and awaited at shutdown.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

/// What the end of a task means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Work that ends by itself, such as a connection. A panic is logged and stays its own.
    Transient,
    /// Work that the server cannot do without. If it panics, the server shuts down so that a
    /// restart can recover it.
    Vital,
}

/// Spawns tasks by name, counts them, and waits for them at shutdown.
#[derive(Clone)]
pub struct Tasks {
    shared: Arc<Shared>,
}

struct Shared {
    running: Mutex<Counts>,
    is_idle: watch::Sender<bool>,
    shutdown: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct Counts {
    by_name: BTreeMap<&'static str, usize>,
    all: usize,
}

/// Resolves when the server is asked to stop.
#[derive(Clone)]
pub struct Shutdown(watch::Receiver<Option<String>>);

impl Shutdown {
    /// Waits until shutdown begins.
    pub async fn begun(&mut self) {
        // An error means that every `Tasks` is gone, which is a shutdown as well.
        drop(self.0.wait_for(Option::is_some).await);
    }

    /// Whether shutdown has begun.
    pub fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        let shared = Shared {
            running: Mutex::default(),
            is_idle: watch::Sender::new(true),
            shutdown: watch::Sender::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Runs `work` on the current tokio runtime under `name`.
    pub fn spawn<F>(&self, name: &'static str, kind: TaskKind, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_on(&Handle::current(), name, kind, work);
    }

    /// As [`Tasks::spawn`], on the runtime of `handle`.
    pub fn spawn_on<F>(&self, handle: &Handle, name: &'static str, kind: TaskKind, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let guard = Running::enter(self.clone(), name, kind);
        handle.spawn(async move {
            work.await;
            drop(guard);
        });
    }

    /// How many tasks run, by name.
    pub fn running(&self) -> BTreeMap<&'static str, usize> {
        self.shared.running.lock().unwrap_or_else(PoisonError::into_inner).by_name.clone()
    }

    /// A handle that resolves when shutdown begins.
    pub fn shutdown_signal(&self) -> Shutdown {
        Shutdown(self.shared.shutdown.subscribe())
    }

    /// Asks every task to stop; the first reason given stands.
    pub fn begin_shutdown(&self, reason: &str) {
        self.shared.shutdown.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(reason.to_owned());
            }
            first
        });
    }

    /// Why shutdown began, if it has.
    pub fn shutdown_reason(&self) -> Option<String> {
        self.shared.shutdown.borrow().clone()
    }

    /// Waits until every task has ended, or `limit` has passed; returns the names still running.
    pub async fn finished(&self, limit: Duration) -> BTreeMap<&'static str, usize> {
        // Past the limit, what still runs is told all the same.
        drop(tokio::time::timeout(limit, self.ended()).await);
        self.running()
    }

    /// Waits until every task has ended.
    pub(crate) async fn ended(&self) {
        let mut is_idle = self.shared.is_idle.subscribe();
        // An error means that every `Tasks` is gone, and its tasks with it.
        drop(is_idle.wait_for(|is_idle| *is_idle).await);
    }

    fn add(&self, name: &'static str, delta: isize) {
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = running.by_name.entry(name).or_insert(0);
        *tasks = tasks.saturating_add_signed(delta);
        if *tasks == 0 {
            running.by_name.remove(name);
        }
        let was_idle = running.all == 0;
        running.all = running.all.saturating_add_signed(delta);
        let is_idle = running.all == 0;
        // Only then is there anybody to tell: most tasks come and go among others.
        if was_idle != is_idle {
            self.shared.is_idle.send_replace(is_idle);
        }
    }
}

/// Counts a task while it lives, and notices when it dies of a panic.
struct Running {
    tasks: Tasks,
    name: &'static str,
    kind: TaskKind,
}

impl Running {
    fn enter(tasks: Tasks, name: &'static str, kind: TaskKind) -> Self {
        tasks.add(name, 1);
        Self { tasks, name, kind }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.name, "task panicked");
            if self.kind == TaskKind::Vital {
                self.tasks.begin_shutdown(&format!("task `{}` panicked", self.name));
            }
        }
        self.tasks.add(self.name, -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shutdown_waits_for_tasks_that_listen() {
        let tasks = Tasks::new();
        let mut signal = tasks.shutdown_signal();
        tasks.spawn("listener", TaskKind::Transient, async move { signal.begun().await });
        assert_eq!(tasks.running().get("listener"), Some(&1));
        tasks.begin_shutdown("asked");
        assert!(tasks.finished(Duration::from_secs(5)).await.is_empty());
    }

    #[tokio::test]
    async fn a_vital_task_that_panics_stops_the_server() {
        let tasks = Tasks::new();
        tasks.spawn("committer", TaskKind::Vital, async { panic!("broken invariant") });
        tasks.shutdown_signal().begun().await;
        assert_eq!(tasks.shutdown_reason().as_deref(), Some("task `committer` panicked"));
    }
}
