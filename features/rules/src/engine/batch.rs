//! Messages that failed together: one error action is told of all of them.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use super::run::{Failure, Run};

/// A batch that could not be sent, until every message of it is done with its other actions too.
#[derive(Debug)]
pub(crate) struct FailedBatch {
    is_across_topics: bool,
    state: Mutex<State>,
}

struct State {
    left: usize,
    runs: Vec<Arc<Run>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {} left", self.left, self.left + self.runs.len())
    }
}

impl FailedBatch {
    /// One of so many messages.
    pub(crate) fn new(messages: usize, is_across_topics: bool) -> Arc<Self> {
        let state = State { left: messages, runs: Vec::new() };
        Arc::new(Self { is_across_topics, state: Mutex::new(state) })
    }

    /// Whether its messages may have come on different topics.
    pub(crate) fn is_across_topics(&self) -> bool {
        self.is_across_topics
    }

    /// A message of it has nothing left to do but to tell of its failures.
    pub(crate) fn arrive(self: &Arc<Self>, run: Arc<Run>) {
        self.one_less(Some(run));
    }

    /// A message of it does not wait for the others: it is gone, or told of with another batch.
    pub(crate) fn leave(self: &Arc<Self>) {
        self.one_less(None);
    }

    fn one_less(self: &Arc<Self>, run: Option<Arc<Run>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.runs.extend(run);
        state.left = state.left.saturating_sub(1);
        if state.left > 0 {
            return;
        }
        let runs = std::mem::take(&mut state.runs);
        drop(state);
        Run::tell_together(self, runs);
    }
}

/// What an error action gets of a batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchDocument<'r> {
    rule_name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'r str>,
    payloads_with_metadata: Vec<PayloadWithMetadata<'r>>,
    failures: Vec<FailureOfSome>,
}

/// One of the messages.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadWithMetadata<'r> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'r str>,
    cloudwatch_trace_id: String,
    client_id: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    base64_original_payload: String,
}

/// What has failed for some of the messages.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureOfSome {
    affected_ids: Vec<String>,
    #[serde(flatten)]
    failure: Failure,
}

impl<'r> BatchDocument<'r> {
    pub(super) fn new(batch: &FailedBatch, runs: &'r [Arc<Run>]) -> Self {
        let is_across_topics = batch.is_across_topics();
        let mut failures = Vec::new();
        for (place, run) in runs.iter().enumerate() {
            run.failures().iter().for_each(|failure| add(&mut failures, failure, id(place)));
        }
        let first = runs.first();
        Self {
            rule_name: first.map_or("", |run| &run.rule.name),
            topic: first.filter(|_| !is_across_topics).map(|run| &*run.heard.topic),
            payloads_with_metadata: runs
                .iter()
                .enumerate()
                .map(|(place, run)| PayloadWithMetadata {
                    id: id(place),
                    topic: is_across_topics.then_some(&*run.heard.topic),
                    cloudwatch_trace_id: run.heard.trace_id(),
                    client_id: run.heard.client_id.as_deref().unwrap_or("N/A"),
                    source_ip: run.heard.source_ip.map(|ip| ip.to_string()),
                    base64_original_payload: STANDARD.encode(&run.heard.payload),
                })
                .collect(),
            failures,
        }
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// What messages are called in a document: their places.
fn id(place: usize) -> String {
    (place + 1).to_string()
}

/// Adds a failure of one message; what they had together is one.
fn add(failures: &mut Vec<FailureOfSome>, failure: &Failure, id: String) {
    let same = failures.iter_mut().find(|it| match (&it.failure.batch, &failure.batch) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    });
    match same {
        Some(same) => same.affected_ids.push(id),
        None => failures.push(FailureOfSome { affected_ids: vec![id], failure: failure.clone() }),
    }
}
