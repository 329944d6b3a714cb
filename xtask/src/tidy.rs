//! The rules of STYLE.md and ARCHITECTURE.md that a machine can check.

pub mod docs;
pub mod layers;
pub mod source;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::workspace::{self, Member, TextFile};

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, from the root.
    pub path: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What to do about it.
    pub message: String,
}

impl Problem {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks the whole repository.
pub fn check(root: &Path) -> Result<Vec<Problem>> {
    let files = workspace::text_files(root)?;
    let members = workspace::members(root)?;
    let own = workspace::own_crates(root)?;
    let mut problems: Vec<_> = files.iter().flat_map(check_file).collect();
    problems.extend(docs::broken_links(root, &files));
    problems.extend(docs::features_without_readme(&members, &files));
    problems.extend(source::dead_files(&files));
    problems.extend(members.iter().flat_map(check_manifest));
    problems.extend(layers::check(&members, &own));
    problems.sort();
    Ok(problems)
}

fn check_file(file: &TextFile) -> Vec<Problem> {
    let mut problems = docs::blank_endings(file);
    problems.extend(docs::machine_paths(file));
    if file.path.ends_with(".rs") {
        problems.extend(source::check(file));
    }
    problems.extend(source::too_long(file));
    problems
}

fn check_manifest(member: &Member) -> Option<Problem> {
    let inherits = workspace::sections(&member.manifest)
        .any(|(section, line)| section == "lints" && line == "workspace = true");
    let path = format!("{}/Cargo.toml", member.folder);
    (!inherits).then(|| Problem::new(&path, 0, "inherit the workspace's lints"))
}
