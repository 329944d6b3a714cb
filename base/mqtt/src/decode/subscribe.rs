//! SUBSCRIBE, UNSUBSCRIBE and their answers.

use super::reader::Reader;
use super::{codes, properties};
use crate::malformed::Malformed;
use crate::packet::{
    PacketType, QoS, RetainHandling, Suback, Subscribe, Subscription, SubscriptionOptions,
    Unsuback, Unsubscribe, Version,
};

const QOS: u8 = 0b0000_0011;
const NO_LOCAL: u8 = 0b0000_0100;
const RETAIN_AS_PUBLISHED: u8 = 0b0000_1000;
const RESERVED_V5: u8 = 0b1100_0000;

pub(super) fn subscribe(body: &mut Reader, version: Version) -> Result<Subscribe, Malformed> {
    let packet_id = body.packet_id()?;
    let properties = properties::subscribe(body, version)?;
    let mut subscriptions = Vec::new();
    while !body.is_empty() {
        subscriptions.push(subscription(body, version)?);
    }
    if subscriptions.is_empty() {
        return Err(Malformed::NoFilters(PacketType::Subscribe));
    }
    Ok(Subscribe { packet_id, properties, subscriptions })
}

fn subscription(body: &mut Reader, version: Version) -> Result<Subscription, Malformed> {
    let filter = body.string()?;
    let options = options(body.u8()?, version)?;
    if options.no_local && filter.starts_with("$share/") {
        return Err(Malformed::NoLocalOfShared);
    }
    Ok(Subscription { filter, options })
}

fn options(bits: u8, version: Version) -> Result<SubscriptionOptions, Malformed> {
    let reserved = match version {
        Version::V311 => !QOS,
        Version::V5 => RESERVED_V5,
    };
    if bits & reserved != 0 {
        return Err(Malformed::SubscriptionReservedBits);
    }
    Ok(SubscriptionOptions {
        qos: QoS::from_bits(bits).ok_or(Malformed::SubscriptionQos3)?,
        no_local: bits & NO_LOCAL != 0,
        retain_as_published: bits & RETAIN_AS_PUBLISHED != 0,
        retain_handling: match (bits >> 4) & 0b11 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Malformed::RetainHandling3),
        },
    })
}

pub(super) fn unsubscribe(body: &mut Reader, version: Version) -> Result<Unsubscribe, Malformed> {
    let packet_id = body.packet_id()?;
    let user_properties = properties::user(body, version)?;
    let mut filters = Vec::new();
    while !body.is_empty() {
        filters.push(body.string()?);
    }
    if filters.is_empty() {
        return Err(Malformed::NoFilters(PacketType::Unsubscribe));
    }
    Ok(Unsubscribe { packet_id, user_properties, filters })
}

pub(super) fn suback(body: &mut Reader, version: Version) -> Result<Suback, Malformed> {
    let packet_id = body.packet_id()?;
    let properties = properties::ack(body, version)?;
    let codes = codes(PacketType::Suback, body, version)?;
    Ok(Suback { packet_id, properties, codes })
}

pub(super) fn unsuback(body: &mut Reader, version: Version) -> Result<Unsuback, Malformed> {
    let packet_id = body.packet_id()?;
    if version == Version::V311 {
        return Ok(Unsuback { packet_id, properties: None, codes: Vec::new() });
    }
    let properties = properties::ack(body, version)?;
    let codes = codes(PacketType::Unsuback, body, version)?;
    Ok(Unsuback { packet_id, properties, codes })
}

fn codes(packet: PacketType, body: &mut Reader, version: Version) -> Result<Vec<u8>, Malformed> {
    let codes = body.take_rest();
    if codes.is_empty() {
        return Err(Malformed::NoCodes(packet));
    }
    for code in &codes {
        codes::check(packet, *code, version)?;
    }
    Ok(codes.to_vec())
}
