//! Where encoded bytes go: into a buffer, or into a count of them.
//!
//! Every packet is written twice by the same code, first to be counted, so that lengths that
//! stand before what they measure are never guessed and the buffer grows once.

use bytes::BytesMut;

use crate::packet::PacketId;

/// The largest variable byte integer.
const INTEGER_MAX: u32 = 268_435_455;

/// Takes the standards' types of data. A string or binary field over 65,535 bytes is cut there,
/// a string at the end of a character.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn packet_id(&mut self, value: PacketId) {
        self.u16(value.get());
    }

    fn integer(&mut self, value: u32) {
        let mut rest = value.min(INTEGER_MAX);
        while rest > 0x7F {
            let [.., low] = rest.to_be_bytes();
            self.u8(low | 0x80);
            rest >>= 7;
        }
        let [.., low] = rest.to_be_bytes();
        self.u8(low);
    }

    /// A length as a variable byte integer.
    fn length(&mut self, bytes: usize) {
        self.integer(u32::try_from(bytes).unwrap_or(INTEGER_MAX));
    }

    fn binary(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(length) => {
                self.u16(length);
                self.put(bytes);
            }
            Err(_) => {
                self.u16(u16::MAX);
                self.put(bytes.get(..usize::from(u16::MAX)).unwrap_or_default());
            }
        }
    }

    fn string(&mut self, text: &str) {
        let end = text.floor_char_boundary(text.len().min(u16::MAX.into()));
        self.binary(text.as_bytes().get(..end).unwrap_or_default());
    }
}

impl Sink for BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts, and keeps nothing.
#[derive(Default)]
pub(super) struct Count(pub(super) usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}
