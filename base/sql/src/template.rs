//! Substitution templates: `${expression}` in the fields of actions.

use crate::Version;
use crate::error::ParseError;
use crate::evaluate::Evaluation;
use crate::message::{Answers, Halt, Message};
use crate::parse;
use crate::statement::Statement;
use crate::syntax::Expression;
use crate::value::Value;

/// A text in which expressions stand.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
    roles: Vec<String>,
    version: Version,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Expression(Expression),
}

impl Template {
    /// Reads a template of an action of the rule that `statement` is of.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn parse(text: &str, statement: &Statement) -> Result<Self, ParseError> {
        let (mut parts, mut roles, mut at) = (Vec::new(), Vec::new(), 0);
        while let Some(start) = text.get(at..).and_then(|rest| rest.find("${")) {
            if start > 0 {
                parts.push(Part::Text(text.get(at..at + start).unwrap_or_default().to_owned()));
            }
            let begin = at + start + 2;
            let inside = text.get(begin..).unwrap_or_default();
            let length = expression_length(inside).ok_or_else(|| {
                ParseError::at(begin - 2, "the expression that begins with ${ has no end")
            })?;
            let expression = inside.get(..length).unwrap_or_default();
            let (expression, called_with) =
                parse::expression(expression, statement.version(), statement.variables())
                    .map_err(|error| ParseError { position: error.position + begin, ..error })?;
            parts.push(Part::Expression(expression));
            roles.extend(called_with);
            at = begin + length + 1;
        }
        let rest = text.get(at..).unwrap_or_default();
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts, roles, version: statement.version() })
    }

    /// The text, if it is the same for every message.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// As [`Statement::roles`].
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The text for `message`, with the `variables` that its statement has set. What is Undefined
    /// or Null leaves nothing.
    ///
    /// # Errors
    ///
    /// As [`Statement::evaluate`].
    pub fn fill<'m>(
        &'m self,
        message: &Message<'m>,
        variables: &[Value<'m>],
        answers: &'m Answers,
    ) -> Result<String, Halt> {
        if let Some(text) = self.constant() {
            return Ok(text.to_owned());
        }
        let mut evaluation = Evaluation::new(message, self.version, answers, variables.to_vec());
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expression(expression) => {
                    let value = evaluation.value(expression)?.into_text();
                    text.push_str(&value.unwrap_or_default());
                }
            }
        }
        Ok(text)
    }
}

/// The bytes before the brace that ends an expression.
fn expression_length(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}
