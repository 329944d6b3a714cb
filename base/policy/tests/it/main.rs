//! Documents and decisions, end to end.

extern crate ferrite_policy as policy;

mod conditions;
mod decisions;
mod grammar;
mod hints;
mod hostile;
