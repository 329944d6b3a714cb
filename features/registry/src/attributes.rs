//! Attributes of things and thing groups: how an update changes them, and how many there may be.

use std::collections::BTreeMap;

use model::iot::AttributePayload;
use service::Limits;

/// Names and values.
pub(crate) type Attributes = BTreeMap<String, String>;

/// Why attributes are refused, in words for the client.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AttributesRefused {
    /// More than a thing without a type may have.
    #[error(
        "A thing without a thing type can have at most {max} attributes, not {found}. \
         Give it a thing type to have more."
    )]
    CountWithoutType {
        /// The bound.
        max: usize,
        /// What there would be.
        found: usize,
    },
    /// More than anything may have.
    #[error("There can be at most {max} attributes, not {found}.")]
    Count {
        /// The bound.
        max: usize,
        /// What there would be.
        found: usize,
    },
    /// Too long together.
    #[error("Attributes can have at most {max} bytes in all, not {found}.")]
    Size {
        /// The bound.
        max: usize,
        /// What there would be.
        found: usize,
    },
}

/// What is left after `payload` was applied to `current`: a merge keeps the names that it does
/// not mention, everything else replaces all. An empty value removes its name.
pub(crate) fn updated(current: &Attributes, payload: &AttributePayload) -> Attributes {
    let mut result = if payload.merge == Some(true) { current.clone() } else { Attributes::new() };
    for (name, value) in payload.attributes.iter().flatten() {
        if value.is_empty() {
            result.remove(name);
        } else {
            result.insert(name.clone(), value.clone());
        }
    }
    result
}

/// Whether there may be such `attributes`. A group has as many as a thing with a type.
pub(crate) fn check(
    attributes: &Attributes,
    has_type: bool,
    limits: &Limits,
) -> Result<(), AttributesRefused> {
    let found = attributes.len();
    let max = limits.attributes_without_type_max;
    if !has_type && found > max {
        return Err(AttributesRefused::CountWithoutType { max, found });
    }
    let max = limits.attributes_max;
    if found > max {
        return Err(AttributesRefused::Count { max, found });
    }
    let max = limits.attributes_bytes_max;
    let found = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    if found > max { Err(AttributesRefused::Size { max, found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn numbered(count: usize) -> Attributes {
        (0..count).map(|n| (format!("a{n}"), "1".to_owned())).collect()
    }

    #[test]
    fn an_update_replaces_or_merges_and_an_empty_value_removes() {
        let current = [("a", "1"), ("b", "2")];
        let check = |merge, given: &[(&str, &str)], expected: &[(&str, &str)]| {
            let payload = AttributePayload { attributes: Some(attributes(given)), merge };
            let result = updated(&attributes(&current), &payload);
            assert_eq!(result, attributes(expected), "merge {merge:?} of {given:?}");
        };
        check(None, &[("c", "3")], &[("c", "3")]);
        check(Some(false), &[("a", "9"), ("b", "")], &[("a", "9")]);
        check(None, &[], &[]);
        check(Some(true), &[("b", "9"), ("c", "3")], &[("a", "1"), ("b", "9"), ("c", "3")]);
        check(Some(true), &[("a", ""), ("z", "")], &[("b", "2")]);
        check(Some(true), &[], &current);
    }

    #[test]
    fn a_thing_without_a_type_has_fewer_attributes() {
        let limits = Limits::default();
        assert_eq!(check(&numbered(3), false, &limits), Ok(()));
        let refused = AttributesRefused::CountWithoutType { max: 3, found: 4 };
        assert_eq!(check(&numbered(4), false, &limits), Err(refused));
        assert_eq!(check(&numbered(50), true, &limits), Ok(()));
        let refused = AttributesRefused::Count { max: 50, found: 51 };
        assert_eq!(check(&numbered(51), true, &limits), Err(refused));
    }

    #[test]
    fn attributes_have_a_size_together() {
        let limits = Limits { attributes_bytes_max: 5, ..Limits::default() };
        assert_eq!(check(&attributes(&[("ab", "cde")]), true, &limits), Ok(()));
        let refused = AttributesRefused::Size { max: 5, found: 6 };
        assert_eq!(check(&attributes(&[("ab", "cdef")]), true, &limits), Err(refused));
    }
}
