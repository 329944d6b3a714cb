//! JSON as shadows keep it: numbers as they were written, and a time at every leaf.
//!
//! A general parser would turn `1.0` and `12345678901234567890123` into what a machine calculates
//! with; a device that reads its shadow expects what was written.

use std::borrow::Cow;

/// The nesting that is read; what a document may have is less, and is told apart from nonsense.
const NESTING_MAX: usize = 128;

/// An object's members, in the order of their names, each of which is there once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members<'t>(Vec<(Cow<'t, str>, Node<'t>)>);

/// A value. It borrows from the text that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node<'t> {
    /// `null`: in a request it takes away, in a document there is none.
    Null,
    /// Any other value that holds no values.
    Leaf(Leaf<'t>),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Members<'t>),
}

/// A string, a number, `true` or `false`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf<'t> {
    /// As JSON writes it.
    pub(crate) text: Cow<'t, str>,
    /// When it was last written, in seconds since 1970.
    pub(crate) written: i64,
}

/// Why a text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The value that `text` is. Of members of one name the last counts. Every leaf is taken for
/// written at `written`.
pub(crate) fn parse(text: &str, written: i64) -> Result<Node<'_>, Malformed> {
    let mut parser = Parser { text, at: 0, written };
    let node = parser.value(NESTING_MAX)?;
    parser.skip_white_space();
    if parser.at == text.len() { Ok(node) } else { Err(Malformed) }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    written: i64,
}

impl<'t> Parser<'t> {
    fn value(&mut self, levels: usize) -> Result<Node<'t>, Malformed> {
        let levels = levels.checked_sub(1).ok_or(Malformed)?;
        match self.next_byte().ok_or(Malformed)? {
            b'{' => self.object(levels),
            b'[' => self.array(levels),
            b'"' => self.string().map(|text| self.leaf(text)),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(Malformed),
        }
    }

    fn object(&mut self, levels: usize) -> Result<Node<'t>, Malformed> {
        self.at += 1;
        let mut members = Vec::new();
        if self.takes(b'}') {
            return Ok(Node::Object(Members::default()));
        }
        loop {
            if self.next_byte() != Some(b'"') {
                return Err(Malformed);
            }
            let name = unquoted(self.string()?)?;
            if !self.takes(b':') {
                return Err(Malformed);
            }
            members.push((name, self.value(levels)?));
            if !self.takes(b',') {
                let is_whole = self.takes(b'}');
                return if is_whole { Ok(Node::Object(members.into())) } else { Err(Malformed) };
            }
        }
    }

    fn array(&mut self, levels: usize) -> Result<Node<'t>, Malformed> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.takes(b']') {
            return Ok(Node::Array(elements));
        }
        loop {
            elements.push(self.value(levels)?);
            if !self.takes(b',') {
                return if self.takes(b']') { Ok(Node::Array(elements)) } else { Err(Malformed) };
            }
        }
    }

    /// A string with its quotes. Escapes are written in one way, so that equal strings are equal
    /// texts.
    fn string(&mut self) -> Result<Cow<'t, str>, Malformed> {
        let start = self.at;
        let mut is_escaped = false;
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            self.at += rest.iter().position(is_special).ok_or(Malformed)? + 1;
            match self.text.as_bytes().get(self.at - 1) {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    self.at += 1;
                }
                _ => return Err(Malformed),
            }
        }
        let text = self.text.get(start..self.at).ok_or(Malformed)?;
        if !is_escaped {
            return Ok(text.into());
        }
        let plain: String = serde_json::from_str(text).map_err(|_| Malformed)?;
        Ok(quoted(&plain).into())
    }

    fn number(&mut self) -> Result<Node<'t>, Malformed> {
        let start = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.at).ok_or(Malformed)?;
        Ok(self.leaf(text.into()))
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(Malformed) } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str) -> Result<Node<'t>, Malformed> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(if word == "null" { Node::Null } else { self.leaf(word.into()) })
    }

    fn leaf(&self, text: Cow<'t, str>) -> Node<'t> {
        Node::Leaf(Leaf { text, written: self.written })
    }

    /// Goes over white space, and over `byte` if it comes next.
    fn takes(&mut self, byte: u8) -> bool {
        self.skip_white_space();
        self.skip(byte)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// The next byte that is not white space, which is left where it is.
    fn next_byte(&mut self) -> Option<u8> {
        self.skip_white_space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
    }
}

/// What a string says, whose escapes are written in one way.
fn unquoted(text: Cow<'_, str>) -> Result<Cow<'_, str>, Malformed> {
    if text.contains('\\') {
        return serde_json::from_str::<String>(&text).map(Cow::from).map_err(|_| Malformed);
    }
    let within = 1..text.len().saturating_sub(1);
    let said = match text {
        Cow::Borrowed(text) => text.get(within).map(Cow::from),
        Cow::Owned(text) => text.get(within).map(|text| text.to_owned().into()),
    };
    said.ok_or(Malformed)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string can be written")
}

/// Writes a member's name and the colon behind it.
pub(crate) fn write_name(name: &str, out: &mut String) {
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if name.bytes().all(is_plain) {
        out.push('"');
        out.push_str(name);
        out.push('"');
    } else {
        out.push_str(&quoted(name));
    }
    out.push(':');
}

/// Writes the members of an object, each by `write`, with what an object has around them.
pub(crate) fn write_members<'n, T>(
    members: impl IntoIterator<Item = (&'n str, T)>,
    out: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    out.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_name(name, out);
        write(value, out);
    }
    out.push('}');
}

/// Writes the elements of an array, each by `write`.
pub(crate) fn write_elements(
    elements: &[Node<'_>],
    out: &mut String,
    write: impl Fn(&Node<'_>, &mut String),
) {
    out.push('[');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(element, out);
    }
    out.push(']');
}

/// Writes a value, without white space.
pub(crate) fn write_value(node: &Node<'_>, out: &mut String) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Leaf(leaf) => out.push_str(&leaf.text),
        Node::Array(elements) => write_elements(elements, out, write_value),
        Node::Object(members) => members.write(out, write_value),
    }
}

impl Node<'_> {
    /// Writes when each leaf was written, in the form of the value; `null` has the time `nulls`.
    /// `leaf` writes one time.
    pub(crate) fn write_times(&self, nulls: i64, out: &mut String, leaf: fn(i64, &mut String)) {
        let each = |node: &Node<'_>, out: &mut String| node.write_times(nulls, out, leaf);
        match self {
            Self::Null => leaf(nulls, out),
            Self::Leaf(Leaf { written, .. }) => leaf(*written, out),
            Self::Array(elements) => write_elements(elements, out, each),
            Self::Object(members) => members.write(out, each),
        }
    }

    /// Whether both say the same, whenever it was written. `1` and `1.0` do.
    pub(crate) fn says(&self, other: &Node<'_>) -> bool {
        match (self, other) {
            (Self::Null, Node::Null) => true,
            (Self::Leaf(one), Node::Leaf(two)) => {
                one.text == two.text || is_same_number(&one.text, &two.text)
            }
            (Self::Array(one), Node::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.says(two))
            }
            (Self::Object(one), Node::Object(two)) => {
                let mut both = one.iter().zip(two.iter());
                one.len() == two.len()
                    && both.all(|((name, one), (named, two))| name == named && one.says(two))
            }
            _ => false,
        }
    }

    /// Containers within one another, this one counted.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Null | Self::Leaf(_) => 0,
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.values().map(Self::depth).max().unwrap_or(0),
        }
    }

    /// Whether an array has a `null` anywhere in it.
    pub(crate) fn has_null_in_array(&self) -> bool {
        fn has_null(node: &Node<'_>) -> bool {
            match node {
                Node::Null => true,
                Node::Leaf(_) => false,
                Node::Array(elements) => elements.iter().any(has_null),
                Node::Object(members) => members.values().any(has_null),
            }
        }
        match self {
            Self::Array(_) => has_null(self),
            Self::Object(members) => members.values().any(Self::has_null_in_array),
            Self::Null | Self::Leaf(_) => false,
        }
    }
}

impl<'t> Members<'t> {
    /// Members that are in order already.
    pub(crate) fn in_order(members: Vec<(Cow<'t, str>, Node<'t>)>) -> Self {
        debug_assert!(members.is_sorted_by(|(one, _), (two, _)| one < two));
        Self(members)
    }

    /// The members with their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node<'t>)> {
        self.0.iter().map(|(name, node)| (&**name, node))
    }

    /// The values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Node<'t>> {
        self.0.iter().map(|(_, node)| node)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out the member called `name`.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Node<'t>> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(self.0.remove(at).1)
    }

    /// The members as they are kept; none stays.
    pub(crate) fn take(&mut self) -> Vec<(Cow<'t, str>, Node<'t>)> {
        std::mem::take(&mut self.0)
    }

    /// The members as they are kept.
    pub(crate) fn as_slice(&self) -> &[(Cow<'t, str>, Node<'t>)] {
        &self.0
    }

    /// The members as they are kept, whose values may be changed.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [(Cow<'t, str>, Node<'t>)] {
        &mut self.0
    }

    /// Writes the object, each value by `write`.
    pub(crate) fn write(&self, out: &mut String, write: impl Fn(&Node<'_>, &mut String)) {
        write_members(self.iter(), out, |node, out| write(node, out));
    }
}

/// Puts members in order. Of those with one name the last stays.
impl<'t> From<Vec<(Cow<'t, str>, Node<'t>)>> for Members<'t> {
    fn from(mut members: Vec<(Cow<'t, str>, Node<'t>)>) -> Self {
        if !members.is_sorted_by(|(one, _), (two, _)| one < two) {
            members.reverse();
            members.sort_by(|(one, _), (two, _)| one.cmp(two));
            members.dedup_by(|(one, _), (two, _)| one == two);
        }
        Self(members)
    }
}

/// The length of the string that `text` begins with, its quotes included.
pub(crate) fn quoted_bytes(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether two texts are one number: whole ones digit by digit, others as double precision has
/// them.
fn is_same_number(one: &str, two: &str) -> bool {
    let is_number = |text: &str| text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if !is_number(one) || !is_number(two) {
        return false;
    }
    match (one.parse::<i128>(), two.parse::<i128>()) {
        (Ok(one), Ok(two)) => one == two,
        _ => match (one.parse::<f64>(), two.parse::<f64>()) {
            // What is beyond double precision is known by its digits alone.
            (Ok(one), Ok(two)) => one == two && one.is_finite(),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = String::new();
        write_value(&parse(text, 7).unwrap_or_else(|_| panic!("{text}")), &mut out);
        out
    }

    #[test]
    fn a_value_is_written_as_it_was_read() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1.0",
            "-12.50e+10",
            "1E400",
            "\"\"",
            "[]",
            "{}",
            "12345678901234567890123",
            r#"{"a":{"b":[1,[2,{}],"ü𝄞/"]},"c":"x y"}"#,
        ] {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn white_space_goes_and_names_are_in_order() {
        assert_eq!(written(" {\t\"b\" : [ 1 , 2 ]\r\n,\"a\": null } "), r#"{"a":null,"b":[1,2]}"#);
    }

    #[test]
    fn escapes_are_written_in_one_way_and_the_last_of_a_name_counts() {
        assert_eq!(written(r#""\u0061\/\u00fc\n\"""#), r#""a/ü\n\"""#);
        assert_eq!(written(r#""\ud834\udd1e""#), "\"𝄞\"");
        assert_eq!(written(r#"{"\u0061":1,"a":2,"q\"":3}"#), r#"{"a":2,"q\"":3}"#);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "nul",
            "nulll",
            "NaN",
            "Infinity",
            "-",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "0x1",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud834\"",
            "\"a\nb\"",
            "'a'",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,]",
            "[1 2]",
            "{",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{}x",
            "[]]",
            "{a:1}",
            "// a\n1",
        ] {
            assert_eq!(parse(text, 0), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused_and_does_not_overflow() {
        assert!(parse(&"[".repeat(1_000_000), 0).is_err());
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(parse(&deep(NESTING_MAX), 0).map(|node| node.depth()), Ok(NESTING_MAX));
        assert_eq!(parse(&deep(NESTING_MAX + 1), 0), Err(Malformed));
    }

    #[test]
    fn values_are_compared_by_what_they_say() {
        let says = |one, two| parse(one, 1).unwrap().says(&parse(two, 2).unwrap());
        for (one, two) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("-0", "0"),
            ("\"\\u0061\"", "\"a\""),
            ("[1,{\"a\":2}]", "[1.0,{\"a\":2}]"),
            ("{}", "{}"),
        ] {
            assert!(says(one, two), "{one} {two}");
        }
        for (one, two) in [
            ("1", "\"1\""),
            ("9007199254740993", "9007199254740992"),
            ("true", "false"),
            ("1", "2"),
            ("1e400", "1e500"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,1]"),
            ("{\"a\":1}", "{\"b\":1}"),
            ("{}", "[]"),
        ] {
            assert!(!says(one, two), "{one} {two}");
        }
    }
}
