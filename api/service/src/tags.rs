//! Tags of resources: what a request may give, and the record that keeps a resource's.
//!
//! Whoever creates a resource writes its tags into the same batch, and whoever removes it removes
//! them. The operations on tags belong to one feature; another one's resources join in by
//! [`Taggable`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use model::iot::Tag;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use store::{Batch, Key};
use types::Tenant;

use crate::{ApiError, Cx, Limits, encode, kinds};

/// The format of the records of tags.
const FORMAT: u32 = 1;
/// What keys of clients may not begin with, in any case.
const RESERVED_PREFIX: &str = "aws:";
/// Characters of a key and of a value; models say it of lists of tags, and not of a header.
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// The tags of a resource. A resource without any has no such record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tags {
    v: u32,
    /// Keys and values.
    pub tags: BTreeMap<String, String>,
}

impl Tags {
    /// These tags.
    pub fn new(tags: BTreeMap<String, String>) -> Self {
        Self { v: FORMAT, tags }
    }
}

/// Where the tags of the resource `arn` lie.
pub fn key(cx: &Cx, arn: &str) -> Key {
    cx.key(kinds::TAGS).text(arn)
}

/// Gives a resource that the same batch creates its tags.
pub fn create(cx: &Cx, batch: &mut Batch, arn: &str, tags: &BTreeMap<String, String>) {
    if !tags.is_empty() {
        batch.put(key(cx, arn), encode(&Tags::new(tags.clone())));
    }
}

/// Removes the tags of a resource that the same batch removes.
pub fn delete(cx: &Cx, batch: &mut Batch, arn: &str) {
    batch.delete(key(cx, arn));
}

/// The tags that a create operation was given.
pub fn of_new_resource(
    given: Option<Vec<Tag>>,
    limits: &Limits,
) -> Result<BTreeMap<String, String>, ApiError> {
    let tags = checked(given.unwrap_or_default())?;
    if tags.len() > limits.tags_max {
        return Err(ApiError::invalid(too_many(limits.tags_max)));
    }
    Ok(tags)
}

/// The tags that a header has, in the form of a query: `site=north&stage=test`.
pub fn of_header(text: &str) -> Result<Vec<Tag>, ApiError> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(of_pair).collect()
}

fn of_pair(pair: &str) -> Result<Tag, ApiError> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let (key, value) = (decoded(key)?, decoded(value)?);
    let is_tag = (1..=KEY_CHARS_MAX).contains(&key.chars().count())
        && value.chars().count() <= VALUE_CHARS_MAX
        && key.chars().all(may_be_in_key);
    if !is_tag {
        return Err(ApiError::invalid(format!("{pair} is not a tag.")));
    }
    Ok(Tag { key, value: Some(value) })
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().map(Cow::into_owned);
    decoded.map_err(|_| ApiError::invalid("Tags are not UTF-8."))
}

/// Letters, numbers, separators, and what AWS lists beside them.
fn may_be_in_key(character: char) -> bool {
    let is_separator = character.is_whitespace() && !character.is_control();
    character.is_alphanumeric() || is_separator || "_.:/=+-@".contains(character)
}

/// The given tags by key. A key that is reserved or comes twice is refused.
pub fn checked(given: Vec<Tag>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for Tag { key, value } in given {
        if key.to_ascii_lowercase().starts_with(RESERVED_PREFIX) {
            return Err(ApiError::invalid(format!(
                "The tag key {key} is reserved: keys cannot begin with {RESERVED_PREFIX}"
            )));
        }
        if tags.contains_key(&key) {
            return Err(ApiError::invalid(format!("The tag key {key} is given more than once.")));
        }
        tags.insert(key, value.unwrap_or_default());
    }
    Ok(tags)
}

/// What a client is told that gives a resource more than `max` tags.
pub fn too_many(max: usize) -> String {
    format!("A resource can have at most {max} tags.")
}

/// Where the resource of a name lies: while there is a record, there is the resource.
pub type RecordOf = fn(&Tenant, &str) -> Key;

/// Resources that carry tags, of other features than the one that serves the operations on tags: by
/// what their ARNs say before the `/`.
#[derive(Default)]
pub struct Taggable(RwLock<BTreeMap<&'static str, RecordOf>>);

impl Taggable {
    /// Resources of this kind carry tags.
    pub fn add(&self, kind: &'static str, record: RecordOf) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(kind, record);
    }

    /// Where resources of this kind lie, if they carry tags.
    pub fn find(&self, kind: &str) -> Option<RecordOf> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(kind).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str) -> Tag {
        Tag { key: key.to_owned(), value: None }
    }

    #[test]
    fn a_key_is_given_once_and_is_not_reserved() {
        assert_eq!(checked(vec![tag("a"), tag("b")]).unwrap().len(), 2);
        for refused in [vec![tag("a"), tag("a")], vec![tag("aws:a")], vec![tag("AWS:a")]] {
            assert_eq!(checked(refused).unwrap_err().code, ApiError::INVALID);
        }
    }

    #[test]
    fn a_new_resource_has_a_bounded_number_of_tags() {
        let limits = Limits { tags_max: 1, ..Limits::default() };
        assert!(of_new_resource(Some(vec![tag("a")]), &limits).is_ok());
        assert!(of_new_resource(Some(vec![tag("a"), tag("b")]), &limits).is_err());
        assert!(of_new_resource(None, &limits).unwrap().is_empty());
    }

    #[test]
    fn a_header_has_tags_as_a_query_has_parameters() {
        let read = |text| {
            let tags = of_header(text).map_err(|error| error.code)?;
            let pair = |tag: Tag| format!("{}={}", tag.key, tag.value.unwrap_or_default());
            Ok(tags.into_iter().map(pair).collect::<Vec<_>>())
        };
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(
            read("site=north+side&a%2Bb=%C3%A9%3D&c"),
            Ok(vec!["site=north side".to_owned(), "a+b=é=".to_owned(), "c=".to_owned(),])
        );
        let long = format!("{}=a", "k".repeat(129));
        for wrong in ["=a", "a=%ff", "%00=a", "<=a", &long] {
            assert_eq!(read(wrong), Err(ApiError::INVALID), "{wrong}");
        }
    }
}
