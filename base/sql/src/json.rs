//! JSON as rules read and write it: a message is checked once, and only what a statement asks for is
//! made into values.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::Version;
use crate::number::Number;
use crate::value::{Object, Value};

/// Members of most messages.
const FIELDS: usize = 16;

/// The levels that a message may have.
const NESTING_MAX: usize = 128;

/// A text that is JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'m>(&'m str);

impl<'m> Text<'m> {
    /// The text, if it is JSON of at most 128 levels.
    pub(crate) fn check(text: &'m str) -> Option<Self> {
        let mut reader = Reader { text, at: 0 };
        reader.skip_white_space();
        let start = reader.at;
        reader.skip_value(NESTING_MAX)?;
        let end = reader.at;
        reader.skip_white_space();
        (reader.at == text.len()).then_some(())?;
        text.get(start..end).map(Self)
    }

    /// The text, from its first byte that counts to the last.
    pub(crate) fn as_str(self) -> &'m str {
        self.0
    }

    /// Whether it is an object.
    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// The value.
    pub(crate) fn value(self, version: Version) -> Value<'m> {
        let mut reader = Reader { text: self.0, at: 0 };
        reader.value(version).unwrap_or_default()
    }

    /// The member `name` of an object, the last of that name.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        let mut found = None;
        self.members(|member, value| {
            if member.is(name) {
                found = Some(value);
            }
        });
        found
    }

    /// The members of an object; none of what is no object.
    pub(crate) fn fields(self) -> Fields<'m> {
        let mut fields = Vec::with_capacity(FIELDS);
        self.members(|name, value| fields.push((name, value)));
        Fields(fields)
    }

    fn members(self, mut each: impl FnMut(Name<'m>, Self)) -> Option<()> {
        let mut reader = Reader { text: self.0, at: 0 };
        reader.takes(b'{').then_some(())?;
        if reader.takes(b'}') {
            return Some(());
        }
        loop {
            reader.skip_white_space();
            let start = reader.at;
            let is_plain = reader.pass_string();
            let name = Name { quoted: self.0.get(start..reader.at)?, is_plain };
            reader.takes(b':').then_some(())?;
            reader.skip_white_space();
            let start = reader.at;
            reader.pass_value();
            each(name, Self(self.0.get(start..reader.at)?));
            if !reader.takes(b',') {
                return reader.takes(b'}').then_some(());
            }
        }
    }
}

/// The members of an object, of which several are asked for.
pub(crate) struct Fields<'m>(Vec<(Name<'m>, Text<'m>)>);

impl<'m> Fields<'m> {
    /// The member `name`, the last of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Text<'m>> {
        let mut fields = self.0.iter().rev();
        fields.find(|(field, _)| field.is(name)).map(|(_, value)| *value)
    }
}

/// A member's name as it is written.
struct Name<'m> {
    quoted: &'m str,
    is_plain: bool,
}

impl Name<'_> {
    fn is(&self, name: &str) -> bool {
        let Some(inside) = self.quoted.get(1..self.quoted.len() - 1) else { return false };
        if self.is_plain { inside == name } else { unescape(inside).as_deref() == Some(name) }
    }
}

struct Reader<'m> {
    text: &'m str,
    at: usize,
}

impl<'m> Reader<'m> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Goes over `byte`, and white space before it, if it comes next.
    fn takes(&mut self, byte: u8) -> bool {
        self.skip_white_space();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    /// Goes over a value, which is thereby checked.
    fn skip_value(&mut self, levels: usize) -> Option<()> {
        let levels = levels.checked_sub(1)?;
        self.skip_white_space();
        match self.peek()? {
            b'{' => {
                self.at += 1;
                self.skip_items(b'}', |reader| {
                    reader.skip_white_space();
                    reader.skip_string()?;
                    reader.takes(b':').then_some(())?;
                    reader.skip_value(levels)
                })
            }
            b'[' => {
                self.at += 1;
                self.skip_items(b']', |reader| reader.skip_value(levels))
            }
            b'"' => self.skip_string().map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.skip_number(),
        }
    }

    fn skip_items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.takes(end) {
            return Some(());
        }
        loop {
            item(self)?;
            if !self.takes(b',') {
                return self.takes(end).then_some(());
            }
        }
    }

    /// Goes over a string, and says whether it is written without escapes.
    fn skip_string(&mut self) -> Option<bool> {
        (self.peek()? == b'"').then(|| self.at += 1)?;
        let bytes = self.text.as_bytes();
        let mut is_plain = true;
        loop {
            let rest = bytes.get(self.at..)?;
            self.at += rest.iter().position(|byte| is_special(*byte))?;
            match *bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(is_plain);
                }
                b'\\' => {
                    is_plain = false;
                    self.skip_escape()?;
                }
                _ => return None,
            }
        }
    }

    fn skip_escape(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' => {
                let code = bytes.get(self.at + 2..self.at + 6)?;
                code.iter().all(u8::is_ascii_hexdigit).then(|| self.at += 6)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn skip_number(&mut self) -> Option<()> {
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.skip_digits()?;
        }
        Some(())
    }

    /// Goes over a string of a text that was checked, and says whether it is written without escapes.
    fn pass_string(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let mut is_plain = true;
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    is_plain = false;
                    self.at += 1;
                }
                _ => {}
            }
        }
        is_plain
    }

    /// Goes over a value of a text that was checked.
    fn pass_value(&mut self) {
        let mut levels = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.pass_string();
                }
                b'{' | b'[' => {
                    levels += 1;
                    self.at += 1;
                }
                b'}' | b']' if levels > 0 => {
                    levels -= 1;
                    self.at += 1;
                }
                b'}' | b']' => return,
                b',' | b' ' | b'\n' | b'\r' | b'\t' if levels == 0 => return,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if levels == 0 {
                return;
            }
        }
    }

    fn skip_digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Reads a value of a text that was checked.
    fn value(&mut self, version: Version) -> Option<Value<'m>> {
        self.skip_white_space();
        match self.peek()? {
            b'{' => self.object(version),
            b'[' => self.array(version),
            b'"' => self.string().map(Value::String),
            b't' => self.word("true").map(|()| Value::Boolean(true)),
            b'f' => self.word("false").map(|()| Value::Boolean(false)),
            b'n' => self.word("null").map(|()| Value::Null),
            _ => {
                let start = self.at;
                self.skip_number()?;
                let number = Number::parse(self.text.get(start..self.at)?);
                Some(Value::of(number.map(|number| version.normal(number))))
            }
        }
    }

    fn object(&mut self, version: Version) -> Option<Value<'m>> {
        self.at += 1;
        let mut members = Vec::new();
        if self.takes(b'}') {
            return Some(Value::Object(Object::default()));
        }
        loop {
            self.skip_white_space();
            let name = self.string()?;
            self.takes(b':').then_some(())?;
            members.push((name, self.value(version)?));
            if !self.takes(b',') {
                self.takes(b'}').then_some(())?;
                return Some(Value::Object(Object::of(members)));
            }
        }
    }

    fn array(&mut self, version: Version) -> Option<Value<'m>> {
        self.at += 1;
        let mut items = Vec::new();
        if self.takes(b']') {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(version)?);
            if !self.takes(b',') {
                self.takes(b']').then_some(())?;
                return Some(Value::Array(items));
            }
        }
    }

    fn string(&mut self) -> Option<Cow<'m, str>> {
        let start = self.at + 1;
        let is_plain = self.skip_string()?;
        let inside = self.text.get(start..self.at - 1)?;
        if is_plain { Some(Cow::Borrowed(inside)) } else { unescape(inside).map(Cow::Owned) }
    }
}

/// Whether a byte ends a string, or is not to stand in one as it is.
fn is_special(byte: u8) -> bool {
    const SPECIAL: [bool; 256] = {
        let mut special = [false; 256];
        let mut byte = 0;
        while byte < 0x20 {
            special[byte] = true;
            byte += 1;
        }
        special[b'"' as usize] = true;
        special[b'\\' as usize] = true;
        special
    };
    SPECIAL[usize::from(byte)]
}

/// What a string's inside says. Halves of surrogate pairs that stand alone become U+FFFD.
fn unescape(inside: &str) -> Option<String> {
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        text.push_str(rest.get(..at)?);
        let (character, length) = escaped(rest.get(at..)?)?;
        text.push(character);
        rest = rest.get(at + length..)?;
    }
    text.push_str(rest);
    Some(text)
}

/// The character that an escape stands for, and the escape's length.
fn escaped(text: &str) -> Option<(char, usize)> {
    let simple = match text.as_bytes().get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        other => char::from(*other),
    };
    Some((simple, 2))
}

fn unicode(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let first = unit(2)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = text.get(6..8).filter(|prefix| *prefix == "\\u").and_then(|_| unit(8));
    match second {
        Some(low) if first < 0xDC00 && (0xDC00..0xE000).contains(&low) => {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00);
            Some((char::from_u32(code)?, 12))
        }
        _ => Some((char::REPLACEMENT_CHARACTER, 6)),
    }
}

/// Writes a value without white space. Undefined vanishes, alone, from objects and from arrays.
pub(crate) fn write(value: &Value<'_>, text: &mut String) {
    match value {
        Value::Undefined => {}
        Value::Null => text.push_str("null"),
        Value::Boolean(boolean) => text.push_str(if *boolean { "true" } else { "false" }),
        Value::Number(number) => write!(text, "{number}").unwrap_or_default(),
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            let defined = items.iter().filter(|item| !item.is_undefined());
            separated(defined, text, |item, text| write(item, text));
            text.push(']');
        }
        Value::Object(object) => {
            text.push('{');
            let defined = object.iter().filter(|(_, value)| !value.is_undefined());
            separated(defined, text, |(name, value), text| {
                write_string(name, text);
                text.push(':');
                write(value, text);
            });
            text.push('}');
        }
    }
}

fn separated<T>(items: impl Iterator<Item = T>, text: &mut String, each: impl Fn(T, &mut String)) {
    for (place, item) in items.enumerate() {
        if place > 0 {
            text.push(',');
        }
        each(item, text);
    }
}

/// Writes a string with the escapes that JSON asks for.
pub(crate) fn write_string(string: &str, text: &mut String) {
    text.push('"');
    let mut rest = string;
    while let Some(at) = rest.bytes().position(is_special) {
        let (plain, tail) = rest.split_at(at);
        text.push_str(plain);
        let mut characters = tail.chars();
        match characters.next() {
            Some('"') => text.push_str("\\\""),
            Some('\\') => text.push_str("\\\\"),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some('\u{8}') => text.push_str("\\b"),
            Some('\u{c}') => text.push_str("\\f"),
            other => {
                let code = other.map_or(0, u32::from);
                write!(text, "\\u{code:04x}").unwrap_or_default();
            }
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text.push('"');
}
