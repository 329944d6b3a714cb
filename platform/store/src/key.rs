//! Keys: tenant, kind, then segments whose bytes sort as their values do.
//!
//! A text or bytes segment is escaped (`00` becomes `00 FF`) and ended by `00 01`, so that a
//! shorter segment sorts before a longer one and no segment runs into the next. A segment over
//! 512 bytes is replaced by its first 448 bytes and its SHA-256. Numbers are eight bytes,
//! big-endian.

use types::TenantId;

/// Segments longer than this are hashed.
pub(crate) const SEGMENT_BYTES_MAX: usize = 512;
/// What stays readable of a hashed segment.
const HASHED_PREFIX_BYTES: usize = 448;
const TERMINATOR: [u8; 2] = [0x00, 0x01];
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
            }
            _ => push_escaped(&mut self.0, segment),
        }
        self.0.extend_from_slice(&TERMINATOR);
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
                [0x00, 0x01, rest @ ..] => {
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
