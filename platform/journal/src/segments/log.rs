//! The writer's end of the log: one write and one `fdatasync` for all that waits.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use env::Random;

use super::cleaning::{self, Cleaner, Slice};
use super::format::{Encoder, Header};
use super::segment::{FIRST, Segment};
use super::state::{Place, State};
use super::{directory, lock};
use crate::group::{Entry, Group};
use crate::writer::{Engine, RESERVED_AT_ONCE};
use crate::{JournalError, Options, Sequence, Size};

pub(crate) struct Log {
    directory: PathBuf,
    options: Options,
    random: Random,
    state: Arc<Mutex<State>>,
    /// The segment that is written to, if any was made yet.
    head: Option<Head>,
    reserved: Sequence,
    cleaner: Cleaner,
    /// What is written next; kept for its room.
    buffer: Vec<u8>,
}

struct Head {
    segment: Arc<Segment>,
    /// Behind the last record that is whole.
    end: u64,
    /// How much is durable.
    synced: u64,
}

/// Where the entries of a commit lie in the buffer.
struct Written {
    entries: Vec<Range<usize>>,
    /// Entries of the oldest segment, and the lengths of their bodies.
    copies: Vec<(Sequence, Range<usize>, usize)>,
}

impl Head {
    /// Writes behind the last record that is whole; a write that does not fit leaves nothing.
    fn append(&self, bytes: &[u8]) -> Result<(), JournalError> {
        let written = self.segment.write_at(bytes, self.end);
        if matches!(written, Err(JournalError::Full)) {
            self.segment.cut(self.end)?;
        }
        written
    }
}

/// Room for a commit that is kept between commits.
const BUFFER_BYTES_KEPT: usize = 8 << 20;
/// Offsets in a segment, and behind it a commit, have 32 bits.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

impl Log {
    pub(super) fn new(
        directory: PathBuf,
        options: Options,
        random: Random,
        state: Arc<Mutex<State>>,
        head: Option<(Arc<Segment>, u64)>,
        reserved: Sequence,
    ) -> Self {
        let head = head.map(|(segment, end)| Head { segment, end, synced: end });
        let options = Options {
            segment_bytes: options.segment_bytes.min(SEGMENT_BYTES_MAX),
            group_bytes_max: options.group_bytes_max.min(SEGMENT_BYTES_MAX),
            ..options
        };
        let (cleaner, buffer) = (Cleaner::default(), Vec::new());
        Self { directory, options, random, state, head, reserved, cleaner, buffer }
    }

    /// Reserves sequences behind `used`. A full disk is no reason not to start: nothing can be
    /// written then, and the first commit reserves.
    pub(super) fn reserve(&mut self, used: Sequence) -> Result<Sequence, JournalError> {
        let reserved = Sequence(used.0.saturating_add(RESERVED_AT_ONCE));
        let mut group = Group::default();
        group.reserve = Some(reserved);
        match self.write(&group) {
            Ok(()) => Ok(reserved),
            Err(JournalError::Full) => Ok(used),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, group: &Group) -> Result<(), JournalError> {
        self.remove_dead()?;
        self.make_head()?;
        let slice = self.cleaner.next_slice(&self.state, &self.options)?;
        if group.is_empty() && slice.is_empty() {
            return Ok(());
        }
        let head = self.head.as_mut().expect("it was made above");
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        let state = Arc::clone(&self.state);
        let written = encode(group, &slice, head, &state, &mut self.buffer);
        head.append(&self.buffer)?;
        let must_be_safe = group.must_be_safe() || !written.copies.is_empty();
        if must_be_safe {
            head.segment.sync()?;
        }
        let start = head.end;
        head.end += self.buffer.len() as u64;
        if must_be_safe {
            head.synced = head.end;
        }
        apply(group, written, &mut lock(&state), head, start);
        self.reserved = self.reserved.max(group.reserve.unwrap_or(self.reserved));
        self.cleaner.advance(&slice, self.buffer.len());
        Ok(())
    }

    /// What nobody waits for counts although there is no room to write it yet: it is what makes
    /// room, since segments of which nothing is needed can go.
    fn give_back(&self, group: &Group) {
        let mut state = lock(&self.state);
        group.forgotten.iter().for_each(|queue| state.forget(*queue));
        group.released.iter().for_each(|(queue, sequence)| state.release(*queue, *sequence));
    }

    /// Begins the next segment, if the newest is long enough. All before it is durable then.
    fn make_head(&mut self) -> Result<(), JournalError> {
        let number = match &mut self.head {
            Some(head) if head.end < self.options.segment_bytes => return Ok(()),
            Some(head) => {
                head.segment.sync()?;
                head.segment.number() + 1
            }
            None => 1,
        };
        let salt = u64::from_le_bytes(self.random.bytes());
        let header = Header { number, reserved: self.reserved, salt };
        let segment = Arc::new(Segment::create(&self.directory, header)?);
        lock(&self.state).add_segment(Arc::clone(&segment), FIRST);
        self.head = Some(Head { segment, end: FIRST, synced: FIRST });
        Ok(())
    }

    /// Removes the oldest segments, as long as nobody needs anything of them.
    fn remove_dead(&mut self) -> Result<(), JournalError> {
        while let Some(number) = self.dead() {
            let path = directory::path(&self.directory, number);
            directory::remove(&self.directory, &path)?;
            lock(&self.state).remove_segment(number);
        }
        Ok(())
    }

    /// The oldest segment, if nobody needs anything of it and it is not written to.
    fn dead(&self) -> Option<u64> {
        let state = lock(&self.state);
        let oldest = state.oldest().filter(|oldest| oldest.live == 0)?;
        let is_head = state.segments.len() == 1;
        (!is_head).then(|| oldest.segment.number())
    }
}

impl Engine for Log {
    async fn commit(&mut self, group: &mut Group) -> Result<(), JournalError> {
        let written = self.write(group);
        if matches!(written, Err(JournalError::Full)) {
            self.give_back(group);
        }
        written
    }

    fn has_chores(&self) -> bool {
        self.dead().is_some() || cleaning::is_due(&lock(&self.state), &self.options)
    }

    fn size(&self) -> Size {
        lock(&self.state).size()
    }

    async fn close(&mut self) -> Result<(), JournalError> {
        self.head.as_ref().map_or(Ok(()), |head| head.segment.sync())
    }
}

/// Writes the commit's records to `buffer`: copies first, since what is released and marked now
/// is meant for them as well; entries last, since what is forgotten came before them.
fn encode(
    group: &Group,
    slice: &Slice,
    head: &Head,
    state: &Mutex<State>,
    buffer: &mut Vec<u8>,
) -> Written {
    let mut encoder = Encoder { header: &head.segment.header, bytes: buffer };
    encoder.commit(head.synced);
    let copies = slice.copy(&lock(state), &mut encoder);
    if let Some(reserved) = group.reserve {
        encoder.reserve(reserved);
    }
    encoder.forgotten(&group.forgotten);
    encoder.released(&group.released);
    encoder.released(&group.released_safely);
    encoder.marked(&group.marked);
    let entry = |entry: &Entry| encoder.entry(entry.sequence, &entry.queues, group.body(entry));
    let entries = group.entries.iter().map(entry).collect();
    Written { entries, copies }
}

/// Takes a commit into the index, in the order of its records.
fn apply(group: &Group, written: Written, state: &mut State, head: &Head, start: u64) {
    let number = head.segment.number();
    let place = |range: Range<usize>, body_bytes: usize| Place {
        segment: number,
        offset: short(start + range.start as u64),
        bytes: short(range.len() as u64),
        body_bytes: short(body_bytes as u64),
    };
    state.grow(number, head.end);
    for (sequence, range, body_bytes) in written.copies {
        state.move_to(sequence, place(range, body_bytes));
    }
    group.forgotten.iter().for_each(|queue| state.forget(*queue));
    group.all_released().for_each(|(queue, sequence)| state.release(queue, sequence));
    for (queue, sequence, mark) in &group.marked {
        state.index.mark(*queue, *sequence, *mark);
    }
    for (entry, range) in group.entries.iter().zip(written.entries) {
        let place = place(range, group.body(entry).len());
        state.insert(entry.sequence, entry.queues.clone(), place);
    }
}

/// An offset within a segment and one commit behind it.
fn short(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("a segment is far smaller than 4 GiB")
}
