//! A function's local processes: as many as it needs at one time, kept warm for the next.
//!
//! An invocation first has a place in the queue, then one among those that run; both are bounded.
//! It takes the process that was used last, or starts one. A process that ends takes with it the
//! one invocation that it had; those that fail one after another are started later and later.

mod output;
mod process;
mod runtime_api;
mod strays;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use env::TaskKind;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::error::InvokeError;
use crate::functions::Host;
use crate::identity::FunctionId;
use crate::settings::ProcessSettings;
use process::Process;

/// How many processes an invocation is offered to that turn out to have just ended.
const OFFERS_MAX: u32 = 4;
/// What passes before the third start after two failures; it doubles with each further one.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);

/// One function with its processes.
pub(crate) struct LocalFunction {
    pub(crate) program: Arc<Program>,
    queue: Arc<Semaphore>,
    places: Arc<Semaphore>,
    warm: Mutex<Warm>,
}

/// What is run for a function.
pub(crate) struct Program {
    pub(crate) id: FunctionId,
    /// The key of its settings.
    pub(crate) key: String,
    pub(crate) settings: ProcessSettings,
    pub(crate) host: Arc<Host>,
}

/// An event on its way to a handler.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) request_id: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) invoked_arn: String,
    pub(crate) client_context: Option<String>,
    pub(crate) trace_id: String,
}

#[derive(Default)]
struct Warm {
    /// The one used last is at the end.
    processes: Vec<Process>,
    /// How many processes failed one after another.
    failures: u32,
    /// Before that, none is started.
    start_at: Option<Instant>,
}

impl LocalFunction {
    pub(crate) fn new(program: Program) -> Self {
        let ProcessSettings { concurrency, queue, .. } = program.settings;
        let concurrency = concurrency.min(Semaphore::MAX_PERMITS / 2);
        let all = concurrency.saturating_add(queue).min(Semaphore::MAX_PERMITS);
        Self {
            program: Arc::new(program),
            queue: Arc::new(Semaphore::new(all)),
            places: Arc::new(Semaphore::new(concurrency)),
            warm: Mutex::default(),
        }
    }

    /// Runs the function. What has begun goes on when the caller gives up: it ends with the
    /// function's own time.
    pub(crate) async fn invoke(self: &Arc<Self>, work: Work) -> Result<Bytes, InvokeError> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| self.throttled())?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("places are never closed");
        self.start_is_due().await;
        let (tell, told) = oneshot::channel();
        let function = Arc::clone(self);
        let tasks = &self.program.host.env.tasks;
        tasks.spawn("function invocation", TaskKind::Transient, async move {
            let outcome = function.run(work).await;
            drop((place, queued));
            // Whoever asked may have given up.
            drop(tell.send(outcome));
        });
        told.await.unwrap_or_else(|_| Err(self.program.shutting_down()))
    }

    /// Whether nobody would miss it.
    pub(crate) fn is_cold(&self) -> bool {
        self.warm().processes.iter().all(Process::has_ended)
    }

    async fn run(&self, work: Work) -> Result<Bytes, InvokeError> {
        for _ in 0..OFFERS_MAX {
            let Some(process) = self.take_warm() else { break };
            if let Some(outcome) = process.send(work.clone()).await {
                self.note(process, &outcome);
                return outcome;
            }
        }
        if self.program.host.env.tasks.shutdown_signal().has_begun() {
            return Err(self.program.shutting_down());
        }
        let (process, outcome) = Process::start(&self.program, work).await;
        self.note(process, &outcome);
        outcome
    }

    /// A process that lives; the one used last, so that others may end.
    fn take_warm(&self) -> Option<Process> {
        let mut warm = self.warm();
        while let Some(process) = warm.processes.pop() {
            if !process.has_ended() {
                return Some(process);
            }
        }
        None
    }

    /// Waits until a process may be started, if one has to be.
    async fn start_is_due(&self) {
        let start_at = {
            let warm = self.warm();
            let is_warm = warm.processes.iter().any(|process| !process.has_ended());
            warm.start_at.filter(|_| !is_warm)
        };
        if let Some(start_at) = start_at {
            sleep_until(start_at).await;
        }
    }

    fn note(&self, process: Process, outcome: &Result<Bytes, InvokeError>) {
        match outcome {
            Ok(_) | Err(InvokeError::Function { .. } | InvokeError::ResponseTooLarge { .. }) => {
                let mut warm = self.warm();
                warm.failures = 0;
                warm.start_at = None;
                warm.processes.push(process);
            }
            // What hangs was not quick to fail; its successor may start at once.
            Err(InvokeError::Timeout { .. }) => {}
            Err(_) => self.note_failure(),
        }
    }

    fn note_failure(&self) {
        let mut warm = self.warm();
        warm.failures = warm.failures.saturating_add(1);
        let doubled = 2_u32.saturating_pow(warm.failures.saturating_sub(2));
        let delay = BACK_OFF_FIRST.saturating_mul(doubled).min(BACK_OFF_MAX);
        warm.start_at = (warm.failures > 1).then(|| Instant::now() + delay);
    }

    fn throttled(&self) -> InvokeError {
        let ProcessSettings { concurrency, queue, .. } = &self.program.settings;
        let hint = format!(
            "{concurrency} run and {queue} wait; see [functions.\"{}\"] concurrency and queue",
            self.program.key
        );
        InvokeError::Throttled { function: self.program.id.arn.clone(), hint }
    }

    fn warm(&self) -> MutexGuard<'_, Warm> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
