//! The journal that callers see, whichever engine it runs on.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use env::{Env, TaskKind};
use tokio::sync::oneshot;

use crate::error::Full;
use crate::group::{Entry, Settled, Work};
use crate::inbox::Inbox;
use crate::postgres;
use crate::segments;
use crate::writer::{Sequences, Writer};
use crate::{
    JournalError, JournalUrl, Mark, MemoryDisk, Options, Pending, QueueId, Recovered, Sequence,
    Size,
};

/// An open journal. Clones are the same journal; when the last is gone, what waits is written.
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle {
    inbox: Arc<Inbox>,
    sequences: Arc<Sequences>,
    reader: Reader,
    /// The last to be dropped: its thread ends when nobody can ask for anything.
    _thread: Joined,
}

/// Where bodies are read.
enum Reader {
    Segments(segments::Reader),
    Postgres(postgres::Reader),
    Memory(MemoryDisk),
}

/// The writer's name, as a thread or as a task.
const WRITER: &str = "journal-writer";

impl Journal {
    /// Opens the journal, making it if it is not there, and tells what waits in it.
    pub async fn open(
        url: JournalUrl,
        options: Options,
        env: &Env,
    ) -> Result<(Self, Recovered), JournalError> {
        let inbox = Arc::new(Inbox::new(options));
        match url {
            JournalUrl::Segments { directory } => {
                let (options, random) = (inbox.options().clone(), env.random.clone());
                let open = move || segments::open(&directory, options, random);
                let opened = tokio::task::spawn_blocking(open).await;
                let opened = opened.map_err(|_| JournalError::Stopped)??;
                let sequences = Arc::new(Sequences::new(opened.used, opened.reserved));
                let writer = Writer::new(opened.log, &inbox, &sequences, &env.tasks);
                let thread = Some(on_thread(writer.run())?);
                let reader = Reader::Segments(opened.reader);
                Ok((Self::new(inbox, sequences, reader, thread), opened.recovered))
            }
            JournalUrl::Postgres { url } => Self::open_postgres(url, inbox, env).await,
            JournalUrl::Memory(disk) => {
                let opened = disk.take(&inbox).await?;
                let sequences = Arc::new(Sequences::new(opened.used, opened.reserved));
                let writer = Writer::new(opened.engine, &inbox, &sequences, &env.tasks);
                env.tasks.spawn(WRITER, TaskKind::Vital, writer.run());
                Ok((Self::new(inbox, sequences, Reader::Memory(disk), None), opened.recovered))
            }
        }
    }

    /// What speaks with PostgreSQL lives on a thread of its own, whoever asks from wherever.
    async fn open_postgres(
        url: String,
        inbox: Arc<Inbox>,
        env: &Env,
    ) -> Result<(Self, Recovered), JournalError> {
        let (told, opened) = oneshot::channel();
        let (of_writer, tasks) = (Arc::clone(&inbox), env.tasks.clone());
        let thread = on_thread(async move {
            let opened = match postgres::open(&url, Arc::clone(&of_writer)).await {
                Ok(opened) => opened,
                Err(error) => return drop(told.send(Err(error))),
            };
            let sequences = Arc::new(Sequences::new(opened.used, opened.reserved));
            let writer = Writer::new(opened.engine, &of_writer, &sequences, &tasks);
            drop(told.send(Ok((sequences, opened.reader, opened.recovered))));
            tokio::join!(writer.run(), opened.read_task.run());
        })?;
        let opened = opened.await.map_err(|_| JournalError::Stopped)?;
        let (sequences, reader, recovered) = opened?;
        let reader = Reader::Postgres(reader);
        Ok((Self::new(inbox, sequences, reader, Some(thread)), recovered))
    }

    fn new(
        inbox: Arc<Inbox>,
        sequences: Arc<Sequences>,
        reader: Reader,
        thread: Option<thread::JoinHandle<()>>,
    ) -> Self {
        Self(Arc::new(Handle { inbox, sequences, reader, _thread: Joined(thread) }))
    }

    /// A sequence for one more entry.
    pub fn next_sequence(&self) -> Sequence {
        self.0.sequences.next()
    }

    /// Has the entry `sequence` written for every queue of `queues`, in the next commit. Never
    /// waits. An entry that is refused is not told that it is settled.
    pub fn append(
        &self,
        sequence: Sequence,
        queues: Vec<(QueueId, Mark)>,
        what: Arc<dyn Pending>,
    ) -> Result<(), Full> {
        self.0.inbox.append(Entry::new(sequence, queues, what))
    }

    /// These queues are done with these entries. Written with the next commit, or a little later,
    /// without a promise: after a crash an entry may be there again. An entry that nobody needs
    /// any more before it is written is not written, and is settled.
    pub fn release(&self, released: impl IntoIterator<Item = (QueueId, Sequence)>) {
        let work = released.into_iter().map(|(queue, sequence)| Work::Release(queue, sequence));
        self.0.inbox.push_lazy(work);
    }

    /// As [`Journal::release`]; `settled` is told by the writer once that is on disk.
    pub fn release_safely(&self, queue: QueueId, sequence: Sequence, settled: Settled) {
        self.push_urgent(Work::ReleaseSafely(queue, sequence, settled));
    }

    /// Changes what `queue` has noted about an entry; `settled` is told by the writer once that is
    /// on disk.
    pub fn mark_safely(&self, queue: QueueId, sequence: Sequence, mark: Mark, settled: Settled) {
        self.push_urgent(Work::MarkSafely(queue, sequence, mark, settled));
    }

    /// Drops a queue with all entries that it has by now; written as lazily as a release.
    pub fn forget(&self, queue: QueueId) {
        self.0.inbox.push_lazy([Work::Forget(queue)]);
    }

    fn push_urgent(&self, work: Work) {
        if let Err(Work::ReleaseSafely(_, _, settled) | Work::MarkSafely(_, _, _, settled)) =
            self.0.inbox.push_urgent(work)
        {
            settled(Err(JournalError::Stopped));
        }
    }

    /// The bodies of entries, in the order asked for; `None` for one that is gone. Waits for those
    /// that are still to be written.
    pub async fn read(&self, sequences: Vec<Sequence>) -> Result<Vec<Option<Bytes>>, JournalError> {
        if !self.0.reader.has_all(&sequences) {
            self.0.inbox.written().await;
        }
        match &self.0.reader {
            Reader::Segments(reader) => reader.read(sequences).await,
            Reader::Postgres(reader) => reader.read(&sequences).await,
            Reader::Memory(disk) => Ok(disk.read(&sequences)),
        }
    }

    /// How large it is, as of the last commit.
    pub fn size(&self) -> Size {
        self.0.inbox.size()
    }

    /// Whether a commit failed, so that nothing is written any more. The server was asked to stop.
    pub fn has_failed(&self) -> bool {
        self.0.inbox.has_failed()
    }

    /// Writes what waits, and stops. Reading goes on.
    pub async fn close(&self) {
        self.0.inbox.close();
        self.0.inbox.ended().await;
    }
}

impl Reader {
    fn has_all(&self, sequences: &[Sequence]) -> bool {
        match self {
            Self::Segments(reader) => reader.has_all(sequences),
            Self::Postgres(reader) => reader.has_all(sequences),
            Self::Memory(disk) => disk.has_all(sequences),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// A thread that is waited for when this is dropped, so that nobody opens a journal that is still
/// written to.
struct Joined(Option<thread::JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        // What the writer tells may have been the last to hold the journal.
        let is_other =
            |thread: &thread::JoinHandle<()>| thread.thread().id() != thread::current().id();
        if self.0.take().filter(is_other).is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's thread panicked");
        }
    }
}

/// Runs the writer on a thread of its own.
fn on_thread(
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<thread::JoinHandle<()>, JournalError> {
    let failed = |source| JournalError::File {
        act: "could not start the journal's thread".into(),
        source: Arc::new(source),
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(failed)?;
    let thread = thread::Builder::new().name(WRITER.into());
    thread.spawn(move || runtime.block_on(work)).map_err(failed)
}
