//! A record of the outbox: its key sorts by time, its value has the messages of one change.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mqtt::{PublishProperties, QoS};
use serde::{Deserialize, Serialize};
use store::{Entry, Key, KeyRange, Sequence};
use types::{AccountId, Tenant, TenantId, Timestamp};

use crate::{OutgoingMessage, encode as encode_document, kinds};

/// The format that this program writes, and the only one that it reads.
const FORMAT: u8 = 1;
/// Messages in one record. More of one change are in several records.
const MESSAGES_MAX: usize = 256;
/// Bytes of the topics and payloads in one record, unless it has one message only.
const BYTES_MAX: usize = 1024 * 1024;

/// What was found in the store.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) key: Key,
    pub(super) version: Sequence,
    pub(super) value: Bytes,
    pub(super) about: About,
    pub(super) messages: Vec<OutgoingMessage>,
}

/// What a record says of its messages.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct About {
    pub(super) tenant: Tenant,
    /// When the change was.
    pub(super) since: Timestamp,
    /// How often they were tried in vain.
    pub(super) tries: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'m> {
    v: u8,
    since: Timestamp,
    #[serde(default, skip_serializing_if = "is_zero")]
    tries: u32,
    tenant: u32,
    account: AccountId,
    region: Cow<'m, str>,
    messages: Vec<Message<'m>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'m> {
    topic: Cow<'m, str>,
    /// As it is, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Cow<'m, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    qos: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retain: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    properties: Option<Properties>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_is_utf8: Option<bool>,
    /// Counted from when it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_expiry_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_data_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<(String, String)>,
}

/// Where a record of `time` lies that is the one with this number of a server.
pub(super) fn key(time: Timestamp, owner: u64, number: u64) -> Key {
    at(time).number(owner).number(number)
}

/// Which server made the record at `key`.
pub(super) fn owner(key: &Key) -> Option<u64> {
    let mut fields = key.reader();
    fields.number()?;
    fields.number()
}

/// Where all records lie.
pub(super) fn all() -> KeyRange {
    KeyRange::prefix(&parent())
}

/// Where records lie that are not older than `from`, and older than `upto`.
pub(super) fn between(from: Timestamp, upto: Timestamp) -> KeyRange {
    KeyRange { start: at(from), end: at(upto) }
}

fn at(time: Timestamp) -> Key {
    parent().number(u64::try_from(time.millis()).unwrap_or(0))
}

fn parent() -> Key {
    Key::new(TenantId::GLOBAL, kinds::OUTBOX)
}

/// The messages in runs, of which each has its place in a record.
pub(super) fn parts(messages: &[OutgoingMessage]) -> impl Iterator<Item = &[OutgoingMessage]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, others) = rest.split_at(length_of_first(rest));
        rest = others;
        Some(part)
    })
}

/// How many of `messages` have their place in one record; one at least.
fn length_of_first(messages: &[OutgoingMessage]) -> usize {
    let mut bytes = 0;
    let fits = |message: &&OutgoingMessage| {
        bytes += message.topic.len() + message.payload.len();
        bytes <= BYTES_MAX
    };
    messages.iter().take(MESSAGES_MAX).take_while(fits).count().max(1)
}

/// The record of some messages of a change.
pub(super) fn encode(about: &About, messages: &[OutgoingMessage]) -> Vec<u8> {
    let About { tenant, since, tries } = about;
    encode_document(&Record {
        v: FORMAT,
        since: *since,
        tries: *tries,
        tenant: tenant.id.0,
        account: tenant.account,
        region: Cow::Borrowed(tenant.region.as_str()),
        messages: messages.iter().map(Message::of).collect(),
    })
}

/// The record of `entry`. One of a newer program is left to newer programs.
pub(super) fn read(entry: &Entry) -> Option<Left> {
    let left = parse(entry);
    if left.is_none() {
        tracing::warn!(key = ?entry.key, "messages that cannot be read were left alone");
    }
    left
}

fn parse(entry: &Entry) -> Option<Left> {
    let record: Record<'_> = serde_json::from_slice(&entry.value).ok()?;
    let region = record.region.parse().ok()?;
    let messages = record.messages.into_iter().map(Message::read).collect::<Option<_>>()?;
    let tenant = Tenant { id: TenantId(record.tenant), account: record.account, region };
    (record.v == FORMAT).then(|| Left {
        key: entry.key.clone(),
        version: entry.version,
        value: entry.value.clone(),
        about: About { tenant, since: record.since, tries: record.tries },
        messages,
    })
}

impl<'m> Message<'m> {
    fn of(message: &'m OutgoingMessage) -> Self {
        let text = std::str::from_utf8(&message.payload).ok();
        Self {
            topic: Cow::Borrowed(&message.topic),
            payload: text.map(Cow::Borrowed),
            payload_base64: text.is_none().then(|| STANDARD.encode(&message.payload)),
            qos: message.qos as u8,
            retain: message.retain,
            properties: message.properties.as_deref().map(Properties::of),
        }
    }

    fn read(self) -> Option<OutgoingMessage> {
        let payload = match (self.payload, self.payload_base64) {
            (Some(text), _) => text.into_owned().into(),
            (None, Some(text)) => decode(&text)?,
            (None, None) => return None,
        };
        let properties = match self.properties {
            Some(properties) => Some(Box::new(properties.read()?)),
            None => None,
        };
        Some(OutgoingMessage {
            topic: self.topic.into_owned(),
            payload,
            qos: QoS::from_bits(self.qos)?,
            retain: self.retain,
            properties,
            // What follows from a change comes through no rule.
            hops: 0,
        })
    }
}

impl Properties {
    fn of(properties: &PublishProperties) -> Self {
        let pair = |(name, value): &(_, _)| (text(name), text(value));
        Self {
            payload_is_utf8: properties.payload_is_utf8,
            message_expiry_s: properties.message_expiry_s,
            content_type: properties.content_type.as_ref().map(text),
            response_topic: properties.response_topic.as_ref().map(text),
            correlation_data_base64: properties
                .correlation_data
                .as_ref()
                .map(|data| STANDARD.encode(data)),
            user_properties: properties.user_properties.iter().map(pair).collect(),
        }
    }

    fn read(self) -> Option<PublishProperties> {
        let correlation_data = match self.correlation_data_base64 {
            Some(data) => Some(decode(&data)?),
            None => None,
        };
        let pair = |(name, value): (String, String)| (name.into(), value.into());
        Some(PublishProperties {
            payload_is_utf8: self.payload_is_utf8,
            message_expiry_s: self.message_expiry_s,
            response_topic: self.response_topic.map(Into::into),
            correlation_data,
            user_properties: self.user_properties.into_iter().map(pair).collect(),
            content_type: self.content_type.map(Into::into),
            ..PublishProperties::default()
        })
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn text(text: &impl ToString) -> String {
    text.to_string()
}

fn decode(text: &str) -> Option<Bytes> {
    STANDARD.decode(text).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn about(tries: u32) -> About {
        let tenant = Tenant {
            id: TenantId(7),
            account: "123456789012".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        About { tenant, since: NOW, tries }
    }

    fn read_back(about: &About, messages: &[OutgoingMessage]) -> Option<Left> {
        let value = encode(about, messages).into();
        parse(&Entry { key: key(NOW, 1, 2), value, version: Sequence(3) })
    }

    #[test]
    fn messages_are_read_back_as_they_were() {
        let properties = PublishProperties {
            payload_is_utf8: Some(true),
            message_expiry_s: Some(60),
            response_topic: Some("answers".into()),
            correlation_data: Some(Bytes::from_static(&[0xff, 0])),
            user_properties: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
            content_type: Some("text/plain".into()),
            ..PublishProperties::default()
        };
        let mut whole = OutgoingMessage::new("a/b", "{\"text\":\"\u{e9}\"}");
        whole.retain = true;
        whole.qos = QoS::AtMostOnce;
        whole.properties = Some(Box::new(properties));
        let messages = [whole, OutgoingMessage::new("c", vec![0xff, 0xfe]), {
            OutgoingMessage::new("d", Bytes::new())
        }];
        for tries in [0, 5] {
            let left = read_back(&about(tries), &messages).unwrap();
            assert_eq!((left.about, left.messages), (about(tries), messages.to_vec()));
        }
    }

    #[test]
    fn a_record_of_another_format_is_left_alone() {
        let value = encode(&about(0), &[OutgoingMessage::new("a", "1")]);
        let newer = String::from_utf8(value).unwrap().replace("\"v\":1", "\"v\":2");
        let entry = Entry { key: key(NOW, 1, 2), value: newer.into(), version: Sequence(3) };
        assert!(parse(&entry).is_none());
    }

    #[test]
    fn records_lie_by_time_and_know_their_server() {
        let (early, late) = (key(NOW, 9, 9), key(Timestamp::from_millis(1_000_001), 1, 1));
        assert!(early < late);
        assert_eq!((owner(&early), owner(&late)), (Some(9), Some(1)));
        let range = between(Timestamp::EPOCH, Timestamp::from_millis(1_000_001));
        assert!(range.contains(&early) && !range.contains(&late));
        assert!(all().contains(&late));
    }

    #[test]
    fn a_record_has_its_bounds() {
        let lengths = |messages: &[OutgoingMessage]| -> Vec<usize> {
            parts(messages).map(<[OutgoingMessage]>::len).collect()
        };
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&vec![OutgoingMessage::new("a", "1"); 600]), [256, 256, 88]);
        let half = OutgoingMessage::new("a", vec![0; BYTES_MAX / 2 - 1]);
        let huge = OutgoingMessage::new("a", vec![0; BYTES_MAX + 1]);
        assert_eq!(lengths(&[half.clone(), half.clone(), half.clone()]), [2, 1]);
        assert_eq!(lengths(&[half.clone(), huge.clone(), huge, half]), [1, 1, 1, 1]);
    }
}
