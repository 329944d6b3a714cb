//! One line of a `Condition` block: an operator, a key and the values that satisfy it.

use crate::context::Context;
use crate::document::{Effect, Version};
use crate::json::Json;
use crate::malformed::Malformed;
use crate::operator::{Kind, Operand, Operator, Quantifier};
use crate::pattern::Pattern;
use crate::variables::condition_values;

/// An operator applied to a key. All conditions of a statement must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) operator_name: Box<str>,
    pub(crate) key: Box<str>,
    /// The values as they were written, for whoever explains a decision.
    pub(crate) texts: Box<[Box<str>]>,
    operator: Operator,
    operands: Box<[Operand]>,
}

/// Reads a whole block: `{"StringEquals":{"iot:DomainName":["a","b"]}}`.
pub(crate) fn read_block(
    block: Json,
    place: &str,
    version: Version,
) -> Result<Box<[Condition]>, Malformed> {
    let mut conditions = Vec::new();
    for (name, keys) in members(block, place)? {
        let place = format!("{place}.{name}");
        let operator =
            Operator::parse(&name).ok_or_else(|| Malformed::new(&*place, "no such operator"))?;
        for (key, values) in members(keys, &place)? {
            let place = format!("{place}.{key}");
            let (operands, texts): (Vec<_>, Vec<_>) =
                read_operands(operator, values, &place, version)?.into_iter().unzip();
            let (operator_name, key) = (name.as_str().into(), key.into());
            let (operands, texts) = (operands.into(), texts.into());
            conditions.push(Condition { operator_name, key, texts, operator, operands });
        }
    }
    Ok(conditions.into())
}

fn members(value: Json, place: &str) -> Result<Vec<(String, Json)>, Malformed> {
    match value {
        Json::Object(members) => Ok(members),
        _ => Err(Malformed::new(place, "must be an object")),
    }
}

fn read_operands(
    operator: Operator,
    values: Json,
    place: &str,
    version: Version,
) -> Result<Vec<(Operand, Box<str>)>, Malformed> {
    let read = |value| {
        let text = match value {
            Json::String(text) | Json::Number(text) => text,
            Json::Bool(value) => value.to_string(),
            _ => return Err(Malformed::new(place, "must be a string or a list of strings")),
        };
        let operand = Operand::parse(operator.kind, &text, version.has_variables())
            .map_err(|rule| Malformed::new(place, rule))?;
        Ok((operand, text.into()))
    };
    values.into_list().into_iter().map(read).collect()
}

impl Condition {
    /// The variables in its values.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.operands.iter().flat_map(Operand::patterns).flat_map(Pattern::variables)
    }

    /// The variables in its values that have none.
    pub(crate) fn missing_variables<'c>(
        &'c self,
        context: &dyn Context,
    ) -> impl Iterator<Item = &'c str> {
        let patterns = self.operands.iter().flat_map(Operand::patterns);
        patterns.flat_map(move |pattern| pattern.missing_variables(context))
    }

    /// Its key, if the request does not have it.
    pub(crate) fn missing_key(&self, context: &dyn Context) -> Option<&str> {
        let is_missing =
            context.values(&self.key).is_none() && condition_values(&self.key, context).is_empty();
        is_missing.then_some(&*self.key)
    }

    /// Whether the request satisfies the condition, in a statement of that effect.
    ///
    /// A missing key satisfies `…IfExists`, negated operators and `ForAllValues`, as in IAM. A
    /// variable without a value matches nothing, except that it never lets a negated operator
    /// of an Allow hold.
    pub(crate) fn holds(&self, context: &dyn Context, effect: Effect) -> bool {
        let Operator { quantifier, kind, is_negated, if_exists } = self.operator;
        let values = condition_values(&self.key, context);
        if kind == Kind::Null {
            return self.operands.contains(&Operand::Bool(values.is_empty()));
        }
        if values.is_empty() {
            return if_exists || quantifier_of_nothing(quantifier, is_negated);
        }
        let matches = |value: &str| self.matches(value, context, effect);
        match (quantifier, is_negated) {
            (Quantifier::Plain | Quantifier::ForAnyValue, false) => {
                values.iter().any(|v| matches(v))
            }
            (Quantifier::ForAllValues, false) => values.iter().all(|v| matches(v)),
            (Quantifier::Plain | Quantifier::ForAllValues, true) => {
                !values.iter().any(|v| matches(v))
            }
            (Quantifier::ForAnyValue, true) => values.iter().any(|v| !matches(v)),
        }
    }

    /// Whether `value` matches any value of the policy.
    fn matches(&self, value: &str, context: &dyn Context, effect: Effect) -> bool {
        let mut is_unresolved = false;
        for operand in &self.operands {
            match operand.matches(value, context) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_) => is_unresolved = true,
            }
        }
        is_unresolved && self.operator.is_negated && effect == Effect::Allow
    }
}

fn quantifier_of_nothing(quantifier: Quantifier, is_negated: bool) -> bool {
    match quantifier {
        Quantifier::Plain => is_negated,
        Quantifier::ForAllValues => true,
        Quantifier::ForAnyValue => false,
    }
}
