//! Condition operators: their names, and what one value of each compares as.

use std::cmp::Ordering;
use std::net::IpAddr;

use types::Timestamp;

use crate::context::Context;
use crate::pattern::{Case, Grammar, Pattern, Unresolved};

/// An operator as a policy names it: `ForAnyValue:StringNotEqualsIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) quantifier: Quantifier,
    pub(crate) kind: Kind,
    pub(crate) is_negated: bool,
    pub(crate) if_exists: bool,
}

/// How the values of a multi-valued key are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Plain,
    ForAllValues,
    ForAnyValue,
}

/// What the values are compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    StringIgnoreCase,
    StringLike,
    Numeric(Comparison),
    Date(Comparison),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

/// The relation of the request's value to the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

impl Operator {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (quantifier, name) = match name.split_once(':') {
            None => (Quantifier::Plain, name),
            Some(("ForAllValues", name)) => (Quantifier::ForAllValues, name),
            Some(("ForAnyValue", name)) => (Quantifier::ForAnyValue, name),
            Some(_) => return None,
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (kind, is_negated) = kind(name)?;
        let is_bare = quantifier == Quantifier::Plain && !if_exists;
        (kind != Kind::Null || is_bare).then_some(Self { quantifier, kind, is_negated, if_exists })
    }
}

fn kind(name: &str) -> Option<(Kind, bool)> {
    let (kind, is_negated) = match name {
        "StringEquals" => (Kind::String, false),
        "StringNotEquals" => (Kind::String, true),
        "StringEqualsIgnoreCase" => (Kind::StringIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Kind::StringIgnoreCase, true),
        "StringLike" => (Kind::StringLike, false),
        "StringNotLike" => (Kind::StringLike, true),
        "Bool" => (Kind::Bool, false),
        "BinaryEquals" => (Kind::Binary, false),
        "IpAddress" => (Kind::Ip, false),
        "NotIpAddress" => (Kind::Ip, true),
        "ArnEquals" | "ArnLike" => (Kind::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Kind::Arn, true),
        "Null" => (Kind::Null, false),
        _ => return ordered_kind(name),
    };
    Some((kind, is_negated))
}

fn ordered_kind(name: &str) -> Option<(Kind, bool)> {
    let (of, relation): (fn(Comparison) -> Kind, _) = match name.strip_prefix("Numeric") {
        Some(relation) => (Kind::Numeric, relation),
        None => (Kind::Date, name.strip_prefix("Date")?),
    };
    let (comparison, is_negated) = match relation {
        "Equals" => (Comparison::Equals, false),
        "NotEquals" => (Comparison::Equals, true),
        "LessThan" => (Comparison::LessThan, false),
        "LessThanEquals" => (Comparison::LessThanEquals, false),
        "GreaterThan" => (Comparison::GreaterThan, false),
        "GreaterThanEquals" => (Comparison::GreaterThanEquals, false),
        _ => return None,
    };
    Some((of(comparison), is_negated))
}

impl Comparison {
    fn holds(self, order: Option<Ordering>) -> bool {
        match (self, order) {
            (_, None) => false,
            (Self::Equals, Some(order)) => order.is_eq(),
            (Self::LessThan, Some(order)) => order.is_lt(),
            (Self::LessThanEquals, Some(order)) => order.is_le(),
            (Self::GreaterThan, Some(order)) => order.is_gt(),
            (Self::GreaterThanEquals, Some(order)) => order.is_ge(),
        }
    }
}

/// One value of a condition in a policy, read as its operator compares it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Text(Pattern, Case),
    Number(Comparison, f64),
    Date(Comparison, Timestamp),
    Bool(bool),
    Network(Network),
    Arn(Vec<Pattern>),
}

impl Operand {
    /// Reads `text`, or says what it must be.
    pub(crate) fn parse(kind: Kind, text: &str, variables: bool) -> Result<Self, &'static str> {
        let exact = |variables| Pattern::parse(text, Grammar { wildcards: false, variables });
        match kind {
            Kind::String => Ok(Self::Text(exact(variables), Case::Sensitive)),
            Kind::StringIgnoreCase => Ok(Self::Text(exact(variables), Case::Insensitive)),
            Kind::Binary => Ok(Self::Text(exact(false), Case::Sensitive)),
            Kind::StringLike => {
                let pattern = Pattern::parse(text, Grammar { wildcards: true, variables });
                Ok(Self::Text(pattern, Case::Sensitive))
            }
            Kind::Numeric(comparison) => {
                number(text).map(|n| Self::Number(comparison, n)).ok_or("must be a number")
            }
            Kind::Date(comparison) => {
                date(text).map(|d| Self::Date(comparison, d)).ok_or("must be a date")
            }
            Kind::Bool | Kind::Null => boolean(text).map(Self::Bool).ok_or("must be true or false"),
            Kind::Ip => {
                Network::parse(text).map(Self::Network).ok_or("must be an address or a CIDR range")
            }
            Kind::Arn => Ok(Self::Arn(arn_patterns(text, variables))),
        }
    }

    /// The patterns that it is made of, if it is.
    pub(crate) fn patterns(&self) -> &[Pattern] {
        match self {
            Self::Text(pattern, _) => std::slice::from_ref(pattern),
            Self::Arn(patterns) => patterns,
            Self::Number(..) | Self::Date(..) | Self::Bool(_) | Self::Network(_) => &[],
        }
    }

    /// Whether `value` of the request matches this value of the policy.
    pub(crate) fn matches<'a>(
        &'a self,
        value: &str,
        context: &dyn Context,
    ) -> Result<bool, Unresolved<'a>> {
        match self {
            Self::Text(pattern, case) => pattern.matches(value, *case, context),
            Self::Number(comparison, bound) => {
                Ok(comparison.holds(number(value).and_then(|n| n.partial_cmp(bound))))
            }
            Self::Date(comparison, bound) => {
                Ok(comparison.holds(date(value).map(|d| d.cmp(bound))))
            }
            Self::Bool(expect) => Ok(boolean(value) == Some(*expect)),
            Self::Network(network) => Ok(value.parse().is_ok_and(|ip| network.contains(ip))),
            Self::Arn(patterns) => arn_matches(patterns, value, context),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Reads RFC 3339, a bare `2026-01-02`, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    if let Some(secs) = number(text) {
        return Timestamp::from_secs_f64(secs).ok();
    }
    let whole = Timestamp::from_rfc3339(text);
    whole.or_else(|_| Timestamp::from_rfc3339(&format!("{text}T00:00:00Z"))).ok()
}

/// How many parts an ARN has; the last one may have colons.
const ARN_PARTS: usize = 6;

/// A pattern for each part: wildcards stay within theirs. Text without a colon (`*`) is one
/// pattern for the whole; with too few parts it matches no ARN.
fn arn_patterns(text: &str, variables: bool) -> Vec<Pattern> {
    let grammar = Grammar { wildcards: true, variables };
    split_arn_pattern(text).into_iter().map(|part| Pattern::parse(part, grammar)).collect()
}

/// Splits at the first five colons that stand in no `${…}`.
pub(crate) fn split_arn_pattern(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && parts.len() + 1 < ARN_PARTS => {
                parts.extend(text.get(start..i));
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

fn arn_matches<'a>(
    patterns: &'a [Pattern],
    value: &str,
    context: &dyn Context,
) -> Result<bool, Unresolved<'a>> {
    if let [pattern] = patterns {
        return pattern.matches(value, Case::Sensitive, context);
    }
    if value.splitn(ARN_PARTS, ':').count() != patterns.len() {
        return Ok(false);
    }
    for (pattern, part) in patterns.iter().zip(value.splitn(ARN_PARTS, ':')) {
        if !pattern.matches(part, Case::Sensitive, context)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A range of IP addresses, as CIDR writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { address, prefix })
    }

    fn contains(self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let differing = u32::from(net) ^ u32::from(ip);
                differing.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let differing = u128::from(net) ^ u128::from(ip);
                differing.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}
