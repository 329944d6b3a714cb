//! Which codes each packet may carry.

use crate::malformed::Malformed;
use crate::packet::{PacketType, Version};

/// Refuses a code that is none of the packet's.
pub(super) fn check(packet: PacketType, code: u8, version: Version) -> Result<(), Malformed> {
    let is_known = match version {
        Version::V311 => is_v311(packet, code),
        Version::V5 => is_v5(packet, code),
    };
    if is_known { Ok(()) } else { Err(Malformed::Code { packet, code }) }
}

fn is_v311(packet: PacketType, code: u8) -> bool {
    match packet {
        PacketType::Connack => code <= 5,
        PacketType::Suback => matches!(code, 0..=2 | 0x80),
        _ => false,
    }
}

fn is_v5(packet: PacketType, code: u8) -> bool {
    match packet {
        PacketType::Connack => matches!(
            code,
            0 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F
        ),
        PacketType::Puback | PacketType::Pubrec => {
            matches!(code, 0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
        }
        PacketType::Pubrel | PacketType::Pubcomp => matches!(code, 0 | 0x92),
        PacketType::Suback => {
            matches!(code, 0..=2 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2)
        }
        PacketType::Unsuback => matches!(code, 0 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
        PacketType::Disconnect => matches!(
            code,
            0 | 4 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B..=0x90 | 0x93..=0xA2
        ),
        PacketType::Auth => matches!(code, 0 | 0x18 | 0x19),
        _ => false,
    }
}
