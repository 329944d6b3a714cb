//! File names of objects: from any key a path that stays inside its bucket, is nobody else's, and
//! can be read back.
//!
//! A segment that others follow is a directory with `.d` behind its name, so that `a` and `a/b`
//! can both be there. Control characters, `%`, and a full stop at the beginning are
//! percent-encoded, an empty segment is `%`, and a file's name that would end in `.d` ends in
//! `.%64`. A long segment is broken into directories that end in `%+`.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// Behind the name of a directory.
const DIRECTORY: &str = ".d";
/// Behind the part of a name that goes on inside.
const CONTINUED: &str = "%+";
/// What stands for an empty segment.
const EMPTY: &str = "%";
/// The longest part of a name; file systems take 255 bytes, and the suffix needs some.
const PART_BYTES_MAX: usize = 240;

/// What a name in a bucket's folder stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// What it adds to the key.
    pub(super) text: String,
    pub(super) is_directory: bool,
}

/// The path of an object, from the folder of its bucket.
pub(super) fn path_of(key: &str) -> PathBuf {
    components_of(key).into_iter().collect()
}

/// The names that lead to an object.
pub(super) fn components_of(key: &str) -> Vec<String> {
    let mut components = Vec::new();
    let mut segments = key.split('/').peekable();
    while let Some(segment) = segments.next() {
        push_segment(&mut components, segment, segments.peek().is_some());
    }
    components
}

/// The names of the directories that all keys with this prefix are in.
pub(super) fn folders_of(prefix: &str) -> Vec<String> {
    let mut components = Vec::new();
    if let Some((folders, _)) = prefix.rsplit_once('/') {
        folders.split('/').for_each(|segment| push_segment(&mut components, segment, true));
    }
    components
}

/// Reads a name back; `None` if no key has it.
pub(super) fn read(name: &str) -> Option<Name> {
    if let Some(part) = name.strip_suffix(CONTINUED) {
        return Some(Name { text: decoded(part)?, is_directory: true });
    }
    match name.strip_suffix(DIRECTORY) {
        Some(part) => Some(Name { text: decoded(part)? + "/", is_directory: true }),
        None => Some(Name { text: decoded(name)?, is_directory: false }),
    }
}

fn push_segment(components: &mut Vec<String>, segment: &str, is_directory: bool) {
    let mut part = String::new();
    for char in segment.chars() {
        let encoded = encoded(char, part.is_empty());
        if part.len() + encoded.len() > PART_BYTES_MAX {
            components.push(std::mem::take(&mut part) + CONTINUED);
            push_encoded(&mut part, char);
        } else {
            part.push_str(&encoded);
        }
    }
    if part.is_empty() {
        part.push_str(EMPTY);
    }
    if is_directory {
        part.push_str(DIRECTORY);
    } else if part.ends_with(DIRECTORY) {
        part.pop();
        part.push_str("%64");
    }
    components.push(part);
}

fn push_encoded(part: &mut String, char: char) {
    let encoded = encoded(char, part.is_empty());
    part.push_str(&encoded);
}

fn encoded(char: char, is_first: bool) -> String {
    match char {
        '%' | '\0'..='\x1f' | '\x7f' => format!("%{:02X}", u32::from(char)),
        '.' if is_first => "%2E".to_owned(),
        other => other.to_string(),
    }
}

fn decoded(part: &str) -> Option<String> {
    if part == EMPTY {
        return Some(String::new());
    }
    percent_decode_str(part).decode_utf8().ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(key: &str, expect: &str) {
        assert_eq!(path_of(key).to_str(), Some(expect), "{key:?}");
        assert_eq!(read_back(&components_of(key)).as_deref(), Some(key));
    }

    fn read_back(components: &[String]) -> Option<String> {
        let (last, folders) = components.split_last()?;
        let mut key = String::new();
        for folder in folders {
            let name = read(folder)?;
            assert!(name.is_directory);
            key.push_str(&name.text);
        }
        let name = read(last)?;
        assert!(!name.is_directory);
        Some(key + &name.text)
    }

    #[test]
    fn a_key_is_a_path_that_a_person_can_read() {
        check("report.json", "report.json");
        check("devices/d1/2026.json", "devices.d/d1.d/2026.json");
        check("größe/température 20°", "größe.d/température 20°");
    }

    #[test]
    fn no_key_leads_out_of_its_bucket() {
        check("../../etc/passwd", "%2E..d/%2E..d/etc.d/passwd");
        check("..", "%2E.");
        check(".", "%2E");
        check("/etc/passwd", "%.d/etc.d/passwd");
        check("a//b/", "a.d/%.d/b.d/%");
        check("\0", "%00");
        check("%2F%", "%252F%25");
    }

    #[test]
    fn an_object_and_those_below_it_are_both_there() {
        check("a", "a");
        check("a/b", "a.d/b");
        check("a.d", "a.%64");
        check("a.d/b", "a.d.d/b");
    }

    #[test]
    fn a_long_name_is_broken_into_parts_that_do_not_lead_up() {
        let key = format!("{}..", "n".repeat(PART_BYTES_MAX));
        check(&key, &format!("{}%+/%2E.", "n".repeat(PART_BYTES_MAX)));
        check(&"é".repeat(512), &format!("{}%+/", "é".repeat(120)).repeat(4).add("é".repeat(32)));
    }

    trait Add {
        fn add(self, more: String) -> String;
    }

    impl Add for String {
        fn add(self, more: String) -> String {
            self + &more
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn two_keys_never_share_a_path_and_each_is_read_back(
            left in "[./%da+\0é\u{1f}]{1,8}", right in "[./%da+\0é\u{1f}]{1,8}",
        ) {
            let (one, other) = (components_of(&left), components_of(&right));
            prop_assert_eq!(one == other, left == right);
            prop_assert_eq!(read_back(&one), Some(left));
            // A file is never where another key needs a directory.
            prop_assert!(!(one.len() < other.len() && other.starts_with(&one)));
            for name in one {
                prop_assert!(name.len() <= 255 && !name.contains(['/', '\0']));
                prop_assert!(!["", ".", ".."].contains(&name.as_str()));
            }
        }
    }
}
