//! The repository itself, held against the rules.

use xtask::{changelog, tidy, workspace};

#[test]
fn the_repository_is_tidy() {
    let problems = tidy::check(&workspace::root()).unwrap();
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_changelog_fragment_is_of_a_known_kind() {
    changelog::fragments(&workspace::root()).unwrap();
}
