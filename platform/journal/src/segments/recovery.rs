//! Reads the segments from the oldest, and finds what a crash has left.
//!
//! What was being written when the server died is cut off, at the end of the newest segment. All
//! else that is not as it was written is damage, and nobody but the operator can say what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory;
use super::format::{self, BadHeader, Broken, FORMAT, HEADER_BYTES, Header, Record};
use super::segment::Segment;
use super::state::{Place, State};
use crate::error::failed;
use crate::{JournalError, Sequence};

/// What was there.
pub(super) struct Found {
    pub(super) state: State,
    /// The newest segment and its length, if there is any.
    pub(super) head: Option<(Arc<Segment>, u64)>,
    /// Sequences up to here may have been given.
    pub(super) used: Sequence,
}

/// Reads all segments, cuts off what is torn, and makes durable what is left.
pub(super) fn recover(path: &Path) -> Result<Found, JournalError> {
    directory::make(path)?;
    let numbers = directory::list(path)?;
    let mut found = Found { state: State::default(), head: None, used: Sequence(0) };
    for (index, number) in numbers.iter().enumerate() {
        let expected = numbers.first().map_or(0, |first| first + index as u64);
        if *number != expected {
            let file = directory::path(path, expected);
            return Err(JournalError::Damaged { file, offset: 0, what: "it is missing" });
        }
        let is_newest = index + 1 == numbers.len();
        found.add(path, *number, is_newest)?;
    }
    if let Some((head, _)) = &found.head {
        head.sync()?;
        directory::sync(path)?;
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, folder: &Path, number: u64, is_newest: bool) -> Result<(), JournalError> {
        let path = directory::path(folder, number);
        let bytes = fs::read(&path).map_err(failed("could not read", &path))?;
        let header = match Header::decode(&bytes) {
            Ok(header) if header.number == number => header,
            // The header is durable before anything is written behind it.
            Err(BadHeader::Damaged) if is_newest && bytes.len() <= HEADER_BYTES => {
                tracing::info!(file = %path.display(), "removed a segment that was being made");
                return directory::remove(folder, &path);
            }
            bad => return Err(bad_header(path, bad)),
        };
        let segment = Arc::new(Segment::open(path, header)?);
        self.state.add_segment(Arc::clone(&segment), bytes.len() as u64);
        self.used = self.used.max(header.reserved);
        let end = match self.replay(&header, &bytes) {
            Ok(()) => bytes.len() as u64,
            Err(broken) => {
                let is_torn = is_newest
                    && broken.may_be_torn
                    && !format::was_durable(&header, &bytes, broken.offset);
                if !is_torn {
                    return Err(segment.damaged(broken.offset as u64, broken.what));
                }
                self.cut(&segment, broken.offset as u64, bytes.len())?
            }
        };
        self.head = Some((segment, end));
        Ok(())
    }

    fn replay(&mut self, header: &Header, bytes: &[u8]) -> Result<(), Broken> {
        let mut offset = HEADER_BYTES;
        while let Some(frame) = format::frame_at(header, bytes, offset)? {
            match frame.record {
                Record::Entry { sequence, .. } | Record::Reserve(sequence) => {
                    self.used = self.used.max(sequence);
                }
                _ => {}
            }
            self.state.apply(frame.record, |body_bytes| Place {
                segment: header.number,
                offset: short(frame.offset),
                bytes: short(frame.end - frame.offset),
                body_bytes: short(body_bytes),
            });
            offset = frame.end;
        }
        Ok(())
    }

    fn cut(&mut self, segment: &Segment, end: u64, length: usize) -> Result<u64, JournalError> {
        let cut_bytes = length as u64 - end;
        let file = segment.path.display();
        tracing::warn!(%file, end, cut_bytes, "cut off what a crash left of an unfinished commit");
        segment.cut(end)?;
        self.state.shrink(segment.number(), end);
        Ok(end)
    }
}

fn bad_header(file: PathBuf, bad: Result<Header, BadHeader>) -> JournalError {
    match bad {
        Err(BadHeader::Newer(found)) => {
            JournalError::NewerFormat { found: found.into(), known: FORMAT.into() }
        }
        Err(BadHeader::Damaged) => {
            JournalError::Damaged { file, offset: 0, what: "it does not begin as a segment does" }
        }
        Ok(_) => JournalError::Damaged { file, offset: 0, what: "it has another file's number" },
    }
}

/// An offset in a segment, which is far smaller than 4 GiB.
fn short(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// What the bytes of one segment say by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentReport {
    /// Records before the end, or before the first that is broken.
    pub records: u64,
    /// Entries that its own records leave some queue to need.
    pub live_entries: u64,
    /// Where the first broken record is.
    pub broken_at: Option<u64>,
}

/// Reads the bytes of a segment as recovery does; `None` if they do not begin as one.
pub fn check_segment(bytes: &[u8]) -> Option<SegmentReport> {
    let header = Header::decode(bytes).ok()?;
    let mut found = Found { state: State::default(), head: None, used: header.reserved };
    let replayed = found.replay(&header, bytes);
    let broken_at = replayed.err().map(|broken| broken.offset);
    if let Some(offset) = broken_at {
        format::was_durable(&header, bytes, offset);
    }
    let (mut records, mut offset) = (0, HEADER_BYTES);
    while let Ok(Some(frame)) = format::frame_at(&header, bytes, offset) {
        (records, offset) = (records + 1, frame.end);
    }
    let live_entries = found.state.index.entry_count();
    Some(SegmentReport { records, live_entries, broken_at: broken_at.map(|at| at as u64) })
}
