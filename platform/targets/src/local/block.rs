//! Records of a stream that were appended together, as bytes.
//!
//! ```text
//! format u8 = 1 │ bytes_before u64 │ count u32 │ count × record
//! record:  time i64 │ label length u32, label │ data length u32, data
//! ```
//!
//! Numbers are little-endian. `bytes_before` is what the whole stream had been given before: the
//! first and the last block tell how large it is, and nothing has to be counted.

use bytes::{Buf as _, Bytes};
use types::Timestamp;

const FORMAT: u8 = 1;
/// What a record takes besides label and data.
const RECORD_OVERHEAD_BYTES: usize = 16;
/// What comes before the records.
const HEADER_BYTES: usize = 13;

/// A record as it is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Appended {
    /// A message's id, or a partition key.
    pub(super) label: String,
    pub(super) data: Bytes,
}

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// What the stream had been given before.
    pub(super) bytes_before: u64,
    pub(super) count: u32,
}

impl Appended {
    /// What it takes in a block.
    pub(super) fn bytes(&self) -> usize {
        RECORD_OVERHEAD_BYTES + self.label.len() + self.data.len()
    }
}

/// Writes a block.
pub(super) fn encode(bytes_before: u64, now: Timestamp, records: &[Appended]) -> Vec<u8> {
    let room: usize = records.iter().map(Appended::bytes).sum();
    let mut out = Vec::with_capacity(HEADER_BYTES + room);
    out.push(FORMAT);
    out.extend(bytes_before.to_le_bytes());
    out.extend(length(records.len()));
    for record in records {
        out.extend(now.millis().to_le_bytes());
        out.extend(length(record.label.len()));
        out.extend(record.label.as_bytes());
        out.extend(length(record.data.len()));
        out.extend(&record.data[..]);
    }
    out
}

/// The bytes that a block's records count for.
pub(super) fn record_bytes(block: &Bytes) -> u64 {
    block.len().saturating_sub(HEADER_BYTES) as u64
}

/// Reads what a block says of itself; `None` if it is none.
fn read_header(block: &Bytes) -> Option<Header> {
    let mut rest = block.clone();
    if rest.try_get_u8().ok()? != FORMAT {
        return None;
    }
    let (bytes_before, count) = (rest.try_get_u64_le().ok()?, rest.try_get_u32_le().ok()?);
    Some(Header { bytes_before, count })
}

/// What a block says of itself, and when its records were appended.
pub(super) fn read_start(block: &Bytes) -> Option<(Header, Timestamp)> {
    let (time, _) = read(block)?.next()?;
    Some((read_header(block)?, time))
}

/// Reads a block's records; `None` if it is no block. What is torn is left out.
pub(super) fn read(block: &Bytes) -> Option<impl Iterator<Item = (Timestamp, Appended)>> {
    let header = read_header(block)?;
    let mut rest = block.slice(HEADER_BYTES..);
    let mut left = header.count;
    Some(std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let time = Timestamp::from_millis(rest.try_get_i64_le().ok()?);
        let label = String::from_utf8(take(&mut rest)?.into()).ok()?;
        let data = take(&mut rest)?;
        Some((time, Appended { label, data }))
    }))
}

fn take(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.try_get_u32_le().ok()? as usize;
    (length <= rest.len()).then(|| rest.split_to(length))
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a record is far smaller than 4 GiB").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_those_that_are_on_disks() {
        let record = Appended { label: "k".into(), data: Bytes::from_static(b"ab") };
        let block = Bytes::from(encode(258, Timestamp::from_millis(3), &[record]));
        let expect = [
            1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'k', 2, 0,
            0, 0, b'a', b'b',
        ];
        assert_eq!(block[..], expect);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn records_are_read_back(
            before in any::<u64>(),
            records in prop::collection::vec((".{0,4}", prop::collection::vec(any::<u8>(), 0..9)), 0..5),
        ) {
            let record = |(label, data): (String, Vec<u8>)| Appended { label, data: data.into() };
            let records: Vec<Appended> = records.into_iter().map(record).collect();
            let now = Timestamp::from_millis(7);
            let block = Bytes::from(encode(before, now, &records));
            let count = u32::try_from(records.len()).unwrap();
            prop_assert_eq!(read_header(&block), Some(Header { bytes_before: before, count }));
            prop_assert_eq!(record_bytes(&block), records.iter().map(|it| it.bytes() as u64).sum::<u64>());
            let back: Vec<_> = read(&block).unwrap().collect();
            prop_assert_eq!(back, records.into_iter().map(|it| (now, it)).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let block = Bytes::from(bytes);
            read_start(&block);
            prop_assert!(read(&block).is_none_or(|records| records.count() < 60));
        }
    }
}
