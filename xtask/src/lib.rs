//! The project's own chores: the rules that no compiler checks, and the changelog of a release.

pub mod changelog;
pub mod tidy;
pub mod workspace;
