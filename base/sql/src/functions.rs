//! The functions of rules SQL, a file for each kind of them.

mod collections;
mod context;
mod encoding;
mod external;
mod hash;
mod math;
mod protobuf;
mod recent;
mod regex;
mod text;
mod time;

use std::fmt;

use crate::Version;
use crate::evaluate::Evaluation;
use crate::message::Halt;
use crate::syntax::Expression;
use crate::value::Value;

/// A function. A call with fewer or more arguments than it takes is Undefined.
pub(crate) struct Function {
    /// In small letters; statements write it in whatever case.
    pub(crate) name: &'static str,
    /// Whether version 2015-10-08 lacks it.
    pub(crate) since_2016: bool,
    /// Whether `*` may be an argument.
    pub(crate) takes_message: bool,
    arguments_min: usize,
    arguments_max: usize,
    run: Run,
}

/// Of its arguments alone, which it may take out of their places.
type OfValues = for<'m> fn(&mut [Value<'m>], Version) -> Value<'m>;
/// Of the message as well, or of what is outside.
type OfMessage = for<'m> fn(&mut [Value<'m>], &mut Evaluation<'m>) -> Result<Value<'m>, Halt>;
/// Of arguments that it evaluates itself.
type OfExpressions = for<'m> fn(&'m [Expression], &mut Evaluation<'m>) -> Result<Value<'m>, Halt>;

/// What a function runs on.
#[derive(Clone, Copy)]
enum Run {
    Values(OfValues),
    Message(OfMessage),
    Expressions(OfExpressions),
}

impl Function {
    const fn of_values(name: &'static str, min: usize, max: usize, run: OfValues) -> Self {
        Self::new(name, min, max, Run::Values(run))
    }

    const fn of_message(name: &'static str, min: usize, max: usize, run: OfMessage) -> Self {
        Self::new(name, min, max, Run::Message(run))
    }

    const fn of_expressions(
        name: &'static str,
        min: usize,
        max: usize,
        run: OfExpressions,
    ) -> Self {
        Self::new(name, min, max, Run::Expressions(run))
    }

    const fn new(name: &'static str, min: usize, max: usize, run: Run) -> Self {
        Self {
            name,
            since_2016: false,
            takes_message: false,
            arguments_min: min,
            arguments_max: max,
            run,
        }
    }

    /// The same, not there in version 2015-10-08.
    const fn since_2016(self) -> Self {
        Self { since_2016: true, ..self }
    }

    /// The same, with `*` as a possible argument.
    const fn taking_message(self) -> Self {
        Self { takes_message: true, ..self }
    }

    /// The argument that is the role to ask with, in a call that has as many as the function takes.
    pub(crate) fn role<'e>(&self, arguments: &'e [Expression]) -> Option<&'e Expression> {
        let is_call = (self.arguments_min..=self.arguments_max).contains(&arguments.len());
        let arguments = Some(arguments).filter(|_| is_call && self.asks_outside())?;
        match self.name {
            "aws_lambda" => None,
            "machinelearning_predict" => arguments.get(1),
            _ => arguments.last(),
        }
    }

    /// Whether its answer comes from outside.
    pub(crate) fn asks_outside(&self) -> bool {
        external::FUNCTIONS.iter().any(|function| function.name == self.name)
    }

    /// What a call is.
    pub(crate) fn call<'m>(
        &self,
        arguments: &'m [Expression],
        evaluation: &mut Evaluation<'m>,
    ) -> Result<Value<'m>, Halt> {
        if !(self.arguments_min..=self.arguments_max).contains(&arguments.len()) {
            return Ok(Value::Undefined);
        }
        if let Run::Expressions(run) = self.run {
            return run(arguments, evaluation);
        }
        // Most have up to four arguments, for which nothing need be allocated.
        let mut few = [const { Value::Undefined }; 4];
        if let Some(places) = few.get_mut(..arguments.len()) {
            for (place, argument) in places.iter_mut().zip(arguments) {
                *place = evaluation.value(argument)?;
            }
            return self.run(places, evaluation);
        }
        let values = arguments.iter().map(|argument| evaluation.value(argument));
        let mut values = values.collect::<Result<Vec<_>, _>>()?;
        self.run(&mut values, evaluation)
    }

    fn run<'m>(
        &self,
        values: &mut [Value<'m>],
        evaluation: &mut Evaluation<'m>,
    ) -> Result<Value<'m>, Halt> {
        match self.run {
            Run::Values(run) => Ok(run(values, evaluation.version)),
            Run::Message(run) => run(values, evaluation),
            Run::Expressions(_) => Ok(Value::Undefined),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// All functions, by kind.
const ALL: [&[Function]; 8] = [
    collections::FUNCTIONS,
    context::FUNCTIONS,
    encoding::FUNCTIONS,
    external::FUNCTIONS,
    hash::FUNCTIONS,
    math::FUNCTIONS,
    text::FUNCTIONS,
    time::FUNCTIONS,
];

/// The function `name`, in small letters, of `version`; else what to do about it.
pub(crate) fn named(name: &str, version: Version) -> Result<&'static Function, String> {
    let mut all = ALL.into_iter().flatten();
    match all.find(|function| function.name == name) {
        Some(function) if function.since_2016 && version == Version::V2015 => {
            Err(format!("{name}() needs awsIotSqlVersion 2016-03-23"))
        }
        Some(function) => Ok(function),
        None => Err("see the functions of the AWS IoT SQL reference".to_owned()),
    }
}

/// The argument at `place`, taken out of it.
fn take<'m>(values: &mut [Value<'m>], place: usize) -> Value<'m> {
    values.get_mut(place).map(std::mem::take).unwrap_or_default()
}
