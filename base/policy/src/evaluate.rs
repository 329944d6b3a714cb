//! Decides a request against policy documents, and says which statement decided.

use std::fmt;

use crate::condition::Condition;
use crate::context::Context;
use crate::document::{Document, Effect, Statement, Targets};
use crate::pattern::{Case, Unresolved};

/// What somebody wants to do.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `iot:Publish` …
    pub action: &'a str,
    /// The ARN of what it is done to, or `*`.
    pub resource: &'a str,
    /// What else is known about the request.
    pub context: &'a dyn Context,
}

/// What the policies say to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// A statement allows it and none denies it.
    Allowed {
        /// The first statement that allows.
        by: Place<'a>,
    },
    /// A statement denies it.
    ExplicitDeny {
        /// The first statement that denies.
        by: Place<'a>,
    },
    /// No statement matches.
    ImplicitDeny {
        /// The Allow statement that came closest, if there is any.
        nearest: Option<Nearest<'a>>,
    },
}

/// A statement in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The policy's name, as the caller gave it.
    pub policy: &'a str,
    /// The statement's index, from 0.
    pub statement: usize,
    /// The statement's own name.
    pub sid: Option<&'a str>,
}

/// An Allow statement that did not match, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearest<'a> {
    /// The statement.
    pub statement: Place<'a>,
    /// The first part of it that did not match.
    pub mismatch: Mismatch<'a>,
}

/// Why a statement does not match a request, the farthest miss first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch<'a> {
    /// It is about other actions.
    Action,
    /// It is about other resources.
    Resource,
    /// The request has no value for a variable in its resources.
    Variable {
        /// The variable, without `${}`.
        name: &'a str,
    },
    /// A condition is false.
    Condition {
        /// As in the policy: `StringEquals`.
        operator: &'a str,
        /// As in the policy: `iot:DomainName`.
        key: &'a str,
    },
}

impl Decision<'_> {
    /// Whether the request may pass.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

/// Decides `request`: a matching Deny refuses, else a matching Allow lets pass, else it is refused.
/// The documents go with the names that the decision shall use.
pub fn evaluate<'a>(documents: &[(&'a str, &'a Document)], request: &Request<'_>) -> Decision<'a> {
    let (mut allowed, mut nearest) = (None, None);
    for (place, statement) in places(documents) {
        match (statement.effect, statement.check(request)) {
            (Effect::Deny, Ok(())) => return Decision::ExplicitDeny { by: place },
            (Effect::Allow, Ok(())) => allowed = allowed.or(Some(place)),
            (Effect::Allow, Err(mismatch)) => approach(&mut nearest, place, mismatch),
            (Effect::Deny, Err(_)) => {}
        }
    }
    match allowed {
        Some(by) => Decision::Allowed { by },
        None => Decision::ImplicitDeny { nearest },
    }
}

/// Whether [`evaluate`] allows `request`; found in less time, for it does not say why.
pub fn allows<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    request: &Request<'_>,
) -> bool {
    let mut is_allowed = false;
    for statement in documents.into_iter().flat_map(|document| &document.statements) {
        match statement.effect {
            Effect::Allow => is_allowed = is_allowed || statement.check(request).is_ok(),
            Effect::Deny if statement.check(request).is_ok() => return false,
            Effect::Deny => {}
        }
    }
    is_allowed
}

/// The keys and variables that [`evaluate`] looks for and `request` has no value of, each once and
/// by name. Statements about other actions or resources do not count.
pub fn missing<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    request: &Request<'_>,
) -> Vec<&'a str> {
    let statements = documents.into_iter().flat_map(|document| &document.statements);
    let mut names: Vec<&str> =
        statements.flat_map(|statement| statement.missing(request)).collect();
    names.sort_by_cached_key(|name| name.to_ascii_lowercase());
    names.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    names
}

/// Every statement of `documents`, in order.
pub(crate) fn places<'a>(
    documents: &[(&'a str, &'a Document)],
) -> impl Iterator<Item = (Place<'a>, &'a Statement)> {
    documents.iter().flat_map(|&(policy, document)| {
        document.statements.iter().enumerate().map(move |(i, statement)| {
            (Place { policy, statement: i, sid: statement.sid.as_deref() }, statement)
        })
    })
}

/// Keeps the closer of `nearest` and this statement; the first one if they are equally close.
fn approach<'a>(nearest: &mut Option<Nearest<'a>>, statement: Place<'a>, mismatch: Mismatch<'a>) {
    if nearest.is_none_or(|old| old.mismatch.closeness() < mismatch.closeness()) {
        *nearest = Some(Nearest { statement, mismatch });
    }
}

impl Mismatch<'_> {
    fn closeness(&self) -> u8 {
        match self {
            Self::Action => 0,
            Self::Resource => 1,
            Self::Variable { .. } => 2,
            Self::Condition { .. } => 3,
        }
    }
}

impl Statement {
    fn check(&self, request: &Request<'_>) -> Result<(), Mismatch<'_>> {
        if !self.is_about(request) {
            return Err(Mismatch::Action);
        }
        self.check_resource(request)?;
        match self.unmet(request) {
            None => Ok(()),
            Some(condition) => {
                Err(Mismatch::Condition { operator: &condition.operator_name, key: &condition.key })
            }
        }
    }

    /// Whether it is about the action.
    pub(crate) fn is_about(&self, request: &Request<'_>) -> bool {
        let found = self.actions.find(request.action, Case::Insensitive, request.context);
        found.unwrap_or(false) != self.actions.is_negated
    }

    /// The first condition that does not hold.
    pub(crate) fn unmet(&self, request: &Request<'_>) -> Option<&Condition> {
        self.conditions.iter().find(|c| !c.holds(request.context, self.effect))
    }

    /// A variable without a value matches no resource. With `NotResource` it errs on the side of
    /// refusal: an Allow does not match, a Deny does.
    pub(crate) fn check_resource(&self, request: &Request<'_>) -> Result<(), Mismatch<'_>> {
        let is_negated = self.resources.is_negated;
        match self.resources.find(request.resource, Case::Sensitive, request.context) {
            Ok(found) if found != is_negated => Ok(()),
            Ok(_) => Err(Mismatch::Resource),
            Err(_) if is_negated && self.effect == Effect::Deny => Ok(()),
            Err(Unresolved(name)) => Err(Mismatch::Variable { name }),
        }
    }

    /// What it asks for in vain before it can be said whether it matches.
    fn missing<'s>(&'s self, request: &Request<'_>) -> Vec<&'s str> {
        if !self.is_about(request) {
            return Vec::new();
        }
        let Request { resource, context, .. } = *request;
        let Targets { is_negated, patterns, .. } = &self.resources;
        let found = self.resources.find(resource, Case::Sensitive, context);
        if found == Ok(*is_negated) {
            return Vec::new();
        }
        let mut names = Vec::new();
        if found.is_err() {
            let undecided = patterns
                .iter()
                .filter(|pattern| pattern.matches(resource, Case::Sensitive, context).is_err());
            names.extend(undecided.flat_map(|pattern| pattern.missing_variables(context)));
        }
        for condition in &self.conditions {
            names.extend(condition.missing_key(context));
            names.extend(condition.missing_variables(context));
        }
        names
    }
}

impl Targets {
    /// Whether any pattern matches; if none does, whether that is for want of a variable.
    fn find(&self, text: &str, case: Case, context: &dyn Context) -> Result<bool, Unresolved<'_>> {
        let mut unresolved = None;
        for pattern in &self.patterns {
            match pattern.matches(text, case, context) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(missing) => unresolved = unresolved.or(Some(missing)),
            }
        }
        unresolved.map_or(Ok(false), Err)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // People count from one.
        write!(f, "statement {}", self.statement.saturating_add(1))?;
        if let Some(sid) = self.sid {
            write!(f, " ({sid})")?;
        }
        write!(f, " of policy {}", self.policy)
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action => f.write_str("is about other actions"),
            Self::Resource => f.write_str("is about other resources"),
            Self::Variable { name } => write!(f, "needs ${{{name}}}, which has no value"),
            Self::Condition { operator, key } => write!(f, "demands {operator} of {key}"),
        }
    }
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed { by } => write!(f, "allowed by {by}"),
            Self::ExplicitDeny { by } => write!(f, "denied by {by}"),
            Self::ImplicitDeny { nearest: None } => f.write_str("no statement allows anything"),
            Self::ImplicitDeny { nearest: Some(Nearest { statement, mismatch }) } => {
                write!(f, "no statement allows it; closest is {statement}, which {mismatch}")
            }
        }
    }
}
