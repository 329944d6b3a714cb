//! The words of a statement.

use crate::error::ParseError;
use crate::number::Number;

/// A word, and where it begins and ends, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A keyword, a function's name or a field's.
    Word(String),
    /// `@name`.
    Variable(String),
    Text(String),
    Number(Number),
    /// `<=`, `(`, `,` and the like.
    Sign(&'static str),
    End,
}

/// The longer before those that begin alike.
const SIGNS: [&str; 20] = [
    "<>", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "{", "}", "[", "]", ",",
    ":", ".",
];

/// Characters of a variable's name.
const VARIABLE_LENGTH_MAX: usize = 64;

/// The words of `text`, and an end.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        let start = at + rest.len() - trimmed.len();
        let Some(first) = trimmed.chars().next() else {
            tokens.push(Token { kind: Kind::End, start, end: start });
            return Ok(tokens);
        };
        let (kind, length) = token(trimmed, first, start)?;
        at = start + length;
        tokens.push(Token { kind, start, end: at });
    }
}

fn token(text: &str, first: char, start: usize) -> Result<(Kind, usize), ParseError> {
    match first {
        '\'' | '"' => quoted(text, first, start),
        '0'..='9' => number(text, start),
        '@' => variable(text, start),
        _ if is_of_word(first) => {
            let word = leading(text, is_of_word);
            Ok((Kind::Word(word.to_owned()), word.len()))
        }
        _ => {
            let sign = SIGNS.into_iter().find(|sign| text.starts_with(sign)).ok_or_else(|| {
                ParseError::at(start, format!("unexpected character '{first}'")).hint(hint(first))
            })?;
            Ok((Kind::Sign(sign), sign.len()))
        }
    }
}

fn hint(character: char) -> &'static str {
    match character {
        '!' => "not equal is written <>",
        '|' => "texts are joined with + or concat()",
        '`' => "a field whose name has other characters is read with get(*, 'name')",
        '$' => "${…} is for action fields; in a statement write the expression alone",
        ';' => "a rule has one statement, without a semicolon",
        _ => "texts and topics stand in quotes",
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn leading(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    let end = text.find(|character| !is_part(character)).unwrap_or(text.len());
    text.split_at(end).0
}

/// A text in quotes; the quote itself is written twice.
fn quoted(text: &str, quote: char, start: usize) -> Result<(Kind, usize), ParseError> {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            content.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return Ok((Kind::Text(content), at + quote.len_utf8()));
        }
    }
    Err(ParseError::at(start, format!("the text that begins with {quote} has no end")))
}

fn number(text: &str, start: usize) -> Result<(Kind, usize), ParseError> {
    let digits = |text: &str| leading(text, |character| character.is_ascii_digit()).len();
    let after = |length: usize| text.get(length..).unwrap_or_default();
    let mut length = digits(text);
    if let Some(fraction) = after(length).strip_prefix('.').map(digits).filter(|some| *some > 0) {
        length += 1 + fraction;
    }
    if let Some(exponent) = after(length).strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['-', '+']));
        let places = exponent.get(sign..).map_or(0, digits);
        if places > 0 {
            length += 1 + sign + places;
        }
    }
    if after(length).starts_with(is_of_word) {
        let word = leading(text, is_of_word);
        return Err(ParseError::at(start, format!("'{word}' is neither a number nor a name"))
            .hint("a field whose name begins with a digit is read with get(*, 'name')"));
    }
    let literal = text.get(..length).unwrap_or_default();
    let number = Number::parse(literal)
        .ok_or_else(|| ParseError::at(start, format!("the number {literal} is out of range")))?;
    Ok((Kind::Number(number), length))
}

fn variable(text: &str, start: usize) -> Result<(Kind, usize), ParseError> {
    let is_of_variable = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let name = leading(text.get(1..).unwrap_or_default(), is_of_variable);
    if name.is_empty() || name.len() > VARIABLE_LENGTH_MAX {
        return Err(ParseError::at(start, "a variable is @ and 1 to 64 letters, digits or _"));
    }
    Ok((Kind::Variable(name.to_owned()), name.len() + 1))
}
