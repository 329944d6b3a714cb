//! Topic rules.
pub(crate) mod actions;
pub(crate) mod engine;
