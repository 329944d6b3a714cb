//! What is in the repository: its files, its crates and what they depend on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A text file of the repository.
#[derive(Debug)]
pub struct TextFile {
    /// Where it is, from the root, with forward slashes.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// A crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its folder, from the root: `platform/store`.
    pub folder: String,
    /// Its manifest.
    pub manifest: String,
}

/// Which builds a dependency is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependencyKind {
    /// The crate itself or its build script.
    Build,
    /// Its tests alone.
    Test,
}

const TEXT_ENDINGS: [&str; 11] =
    ["rs", "md", "toml", "py", "sh", "yml", "yaml", "json", "sql", "ini", "txt"];
const TEXT_NAMES: [&str; 4] = ["Makefile", "run", ".gitignore", "LICENSE"];
const HIDDEN_FOLDERS_READ: [&str; 3] = [".ci", ".cargo", ".config"];
const FOLDERS_SKIPPED: [&str; 6] =
    ["data", "__pycache__", "node_modules", "corpus", "artifacts", "models"];

/// The root of the repository.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the root").to_path_buf()
}

/// Every text file that people write, in order of their paths.
pub fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<TextFile>) -> Result<()> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("could not list {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if is_read(&name) {
                collect(root, &entry.path(), files)?;
            }
        } else if is_text(&name) {
            files.push(read(root, &entry.path())?);
        }
    }
    Ok(())
}

fn is_read(folder: &str) -> bool {
    let is_built = folder.starts_with("target") || FOLDERS_SKIPPED.contains(&folder);
    let is_hidden = folder.starts_with('.') && !HIDDEN_FOLDERS_READ.contains(&folder);
    !is_built && !is_hidden
}

fn is_text(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    TEXT_NAMES.contains(&name) || ending.is_some_and(|ending| TEXT_ENDINGS.contains(&ending))
}

fn read(root: &Path, path: &Path) -> Result<TextFile> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("could not read {} as text", path.display()))?;
    let path = path.strip_prefix(root).expect("the walk stays under the root");
    Ok(TextFile { path: path.to_string_lossy().replace('\\', "/"), text })
}

/// The crates that the root manifest lists, with `folder/*` written out.
pub fn members(root: &Path) -> Result<Vec<Member>> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let mut members = Vec::new();
    for pattern in quoted(line_after(&manifest, "members").unwrap_or_default()) {
        match pattern.strip_suffix("/*") {
            Some(parent) => {
                for entry in fs::read_dir(root.join(parent))? {
                    let name = entry?.file_name().to_string_lossy().into_owned();
                    members.extend(member(root, format!("{parent}/{name}")));
                }
            }
            None => members.extend(member(root, pattern.to_owned())),
        }
    }
    members.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(members)
}

fn member(root: &Path, folder: String) -> Option<Member> {
    let manifest = fs::read_to_string(root.join(&folder).join("Cargo.toml")).ok()?;
    Some(Member { folder, manifest })
}

fn line_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
}

fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// The folder that each of the workspace's own crates is imported from: `store` is `platform/store`.
pub fn own_crates(root: &Path) -> Result<BTreeMap<String, String>> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    Ok(sections(&manifest)
        .filter(|(section, _)| *section == "workspace.dependencies")
        .filter_map(|(_, line)| {
            let (name, value) = line.split_once('=')?;
            let (_, path) = value.split_once("path")?;
            Some((name.trim().to_owned(), (*quoted(path).first()?).to_owned()))
        })
        .collect())
}

/// What a manifest depends on, by the names that its code imports.
pub fn dependencies(manifest: &str) -> Vec<(DependencyKind, String)> {
    let mut found: Vec<_> = sections(manifest)
        .filter_map(|(section, line)| {
            let (kind, table) = dependency_table(section)?;
            let name = match table {
                Some(name) => name,
                None => line.split(['=', '.']).next()?.trim(),
            };
            Some((kind, name.trim_matches('"').to_owned()))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// `dev-dependencies` and `target.'cfg(unix)'.dependencies.rustix`, taken apart.
fn dependency_table(section: &str) -> Option<(DependencyKind, Option<&str>)> {
    let (before, name) = section.split_once("dependencies")?;
    let kind = if before.ends_with("dev-") { DependencyKind::Test } else { DependencyKind::Build };
    match name.strip_prefix('.') {
        Some(name) => Some((kind, Some(name))),
        None if name.is_empty() => Some((kind, None)),
        None => None,
    }
}

/// Each line that holds something, with the name of the section it stands in.
pub fn sections(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut section = "";
    manifest.lines().map(str::trim).filter_map(move |line| {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name;
            return None;
        }
        (!line.is_empty() && !line.starts_with('#')).then_some((section, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_in_every_form_that_a_manifest_has() {
        let manifest = r#"
            [package]
            name = "ferrite-x"
            [dependencies]
            types.workspace = true
            # a comment
            env = { workspace = true, features = ["a"] }
            [dev-dependencies]
            testing.workspace = true
            [build-dependencies]
            serde = "1"
            [target.'cfg(unix)'.dependencies.rustix]
            workspace = true
            features = ["fs"]
        "#;
        use DependencyKind::{Build, Test};
        let expected = [(Build, "env"), (Build, "rustix"), (Build, "serde"), (Build, "types")]
            .into_iter()
            .chain([(Test, "testing")])
            .map(|(kind, name)| (kind, name.to_owned()))
            .collect::<Vec<_>>();
        assert_eq!(dependencies(manifest), expected);
    }

    #[test]
    fn the_workspace_knows_its_own_crates() {
        let own = own_crates(&root()).unwrap();
        assert_eq!(own.get("store").map(String::as_str), Some("platform/store"));
        assert_eq!(own.get("tokio"), None);
    }

    #[test]
    fn the_workspace_lists_its_members() {
        let members = members(&root()).unwrap();
        assert!(members.iter().any(|member| member.folder == "base/types"));
        assert!(members.iter().any(|member| member.folder == "xtask"));
    }
}
