//! From words to a tree.

use crate::Version;
use crate::error::ParseError;
use crate::functions;
use crate::syntax::{Case, CastType, Expression, Item, Nested, Operator, Query, Select, What};
use crate::token::{Kind, Token, tokens};

/// How deep expressions stand in one another, chains of operators included.
const DEPTH_MAX: usize = 128;
/// Variables of a statement.
const VARIABLES_MAX: usize = 10;

/// Words that are no fields' names.
const RESERVED: [&str; 15] = [
    "select", "from", "where", "as", "and", "or", "not", "in", "exists", "case", "when", "then",
    "else", "end", "set",
];

/// Reads a statement.
pub(crate) fn statement(text: &str, version: Version) -> Result<Query, ParseError> {
    let mut parser = Parser::new(text, version, Vec::new())?;
    let variables = parser.variables()?;
    parser.keyword("select")?;
    let select = parser.select()?;
    let topic = if parser.takes_word("from") { Some(parser.topic()?) } else { None };
    let condition = parser.condition()?;
    parser.end()?;
    let variables = parser.variables.into_iter().zip(variables).collect();
    let roles = parser.roles;
    Ok(Query { variables, select, topic, condition, roles })
}

/// Reads an expression of a template, in which `variables` may stand, and the roles that it names.
pub(crate) fn expression(
    text: &str,
    version: Version,
    variables: Vec<String>,
) -> Result<(Expression, Vec<String>), ParseError> {
    let mut parser = Parser::new(text, version, variables)?;
    parser.is_template = true;
    let expression = if parser.is_sign("*") {
        parser.at += 1;
        Expression::All
    } else {
        parser.expression()?
    };
    parser.end()?;
    Ok((expression, parser.roles))
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    version: Version,
    variables: Vec<String>,
    depth: usize,
    is_template: bool,
    /// Calls so far of functions whose answers come from outside.
    outside_calls: usize,
    roles: Vec<String>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, version: Version, variables: Vec<String>) -> Result<Self, ParseError> {
        let tokens = tokens(text)?;
        let (at, depth, is_template, outside_calls) = (0, 0, false, 0);
        let roles = Vec::new();
        Ok(Self { text, tokens, at, version, variables, depth, is_template, outside_calls, roles })
    }

    fn variables(&mut self) -> Result<Vec<Expression>, ParseError> {
        let mut values = Vec::new();
        if !self.takes_word("set") {
            return Ok(values);
        }
        loop {
            let Kind::Variable(name) = self.kind().clone() else {
                return Err(self.expected("a variable, such as @name"));
            };
            if self.variables.contains(&name) {
                return Err(self.error(format!("@{name} has a value already")));
            }
            if self.variables.len() == VARIABLES_MAX {
                return Err(self.error(format!("more than {VARIABLES_MAX} variables")));
            }
            self.at += 1;
            self.sign("=")?;
            values.push(self.expression()?);
            self.variables.push(name);
            if !self.takes_sign(",") {
                return Ok(values);
            }
        }
    }

    fn topic(&mut self) -> Result<String, ParseError> {
        let Kind::Text(topic) = self.kind().clone() else {
            return Err(self.expected("a topic filter in quotes"));
        };
        self.at += 1;
        Ok(topic)
    }

    fn condition(&mut self) -> Result<Option<Expression>, ParseError> {
        if self.takes_word("where") { self.expression().map(Some) } else { Ok(None) }
    }

    fn select(&mut self) -> Result<Select, ParseError> {
        if self.is_value_keyword() {
            self.at += 1;
            let what =
                if self.takes_sign("*") { What::All } else { What::Expression(self.expression()?) };
            if self.is_sign(",") || self.is_word("as") {
                return Err(self.error("SELECT VALUE has one value, without a name"));
            }
            return Ok(Select::Value(Box::new(what)));
        }
        let mut items = vec![self.item()?];
        while self.takes_sign(",") {
            items.push(self.item()?);
        }
        Ok(Select::Items(items))
    }

    /// Whether the word VALUE comes that says how to select, rather than a field of that name.
    fn is_value_keyword(&self) -> bool {
        if !self.is_word("value") {
            return false;
        }
        let starts = |place: usize| match self.tokens.get(place).map(|token| &token.kind) {
            Some(Kind::Word(word)) => {
                let word = word.to_ascii_lowercase();
                matches!(word.as_str(), "case" | "not" | "exists")
                    || !RESERVED.contains(&word.as_str())
            }
            Some(Kind::Sign(sign)) => matches!(*sign, "(" | "{" | "["),
            Some(Kind::End) | None => false,
            Some(_) => true,
        };
        let is_star =
            matches!(self.tokens.get(self.at + 1).map(|token| &token.kind), Some(Kind::Sign("*")));
        starts(self.at + 1) || (is_star && !starts(self.at + 2))
    }

    fn item(&mut self) -> Result<Item, ParseError> {
        if self.takes_sign("*") {
            let alias = if self.takes_word("as") { self.alias()? } else { Vec::new() };
            return Ok(Item { what: What::All, alias });
        }
        let start = self.start();
        let expression = self.expression()?;
        let end = self.tokens.get(self.at - 1).map_or(start, |token| token.end);
        let alias = if self.takes_word("as") {
            self.alias()?
        } else {
            vec![implied_alias(&expression, self.text.get(start..end).unwrap_or_default())]
        };
        Ok(Item { what: What::Expression(expression), alias })
    }

    fn alias(&mut self) -> Result<Vec<String>, ParseError> {
        let mut names = vec![self.name()?];
        while self.takes_sign(".") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// A name after AS or a point, where keywords are names like others.
    fn name(&mut self) -> Result<String, ParseError> {
        match self.kind().clone() {
            Kind::Word(name) | Kind::Text(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.expected("a name")),
        }
    }

    fn expression(&mut self) -> Result<Expression, ParseError> {
        self.binary(0)
    }

    /// An expression of operators that bind more strongly than `weakest`.
    fn binary(&mut self, weakest: u8) -> Result<Expression, ParseError> {
        self.deeper(|parser| {
            let mut left = parser.prefix()?;
            let mut levels = 0;
            loop {
                let is_in = parser.is_word("in");
                let operator = parser.operator();
                let strength = operator.map_or(if is_in { 4 } else { 0 }, Operator::strength);
                if strength <= weakest {
                    parser.depth -= levels;
                    return Ok(left);
                }
                parser.at += 1;
                levels += 1;
                parser.go_deeper()?;
                let right = parser.binary(strength)?;
                let (left_side, right_side) = (Box::new(left), Box::new(right));
                left = match operator {
                    Some(operator) => Expression::Binary(operator, left_side, right_side),
                    None => Expression::In(left_side, right_side),
                };
            }
        })
    }

    fn operator(&self) -> Option<Operator> {
        Some(match self.kind() {
            Kind::Sign("=") => Operator::Equal,
            Kind::Sign("<>") => Operator::NotEqual,
            Kind::Sign("<") => Operator::Less,
            Kind::Sign("<=") => Operator::LessOrEqual,
            Kind::Sign(">") => Operator::Greater,
            Kind::Sign(">=") => Operator::GreaterOrEqual,
            Kind::Sign("+") => Operator::Add,
            Kind::Sign("-") => Operator::Subtract,
            Kind::Sign("*") => Operator::Multiply,
            Kind::Sign("/") => Operator::Divide,
            Kind::Sign("%") => Operator::Remainder,
            _ if self.is_word("and") => Operator::And,
            _ if self.is_word("or") => Operator::Or,
            _ => return None,
        })
    }

    fn prefix(&mut self) -> Result<Expression, ParseError> {
        if self.takes_word("not") {
            return self.binary(3).map(|inner| Expression::Not(Box::new(inner)));
        }
        if self.takes_sign("-") {
            return self.deeper(|parser| match parser.kind().clone() {
                Kind::Number(number) => {
                    parser.at += 1;
                    parser.members(Expression::Number(parser.version.normal(number.negated())))
                }
                _ => parser.prefix().map(|inner| Expression::Negate(Box::new(inner))),
            });
        }
        let first = self.primary()?;
        self.members(first)
    }

    /// `.name` after an expression.
    fn members(&mut self, mut expression: Expression) -> Result<Expression, ParseError> {
        let mut levels = 0;
        while self.takes_sign(".") {
            let name = self.name()?;
            expression = match expression {
                Expression::Path(mut path) => {
                    path.push(name);
                    Expression::Path(path)
                }
                other => {
                    levels += 1;
                    self.go_deeper()?;
                    Expression::Member(Box::new(other), name)
                }
            };
        }
        self.depth -= levels;
        if self.is_sign("[") {
            return Err(self
                .error("unexpected [")
                .hint("elements are read with get(array, index)"));
        }
        Ok(expression)
    }

    fn primary(&mut self) -> Result<Expression, ParseError> {
        match self.kind().clone() {
            Kind::Number(number) => {
                self.at += 1;
                Ok(Expression::Number(self.version.normal(number)))
            }
            Kind::Text(text) => {
                self.at += 1;
                Ok(Expression::Text(text))
            }
            Kind::Variable(name) => self.variable(&name),
            Kind::Sign("(") => self.parenthesis(),
            Kind::Sign("{") => self.object(),
            Kind::Sign("[") => self.array(),
            Kind::Word(word) => self.word(&word),
            Kind::Sign(_) | Kind::End => Err(self.expected("an expression")),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Expression, ParseError> {
        let place = self.variables.iter().position(|variable| variable == name);
        let place = place.ok_or_else(|| {
            self.error(format!("@{name} has no value")).hint("give it one before, with SET")
        })?;
        self.at += 1;
        Ok(Expression::Variable(name.to_owned(), place))
    }

    fn parenthesis(&mut self) -> Result<Expression, ParseError> {
        self.at += 1;
        let inner = if self.is_word("select") {
            Expression::Nested(Box::new(self.nested()?))
        } else {
            self.expression()?
        };
        self.sign(")")?;
        Ok(inner)
    }

    fn nested(&mut self) -> Result<Nested, ParseError> {
        self.needs_2016("a SELECT in a statement")?;
        self.keyword("select")?;
        let nested = self.deeper(|parser| {
            let select = parser.select()?;
            parser.keyword("from")?;
            let source = parser.prefix()?;
            let alias = if parser.takes_word("as") { Some(parser.name()?) } else { None };
            Ok(Nested { select, source, alias, condition: parser.condition()? })
        })?;
        Ok(nested)
    }

    fn object(&mut self) -> Result<Expression, ParseError> {
        self.needs_2016("an object")?;
        self.at += 1;
        let mut members = Vec::new();
        if self.takes_sign("}") {
            return Ok(Expression::Object(members));
        }
        loop {
            let Kind::Text(name) = self.kind().clone() else {
                return Err(self.expected("a member's name in quotes"));
            };
            self.at += 1;
            self.sign(":")?;
            members.push((name, self.expression()?));
            if !self.takes_sign(",") {
                self.sign("}")?;
                return Ok(Expression::Object(members));
            }
        }
    }

    fn array(&mut self) -> Result<Expression, ParseError> {
        self.needs_2016("an array")?;
        self.at += 1;
        self.list("]").map(Expression::Array)
    }

    /// Expressions up to `end`.
    fn list(&mut self, end: &'static str) -> Result<Vec<Expression>, ParseError> {
        let mut items = Vec::new();
        if self.takes_sign(end) {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            if !self.takes_sign(",") {
                self.sign(end)?;
                return Ok(items);
            }
        }
    }

    fn word(&mut self, word: &str) -> Result<Expression, ParseError> {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "true" | "false" => {
                self.at += 1;
                return Ok(Expression::Boolean(lower == "true"));
            }
            "null" => {
                self.at += 1;
                return Ok(Expression::Null);
            }
            "case" => return self.case(),
            "exists" => return self.exists(),
            reserved if RESERVED.contains(&reserved) => return Err(self.expected("an expression")),
            _ => {}
        }
        let start = self.start();
        self.at += 1;
        if !self.takes_sign("(") {
            return Ok(Expression::Path(vec![word.to_owned()]));
        }
        if lower == "cast" { self.cast() } else { self.call(&lower, start) }
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Expression, ParseError> {
        let function = functions::named(name, self.version).map_err(|hint| {
            ParseError::at(start, format!("unknown function {name}()")).hint(hint)
        })?;
        self.outside_calls += usize::from(function.asks_outside());
        let mut arguments = Vec::new();
        if self.takes_sign(")") {
            return Ok(Expression::Call(function, arguments));
        }
        loop {
            let outside_calls = self.outside_calls;
            if function.takes_message && self.takes_sign("*") {
                arguments.push(Expression::All);
            } else {
                arguments.push(self.expression()?);
            }
            let is_default = function.name == "get_or_default" && arguments.len() == 2;
            if is_default && self.outside_calls > outside_calls {
                return Err(ParseError::at(start, "a default cannot come from outside")
                    .hint("call the external function as the first argument"));
            }
            if !self.takes_sign(",") {
                self.sign(")")?;
                break;
            }
        }
        // Only Protocol Buffers need more than what to decode and how.
        if self.is_template && function.name == "decode" && arguments.len() > 2 {
            return Err(ParseError::at(start, "a template cannot decode Protocol Buffers")
                .hint("decode them in SET and refer to the variable"));
        }
        if let Some(Expression::Text(role)) = function.role(&arguments) {
            self.roles.push(role.clone());
        }
        Ok(Expression::Call(function, arguments))
    }

    fn cast(&mut self) -> Result<Expression, ParseError> {
        let value = self.expression()?;
        self.keyword("as")?;
        let start = self.start();
        let name = self.name()?.to_ascii_lowercase();
        self.sign(")")?;
        let since_2016 = self.version != Version::V2015;
        let kind = match name.as_str() {
            "string" | "nvarchar" | "text" | "ntext" | "varchar" => CastType::Text,
            "int" | "integer" => CastType::Int,
            "double" => CastType::Decimal,
            "decimal" if since_2016 => CastType::Decimal,
            "bool" | "boolean" if since_2016 => CastType::Boolean,
            _ => {
                return Err(ParseError::at(start, format!("{name} is no type to cast to"))
                    .hint("String, Int, Double; since version 2016-03-23 Decimal and Boolean"));
            }
        };
        Ok(Expression::Cast(Box::new(value), kind))
    }

    fn exists(&mut self) -> Result<Expression, ParseError> {
        self.at += 1;
        self.sign("(")?;
        let nested = self.nested()?;
        self.sign(")")?;
        Ok(Expression::Exists(Box::new(nested)))
    }

    fn case(&mut self) -> Result<Expression, ParseError> {
        self.at += 1;
        if self.is_word("when") {
            return Err(self.expected("the value that is compared, as in CASE color WHEN 'red'"));
        }
        let value = self.expression()?;
        let mut branches = Vec::new();
        while self.takes_word("when") {
            let when = self.expression()?;
            self.keyword("then")?;
            branches.push((when, self.expression()?));
        }
        if branches.is_empty() {
            return Err(self.expected("WHEN"));
        }
        let otherwise = if self.takes_word("else") { Some(self.expression()?) } else { None };
        self.keyword("end")?;
        Ok(Expression::Case(Box::new(Case { value, branches, otherwise })))
    }

    fn needs_2016(&self, what: &str) -> Result<(), ParseError> {
        if self.version != Version::V2015 {
            return Ok(());
        }
        Err(self
            .error(format!("{what} needs SQL version 2016-03-23"))
            .hint("set awsIotSqlVersion to 2016-03-23"))
    }

    fn deeper<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        self.go_deeper()?;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn go_deeper(&mut self) -> Result<(), ParseError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(format!("more than {DEPTH_MAX} expressions in one another")));
        }
        self.depth += 1;
        Ok(())
    }

    fn kind(&self) -> &Kind {
        self.tokens.get(self.at).map_or(&Kind::End, |token| &token.kind)
    }

    fn start(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |token| token.start)
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(self.kind(), Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.kind(), Kind::Sign(next) if *next == sign)
    }

    fn takes_word(&mut self, keyword: &str) -> bool {
        let is_next = self.is_word(keyword);
        self.at += usize::from(is_next);
        is_next
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let is_next = self.is_sign(sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), ParseError> {
        let is_next = self.takes_word(keyword);
        if is_next { Ok(()) } else { Err(self.expected(&keyword.to_ascii_uppercase())) }
    }

    fn sign(&mut self, sign: &str) -> Result<(), ParseError> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.expected(sign)) }
    }

    fn end(&self) -> Result<(), ParseError> {
        if *self.kind() == Kind::End { Ok(()) } else { Err(self.expected("the end")) }
    }

    fn expected(&self, what: &str) -> ParseError {
        let found = match self.tokens.get(self.at) {
            Some(token) if token.kind != Kind::End => {
                format!("'{}'", self.text.get(token.start..token.end).unwrap_or_default())
            }
            _ => "the end".to_owned(),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::at(self.start(), message)
    }
}

/// What an item without AS is called: a field by its own name, a function by its, anything else by
/// how it is written. The reference does not say.
fn implied_alias(expression: &Expression, text: &str) -> String {
    match expression {
        Expression::Path(path) => path.last().cloned().unwrap_or_default(),
        Expression::Member(_, name) => name.clone(),
        Expression::Call(function, _) => function.name.to_owned(),
        _ => text.to_owned(),
    }
}
