//! The names under which clients may ask for this server (SNI).

use std::collections::BTreeSet;

use crate::TlsError;

/// How many names an error message lists.
const NAMES_SHOWN: usize = 6;

/// Exact names, and patterns `*.suffix` that stand for one or more labels before the suffix; `*`
/// alone is any name. Upper and lower case are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames {
    exact: BTreeSet<String>,
    /// With their dot: `.example.com`.
    suffixes: BTreeSet<String>,
    is_any: bool,
}

impl ServerNames {
    /// The set of `names`.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut set = Self::default();
        for name in names {
            set.insert(name.as_ref());
        }
        set
    }

    /// Adds a name or a pattern.
    pub fn insert(&mut self, name: &str) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match name.strip_prefix('*') {
            Some("") => self.is_any = true,
            Some(suffix) => drop(self.suffixes.insert(suffix.to_owned())),
            None => drop(self.exact.insert(name)),
        }
    }

    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let has_suffix = || {
            let mut suffixes = name.match_indices('.').filter(|(dot, _)| *dot > 0);
            suffixes.any(|(dot, _)| name.get(dot..).is_some_and(|end| self.suffixes.contains(end)))
        };
        self.is_any || self.exact.contains(&name) || has_suffix()
    }

    /// Finds fault with patterns that could never match.
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        let bad_suffix =
            self.suffixes.iter().find(|suffix| !suffix.starts_with('.') || suffix.contains('*'));
        let bad_name = self.exact.iter().find(|name| name.is_empty() || name.contains('*'));
        match (bad_suffix, bad_name) {
            (Some(suffix), _) => Err(TlsError::ServerName { name: format!("*{suffix}") }),
            (None, Some(name)) => Err(TlsError::ServerName { name: name.clone() }),
            (None, None) => Ok(()),
        }
    }

    /// A few of the names, for a message.
    pub(crate) fn shown(&self) -> String {
        let suffixes = self.suffixes.iter().map(|suffix| format!("*{suffix}"));
        let names: Vec<_> = self.exact.iter().cloned().chain(suffixes).collect();
        let shown = names.get(..NAMES_SHOWN.min(names.len())).unwrap_or_default().join(", ");
        match names.len().saturating_sub(NAMES_SHOWN) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whole_and_patterns_by_labels() {
        let names = ServerNames::new(["LocalHost", "*.iot.Example.com", "10.0.0.1", "dotted.com."]);
        let check = |name: &str, expected: bool| {
            assert_eq!(names.contains(name), expected, "{name}");
        };
        check("localhost", true);
        check("LOCALHOST", true);
        check("dotted.com", true);
        check("a1-ats.iot.example.com", true);
        check("A.B.IOT.example.COM", true);
        check("iot.example.com", false);
        check(".iot.example.com", false);
        check("ciot.example.com", false);
        check("localhost.example.com", false);
        check("", false);
        assert!(ServerNames::new(["*"]).contains("whatever.test"));
        assert!(!ServerNames::default().contains("localhost"));
    }

    #[test]
    fn patterns_that_match_nothing_are_found() {
        for bad in ["*iot.example.com", "a.*.example.com", "*.*.example.com", ""] {
            let error = ServerNames::new([bad]).check().unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
        }
        assert_eq!(ServerNames::new(["*", "*.a.test", "b.test"]).check().ok(), Some(()));
    }

    #[test]
    fn a_message_lists_a_few() {
        let names: Vec<_> = (0..8).map(|i| format!("n{i}.test")).collect();
        let shown = ServerNames::new(&names).shown();
        assert_eq!(shown, "n0.test, n1.test, n2.test, n3.test, n4.test, n5.test and 2 more");
        assert_eq!(ServerNames::new(["b.test", "*.a.test"]).shown(), "b.test, *.a.test");
    }
}
