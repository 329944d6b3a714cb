//! Topic names: where a message is published.

use std::fmt;

use bytestring::ByteString;

/// The longest topic name or filter that a packet can hold.
pub(crate) const TOPIC_BYTES_MAX: usize = 65_535;

/// A topic name that the standards allow: not empty, without `+`, `#` and U+0000.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(ByteString);

/// Why a text is not a topic name (4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopic {
    /// MQTT-4.7.3-1.
    #[error("a topic name is empty")]
    Empty,
    /// MQTT-4.7.3-3.
    #[error("a topic name has more than 65535 bytes")]
    TooLong,
    /// MQTT-4.7.1-1.
    #[error("a topic name has a wildcard")]
    Wildcard,
    /// MQTT-4.7.3-2.
    #[error("a topic name has the character U+0000")]
    NullCharacter,
}

impl TopicName {
    /// Checks a text.
    pub fn parse(text: ByteString) -> Result<Self, InvalidTopic> {
        if text.is_empty() {
            return Err(InvalidTopic::Empty);
        }
        if text.len() > TOPIC_BYTES_MAX {
            return Err(InvalidTopic::TooLong);
        }
        for byte in text.bytes() {
            match byte {
                b'+' | b'#' => return Err(InvalidTopic::Wildcard),
                0 => return Err(InvalidTopic::NullCharacter),
                _ => {}
            }
        }
        Ok(Self(text))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands between the slashes; at least one level, which may be empty.
    pub fn levels(&self) -> std::str::Split<'_, char> {
        self.0.split('/')
    }

    /// The text, shared with the packet that it came in.
    pub fn into_inner(self) -> ByteString {
        self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many slashes a topic name or filter has.
pub fn slashes(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'/').count()
}
