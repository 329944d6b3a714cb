//! Topic names and filters, against tables and against the obvious matcher.

use bytestring::ByteString;
use mqtt::{HashMatch, InvalidFilter, InvalidTopic, TopicFilter, TopicName, slashes};
use proptest::prelude::*;

fn filter(text: &str) -> Result<TopicFilter, InvalidFilter> {
    TopicFilter::parse(text.into())
}

#[test]
fn a_topic_name_is_any_text_without_wildcards() {
    for name in ["/", "a", " ", "a//b/", "$aws/things", "ü", "\u{feff}"] {
        let parsed = TopicName::parse(name.into()).unwrap();
        assert_eq!((parsed.as_str(), parsed.to_string()), (name, name.to_owned()));
        assert_eq!(parsed.into_inner(), name);
    }
    for (name, invalid) in [
        ("", InvalidTopic::Empty),           // [MQTT-4.7.3-1]
        ("a/+", InvalidTopic::Wildcard),     // [MQTT-4.7.1-1]
        ("a#", InvalidTopic::Wildcard),      // [MQTT-4.7.1-1]
        ("\0", InvalidTopic::NullCharacter), // [MQTT-4.7.3-2]
    ] {
        assert_eq!(TopicName::parse(name.into()), Err(invalid));
    }
}

#[test]
fn names_and_filters_have_at_most_65535_bytes() {
    // [MQTT-4.7.3-3].
    let (longest, longer) = ("a".repeat(65_535), "a".repeat(65_536));
    assert!(TopicName::parse(longest.as_str().into()).is_ok());
    assert_eq!(TopicName::parse(longer.as_str().into()), Err(InvalidTopic::TooLong));
    assert!(filter(&longest).is_ok());
    assert_eq!(filter(&longer), Err(InvalidFilter::TooLong));
}

#[test]
fn levels_stand_between_slashes() {
    let name = TopicName::parse("/a//b".into()).unwrap();
    assert_eq!(name.levels().collect::<Vec<_>>(), ["", "a", "", "b"]);
    assert_eq!(slashes(name.as_str()), 3);
    let filter = filter("$share/s/+/a/#").unwrap();
    assert_eq!(filter.levels().collect::<Vec<_>>(), ["+", "a", "#"]);
}

#[test]
fn wildcards_are_whole_levels() {
    // The examples of 4.7.1.2 and 4.7.1.3.
    for (text, has_wildcards) in [
        ("#", true),
        ("+", true),
        ("sport/tennis/#", true),
        ("+/tennis/#", true),
        ("sport/+/player1", true),
        ("/+", true),
        ("sport/tennis", false),
        ("/", false),
        ("$share", false),
        ("$shares/a", false),
    ] {
        let parsed = filter(text).unwrap();
        assert_eq!(parsed.has_wildcards(), has_wildcards, "{text}");
        assert_eq!((parsed.as_str(), parsed.filter(), parsed.share()), (text, text, None));
    }
    for (text, invalid) in [
        ("", InvalidFilter::Empty),                           // [MQTT-4.7.3-1]
        ("a\0", InvalidFilter::NullCharacter),                // [MQTT-4.7.3-2]
        ("sport/tennis#", InvalidFilter::MultiLevelWildcard), // [MQTT-4.7.1-1]
        ("sport/tennis/#/ranking", InvalidFilter::MultiLevelWildcard),
        ("##", InvalidFilter::MultiLevelWildcard),
        ("sport+", InvalidFilter::SingleLevelWildcard), // [MQTT-4.7.1-2]
        ("++", InvalidFilter::SingleLevelWildcard),
    ] {
        assert_eq!(filter(text), Err(invalid), "{text}");
    }
}

#[test]
fn a_shared_filter_is_split_from_its_share() {
    for (text, share, inner) in [
        ("$share/consumer1/sport/tennis/+", "consumer1", "sport/tennis/+"),
        ("$share/s//finance", "s", "/finance"),
        ("$share/s//", "s", "/"),
        ("$share/s/$share/t/a", "s", "$share/t/a"),
    ] {
        let parsed = filter(text).unwrap();
        let parts = (parsed.share(), parsed.filter(), parsed.to_string());
        assert_eq!(parts, (Some(share), inner, text.to_owned()));
    }
    for (text, invalid) in [
        ("$share/", InvalidFilter::ShareName),     // [MQTT-4.8.2-1]
        ("$share//a", InvalidFilter::ShareName),   // [MQTT-4.8.2-1]
        ("$share/+/a", InvalidFilter::ShareName),  // [MQTT-4.8.2-2]
        ("$share/s#/a", InvalidFilter::ShareName), // [MQTT-4.8.2-2]
        ("$share/s", InvalidFilter::ShareWithoutFilter), // [MQTT-4.8.2-2]
        ("$share/s/", InvalidFilter::ShareWithoutFilter),
        ("$share/s/a#", InvalidFilter::MultiLevelWildcard),
    ] {
        assert_eq!(filter(text), Err(invalid), "{text}");
    }
}

#[test]
fn filters_are_equal_if_their_texts_are() {
    use std::collections::HashSet;
    let filters: HashSet<_> =
        ["a", "$share/s/a", "a"].into_iter().map(|text| filter(text).unwrap()).collect();
    assert_eq!(filters.len(), 2);
}

#[test]
fn filters_match_as_the_standard_tells() {
    // The examples of 4.7.1.2, 4.7.1.3, 4.7.2 and 4.7.3.
    for (text, topic, matches) in [
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/tennis/player1/#", "sport/tennis/player10", false),
        ("#", "a/b", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/x", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/x", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("ACCOUNTS", "Accounts", false),
        ("/finance", "finance", false),
        ("$share/s/+/b", "a/b", true),
        ("$share/s/#", "$share/s/a", false),
    ] {
        for hash in [HashMatch::ChildrenOnly, HashMatch::ParentToo] {
            assert_eq!(filter(text).unwrap().matches(topic, hash), matches, "{text} {topic}");
        }
    }
}

#[test]
fn filters_overlap_if_some_topic_matches_both() {
    for (one, two, overlaps) in [
        ("a/b", "a/b", true),
        ("a/b", "a/+", true),
        ("+/b", "a/+", true),
        ("a/#", "a/+/c", true),
        ("a/#", "a", true),
        ("a/b/c", "a/#", true),
        ("$share/s/a/+", "a/b", true),
        ("a/b", "a/c", false),
        ("a/+", "a/b/c", false),
        ("a/+", "a", false),
        ("+/b", "a/c", false),
    ] {
        assert_eq!(filter(one).unwrap().overlaps(two), overlaps, "{one} {two}");
        if !one.starts_with('$') {
            assert_eq!(filter(two).unwrap().overlaps(one), overlaps, "{two} {one}");
        }
    }
}

/// 4.7.1.2 says `sport/#` also matches `sport`; AWS does not do so.
#[test]
fn whether_a_hash_matches_the_level_above_is_for_the_caller_to_say() {
    for (text, topic) in [("sport/#", "sport"), ("+/#", "a"), ("a/+/#", "a/b")] {
        let filter = filter(text).unwrap();
        assert!(filter.matches(topic, HashMatch::ParentToo));
        assert!(!filter.matches(topic, HashMatch::ChildrenOnly));
        assert!(filter.matches(&format!("{topic}/"), HashMatch::ChildrenOnly));
    }
}

/// A filter's meaning, as one would explain it.
fn is_match(filter: &[&str], topic: &[&str], hash: HashMatch) -> bool {
    match (filter, topic) {
        (["#"], []) => hash == HashMatch::ParentToo,
        (["#"], _) | ([], []) => true,
        ([level, filter @ ..], [name, topic @ ..]) => {
            (*level == "+" || level == name) && is_match(filter, topic, hash)
        }
        _ => false,
    }
}

/// A filter's form, as one would explain it.
fn is_valid(levels: &[&str]) -> bool {
    let wildcard = |level: &str| level.contains(['+', '#']);
    let is_empty = levels == [""];
    !is_empty
        && levels.iter().enumerate().all(|(i, level)| {
            !wildcard(level) || *level == "+" || (*level == "#" && i + 1 == levels.len())
        })
}

fn levels(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(of), 1..5)
}

proptest! {
    #[test]
    fn filters_match_as_the_obvious_matcher(
        filter in levels(&["", "a", "b", "$a", "+", "+", "#", "a+", "#b"]),
        topic in levels(&["", "a", "b", "$a"]),
        share in any::<bool>(),
        parent_too in any::<bool>(),
    ) {
        let hash = if parent_too { HashMatch::ParentToo } else { HashMatch::ChildrenOnly };
        let (text, name) = (filter.join("/"), topic.join("/"));
        let text = if share { format!("$share/s/{text}") } else { text };
        let parsed = TopicFilter::parse(ByteString::from(text));
        prop_assert_eq!(parsed.is_ok(), is_valid(&filter));
        let Ok(parsed) = parsed else { return Ok(()) };
        let hidden = name.starts_with('$') && ["+", "#"].contains(&filter[0]);
        let expected = !hidden && is_match(&filter, &topic, hash);
        prop_assert_eq!(parsed.matches(&name, hash), expected);
        let has_wildcards = filter.iter().any(|level| ["+", "#"].contains(level));
        prop_assert_eq!(parsed.has_wildcards(), has_wildcards);
    }
}
