//! How the value of a setting is read: a typed one from TOML, text from everywhere else.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use doors::Network;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use types::Region;

/// What a door that stays shut is set to.
const OFF: &str = "off";

pub(super) fn region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Region, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

pub(super) fn text_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

pub(super) fn path_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    Ok(text_or_none(deserializer)?.map(PathBuf::from))
}

/// `address:port`, or `off`.
pub(super) fn door<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == OFF {
        return Ok(None);
    }
    let wrong = |_| D::Error::custom(format!("`{text}` is neither address:port nor {OFF}"));
    text.parse().map(Some).map_err(wrong)
}

pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    typed(deserializer)
}

pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    typed(deserializer)
}

pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    typed(deserializer)
}

/// A number or a text, as text.
pub(super) fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Number(i64),
        Text(String),
    }
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => text.trim().to_owned(),
    })
}

/// Names for a certificate.
pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer)?.into_iter().map(host_name).collect()
}

/// Addresses and networks.
pub(super) fn networks<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Network>, D::Error> {
    list(deserializer)?.iter().map(|text| parse(text)).collect()
}

/// A list, or its members in one text with commas between them.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Members {
        List(Vec<String>),
        Text(String),
    }
    let members = match Members::deserialize(deserializer)? {
        Members::List(members) => members,
        Members::Text(text) => text.split(',').map(|member| member.trim().to_owned()).collect(),
    };
    Ok(members.into_iter().filter(|member| !member.is_empty()).collect())
}

/// A host name or an address: what a certificate can name.
fn host_name<E: serde::de::Error>(name: String) -> Result<String, E> {
    let is_of_a_name = |b: u8| b.is_ascii_alphanumeric() || b".-:*_".contains(&b);
    if name.bytes().all(is_of_a_name) {
        Ok(name)
    } else {
        Err(E::custom(format!("`{name}` is no host name or address")))
    }
}

fn typed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value<T> {
        Typed(T),
        Text(String),
    }
    match Value::deserialize(deserializer)? {
        Value::Typed(value) => Ok(value),
        Value::Text(text) => parse(text.trim()),
    }
}

fn parse<T: FromStr<Err: Display>, E: serde::de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(E::custom)
}
