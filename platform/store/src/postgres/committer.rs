//! Two tasks that commit what waits, many batches in one transaction, each on its own connection.
//!
//! Batches that begin with the same key go to the same committer, so that they meet in one
//! transaction instead of waiting for each other's locks. Nothing else depends on who commits.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use env::{TaskKind, Tasks};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Config, Error};

use super::connection::{Connection, Fault};
use super::group::{self, Outcome};
use crate::batch::Operation;
use crate::{Batch, CommitError, Condition, Key, Sequence, StoreError};

const COMMITTERS: usize = 2;
/// Batches that wait for a committer; a further one makes its caller wait.
const WAITING_MAX: usize = 4096;
/// Batches in one transaction.
const GROUP_MAX: usize = 256;
/// Tries of a transaction that others come between, or whose connection breaks.
const TRIES_MAX: u32 = 8;
/// The wait before a broken connection is made anew; it doubles with each try.
const PAUSE: Duration = Duration::from_millis(50);
/// Keys after which the feed is trimmed.
const TRIM_AFTER_KEYS: usize = 8192;

type Answer = oneshot::Sender<Result<Sequence, CommitError>>;

enum Work {
    Commit(Batch, Answer),
    Close(oneshot::Sender<()>),
}

/// Hands batches to the committers.
pub(super) struct Committers {
    queues: Vec<mpsc::Sender<Work>>,
    is_stopped: Arc<AtomicBool>,
}

impl Committers {
    /// Starts the committers; `trim` is told when the feed has grown.
    pub(super) async fn start(
        config: &Config,
        tasks: &Tasks,
        trim: &mpsc::Sender<()>,
    ) -> Result<Self, StoreError> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let mut queues = Vec::with_capacity(COMMITTERS);
        for _ in 0..COMMITTERS {
            let mut committer = Committer {
                config: config.clone(),
                tasks: tasks.clone(),
                connection: None,
                is_stopped: Arc::clone(&is_stopped),
                trim: trim.clone(),
                keys_untrimmed: 0,
            };
            committer.connection().await?;
            let (queue, waiting) = mpsc::channel(WAITING_MAX);
            tasks.spawn("store-committer", TaskKind::Vital, async move {
                committer.run(waiting).await;
            });
            queues.push(queue);
        }
        Ok(Self { queues, is_stopped })
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        self.check()?;
        let stopped = || CommitError::Store(StoreError::Stopped);
        let turn = turn(&batch) % self.queues.len();
        let queue = self.queues.get(turn).expect("the turn is below the number of committers");
        let (answer, answered) = oneshot::channel();
        queue.send(Work::Commit(batch, answer)).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Refuses where nothing may be written any more.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.is_stopped.load(Ordering::Acquire) {
            true => Err(StoreError::Stopped),
            false => Ok(()),
        }
    }

    /// Waits for all that was handed over, and ends the committers.
    pub(super) async fn close(&self) {
        self.is_stopped.store(true, Ordering::Release);
        for queue in &self.queues {
            let (done, closed) = oneshot::channel();
            if queue.send(Work::Close(done)).await.is_ok() {
                // An error means that it has ended already.
                drop(closed.await);
            }
        }
    }
}

/// Which committer a batch goes to, by its first key.
fn turn(batch: &Batch) -> usize {
    let first = batch.operations.first().map(|operation| match operation {
        Operation::Put(key, _) | Operation::Delete(key) => key,
        Operation::DeleteRange(range) => &range.start,
    });
    let mut hasher = DefaultHasher::new();
    first.map(Key::as_bytes).hash(&mut hasher);
    hasher.finish() as usize
}

struct Committer {
    config: Config,
    tasks: Tasks,
    connection: Option<Connection>,
    is_stopped: Arc<AtomicBool>,
    trim: mpsc::Sender<()>,
    keys_untrimmed: usize,
}

impl Committer {
    async fn run(&mut self, mut waiting: mpsc::Receiver<Work>) {
        let mut work = Vec::with_capacity(GROUP_MAX);
        while waiting.recv_many(&mut work, GROUP_MAX).await > 0 {
            let (mut batches, mut answers) = (Vec::new(), Vec::new());
            let mut closing = None;
            for work in work.drain(..) {
                match work {
                    Work::Commit(batch, answer) => {
                        batches.push(batch);
                        answers.push(answer);
                    }
                    Work::Close(done) => closing = Some(done),
                }
            }
            if !batches.is_empty() {
                self.commit_group(batches, answers).await;
            }
            if let Some(done) = closing {
                drop(waiting);
                self.connection = None;
                done.send(()).unwrap_or(());
                return;
            }
        }
    }

    async fn commit_group(&mut self, batches: Vec<Batch>, answers: Vec<Answer>) {
        let fault = match self.commit(&batches).await {
            Ok(outcomes) => return answer(outcomes, answers),
            Err(fault) => fault,
        };
        let is_one_to_blame =
            matches!(fault, Fault::Contended(_) | Fault::Raced(_) | Fault::Refused(_));
        if !is_one_to_blame || batches.len() == 1 {
            return self.refuse(fault, answers);
        }
        // One batch must not keep the others from being written.
        for (batch, sender) in batches.into_iter().zip(answers) {
            match self.commit(&[batch]).await {
                Ok(outcomes) => answer(outcomes, vec![sender]),
                Err(fault) => self.refuse(fault, vec![sender]),
            }
        }
    }

    /// Writes a group, a bounded number of times where nothing was written.
    async fn commit(&mut self, batches: &[Batch]) -> Result<Vec<Outcome>, Fault> {
        let mut tries = 1;
        loop {
            let fault = match self.write(batches).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(fault) => fault,
            };
            match &fault {
                _ if tries == TRIES_MAX => return Err(fault),
                Fault::Contended(error) => tracing::debug!(%error, "a commit is tried again"),
                Fault::Raced(_) => {}
                Fault::Lost(error) => {
                    tracing::warn!(%error, "PostgreSQL is not reachable; the commit is tried again");
                    tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
                }
                Fault::Full | Fault::Refused(_) | Fault::Unknown(_) => return Err(fault),
            }
            tries += 1;
        }
    }

    async fn write(&mut self, batches: &[Batch]) -> Result<Vec<Outcome>, Fault> {
        let connection = self.connection().await?;
        let written = group::write(connection, batches).await;
        if matches!(written, Err(Fault::Lost(_) | Fault::Unknown(_))) {
            self.connection = None;
        }
        let written = written?;
        self.keys_untrimmed += written.keys;
        if self.keys_untrimmed >= TRIM_AFTER_KEYS && self.trim.try_send(()).is_ok() {
            self.keys_untrimmed = 0;
        }
        Ok(written.outcomes)
    }

    /// The connection, made anew if it broke.
    async fn connection(&mut self) -> Result<&Connection, Error> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => {
                let connection = Connection::open(&self.config, &self.tasks).await?;
                for sql in group::STATEMENTS {
                    connection.prepared(sql).await?;
                }
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    fn refuse(&self, fault: Fault, answers: Vec<Answer>) {
        let refusal: Box<dyn Fn() -> CommitError + Send> = match fault {
            Fault::Full => {
                tracing::error!(
                    "PostgreSQL's disk is full: writes are refused until there is room"
                );
                Box::new(|| CommitError::Full)
            }
            Fault::Raced(key) => {
                Box::new(move || CommitError::Conflict(Condition::Absent(key.clone())))
            }
            Fault::Contended(error) | Fault::Lost(error) | Fault::Refused(error) => {
                tracing::error!(%error, "a commit failed");
                let error = Arc::new(error);
                Box::new(move || StoreError::Postgres(Arc::clone(&error)).into())
            }
            Fault::Unknown(error) => {
                self.is_stopped.store(true, Ordering::Release);
                tracing::error!(%error, "a commit's outcome is unknown: the server stops");
                self.tasks.begin_shutdown("the store does not know what it committed");
                Box::new(|| StoreError::Stopped.into())
            }
        };
        for answer in answers {
            // A caller that went away does not want to know.
            drop(answer.send(Err(refusal())));
        }
    }
}

fn answer(outcomes: Vec<Outcome>, answers: Vec<Answer>) {
    for (outcome, answer) in outcomes.into_iter().zip(answers) {
        drop(answer.send(outcome.map_err(CommitError::Conflict)));
    }
}
