//! Takes the standards' types of data off the front of a packet, without copying.

use bytes::{Buf as _, Bytes};
use bytestring::ByteString;

use crate::malformed::Malformed;
use crate::packet::{PacketId, Version};

/// The bytes of a packet, or of its properties, that are not read yet.
pub(super) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.rest.try_get_u8().map_err(|_| Malformed::Truncated)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.rest.try_get_u16().map_err(|_| Malformed::Truncated)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.rest.try_get_u32().map_err(|_| Malformed::Truncated)
    }

    pub(super) fn packet_id(&mut self) -> Result<PacketId, Malformed> {
        PacketId::new(self.u16()?).ok_or(Malformed::PacketIdZero)
    }

    /// A variable byte integer of MQTT 5, which must be as short as it can be.
    pub(super) fn integer(&mut self) -> Result<u32, Malformed> {
        let integer = Integer::read(&self.rest)?.ok_or(Malformed::Truncated)?;
        if integer.is_padded {
            return Err(Malformed::IntegerPadded);
        }
        self.rest.advance(integer.width);
        Ok(integer.value)
    }

    /// The next bytes, as many as are asked for.
    pub(super) fn take(&mut self, bytes: usize) -> Result<Bytes, Malformed> {
        if bytes > self.rest.len() {
            return Err(Malformed::Truncated);
        }
        Ok(self.rest.split_to(bytes))
    }

    /// Bytes behind their length.
    pub(super) fn binary(&mut self) -> Result<Bytes, Malformed> {
        let bytes = self.u16()?;
        self.take(usize::from(bytes))
    }

    /// UTF-8 behind its length.
    pub(super) fn string(&mut self) -> Result<ByteString, Malformed> {
        let string = ByteString::try_from(self.binary()?).map_err(|_| Malformed::NotUtf8)?;
        if string.as_bytes().contains(&0) {
            return Err(Malformed::NullCharacter);
        }
        Ok(string)
    }

    /// A topic name, which may still be empty.
    pub(super) fn topic(&mut self, with_wildcard: Malformed) -> Result<ByteString, Malformed> {
        let topic = self.string()?;
        // Without an early exit this is a few vector instructions.
        let is_wildcard = |byte: u8| byte == b'+' || byte == b'#';
        if topic.bytes().fold(false, |found, byte| found | is_wildcard(byte)) {
            return Err(with_wildcard);
        }
        Ok(topic)
    }

    /// The properties of MQTT 5 behind their length, as bytes of their own; nothing in 3.1.1.
    pub(super) fn properties(&mut self, version: Version) -> Result<Self, Malformed> {
        if version == Version::V311 {
            return Ok(Self::new(Bytes::new()));
        }
        let bytes = self.integer()?;
        let bytes = usize::try_from(bytes).map_err(|_| Malformed::Truncated)?;
        Ok(Self::new(self.take(bytes)?))
    }

    /// All that is left.
    pub(super) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// Demands that nothing is left.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes) }
    }
}

/// A variable byte integer as it stands in bytes.
pub(super) struct Integer {
    pub(super) value: u32,
    /// Its bytes: 1 to 4.
    pub(super) width: usize,
    /// Whether fewer bytes would have done.
    pub(super) is_padded: bool,
}

impl Integer {
    /// The integer at the front of `bytes`; none if its end is not there.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut value = 0;
        for ((byte, shift), width) in bytes.iter().zip([0, 7, 14, 21]).zip(1..) {
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(Some(Self { value, width, is_padded: width > 1 && *byte == 0 }));
            }
        }
        if bytes.len() >= 4 { Err(Malformed::IntegerTooLong) } else { Ok(None) }
    }
}
