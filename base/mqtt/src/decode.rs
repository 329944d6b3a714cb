//! Bytes to packets.
//!
//! A packet is cut off the front of what was read and never copied: its strings and its payload
//! are slices of it. What one packet must be is checked here; what it must be after the packets
//! before it is left to the session, but for the first CONNECT.

mod acks;
mod codes;
mod connect;
pub(crate) mod plain;
mod properties;
mod publish;
mod reader;
mod subscribe;

use bytes::{Buf as _, BytesMut};

use crate::malformed::Malformed;
use crate::packet::{Packet, PacketType, Version};
use reader::{Integer, Reader};

/// Takes packets off the front of a stream's bytes.
#[derive(Debug, Clone)]
pub struct Decoder {
    version: Option<Version>,
    is_server: bool,
    packet_bytes_max: usize,
}

impl Decoder {
    /// A server's side: the first packet must be CONNECT, whose version holds from then on, and
    /// no packet may come that only a server sends. A packet of more than `packet_bytes_max`
    /// bytes, its fixed header counted, is refused.
    pub fn server(packet_bytes_max: usize) -> Self {
        Self { version: None, is_server: true, packet_bytes_max }
    }

    /// A client's side, or anything with a known version: any packet may come. CONNECT says its
    /// own version, by which it alone is read.
    pub fn of(version: Version, packet_bytes_max: usize) -> Self {
        Self { version: Some(version), is_server: false, packet_bytes_max }
    }

    /// What the connection speaks; none before CONNECT.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Takes one whole packet off the front of `input`. None: more bytes are wanted, and nothing
    /// was taken. After an error `input` holds whatever it holds, and the connection is over.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Packet>, Malformed> {
        let Some((first, rest)) = input.split_first() else { return Ok(None) };
        let packet = self.admit(*first)?;
        let flags = first & 0x0F;
        let Some(remaining) = Integer::read(rest)? else { return Ok(None) };
        let head_bytes = remaining.width.saturating_add(1);
        let bytes = usize::try_from(remaining.value).unwrap_or(usize::MAX);
        let bytes = bytes.saturating_add(head_bytes);
        if bytes > self.packet_bytes_max {
            return Err(Malformed::TooLarge { bytes, max: self.packet_bytes_max });
        }
        if remaining.is_padded && self.version == Some(Version::V5) {
            return Err(Malformed::IntegerPadded);
        }
        if input.len() < bytes {
            return Ok(None);
        }
        let mut frame = input.split_to(bytes).freeze();
        frame.advance(head_bytes);
        let head = Head { packet, flags, is_padded: remaining.is_padded };
        self.packet(head, Reader::new(frame)).map(Some)
    }

    /// Whether a packet that begins so may come now, and which it is.
    fn admit(&self, first: u8) -> Result<PacketType, Malformed> {
        let packet = PacketType::from_bits(first >> 4, self.version)?;
        match packet {
            PacketType::Connect if self.is_server && self.version.is_some() => {
                return Err(Malformed::SecondConnect);
            }
            PacketType::Connect => {}
            _ if self.version.is_none() => return Err(Malformed::NotConnect),
            PacketType::Connack
            | PacketType::Suback
            | PacketType::Unsuback
            | PacketType::Pingresp
                if self.is_server =>
            {
                return Err(Malformed::NotFromClient(packet));
            }
            _ => {}
        }
        check_flags(packet, first & 0x0F)?;
        Ok(packet)
    }

    /// The packet of a whole body.
    fn packet(&mut self, head: Head, mut body: Reader) -> Result<Packet, Malformed> {
        let packet = match self.version {
            Some(version) => self.read(head, &mut body, version)?,
            // Nothing else is admitted before a version is known.
            None => Packet::Connect(Box::new(connect::connect(&mut body)?)),
        };
        body.finish()?;
        if let Packet::Connect(connect) = &packet {
            if head.is_padded && connect.version == Version::V5 {
                return Err(Malformed::IntegerPadded);
            }
            self.version.get_or_insert(connect.version);
        }
        Ok(packet)
    }

    fn read(&self, head: Head, body: &mut Reader, version: Version) -> Result<Packet, Malformed> {
        let kind = head.packet;
        Ok(match kind {
            PacketType::Connect => Packet::Connect(Box::new(connect::connect(body)?)),
            PacketType::Connack => Packet::Connack(Box::new(connect::connack(body, version)?)),
            PacketType::Publish => {
                Packet::Publish(publish::publish(head.flags, body, version, self.is_server)?)
            }
            PacketType::Puback => Packet::Puback(acks::ack(kind, body, version)?),
            PacketType::Pubrec => Packet::Pubrec(acks::ack(kind, body, version)?),
            PacketType::Pubrel => Packet::Pubrel(acks::ack(kind, body, version)?),
            PacketType::Pubcomp => Packet::Pubcomp(acks::ack(kind, body, version)?),
            PacketType::Subscribe => Packet::Subscribe(subscribe::subscribe(body, version)?),
            PacketType::Suback => Packet::Suback(subscribe::suback(body, version)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(subscribe::unsubscribe(body, version)?),
            PacketType::Unsuback => Packet::Unsuback(subscribe::unsuback(body, version)?),
            PacketType::Pingreq => Packet::Pingreq,
            PacketType::Pingresp => Packet::Pingresp,
            PacketType::Disconnect => Packet::Disconnect(acks::disconnect(body, version)?),
            PacketType::Auth => Packet::Auth(acks::auth(body)?),
        })
    }
}

/// The fixed header of a packet.
#[derive(Clone, Copy)]
struct Head {
    packet: PacketType,
    flags: u8,
    /// Whether the remaining length has more bytes than it needs.
    is_padded: bool,
}

fn check_flags(packet: PacketType, flags: u8) -> Result<(), Malformed> {
    let fixed = match packet {
        PacketType::Publish => return publish::check_flags(flags),
        PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
        _ => 0,
    };
    if flags == fixed { Ok(()) } else { Err(Malformed::Flags(packet)) }
}
