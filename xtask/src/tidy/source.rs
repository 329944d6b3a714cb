//! Rules for source files: their length, their functions' length, headers, unfinished work.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use super::Problem;
use crate::workspace::TextFile;

/// The longest that a source file may be.
pub const FILE_LINES_MAX: usize = 800;
/// The longest that a function may be, from `fn` to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;

const SOURCE_ENDINGS: [&str; 3] = [".rs", ".py", ".sh"];
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Checks one Rust file, apart from its length.
pub fn check(file: &TextFile) -> Vec<Problem> {
    let mut problems: Vec<_> = without_header(file).into_iter().collect();
    match file.text.parse::<TokenStream>() {
        Ok(tokens) => check_tokens(file, tokens, &mut problems),
        Err(error) => {
            let line = error.span().start().line;
            problems.push(Problem::new(&file.path, line, "this is not Rust"));
        }
    }
    problems
}

/// Names a source file that is longer than one may be.
pub fn too_long(file: &TextFile) -> Option<Problem> {
    let lines = file.text.lines().count();
    let is_source = SOURCE_ENDINGS.iter().any(|ending| file.path.ends_with(ending));
    (is_source && lines > FILE_LINES_MAX)
        .then(|| Problem::new(&file.path, 0, format!("{lines} lines; at most {FILE_LINES_MAX}")))
}

fn without_header(file: &TextFile) -> Option<Problem> {
    let first = file.text.lines().find(|line| !line.is_empty() && !line.starts_with("#![cfg_attr"));
    let has_header = first.is_some_and(|line| line.starts_with("//! "));
    let is_fuzz_target = first.is_some_and(|line| line.starts_with("#![no_main]"))
        && file.text.lines().any(|line| line.starts_with("//! "));
    (!has_header && !is_fuzz_target)
        .then(|| Problem::new(&file.path, 1, "open with a `//!` header: what this module is"))
}

fn check_tokens(file: &TextFile, tokens: TokenStream, problems: &mut Vec<Problem>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let rest = tokens.get(index..).unwrap_or_default();
        problems.extend(unfinished(file, rest));
        problems.extend(ignored_test(file, rest));
        problems.extend(long_function(file, rest));
        if let TokenTree::Group(group) = token {
            check_tokens(file, group.stream(), problems);
        }
    }
}

fn unfinished(file: &TextFile, tokens: &[TokenTree]) -> Option<Problem> {
    let [TokenTree::Ident(name), TokenTree::Punct(mark), ..] = tokens else { return None };
    let is_unfinished = mark.as_char() == '!' && UNFINISHED.iter().any(|word| name == word);
    is_unfinished.then(|| {
        let message = format!("`{name}!` is unfinished work");
        Problem::new(&file.path, name.span().start().line, message)
    })
}

fn ignored_test(file: &TextFile, tokens: &[TokenTree]) -> Option<Problem> {
    let [TokenTree::Punct(mark), TokenTree::Group(attribute), ..] = tokens else { return None };
    let is_attribute = mark.as_char() == '#' && attribute.delimiter() == Delimiter::Bracket;
    let first = attribute.stream().into_iter().next();
    let is_ignored = matches!(first, Some(TokenTree::Ident(name)) if name == "ignore");
    (is_attribute && is_ignored).then(|| {
        let message = "a test that does not run is fixed or deleted";
        Problem::new(&file.path, mark.span().start().line, message)
    })
}

fn long_function(file: &TextFile, tokens: &[TokenTree]) -> Option<Problem> {
    let [TokenTree::Ident(keyword), TokenTree::Ident(name), rest @ ..] = tokens else {
        return None;
    };
    if keyword != "fn" {
        return None;
    }
    let lines = body(rest)?.end().line - keyword.span().start().line + 1;
    (lines > FUNCTION_LINES_MAX).then(|| {
        let message = format!("`{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}");
        Problem::new(&file.path, keyword.span().start().line, message)
    })
}

/// The span of a function's body, which a declaration in a trait does not have.
fn body(tokens: &[TokenTree]) -> Option<Span> {
    for token in tokens {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == ';' => return None,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                return Some(group.span());
            }
            _ => {}
        }
    }
    None
}

/// Names Rust files under a `src/` that no `mod` brings in.
pub fn dead_files(files: &[TextFile]) -> Vec<Problem> {
    let declared: BTreeSet<String> = files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .flat_map(|file| declared_modules(&file.text).map(|name| module_path(&file.path, name)))
        .collect();
    files
        .iter()
        .filter_map(|file| {
            let module = file.path.strip_suffix(".rs")?;
            let module = module.strip_suffix("/mod").unwrap_or(module);
            let (_, within) = module.split_once("src/")?;
            let is_root = matches!(within, "lib" | "main") || within.starts_with("bin/");
            let is_dead = !is_root && !declared.contains(module);
            is_dead.then(|| Problem::new(&file.path, 0, "no `mod` brings this file in"))
        })
        .collect()
}

fn declared_modules(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let (before, name) = line.strip_suffix(';')?.split_once("mod ")?;
        let is_declaration = before.is_empty() || before.starts_with("pub");
        is_declaration.then_some(name.trim())
    })
}

/// Where the file of a module lies, without its ending: `mod b;` in `src/a.rs` is `src/a/b`.
fn module_path(parent: &str, name: &str) -> String {
    let (folder, file) = parent.rsplit_once('/').unwrap_or(("", parent));
    match file {
        "lib.rs" | "main.rs" | "mod.rs" => format!("{folder}/{name}"),
        _ => format!("{}/{name}", parent.trim_end_matches(".rs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn found(text: &str) -> Vec<String> {
        let file = file("src/a.rs", &format!("//! A module.\n{text}"));
        super::check(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_module_opens_with_its_header() {
        assert!(without_header(&file("a.rs", "//! What it is.\nuse x;")).is_none());
        assert!(without_header(&file("a.rs", "#![no_main]\n//! A fuzz target.\n")).is_none());
        assert!(without_header(&file("a.rs", "use x;\n//! late")).is_some());
        assert!(without_header(&file("a.rs", "")).is_some());
    }

    #[test]
    fn unfinished_work_is_found_wherever_it_hides() {
        assert_eq!(found("fn a() { todo!() }"), ["src/a.rs:2: `todo!` is unfinished work"]);
        assert_eq!(found("m! { x => dbg!(1) }"), ["src/a.rs:2: `dbg!` is unfinished work"]);
        assert!(found("// todo!\nconst A: &str = \"todo!()\";").is_empty());
        assert!(found("fn todo() -> bool { todo != 1 }").len() < 2);
    }

    #[test]
    fn a_test_that_does_not_run_is_found() {
        let expected = ["src/a.rs:3: a test that does not run is fixed or deleted"];
        assert_eq!(found("#[test]\n#[ignore = \"slow\"]\nfn a() {}"), expected);
        assert!(found("#[test]\nfn ignore() {}").is_empty());
    }

    #[test]
    fn a_function_is_measured_from_its_name_to_its_closing_brace() {
        let function = |lines: usize| format!("fn a() {{{}}}", "\n".repeat(lines - 1));
        assert!(found(&function(FUNCTION_LINES_MAX)).is_empty());
        let expected = ["src/a.rs:2: `a` has 71 lines; at most 70"];
        assert_eq!(found(&function(FUNCTION_LINES_MAX + 1)), expected);
        assert_eq!(found(&format!("m! {{ {} }}", function(71))), expected);
        assert!(found("trait T { fn a(); }").is_empty());
    }

    #[test]
    fn a_long_file_is_found_and_a_long_page_is_not_one() {
        let text = "//! x\n".repeat(FILE_LINES_MAX + 1);
        assert!(too_long(&file("a.rs", &text)).is_some());
        assert!(too_long(&file("a.py", &text)).is_some());
        assert!(too_long(&file("a.md", &text)).is_none());
    }

    #[test]
    fn a_file_that_no_module_names_is_dead() {
        let files = [
            file("x/src/lib.rs", "mod a;\npub mod c;"),
            file("x/src/a.rs", "pub(crate) mod b;"),
            file("x/src/a/b.rs", ""),
            file("x/src/c/mod.rs", ""),
            file("x/src/d.rs", ""),
            file("x/src/bin/e.rs", ""),
            file("x/build.rs", ""),
        ];
        let dead: Vec<_> = dead_files(&files).into_iter().map(|problem| problem.path).collect();
        assert_eq!(dead, ["x/src/d.rs"]);
    }
}
