//! Workers: one thread with its own current-thread runtime per core, for connections that stay
//! where they began.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};

use crate::{TaskKind, Tasks};

/// Runs each piece of work on one of several threads, where it stays. Cheap to clone.
#[derive(Clone)]
pub struct Workers(Arc<Shared>);

struct Shared {
    handles: Vec<Handle>,
    next: AtomicUsize,
    tasks: Tasks,
}

impl Workers {
    /// Starts `count` threads, which end when shutdown has begun and `tasks` has none of their
    /// work left.
    pub fn start(count: usize, tasks: &Tasks) -> io::Result<Self> {
        let handles = (0..count.max(1)).map(|i| start_one(i, tasks)).collect::<Result<_, _>>()?;
        let shared = Shared { handles, next: AtomicUsize::new(0), tasks: tasks.clone() };
        Ok(Self(Arc::new(shared)))
    }

    /// Runs `work` under `name` on the thread whose turn it is.
    pub fn spawn<F>(&self, name: &'static str, kind: TaskKind, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = self.0.handles.get(self.turn()).expect("there is a thread for each turn");
        self.0.tasks.spawn_on(handle, name, kind, work);
    }

    /// Runs what each of `makes` returns, under `name`, on the thread whose turn it is. They are
    /// called on that thread too: what they open belongs to the thread's reactor. A thread is
    /// woken once for all of its own.
    pub fn spawn_each<M, F>(&self, name: &'static str, makes: impl IntoIterator<Item = M>)
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Shared { handles, tasks, .. } = &*self.0;
        let mut shares: Vec<Vec<M>> = handles.iter().map(|_| Vec::new()).collect();
        for make in makes {
            shares.get_mut(self.turn()).expect("there is a share for each thread").push(make);
        }
        for (handle, share) in handles.iter().zip(shares).filter(|(_, share)| !share.is_empty()) {
            let (tasks, kind) = (tasks.clone(), TaskKind::Transient);
            let start_each = async move {
                share.into_iter().for_each(|make| tasks.spawn(name, kind, make()));
            };
            self.0.tasks.spawn_on(handle, name, kind, start_each);
        }
    }

    /// Whose turn it is.
    fn turn(&self) -> usize {
        self.0.next.fetch_add(1, Ordering::Relaxed) % self.0.handles.len()
    }
}

fn start_one(index: usize, tasks: &Tasks) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let tasks = tasks.clone();
    thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        runtime.block_on(async {
            tasks.shutdown_signal().begun().await;
            // Connections say goodbye on this thread; whoever asked for the shutdown bounds it.
            tasks.ended().await;
        });
    })?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn work_stays_on_the_thread_that_it_began_on() {
        let tasks = Tasks::new();
        let workers = Workers::start(2, &tasks).unwrap();
        let (sender, mut threads) = tokio::sync::mpsc::channel(8);
        for _ in 0..4 {
            let sender = sender.clone();
            let work = || async move {
                let before = thread::current().id();
                tokio::time::sleep(Duration::from_millis(1)).await;
                sender.send((before, thread::current().id())).await.unwrap();
            };
            workers.spawn_each("work", [work]);
        }
        drop(sender);
        let mut seen = std::collections::HashSet::new();
        while let Some((before, after)) = threads.recv().await {
            assert_eq!(before, after);
            seen.insert(before);
        }
        assert_eq!(seen.len(), 2);
        tasks.begin_shutdown("test");
        assert!(tasks.finished(Duration::from_secs(5)).await.is_empty());
    }
}
