//! Lines for people to paste: words quoted for a POSIX shell, this program by the name it has.

use std::path::Path;

/// The data directory that commands use by themselves.
const DATA_DIR_DEFAULT: &str = "data";
/// What this program is called when nothing says better.
const PROGRAM: &str = "ferrite";

/// The text as one word, in quotes whether it needs them or not.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The text as one word, as bare as it can be.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) { text.to_owned() } else { quote(text) }
}

/// This program as it was typed.
pub(crate) fn program() -> String {
    let typed = std::env::args().next().filter(|name| !name.is_empty());
    word(typed.as_deref().unwrap_or(PROGRAM))
}

/// ` --data-dir DIR`; nothing for the directory that is used anyway.
pub(crate) fn data_dir_option(data_dir: &Path) -> String {
    let plain = data_dir.strip_prefix(".").unwrap_or(data_dir);
    if plain == Path::new(DATA_DIR_DEFAULT) {
        return String::new();
    }
    format!(" --data-dir {}", word(&data_dir.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_quotes() {
        assert_eq!(quote("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(word("it's; rm"), r"'it'\''s; rm'");
    }

    #[test]
    fn only_what_a_shell_would_read_is_quoted() {
        for (text, expected) in [
            ("pump", "pump"),
            ("target/release/ferrite", "target/release/ferrite"),
            ("pump/#", "'pump/#'"),
            ("a b", "'a b'"),
            ("~x", "'~x'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), expected);
        }
    }

    #[test]
    fn the_usual_data_directory_need_not_be_named() {
        for (data_dir, expected) in [
            ("data", ""),
            ("./data", ""),
            ("/srv/data", " --data-dir /srv/data"),
            ("my data", " --data-dir 'my data'"),
        ] {
            assert_eq!(data_dir_option(Path::new(data_dir)), expected);
        }
    }
}
