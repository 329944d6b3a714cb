//! A rule, ready to be run.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use journal::{QueueId, Sequence};
use model::iot::{Action as ActionModel, TopicRulePayload};
use mqtt::{Holder, TopicFilter};
use service::ApiError;
use sql::{Answers, Halt, Statement, Step};
use types::{Tenant, Timestamp};

use super::counters::Counters;
use super::heard::Heard;
use super::lane::Lane;
use super::log::Budgets;
use super::run::{Errand, Run};
use crate::actions::{self, Action, ActionError, Call, Selected};
use crate::statement;

/// What one action does at once.
const RUNNING_MAX: usize = 64;
/// What waits for one action, of what is in memory.
const WAITING_MAX: usize = 4096;
/// Statements of a rule that wait for answers from outside, at once.
const ASKING_MAX: usize = 64;

/// A rule that is enabled.
pub(crate) struct Rule {
    /// Whose.
    pub(crate) tenant: Tenant,
    /// Its name.
    pub(crate) name: String,
    /// What it was made of, to see whether it has changed.
    pub(crate) payload: TopicRulePayload,
    /// Which topics it is about; none where only messages to itself are.
    pub(crate) filter: Option<TopicFilter>,
    /// Where the journal keeps what waits for it.
    pub(crate) queue: QueueId,
    statement: Statement,
    actions: Vec<Slot>,
    error_action: Option<Slot>,
    /// Runs that ask, or wait to ask, for something outside.
    pub(crate) asking: Lane<Arc<Run>>,
    /// What the journal keeps beyond what is in memory.
    pub(crate) backlog: Backlog,
    /// So that it leaves others room in the device log.
    pub(crate) budgets: Budgets,
    /// Looked up when it first hears a message.
    pub(super) counters: OnceLock<Counters>,
}

/// An action, and what it has to do.
pub(crate) struct Slot {
    /// The action.
    pub(crate) action: Box<dyn Action>,
    /// Its errands.
    pub(crate) lane: Lane<Errand>,
}

/// Which of a rule's actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One of its actions.
    Action(usize),
    /// Its error action.
    Error,
}

/// Messages of a rule that are in the journal alone, in their order.
#[derive(Default)]
pub(crate) struct Backlog {
    parked: Mutex<VecDeque<Sequence>>,
    /// How many they are, for whoever asks at each message.
    count: AtomicUsize,
    /// Whether somebody reads them.
    pub(crate) is_fed: AtomicBool,
}

impl Backlog {
    /// Leaves a message in the journal for later.
    pub(crate) fn park(&self, sequence: Sequence) {
        let mut parked = self.lock();
        parked.push_back(sequence);
        self.count.store(parked.len(), Ordering::Release);
    }

    /// Takes up to `count` messages out.
    pub(crate) fn take(&self, count: usize) -> Vec<Sequence> {
        let mut parked = self.lock();
        let count = count.min(parked.len());
        let taken = parked.drain(..count).collect();
        self.count.store(parked.len(), Ordering::Release);
        taken
    }

    /// Puts what was taken back to where it was.
    pub(crate) fn put_back(&self, sequences: Vec<Sequence>) {
        let mut parked = self.lock();
        sequences.into_iter().rev().for_each(|sequence| parked.push_front(sequence));
        self.count.store(parked.len(), Ordering::Release);
    }

    /// How many messages are parked.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether nothing is parked.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sequence>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an action has to do for a message, or why that cannot be said.
pub(crate) type Prepared = Result<Box<dyn Call>, ActionError>;
/// What the actions of a rule have to do, one for each.
pub(crate) type Calls = Vec<Prepared>;

impl Rule {
    /// Reads a rule's definition.
    pub(crate) fn compile(
        tenant: &Tenant,
        name: &str,
        payload: &TopicRulePayload,
    ) -> Result<Self, ApiError> {
        let statement = statement::read(payload)?;
        let filter = statement.topic().map(|topic| TopicFilter::parse(topic.into()));
        let filter = filter.transpose();
        let filter = filter.map_err(|error| ApiError::invalid(format!("FROM: {error}.")))?;
        let slot = |action: &ActionModel| Slot::compile(action, &statement);
        let actions = payload.actions.iter().map(slot).collect::<Result<_, _>>()?;
        let error_action = payload.error_action.as_ref().map(slot).transpose()?;
        Ok(Self {
            tenant: tenant.clone(),
            name: name.to_owned(),
            payload: payload.clone(),
            filter,
            queue: queue_of(tenant, name),
            statement,
            actions,
            error_action,
            asking: Lane::new(ASKING_MAX, WAITING_MAX),
            backlog: Backlog::default(),
            budgets: Budgets::default(),
            counters: OnceLock::new(),
        })
    }

    /// The action at `place`.
    pub(crate) fn slot(&self, place: Place) -> Option<&Slot> {
        match place {
            Place::Action(place) => self.actions.get(place),
            Place::Error => self.error_action.as_ref(),
        }
    }

    /// Whether what waits in the journal may come into memory.
    pub(crate) fn has_room(&self) -> bool {
        self.asking.has_room() && self.actions.iter().all(|slot| slot.lane.has_room())
    }

    /// What is to be done for a message; none if the rule's condition is not met.
    pub(crate) fn prepare(
        &self,
        heard: &Heard,
        now: Timestamp,
        answers: &Answers,
    ) -> Result<Option<Calls>, Halt> {
        heard.with_message(now, |message| {
            let outcome = self.statement.evaluate(message, answers)?;
            let Some(output) = outcome.output else { return Ok(None) };
            let payload = match output {
                sql::Output::Raw(_) => heard.payload.clone(),
                sql::Output::Value(value) => Bytes::from(value.to_json()),
            };
            let variables = &outcome.variables;
            let selected = Selected { heard, payload, message, variables, answers };
            let calls = self.actions.iter().map(|slot| call(slot, &selected));
            calls.collect::<Result<_, _>>().map(Some)
        })
    }

    /// The value of each expression of the statement, and what actions would get; none if the
    /// condition is not met.
    pub(crate) fn explain(
        &self,
        heard: &Heard,
        now: Timestamp,
        answers: &Answers,
    ) -> (Vec<Step>, Result<Option<Bytes>, Halt>) {
        let steps = RefCell::default();
        let output = heard.with_message(now, |message| {
            let outcome = self.statement.explain(message, answers, &steps)?;
            Ok(outcome.output.map(|output| Bytes::from(output.to_bytes())))
        });
        (steps.into_inner(), output)
    }

    /// The condition of WHERE, as text.
    pub(crate) fn condition(&self) -> Option<String> {
        self.statement.condition()
    }

    /// What AWS calls the actions, in order.
    pub(crate) fn action_names(&self) -> impl Iterator<Item = &'static str> {
        self.actions.iter().map(|slot| slot.action.name())
    }

    /// What the error action has to do with `document`.
    pub(crate) fn prepare_error(
        &self,
        heard: &Heard,
        now: Timestamp,
        answers: &Answers,
        document: &Bytes,
    ) -> Result<Option<Prepared>, Halt> {
        let Some(slot) = &self.error_action else { return Ok(None) };
        heard.with_message(now, |message| {
            let variables = self.statement.evaluate(message, answers).map(|it| it.variables);
            let variables = match variables {
                Ok(variables) => variables,
                Err(wanted @ Halt::Wanted(_)) => return Err(wanted),
                Err(_) => Vec::new(),
            };
            let payload = document.clone();
            let variables = &variables;
            let selected = Selected { heard, payload, message, variables, answers };
            call(slot, &selected).map(Some)
        })
    }
}

/// What an action has to do. What its templates want from outside comes first; what else they lack
/// is the action's failure, and not the rule's.
fn call(slot: &Slot, selected: &Selected<'_>) -> Result<Prepared, Halt> {
    match slot.action.call(selected) {
        Ok(call) => Ok(Ok(call)),
        Err(wanted @ Halt::Wanted(_)) => Err(wanted),
        Err(halt) => Ok(Err(ActionError::lasting(reason(&halt)))),
    }
}

/// Why a statement or a template gave nothing, in words.
pub(crate) fn reason(halt: &Halt) -> String {
    match halt {
        Halt::Wanted(request) => format!("{request:?} was not answered"),
        Halt::Failed { function, reason } => format!("{function}() failed: {reason}"),
        Halt::NotJson => "the message is not JSON, and the statement asks for fields of it".into(),
        Halt::TooLarge { what } => format!("{what} has too many bytes"),
    }
}

impl Slot {
    fn compile(action: &ActionModel, statement: &Statement) -> Result<Self, ApiError> {
        let action = actions::compile(action, statement)?;
        Ok(Self { action, lane: Lane::new(RUNNING_MAX, WAITING_MAX) })
    }
}

/// A rule as whoever asks for its filter.
#[derive(Clone)]
pub(crate) struct Listener {
    /// Its place among the tenant's.
    pub(crate) number: u64,
    /// The rule.
    pub(crate) rule: Arc<Rule>,
}

impl Holder for Listener {
    fn number(&self) -> u64 {
        self.number
    }
}

/// The queue in which messages wait for the rule `name`: the same after a restart (FNV-1a over
/// the tenant's number and the name). Sessions draw theirs by chance from all 2^64.
pub(crate) fn queue_of(tenant: &Tenant, name: &str) -> QueueId {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = tenant.id.0.to_be_bytes();
    let bytes = bytes.iter().chain(name.as_bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    QueueId(hash)
}
