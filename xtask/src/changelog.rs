//! The changelog: fragments of `changelog.d/`, folded into `CHANGELOG.md` at a release.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The kinds of change, in the order that a reader wants them.
const KINDS: [(&str, &str); 6] = [
    ("breaking", "Breaking"),
    ("security", "Security"),
    ("added", "Added"),
    ("changed", "Changed"),
    ("fixed", "Fixed"),
    ("removed", "Removed"),
];

/// A released version's section goes below this line.
const MARK: &str = "<!-- releases -->";

/// One user-visible change.
#[derive(Debug, PartialEq, Eq)]
pub struct Fragment {
    /// One of `added`, `changed`, `fixed`, `removed`, `security`, `breaking`.
    pub kind: String,
    /// One or two sentences to the operator.
    pub text: String,
}

/// Moves every fragment into a section of `CHANGELOG.md` for `version`.
pub fn release(root: &Path, version: &str, date: &str) -> Result<()> {
    let found = fragments(root)?;
    if found.is_empty() {
        bail!("there is nothing in changelog.d/ to release");
    }
    let path = root.join("CHANGELOG.md");
    let changelog = fs::read_to_string(&path).context("could not read CHANGELOG.md")?;
    let (paths, fragments): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    fs::write(&path, fold(&changelog, version, date, &fragments)?)?;
    for path in paths {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Every fragment with its file, in order of their names.
pub fn fragments(root: &Path) -> Result<Vec<(PathBuf, Fragment)>> {
    let mut paths = fs::read_dir(root.join("changelog.d"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.file_name().is_some_and(|name| name != "README.md"));
    paths.sort();
    paths.into_iter().map(|path| Ok((path.clone(), fragment(&path)?))).collect()
}

fn fragment(path: &Path) -> Result<Fragment> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let kind = match name.split('.').collect::<Vec<_>>()[..] {
        [_, kind, "md"] if KINDS.iter().any(|(known, _)| *known == kind) => kind,
        _ => bail!("{name}: a fragment is named <slug>.<kind>.md"),
    };
    Ok(Fragment { kind: kind.to_owned(), text: fs::read_to_string(path)?.trim().to_owned() })
}

fn fold(changelog: &str, version: &str, date: &str, fragments: &[Fragment]) -> Result<String> {
    let Some((before, after)) = changelog.split_once(MARK) else {
        bail!("CHANGELOG.md has lost its line `{MARK}`");
    };
    let sections: String =
        KINDS.iter().map(|(kind, title)| section(kind, title, fragments)).collect();
    Ok(format!("{before}{MARK}\n\n## {version} ({date})\n{sections}{after}"))
}

fn section(kind: &str, title: &str, fragments: &[Fragment]) -> String {
    let of_kind = fragments.iter().filter(|fragment| fragment.kind == kind);
    let items: String =
        of_kind.map(|fragment| format!("- {}\n", fragment.text.replace('\n', "\n  "))).collect();
    if items.is_empty() { items } else { format!("\n### {title}\n\n{items}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_become_a_section_in_the_reader_s_order() {
        let fragment = |kind: &str, text: &str| Fragment { kind: kind.into(), text: text.into() };
        let fragments =
            [fragment("added", "B."), fragment("fixed", "C\nd."), fragment("breaking", "A.")];
        let old = format!("# Changelog\n\n{MARK}\n\n## 0.1.0 (2026-01-01)\n");
        let expected = format!(
            "# Changelog\n\n{MARK}\n\n## 0.2.0 (2026-02-01)\n\n### Breaking\n\n- A.\n\n\
             ### Added\n\n- B.\n\n### Fixed\n\n- C\n  d.\n\n\n## 0.1.0 (2026-01-01)\n"
        );
        assert_eq!(fold(&old, "0.2.0", "2026-02-01", &fragments).unwrap(), expected);
    }

    #[test]
    fn a_changelog_without_its_mark_is_left_alone() {
        assert!(fold("# Changelog", "1", "2", &[]).is_err());
    }

    #[test]
    fn a_release_consumes_its_fragments() {
        let root = std::env::temp_dir().join(format!("ferrite-xtask-{}", std::process::id()));
        fs::create_dir_all(root.join("changelog.d")).unwrap();
        fs::write(root.join("CHANGELOG.md"), MARK).unwrap();
        fs::write(root.join("changelog.d/README.md"), "how").unwrap();
        fs::write(root.join("changelog.d/a.added.md"), "News.\n").unwrap();
        release(&root, "1.0.0", "2026-01-01").unwrap();
        let text = fs::read_to_string(root.join("CHANGELOG.md")).unwrap();
        let left = fragments(&root).unwrap();
        let again = release(&root, "1.0.1", "2026-01-02");
        fs::remove_dir_all(&root).unwrap();
        assert!(text.contains("## 1.0.0 (2026-01-01)\n\n### Added\n\n- News.\n"), "{text}");
        assert!(left.is_empty() && again.is_err());
    }
}
