//! The values of rules SQL.

use std::borrow::Cow;

use crate::json;
use crate::number::Number;

/// A value. What it can, it borrows from the message and the statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'m> {
    /// What is not there; it vanishes from objects.
    #[default]
    Undefined,
    /// JSON's `null`.
    Null,
    /// True or false.
    Boolean(bool),
    /// An Int or a Decimal.
    Number(Number),
    /// A text.
    String(Cow<'m, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object<'m>),
}

/// An object: its members in the order in which they came, each name once.
#[derive(Clone, Debug, Default)]
pub struct Object<'m>(Vec<(Cow<'m, str>, Value<'m>)>);

/// Room that a text of JSON has from the beginning.
const TEXT_BYTES: usize = 128;

/// Members that are compared one by one; of more, an index is made.
const FEW: usize = 16;

impl<'m> Value<'m> {
    /// A text that nothing else holds.
    #[must_use]
    pub fn text(text: impl Into<Cow<'m, str>>) -> Self {
        Self::String(text.into())
    }

    /// A whole number.
    #[must_use]
    pub fn int(number: impl Into<i128>) -> Self {
        Self::Number(Number::Int(number.into()))
    }

    /// The value of a conversion that may fail: Undefined then.
    #[must_use]
    pub fn of(number: Option<Number>) -> Self {
        number.map_or(Self::Undefined, Self::Number)
    }

    /// The member `name` of an object.
    #[must_use]
    pub fn member(self, name: &str) -> Self {
        match self {
            Self::Object(object) => object.take(name),
            _ => Self::Undefined,
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    /// About how many bytes it has in memory.
    pub(crate) fn weight(&self) -> usize {
        let inside = match self {
            Self::Undefined | Self::Null | Self::Boolean(_) | Self::Number(_) => 0,
            Self::String(text) => text.len(),
            Self::Array(items) => items.iter().map(Self::weight).sum(),
            Self::Object(object) => {
                object.iter().map(|(name, value)| 24 + name.len() + value.weight()).sum()
            }
        };
        size_of::<Self>() + inside
    }

    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Undefined => Value::Undefined,
            Self::Null => Value::Null,
            Self::Boolean(boolean) => Value::Boolean(boolean),
            Self::Number(number) => Value::Number(number),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::Array(items) => Value::Array(items.into_iter().map(Self::into_owned).collect()),
            Self::Object(object) => Value::Object(object.into_owned()),
        }
    }

    /// The value as JSON without white space; nothing of Undefined.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(TEXT_BYTES);
        json::write(self, &mut text);
        text
    }
}

impl<'m> Object<'m> {
    /// An object of `members`, of which the last of each name counts, at the place of the first.
    #[must_use]
    pub fn of(members: Vec<(Cow<'m, str>, Value<'m>)>) -> Self {
        let mut object = Self(members);
        object.keep_last_of_each();
        object
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'m>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The member `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'m>> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The member `name`, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Value<'m>> {
        self.0.iter_mut().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The members' values, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value<'m>> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Puts the members in the order of their names.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|(left, _), (right, _)| left.cmp(right));
    }

    /// The member `name`, without the rest.
    #[must_use]
    pub fn take(mut self, name: &str) -> Value<'m> {
        let place = self.0.iter().position(|(member, _)| member == name);
        place.map_or(Value::Undefined, |place| self.0.swap_remove(place).1)
    }

    /// Gives the member `name` a value, at its place if there is one of that name.
    pub fn insert(&mut self, name: Cow<'m, str>, value: Value<'m>) {
        match self.0.iter_mut().find(|(member, _)| *member == name) {
            Some((_, present)) => *present = value,
            None => self.0.push((name, value)),
        }
    }

    /// Gives the member at the end of `path` a value; what is in its way on the path is replaced.
    pub fn insert_at(&mut self, path: &'m [String], value: Value<'m>) {
        let Some((name, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            return self.insert(Cow::Borrowed(name), value);
        }
        let place = self.0.iter().position(|(member, _)| member == name);
        let place = place.unwrap_or_else(|| {
            self.0.push((Cow::Borrowed(name), Value::Undefined));
            self.0.len() - 1
        });
        let Some((_, inner)) = self.0.get_mut(place) else { return };
        if !matches!(inner, Value::Object(_)) {
            *inner = Value::Object(Self::default());
        }
        if let Value::Object(inner) = inner {
            inner.insert_at(rest, value);
        }
    }

    /// Adds the members of `other`, which count more.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
        self.keep_last_of_each();
    }

    fn keep_last_of_each(&mut self) {
        if self.0.len() <= FEW {
            let mut at = 1;
            while at < self.0.len() {
                let (before, after) = self.0.split_at_mut(at);
                let Some((name, value)) = after.first_mut() else { return };
                match before.iter_mut().find(|(member, _)| member == name) {
                    Some((_, present)) => {
                        *present = std::mem::take(value);
                        self.0.remove(at);
                    }
                    None => at += 1,
                }
            }
            return;
        }
        self.keep_last_of_many();
    }

    fn keep_last_of_many(&mut self) {
        let mut places = std::collections::HashMap::with_capacity(self.0.len());
        let mut kept: Vec<(Cow<'m, str>, Value<'m>)> = Vec::with_capacity(self.0.len());
        for (name, value) in self.0.drain(..) {
            let place = *places.entry(name.clone()).or_insert(kept.len());
            match kept.get_mut(place) {
                Some((_, present)) => *present = value,
                None => kept.push((name, value)),
            }
        }
        self.0 = kept;
    }

    fn into_owned(self) -> Object<'static> {
        let owned = |(name, value): (Cow<'m, str>, Value<'m>)| {
            (Cow::Owned(name.into_owned()), value.into_owned())
        };
        Object(self.0.into_iter().map(owned).collect())
    }
}

impl PartialEq for Object<'_> {
    /// Objects are equal if they have the same members, in whatever order.
    fn eq(&self, other: &Self) -> bool {
        if self.0.len() != other.0.len() {
            return false;
        }
        if self.0.len() <= FEW {
            return self.0.iter().all(|(name, value)| other.get(name) == Some(value));
        }
        let members: std::collections::HashMap<&str, &Value<'_>> = other.iter().collect();
        self.iter().all(|(name, value)| members.get(name) == Some(&value))
    }
}
