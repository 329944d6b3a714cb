//! Topic filters: which messages a subscription asks for.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;

use crate::topic::TOPIC_BYTES_MAX;

/// A topic filter that the standards allow, shared or not. Clones share its text, which is all that
/// it has: there are very many, and what is asked of one is found in it in no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFilter(Arc<str>);

/// Why a text is not a topic filter (4.7, 4.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// MQTT-4.7.3-1.
    #[error("a topic filter is empty")]
    Empty,
    /// MQTT-4.7.3-3.
    #[error("a topic filter has more than 65535 bytes")]
    TooLong,
    /// MQTT-4.7.3-2.
    #[error("a topic filter has the character U+0000")]
    NullCharacter,
    /// MQTT-4.7.1-1: `#` is the whole of the last level.
    #[error("`#` is not the whole of a topic filter's last level")]
    MultiLevelWildcard,
    /// MQTT-4.7.1-2: `+` is the whole of a level.
    #[error("`+` is not the whole of a topic filter's level")]
    SingleLevelWildcard,
    /// MQTT-4.8.2-1 and MQTT-4.8.2-2.
    #[error("a shared subscription has no name, or a wildcard in it")]
    ShareName,
    /// MQTT-4.8.2-2: the name is followed by `/` and a filter.
    #[error("a shared subscription has no topic filter")]
    ShareWithoutFilter,
}

/// What `#` matches beyond the levels below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashMatch {
    /// Nothing: `a/#` does not match `a`. So does AWS.
    ChildrenOnly,
    /// The level above: `a/#` matches `a`. So does the standard (4.7.1.2).
    ParentToo,
}

const SHARE: &str = "$share/";

impl TopicFilter {
    /// Checks a text. `$share/{name}/{filter}` is a shared subscription in either version. The
    /// filter has a copy: it does not hold the buffer that the text came in.
    pub fn parse(text: ByteString) -> Result<Self, InvalidFilter> {
        if text.is_empty() {
            return Err(InvalidFilter::Empty);
        }
        if text.len() > TOPIC_BYTES_MAX {
            return Err(InvalidFilter::TooLong);
        }
        if text.as_bytes().contains(&0) {
            return Err(InvalidFilter::NullCharacter);
        }
        check_share(&text)?;
        check_wildcards(after_share(&text))?;
        Ok(Self(Arc::from(&*text)))
    }

    /// The whole text, as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a shared subscription.
    pub fn share(&self) -> Option<&str> {
        let (name, _) = self.0.strip_prefix(SHARE)?.split_once('/')?;
        Some(name)
    }

    /// The filter without the prefix of a shared subscription.
    pub fn filter(&self) -> &str {
        after_share(&self.0)
    }

    /// [`Self::filter`], to be kept: where that is the whole text, the same memory.
    pub fn filter_text(&self) -> Arc<str> {
        let filter = self.filter();
        if filter.len() == self.0.len() { Arc::clone(&self.0) } else { filter.into() }
    }

    /// The levels of [`Self::filter`]; at least one, which may be empty.
    pub fn levels(&self) -> std::str::Split<'_, char> {
        self.filter().split('/')
    }

    /// Whether it may match more than one topic.
    pub fn has_wildcards(&self) -> bool {
        has_wildcards(self.filter())
    }

    /// Whether some topic is matched by this filter and by `other`, the text of one; `#` matches the
    /// level above, too.
    pub fn overlaps(&self, other: &str) -> bool {
        let (mut one, mut two) = (self.levels(), other.split('/'));
        loop {
            match (one.next(), two.next()) {
                (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
                (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
                _ => return false,
            }
        }
    }

    /// Whether messages of this topic are asked for. A wildcard in the first level never matches
    /// a topic that begins with `$` (MQTT-4.7.2-1).
    pub fn matches(&self, topic: &str, hash: HashMatch) -> bool {
        let filter = self.filter();
        if !has_wildcards(filter) {
            return filter == topic;
        }
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = level_bytes(topic);
        for level in level_bytes(filter) {
            let found = levels.next();
            match level {
                b"#" => return found.is_some() || hash == HashMatch::ParentToo,
                b"+" if found.is_some() => {}
                _ if found == Some(level) => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl std::hash::Hash for TopicFilter {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for TopicFilter {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Holds a shared subscription, if the text is of one, to its form.
fn check_share(text: &str) -> Result<(), InvalidFilter> {
    let Some(rest) = text.strip_prefix(SHARE) else { return Ok(()) };
    let (name, filter) = rest.split_once('/').unwrap_or((rest, ""));
    if name.is_empty() || name.contains(['+', '#']) {
        return Err(InvalidFilter::ShareName);
    }
    if filter.is_empty() {
        return Err(InvalidFilter::ShareWithoutFilter);
    }
    Ok(())
}

/// Bytes are split in less time than characters.
fn level_bytes(text: &str) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().split(|byte| *byte == b'/')
}

fn after_share(text: &str) -> &str {
    text.strip_prefix(SHARE)
        .and_then(|rest| rest.split_once('/'))
        .map_or(text, |(_, filter)| filter)
}

fn has_wildcards(filter: &str) -> bool {
    filter.bytes().any(is_wildcard)
}

fn is_wildcard(byte: u8) -> bool {
    matches!(byte, b'+' | b'#')
}

/// Holds wildcards, if there are any, to where they may be.
fn check_wildcards(filter: &str) -> Result<(), InvalidFilter> {
    let mut levels = level_bytes(filter).peekable();
    while let Some(level) = levels.next() {
        match level {
            b"+" => {}
            b"#" if levels.peek().is_none() => {}
            _ if level.iter().all(|byte| !is_wildcard(*byte)) => {}
            _ if level.contains(&b'#') => return Err(InvalidFilter::MultiLevelWildcard),
            _ => return Err(InvalidFilter::SingleLevelWildcard),
        }
    }
    Ok(())
}
