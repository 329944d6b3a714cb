//! Where callers leave what is to be written, without waiting.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::group::{Backlog, Entry, Work};
use crate::{Full, JournalError, Options, Size};

/// Shared by callers and the writer.
pub(crate) struct Inbox {
    options: Options,
    waiting: Mutex<Waiting>,
    /// Somebody waits for something to be safe.
    urgent: Notify,
    /// There is something that may wait.
    lazy: Notify,
    /// How many entries have been written, or dropped, in the order that they came in.
    passed: watch::Sender<u64>,
    /// The journal's own size, as of the last commit.
    size: Mutex<Size>,
    disk_bytes: AtomicU64,
    has_failed: AtomicBool,
    is_ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Waiting {
    /// Bounded by the bytes of its entries, and by the entries that there are to be released.
    work: Vec<Work>,
    bytes: u64,
    appended: u64,
    is_urgent: bool,
    is_closed: bool,
}

impl Inbox {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            waiting: Mutex::default(),
            urgent: Notify::new(),
            lazy: Notify::new(),
            passed: watch::Sender::new(0),
            size: Mutex::default(),
            disk_bytes: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            is_ended: watch::Sender::new(false),
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves an entry; on a closed journal it is told so.
    pub(crate) fn append(&self, entry: Entry) -> Result<(), Full> {
        let on_disk = self.disk_bytes.load(Ordering::Relaxed);
        let mut waiting = self.waiting();
        if !waiting.is_closed {
            let bytes = waiting.bytes.saturating_add(entry.bytes);
            if bytes > self.options.waiting_bytes_max {
                return Err(Full::Waiting);
            }
            if on_disk.saturating_add(bytes) > self.options.bytes_max {
                return Err(Full::Disk);
            }
            waiting.bytes = bytes;
            waiting.appended += 1;
            waiting.work.push(Work::Append(entry));
            self.wake_urgently(waiting);
            return Ok(());
        }
        drop(waiting);
        entry.settle(&Err(JournalError::Stopped));
        Ok(())
    }

    /// Leaves what somebody waits for; gives it back if the journal is closed.
    pub(crate) fn push_urgent(&self, work: Work) -> Result<(), Work> {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return Err(work);
        }
        waiting.work.push(work);
        self.wake_urgently(waiting);
        Ok(())
    }

    /// Leaves what nobody waits for; on a closed journal it is lost.
    pub(crate) fn push_lazy(&self, work: impl IntoIterator<Item = Work>) {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return;
        }
        let was_empty = waiting.work.is_empty();
        waiting.work.extend(work);
        let is_first = was_empty && !waiting.work.is_empty();
        drop(waiting);
        if is_first {
            self.lazy.notify_one();
        }
    }

    fn wake_urgently(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let is_first = !std::mem::replace(&mut waiting.is_urgent, true);
        drop(waiting);
        if is_first {
            self.urgent.notify_one();
        }
    }

    /// How large the journal is, as of the last commit, and what waits now.
    pub(crate) fn size(&self) -> Size {
        let mut size = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        size.waiting_bytes = self.waiting().bytes;
        size
    }

    pub(crate) fn set_size(&self, size: Size) {
        self.disk_bytes.store(size.bytes, Ordering::Relaxed);
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = size;
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// From now on nothing is written any more.
    pub(crate) fn fail(&self) {
        self.has_failed.store(true, Ordering::Release);
    }

    /// Takes nothing more; what waits is still written.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        self.wake_urgently(waiting);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting().is_closed
    }

    /// Resolves when the writer has ended.
    pub(crate) async fn ended(&self) {
        // The sender lives as long as `self`.
        drop(self.is_ended.subscribe().wait_for(|is_ended| *is_ended).await);
    }

    /// Resolves when every entry that has come in by now is written, or will never be.
    pub(crate) async fn written(&self) {
        let appended = self.waiting().appended;
        let mut passed = self.passed.subscribe();
        let is_passed = async { drop(passed.wait_for(|passed| *passed >= appended).await) };
        tokio::select! {
            biased;
            () = is_passed => {}
            () = self.ended() => {}
        }
    }

    /// For the writer: waits until there is something to write, for what is lazy only so long.
    pub(crate) async fn wait(&self, has_lazy: bool) {
        let urgent = async {
            while !self.waiting().is_urgent {
                self.urgent.notified().await;
            }
        };
        let lazy = async {
            while !has_lazy && self.waiting().work.is_empty() {
                self.lazy.notified().await;
            }
            tokio::time::sleep(self.options.release_after()).await;
        };
        tokio::select! {
            biased;
            () = urgent => {}
            () = lazy => {}
        }
    }

    /// For the writer: takes all that waits; returns whether nothing more will come.
    pub(crate) fn take(&self, backlog: &mut Backlog) -> bool {
        let mut waiting = self.waiting();
        let work = std::mem::take(&mut waiting.work);
        waiting.is_urgent = waiting.is_closed;
        let is_closed = waiting.is_closed;
        drop(waiting);
        for work in work {
            backlog.take(work);
        }
        is_closed
    }

    /// For the writer: tells how far it has come.
    pub(crate) fn pass(&self, backlog: &mut Backlog) {
        let left = backlog.take_left_bytes();
        let mut waiting = self.waiting();
        waiting.bytes = waiting.bytes.saturating_sub(left);
        drop(waiting);
        self.passed.send_if_modified(|passed| {
            let has_moved = *passed != backlog.passed();
            *passed = backlog.passed();
            has_moved
        });
    }

    /// For the writer: nothing is written any more.
    pub(crate) fn end(&self) {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        let work = std::mem::take(&mut waiting.work);
        drop(waiting);
        self.is_ended.send_replace(true);
        let mut backlog = Backlog::default();
        for work in work {
            backlog.take(work);
        }
        backlog.refuse();
    }
}
