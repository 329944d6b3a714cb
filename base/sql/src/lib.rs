//! Rules SQL: read once, evaluated for each message.
//!
//! [`Statement::parse`] checks a rule's text; [`Statement::evaluate`] says what a message gives by
//! it, and [`Template`] does so for the fields of actions. All are pure: the message comes in through
//! [`Message`], and what a function wants from outside is named by [`Halt::Wanted`], to be had by
//! whoever evaluates, and given in [`Answers`] when it is evaluated anew.

mod convert;
mod error;
mod evaluate;
mod functions;
mod json;
mod message;
mod number;
mod operators;
mod parse;
mod render;
mod statement;
mod syntax;
mod template;
mod token;
mod value;
mod version;

pub use error::ParseError;
pub use evaluate::{Output, Step};
pub use message::{Answers, Halt, Message, Payload, Properties, Request};
pub use number::{Decimal, Number};
pub use statement::{Outcome, Statement};
pub use template::Template;
pub use value::{Object, Value};
pub use version::Version;
