//! Streams: named, append-only, read from any offset, trimmed by size and age.
//!
//! They are records of the store, not queues of the journal: a queue is emptied by whoever reads
//! it and its index lies in memory, while a stream keeps a week of records that nobody may ever
//! read. Records that are appended at one moment become one block, and all blocks one commit.

use std::sync::Arc;

use bytes::Bytes;
use env::{Clock, Env, TaskKind};
use store::{Direction, Key, KeyRange, Store};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use types::{TenantId, Timestamp};

use super::Kinds;
use super::block::{self, Appended};
use super::stream_writer::{Append, StreamWriter, Work};
use crate::{LocalSettings, Service, TargetError};

/// All streams of this server.
pub(crate) struct Streams {
    keys: Keys,
    store: Store,
    clock: Clock,
    age_max_ms: i64,
    waiting: mpsc::Sender<Work>,
    /// Bytes that may wait besides those that do.
    room: Arc<Semaphore>,
    appended: watch::Receiver<()>,
}

/// Which stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamName {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is a stream of: `sqs`, `sns`, `kinesis` or `firehose`.
    pub service: String,
    /// The queue's, topic's or stream's name.
    pub name: String,
}

/// A record of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its place in the stream: the first is 0, and there are no gaps.
    pub offset: u64,
    /// When it was appended.
    pub time: Timestamp,
    /// A message's id, or a partition key.
    pub label: String,
    /// What was sent.
    pub data: Bytes,
}

/// Some of a stream's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamPage {
    /// The records, from the offset that was asked for, or the oldest that is still there.
    pub records: Vec<StreamRecord>,
    /// Where the next page begins.
    pub next_offset: u64,
}

/// The keys of streams: the only place that knows them.
#[derive(Clone, Copy)]
pub(super) struct Keys(pub(super) Kinds);

/// Appends that may wait for the writer.
const WAITING_MAX: usize = 4096;
/// Bytes of records that may wait for the writer.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Records of a page.
const PAGE_RECORDS_MAX: usize = 1000;
/// Bytes from which on a page takes no more blocks.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Blocks that are read at once.
const BLOCKS_AT_ONCE: u32 = 8;

impl Streams {
    /// Starts the writer.
    pub(crate) fn start(store: Store, kinds: Kinds, settings: &LocalSettings, env: &Env) -> Self {
        let (waiting, appends) = mpsc::channel(WAITING_MAX);
        let (told, appended) = watch::channel(());
        let keys = Keys(kinds);
        let clock = env.clock.clone();
        let room = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
        let writer = StreamWriter::new(store.clone(), keys, clock.clone(), settings, told);
        let work = writer.run(appends, env.tasks.shutdown_signal());
        env.tasks.spawn("targets-streams", TaskKind::Vital, work);
        Self { keys, store, clock, age_max_ms: age_max_ms(settings), waiting, room, appended }
    }

    /// Appends records, and returns the offset of the first once they are safe.
    pub(crate) async fn append(
        &self,
        service: Service,
        tenant: TenantId,
        name: &str,
        records: Vec<(String, Bytes)>,
    ) -> Result<u64, TargetError> {
        let record = |(label, data)| Appended { label, data };
        let records: Vec<Appended> = records.into_iter().map(record).collect();
        let bytes = records.iter().map(Appended::bytes).sum::<usize>().min(WAITING_BYTES_MAX);
        let permits = u32::try_from(bytes).expect("what may wait is less than 4 GiB");
        let stopping = || TargetError::unavailable(service, "The server is stopping.");
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
        let room = room.expect("nobody closes it");
        let (answer, told) = oneshot::channel();
        let stream = Arc::new(StreamName::new(tenant, service, name));
        let append = Append { service, stream, records, answer, room };
        self.waiting.send(Work::Append(append)).await.map_err(|_| stopping())?;
        told.await.map_err(|_| stopping())?
    }

    /// To be called when the store was wiped.
    pub(crate) async fn forget(&self) {
        let (answer, told) = oneshot::channel();
        if self.waiting.send(Work::Forget(answer)).await.is_ok() {
            // A writer that has ended remembers nothing.
            drop(told.await);
        }
    }

    /// At most `limit` records from `offset` on.
    pub(crate) async fn read(
        &self,
        stream: &StreamName,
        offset: u64,
        limit: usize,
    ) -> Result<StreamPage, TargetError> {
        let limit = limit.min(PAGE_RECORDS_MAX);
        let mut page = StreamPage { records: Vec::new(), next_offset: offset };
        let mut after = self.block_before(stream, offset).await?;
        let mut bytes = 0;
        loop {
            let range = KeyRange::prefix(&self.keys.blocks(stream));
            let blocks = self.store.scan(range, after, BLOCKS_AT_ONCE, Direction::Forward).await;
            let blocks = blocks.map_err(|error| failed(stream, error))?;
            for entry in &blocks.entries {
                self.take(&mut page, offset, limit, &entry.key, &entry.value);
                bytes += entry.value.len();
                if page.records.len() >= limit || bytes >= PAGE_BYTES_MAX {
                    return Ok(page);
                }
            }
            after = blocks.entries.last().map(|entry| entry.key.clone());
            if !blocks.has_more {
                return Ok(page);
            }
        }
    }

    /// At most `limit` streams of a tenant whose names are behind `after`, and whether there are
    /// more.
    pub(crate) async fn list(
        &self,
        tenant: TenantId,
        after: Option<&StreamName>,
        limit: u32,
    ) -> Result<(Vec<StreamName>, bool), TargetError> {
        let range = KeyRange::prefix(&self.keys.streams_of(tenant));
        let after = after.map(|after| self.keys.stream(after));
        let page = self.store.scan(range, after, limit, Direction::Forward).await;
        let page = page.map_err(|error| TargetError::of_store(Service::Kinesis, error))?;
        let read = page.entries.iter().filter_map(|entry| Keys::read_stream(&entry.key));
        Ok((read.collect(), page.has_more))
    }

    /// The offset of the next record.
    pub(crate) async fn end(&self, stream: &StreamName) -> Result<u64, TargetError> {
        let range = KeyRange::prefix(&self.keys.blocks(stream));
        let newest = self.store.scan(range, None, 1, Direction::Backward).await;
        let newest = newest.map_err(|error| failed(stream, error))?;
        let end = newest.entries.first().and_then(|entry| {
            let (header, _) = block::read_start(&entry.value)?;
            Some(Keys::read_block(&entry.key)? + u64::from(header.count))
        });
        Ok(end.unwrap_or_default())
    }

    /// Changes when something is appended to some stream.
    pub(crate) fn appended(&self) -> watch::Receiver<()> {
        self.appended.clone()
    }

    /// The key behind which the block with `offset` comes, if there is one before it.
    async fn block_before(
        &self,
        stream: &StreamName,
        offset: u64,
    ) -> Result<Option<Key>, TargetError> {
        let parent = self.keys.blocks(stream);
        let end = self.keys.block(stream, offset.saturating_add(1));
        let range = KeyRange { start: parent, end };
        // The newest block from there back has the offset; what comes before is behind it.
        let found = self.store.scan(range, None, 2, Direction::Backward).await;
        let found = found.map_err(|error| failed(stream, error))?;
        Ok(found.entries.get(1).map(|entry| entry.key.clone()))
    }

    fn take(&self, page: &mut StreamPage, from: u64, limit: usize, key: &Key, block: &Bytes) {
        let Some(first) = Keys::read_block(key) else { return };
        let oldest = self.clock.now().millis().saturating_sub(self.age_max_ms);
        let records = block::read(block).into_iter().flatten().zip(first..);
        for ((time, Appended { label, data }), offset) in records {
            if page.records.len() >= limit {
                return;
            }
            if offset >= from {
                page.next_offset = offset + 1;
                if time.millis() >= oldest {
                    page.records.push(StreamRecord { offset, time, label, data });
                }
            }
        }
    }
}

impl StreamName {
    /// The stream of what a service calls `name`.
    pub fn new(tenant: TenantId, service: Service, name: &str) -> Self {
        Self { tenant, service: service.setting().to_owned(), name: name.to_owned() }
    }

    fn to_service(&self) -> Service {
        let services = [Service::Sqs, Service::Sns, Service::Firehose];
        let named = services.into_iter().find(|service| service.setting() == self.service);
        named.unwrap_or(Service::Kinesis)
    }
}

impl Keys {
    pub(super) fn all_streams(self) -> Key {
        Key::new(TenantId::GLOBAL, self.0.stream)
    }

    pub(super) fn streams_of(self, tenant: TenantId) -> Key {
        self.all_streams().number(tenant.0.into())
    }

    pub(super) fn stream(self, stream: &StreamName) -> Key {
        self.streams_of(stream.tenant).text(&stream.service).text(&stream.name)
    }

    pub(super) fn read_stream(key: &Key) -> Option<StreamName> {
        let mut reader = key.reader();
        let tenant = TenantId(u32::try_from(reader.number()?).ok()?);
        Some(StreamName { tenant, service: reader.text()?, name: reader.text()? })
    }

    pub(super) fn blocks(self, stream: &StreamName) -> Key {
        Key::new(stream.tenant, self.0.block).text(&stream.service).text(&stream.name)
    }

    pub(super) fn block(self, stream: &StreamName, first: u64) -> Key {
        self.blocks(stream).number(first)
    }

    pub(super) fn read_block(key: &Key) -> Option<u64> {
        let mut reader = key.reader();
        reader.text()?;
        reader.text()?;
        reader.number()
    }

    pub(super) fn webhooks(self) -> Key {
        Key::new(TenantId::GLOBAL, self.0.webhook)
    }

    /// Read back by [`Keys::read_stream`].
    pub(super) fn webhook(self, stream: &StreamName) -> Key {
        let tenant = self.webhooks().number(stream.tenant.0.into());
        tenant.text(&stream.service).text(&stream.name)
    }
}

fn failed(stream: &StreamName, error: store::StoreError) -> TargetError {
    TargetError::of_store(stream.to_service(), error)
}

pub(super) fn age_max_ms(settings: &LocalSettings) -> i64 {
    i64::try_from(settings.stream_age_max_s.saturating_mul(1000)).unwrap_or(i64::MAX)
}
