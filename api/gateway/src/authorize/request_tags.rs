//! What policies may ask of the tags in a request: `aws:TagKeys` and `aws:RequestTag/KEY`.

use std::borrow::Cow;

use serde_json::Value;
use service::tags;

const TAG_KEYS: &str = "aws:tagkeys";
const REQUEST_TAG: &str = "aws:requesttag/";

/// The values of a key, given in small letters; `None` for other keys, and where the request has
/// no such tag.
pub(super) fn values<'i>(input: &'i Value, key: &str) -> Option<Vec<Cow<'i, str>>> {
    let found: Vec<Cow<'i, str>> = if key == TAG_KEYS {
        given(input).map(|(tag, _)| tag).chain(to_be_removed(input).map(Cow::from)).collect()
    } else {
        let wanted = key.strip_prefix(REQUEST_TAG)?;
        let tags = given(input).filter(|(tag, _)| tag.to_ascii_lowercase() == wanted);
        tags.map(|(_, value)| value).collect()
    };
    (!found.is_empty()).then_some(found)
}

/// Keys and values of the tags that the request wants to set. Services write them differently; what
/// a header has that cannot be read is refused by the operation.
fn given(input: &Value) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let tags = member(input, "tags", "Tags");
    let header = tags.and_then(Value::as_str).unwrap_or_default();
    let of_header = tags::of_header(header).unwrap_or_default().into_iter();
    let of_header =
        of_header.map(|tag| (Cow::from(tag.key), Cow::from(tag.value.unwrap_or_default())));
    let of_list = tags.and_then(Value::as_array).into_iter().flatten().filter_map(|tag| {
        let value = member(tag, "value", "Value").and_then(Value::as_str);
        Some((member(tag, "key", "Key")?.as_str()?, value.unwrap_or_default()))
    });
    let of_map = tags.and_then(Value::as_object).into_iter().flatten();
    let of_map = of_map.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    let written = of_list.chain(of_map).map(|(key, value)| (Cow::from(key), Cow::from(value)));
    written.chain(of_header)
}

/// Keys of the tags that the request wants to remove.
fn to_be_removed(input: &Value) -> impl Iterator<Item = &str> {
    let keys = member(input, "tagKeys", "TagKeys");
    keys.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn member<'i>(input: &'i Value, name: &str, other: &str) -> Option<&'i Value> {
    input.get(name).or_else(|| input.get(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(input: &Value, key: &str, expect: &[&str]) {
        let found = values(input, key);
        let expect = (!expect.is_empty()).then_some(expect);
        let found: Option<Vec<&str>> =
            found.as_ref().map(|values| values.iter().map(|value| &**value).collect());
        assert_eq!(found.as_deref(), expect, "{key} of {input}");
    }

    #[test]
    fn the_tags_to_be_set_are_known_in_each_form() {
        for input in [
            json!({"tags": [{"Key": "Site", "Value": "north"}, {"Key": "b"}]}),
            json!({"Tags": [{"Key": "Site", "Value": "north"}, {"Key": "b", "Value": ""}]}),
            json!({"tags": [{"key": "Site", "value": "north"}, {"key": "b", "value": ""}]}),
            json!({"tags": {"Site": "north", "b": ""}}),
            json!({"tags": "Site=north&b"}),
        ] {
            check(&input, "aws:tagkeys", &["Site", "b"]);
            check(&input, "aws:requesttag/site", &["north"]);
            check(&input, "aws:requesttag/b", &[""]);
            check(&input, "aws:requesttag/c", &[]);
        }
    }

    #[test]
    fn the_tags_to_be_removed_have_keys_alone() {
        let input = json!({"resourceArn": "arn", "tagKeys": ["a", "b"]});
        check(&input, "aws:tagkeys", &["a", "b"]);
        check(&input, "aws:requesttag/a", &[]);
    }

    #[test]
    fn a_request_without_tags_has_no_such_keys() {
        for input in [json!({}), json!({"tags": []}), json!({"tags": "%ff=a"})] {
            check(&input, "aws:tagkeys", &[]);
            check(&input, "aws:requesttag/a", &[]);
            check(&input, "aws:sourceip", &[]);
        }
    }
}
