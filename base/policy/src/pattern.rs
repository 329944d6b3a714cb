//! Patterns: text with `*`, `?` and variables, split once and matched without blow-up.

use crate::context::Context;
use crate::variables::{Values, Variable};

/// What is special in a pattern's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grammar {
    /// `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
    /// `${name}` is a variable, and `${*}`, `${?}`, `${$}` are the characters themselves.
    pub(crate) variables: bool,
}

/// Whether letters match in either case (ASCII only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Sensitive,
    Insensitive,
}

/// A pattern, split into pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Box<[Piece]>,
    has_variables: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    /// `?`: one character.
    One,
    /// `*`: any run of characters.
    Any,
    Variable(Variable),
}

/// A pattern could not be matched because the request has no value for this variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unresolved<'a>(pub(crate) &'a str);

impl Pattern {
    pub(crate) fn parse(text: &str, grammar: Grammar) -> Self {
        let mut builder = Builder::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let after = rest.get(c.len_utf8()..).unwrap_or("");
            rest = match c {
                '*' if grammar.wildcards => builder.push(Piece::Any, after),
                '?' if grammar.wildcards => builder.push(Piece::One, after),
                '$' if grammar.variables => builder.dollar(after),
                _ => builder.literal(c, after),
            };
        }
        builder.finish()
    }

    /// The names of the variables in it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(&*variable.name),
            Piece::Literal(_) | Piece::One | Piece::Any => None,
        })
    }

    /// What it reads with the first value of each variable in its place; nothing if it has no
    /// variables, or one without a value.
    pub(crate) fn filled(&self, context: &dyn Context) -> Option<String> {
        if !self.has_variables {
            return None;
        }
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => filled.push_str(text),
                Piece::One => filled.push('?'),
                Piece::Any => filled.push('*'),
                Piece::Variable(variable) => filled.push_str(variable.resolve(context)?.first()?),
            }
        }
        Some(filled)
    }

    /// The variables that have no value.
    pub(crate) fn missing_variables<'p>(
        &'p self,
        context: &dyn Context,
    ) -> impl Iterator<Item = &'p str> {
        self.pieces.iter().filter_map(move |piece| match piece {
            Piece::Variable(variable) if variable.resolve(context).is_none() => {
                Some(&*variable.name)
            }
            _ => None,
        })
    }

    /// Whether the whole of `text` matches. Values of variables match literally.
    pub(crate) fn matches<'a>(
        &'a self,
        text: &str,
        case: Case,
        context: &dyn Context,
    ) -> Result<bool, Unresolved<'a>> {
        if !self.has_variables {
            return Ok(glob(&self.pieces, text, case));
        }
        // What cannot match whatever the variables stand for needs no values.
        if let Some(Piece::Literal(start)) = self.pieces.first()
            && strip(text, start, case).is_none()
        {
            return Ok(false);
        }
        self.reaches_end(text, case, context)
    }

    /// Walks the set of positions in `text` that the pieces so far can reach: pieces × text steps,
    /// however many values the variables have.
    fn reaches_end<'a>(
        &'a self,
        text: &str,
        case: Case,
        context: &dyn Context,
    ) -> Result<bool, Unresolved<'a>> {
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for piece in &self.pieces {
            let starts = text.char_indices().map(|(i, _)| i).chain([text.len()]);
            let mut next = vec![false; text.len() + 1];
            match piece {
                Piece::Any => {
                    let first = reached.iter().position(|r| *r).unwrap_or(next.len());
                    starts.filter(|i| *i >= first).for_each(|i| next[i] = true);
                }
                Piece::One => step(text, &reached, &mut next, skip_char),
                Piece::Literal(literal) => {
                    step(text, &reached, &mut next, |rest| strip(rest, literal, case));
                }
                Piece::Variable(variable) => {
                    let values = variable.resolve(context).ok_or(Unresolved(&variable.name))?;
                    step_values(text, &reached, &mut next, (&values, case));
                }
            }
            reached = next;
        }
        Ok(reached[text.len()])
    }
}

fn step_values(
    text: &str,
    reached: &[bool],
    next: &mut [bool],
    (values, case): (&Values<'_>, Case),
) {
    for value in values {
        step(text, reached, next, |rest| strip(rest, value, case));
    }
}

/// Advances every reached position by `advance`, where it can.
fn step(
    text: &str,
    reached: &[bool],
    next: &mut [bool],
    advance: impl for<'t> Fn(&'t str) -> Option<&'t str>,
) {
    for start in reached.iter().enumerate().filter(|(_, r)| **r).map(|(i, _)| i) {
        if let Some(rest) = text.get(start..).and_then(&advance) {
            next[text.len() - rest.len()] = true;
        }
    }
}

/// Matches pieces without variables, going back to the last `*` only.
fn glob(pieces: &[Piece], text: &str, case: Case) -> bool {
    let (mut pieces, mut rest) = (pieces, text);
    let mut retry: Option<(&[Piece], &str)> = None;
    loop {
        let advanced = match pieces.split_first() {
            None if rest.is_empty() => return true,
            Some((Piece::Any, [])) => return true,
            Some((Piece::Any, after)) => {
                retry = Some((after, rest));
                Some((after, rest))
            }
            Some((Piece::One, after)) => skip_char(rest).map(|rest| (after, rest)),
            Some((Piece::Literal(text), after)) => strip(rest, text, case).map(|r| (after, r)),
            None | Some((Piece::Variable(_), _)) => None,
        };
        (pieces, rest) = match (advanced, retry) {
            (Some(next), _) => next,
            (None, None) => return false,
            (None, Some((after, from))) => {
                let Some(from) = skip_char(from) else { return false };
                retry = Some((after, from));
                (after, from)
            }
        };
    }
}

fn skip_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next()?;
    Some(chars.as_str())
}

fn strip<'t>(text: &'t str, start: &str, case: Case) -> Option<&'t str> {
    match case {
        Case::Sensitive => text.strip_prefix(start),
        Case::Insensitive => {
            let (head, rest) = text.split_at_checked(start.len())?;
            head.eq_ignore_ascii_case(start).then_some(rest)
        }
    }
}

#[derive(Default)]
struct Builder {
    pieces: Vec<Piece>,
    literal: String,
}

impl Builder {
    fn literal<'t>(&mut self, c: char, after: &'t str) -> &'t str {
        self.literal.push(c);
        after
    }

    fn push<'t>(&mut self, piece: Piece, after: &'t str) -> &'t str {
        self.flush();
        if piece != Piece::Any || self.pieces.last() != Some(&Piece::Any) {
            self.pieces.push(piece);
        }
        after
    }

    /// Reads on behind a `$`; what is no variable stands for itself.
    fn dollar<'t>(&mut self, after: &'t str) -> &'t str {
        let Some((inner, rest)) = after.strip_prefix('{').and_then(|t| t.split_once('}')) else {
            return self.literal('$', after);
        };
        if let "*" | "?" | "$" = inner {
            self.literal.push_str(inner);
            return rest;
        }
        match Variable::parse(inner) {
            Some(variable) => self.push(Piece::Variable(variable), rest),
            None => self.literal('$', after),
        }
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let literal = std::mem::take(&mut self.literal).into_boxed_str();
            self.pieces.push(Piece::Literal(literal));
        }
    }

    fn finish(mut self) -> Pattern {
        self.flush();
        let has_variables = self.pieces.iter().any(|p| matches!(p, Piece::Variable(_)));
        Pattern { pieces: self.pieces.into(), has_variables }
    }
}

#[cfg(test)]
mod tests;
