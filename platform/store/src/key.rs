//! Keys: tenant, kind, then segments whose bytes sort as their values do.
//!
//! A text or bytes segment is escaped (`00` becomes `00 FF`) and ended by `00 01`, so that a
//! shorter segment sorts before a longer one and no segment runs into the next. A segment over
//! 512 bytes is replaced by its first 448 bytes and its SHA-256, and ended by `00 02`. Numbers are
//! eight bytes, big-endian.

use types::TenantId;

/// Segments longer than this are hashed.
pub(crate) const SEGMENT_BYTES_MAX: usize = 512;
/// What stays readable of a hashed segment.
const HASHED_PREFIX_BYTES: usize = 448;
const TERMINATOR: [u8; 2] = [0x00, 0x01];
/// Ends a hashed segment, so that no readable one is the same key.
const HASHED_TERMINATOR: [u8; 2] = [0x00, 0x02];
const ESCAPED_ZERO: [u8; 2] = [0x00, 0xff];
const HEADER_BYTES: usize = 6;

/// A record's place in the store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

/// What kind of record a key is for: the second field of every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

impl Key {
    /// The key of a tenant's records of one kind, to which segments are appended.
    pub fn new(tenant: TenantId, kind: Kind) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&tenant.0.to_be_bytes());
        bytes.extend_from_slice(&kind.0.to_be_bytes());
        Self(bytes)
    }

    /// Appends a text segment.
    #[must_use]
    pub fn text(self, segment: &str) -> Self {
        self.bytes(segment.as_bytes())
    }

    /// Appends a bytes segment.
    #[must_use]
    pub fn bytes(mut self, segment: &[u8]) -> Self {
        match segment.get(..HASHED_PREFIX_BYTES) {
            Some(prefix) if segment.len() > SEGMENT_BYTES_MAX => {
                push_escaped(&mut self.0, prefix);
                push_escaped(&mut self.0, &sha256(segment));
                self.0.extend_from_slice(&HASHED_TERMINATOR);
            }
            _ => {
                push_escaped(&mut self.0, segment);
                self.0.extend_from_slice(&TERMINATOR);
            }
        }
        self
    }

    /// Appends a number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// The key's bytes, which sort as keys do.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A key from the bytes of one.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Whose record it is, and of which kind, unless it is too short to be the key of one.
    pub fn tenant_and_kind(&self) -> Option<(TenantId, Kind)> {
        let (tenant, rest) = self.0.split_first_chunk::<4>()?;
        let (kind, _) = rest.split_first_chunk::<2>()?;
        Some((TenantId(u32::from_be_bytes(*tenant)), Kind(u16::from_be_bytes(*kind))))
    }

    /// Reads the segments back, in order, after tenant and kind.
    pub fn reader(&self) -> KeyReader<'_> {
        KeyReader(self.0.get(HEADER_BYTES..).unwrap_or_default())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

/// Reads a key's segments back in the order in which they were appended.
pub struct KeyReader<'k>(&'k [u8]);

impl KeyReader<'_> {
    /// The next segment as text, if there is one and it is UTF-8.
    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// The next segment's bytes.
    pub fn bytes(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            match self.0 {
                [0x00, 0x01 | 0x02, rest @ ..] => {
                    self.0 = rest;
                    return Some(out);
                }
                [0x00, 0xff, rest @ ..] => {
                    out.push(0);
                    self.0 = rest;
                }
                [byte, rest @ ..] => {
                    out.push(*byte);
                    self.0 = rest;
                }
                [] => return None,
            }
        }
    }

    /// The next segment as a number.
    pub fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }
}

/// All keys from `start` up to, but not with, `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub start: Key,
    /// The first key beyond.
    pub end: Key,
}

impl KeyRange {
    /// All keys that extend `key`.
    pub fn prefix(key: &Key) -> Self {
        Self { start: key.clone(), end: Key(after_prefix(&key.0)) }
    }

    /// All keys that extend `parent` by a text segment beginning with `prefix`.
    pub fn text_prefix(parent: &Key, prefix: &str) -> Self {
        let mut start = parent.0.clone();
        let bytes = prefix.as_bytes();
        push_escaped(&mut start, bytes.get(..HASHED_PREFIX_BYTES).unwrap_or(bytes));
        let end = Key(after_prefix(&start));
        Self { start: Key(start), end }
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &Key) -> bool {
        self.start <= *key && *key < self.end
    }
}

fn push_escaped(out: &mut Vec<u8>, segment: &[u8]) {
    for &byte in segment {
        match byte {
            0 => out.extend_from_slice(&ESCAPED_ZERO),
            _ => out.push(byte),
        }
    }
}

/// The smallest bytes greater than every extension of `prefix`.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    // Every byte was FF: nothing sorts after it but a longer run of them.
    vec![0xff; prefix.len() + 1]
}

pub(crate) fn sha256(segment: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, segment);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: Kind = Kind(7);

    fn parent() -> Key {
        Key::new(TenantId(3), KIND)
    }

    /// Short segments of few bytes, so that prefixes and equal ones are frequent.
    fn segment() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(&[0x00, 0x01, 0x02, 0x61, 0xfe, 0xff][..]), 0..5)
    }

    fn record() -> impl Strategy<Value = (u32, u16, Vec<u8>, u64, Vec<u8>)> {
        (
            0..3_u32,
            0..3_u16,
            segment(),
            prop::sample::select(&[0, 1, 255, 256, u64::MAX][..]),
            segment(),
        )
    }

    fn key((tenant, kind, first, number, last): &(u32, u16, Vec<u8>, u64, Vec<u8>)) -> Key {
        Key::new(TenantId(*tenant), Kind(*kind)).bytes(first).number(*number).bytes(last)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn keys_sort_as_their_fields_do(left in record(), right in record()) {
            prop_assert_eq!(key(&left).cmp(&key(&right)), left.cmp(&right));
        }

        #[test]
        fn fields_are_read_back(fields in record()) {
            let key = key(&fields);
            let (tenant, kind) = key.tenant_and_kind().unwrap();
            prop_assert_eq!((tenant.0, kind.0), (fields.0, fields.1));
            let mut reader = key.reader();
            prop_assert_eq!(reader.bytes(), Some(fields.2));
            prop_assert_eq!(reader.number(), Some(fields.3));
            prop_assert_eq!(reader.bytes(), Some(fields.4));
            prop_assert_eq!(reader.bytes(), None);
            prop_assert_eq!(reader.number(), None);
        }

        #[test]
        fn a_prefix_has_what_extends_the_key(outer in segment(), inner in segment(), other in segment()) {
            let parent = parent().bytes(&outer);
            let range = KeyRange::prefix(&parent);
            prop_assert!(range.contains(&parent.clone().bytes(&inner)));
            prop_assert_eq!(range.contains(&super::tests::parent().bytes(&other)), other == outer);
        }

        #[test]
        fn a_text_prefix_has_the_names_that_begin_with_it(prefix in "[a\0é]{0,3}", name in "[a\0é]{0,4}") {
            let range = KeyRange::text_prefix(&parent(), &prefix);
            prop_assert_eq!(range.contains(&parent().text(&name)), name.starts_with(&prefix));
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let key = Key::from_bytes(bytes);
            prop_assert_eq!(key.tenant_and_kind().is_some(), key.as_bytes().len() >= 6);
            let mut reader = key.reader();
            while reader.bytes().is_some() {}
            while reader.number().is_some() {}
        }
    }

    #[test]
    fn a_long_segment_is_hashed_and_stays_among_its_neighbours() {
        let long = |last: &str| "n".repeat(SEGMENT_BYTES_MAX) + last;
        let (one, other) = (parent().text(&long("1")), parent().text(&long("2")));
        assert_ne!(one, other);
        assert_eq!(one, parent().text(&long("1")));
        assert_eq!(one.as_bytes().len(), other.as_bytes().len());
        assert!(one.as_bytes().len() < SEGMENT_BYTES_MAX + 64);
        let neighbours = KeyRange { start: parent().text("m"), end: parent().text("o") };
        assert!(neighbours.contains(&one) && neighbours.contains(&other));
        // The longest that is kept as it is.
        let kept = "n".repeat(SEGMENT_BYTES_MAX);
        assert_eq!(parent().text(&kept).reader().text(), Some(kept));
    }

    #[test]
    fn a_range_of_the_highest_bytes_has_an_end() {
        let highest = Key::from_bytes(vec![0xff; 6]);
        let range = KeyRange::prefix(&highest);
        assert!(range.contains(&highest));
        assert!(!range.contains(&Key::new(TenantId(0), KIND)));
    }
}
