//! PUBACK, PUBREC, PUBREL and PUBCOMP; DISCONNECT and AUTH, which are shortened likewise.

use super::reader::Reader;
use super::{codes, properties};
use crate::malformed::Malformed;
use crate::packet::{Ack, Auth, Disconnect, PacketType, Version};
use crate::reason;

/// The code, and from 4 bytes on the properties, may be missing (3.4.2.1).
pub(super) fn ack(
    packet: PacketType,
    body: &mut Reader,
    version: Version,
) -> Result<Ack, Malformed> {
    let packet_id = body.packet_id()?;
    if version == Version::V311 || body.is_empty() {
        return Ok(Ack { packet_id, code: reason::SUCCESS, properties: None });
    }
    let code = body.u8()?;
    codes::check(packet, code, version)?;
    let properties = if body.is_empty() { None } else { properties::ack(body, version)? };
    Ok(Ack { packet_id, code, properties })
}

/// The code, and from 2 bytes on the properties, may be missing (3.14.2.1).
pub(super) fn disconnect(body: &mut Reader, version: Version) -> Result<Disconnect, Malformed> {
    if version == Version::V311 || body.is_empty() {
        return Ok(Disconnect::default());
    }
    let code = body.u8()?;
    codes::check(PacketType::Disconnect, code, version)?;
    let properties =
        if body.is_empty() { Default::default() } else { properties::disconnect(body)? };
    Ok(Disconnect { code, properties })
}

/// The code and the properties may be missing together (3.15.2.1).
pub(super) fn auth(body: &mut Reader) -> Result<Auth, Malformed> {
    if body.is_empty() {
        return Ok(Auth::default());
    }
    let code = body.u8()?;
    codes::check(PacketType::Auth, code, Version::V5)?;
    let properties = properties::auth(body)?;
    if properties.authentication_method.is_none() {
        return Err(Malformed::AuthenticationMethodMissing);
    }
    Ok(Auth { code, properties })
}
