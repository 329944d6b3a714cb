//! The bytes of a segment: a header, then frames. README.md draws it; it can hardly ever be changed.
//!
//! All numbers are little-endian. Nothing here trusts a byte that it reads.

use crate::queues::Queues;
use crate::{Mark, QueueId, Sequence};

pub(super) const HEADER_BYTES: usize = 40;
/// Length and checksum, before a frame's payload.
pub(super) const FRAME_HEAD_BYTES: usize = 8;
/// The only format so far.
pub(super) const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"FERRJRNL";
const COMMIT: u8 = 1;
const ENTRY: u8 = 2;
const RELEASE: u8 = 3;
const MARK: u8 = 4;
const FORGET: u8 = 5;
const RESERVE: u8 = 6;
/// A commit's kind and number.
const COMMIT_PAYLOAD_BYTES: u32 = 9;
/// Pairs in one frame: a reader's step is bounded.
const LIST_MAX: usize = 4096;

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    /// Sequences up to here may have been given before the segment began.
    pub(super) reserved: Sequence,
    /// Random, and part of every checksum: a body cannot hold what looks like a frame.
    pub(super) salt: u64,
}

/// Why a header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Damaged,
    Newer(u32),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let parts: [&[u8]; 5] = [
            &MAGIC,
            &self.number.to_le_bytes(),
            &self.reserved.0.to_le_bytes(),
            &self.salt.to_le_bytes(),
            &FORMAT.to_le_bytes(),
        ];
        let mut rest = &mut bytes[..];
        for part in parts {
            let (field, behind) = rest.split_at_mut(part.len());
            field.copy_from_slice(part);
            rest = behind;
        }
        let (checked, sum) = bytes.split_at_mut(HEADER_BYTES - 4);
        sum.copy_from_slice(&crc32fast::hash(checked).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(BadHeader::Damaged)?;
        let mut fields = Fields(bytes);
        let mut read = || {
            let magic = fields.take(MAGIC.len())?;
            let (number, reserved, salt) = (fields.u64()?, fields.u64()?, fields.u64()?);
            Some((magic, number, reserved, salt, fields.u32()?, fields.u32()?))
        };
        let (magic, number, reserved, salt, format, sum) = read().ok_or(BadHeader::Damaged)?;
        let checked = bytes.get(..HEADER_BYTES - 4).ok_or(BadHeader::Damaged)?;
        if magic != MAGIC || sum != crc32fast::hash(checked) {
            return Err(BadHeader::Damaged);
        }
        match format {
            FORMAT => Ok(Self { number, reserved: Sequence(reserved), salt }),
            newer => Err(BadHeader::Newer(newer)),
        }
    }
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'b> {
    /// A commit begins here; the segment was durable up to this offset before.
    Commit(u64),
    Entry {
        sequence: Sequence,
        queues: List<'b>,
        body: &'b [u8],
    },
    /// Pairs of queue and sequence.
    Release(List<'b>),
    /// Queues, sequences and marks.
    Mark(List<'b>),
    Forget(List<'b>),
    /// Sequences up to here may be given.
    Reserve(Sequence),
}

/// Items of a fixed length, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct List<'b>(&'b [u8]);

impl<'b> List<'b> {
    fn new(bytes: &'b [u8], item_bytes: usize) -> Option<Self> {
        bytes.len().is_multiple_of(item_bytes).then_some(Self(bytes))
    }

    fn items<T>(self, read: impl Fn(&mut Fields<'b>) -> Option<T>) -> impl Iterator<Item = T> {
        let mut fields = Fields(self.0);
        std::iter::from_fn(move || read(&mut fields))
    }

    pub(super) fn queues(self) -> impl Iterator<Item = QueueId> {
        self.items(|fields| fields.u64().map(QueueId))
    }

    pub(super) fn marked_queues(self) -> impl Iterator<Item = (QueueId, Mark)> {
        self.items(|fields| Some((QueueId(fields.u64()?), fields.u32()?)))
    }

    pub(super) fn released(self) -> impl Iterator<Item = (QueueId, Sequence)> {
        self.items(|fields| Some((QueueId(fields.u64()?), Sequence(fields.u64()?))))
    }

    pub(super) fn marks(self) -> impl Iterator<Item = (QueueId, Sequence, Mark)> {
        self.items(|fields| Some((QueueId(fields.u64()?), Sequence(fields.u64()?), fields.u32()?)))
    }
}

/// A frame and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'b> {
    pub(super) record: Record<'b>,
    pub(super) offset: usize,
    pub(super) end: usize,
}

/// A place that is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) offset: usize,
    /// Whether it may be what a write has left that was cut off.
    pub(super) may_be_torn: bool,
    pub(super) what: &'static str,
}

/// Reads the frame at `offset`; `None` at the end.
pub(super) fn frame_at<'b>(
    header: &Header,
    bytes: &'b [u8],
    offset: usize,
) -> Result<Option<Frame<'b>>, Broken> {
    let rest = bytes.get(offset..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(None);
    }
    let torn = |what| Broken { offset, may_be_torn: true, what };
    let mut fields = Fields(rest);
    let (Some(length), Some(sum)) = (fields.u32(), fields.u32()) else {
        return Err(torn("a record is cut off"));
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let payload = fields.take(length).ok_or(torn("a record is longer than the file"))?;
    if payload.is_empty() || sum != checksum(header, payload) {
        return Err(torn("a record does not have its checksum"));
    }
    let malformed = Broken { offset, may_be_torn: false, what: "a record is of no known form" };
    let record = decode(payload).ok_or(malformed)?;
    Ok(Some(Frame { record, offset, end: offset + FRAME_HEAD_BYTES + payload.len() }))
}

fn checksum(header: &Header, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header.salt.to_le_bytes());
    hasher.update(&header.number.to_le_bytes());
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn decode(payload: &[u8]) -> Option<Record<'_>> {
    let mut fields = Fields(payload);
    let record = match fields.take(1)? {
        [COMMIT] => Record::Commit(fields.u64()?),
        [ENTRY] => {
            let (sequence, count) = (Sequence(fields.u64()?), fields.u32()?);
            let queues_bytes = usize::try_from(count).ok()?.checked_mul(12)?;
            let queues = List::new(fields.take(queues_bytes)?, 12)?;
            Record::Entry { sequence, queues, body: fields.rest() }
        }
        [RELEASE] => Record::Release(List::new(fields.rest(), 16)?),
        [MARK] => Record::Mark(List::new(fields.rest(), 20)?),
        [FORGET] => Record::Forget(List::new(fields.rest(), 8)?),
        [RESERVE] => Record::Reserve(Sequence(fields.u64()?)),
        _ => return None,
    };
    fields.0.is_empty().then_some(record)
}

/// Whether a commit that began behind `offset` relied on what lies there: then it was durable, and
/// is not a write that was cut off.
pub(super) fn was_durable(header: &Header, bytes: &[u8], offset: usize) -> bool {
    let places = offset..bytes.len().saturating_sub(FRAME_HEAD_BYTES);
    let commits = places.filter(|at| {
        let head = bytes.get(*at..*at + 4).unwrap_or_default();
        head == COMMIT_PAYLOAD_BYTES.to_le_bytes()
    });
    commits
        .filter_map(|at| frame_at(header, bytes, at).ok().flatten())
        .any(|frame| matches!(frame.record, Record::Commit(durable) if durable > offset as u64))
}

/// Writes frames to the end of a buffer.
pub(super) struct Encoder<'e> {
    pub(super) header: &'e Header,
    pub(super) bytes: &'e mut Vec<u8>,
}

impl Encoder<'_> {
    /// Writes one frame; returns where it lies in the buffer.
    fn frame(&mut self, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) -> std::ops::Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend([0; FRAME_HEAD_BYTES]);
        self.bytes.push(kind);
        fill(self.bytes);
        let range = start..self.bytes.len();
        let frame = self.bytes.get_mut(start..).unwrap_or_default();
        let (head, payload) = frame.split_at_mut(FRAME_HEAD_BYTES);
        let (length, sum) = head.split_at_mut(4);
        let payload_bytes = u32::try_from(payload.len()).expect("a body is at most 300 MiB");
        length.copy_from_slice(&payload_bytes.to_le_bytes());
        sum.copy_from_slice(&checksum(self.header, payload).to_le_bytes());
        range
    }

    pub(super) fn commit(&mut self, durable: u64) {
        self.frame(COMMIT, |bytes| bytes.extend(durable.to_le_bytes()));
    }

    pub(super) fn reserve(&mut self, sequence: Sequence) {
        self.frame(RESERVE, |bytes| bytes.extend(sequence.0.to_le_bytes()));
    }

    pub(super) fn entry(
        &mut self,
        sequence: Sequence,
        queues: &Queues,
        body: &[u8],
    ) -> std::ops::Range<usize> {
        self.frame(ENTRY, |bytes| {
            bytes.extend(sequence.0.to_le_bytes());
            let count = u32::try_from(queues.len()).expect("there are fewer queues than 2^32");
            bytes.extend(count.to_le_bytes());
            for (queue, mark) in queues.iter() {
                bytes.extend(queue.0.to_le_bytes());
                bytes.extend(mark.to_le_bytes());
            }
            bytes.extend(body);
        })
    }

    pub(super) fn forgotten(&mut self, queues: &[QueueId]) {
        for queues in queues.chunks(LIST_MAX) {
            self.frame(FORGET, |bytes| {
                queues.iter().for_each(|queue| bytes.extend(queue.0.to_le_bytes()));
            });
        }
    }

    pub(super) fn released(&mut self, released: &[(QueueId, Sequence)]) {
        for released in released.chunks(LIST_MAX) {
            self.frame(RELEASE, |bytes| {
                for (queue, sequence) in released {
                    bytes.extend(queue.0.to_le_bytes());
                    bytes.extend(sequence.0.to_le_bytes());
                }
            });
        }
    }

    pub(super) fn marked(&mut self, marked: &[(QueueId, Sequence, Mark)]) {
        for marked in marked.chunks(LIST_MAX) {
            self.frame(MARK, |bytes| {
                for (queue, sequence, mark) in marked {
                    bytes.extend(queue.0.to_le_bytes());
                    bytes.extend(sequence.0.to_le_bytes());
                    bytes.extend(mark.to_le_bytes());
                }
            });
        }
    }
}

/// Bytes that are read from the front.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn rest(&mut self) -> &'b [u8] {
        std::mem::take(&mut self.0)
    }
}
