//! CONNECT and CONNACK.

use super::reader::Reader;
use super::{codes, properties};
use crate::malformed::Malformed;
use crate::packet::{Connack, Connect, PacketType, QoS, Version, Will};

const RESERVED: u8 = 0b0000_0001;
const CLEAN: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS: u8 = 0b0001_1000;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;

pub(super) fn connect(body: &mut Reader) -> Result<Connect, Malformed> {
    let version = protocol(body)?;
    let flags = body.u8()?;
    check_flags(flags, version)?;
    let keep_alive_s = body.u16()?;
    let properties = properties::connect(body, version)?;
    let client_id = body.string()?;
    let has = |flag| flags & flag != 0;
    let will = if has(WILL) { Some(will(flags, body, version)?) } else { None };
    let user_name = if has(USER_NAME) { Some(body.string()?) } else { None };
    let password = if has(PASSWORD) { Some(body.binary()?) } else { None };
    let clean = has(CLEAN);
    Ok(Connect { version, clean, keep_alive_s, client_id, will, user_name, password, properties })
}

fn protocol(body: &mut Reader) -> Result<Version, Malformed> {
    let name = body.binary()?;
    match (name.as_ref(), body.u8()?) {
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        (_, level) => Err(Malformed::UnsupportedProtocol { level }),
    }
}

fn check_flags(flags: u8, version: Version) -> Result<(), Malformed> {
    if flags & RESERVED != 0 {
        return Err(Malformed::ConnectReservedFlag);
    }
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
        return Err(Malformed::FlagsWithoutWill);
    }
    if flags & WILL_QOS == WILL_QOS {
        return Err(Malformed::WillQos3);
    }
    if version == Version::V311 && flags & (USER_NAME | PASSWORD) == PASSWORD {
        return Err(Malformed::PasswordWithoutUserName);
    }
    Ok(())
}

fn will(flags: u8, body: &mut Reader, version: Version) -> Result<Will, Malformed> {
    let (delay_s, properties) = properties::will(body, version)?;
    let topic = body.topic(Malformed::TopicWildcard)?;
    if topic.is_empty() {
        return Err(Malformed::TopicEmpty);
    }
    Ok(Will {
        topic,
        payload: body.binary()?,
        qos: QoS::from_bits(flags >> 3).ok_or(Malformed::WillQos3)?,
        retain: flags & WILL_RETAIN != 0,
        delay_s,
        properties,
    })
}

pub(super) fn connack(body: &mut Reader, version: Version) -> Result<Connack, Malformed> {
    let (flags, code) = (body.u8()?, body.u8()?);
    if flags > 1 {
        return Err(Malformed::ConnackReservedFlags);
    }
    codes::check(PacketType::Connack, code, version)?;
    let session_present = flags == 1;
    if session_present && code != 0 {
        return Err(Malformed::SessionOfRefused);
    }
    Ok(Connack { session_present, code, properties: properties::connack(body, version)? })
}
