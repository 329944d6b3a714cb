//! What a statement says, as a tree.

use crate::functions::Function;
use crate::number::Number;

/// `SET … SELECT … FROM … WHERE …`.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) variables: Vec<(String, Expression)>,
    pub(crate) select: Select,
    pub(crate) topic: Option<String>,
    pub(crate) condition: Option<Expression>,
    /// The roles that functions are called with, where they stand there as texts.
    pub(crate) roles: Vec<String>,
}

/// What is selected.
#[derive(Debug)]
pub(crate) enum Select {
    /// `SELECT VALUE …`: the bare value.
    Value(Box<What>),
    /// An object of items.
    Items(Vec<Item>),
}

/// One of what is selected.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) what: What,
    /// Where it stands in the result: names from the outside in. None puts the members of `*` there.
    pub(crate) alias: Vec<String>,
}

/// What an item is.
#[derive(Debug)]
pub(crate) enum What {
    All,
    Expression(Expression),
}

/// `(SELECT … FROM … WHERE …)`.
#[derive(Debug)]
pub(crate) struct Nested {
    pub(crate) select: Select,
    pub(crate) source: Expression,
    /// What the source's elements are called.
    pub(crate) alias: Option<String>,
    pub(crate) condition: Option<Expression>,
}

/// Something that has a value.
#[derive(Debug)]
pub(crate) enum Expression {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    /// `*` as an argument: the message as it came.
    All,
    /// `a.b.c`: a field, and fields of it.
    Path(Vec<String>),
    /// The variable of that name, and its place.
    Variable(String, usize),
    Member(Box<Self>, String),
    Call(&'static Function, Vec<Self>),
    Cast(Box<Self>, CastType),
    Not(Box<Self>),
    Negate(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    In(Box<Self>, Box<Self>),
    Exists(Box<Nested>),
    Nested(Box<Nested>),
    Case(Box<Case>),
    Object(Vec<(String, Self)>),
    Array(Vec<Self>),
}

/// `CASE value WHEN … THEN … ELSE … END`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) value: Expression,
    pub(crate) branches: Vec<(Expression, Expression)>,
    pub(crate) otherwise: Option<Expression>,
}

/// What stands between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// How strongly it binds.
    pub(crate) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            // NOT is 3.
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual => 4,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide | Self::Remainder => 6,
        }
    }
}

/// What `cast` makes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CastType {
    Text,
    Int,
    Decimal,
    Boolean,
}
