//! From a tree and a message to a value.

use std::cell::RefCell;

use crate::Version;
use crate::functions::Function;
use crate::json::Fields;
use crate::message::{Answers, Halt, Message, Request};
use crate::operators;
use crate::syntax::{Case, Expression, Item, Nested, Query, Select, What};
use crate::value::{Object, Value};

/// Bytes that the variables of a statement have as JSON, each and together.
const VARIABLE_BYTES_MAX: usize = 128 * 1024;
/// Bytes of all values that an evaluation makes of texts, so that `a + a + a` of a large payload
/// stays bounded.
pub(crate) const RESULT_BYTES_MAX: usize = 1024 * 1024;

/// What an evaluation may do, counted in bytes that it looks at and copies: a SELECT in a SELECT
/// over long arrays would go on for minutes.
const WORK_MAX: usize = 64 * 1024 * 1024;
/// What an element of an array costs besides.
const ROW_WORK: usize = 64;

/// Messages of Protocol Buffers that a statement may decode.
const PROTOBUF_MAX: u32 = 2;

/// What a statement gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<'m> {
    /// The message as it came.
    Raw(&'m [u8]),
    /// A value, which goes out as JSON; nothing of Undefined.
    Value(Value<'m>),
}

/// An expression of a statement, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As a statement would write it.
    pub expression: String,
    /// As JSON; none of Undefined.
    pub value: Option<String>,
}

/// Steps that are told of one evaluation; a SELECT in a SELECT could have any number.
const STEPS_MAX: usize = 256;

/// An evaluation under way.
pub(crate) struct Evaluation<'m> {
    pub(crate) message: Message<'m>,
    pub(crate) version: Version,
    answers: &'m Answers,
    variables: Vec<Value<'m>>,
    rows: Vec<Row<'m>>,
    /// Values that were drawn by chance.
    drawn: u64,
    once: [bool; 2],
    /// Messages of Protocol Buffers that were decoded.
    protobuf: u32,
    /// What is left of [`WORK_MAX`].
    work: usize,
    /// The payload's members, once one is asked for.
    fields: Option<Fields<'m>>,
    /// Whether a field of a payload that is no JSON is an error rather than Undefined.
    needs_json: bool,
    /// What was found out, if somebody wants to know.
    steps: Option<&'m RefCell<Vec<Step>>>,
}

/// Functions that a statement may call once.
#[derive(Clone, Copy)]
pub(crate) enum Once {
    DynamoDb,
    RegistryData,
}

/// What a nested SELECT is at.
struct Row<'m> {
    value: Value<'m>,
    alias: Option<&'m str>,
}

impl<'m> Evaluation<'m> {
    pub(crate) fn new(
        message: &Message<'m>,
        version: Version,
        answers: &'m Answers,
        variables: Vec<Value<'m>>,
    ) -> Self {
        Self {
            message: *message,
            version,
            answers,
            variables,
            rows: Vec::new(),
            drawn: 0,
            once: [false; 2],
            protobuf: 0,
            work: WORK_MAX,
            fields: None,
            needs_json: false,
            steps: None,
        }
    }

    /// What `query` gives, unless its condition is not met, and the variables that it has set.
    pub(crate) fn query(
        mut self,
        query: &'m Query,
    ) -> Result<(Option<Output<'m>>, Vec<Value<'m>>), Halt> {
        self.needs_json = true;
        self.set(query)?;
        self.needs_json = false;
        if let Some(condition) = &query.condition
            && self.value(condition)?.as_boolean() != Some(true)
        {
            return Ok((None, self.variables));
        }
        self.needs_json = true;
        let output = self.output(&query.select)?;
        Ok((Some(output), self.variables))
    }

    fn set(&mut self, query: &'m Query) -> Result<(), Halt> {
        let mut bytes = 0;
        for (_, expression) in &query.variables {
            let value = self.value(expression)?;
            bytes += value.to_json().len();
            if bytes > VARIABLE_BYTES_MAX {
                return Err(Halt::TooLarge { what: "the variables that SET makes" });
            }
            self.variables.push(value);
        }
        Ok(())
    }

    fn output(&mut self, select: &'m Select) -> Result<Output<'m>, Halt> {
        let is_all = match select {
            Select::Value(what) => matches!(**what, What::All),
            Select::Items(items) => {
                matches!(items.as_slice(), [Item { what: What::All, alias }] if alias.is_empty())
            }
        };
        let payload = self.message.payload;
        if is_all && payload.json().is_none_or(|json| !self.opens(json.as_str())) {
            return Ok(Output::Raw(payload.bytes()));
        }
        self.selected(select).map(Output::Value)
    }

    /// Whether `*` stands for what is in the payload: an object, since 2016-03-23 an array as well.
    fn opens(&self, json: &str) -> bool {
        json.starts_with('{') || (json.starts_with('[') && self.version != Version::V2015)
    }

    fn selected(&mut self, select: &'m Select) -> Result<Value<'m>, Halt> {
        match select {
            Select::Value(what) => match &**what {
                What::All => self.everything(),
                What::Expression(expression) => self.value(expression),
            },
            Select::Items(items) => self.items(items),
        }
    }

    fn items(&mut self, items: &'m [Item]) -> Result<Value<'m>, Halt> {
        if let [Item { what: What::All, alias }] = items
            && alias.is_empty()
        {
            return self.everything();
        }
        let mut object = Object::default();
        for Item { what, alias } in items {
            let value = match what {
                What::All => self.everything()?,
                What::Expression(expression) => self.value(expression)?,
            };
            match value {
                Value::Undefined => {}
                Value::Object(members) if alias.is_empty() => object.extend(members),
                // `*` of what has no names adds none.
                _ if alias.is_empty() => {}
                value => object.insert_at(alias, value),
            }
        }
        Ok(Value::Object(object))
    }

    /// What `*` stands for as a value: the row of a nested SELECT, or the payload.
    pub(crate) fn everything(&mut self) -> Result<Value<'m>, Halt> {
        if let Some(row) = self.rows.last() {
            let value = row.value.clone();
            return self.worked(value);
        }
        self.works(self.message.payload.bytes().len())?;
        match self.message.payload.json() {
            Some(json) => self.worked(json.value(self.version)),
            None if self.message.payload.bytes().is_empty() => Ok(Value::Undefined),
            None => self.no_json(),
        }
    }

    fn no_json(&self) -> Result<Value<'m>, Halt> {
        if self.needs_json { Err(Halt::NotJson) } else { Ok(Value::Undefined) }
    }

    /// The same, telling `steps` what it finds out.
    pub(crate) fn telling(self, steps: &'m RefCell<Vec<Step>>) -> Self {
        Self { steps: Some(steps), ..self }
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, expression: &'m Expression) -> Result<Value<'m>, Halt> {
        let value = self.found(expression)?;
        if let Some(steps) = self.steps {
            tell(steps, expression, &value);
        }
        Ok(value)
    }

    fn found(&mut self, expression: &'m Expression) -> Result<Value<'m>, Halt> {
        Ok(match expression {
            Expression::Null => Value::Null,
            Expression::Boolean(boolean) => Value::Boolean(*boolean),
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::text(text.as_str()),
            Expression::All => self.everything()?,
            Expression::Path(path) => self.path(path)?,
            Expression::Variable(_, place) => {
                let value = self.variables.get(*place).cloned().unwrap_or_default();
                self.worked(value)?
            }
            Expression::Member(inner, name) => self.value(inner)?.member(name),
            Expression::Call(function, arguments) => self.call(function, arguments)?,
            Expression::Cast(inner, kind) => self.value(inner)?.cast(*kind, self.version),
            Expression::Not(inner) => operators::not(&self.value(inner)?),
            Expression::Negate(inner) => operators::negate(&self.value(inner)?),
            Expression::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                let value = operators::apply(*operator, left, right, self.version);
                bounded(value)?
            }
            Expression::In(left, right) => {
                operators::is_in(&self.value(left)?, &self.value(right)?)
            }
            Expression::Exists(nested) => Value::Boolean(match self.nested(nested)? {
                Value::Undefined => false,
                Value::Array(items) => !items.is_empty(),
                _ => true,
            }),
            Expression::Nested(nested) => self.nested(nested)?,
            Expression::Case(case) => self.case(case)?,
            Expression::Object(members) => self.object(members)?,
            Expression::Array(items) => {
                let items = items.iter().map(|item| self.value(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
        })
    }

    fn call(
        &mut self,
        function: &'static Function,
        arguments: &'m [Expression],
    ) -> Result<Value<'m>, Halt> {
        bounded(function.call(arguments, self)?)
    }

    /// An error once there is more work than an evaluation may have.
    fn works(&mut self, bytes: usize) -> Result<(), Halt> {
        let left = self.work.checked_sub(bytes);
        self.work = left.unwrap_or(0);
        left.map(drop).ok_or(Halt::TooLarge { what: "the work of the statement" })
    }

    /// The value, which was work to copy.
    fn worked(&mut self, value: Value<'m>) -> Result<Value<'m>, Halt> {
        self.works(value.weight())?;
        Ok(value)
    }

    fn path(&mut self, path: &'m [String]) -> Result<Value<'m>, Halt> {
        let Some((first, rest)) = path.split_first() else { return Ok(Value::Undefined) };
        for row in self.rows.iter().rev() {
            let found = if row.alias == Some(first.as_str()) {
                Some(&row.value)
            } else if let Value::Object(object) = &row.value {
                object.get(first)
            } else {
                None
            };
            if let Some(found) = found {
                let value = inside(found, rest).cloned().unwrap_or_default();
                return self.worked(value);
            }
        }
        let Some(json) = self.message.payload.json() else { return self.no_json() };
        self.works(json.as_str().len())?;
        let field = self.fields.get_or_insert_with(|| json.fields()).get(first);
        let found =
            field.and_then(|field| rest.iter().try_fold(field, |json, name| json.member(name)));
        found.map_or(Ok(Value::Undefined), |json| self.worked(json.value(self.version)))
    }

    fn object(&mut self, members: &'m [(String, Expression)]) -> Result<Value<'m>, Halt> {
        let mut object = Object::default();
        for (name, expression) in members {
            let value = self.value(expression)?;
            if !value.is_undefined() {
                object.insert(name.as_str().into(), value);
            }
        }
        Ok(Value::Object(object))
    }

    fn case(&mut self, case: &'m Case) -> Result<Value<'m>, Halt> {
        let value = self.value(&case.value)?;
        if value.is_undefined() {
            return Ok(Value::Undefined);
        }
        for (when, then) in &case.branches {
            if operators::equal(&value, &self.value(when)?) == Some(true) {
                return self.value(then);
            }
        }
        case.otherwise.as_ref().map_or(Ok(Value::Undefined), |otherwise| self.value(otherwise))
    }

    /// What is selected of each element of an array, or of an object.
    fn nested(&mut self, nested: &'m Nested) -> Result<Value<'m>, Halt> {
        match self.value(&nested.source)? {
            Value::Array(items) => {
                let mut selected = Vec::with_capacity(items.len());
                for item in items {
                    match self.row(nested, item)? {
                        Value::Undefined => {}
                        value => selected.push(value),
                    }
                }
                Ok(Value::Array(selected))
            }
            object @ Value::Object(_) => self.row(nested, object),
            _ => Ok(Value::Undefined),
        }
    }

    fn row(&mut self, nested: &'m Nested, value: Value<'m>) -> Result<Value<'m>, Halt> {
        self.works(ROW_WORK)?;
        self.rows.push(Row { value, alias: nested.alias.as_deref() });
        let selected = self.row_selected(nested);
        self.rows.pop();
        selected
    }

    fn row_selected(&mut self, nested: &'m Nested) -> Result<Value<'m>, Halt> {
        if let Some(condition) = &nested.condition
            && self.value(condition)?.as_boolean() != Some(true)
        {
            return Ok(Value::Undefined);
        }
        self.selected(&nested.select)
    }

    /// The answer to a request to the outside, of `function`.
    pub(crate) fn answer(
        &self,
        function: &'static str,
        request: Request,
    ) -> Result<&'m [u8], Halt> {
        match self.answers.get(&request) {
            None => Err(Halt::Wanted(Box::new(request))),
            Some(Ok(answer)) => Ok(answer),
            Some(Err(reason)) => Err(Halt::Failed { function, reason: reason.clone() }),
        }
    }

    /// An error from the second call on.
    pub(crate) fn only_once(&mut self, function: Once) -> Result<(), Halt> {
        let (called, name) = match function {
            Once::DynamoDb => (&mut self.once[0], "get_dynamodb"),
            Once::RegistryData => (&mut self.once[1], "get_registry_data"),
        };
        if std::mem::replace(called, true) {
            let reason = "a statement may call it once".to_owned();
            return Err(Halt::Failed { function: name, reason });
        }
        Ok(())
    }

    /// An error from the third on.
    pub(crate) fn decodes_protobuf(&mut self) -> Result<(), Halt> {
        self.protobuf += 1;
        if self.protobuf <= PROTOBUF_MAX {
            return Ok(());
        }
        let reason = "a statement may decode two messages of Protocol Buffers".to_owned();
        Err(Halt::Failed { function: "decode", reason })
    }

    /// 64 bits, the next of those that the message's seed makes (SplitMix64 over both halves).
    pub(crate) fn draw(&mut self) -> u64 {
        let (high, low) = self.message.seed.split_at(8);
        let half =
            |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.drawn += 1;
        let step = half(high).wrapping_add(self.drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed(mixed(step) ^ half(low))
    }
}

/// The value, unless it is a text that grew beyond all measure.
fn bounded(value: Value<'_>) -> Result<Value<'_>, Halt> {
    match &value {
        Value::String(text) if text.len() > RESULT_BYTES_MAX => {
            Err(Halt::TooLarge { what: "a text that the statement makes" })
        }
        _ => Ok(value),
    }
}

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

/// What lies at `path` in `value`.
fn inside<'v, 'm>(value: &'v Value<'m>, path: &[String]) -> Option<&'v Value<'m>> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Object(object) => object.get(name),
        _ => None,
    })
}

/// Notes a value, unless it is there for everybody to read.
fn tell(steps: &RefCell<Vec<Step>>, expression: &Expression, value: &Value<'_>) {
    let is_literal = matches!(
        expression,
        Expression::Null | Expression::Boolean(_) | Expression::Number(_) | Expression::Text(_)
    );
    let mut steps = steps.borrow_mut();
    if !is_literal && steps.len() < STEPS_MAX {
        let value = (!value.is_undefined()).then(|| value.to_json());
        steps.push(Step { expression: expression.to_string(), value });
    }
}
