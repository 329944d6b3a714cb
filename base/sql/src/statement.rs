//! A statement: read once, evaluated for each message.

use std::cell::RefCell;

use crate::Version;
use crate::error::ParseError;
use crate::evaluate::{Evaluation, Output, Step};
use crate::message::{Answers, Halt, Message};
use crate::parse;
use crate::syntax::Query;
use crate::value::Value;

/// What a rule says in SQL.
#[derive(Debug)]
pub struct Statement {
    query: Query,
    version: Version,
}

/// What a statement says of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'m> {
    /// What actions get; none if the condition is not met, and no action runs.
    pub output: Option<Output<'m>>,
    /// Values of the variables that SET names, in order, for [`crate::Template`]s.
    pub variables: Vec<Value<'m>>,
}

impl Statement {
    /// Reads a statement.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn parse(text: &str, version: Version) -> Result<Self, ParseError> {
        parse::statement(text, version).map(|query| Self { query, version })
    }

    /// The topic filter of FROM; not there in a statement for Basic Ingest alone.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.query.topic.as_deref()
    }

    /// The roles that functions are called with, where they are the same for every message.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.query.roles
    }

    /// The version that it was read as.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// What SET names, without @.
    pub(crate) fn variables(&self) -> Vec<String> {
        self.query.variables.iter().map(|(name, _)| name.clone()).collect()
    }

    /// What it says of `message`, given `answers` from outside. With the same arguments it says the
    /// same.
    ///
    /// # Errors
    ///
    /// [`Halt::Wanted`] names what to get before it is evaluated anew; the others end the rule.
    pub fn evaluate<'m>(
        &'m self,
        message: &Message<'m>,
        answers: &'m Answers,
    ) -> Result<Outcome<'m>, Halt> {
        let evaluation = Evaluation::new(message, self.version, answers, Vec::new());
        let (output, variables) = evaluation.query(&self.query)?;
        Ok(Outcome { output, variables })
    }
}

impl Statement {
    /// As [`Statement::evaluate`], telling `steps` the value of each expression, the inner before
    /// the outer.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn explain<'m>(
        &'m self,
        message: &Message<'m>,
        answers: &'m Answers,
        steps: &'m RefCell<Vec<Step>>,
    ) -> Result<Outcome<'m>, Halt> {
        let evaluation = Evaluation::new(message, self.version, answers, Vec::new());
        let (output, variables) = evaluation.telling(steps).query(&self.query)?;
        Ok(Outcome { output, variables })
    }

    /// The condition of WHERE, as text.
    #[must_use]
    pub fn condition(&self) -> Option<String> {
        self.query.condition.as_ref().map(ToString::to_string)
    }
}

impl Output<'_> {
    /// What actions get.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.to_vec(),
            Self::Value(value) => value.to_json().into_bytes(),
        }
    }
}
