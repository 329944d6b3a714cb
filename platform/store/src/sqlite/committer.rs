//! One thread that commits what waits, many batches in one transaction.
//!
//! A batch whose condition fails is left out; the others go on. A commit that fails for any other
//! reason than a full disk stops the server: what is on the disk is then unknown, and only a
//! restart recovers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use env::Tasks;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use tokio::sync::{mpsc, oneshot};

use crate::batch::Operation;
use crate::feed::Feed;
use crate::{Batch, CommitError, Condition, Key, KeyRange, Sequence, StoreError};

/// Batches that wait for the committer; a further one makes its caller wait.
const WAITING_MAX: usize = 4096;
/// Batches in one transaction.
const GROUP_MAX: usize = 512;

type Answer = oneshot::Sender<Result<Sequence, CommitError>>;

enum Work {
    Commit(Batch, Answer),
    Wipe(Answer),
    Close(oneshot::Sender<()>),
}

/// Hands batches to the committer thread.
pub(crate) struct Committer {
    /// Taken when dropped: the thread ends when nobody can hand it anything.
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<thread::JoinHandle<()>>,
    is_stopped: Arc<AtomicBool>,
}

impl Committer {
    pub(crate) fn start(
        connection: Connection,
        sequence: Sequence,
        feed: Arc<Feed>,
        tasks: Tasks,
    ) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_stopped);
        let mut writer = Writer { connection, sequence: sequence.0, feed, tasks, stopped };
        let thread = thread::Builder::new().name("store-committer".into());
        let spawned = thread.spawn(move || writer.run(waiting));
        let thread = spawned.map_err(|source| StoreError::File {
            act: "could not start the committer's thread".into(),
            source,
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), is_stopped })
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        self.ask(|answer| Work::Commit(batch, answer)).await
    }

    pub(crate) async fn wipe(&self) -> Result<(), CommitError> {
        self.ask(Work::Wipe).await.map(|_| ())
    }

    async fn ask(&self, work: impl FnOnce(Answer) -> Work) -> Result<Sequence, CommitError> {
        let stopped = || CommitError::Store(StoreError::Stopped);
        if self.is_stopped.load(Ordering::Acquire) {
            return Err(stopped());
        }
        let (answer, answered) = oneshot::channel();
        self.hand_over(work(answer)).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn hand_over(&self, work: Work) -> Result<(), mpsc::error::SendError<Work>> {
        self.queue.as_ref().expect("taken by drop alone").send(work).await
    }

    /// Waits for all that was handed over, folds the log into the file, and ends the thread.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.hand_over(Work::Close(done)).await.is_ok() {
            // An error means that somebody else has closed it.
            drop(closed.await);
        }
        self.is_stopped.store(true, Ordering::Release);
    }
}

/// Waits for the thread, so that nobody opens a store that is still written to.
impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the committer's thread panicked");
        }
    }
}

struct Writer {
    connection: Connection,
    sequence: u64,
    feed: Arc<Feed>,
    tasks: Tasks,
    stopped: Arc<AtomicBool>,
}

/// What became of one batch within a transaction that is not yet committed.
type Outcome = Result<(Sequence, Vec<Key>), Condition>;

/// The last condition of a batch and its first write, where they are about one record: one look at
/// it does both.
struct Update<'b> {
    key: &'b Key,
    read: Sequence,
    value: &'b [u8],
}

impl<'b> Update<'b> {
    fn of(batch: &'b Batch) -> Option<Self> {
        match (batch.conditions.last()?, batch.operations.first()?) {
            (Condition::Version(read_at, read), Operation::Put(key, value)) if read_at == key => {
                Some(Self { key, read: *read, value })
            }
            _ => None,
        }
    }
}

impl Writer {
    fn run(&mut self, mut waiting: mpsc::Receiver<Work>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while let Some(first) = waiting.blocking_recv() {
            let mut next = Some(first);
            while let Some(work) = next.take() {
                match work {
                    Work::Commit(batch, answer) => {
                        group.push((batch, answer));
                        if group.len() < GROUP_MAX {
                            next = waiting.try_recv().ok();
                        }
                    }
                    Work::Wipe(answer) => {
                        self.commit_group(&mut group);
                        self.wipe(answer);
                    }
                    Work::Close(done) => {
                        self.commit_group(&mut group);
                        self.checkpoint();
                        done.send(()).unwrap_or(());
                        return;
                    }
                }
            }
            self.commit_group(&mut group);
        }
        self.checkpoint();
    }

    fn commit_group(&mut self, group: &mut Vec<(Batch, Answer)>) {
        if group.is_empty() {
            return;
        }
        let (batches, answers): (Vec<Batch>, Vec<Answer>) = group.drain(..).unzip();
        if self.stopped.load(Ordering::Acquire) {
            return refuse(answers, || StoreError::Stopped.into());
        }
        let before = self.sequence;
        match self.transaction(&batches) {
            Ok(outcomes) => self.answer(outcomes, answers),
            Err(error) => {
                self.sequence = before;
                // A deletion that would make room must not fail for the others' sake.
                if is_full(&error) && batches.len() > 1 && self.roll_back() {
                    for one in batches.into_iter().zip(answers) {
                        self.commit_group(&mut vec![one]);
                    }
                } else {
                    self.refuse(&error, answers);
                }
            }
        }
    }

    /// Ends a failed transaction, if SQLite has not done so itself; returns whether it is ended.
    fn roll_back(&self) -> bool {
        self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok()
    }

    fn transaction(&mut self, batches: &[Batch]) -> Result<Vec<Outcome>, rusqlite::Error> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            outcomes.push(self.batch(batch)?);
        }
        if outcomes.iter().all(Result::is_err) {
            self.connection.execute_batch("ROLLBACK")?;
            return Ok(outcomes);
        }
        let sql = "UPDATE meta SET value = ?1 WHERE name = 'sequence'";
        self.connection.prepare_cached(sql)?.execute([self.sequence as i64])?;
        self.connection.execute_batch("COMMIT")?;
        Ok(outcomes)
    }

    fn batch(&mut self, batch: &Batch) -> Result<Outcome, rusqlite::Error> {
        let update = Update::of(batch);
        let checked = batch.conditions.len() - usize::from(update.is_some());
        for condition in batch.conditions.iter().take(checked) {
            if !self.holds(condition)? {
                return Ok(Err(condition.clone()));
            }
        }
        let sequence = Sequence(self.sequence + 1);
        if let Some(update) = &update
            && !self.update(update, sequence)?
        {
            return Ok(Err(Condition::Version(update.key.clone(), update.read)));
        }
        self.sequence += 1;
        let mut changed = Vec::with_capacity(batch.operations.len());
        changed.extend(update.as_ref().map(|update| update.key.clone()));
        for operation in batch.operations.iter().skip(changed.len()) {
            changed.push(self.apply(operation, sequence)?);
        }
        Ok(Ok((sequence, changed)))
    }

    /// Writes the new value, if the record still has the version that was read.
    fn update(&self, update: &Update<'_>, version: Sequence) -> Result<bool, rusqlite::Error> {
        let Update { key, read, value } = update;
        let sql = "UPDATE records SET version = ?2, value = ?3 WHERE key = ?1 AND version = ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (version, read) = (version.0 as i64, read.0 as i64);
        Ok(statement.execute(params![key.as_bytes(), version, &value[..], read])? == 1)
    }

    fn holds(&self, condition: &Condition) -> Result<bool, rusqlite::Error> {
        Ok(match condition {
            Condition::Absent(key) => self.version(key)?.is_none(),
            Condition::Exists(key) => self.version(key)?.is_some(),
            Condition::Version(key, version) => self.version(key)? == Some(*version),
            Condition::Empty(range) => self.is_empty(range)?,
        })
    }

    fn version(&self, key: &Key) -> Result<Option<Sequence>, rusqlite::Error> {
        let sql = "SELECT version FROM records WHERE key = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let version = statement.query_row([key.as_bytes()], |row| row.get::<_, i64>(0));
        Ok(version.optional()?.map(|number| Sequence(number as u64)))
    }

    fn is_empty(&self, range: &KeyRange) -> Result<bool, rusqlite::Error> {
        let sql = "SELECT 1 FROM records WHERE key >= ?1 AND key < ?2 LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.exists(params![range.start.as_bytes(), range.end.as_bytes()]).map(|found| !found)
    }

    fn apply(&self, operation: &Operation, version: Sequence) -> Result<Key, rusqlite::Error> {
        match operation {
            Operation::Put(key, value) => {
                let sql = "INSERT INTO records (key, version, value) VALUES (?1, ?2, ?3) \
                           ON CONFLICT (key) DO UPDATE SET version = ?2, value = ?3";
                let mut statement = self.connection.prepare_cached(sql)?;
                statement.execute(params![key.as_bytes(), version.0 as i64, &value[..]])?;
                Ok(key.clone())
            }
            Operation::Delete(key) => {
                let sql = "DELETE FROM records WHERE key = ?1";
                self.connection.prepare_cached(sql)?.execute([key.as_bytes()])?;
                Ok(key.clone())
            }
            Operation::DeleteRange(range) => {
                let sql = "DELETE FROM records WHERE key >= ?1 AND key < ?2";
                let (start, end) = (range.start.as_bytes(), range.end.as_bytes());
                self.connection.prepare_cached(sql)?.execute(params![start, end])?;
                Ok(range.start.clone())
            }
        }
    }

    /// Caches hear of all that was committed together, and then whoever asked for it.
    fn answer(&self, outcomes: Vec<Outcome>, answers: Vec<Answer>) {
        let mut changed = Vec::with_capacity(outcomes.len());
        let settle = |outcome| match outcome {
            Ok((sequence, keys)) => {
                changed.extend(Vec::into_iter(keys).map(|key| (sequence, key)));
                Ok(sequence)
            }
            Err(condition) => Err(CommitError::Conflict(condition)),
        };
        let results: Vec<_> = outcomes.into_iter().map(settle).collect();
        self.feed.push_all(Sequence(self.sequence), changed);
        for (result, answer) in results.into_iter().zip(answers) {
            // A caller that went away does not want to know.
            drop(answer.send(result));
        }
    }

    fn refuse(&self, error: &rusqlite::Error, answers: Vec<Answer>) {
        let is_full = is_full(error);
        if !self.roll_back() {
            tracing::error!("a failed transaction could not be rolled back");
        }
        if is_full {
            tracing::error!("the disk is full: writes are refused until there is room");
        } else {
            self.stopped.store(true, Ordering::Release);
            tracing::error!(%error, "a commit failed: the server stops, and recovers at restart");
            self.tasks.begin_shutdown("the store failed to commit");
        }
        refuse(answers, || if is_full { CommitError::Full } else { StoreError::Stopped.into() });
    }

    fn wipe(&mut self, answer: Answer) {
        if self.stopped.load(Ordering::Acquire) {
            return refuse(vec![answer], || StoreError::Stopped.into());
        }
        self.sequence += 1;
        let sql = format!(
            "BEGIN IMMEDIATE; DELETE FROM records; \
             UPDATE meta SET value = {} WHERE name = 'sequence'; COMMIT",
            self.sequence
        );
        match self.connection.execute_batch(&sql) {
            Ok(()) => {
                self.feed.lose(Sequence(self.sequence));
                drop(answer.send(Ok(Sequence(self.sequence))));
            }
            Err(error) => self.refuse(&error, vec![answer]),
        }
    }

    fn checkpoint(&self) {
        let folded = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = folded {
            tracing::warn!(%error, "the log was not folded into the store; the next start does it");
        }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn refuse(answers: Vec<Answer>, error: impl Fn() -> CommitError) {
    for answer in answers {
        drop(answer.send(Err(error())));
    }
}
