//! Documents and decisions, end to end.

extern crate ferrite_policy as policy;

mod brute_force;
mod conditions;
mod decisions;
mod grammar;
mod hints;
mod hostile;
mod malformed;
mod missing;
mod table;
