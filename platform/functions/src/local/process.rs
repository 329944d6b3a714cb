//! One process: started, given one event at a time, ended with all that it left behind.
//!
//! A single task owns it and is its whole life; see [`Phase`]. It ends when the process ends, when
//! an invocation takes too long, when nobody has needed it for a while, or at shutdown, and whenever
//! it ends, the process's whole group is killed.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use env::{Shutdown, TaskKind};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::{FunctionError, InvokeError};
use crate::invocation::RESPONSE_BYTES_MAX;
use crate::local::output::{Drained, Output};
use crate::local::runtime_api::{self, Body, Call, Event};
use crate::local::{Program, Work, strays};
use crate::settings::{MEMORY_MB_TOLD, ProcessSettings};

/// How many calls to the Runtime API may wait for the process's task.
const CALLS_MAX: usize = 16;
/// How long a killed process may take until it is gone.
const REAPED_WITHIN: Duration = Duration::from_secs(5);
/// Environment that a process has from the server.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];

/// The variable that tells one process, and all that it starts, from others.
const LOG_STREAM: &str = "AWS_LAMBDA_LOG_STREAM_NAME";

/// A process that may have ended meanwhile.
pub(crate) struct Process {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Result<Bytes, InvokeError>>,
}

/// Where a process is between two events.
enum Phase {
    /// It starts, or is busy with itself after an answer.
    Preparing,
    /// It waits for an event.
    Waiting(oneshot::Sender<Event>),
    /// It has one.
    Busy(Job),
}

/// Why a process is given up.
enum End {
    /// Nobody needs it any longer.
    Unneeded,
    /// It ended by itself.
    Exited(io::Result<ExitStatus>),
    /// It did not come to ask for an event in time.
    NotReady,
    /// It says that it cannot begin.
    InitError(Bytes),
    /// Its event took too long.
    TimedOut,
    /// It asked for the next event without having answered.
    Skipped,
}

struct Life {
    program: Arc<Program>,
    child: Child,
    group: Group,
    log_stream: String,
    output: Output,
    drained: Drained,
    jobs: mpsc::Receiver<Job>,
    calls: mpsc::Receiver<Call>,
    shutdown: Shutdown,
    phase: Phase,
    /// When the phase has lasted too long.
    until: Instant,
    /// A job that is to be handed over when the process asks next.
    pending: Option<Job>,
    has_served: bool,
    /// What serves the process ends when this is dropped.
    ended: watch::Sender<()>,
}

/// Kills a process and all that it started, at the latest when dropped.
struct Group(Option<Pid>);

impl Process {
    /// Starts a process for `work`, and gives it with what becomes of that.
    pub(crate) async fn start(
        program: &Arc<Program>,
        work: Work,
    ) -> (Self, Result<Bytes, InvokeError>) {
        let (jobs, of_jobs) = mpsc::channel(1);
        let (reply, replied) = oneshot::channel();
        let process = Self { jobs };
        let life = match Life::begin(program, of_jobs, Job { work, reply }).await {
            Ok(life) => life,
            Err(source) => return (process, Err(program.cannot_run(source))),
        };
        let tasks = &program.host.env.tasks;
        tasks.spawn("function process", TaskKind::Transient, life.run());
        let outcome = replied.await.unwrap_or_else(|_| Err(program.shutting_down()));
        (process, outcome)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.jobs.is_closed()
    }

    /// Gives it `work`, and waits for what becomes of it; nothing if the process ended without
    /// having seen it.
    pub(crate) async fn send(&self, work: Work) -> Option<Result<Bytes, InvokeError>> {
        let (reply, replied) = oneshot::channel();
        self.jobs.send(Job { work, reply }).await.ok()?;
        replied.await.ok()
    }
}

impl Program {
    fn cannot_run(&self, source: io::Error) -> InvokeError {
        InvokeError::Command { function: self.id.arn.clone(), key: self.key.clone(), source }
    }

    pub(crate) fn shutting_down(&self) -> InvokeError {
        InvokeError::ShuttingDown { function: self.id.arn.clone() }
    }

    fn command(&self, runtime_api: &str, log_stream: &str) -> Command {
        let settings = &self.settings;
        let mut command = Command::new(&settings.program);
        command
            .args(&settings.arguments)
            .env_clear()
            .envs(self.environment(runtime_api, log_stream))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &settings.directory {
            command.current_dir(directory);
        }
        command
    }

    /// What Lambda sets, what the settings set, and a little of the server's own.
    fn environment(&self, runtime_api: &str, log_stream: &str) -> Vec<(String, String)> {
        let Self { id, settings, host, .. } = self;
        let memory_mb = settings.memory_mb.unwrap_or(MEMORY_MB_TOLD).to_string();
        let directory = settings.directory.as_ref().map(|path| path.display().to_string());
        let inherited = INHERITED.iter().filter_map(|name| {
            let value = host.environment.get(*name)?;
            Some((*name, value.clone()))
        });
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", id.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", id.version().to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", id.name)),
            (LOG_STREAM, log_stream.to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_REGION", id.region.clone()),
            ("AWS_DEFAULT_REGION", id.region.clone()),
            ("LAMBDA_TASK_ROOT", directory.unwrap_or_else(|| ".".to_owned())),
            ("_HANDLER", settings.handler.clone()),
            ("TZ", ":UTC".to_owned()),
        ];
        let set = settings.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
        let own = inherited.chain(lambda).map(|(name, value)| (name.to_owned(), value));
        own.chain(set).collect()
    }

    /// As CloudWatch would have it: a day, a version, and what tells processes apart.
    fn log_stream(&self) -> String {
        let date = self.host.env.clock.now().to_amz_date();
        let (year, rest) = date.split_at_checked(4).unwrap_or_default();
        let (month, rest) = rest.split_at_checked(2).unwrap_or_default();
        let day = rest.get(..2).unwrap_or_default();
        let one = HEXLOWER.encode(&self.host.env.random.bytes::<16>());
        format!("{year}/{month}/{day}/[{}]{one}", self.id.version())
    }
}

impl Life {
    async fn begin(
        program: &Arc<Program>,
        jobs: mpsc::Receiver<Job>,
        first: Job,
    ) -> io::Result<Self> {
        let env = &program.host.env;
        let (ended, watches) = watch::channel(());
        let (asks, calls) = mpsc::channel(CALLS_MAX);
        let address = runtime_api::serve(&env.tasks, asks, watches.clone()).await?;
        let log_stream = program.log_stream();
        let mut child = program.command(&address.to_string(), &log_stream).spawn()?;
        let group = Group::of(&child);
        group.bound(program.settings.memory_mb)?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let pipes = pipes.ok_or_else(|| io::Error::other("the process has no output"))?;
        let output = Output::new(&program.id.arn, program.host.log.clone());
        let drained = output.read(&env.tasks, pipes, &watches);
        tracing::debug!(function = program.id.arn, pid = child.id(), "function process started");
        Ok(Self {
            program: Arc::clone(program),
            child,
            group,
            log_stream,
            output,
            drained,
            jobs,
            calls,
            shutdown: env.tasks.shutdown_signal(),
            phase: Phase::Preparing,
            until: Instant::now() + program.settings.start,
            pending: Some(first),
            has_served: false,
            ended,
        })
    }

    async fn run(mut self) {
        let end = loop {
            let is_waiting = matches!(self.phase, Phase::Waiting(_));
            let has_job = matches!(self.phase, Phase::Busy(_));
            // What the process said before it ended comes first.
            let end = tokio::select! {
                biased;
                Some(call) = self.calls.recv() => self.heard(call),
                status = self.child.wait() => Some(End::Exited(status)),
                job = self.jobs.recv(), if is_waiting => self.given(job),
                () = sleep_until(self.until) => Some(self.is_late()),
                () = self.shutdown.begun(), if !has_job => Some(End::Unneeded),
            };
            if let Some(end) = end {
                break end;
            }
        };
        self.finish(end).await;
    }

    fn heard(&mut self, call: Call) -> Option<End> {
        match call {
            Call::Next(asks) => self.asked(asks),
            Call::Response { request_id, body, accepted } => {
                let outcome = |program: &Program| match body {
                    Body::Whole(body) => Ok(body),
                    Body::TooLarge => Err(InvokeError::ResponseTooLarge {
                        function: program.id.arn.clone(),
                        bytes_max: RESPONSE_BYTES_MAX,
                    }),
                };
                self.answered(&request_id, accepted, outcome);
                None
            }
            Call::Error { request_id, body, accepted } => {
                self.answered(&request_id, accepted, |program| {
                    let (function, error) = (program.id.arn.clone(), FunctionError::parse(body));
                    Err(InvokeError::Function { function, error })
                });
                None
            }
            Call::InitError { body } if !self.has_served => Some(End::InitError(body)),
            Call::InitError { .. } => None,
        }
    }

    fn asked(&mut self, asks: oneshot::Sender<Event>) -> Option<End> {
        if matches!(self.phase, Phase::Busy(_)) {
            return Some(End::Skipped);
        }
        match self.pending.take() {
            Some(job) => self.hand_over(job, asks),
            None => self.enter(Phase::Waiting(asks)),
        }
        None
    }

    fn given(&mut self, job: Option<Job>) -> Option<End> {
        // Whoever could give it another is gone.
        let Some(job) = job else { return Some(End::Unneeded) };
        match std::mem::replace(&mut self.phase, Phase::Preparing) {
            Phase::Waiting(asks) => self.hand_over(job, asks),
            _ => self.pending = Some(job),
        }
        None
    }

    /// Gives `job` to the process, or keeps it if the process hung up meanwhile.
    fn hand_over(&mut self, job: Job, asks: oneshot::Sender<Event>) {
        let timeout = self.program.settings.timeout;
        let deadline_ms = self.program.host.env.clock.now().plus(timeout).millis();
        let event = Event { work: job.work.clone(), deadline_ms };
        if asks.send(event).is_err() {
            self.pending = Some(job);
            self.enter(Phase::Preparing);
            return;
        }
        self.output.belongs_to(Some(Arc::clone(&job.work.request_id)));
        self.enter(Phase::Busy(job));
    }

    /// Settles the invocation that runs, if it is the one that is meant.
    fn answered(
        &mut self,
        request_id: &str,
        accepted: oneshot::Sender<bool>,
        outcome: impl FnOnce(&Program) -> Result<Bytes, InvokeError>,
    ) {
        let is_meant =
            matches!(&self.phase, Phase::Busy(job) if *job.work.request_id == *request_id);
        if accepted.send(is_meant).is_err() {
            tracing::debug!(function = self.program.id.arn, "function process hung up");
        }
        if !is_meant {
            return;
        }
        if let Phase::Busy(job) = std::mem::replace(&mut self.phase, Phase::Preparing) {
            // Whoever waited for it may have given up.
            drop(job.reply.send(outcome(&self.program)));
        }
        self.has_served = true;
        self.output.belongs_to(None);
        self.enter(Phase::Preparing);
    }

    fn enter(&mut self, phase: Phase) {
        let settings = &self.program.settings;
        let lasts = match phase {
            Phase::Preparing => settings.start,
            Phase::Waiting(_) => settings.idle,
            Phase::Busy(_) => settings.timeout,
        };
        self.until = Instant::now() + lasts;
        self.phase = phase;
    }

    fn is_late(&self) -> End {
        match self.phase {
            Phase::Preparing => End::NotReady,
            Phase::Waiting(_) => End::Unneeded,
            Phase::Busy(_) => End::TimedOut,
        }
    }

    /// Ends the process and all that it left, and tells whoever waits for it.
    async fn finish(mut self, end: End) {
        self.jobs.close();
        // Whoever gave a job that was not taken looks for another process at once.
        while self.jobs.try_recv().is_ok() {}
        self.group.kill();
        strays::kill(format!("{LOG_STREAM}={}", self.log_stream)).await;
        if timeout(REAPED_WITHIN, self.child.wait()).await.is_err() {
            tracing::error!(function = self.program.id.arn, "a killed function does not end");
        }
        drop(self.ended);
        self.drained.wait().await;
        let function = self.program.id.arn.clone();
        let is_wrong = !matches!(end, End::Unneeded);
        let reason = end.reason(&self.program.settings) + &self.output.last_line();
        if is_wrong {
            tracing::warn!(function, reason, "function process ended");
        }
        if let Phase::Busy(job) = self.phase {
            let after = self.program.settings.timeout;
            let error = match end {
                End::TimedOut => InvokeError::Timeout { function, after, is_ended: true },
                _ => InvokeError::NoAnswer { function, reason },
            };
            drop(job.reply.send(Err(error)));
        } else if let Some(job) = self.pending.filter(|_| is_wrong && !self.has_served) {
            let key = self.program.key.clone();
            drop(job.reply.send(Err(InvokeError::Start { function, key, reason })));
        }
    }
}

impl End {
    fn reason(&self, settings: &ProcessSettings) -> String {
        match self {
            Self::Unneeded => "it was not needed any longer".to_owned(),
            Self::Exited(Ok(status)) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("it exited with status {code}"),
                (_, Some(signal)) => format!("it was ended by signal {signal}"),
                _ => "it ended".to_owned(),
            },
            Self::Exited(Err(error)) => format!("it cannot be waited for ({error})"),
            Self::NotReady => {
                format!("it did not ask for an event within {} seconds", settings.start.as_secs())
            }
            Self::InitError(body) => FunctionError::parse(body.clone()).to_string(),
            Self::TimedOut => "it took too long".to_owned(),
            Self::Skipped => "it asked for the next event instead".to_owned(),
        }
    }
}

impl Group {
    /// The group that the process leads.
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Bounds what the process, and what it starts, may each allocate.
    fn bound(&self, memory_mb: Option<u64>) -> io::Result<()> {
        if let Some((pid, memory_mb)) = self.0.zip(memory_mb) {
            let bytes = Some(memory_mb.saturating_mul(1 << 20));
            // Not the address space: runtimes reserve much more of it than they use.
            prlimit(Some(pid), Resource::Data, Rlimit { current: bytes, maximum: bytes })?;
        }
        Ok(())
    }

    /// Kills what is left of it. Its number is not given to others while any member lives; after
    /// that, a whole round of numbers would have to pass within a moment.
    fn kill(&mut self) {
        if let Some(pid) = self.0.take() {
            match kill_process_group(pid, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => tracing::error!(%error, "function process could not be killed"),
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
