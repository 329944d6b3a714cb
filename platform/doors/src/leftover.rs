//! Bytes that could not be dealt with at once, and that take no room when there are none.

/// By how much the memory grows at least.
const STEP_BYTES: usize = 4096;

/// A queue of bytes whose memory is given back as soon as it is empty.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    bytes: Vec<u8>,
    /// How many of them are gone.
    used: usize,
}

impl Leftover {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    /// The memory that is taken.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.used..).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // Not doubled, as it would be otherwise: a client decides how much comes.
        if bytes.len() > self.bytes.capacity() - self.bytes.len() {
            self.bytes.reserve_exact(bytes.len().max(STEP_BYTES));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds `count` zeroes for the caller to write over.
    pub(crate) fn add(&mut self, count: usize) -> &mut [u8] {
        let before = self.bytes.len();
        self.bytes.resize(before + count, 0);
        self.bytes.get_mut(before..).unwrap_or_default()
    }

    /// Is done with the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.used = self.bytes.len().min(self.used + count);
        if self.used == self.bytes.len() {
            *self = Self::default();
        }
    }
}

impl From<&[u8]> for Leftover {
    fn from(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), used: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_consumed_in_parts_comes_in_order_and_leaves_nothing() {
        let mut leftover = Leftover::from(&b"abc"[..]);
        leftover.consume(2);
        leftover.push(b"d");
        leftover.add(1).fill(b'e');
        assert_eq!((leftover.as_slice(), leftover.len()), (&b"cde"[..], 3));
        leftover.consume(1);
        assert_eq!(leftover.as_mut_slice(), b"de");
        leftover.consume(2);
        assert!(leftover.is_empty());
        assert_eq!((leftover.len(), leftover.capacity()), (0, 0));
    }

    #[test]
    fn nothing_takes_no_room() {
        assert_eq!(Leftover::from(&[][..]).capacity(), 0);
        assert!(Leftover::default().as_slice().is_empty());
    }
}
