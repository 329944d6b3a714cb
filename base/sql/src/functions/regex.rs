//! Regular expressions as Java writes them, run in linear time. Look-around, back-references,
//! possessive and atomic parts have no such run: a pattern with them is none.

use std::rc::Rc;

use ::regex::{Captures, Regex, RegexBuilder};

use super::recent::Recent;
use crate::evaluate::RESULT_BYTES_MAX;

/// Patterns that a thread keeps compiled.
const KEPT_MAX: usize = 64;
/// Bytes of a compiled pattern, and of what it needs to run.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

thread_local! {
    // A regex that is cloned loses the memory that it runs in.
    static COMPILED: Recent<Option<Rc<Regex>>> = const { Recent::of(KEPT_MAX) };
}

/// The expression that `pattern` writes, if it is one.
pub(super) fn named(pattern: &str) -> Option<Rc<Regex>> {
    let make = || compile(pattern).map(Rc::new);
    COMPILED.with(|compiled| compiled.get_or_make(pattern.as_bytes(), make))
}

/// The text with `replacement` in every place that matches, `$1` and `${name}` in it being what
/// groups have; none where Java throws. What becomes too long breaks off beyond the limit, where the
/// evaluation refuses it.
pub(super) fn replace(text: &str, pattern: &str, replacement: &str) -> Option<String> {
    let regex = named(pattern)?;
    let parts = parts(replacement, &regex)?;
    let (mut replaced, mut copied, mut at) = (String::with_capacity(text.len()), 0, 0);
    while at <= text.len() && replaced.len() <= RESULT_BYTES_MAX {
        let Some(captures) = regex.captures_at(text, at) else { break };
        let found = captures.get_match();
        replaced.push_str(text.get(copied..found.start())?);
        fill(&parts, &captures, &mut replaced);
        copied = found.end();
        // Java goes on behind a match, where an empty one may follow it.
        at = if found.is_empty() { after_character(text, copied) } else { copied };
    }
    replaced.push_str(text.get(copied..)?);
    Some(replaced)
}

fn after_character(text: &str, at: usize) -> usize {
    let next = text.get(at..).and_then(|rest| rest.chars().next());
    at + next.map_or(1, char::len_utf8)
}

/// What a replacement is made of.
enum Part {
    Text(String),
    Group(usize),
}

fn fill(parts: &[Part], captures: &Captures<'_>, text: &mut String) {
    for part in parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Group(group) => {
                text.push_str(captures.get(*group).map_or("", |found| found.as_str()));
            }
        }
    }
}

fn parts(replacement: &str, regex: &Regex) -> Option<Vec<Part>> {
    let (mut parts, mut plain) = (Vec::new(), String::new());
    let mut rest = replacement.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => plain.push(rest.next()?),
            '$' => {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                let (group, after) = group(rest.as_str(), regex)?;
                parts.push(Part::Group(group));
                rest = after.chars();
            }
            other => plain.push(other),
        }
    }
    parts.push(Part::Text(plain));
    Some(parts)
}

/// The group that a text behind `$` begins with, and what follows: a name in braces, or as many
/// digits as make the number of a group.
fn group<'t>(text: &'t str, regex: &Regex) -> Option<(usize, &'t str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, rest) = braced.split_once('}')?;
        let group = regex.capture_names().position(|other| other == Some(name))?;
        return Some((group, rest));
    }
    let (mut group, mut length) = (None, 0);
    for digit in text.chars().map_while(|character| character.to_digit(10)) {
        let longer = group.unwrap_or(0_usize).checked_mul(10)?.checked_add(digit as usize)?;
        if longer >= regex.captures_len() && group.is_some() {
            break;
        }
        (group, length) = (Some(longer), length + 1);
    }
    let group = group.filter(|group| *group < regex.captures_len())?;
    Some((group, text.get(length..)?))
}

fn compile(pattern: &str) -> Option<Regex> {
    let pattern = translated(pattern)?;
    let mut builder = RegexBuilder::new(&pattern);
    builder.size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).build().ok()
}

/// The pattern in the words of the engine that runs it: Java's classes are of ASCII.
fn translated(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    let (mut classes, mut quantified) = (0_usize, false);
    while let Some(character) = rest.next() {
        let is_quantifier = classes == 0 && matches!(character, '*' | '+' | '?' | '}');
        match character {
            '\\' => rest = escape(rest.as_str(), &mut text)?.chars(),
            // `a++`: possessive.
            '+' if quantified => return None,
            '[' => {
                classes += 1;
                text.push('[');
            }
            ']' => {
                classes = classes.saturating_sub(1);
                text.push(']');
            }
            // Between classes they mean something to the engine, and nothing to Java.
            '~' | '-' if classes > 0 && rest.as_str().starts_with(character) => {
                text.extend(['\\', character]);
            }
            other => text.push(other),
        }
        quantified = is_quantifier && !quantified;
    }
    Some(text)
}

/// Writes what an escape stands for, and gives what follows it.
fn escape<'t>(rest: &'t str, text: &mut String) -> Option<&'t str> {
    let letter = rest.chars().next()?;
    let after = rest.get(letter.len_utf8()..)?;
    let class = match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => r"[ \t\n\x0B\f\r]",
        'S' => r"[^ \t\n\x0B\f\r]",
        'h' => r"[ \t\xA0\u{1680}\u{180E}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}]",
        'R' => r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])",
        'e' => r"\x1B",
        'Z' => r"(?:\n?\z)",
        'Q' => return Some(quote(after, text)),
        'p' | 'P' => return property(letter, after, text),
        _ => {
            text.push('\\');
            text.push(letter);
            return Some(after);
        }
    };
    text.push_str(class);
    Some(after)
}

/// `\Q…\E`: what stands between is what it is.
fn quote<'t>(rest: &'t str, text: &mut String) -> &'t str {
    let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
    text.push_str(&::regex::escape(quoted));
    after
}

/// `\p{Alpha}` and the like, which Java has of ASCII; others as they are.
fn property<'t>(letter: char, rest: &'t str, text: &mut String) -> Option<&'t str> {
    let posix = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let class = posix.and_then(|(name, _)| {
        Some(match name {
            "Lower" => "lower",
            "Upper" => "upper",
            "ASCII" => "ascii",
            "Alpha" => "alpha",
            "Digit" => "digit",
            "Alnum" => "alnum",
            "Punct" => "punct",
            "Graph" => "graph",
            "Print" => "print",
            "Blank" => "blank",
            "Cntrl" => "cntrl",
            "XDigit" => "xdigit",
            "Space" => "space",
            _ => return None,
        })
    });
    let Some((class, (_, after))) = class.zip(posix) else {
        text.push('\\');
        text.push(letter);
        return Some(rest);
    };
    let not = if letter == 'P' { "^" } else { "" };
    text.push_str(&format!("[[:{not}{class}:]]"));
    Some(after)
}
