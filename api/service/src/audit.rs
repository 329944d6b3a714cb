//! The audit trail: who changed what, when, from where, and how it ended.
//!
//! A change that succeeds carries its record in its own commit. A refusal is written behind, by
//! one task with a bounded queue. The trail keeps the newest `audit_records_max` records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use env::{Env, Shutdown, TaskKind};
use serde::{Deserialize, Serialize};
use store::{Batch, Direction, Key, KeyRange, Store, StoreError};
use tokio::sync::mpsc;
use types::{AccountId, TenantId, Timestamp};

use crate::{Cx, encode, kinds};

/// Refusals that wait to be written; further ones are counted and dropped.
const REFUSALS_WAITING_MAX: usize = 4096;
/// How often the trail is cut to its bound.
const TRIM_INTERVAL: Duration = Duration::from_secs(60);
/// Records cut in one batch.
const TRIM_BATCH: u32 = 1000;

/// One line of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// When.
    pub time: Timestamp,
    /// As answered in `x-amzn-RequestId`.
    pub request_id: String,
    /// Whose resources.
    pub account: AccountId,
    /// In which region.
    pub region: String,
    /// Who.
    pub principal: String,
    /// With which key.
    pub access_key_id: String,
    /// From where.
    pub source_ip: String,
    /// Which operation.
    pub operation: String,
    /// On which resource, or `*`.
    pub resource: String,
    /// `success`, or the error's code.
    pub outcome: String,
}

impl AuditRecord {
    /// The record's key and value in the store; `request` keeps two of one millisecond apart.
    pub fn entry(&self, request: u128) -> (Key, Vec<u8>) {
        let millis = u64::try_from(self.time.millis()).unwrap_or(0);
        let key = all_records().number(millis).bytes(&request.to_be_bytes());
        (key, encode(self))
    }

    fn log(&self) {
        tracing::info!(
            target: "ferrite::audit",
            request_id = %self.request_id, account = %self.account, region = %self.region,
            principal = %self.principal, access_key_id = %self.access_key_id,
            source_ip = %self.source_ip, operation = %self.operation, resource = %self.resource,
            outcome = %self.outcome, "change"
        );
    }
}

fn all_records() -> Key {
    Key::new(TenantId::GLOBAL, kinds::AUDIT)
}

/// The trail's writer.
#[derive(Clone)]
pub struct Audit {
    refusals: mpsc::Sender<(Key, Vec<u8>)>,
    written: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
}

impl Audit {
    /// Starts the tasks that write refusals and keep the trail at `records_max`.
    pub fn start(store: Store, env: &Env, records_max: u64) -> Self {
        let (refusals, queue) = mpsc::channel(REFUSALS_WAITING_MAX);
        let audit = Self { refusals, written: Arc::default(), dropped: Arc::default() };
        let written = Arc::clone(&audit.written);
        let signal = env.tasks.shutdown_signal();
        env.tasks.spawn(
            "audit-refusals",
            TaskKind::Vital,
            write_refusals(store.clone(), queue, Arc::clone(&written), signal),
        );
        let signal = env.tasks.shutdown_signal();
        env.tasks.spawn("audit-trim", TaskKind::Vital, trim(store, written, records_max, signal));
        audit
    }

    /// Records that a request to change something was refused with `code`.
    pub fn refused(&self, cx: &Cx, code: &str) {
        if self.refusals.try_send(cx.audit_entry(code)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many refusals were not recorded because too many came at once.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes the log line of a change that `cx` committed.
    pub fn log(&self, cx: &Cx, outcome: &str) {
        if tracing::enabled!(target: "ferrite::audit", tracing::Level::INFO) {
            cx.audit_record(outcome).log();
        }
    }

    pub(crate) fn counted(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    /// The newest records of `account`, newest first, at most `limit` of the last ten thousand.
    pub async fn newest(
        &self,
        store: &Store,
        account: AccountId,
        limit: usize,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None);
        for _ in 0..10 {
            let range = KeyRange::prefix(&all_records());
            let page = store.scan(range, after, TRIM_BATCH, Direction::Backward).await?;
            after = page.entries.last().map(|e| e.key.clone());
            let records = page.entries.iter().filter_map(|e| serde_json::from_slice(&e.value).ok());
            found.extend(records.filter(|r: &AuditRecord| r.account == account));
            if found.len() >= limit || !page.has_more {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}

async fn write_refusals(
    store: Store,
    mut queue: mpsc::Receiver<(Key, Vec<u8>)>,
    written: Arc<AtomicU64>,
    mut shutdown: Shutdown,
) {
    let mut waiting = Vec::new();
    loop {
        let received = tokio::select! {
            n = queue.recv_many(&mut waiting, 256) => n,
            () = shutdown.begun() => 0,
        };
        let mut batch = Batch::new();
        for (key, value) in waiting.drain(..) {
            batch.put(key, value);
        }
        if received > 0 {
            match store.commit(batch).await {
                Ok(_) => written.fetch_add(received as u64, Ordering::Relaxed),
                Err(error) => {
                    tracing::warn!(%error, records = received, "audit records were not written");
                    0
                }
            };
        } else {
            return;
        }
    }
}

async fn trim(store: Store, written: Arc<AtomicU64>, records_max: u64, mut shutdown: Shutdown) {
    let mut kept = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TRIM_INTERVAL) => {}
            () = shutdown.begun() => return,
        }
        let result = async {
            let known = match kept {
                Some(known) => known + written.swap(0, Ordering::Relaxed),
                None => {
                    written.store(0, Ordering::Relaxed);
                    count(&store).await?
                }
            };
            cut(&store, known, records_max).await
        };
        match result.await {
            Ok(now) => kept = Some(now),
            Err(error) => tracing::warn!(%error, "the audit trail could not be cut"),
        }
    }
}

async fn count(store: &Store) -> Result<u64, StoreError> {
    let (mut records, mut after) = (0, None);
    loop {
        let range = KeyRange::prefix(&all_records());
        let page = store.scan(range, after, TRIM_BATCH, Direction::Forward).await?;
        records += page.entries.len() as u64;
        after = page.entries.last().map(|e| e.key.clone());
        if !page.has_more {
            return Ok(records);
        }
    }
}

/// Removes the oldest records until at most `max` are left; returns how many are.
async fn cut(store: &Store, mut records: u64, max: u64) -> Result<u64, StoreError> {
    while records > max {
        let over = u32::try_from(records - max).unwrap_or(TRIM_BATCH).min(TRIM_BATCH);
        let range = KeyRange::prefix(&all_records());
        let page = store.scan(range.clone(), None, over, Direction::Forward).await?;
        let Some(last) = page.entries.last() else { return Ok(0) };
        let mut batch = Batch::new();
        batch.delete_range(KeyRange { start: range.start, end: last.key.clone() });
        batch.delete(last.key.clone());
        if store.commit(batch).await.is_err() {
            break;
        }
        records -= page.entries.len() as u64;
    }
    Ok(records)
}
