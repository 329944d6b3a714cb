//! The one task that appends to streams: all that waits becomes one commit.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use env::{Clock, Shutdown};
use foldhash::{HashMap, HashMapExt as _};
use store::{Batch, CommitError, Direction, Key, KeyRange, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use types::TenantId;

use super::block::{self, Appended};
use super::streams::{Keys, StreamName, age_max_ms};
use crate::{LocalSettings, Service, TargetError};

/// What the writer is asked for.
pub(super) enum Work {
    Append(Append),
    /// The store is another than it was: what is remembered of it is not true any more.
    Forget(oneshot::Sender<()>),
}

/// Records for one stream, and who waits for them.
pub(super) struct Append {
    pub(super) service: Service,
    pub(super) stream: Arc<StreamName>,
    pub(super) records: Vec<Appended>,
    pub(super) answer: Answer,
    /// What it takes of the bytes that may wait.
    pub(super) room: OwnedSemaphorePermit,
}

/// Who waits for the offset of the first of some records.
pub(super) type Answer = oneshot::Sender<Result<u64, TargetError>>;

/// Appends to streams and trims them.
pub(super) struct StreamWriter {
    store: Store,
    keys: Keys,
    clock: Clock,
    streams_max: u32,
    bytes_max: u64,
    age_max_ms: i64,
    /// Where streams end, of those that were written to lately.
    tails: HashMap<Arc<StreamName>, Tail>,
    told: watch::Sender<()>,
}

/// Where a stream ends, and about where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tail {
    /// The offset of the next record.
    next: u64,
    /// What the stream has been given in all.
    bytes: u64,
    /// What it had been given before its oldest block.
    bytes_trimmed: u64,
    /// When its oldest block was appended, in milliseconds.
    oldest_ms: i64,
    /// Whether its record is there.
    is_known: bool,
}

/// What one commit appends.
struct Round {
    batch: Batch,
    tails: HashMap<Arc<StreamName>, Tail>,
}

/// Appends to one commit.
const GROUP_MAX: usize = 2048;
/// Bytes of records from which on a commit takes no more.
const COMMIT_BYTES: usize = 8 << 20;
/// Bytes from which on a block is followed by the next.
const BLOCK_BYTES: usize = 128 << 10;
/// Ends of streams that are remembered.
const TAILS_MAX: usize = 4096;
/// Blocks that are looked at to be trimmed, with one commit, besides as many as it adds.
const TRIMMED_AT_ONCE: u32 = 4;
/// Blocks that are looked at to be trimmed where nobody waits.
const SWEPT_BLOCKS_AT_ONCE: u32 = 16;
/// Commits that trim one stream.
const SWEEPS_MAX: u32 = 256;
/// Tries of a commit where several servers append to one stream.
const TRIES_MAX: u32 = 16;
/// How often streams are trimmed by age that nobody appends to.
const SWEEP_PAUSE: Duration = Duration::from_secs(600);
/// Streams that are swept at once.
const SWEPT_AT_ONCE: u32 = 100;

impl StreamWriter {
    pub(super) fn new(
        store: Store,
        keys: Keys,
        clock: Clock,
        settings: &LocalSettings,
        told: watch::Sender<()>,
    ) -> Self {
        Self {
            store,
            keys,
            clock,
            streams_max: settings.streams_max,
            bytes_max: settings.stream_bytes_max,
            age_max_ms: age_max_ms(settings),
            tails: HashMap::new(),
            told,
        }
    }

    /// Appends until nobody can ask any more, or the server stops.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Work>, mut stop: Shutdown) {
        let mut group = Vec::new();
        let mut swept = None;
        loop {
            let pause = tokio::time::sleep(SWEEP_PAUSE);
            tokio::select! {
                biased;
                taken = waiting.recv_many(&mut group, GROUP_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    self.work(&mut group).await;
                }
                () = stop.begun(), if !waiting.is_closed() => waiting.close(),
                () = pause => swept = self.sweep(swept).await,
            }
        }
    }

    async fn work(&mut self, all: &mut Vec<Work>) {
        let (mut appends, mut bytes) = (Vec::new(), 0);
        for work in all.drain(..) {
            match work {
                Work::Append(append) => {
                    bytes += append.records.iter().map(Appended::bytes).sum::<usize>();
                    appends.push(append);
                    if bytes >= COMMIT_BYTES {
                        self.append(std::mem::take(&mut appends)).await;
                        bytes = 0;
                    }
                }
                Work::Forget(answer) => {
                    self.tails.clear();
                    // Whoever has given up does not hear it.
                    answer.send(()).unwrap_or(());
                }
            }
        }
        if !appends.is_empty() {
            self.append(appends).await;
        }
    }

    async fn append(&mut self, group: Vec<Append>) {
        let mut group = by_stream(group);
        for _ in 0..TRIES_MAX {
            let mut round = match self.prepare(&mut group).await {
                Ok(round) => round,
                Err(error) => return refuse(group, |service| error_of(service, &error)),
            };
            let batch = std::mem::take(&mut round.batch);
            match self.store.commit(batch).await {
                Ok(_) => return self.tell(round, group),
                // Another server has appended to one of them.
                Err(CommitError::Conflict(_)) => self.tails.clear(),
                Err(error) => {
                    self.tails.clear();
                    let error = Arc::new(error);
                    return refuse(group, |service| {
                        let cause = Shared(Arc::clone(&error));
                        TargetError::unavailable(service, message_of(&error)).caused_by(cause)
                    });
                }
            }
        }
        refuse(group, |service| TargetError::unavailable(service, "Too many append at once."));
    }

    /// Makes the batch; those whose stream must not be made are refused.
    async fn prepare(&mut self, group: &mut Vec<Group>) -> Result<Round, StoreError> {
        let mut round = Round { batch: Batch::new(), tails: HashMap::new() };
        let (mut refused, mut made) = (Vec::new(), HashMap::new());
        for (place, of_stream) in group.iter().enumerate() {
            let tail = self.tail(&of_stream.stream).await?;
            if !tail.is_known {
                let tenant = of_stream.stream.tenant;
                let made = made.entry(tenant).or_insert(0);
                if !self.has_room(tenant, *made).await? {
                    refused.push(place);
                    continue;
                }
                *made += 1;
            }
            let (tail, added) = self.put_blocks(&mut round.batch, of_stream, tail);
            let tail = self.trim(&mut round.batch, &of_stream.stream, tail, added).await?;
            round.tails.insert(Arc::clone(&of_stream.stream), tail);
        }
        for place in refused.into_iter().rev() {
            let of_stream = group.swap_remove(place);
            refuse(vec![of_stream], |service| self.too_many(service));
        }
        Ok(round)
    }

    fn put_blocks(&self, batch: &mut Batch, group: &Group, mut tail: Tail) -> (Tail, u32) {
        let mut added = 0;
        if !tail.is_known {
            batch.put(self.keys.stream(&group.stream), "{}");
            tail.is_known = true;
        }
        let now = self.clock.now();
        for records in blocks(&group.records) {
            let block = bytes::Bytes::from(block::encode(tail.bytes, now, records));
            let key = self.keys.block(&group.stream, tail.next);
            tail.next += records.len() as u64;
            tail.bytes += block::record_bytes(&block);
            batch.require_absent(key.clone());
            batch.put(key, block);
            added += 1;
        }
        (tail, added)
    }

    /// Removes the oldest blocks if the stream is too large, or they are too old.
    async fn trim(
        &self,
        batch: &mut Batch,
        stream: &StreamName,
        tail: Tail,
        added: u32,
    ) -> Result<Tail, StoreError> {
        let is_large = tail.bytes - tail.bytes_trimmed > self.bytes_max;
        if !is_large && tail.oldest_ms >= self.oldest_kept_ms() {
            return Ok(tail);
        }
        self.trim_blocks(batch, stream, tail, added + TRIMMED_AT_ONCE).await
    }

    /// Looks at the first `limit` blocks and removes what need not be kept. The newest that there
    /// is always stays: it is what tells where the stream goes on.
    async fn trim_blocks(
        &self,
        batch: &mut Batch,
        stream: &StreamName,
        mut tail: Tail,
        limit: u32,
    ) -> Result<Tail, StoreError> {
        let (least, oldest_ms) = (tail.bytes.saturating_sub(self.bytes_max), self.oldest_kept_ms());
        let start = self.keys.blocks(stream);
        let range = KeyRange::prefix(&start);
        let page = self.store.scan(range, None, limit, Direction::Forward).await?;
        let mut kept = None;
        for entry in &page.entries {
            let Some((header, time)) = block::read_start(&entry.value) else { continue };
            tail.bytes_trimmed = header.bytes_before;
            tail.oldest_ms = time.millis();
            kept = Some(&entry.key);
            if header.bytes_before >= least && tail.oldest_ms >= oldest_ms {
                break;
            }
        }
        let first = page.entries.first().map(|entry| &entry.key);
        if let Some(end) = kept.filter(|kept| first != Some(*kept)).cloned() {
            batch.delete_range(KeyRange { start, end });
        }
        Ok(tail)
    }

    /// When a record must have been appended to be kept.
    fn oldest_kept_ms(&self) -> i64 {
        self.clock.now().millis().saturating_sub(self.age_max_ms)
    }

    async fn tail(&mut self, stream: &Arc<StreamName>) -> Result<Tail, StoreError> {
        if let Some(tail) = self.tails.get(stream) {
            return Ok(*tail);
        }
        let range = || KeyRange::prefix(&self.keys.blocks(stream));
        let newest = self.store.scan(range(), None, 1, Direction::Backward).await?;
        let oldest = self.store.scan(range(), None, 1, Direction::Forward).await?;
        let read = |page: store::Page| {
            let entry = page.entries.into_iter().next()?;
            let (header, time) = block::read_start(&entry.value)?;
            Some((Keys::read_block(&entry.key)?, header, time, entry.value))
        };
        let is_known = self.store.get(&self.keys.stream(stream)).await?.is_some();
        let (Some(newest), Some(oldest)) = (read(newest), read(oldest)) else {
            let oldest_ms = self.clock.now().millis();
            return Ok(Tail { next: 0, bytes: 0, bytes_trimmed: 0, oldest_ms, is_known });
        };
        let (first, header, _, block) = newest;
        Ok(Tail {
            next: first + u64::from(header.count),
            bytes: header.bytes_before + block::record_bytes(&block),
            bytes_trimmed: oldest.1.bytes_before,
            oldest_ms: oldest.2.millis(),
            is_known,
        })
    }

    /// Whether a tenant may have one more stream besides those that the round makes already.
    async fn has_room(&self, tenant: TenantId, made: usize) -> Result<bool, StoreError> {
        let range = KeyRange::prefix(&self.keys.streams_of(tenant));
        let page = self.store.scan(range, None, self.streams_max, Direction::Forward).await?;
        Ok(page.entries.len() + made < self.streams_max as usize)
    }

    fn too_many(&self, service: Service) -> TargetError {
        let message = format!(
            "There are {} streams, and the setting targets.local.streams_max allows no more",
            self.streams_max
        );
        TargetError::refused(service, "LimitExceeded", message)
    }

    fn tell(&mut self, round: Round, group: Vec<Group>) {
        for of_stream in group {
            let end = round.tails.get(&of_stream.stream).map(|tail| tail.next).unwrap_or_default();
            let mut next = end.saturating_sub(of_stream.records.len() as u64);
            for (_, count, answer) in of_stream.answers {
                // Whoever has given up does not hear it.
                drop(answer.send(Ok(next)));
                next += count;
            }
        }
        if self.tails.len() + round.tails.len() > TAILS_MAX {
            self.tails.clear();
        }
        self.tails.extend(round.tails);
        self.told.send_replace(());
    }

    /// Trims some streams by age; returns where to go on.
    async fn sweep(&mut self, after: Option<Key>) -> Option<Key> {
        let range = KeyRange::prefix(&self.keys.all_streams());
        let page = self.store.scan(range, after, SWEPT_AT_ONCE, Direction::Forward).await;
        // A store that cannot be read now is asked again after the pause.
        let page = page.ok()?;
        for stream in page.entries.iter().filter_map(|entry| Keys::read_stream(&entry.key)) {
            if let Err(error) = self.sweep_one(Arc::new(stream)).await {
                tracing::warn!(%error, "could not trim a stream");
            }
        }
        page.entries.last().filter(|_| page.has_more).map(|entry| entry.key.clone())
    }

    async fn sweep_one(&mut self, stream: Arc<StreamName>) -> Result<(), StoreError> {
        for _ in 0..SWEEPS_MAX {
            let tail = self.tail(&stream).await?;
            if tail.oldest_ms >= self.oldest_kept_ms() {
                break;
            }
            let mut batch = Batch::new();
            let tail = self.trim_blocks(&mut batch, &stream, tail, SWEPT_BLOCKS_AT_ONCE).await?;
            if batch.is_empty() || self.store.commit(batch).await.is_err() {
                break;
            }
            self.tails.insert(Arc::clone(&stream), tail);
        }
        Ok(())
    }
}

/// What one commit appends to one stream.
struct Group {
    stream: Arc<StreamName>,
    records: Vec<Appended>,
    /// Of how many of the records each waits.
    answers: Vec<(Service, u64, Answer)>,
    /// What they take of the bytes that may wait.
    rooms: Vec<OwnedSemaphorePermit>,
}

/// The appends of each stream together, in their order.
fn by_stream(appends: Vec<Append>) -> Vec<Group> {
    let mut places: HashMap<Arc<StreamName>, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for Append { service, stream, records, answer, room } in appends {
        let place = match places.entry(stream) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(vacant) => {
                let stream = Arc::clone(vacant.key());
                groups.push(Group {
                    stream,
                    records: Vec::new(),
                    answers: Vec::new(),
                    rooms: Vec::new(),
                });
                *vacant.insert(groups.len() - 1)
            }
        };
        let Some(group) = groups.get_mut(place) else { continue };
        group.answers.push((service, records.len() as u64, answer));
        group.records.extend(records);
        group.rooms.push(room);
    }
    groups
}

/// Records in pieces that are no larger than a block should be, but of one record at least.
fn blocks(records: &[Appended]) -> impl Iterator<Item = &[Appended]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |record: &&Appended| {
            bytes += record.bytes();
            bytes <= BLOCK_BYTES
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (block, behind) = rest.split_at(count);
        rest = behind;
        (!block.is_empty()).then_some(block)
    })
}

fn refuse(groups: Vec<Group>, error: impl Fn(Service) -> TargetError) {
    for (service, _, answer) in groups.into_iter().flat_map(|group| group.answers) {
        // Whoever has given up does not hear it.
        drop(answer.send(Err(error(service))));
    }
}

fn error_of(service: Service, error: &StoreError) -> TargetError {
    tracing::warn!(%error, "could not read a stream");
    TargetError::unavailable(service, "The store could not be read.")
}

fn message_of(error: &CommitError) -> &'static str {
    match error {
        CommitError::Full => "The disk is full.",
        _ => "The store failed.",
    }
}

/// One failure that many are told.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<CommitError>);
