//! One message on its way through one rule.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use journal::Sequence;
use serde::Serialize;
use service::LogLevel;
use sql::{Answers, Halt, Request};
use store::Key;
use tokio::time::sleep;

use super::Engine;
use super::batch::{BatchDocument, FailedBatch};
use super::heard::Heard;
use super::lane::Admission;
use super::log::{Happening, Resources, function_name};
use super::rule::{Calls, Place, Rule, reason};
use crate::actions::{ActionError, Call};

/// The longest pause before the second try; it doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// The longest pause after a failure where everything fails.
const REST: Duration = Duration::from_secs(2);
/// What a statement may ask for from outside, for one message.
const REQUESTS_MAX: usize = 16;

/// Where a message is kept until the rule is done with it.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// In memory alone.
    Nowhere,
    /// In the journal.
    Journal(Sequence),
    /// As a dead letter, which is tried again.
    Letter(Key),
}

/// One message on its way through one rule.
pub(crate) struct Run {
    pub(crate) engine: Arc<Engine>,
    pub(crate) rule: Arc<Rule>,
    pub(crate) heard: Arc<Heard>,
    kept: Kept,
    /// Actions that are not done.
    left: AtomicUsize,
    failures: Mutex<Vec<Failure>>,
    /// Those whose failures its error action tells, too.
    others: Mutex<Vec<Arc<Self>>>,
}

/// Something that one action has to do.
pub(crate) struct Errand {
    run: Arc<Run>,
    place: Place,
    call: Box<dyn Call>,
}

/// An action that failed, as error actions tell it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(super) failed_action: &'static str,
    pub(super) failed_resource: String,
    pub(super) error_message: String,
    #[serde(skip)]
    pub(super) batch: Option<Arc<FailedBatch>>,
}

/// What an error action gets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorDocument<'r> {
    rule_name: &'r str,
    topic: &'r str,
    cloudwatch_trace_id: String,
    client_id: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    base64_original_payload: String,
    failures: &'r [Failure],
}

impl Run {
    /// Starts a message that just came on its way, unless others wait before it, there is no room, or
    /// too many come: then it stays in the journal for later, and one that is not there is lost.
    pub(crate) fn start_or_put_off(
        engine: &Arc<Engine>,
        rule: &Arc<Rule>,
        heard: &Arc<Heard>,
        kept: Kept,
    ) {
        if rule.backlog.is_empty() && rule.has_room() && engine.rates.may_evaluate(rule.tenant.id) {
            return Self::start(engine, rule, heard, kept);
        }
        match kept {
            Kept::Journal(sequence) => {
                rule.backlog.park(sequence);
                engine.feed(rule);
            }
            Kept::Nowhere => engine.throttled(rule, heard),
            Kept::Letter(_) => Self::start(engine, rule, heard, kept),
        }
    }

    /// Starts a message on its way. What is not done by then goes on by itself.
    pub(crate) fn start(engine: &Arc<Engine>, rule: &Arc<Rule>, heard: &Arc<Heard>, kept: Kept) {
        let answers = Answers::default();
        let prepared = rule.prepare(heard, engine.now(), &answers);
        engine.tell_match(rule, heard, &prepared);
        match prepared {
            Ok(None) => engine.release(rule, kept),
            prepared => {
                let run = Arc::new(Self {
                    engine: Arc::clone(engine),
                    rule: Arc::clone(rule),
                    heard: Arc::clone(heard),
                    kept,
                    left: AtomicUsize::new(0),
                    failures: Mutex::default(),
                    others: Mutex::default(),
                });
                run.go_on(prepared);
            }
        }
    }

    fn go_on(self: &Arc<Self>, prepared: Result<Option<Calls>, Halt>) {
        match prepared {
            Ok(None) => self.finish(),
            Ok(Some(calls)) => self.act(calls),
            Err(Halt::Wanted(_)) => match self.rule.asking.admit(Arc::clone(self)) {
                Admission::Run(run) => {
                    self.engine.spawn("rule-functions", Self::ask_in_turn(run));
                }
                Admission::Waits => {}
                Admission::Full(run) => run.put_off(),
            },
            Err(halt) => self.stop(&halt),
        }
    }

    async fn ask_in_turn(run: Arc<Self>) {
        let rule = Arc::clone(&run.rule);
        let engine = Arc::clone(&run.engine);
        let mut next = Some(run);
        while let Some(run) = next {
            run.ask().await;
            next = rule.asking.next();
            engine.feed(&rule);
        }
    }

    /// Evaluates the statement again and again with what it has asked for, until that is all.
    async fn ask(self: Arc<Self>) {
        let mut answers = Answers::default();
        loop {
            let prepared = self.rule.prepare(&self.heard, self.engine.now(), &answers);
            match prepared {
                Err(Halt::Wanted(request)) if answers.len() < REQUESTS_MAX => {
                    let answer = self.answer(&request).await;
                    answers.insert(*request, answer);
                }
                other => return self.go_on_asked(other),
            }
        }
    }

    fn go_on_asked(self: &Arc<Self>, prepared: Result<Option<Calls>, Halt>) {
        match prepared {
            Err(halt) => self.stop(&halt),
            other => self.go_on(other),
        }
    }

    async fn answer(&self, request: &Request) -> Result<Vec<u8>, String> {
        let answer = self.engine.world.answer(&self.heard, request).await;
        if answer.is_ok() {
            self.engine.tell_answer(&self.rule, &self.heard, request);
        }
        answer
    }

    /// Ends the run because of its statement: no action runs, and no error action.
    fn stop(&self, halt: &Halt) {
        let event = if *halt == Halt::NotJson {
            self.rule.counters(&self.engine).parse_errors.increment(1);
            "ParseError"
        } else {
            "FunctionExecution"
        };
        let mut happening = Happening::failure(event, reason(halt));
        if let Halt::Failed { function, .. } = halt {
            happening = happening.of(function_name(function), Resources::new());
        }
        self.engine.tell(&self.rule, &self.heard, happening);
        self.finish();
    }

    fn act(self: &Arc<Self>, calls: Calls) {
        self.rule.counters(&self.engine).executed.increment(1);
        // One more than there are, so that nobody finishes before all have begun.
        self.left.store(calls.len() + 1, Ordering::Release);
        for (place, call) in calls.into_iter().enumerate() {
            let place = Place::Action(place);
            match call {
                Ok(call) => self.admit(place, call),
                Err(error) => self.done(place, None, Err(error)),
            }
        }
        self.one_less();
    }

    fn admit(self: &Arc<Self>, place: Place, call: Box<dyn Call>) {
        let Some(slot) = self.rule.slot(place) else { return };
        match slot.lane.admit(Errand { run: Arc::clone(self), place, call }) {
            Admission::Run(errand) => errand.set_out(),
            Admission::Waits => {}
            Admission::Full(errand) => {
                let error = ActionError::transient("too much waits for the action");
                self.engine.throttled(&self.rule, &self.heard);
                self.done(place, Some(&*errand.call), Err(error));
            }
        }
    }

    /// Leaves the message in the journal for later; one that is not there is lost.
    fn put_off(&self) {
        match self.kept.clone() {
            Kept::Journal(sequence) => {
                self.rule.backlog.park(sequence);
                self.engine.feed(&self.rule);
            }
            Kept::Nowhere => self.engine.throttled(&self.rule, &self.heard),
            // It stays where it is.
            Kept::Letter(_) => {}
        }
    }

    fn done(
        self: &Arc<Self>,
        place: Place,
        call: Option<&dyn Call>,
        result: Result<(), ActionError>,
    ) {
        let name = self.rule.slot(place).map_or("", |slot| slot.action.name());
        self.rule.counters(&self.engine).count(place, result.is_ok());
        self.tell_end(place, call, &result);
        if let Err(error) = &result {
            let failure = Failure {
                failed_action: name,
                failed_resource: call.map(Call::resource).unwrap_or_default(),
                error_message: self.error_message(error, call),
                batch: error.batch.clone(),
            };
            self.failures().push(failure);
        }
        match place {
            Place::Action(_) => self.one_less(),
            Place::Error => {
                let others = std::mem::take(
                    &mut *self.others.lock().unwrap_or_else(PoisonError::into_inner),
                );
                for run in others.iter().chain([self]) {
                    if result.is_err() { run.give_up() } else { run.finish() }
                }
            }
        }
    }

    /// Writes down that an action is about to run.
    fn tell_start(&self, place: Place) {
        if !self.engine.logs(LogLevel::Debug) {
            return;
        }
        let Some(slot) = self.rule.slot(place) else { return };
        let happening = Happening::success("StartingRuleExecution", LogLevel::Debug);
        let happening = happening.of(slot.action.name(), Resources::new());
        self.engine.tell(&self.rule, &self.heard, happening);
    }

    /// Writes down what an action came to.
    fn tell_end(&self, place: Place, call: Option<&dyn Call>, result: &Result<(), ActionError>) {
        let happening = match result {
            Ok(()) if !self.engine.logs(LogLevel::Info) => return,
            Ok(()) => Happening::success("RuleExecution", LogLevel::Info),
            Err(error) if place == Place::Error => {
                Happening::failure("ErrorActionFailure", error.to_string())
            }
            Err(error) => Happening::failure("RuleExecution", error.to_string()),
        };
        let name = self.rule.slot(place).map_or("", |slot| slot.action.name());
        let resources = call.map(Call::resources).unwrap_or_default();
        self.engine.tell(&self.rule, &self.heard, happening.of(name, resources));
    }

    fn error_message(&self, error: &ActionError, call: Option<&dyn Call>) -> String {
        let details = call.map(|call| format!(", {}", call.details())).unwrap_or_default();
        format!("{error}. Message arrived on: {}{details}", self.heard.topic)
    }

    fn one_less(self: &Arc<Self>) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let has_failed = !self.failures().is_empty();
            if has_failed { self.tell_failures() } else { self.finish() }
        }
    }

    /// Has the error action run, with all failures at once; what failed with others is told with
    /// them.
    fn tell_failures(self: &Arc<Self>) {
        if self.rule.slot(Place::Error).is_none() {
            return self.give_up();
        }
        let mut batches: Vec<_> =
            self.failures().iter().filter_map(|it| it.batch.clone()).collect();
        match batches.pop() {
            None => self.tell(Bytes::from(self.error_document())),
            Some(batch) => {
                batches.iter().for_each(FailedBatch::leave);
                batch.arrive(Arc::clone(self));
            }
        }
    }

    /// Has the error action run once for messages that failed together.
    pub(crate) fn tell_together(batch: &Arc<FailedBatch>, mut runs: Vec<Arc<Self>>) {
        let document = BatchDocument::new(batch, &runs).to_bytes();
        let Some(last) = runs.pop() else { return };
        *last.others.lock().unwrap_or_else(PoisonError::into_inner) = runs;
        last.tell(document);
    }

    fn tell(self: &Arc<Self>, document: Bytes) {
        let run = Arc::clone(self);
        let telling = async move {
            let mut answers = Answers::default();
            let call = loop {
                let now = run.engine.now();
                match run.rule.prepare_error(&run.heard, now, &answers, &document) {
                    Err(Halt::Wanted(request)) if answers.len() < REQUESTS_MAX => {
                        let answer = run.answer(&request).await;
                        answers.insert(*request, answer);
                    }
                    Err(halt) => break Err(ActionError::lasting(reason(&halt))),
                    Ok(None) => return,
                    Ok(Some(call)) => break call,
                }
            };
            match call {
                Ok(call) => run.admit(Place::Error, call),
                Err(error) => run.done(Place::Error, None, Err(error)),
            }
        };
        self.engine.set_out(telling);
    }

    /// What has failed so far.
    pub(super) fn failures(&self) -> MutexGuard<'_, Vec<Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error_document(&self) -> String {
        let failures = self.failures();
        let document = ErrorDocument {
            rule_name: &self.rule.name,
            topic: &self.heard.topic,
            cloudwatch_trace_id: self.heard.trace_id(),
            client_id: self.heard.client_id.as_deref().unwrap_or("N/A"),
            source_ip: self.heard.source_ip.map(|ip| ip.to_string()),
            base64_original_payload: STANDARD.encode(&self.heard.payload),
            failures: &failures,
        };
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Keeps for a person what nothing has taken; what is kept so already stays as it is.
    fn give_up(self: &Arc<Self>) {
        if matches!(self.kept, Kept::Letter(_)) {
            return;
        }
        let run = Arc::clone(self);
        self.engine.set_out(async move {
            let document = run.error_document();
            let is_kept = run.engine.bury(&run.rule, &run.heard, document).await;
            // Else the journal has it still, for the next start.
            if is_kept || !matches!(run.kept, Kept::Journal(_)) {
                run.finish();
            }
        });
    }

    /// Whether what fails now is tried again by itself: the server stops, and the journal has the
    /// message for the next one.
    fn waits_for_restart(&self) -> bool {
        let is_stopping = self.engine.world.app.env.tasks.shutdown_signal().has_begun();
        is_stopping && matches!(self.kept, Kept::Journal(_))
    }

    fn finish(&self) {
        self.engine.release(&self.rule, self.kept.clone());
    }
}

impl Errand {
    /// Does it now, if that needs no waiting, and else on a task of its own.
    fn set_out(self) {
        let engine = Arc::clone(&self.run.engine);
        engine.set_out(self.carry_out_in_turn());
    }

    async fn carry_out_in_turn(self) {
        let (rule, place) = (Arc::clone(&self.run.rule), self.place);
        let engine = Arc::clone(&self.run.engine);
        let mut next = Some(self);
        let Some(slot) = rule.slot(place) else { return };
        while let Some(errand) = next {
            let is_well = errand.carry_out().await;
            slot.lane.ended(is_well);
            if !is_well && slot.lane.seems_dead() {
                engine.rest(REST).await;
            }
            next = slot.lane.next();
            engine.feed(&rule);
        }
    }

    /// Whether it went well.
    async fn carry_out(self) -> bool {
        let world = &self.run.engine.world;
        self.run.tell_start(self.place);
        let mut tries = 1;
        let result = loop {
            let result = self.call.run(world).await;
            let may_pass = result.as_ref().is_err_and(|error| error.is_transient);
            if !may_pass || tries >= self.call.tries_max() {
                break result;
            }
            self.run.engine.rest(PAUSE_FIRST * 2_u32.pow(tries - 1)).await;
            tries += 1;
        };
        let is_well = result.is_ok();
        if is_well || !self.run.waits_for_restart() {
            self.run.done(self.place, Some(&*self.call), result);
        }
        is_well
    }
}

impl Engine {
    /// Sleeps for `longest`, or down to half of it: what failed at once shall not come again at once.
    /// A server that stops is not waited for.
    async fn rest(&self, longest: Duration) {
        let env = &self.world.app.env;
        let chance = f64::from(env.random.bytes::<1>()[0]) / 255.0;
        let mut shutdown = env.tasks.shutdown_signal();
        tokio::select! {
            biased;
            () = shutdown.begun() => {}
            () = sleep(longest.mul_f64(0.5 + chance / 2.0)) => {}
        }
    }

    /// Goes on with `work`: at once as far as it needs no waiting, then on a task of its own.
    fn set_out(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut work = Box::pin(work);
        if (&mut work).now_or_never().is_none() {
            self.spawn("rule-action", work);
        }
    }
}
