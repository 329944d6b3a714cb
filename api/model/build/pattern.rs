//! Java's regular expressions, as the models write them, in the form of the `regex` crate.

/// Patterns with look-around, back references or surrogates, each rewritten by hand.
const BY_HAND: [(&str, &str); 5] = [
    // The length is bounded by the model as well, and counting in the expression costs megabytes.
    (r"[^\p{C}]{1,2048}", r"[^\p{C}]+"),
    (r"(^(?!_{2}))(^[a-zA-Z0-9_]+$)", r"_?[a-zA-Z0-9][a-zA-Z0-9_]*|_"),
    (
        r"^[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*$",
        r"[\x{20}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}\t]*",
    ),
    (
        r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*",
        r"[\x{20}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}\t]*",
    ),
    (ISO_DATE_TIME, ISO_DATE_TIME_PLAIN),
];

const ISO_DATE_TIME: &str = r"^([\+-]?\d{4}(?!\d{2}\b))((-?)((0[1-9]|1[0-2])(\3([12]\d|0[1-9]|3[01]))?|W([0-4]\d|5[0-2])(-?[1-7])?|(00[1-9]|0[1-9]\d|[12]\d{2}|3([0-5]\d|6[1-6])))([T\s]((([01]\d|2[0-3])((:?)[0-5]\d)?|24\:?00)([\.,]\d+(?!:))?)?(\17[0-5]\d([\.,]\d+)?)?([zZ]|([\+-])([01]\d|2[0-3]):?([0-5]\d)?)?)?)?$";

/// The same dates and times; the separators need not agree with one another.
const ISO_DATE_TIME_PLAIN: &str = r"[+-]?[0-9]{4}(-?((0[1-9]|1[0-2])(-?([12][0-9]|0[1-9]|3[01]))?|W([0-4][0-9]|5[0-2])(-?[1-7])?|(00[1-9]|0[1-9][0-9]|[12][0-9]{2}|3([0-5][0-9]|6[1-6])))([T ]((([01][0-9]|2[0-3])(:?[0-5][0-9])?|24:?00)([.,][0-9]+)?)?(:?[0-5][0-9]([.,][0-9]+)?)?([zZ]|[+-]([01][0-9]|2[0-3]):?([0-5][0-9])?)?)?)?";

/// Java's `matches()` takes the whole text, so the anchors of the model say nothing more.
pub(crate) fn rewrite(pattern: &str) -> String {
    let by_hand = BY_HAND.iter().find(|(java, _)| *java == pattern);
    let body = by_hand.map_or_else(|| translate(pattern), |(_, rust)| (*rust).to_owned());
    format!(r"\A(?:{body})\z")
}

fn translate(pattern: &str) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut class_depth = 0_u32;
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str(&escape(&mut chars, class_depth > 0)),
            '[' if class_depth > 0 => out.push_str(r"\["),
            '[' => {
                class_depth = 1;
                out.push('[');
            }
            ']' if class_depth > 0 => {
                class_depth = 0;
                out.push(']');
            }
            '&' | '~' if class_depth > 0 => {
                out.push('\\');
                out.push(c);
            }
            // After a class such as `\w` a hyphen stands for itself.
            '-' if class_depth > 0 && out.ends_with('_') && chars.peek() == Some(&' ') => {
                out.push_str(r"\-");
            }
            _ => out.push(c),
        }
    }
    out
}

/// One escape: Java's classes are ASCII, and it escapes letters that `regex` refuses to.
fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, in_class: bool) -> String {
    let bracket = |set: &str| if in_class { set.to_owned() } else { format!("[{set}]") };
    match chars.next() {
        Some('d') => bracket("0-9"),
        Some('w') => bracket("a-zA-Z0-9_"),
        Some('s') => bracket(r" \t\n\x0B\x0C\r"),
        // A negated class is a class of its own, inside another one as well.
        Some('D') => "[^0-9]".to_owned(),
        Some('W') => "[^a-zA-Z0-9_]".to_owned(),
        Some('S') => r"[^ \t\n\x0B\x0C\r]".to_owned(),
        Some('u') => format!(r"\x{{{}}}", chars.by_ref().take(4).collect::<String>()),
        Some('p') if chars.peek() == Some(&'{') => {
            let name: String = chars.by_ref().take_while(|c| *c != '}').skip(1).collect();
            match name.as_str() {
                "Graph" => bracket("!-~"),
                "Upper" => bracket("A-Z"),
                "Lower" => bracket("a-z"),
                "Alpha" => bracket("a-zA-Z"),
                "Digit" => bracket("0-9"),
                "Alnum" => bracket("a-zA-Z0-9"),
                "Cntrl" => bracket(r"\x00-\x1F\x7F"),
                "ASCII" => bracket(r"\x00-\x7F"),
                "Print" => bracket(" -~"),
                _ => format!(r"\p{{{name}}}"),
            }
        }
        Some(c) if c.is_ascii_alphanumeric() => format!("\\{c}"),
        Some(c) if c.is_ascii() => format!("\\x{:02X}", u32::from(c)),
        Some(c) => c.to_string(),
        None => r"\\".to_owned(),
    }
}
