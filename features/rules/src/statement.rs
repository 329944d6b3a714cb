//! A rule's statement: the one place that reads SQL.

use bytestring::ByteString;
use mqtt::TopicFilter;
use service::ApiError;

/// What FROM may not name: such messages are for one rule alone.
const BASIC_INGEST: &str = "$aws/rules/";

/// Which of its versions SQL is read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `2015-10-08`, also where a rule names none.
    V1,
    /// `2016-03-23`.
    V2,
    /// `beta`: the latest.
    Beta,
}

impl Version {
    /// The version that a rule names.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        match text {
            None | Some("2015-10-08") => Ok(Self::V1),
            Some("2016-03-23") => Ok(Self::V2),
            Some("beta") => Ok(Self::Beta),
            Some(other) => Err(ApiError::invalid(format!(
                "{other} is not a version of SQL: awsIotSqlVersion is 2015-10-08, 2016-03-23 or \
                 beta."
            ))),
        }
    }
}

/// A statement that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Whose messages it is about; none where only messages to the rule itself are.
    pub(crate) filter: Option<TopicFilter>,
}

impl Statement {
    /// Reads a statement, or says where it is wrong.
    pub(crate) fn parse(sql: &str, _version: Version) -> Result<Self, ApiError> {
        let filter = from(sql).map_err(|hint| parse_error(&hint))?;
        Ok(Self { filter: filter.map(|text| filter_of(&text)).transpose()? })
    }
}

fn parse_error(hint: &str) -> ApiError {
    ApiError::new("SqlParseException", hint)
}

/// The filter that FROM names.
fn filter_of(text: &str) -> Result<TopicFilter, ApiError> {
    if text.starts_with(BASIC_INGEST) {
        let message = format!("FROM cannot name {text}: messages to a rule need no FROM.");
        return Err(parse_error(&message));
    }
    let filter = TopicFilter::parse(ByteString::from(text));
    let filter = filter.map_err(|error| parse_error(&format!("FROM '{text}': {error}.")))?;
    if filter.share().is_some() {
        let message = format!("FROM '{text}': a rule has no part in shared subscriptions.");
        return Err(parse_error(&message));
    }
    Ok(filter)
}

/// A part of a statement that does not stand in parentheses.
#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Other,
}

/// What the statement names behind FROM.
fn from(sql: &str) -> Result<Option<String>, String> {
    let tokens = tokens(sql)?;
    let is_word = |token: &Token<'_>, word: &str| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word));
    let select = tokens.iter().position(|token| is_word(token, "SELECT"));
    let starts = tokens.first().is_some_and(|t| is_word(t, "SELECT") || is_word(t, "SET"));
    let select = select.filter(|_| starts);
    let select = select.ok_or("A statement begins with SELECT, or with SET and SELECT.")?;
    let rest = tokens.get(select + 1..).unwrap_or_default();
    let from = rest.iter().position(|token| is_word(token, "FROM"));
    if from.unwrap_or(rest.len()) == 0 {
        return Err("SELECT is followed by what is selected.".to_owned());
    }
    let Some(from) = from else { return Ok(None) };
    let Some(Token::Quoted(filter)) = rest.get(from + 1) else {
        return Err("FROM is followed by a topic filter in quotes.".to_owned());
    };
    match rest.get(from + 2) {
        None => Ok(Some((*filter).to_owned())),
        Some(token) if is_word(token, "WHERE") && rest.len() > from + 3 => {
            Ok(Some((*filter).to_owned()))
        }
        Some(_) => Err("The topic filter is followed by WHERE and a condition, or nothing.".into()),
    }
}

fn tokens(sql: &str) -> Result<Vec<Token<'_>>, String> {
    let (mut tokens, mut rest, mut depth) = (Vec::new(), sql.trim_start(), 0_usize);
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' | '"' => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find(first).ok_or("A text in quotes does not end.")?;
                (Token::Quoted(inner.get(..end).unwrap_or_default()), end + 2)
            }
            first if first.is_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let end = end.unwrap_or(rest.len());
                (Token::Word(rest.get(..end).unwrap_or_default()), end)
            }
            other => {
                match other {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => {
                        depth = depth.checked_sub(1).ok_or(format!("{other} closes nothing."))?;
                    }
                    _ => {}
                }
                (Token::Other, other.len_utf8())
            }
        };
        if depth == 0 || token == Token::Other {
            tokens.push(token);
        }
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    if depth > 0 { Err("A parenthesis is not closed.".to_owned()) } else { Ok(tokens) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expect: Result<Option<&str>, &str>) {
        let parsed = Statement::parse(sql, Version::V2);
        let found = parsed.map(|statement| statement.filter.map(|f| f.as_str().to_owned()));
        let found = found.map_err(|error| error.code);
        let expect = expect.map(|filter| filter.map(str::to_owned));
        assert_eq!(found, expect, "{sql}");
    }

    #[test]
    fn the_filter_is_what_from_names() {
        check("SELECT * FROM 'a/+/b'", Ok(Some("a/+/b")));
        check("select a.b AS c, f('FROM x') from 'a/#' where a > 1\n", Ok(Some("a/#")));
        check(
            "SET @a = 1 SELECT (SELECT v FROM e) AS x FROM '$aws/things/+'",
            Ok(Some("$aws/things/+")),
        );
        check("SELECT *", Ok(None));
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        for sql in [
            "",
            "SELEC * FRM",
            "SELECT",
            "SELECT FROM 'a'",
            "SELECT * FROM a",
            "SELECT * FROM",
            "SELECT * FROM 'a' WHERE",
            "SELECT * FROM 'a' b",
            "SELECT (a FROM 'a'",
            "SELECT a) FROM 'a'",
            "SELECT * FROM 'a",
            "SELECT * FROM 'a/#/b'",
            "SELECT * FROM ''",
            "SELECT * FROM '$aws/rules/r/a'",
            "SELECT * FROM '$share/g/a'",
        ] {
            check(sql, Err("SqlParseException"));
        }
    }

    #[test]
    fn a_version_is_one_of_three_or_none() {
        assert_eq!(Version::parse(None).unwrap(), Version::V1);
        assert_eq!(Version::parse(Some("2016-03-23")).unwrap(), Version::V2);
        assert_eq!(Version::parse(Some("beta")).unwrap(), Version::Beta);
        assert_eq!(Version::parse(Some("2016-03-24")).unwrap_err().code, ApiError::INVALID);
    }
}
