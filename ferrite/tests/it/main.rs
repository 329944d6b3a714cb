//! The binary as a process: it starts, answers, and ends.

mod commands;
mod process;
mod serve;
