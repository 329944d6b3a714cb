//! The few packets of MQTT 3.1.1 that a load generator sends and reads.

use anyhow::{Result, bail};

/// PINGREQ, whole.
pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0];
/// DISCONNECT, whole.
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];
/// What SUBACK holds for a filter that is refused.
pub(crate) const REFUSED: u8 = 0x80;

const CLEAN_SESSION: u8 = 0x02;
const WITH_PASSWORD: u8 = 0x40;
const WITH_USERNAME: u8 = 0x80;

/// What a CONNECT says.
pub(crate) struct Connect<'a> {
    /// Who it is.
    pub(crate) client_id: &'a str,
    /// Whether the session begins empty and ends with the connection.
    pub(crate) is_clean: bool,
    /// Seconds.
    pub(crate) keep_alive_s: u16,
    /// The login's name.
    pub(crate) username: Option<&'a str>,
    /// The login's secret.
    pub(crate) password: Option<&'a str>,
}

/// A packet from the broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// The answer to CONNECT; code 0 lets in.
    Connack {
        /// Whether the broker kept the session.
        is_resumed: bool,
        /// Why not, if not 0.
        code: u8,
    },
    /// The answer to SUBSCRIBE: a QoS for each filter, or [`REFUSED`].
    Suback { granted: &'a [u8] },
    /// A publish with this packet id is acknowledged.
    Puback { pid: u16 },
    /// A message.
    Publish { topic: &'a [u8], qos: u8, pid: u16, payload: &'a [u8] },
    /// Anything else.
    Other,
}

impl Connect<'_> {
    /// Appends the packet.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(64);
        string(&mut body, "MQTT");
        body.extend_from_slice(&[4, self.flags()]);
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        string(&mut body, self.client_id);
        for text in [self.username, self.password].into_iter().flatten() {
            string(&mut body, text);
        }
        out.push(0x10);
        remaining_length(out, body.len());
        out.extend_from_slice(&body);
    }

    fn flags(&self) -> u8 {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        flag(self.is_clean, CLEAN_SESSION)
            | flag(self.username.is_some(), WITH_USERNAME)
            | flag(self.password.is_some(), WITH_PASSWORD)
    }
}

/// Appends a SUBSCRIBE.
pub(crate) fn subscribe(out: &mut Vec<u8>, pid: u16, filters: &[String], qos: u8) {
    let length = 2 + filters.iter().map(|filter| filter.len() + 3).sum::<usize>();
    out.push(0x82);
    remaining_length(out, length);
    out.extend_from_slice(&pid.to_be_bytes());
    for filter in filters {
        string(out, filter);
        out.push(qos);
    }
}

/// Appends a PUBACK.
pub(crate) fn puback(out: &mut Vec<u8>, pid: u16) {
    let [high, low] = pid.to_be_bytes();
    out.extend_from_slice(&[0x40, 2, high, low]);
}

/// Appends the length of what follows in a packet.
pub(crate) fn remaining_length(out: &mut Vec<u8>, mut length: usize) {
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Appends a string with its length.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Decodes one packet from the front: the packet and its size, or `None` if it is not whole.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>> {
    let Some((body_at, size)) = frame(bytes)? else { return Ok(None) };
    let Some(body) = bytes.get(body_at..size) else { return Ok(None) };
    let Some(packet) = parse(bytes[0], body) else {
        bail!("the broker sent a packet of type {} that is too short", bytes[0] >> 4);
    };
    Ok(Some((packet, size)))
}

/// Where the body of the first packet begins and ends, if its length is there.
fn frame(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut length = 0;
    for at in 1..5 {
        let Some(&byte) = bytes.get(at) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            return Ok(Some((at + 1, at + 1 + length)));
        }
    }
    bail!("the broker sent a packet with a malformed length")
}

/// `None` for a body that is shorter than its packet has to be.
fn parse(head: u8, body: &[u8]) -> Option<Packet<'_>> {
    Some(match head >> 4 {
        2 => Packet::Connack { is_resumed: body.first()? & 1 == 1, code: *body.get(1)? },
        3 => publish(head, body)?,
        4 => Packet::Puback { pid: u16_at(body, 0)? },
        9 => Packet::Suback { granted: body.get(2..)? },
        _ => Packet::Other,
    })
}

fn publish(head: u8, body: &[u8]) -> Option<Packet<'_>> {
    let qos = (head >> 1) & 3;
    let end = 2 + usize::from(u16_at(body, 0)?);
    let topic = body.get(2..end)?;
    let (pid, payload_at) = if qos > 0 { (u16_at(body, end)?, end + 2) } else { (0, end) };
    Some(Packet::Publish { topic, qos, pid, payload: body.get(payload_at..)? })
}

fn u16_at(body: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lengths_are_refused() {
        assert!(decode(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]).is_err());
        assert!(decode(&[0x30, 2, 0, 9]).is_err(), "the topic is longer than the packet");
        assert!(decode(&[0x30, 1, 0]).is_err());
        assert!(decode(&[0x40, 1, 0]).is_err());
    }

    #[test]
    fn connect_and_subscribe_have_the_right_bytes() {
        let mut out = Vec::new();
        let mut connect = Connect {
            client_id: "c",
            is_clean: true,
            keep_alive_s: 60,
            username: Some("u"),
            password: Some("p"),
        };
        connect.append(&mut out);
        assert_eq!(out, b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0\x01p");
        out.clear();
        (connect.is_clean, connect.username, connect.password) = (false, None, None);
        connect.append(&mut out);
        assert_eq!(out, b"\x10\x0d\0\x04MQTT\x04\0\0\x3c\0\x01c");
        out.clear();
        subscribe(&mut out, 3, &["a/+".into(), "b".into()], 1);
        assert_eq!(out, b"\x82\x0c\0\x03\0\x03a/+\x01\0\x01b\x01");
    }

    #[test]
    fn answers_of_the_broker_are_read() {
        let check = |bytes: &[u8], expect: Packet<'_>| {
            assert_eq!(decode(bytes).unwrap(), Some((expect, bytes.len())));
        };
        check(b"\x20\x02\x01\x00", Packet::Connack { is_resumed: true, code: 0 });
        check(b"\x20\x02\x00\x05", Packet::Connack { is_resumed: false, code: 5 });
        check(b"\x40\x02\x01\x02", Packet::Puback { pid: 258 });
        check(b"\x90\x04\x00\x01\x01\x80", Packet::Suback { granted: &[1, REFUSED] });
        check(b"\xd0\x00", Packet::Other);
    }
}
