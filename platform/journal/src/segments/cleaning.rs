//! Keeps the log short: what is still needed of the oldest segment is copied to the end, a slice
//! with each commit, until the segment can go.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::format::{self, Encoder, Frame, Record};
use super::lock;
use super::segment::{FIRST, Segment};
use super::state::State;
use crate::{JournalError, Options, Sequence};

/// A log of so many segments is not cleaned, however little of it is live.
const SEGMENTS_MIN: u64 = 4;
/// The log may be so many times as long as what is live of it.
const BYTES_PER_LIVE_BYTE: u64 = 2;
/// What is read of the oldest segment with a commit: at least so much, and more where a commit
/// writes more, or else the log would grow faster than it is cleaned.
const SLICE_BYTES_MIN: u64 = 256 << 10;
const SLICE_BYTES_MAX: u64 = 16 << 20;
const SLICE_BYTES_PER_BYTE_WRITTEN: u64 = 2;

/// Whether the log is longer than it should be.
pub(super) fn is_due(state: &State, options: &Options) -> bool {
    let size = state.size();
    let is_wasteful = size.bytes
        > (SEGMENTS_MIN * options.segment_bytes).max(BYTES_PER_LIVE_BYTE * size.live_bytes);
    // Near the cap less waste is borne.
    let eighth = options.bytes_max / 8;
    let is_scarce = size.bytes > options.bytes_max - eighth
        && size.bytes - size.live_bytes > eighth.max(options.segment_bytes);
    size.segments > 1 && (is_wasteful || is_scarce)
}

/// How far the oldest segment is copied.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    segment: u64,
    offset: u64,
    written_bytes: u64,
}

/// Part of the oldest segment.
#[derive(Debug, Default)]
pub(super) struct Slice {
    segment: Option<Arc<Segment>>,
    start: u64,
    bytes: Vec<u8>,
}

impl Cleaner {
    /// Reads what is to be copied next; nothing if the log is short enough.
    pub(super) fn next_slice(
        &mut self,
        state: &Mutex<State>,
        options: &Options,
    ) -> Result<Slice, JournalError> {
        let (segment, end) = {
            let state = lock(state);
            match state.oldest() {
                Some(oldest) if oldest.live > 0 && is_due(&state, options) => {
                    (Arc::clone(&oldest.segment), oldest.bytes)
                }
                _ => return Ok(Slice::default()),
            }
        };
        if self.segment != segment.number() {
            (self.segment, self.offset) = (segment.number(), FIRST);
        }
        let budget = SLICE_BYTES_PER_BYTE_WRITTEN * self.written_bytes;
        let budget = budget.clamp(SLICE_BYTES_MIN, SLICE_BYTES_MAX);
        let bytes = whole_frames(&segment, self.offset, end, budget)?;
        Ok(Slice { segment: Some(segment), start: self.offset, bytes })
    }

    /// The slice was copied, by a commit of so many bytes.
    pub(super) fn advance(&mut self, slice: &Slice, written_bytes: usize) {
        self.offset += slice.bytes.len() as u64;
        self.written_bytes = written_bytes.saturating_sub(slice.bytes.len()) as u64;
    }
}

/// As many whole records from `offset` on as fit into `budget` bytes, and at least one.
fn whole_frames(
    segment: &Segment,
    offset: u64,
    end: u64,
    budget: u64,
) -> Result<Vec<u8>, JournalError> {
    let mut count = budget.min(end - offset);
    loop {
        let mut bytes = segment.read_at(offset, usize::try_from(count).unwrap_or(usize::MAX))?;
        let whole = frames(segment, &bytes).last().map_or(0, |frame| frame.end);
        if whole > 0 {
            bytes.truncate(whole);
            return Ok(bytes);
        }
        if count == end - offset {
            return Err(segment.damaged(offset, "an entry is not where it was written"));
        }
        // One record is longer than the budget.
        count = (count * 4).min(end - offset);
    }
}

fn frames<'b>(segment: &'b Segment, bytes: &'b [u8]) -> impl Iterator<Item = Frame<'b>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let frame = format::frame_at(&segment.header, bytes, offset).ok().flatten()?;
        offset = frame.end;
        Some(frame)
    })
}

impl Slice {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes the slice's entries that are still needed, with the queues that still need them.
    pub(super) fn copy(
        &self,
        state: &State,
        encoder: &mut Encoder<'_>,
    ) -> Vec<(Sequence, Range<usize>, usize)> {
        let Some(segment) = &self.segment else { return Vec::new() };
        let mut copies = Vec::new();
        for frame in frames(segment, &self.bytes) {
            let Record::Entry { sequence, body, .. } = frame.record else { continue };
            let offset = self.start + frame.offset as u64;
            let is_here = state.index.place(sequence).is_some_and(|place| {
                place.segment == segment.number() && u64::from(place.offset) == offset
            });
            if is_here && let Some(queues) = state.index.queues_of(sequence) {
                let range = encoder.entry(sequence, queues, body);
                copies.push((sequence, range, body.len()));
            }
        }
        copies
    }
}
