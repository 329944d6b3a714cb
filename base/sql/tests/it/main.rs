//! Rules SQL: what single statements give, and what holds of every text, message and number.

extern crate ferrite_sql as sql;

mod conformance;
mod hostile;
mod json;
mod numbers;
mod random;
mod templates;

use sql::{Answers, Halt, Message, Outcome, Payload, Properties, Statement};

/// A message of `payload`, as the tests here send it.
fn message<'m>(payload: &'m Payload<'m>) -> Message<'m> {
    Message {
        payload,
        topic: "a/b/c",
        client_id: Some("client"),
        principal: Some("principal"),
        source_ip: None,
        account: "123456789012",
        trace_id: Some("trace"),
        now_ms: 1_481_825_251_155,
        properties: Properties { user: &[("k", "1")], ..Properties::default() },
        seed: [7; 16],
    }
}

fn evaluate<'m>(
    statement: &'m Statement,
    payload: &'m Payload<'m>,
    answers: &'m Answers,
) -> Result<Outcome<'m>, Halt> {
    statement.evaluate(&message(payload), answers)
}
