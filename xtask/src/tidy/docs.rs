//! Rules for pages and for text of every kind: links, READMEs, blank endings, machine paths.

use std::path::Path;

use super::Problem;
use crate::workspace::{Member, TextFile};

/// Folders that exist on somebody's machine only.
const MACHINE_FOLDERS: [&str; 2] = ["work", "farm"];

/// Lines that end in blanks.
pub fn blank_endings(file: &TextFile) -> Vec<Problem> {
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| line.ends_with([' ', '\t']))
        .map(|(index, _)| Problem::new(&file.path, index + 1, "the line ends in blanks"))
        .collect()
}

/// Lines that name a folder of one machine.
pub fn machine_paths(file: &TextFile) -> Vec<Problem> {
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| MACHINE_FOLDERS.iter().any(|folder| names_folder(line, folder)))
        .map(|(index, _)| Problem::new(&file.path, index + 1, "names a folder of one machine"))
        .collect()
}

fn names_folder(line: &str, folder: &str) -> bool {
    let absolute = format!("/{folder}/");
    line.match_indices(&absolute).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    })
}

/// Relative links of Markdown pages that lead nowhere.
pub fn broken_links(root: &Path, files: &[TextFile]) -> Vec<Problem> {
    let pages = files.iter().filter(|file| file.path.ends_with(".md"));
    pages
        .flat_map(|page| links(&page.text).map(move |(line, target)| (page, line, target)))
        .filter(|(page, _, target)| {
            let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
            !root.join(folder).join(target).exists()
        })
        .map(|(page, line, target)| {
            Problem::new(&page.path, line, format!("the link to `{target}` leads nowhere"))
        })
        .collect()
}

/// The relative targets of a page's links, without their anchors, outside of code.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines()
        .enumerate()
        .filter(move |(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            in_code ^= is_fence;
            !in_code && !is_fence
        })
        .flat_map(|(index, line)| {
            let prose = line.split('`').step_by(2);
            prose.flat_map(targets).map(move |target| (index + 1, target))
        })
}

fn targets(prose: &str) -> impl Iterator<Item = &str> {
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains(':'))
}

/// Features without the page that tells what AWS calls them and where they differ.
pub fn features_without_readme(members: &[Member], files: &[TextFile]) -> Vec<Problem> {
    let features = members.iter().filter(|member| member.folder.starts_with("features/"));
    features
        .map(|feature| format!("{}/README.md", feature.folder))
        .filter(|page| !files.iter().any(|file| file.path == *page))
        .map(|page| Problem::new(&page, 0, "write what AWS calls this, and each difference"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn blanks_at_the_end_of_a_line_are_found() {
        let problems = blank_endings(&file("a.md", "a\nb \nc\t\n"));
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn folders_of_one_machine_are_found_and_words_are_not() {
        let folder = MACHINE_FOLDERS[0];
        for (line, expect) in [
            (format!("see /{folder}/x"), true),
            (format!("/{folder}/x"), true),
            (format!("\"/{folder}/x"), true),
            (format!("acceptance/{folder}/x"), false),
            (format!("./{folder}/x"), false),
            (format!("/{folder}shop"), false),
        ] {
            assert_eq!(names_folder(&line, folder), expect, "{line}");
        }
    }

    #[test]
    fn links_are_read_outside_of_code_and_without_anchors() {
        let page = "[a](b.md#c) and [d](https://e) [f](#g)\n`[h](i)`\n```\n[j](k)\n```\n[l](m/)";
        assert_eq!(links(page).collect::<Vec<_>>(), [(1, "b.md"), (6, "m/")]);
    }

    #[test]
    fn a_feature_has_a_page() {
        let member = |folder: &str| Member { folder: folder.to_owned(), manifest: String::new() };
        let members = [member("features/a"), member("features/b"), member("base/types")];
        let problems = features_without_readme(&members, &[file("features/a/README.md", "")]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "features/b/README.md");
    }
}
