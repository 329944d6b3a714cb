//! Expressions as text, for whoever is told their values.

use std::fmt::{self, Display, Formatter};

use crate::syntax::{Case, CastType, Expression, Item, Nested, Operator, Select, What};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::All => f.write_str("*"),
            Self::Path(path) => f.write_str(&path.join(".")),
            Self::Variable(name, _) => write!(f, "@{name}"),
            Self::Member(inner, name) => write!(f, "{inner}.{name}"),
            Self::Call(function, arguments) => {
                write!(f, "{}(", function.name)?;
                list(f, arguments)?;
                f.write_str(")")
            }
            Self::Cast(inner, kind) => write!(f, "cast({inner} AS {kind})"),
            Self::Not(inner) => write!(f, "NOT {inner}"),
            Self::Negate(inner) => write!(f, "-{inner}"),
            Self::Binary(operator, left, right) => write!(f, "({left} {operator} {right})"),
            Self::In(left, right) => write!(f, "({left} IN {right})"),
            Self::Exists(nested) => write!(f, "EXISTS ({nested})"),
            Self::Nested(nested) => write!(f, "({nested})"),
            Self::Case(case) => write!(f, "{case}"),
            Self::Object(members) => {
                f.write_str("{")?;
                separated(f, members, |f, (name, value)| write!(f, "'{name}': {value}"))?;
                f.write_str("}")
            }
            Self::Array(items) => {
                f.write_str("[")?;
                list(f, items)?;
                f.write_str("]")
            }
        }
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CASE {}", self.value)?;
        for (when, then) in &self.branches {
            write!(f, " WHEN {when} THEN {then}")?;
        }
        if let Some(otherwise) = &self.otherwise {
            write!(f, " ELSE {otherwise}")?;
        }
        f.write_str(" END")
    }
}

impl Display for Nested {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.select {
            Select::Value(what) => write!(f, "SELECT VALUE {what}")?,
            Select::Items(items) => {
                f.write_str("SELECT ")?;
                separated(f, items, |f, item| write!(f, "{item}"))?;
            }
        }
        write!(f, " FROM {}", self.source)?;
        if let Some(alias) = &self.alias {
            write!(f, " AS {alias}")?;
        }
        self.condition.as_ref().map_or(Ok(()), |condition| write!(f, " WHERE {condition}"))
    }
}

impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if self.alias.is_empty() { Ok(()) } else { write!(f, " AS {}", self.alias.join(".")) }
    }
}

impl Display for What {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Expression(expression) => write!(f, "{expression}"),
        }
    }
}

impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        })
    }
}

impl Display for CastType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "String",
            Self::Int => "Int",
            Self::Decimal => "Decimal",
            Self::Boolean => "Boolean",
        })
    }
}

fn list(f: &mut Formatter<'_>, items: &[Expression]) -> fmt::Result {
    separated(f, items, |f, item| write!(f, "{item}"))
}

fn separated<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    each: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(", ")?;
        }
        each(f, item)?;
    }
    Ok(())
}
