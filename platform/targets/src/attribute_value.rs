//! DynamoDB's values. Their JSON is the one on the wire.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An item's attributes, or those of a key.
pub type Item = BTreeMap<String, AttributeValue>;

/// The keys of an item, first the partition key.
pub type ItemKey = Vec<(String, AttributeValue)>;

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Text.
    S(String),
    /// A number, as text.
    N(String),
    /// Bytes.
    B(Binary),
    /// A truth value.
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// Nothing. What it holds is always `true`.
    #[serde(rename = "NULL")]
    Null(bool),
    /// A list.
    L(Vec<Self>),
    /// A map.
    M(BTreeMap<String, Self>),
    /// A set of texts.
    #[serde(rename = "SS")]
    Ss(Vec<String>),
    /// A set of numbers.
    #[serde(rename = "NS")]
    Ns(Vec<String>),
    /// A set of bytes.
    #[serde(rename = "BS")]
    Bs(Vec<Binary>),
}

/// Bytes, which JSON has as base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary(pub Bytes);

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

impl AttributeValue {
    /// About how many bytes it counts for, as DynamoDB counts the size of items.
    pub(crate) fn bytes(&self) -> usize {
        let text = |texts: &[String]| texts.iter().map(String::len).sum();
        match self {
            Self::S(text) | Self::N(text) => text.len(),
            Self::B(bytes) => bytes.0.len(),
            Self::Bool(_) | Self::Null(_) => 1,
            Self::L(list) => 3 + list.iter().map(|value| 1 + value.bytes()).sum::<usize>(),
            Self::M(map) => 3 + map.len() + item_bytes(map),
            Self::Ss(texts) | Self::Ns(texts) => text(texts),
            Self::Bs(set) => set.iter().map(|bytes| bytes.0.len()).sum(),
        }
    }

    /// The numbers in it, wherever they are.
    pub(crate) fn numbers(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::N(number) => Box::new(std::iter::once(number.as_str())),
            Self::Ns(numbers) => Box::new(numbers.iter().map(String::as_str)),
            Self::L(list) => Box::new(list.iter().flat_map(Self::numbers)),
            Self::M(map) => Box::new(map.values().flat_map(Self::numbers)),
            _ => Box::new(std::iter::empty()),
        }
    }
}

/// About how many bytes an item counts for.
pub(crate) fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.bytes()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_that_of_the_wire() {
        let json = r#"{"a":{"S":"x"},"b":{"N":"1.5"},"c":{"B":"AAE="},"d":{"BOOL":true},"e":{"NULL":true},"f":{"L":[{"N":"1"}]},"g":{"M":{"h":{"S":""}}},"i":{"NS":["1","2"]}}"#;
        let item: Item = serde_json::from_str(json).unwrap();
        assert_eq!(item["c"], AttributeValue::B(Binary(Bytes::from_static(&[0, 1]))));
        assert_eq!(serde_json::to_string(&item).unwrap(), json);
        assert_eq!(
            item["f"].numbers().chain(item["i"].numbers()).collect::<Vec<_>>(),
            ["1", "1", "2"]
        );
        assert_eq!(item_bytes(&item), 8 + 1 + 3 + 2 + 1 + 1 + 5 + 5 + 2);
    }
}
