//! A message as rules hear it, and as the journal keeps it until they are done.

use std::net::{IpAddr, Ipv6Addr};

use bytes::{Buf as _, Bytes, BytesMut};
use mqtt::{Decoder, Packet, PacketId, PublishHead, PublishProperties, QoS, Version};
use sql::{Message, Payload, Properties};
use types::{Tenant, Timestamp};

/// The format that is written.
const FORMAT: u8 = 1;
/// What stands for a text that is not there.
const ABSENT: u16 = u16::MAX;
/// The longest text that is kept of a sender.
const TEXT_BYTES_MAX: usize = 4096;

/// A message that rules hear.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Whose topic it is.
    pub(crate) tenant: Tenant,
    /// As `topic()` has it: for Basic Ingest without what comes before.
    pub(crate) topic: String,
    /// As published.
    pub(crate) payload: Bytes,
    /// As published.
    pub(crate) qos: QoS,
    /// Those of MQTT 5.
    pub(crate) properties: Option<Box<PublishProperties>>,
    /// Who published it, over MQTT.
    pub(crate) client_id: Option<String>,
    /// What rules call whoever it was.
    pub(crate) principal: Option<String>,
    /// Where it came from.
    pub(crate) source_ip: Option<IpAddr>,
    /// When it came.
    pub(crate) at: Timestamp,
    /// By chance: what `newuuid()`, `rand()` and the trace id come from.
    pub(crate) seed: [u8; 16],
    /// How many rules it has come through.
    pub(crate) hops: u8,
}

/// What the journal has is no message.
#[derive(Debug, thiserror::Error)]
#[error("the entry is no message for rules in a format that is known")]
pub(crate) struct Unreadable;

impl Heard {
    /// Whatever of it SQL wants to know, for as long as `with` runs.
    pub(crate) fn with_message<R>(
        &self,
        now: Timestamp,
        with: impl FnOnce(&Message<'_>) -> R,
    ) -> R {
        let payload = Payload::read(&self.payload);
        let pairs = self.properties.as_deref().map_or(&[][..], |all| &all.user_properties);
        let user: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let properties =
            self.properties.as_deref().map_or_else(Properties::default, |all| Properties {
                payload_is_utf8: all.payload_is_utf8 == Some(true),
                content_type: all.content_type.as_deref(),
                response_topic: all.response_topic.as_deref(),
                correlation_data: all.correlation_data.as_deref(),
                user: &user,
            });
        let trace_id = self.trace_id();
        with(&Message {
            payload: &payload,
            topic: &self.topic,
            client_id: self.client_id.as_deref(),
            principal: self.principal.as_deref(),
            source_ip: self.source_ip,
            account: self.tenant.account.as_str(),
            trace_id: self.client_id.as_ref().map(|_| &*trace_id),
            now_ms: now.millis(),
            properties,
            seed: self.seed,
        })
    }

    /// What all log entries of the message have in common.
    pub(crate) fn trace_id(&self) -> String {
        uuid::Builder::from_random_bytes(self.seed).into_uuid().to_string()
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.payload.len() + self.topic.len() + size_of::<Self>()
    }

    /// Appends it to `bytes`, without the tenant's account and region, which its number stands for.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.tenant.id.0.to_be_bytes());
        bytes.extend_from_slice(&self.at.millis().to_be_bytes());
        bytes.extend_from_slice(&self.seed);
        bytes.push(self.hops);
        let source = self.source_ip.map_or(Ipv6Addr::UNSPECIFIED, |ip| match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        });
        bytes.extend_from_slice(&source.octets());
        for text in [&self.client_id, &self.principal] {
            put_text(text.as_deref(), bytes);
        }
        let head = PublishHead {
            dup: false,
            qos: self.qos,
            retain: false,
            topic: &self.topic,
            packet_id: (self.qos != QoS::AtMostOnce).then_some(PacketId::MIN),
            properties: self.properties.as_deref(),
            message_expiry_s: None,
            topic_alias: None,
        };
        let mut packet = BytesMut::new();
        mqtt::encode_publish(Version::V5, &head, &self.payload, &mut packet);
        bytes.extend_from_slice(&packet);
    }

    /// The message that [`Heard::encode`] wrote; `tenant` knows the tenant of a number.
    pub(crate) fn decode(
        bytes: &Bytes,
        tenant: impl FnOnce(u32) -> Option<Tenant>,
    ) -> Result<Self, Unreadable> {
        const HEAD_BYTES: usize = 1 + 4 + 8 + 16 + 1 + 16;
        let mut rest = bytes.clone();
        if rest.len() < HEAD_BYTES || rest.get_u8() != FORMAT {
            return Err(Unreadable);
        }
        let tenant = tenant(rest.get_u32()).ok_or(Unreadable)?;
        let at = Timestamp::from_millis(rest.get_i64());
        let mut seed = [0; 16];
        rest.copy_to_slice(&mut seed);
        let hops = rest.get_u8();
        let source = Ipv6Addr::from(rest.get_u128());
        let client_id = take_text(&mut rest)?;
        let principal = take_text(&mut rest)?;
        let mut packet = BytesMut::from(&*rest);
        let decoded = Decoder::of(Version::V5, usize::MAX).decode(&mut packet);
        let Ok(Some(Packet::Publish(publish))) = decoded else { return Err(Unreadable) };
        Ok(Self {
            tenant,
            topic: publish.topic.to_string(),
            payload: publish.payload,
            qos: publish.qos,
            properties: publish.properties,
            client_id,
            principal,
            source_ip: (!source.is_unspecified()).then(|| IpAddr::V6(source).to_canonical()),
            at,
            seed,
            hops,
        })
    }
}

fn put_text(text: Option<&str>, bytes: &mut Vec<u8>) {
    let Some(text) = text else { return bytes.extend_from_slice(&ABSENT.to_be_bytes()) };
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    let length = u16::try_from(text.len()).unwrap_or_default();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn take_text(rest: &mut Bytes) -> Result<Option<String>, Unreadable> {
    let length = rest.try_get_u16().map_err(|_| Unreadable)?;
    if length == ABSENT {
        return Ok(None);
    }
    let length = usize::from(length);
    if rest.len() < length {
        return Err(Unreadable);
    }
    let text = String::from_utf8(rest.split_to(length).to_vec());
    text.map(Some).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use types::TenantId;

    use super::*;

    fn tenant(number: u32) -> Option<Tenant> {
        (number == 3).then(|| Tenant {
            id: TenantId(3),
            account: "123456789012".parse().expect("an account"),
            region: "eu-west-1".parse().expect("a region"),
        })
    }

    fn heard() -> Heard {
        Heard {
            tenant: tenant(3).expect("it is known"),
            topic: "a/b".into(),
            payload: Bytes::from_static(b"\xFFpayload"),
            qos: QoS::AtLeastOnce,
            properties: Some(Box::new(PublishProperties {
                user_properties: vec![("k".into(), "1".into())],
                ..PublishProperties::default()
            })),
            client_id: Some("lamp".into()),
            principal: None,
            source_ip: Some("10.0.0.1".parse().expect("an address")),
            at: Timestamp::from_millis(1234),
            seed: [9; 16],
            hops: 2,
        }
    }

    #[test]
    fn a_message_comes_back_whole() {
        let bare = Heard {
            properties: None,
            client_id: None,
            source_ip: None,
            qos: QoS::AtMostOnce,
            ..heard()
        };
        for sent in [heard(), bare] {
            let mut bytes = Vec::new();
            sent.encode(&mut bytes);
            let back = Heard::decode(&bytes.into(), tenant).expect("it is readable");
            assert_eq!(format!("{back:?}"), format!("{sent:?}"));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut bytes = Vec::new();
        heard().encode(&mut bytes);
        let whole = Bytes::from(bytes);
        for end in 0..whole.len() {
            assert!(Heard::decode(&whole.slice(..end), tenant).is_err(), "{end} bytes of it");
        }
        assert!(Heard::decode(&whole, |_| None).is_err(), "nobody's");
    }
}
