//! PUBLISH packets, built once; only packet id and stamp change with each message.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::mqtt;

/// Bytes of a stamp in a payload that is made up.
pub(crate) const STAMP_BYTES: usize = 16;
/// What stands for the stamp in a payload from a file; there it is written in hexadecimal digits.
const PLACEHOLDER: &[u8] = b"{stamp}";
const STAMP_DIGITS: usize = 2 * STAMP_BYTES;
const DUP: u8 = 0x08;

/// What a payload says of its message: who sent it, which one it is, when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The publisher's number.
    pub(crate) publisher: u32,
    /// Counts each publisher's messages, from 1.
    pub(crate) seq: u32,
    /// Nanoseconds since the run began.
    pub(crate) nanos: u64,
}

/// The bytes of every message, and where its stamp goes.
pub(crate) struct Payload {
    bytes: Vec<u8>,
    stamp_at: usize,
    is_text: bool,
}

/// A PUBLISH to one topic.
pub(crate) struct Template {
    bytes: Vec<u8>,
    topic_at: usize,
    pid_at: Option<usize>,
    payload_at: usize,
}

impl Stamp {
    fn bytes(&self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..4].copy_from_slice(&self.publisher.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.seq.to_le_bytes());
        bytes[8..].copy_from_slice(&self.nanos.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; STAMP_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, nanos @ ..] = bytes;
        Self {
            publisher: u32::from_le_bytes([a, b, c, d]),
            seq: u32::from_le_bytes([e, f, g, h]),
            nanos: u64::from_le_bytes(nanos),
        }
    }
}

impl Payload {
    /// `size` bytes that mean nothing.
    pub(crate) fn made_up(size: usize) -> Result<Self> {
        if size < STAMP_BYTES {
            bail!("--payload-size must be at least {STAMP_BYTES}");
        }
        Ok(Self { bytes: vec![b'x'; size], stamp_at: 0, is_text: false })
    }

    /// The content of a file, which says where the stamp goes.
    pub(crate) fn from_file(path: &str) -> Result<Self> {
        let content = fs::read(path).with_context(|| format!("could not read {path}"))?;
        Self::with_placeholder(&content)
            .with_context(|| format!("{path} does not say {{stamp}} where the stamp goes"))
    }

    fn with_placeholder(content: &[u8]) -> Option<Self> {
        let stamp_at = content.windows(PLACEHOLDER.len()).position(|part| part == PLACEHOLDER)?;
        let after = &content[stamp_at + PLACEHOLDER.len()..];
        let bytes = [&content[..stamp_at], &[b'0'; STAMP_DIGITS], after].concat();
        Some(Self { bytes, stamp_at, is_text: true })
    }

    /// How long each payload is.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The stamp of a payload that arrived; `None` for one that was not made here.
    pub(crate) fn stamp(&self, payload: &[u8]) -> Option<Stamp> {
        if !self.is_text {
            return Some(Stamp::from_bytes(payload.get(..STAMP_BYTES)?.try_into().ok()?));
        }
        let digits = payload.get(self.stamp_at..self.stamp_at + STAMP_DIGITS)?;
        let number = u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        Some(Stamp::from_bytes(number.to_be_bytes()))
    }

    fn write(&self, stamp: &Stamp, payload: &mut [u8]) {
        let bytes = stamp.bytes();
        if !self.is_text {
            payload[..STAMP_BYTES].copy_from_slice(&bytes);
            return;
        }
        let digits = format!("{:032x}", u128::from_be_bytes(bytes));
        let end = self.stamp_at + STAMP_DIGITS;
        payload[self.stamp_at..end].copy_from_slice(digits.as_bytes());
    }
}

impl Template {
    /// Publishes of `payload` to `topic`.
    pub(crate) fn new(topic: &str, qos: u8, payload: &[u8]) -> Self {
        let mut bytes = vec![0x30 | (qos << 1)];
        let pid_bytes = if qos > 0 { 2 } else { 0 };
        mqtt::remaining_length(&mut bytes, 2 + topic.len() + pid_bytes + payload.len());
        mqtt::string(&mut bytes, topic);
        let topic_at = bytes.len() - topic.len();
        let pid_at = (qos > 0).then_some(bytes.len());
        bytes.resize(bytes.len() + pid_bytes, 0);
        let payload_at = bytes.len();
        bytes.extend_from_slice(payload);
        Self { bytes, topic_at, pid_at, payload_at }
    }

    /// Publishes of stamped payloads to `topic`.
    pub(crate) fn stamped(topic: &str, qos: u8, payload: &Payload) -> Self {
        Self::new(topic, qos, &payload.bytes)
    }

    /// Appends one message as it is.
    pub(crate) fn append(&self, out: &mut Vec<u8>, pid: u16) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(at) = self.pid_at {
            out[start + at..start + at + 2].copy_from_slice(&pid.to_be_bytes());
        }
    }

    /// Appends one message whose topic has `digits` from its byte `at`.
    pub(crate) fn append_with(&self, out: &mut Vec<u8>, pid: u16, at: usize, digits: &str) {
        let start = out.len() + self.topic_at + at;
        self.append(out, pid);
        out[start..start + digits.len()].copy_from_slice(digits.as_bytes());
    }

    /// Appends one message with its stamp.
    pub(crate) fn append_stamped(
        &self,
        out: &mut Vec<u8>,
        pid: u16,
        payload: &Payload,
        stamp: &Stamp,
    ) {
        let start = out.len();
        self.append(out, pid);
        payload.write(stamp, &mut out[start + self.payload_at..]);
    }

    /// As [`Self::append_stamped`], for a message that was sent before.
    pub(crate) fn append_again(
        &self,
        out: &mut Vec<u8>,
        pid: u16,
        payload: &Payload,
        stamp: &Stamp,
    ) {
        let start = out.len();
        self.append_stamped(out, pid, payload, stamp);
        out[start] |= DUP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{Packet, decode};

    const STAMP: Stamp = Stamp { publisher: 7, seq: 9, nanos: 1 << 40 };

    fn published(qos: u8, payload: &Payload) -> Vec<u8> {
        let mut out = vec![0xaa];
        Template::stamped("bench/a/b", qos, payload).append_stamped(&mut out, 513, payload, &STAMP);
        out.split_off(1)
    }

    #[test]
    fn a_publish_survives_encoding_and_decoding() {
        for (qos, size) in [(0, 16), (1, 16), (0, 256), (1, 300), (1, 20_000)] {
            let made = Payload::made_up(size).unwrap();
            let wire = published(qos, &made);
            let (packet, used) = decode(&wire).unwrap().unwrap();
            assert_eq!(used, wire.len());
            let Packet::Publish { topic, qos: read, pid, payload } = packet else { panic!() };
            assert_eq!((topic, read), (&b"bench/a/b"[..], qos));
            assert_eq!((pid, payload.len()), (if qos > 0 { 513 } else { 0 }, size));
            assert_eq!(made.stamp(payload), Some(STAMP));
        }
    }

    #[test]
    fn a_payload_from_a_file_has_its_stamp_where_it_says() {
        let json = Payload::with_placeholder(br#"{"at": "{stamp}", "t": 20}"#).unwrap();
        let wire = published(1, &json);
        let Some((Packet::Publish { payload, .. }, _)) = decode(&wire).unwrap() else { panic!() };
        let text = r#"{"at": "07000000090000000000000000010000", "t": 20}"#;
        assert_eq!(std::str::from_utf8(payload).unwrap(), text);
        assert_eq!(json.stamp(payload), Some(STAMP));
        assert_eq!(json.stamp(b"{}"), None);
        assert!(Payload::with_placeholder(b"{}").is_none());
    }

    #[test]
    fn incomplete_packets_wait_for_more() {
        let wire = published(1, &Payload::made_up(200).unwrap());
        for cut in 0..wire.len() {
            assert!(decode(&wire[..cut]).unwrap().is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_sent_again_is_marked() {
        let payload = Payload::made_up(16).unwrap();
        let mut out = Vec::new();
        Template::stamped("t", 1, &payload).append_again(&mut out, 1, &payload, &STAMP);
        assert_eq!(out[0], 0x3a);
    }
}
