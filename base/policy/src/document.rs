//! Policy documents: the checked, pre-split form of the JSON that users write.

use std::collections::HashSet;

use crate::condition::{Condition, read_block};
use crate::json::Json;
use crate::malformed::Malformed;
use crate::pattern::{Grammar, Pattern};

/// A policy document, ready to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    version: Version,
    pub(crate) statements: Box<[Statement]>,
}

/// Whose rules a document follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Policies of AWS IoT.
    Iot,
    /// Identity policies of IAM: a `Sid` is alphanumeric and unique.
    Iam,
}

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `2008-10-17`, also where none is given: without variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

/// What a statement does to the requests that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Lets them pass, unless another one denies.
    Allow,
    /// Refuses them.
    Deny,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<Box<str>>,
    pub(crate) effect: Effect,
    pub(crate) actions: Targets,
    pub(crate) resources: Targets,
    pub(crate) conditions: Box<[Condition]>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Targets {
    pub(crate) is_negated: bool,
    pub(crate) patterns: Box<[Pattern]>,
    /// The patterns as they were written, for whoever explains a decision.
    pub(crate) texts: Box<[Box<str>]>,
}

/// How many characters of a document count against its limit: all but whitespace.
pub fn document_length_without_whitespace(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

impl Document {
    /// Reads a document, or says what is wrong with it and where.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, Malformed> {
        let mut members = object(Json::parse(text)?, "document")?;
        let version = match take(&mut members, "Version") {
            None => Version::V2008,
            Some(value) => Version::parse(&string(value, "Version")?)?,
        };
        take(&mut members, "Id").map(|id| string(id, "Id")).transpose()?;
        let statements = take(&mut members, "Statement");
        refuse_others(&members, "")?;
        let statements = statements.ok_or_else(|| Malformed::new("Statement", "is missing"))?;
        let statements = read_statements(statements, version)?;
        if dialect == Dialect::Iam {
            check_sids(&statements)?;
        }
        Ok(Self { version, statements: statements.into() })
    }

    /// The version of the language that the document is written in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many patterns a decision has to be compared with, at most; none if it takes more than
    /// that, for there are conditions or variables.
    pub fn plain_patterns(&self) -> Option<usize> {
        self.statements.iter().try_fold(0_usize, |sum, statement| {
            let is_plain = statement.asked().next().is_none();
            let patterns = statement.actions.patterns.len() + statement.resources.patterns.len();
            is_plain.then(|| sum.saturating_add(patterns))
        })
    }

    /// Whether a decision may change as time passes: a condition or a variable asks for
    /// `aws:CurrentTime` or `aws:EpochTime`.
    pub fn depends_on_time(&self) -> bool {
        self.statements.iter().flat_map(Statement::asked).any(is_time)
    }

    /// Whether a condition or a variable asks for a key that begins with `prefix`.
    pub fn asks_for(&self, prefix: &str) -> bool {
        let begins = |key: &str| {
            key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        self.statements.iter().flat_map(Statement::asked).any(begins)
    }
}

impl Statement {
    /// The keys and variables that it asks the context for.
    pub(crate) fn asked(&self) -> impl Iterator<Item = &str> {
        let resources = self.resources.patterns.iter().flat_map(Pattern::variables);
        let keys = self.conditions.iter().map(|condition| &*condition.key);
        resources.chain(keys).chain(self.conditions.iter().flat_map(Condition::variables))
    }
}

fn is_time(key: &str) -> bool {
    ["aws:CurrentTime", "aws:EpochTime"].iter().any(|time| time.eq_ignore_ascii_case(key))
}

impl Version {
    fn parse(text: &str) -> Result<Self, Malformed> {
        match text {
            "2008-10-17" => Ok(Self::V2008),
            "2012-10-17" => Ok(Self::V2012),
            _ => Err(Malformed::new("Version", "must be 2008-10-17 or 2012-10-17")),
        }
    }

    /// Whether `${…}` means anything.
    pub(crate) fn has_variables(self) -> bool {
        self == Self::V2012
    }
}

fn read_statements(value: Json, version: Version) -> Result<Vec<Statement>, Malformed> {
    match value {
        Json::Array(items) if items.is_empty() => {
            Err(Malformed::new("Statement", "must not be empty"))
        }
        Json::Array(items) => {
            let read = |(i, item)| read_statement(item, &format!("Statement[{i}]"), version);
            items.into_iter().enumerate().map(read).collect()
        }
        single => Ok(vec![read_statement(single, "Statement", version)?]),
    }
}

fn read_statement(value: Json, place: &str, version: Version) -> Result<Statement, Malformed> {
    let mut members = object(value, place)?;
    let at = |name: &str| format!("{place}.{name}");
    let sid = take(&mut members, "Sid").map(|sid| string(sid, &at("Sid"))).transpose()?;
    let effect = read_effect(take(&mut members, "Effect"), &at("Effect"))?;
    let actions = read_targets(&mut members, place, "Action", |text| {
        check_action(text)?;
        Ok(Pattern::parse(text, Grammar { wildcards: true, variables: false }))
    })?;
    let resources = read_targets(&mut members, place, "Resource", |text| {
        check_resource(text)?;
        let variables = version.has_variables();
        Ok(Pattern::parse(text, Grammar { wildcards: true, variables }))
    })?;
    let conditions = take(&mut members, "Condition")
        .map(|block| read_block(block, &at("Condition"), version))
        .transpose()?
        .unwrap_or_default();
    refuse_others(&members, &format!("{place}."))?;
    Ok(Statement { sid: sid.map(Into::into), effect, actions, resources, conditions })
}

fn read_effect(value: Option<Json>, place: &str) -> Result<Effect, Malformed> {
    match value {
        Some(Json::String(text)) if text == "Allow" => Ok(Effect::Allow),
        Some(Json::String(text)) if text == "Deny" => Ok(Effect::Deny),
        _ => Err(Malformed::new(place, "must be Allow or Deny")),
    }
}

/// Reads the member `name` or `Not<name>`, of which there must be one.
fn read_targets(
    members: &mut Vec<(String, Json)>,
    place: &str,
    name: &str,
    read: impl Fn(&str) -> Result<Pattern, &'static str>,
) -> Result<Targets, Malformed> {
    let negated = format!("Not{name}");
    let (value, is_negated, name) = match (take(members, name), take(members, &negated)) {
        (Some(value), None) => (value, false, name),
        (None, Some(value)) => (value, true, &*negated),
        (Some(_), Some(_)) => {
            return Err(Malformed::new(place, format!("must not have both {name} and {negated}")));
        }
        (None, None) => {
            return Err(Malformed::new(place, format!("must have {name} or {negated}")));
        }
    };
    let place = format!("{place}.{name}");
    let items = value.into_list();
    if items.is_empty() {
        return Err(Malformed::new(place, "must not be empty"));
    }
    let read = |item| {
        let text = string(item, &place)?;
        let pattern = read(&text);
        let pattern =
            pattern.map_err(|rule| Malformed::new(&*place, format!("`{text}` {rule}")))?;
        Ok((pattern, Box::from(text)))
    };
    let read = items.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (patterns, texts): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    Ok(Targets { is_negated, patterns: patterns.into(), texts: texts.into() })
}

/// `*`, or a service's prefix, a colon and a name with wildcards.
fn check_action(text: &str) -> Result<(), &'static str> {
    const RULE: &str = "must be * or service:Action";
    if text == "*" {
        return Ok(());
    }
    let (prefix, name) = text.split_once(':').ok_or(RULE)?;
    let is_prefix = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_name = |c: char| c.is_ascii_alphanumeric() || "*?-_.".contains(c);
    let fits = |text: &str, fits: fn(char) -> bool| !text.is_empty() && text.chars().all(fits);
    if fits(prefix, is_prefix) && fits(name, is_name) { Ok(()) } else { Err(RULE) }
}

fn check_resource(text: &str) -> Result<(), &'static str> {
    if text == "*" || text.starts_with("arn:") {
        return Ok(());
    }
    Err("must be * or an ARN")
}

fn check_sids(statements: &[Statement]) -> Result<(), Malformed> {
    let mut seen = HashSet::new();
    for (i, sid) in statements.iter().enumerate().filter_map(|(i, s)| Some((i, s.sid.as_ref()?))) {
        let place = format!("Statement[{i}].Sid");
        if !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(Malformed::new(place, "must be letters and digits"));
        }
        if !seen.insert(sid) {
            return Err(Malformed::new(place, "must be unique"));
        }
    }
    Ok(())
}

fn object(value: Json, place: &str) -> Result<Vec<(String, Json)>, Malformed> {
    match value {
        Json::Object(members) => Ok(members),
        _ => Err(Malformed::new(place, "must be an object")),
    }
}

fn string(value: Json, place: &str) -> Result<String, Malformed> {
    match value {
        Json::String(text) => Ok(text),
        _ => Err(Malformed::new(place, "must be a string")),
    }
}

fn take(members: &mut Vec<(String, Json)>, name: &str) -> Option<Json> {
    let at = members.iter().position(|(other, _)| other == name)?;
    Some(members.swap_remove(at).1)
}

fn refuse_others(members: &[(String, Json)], prefix: &str) -> Result<(), Malformed> {
    match members.first() {
        None => Ok(()),
        Some((name, _)) => Err(Malformed::new(format!("{prefix}{name}"), "no such member")),
    }
}
