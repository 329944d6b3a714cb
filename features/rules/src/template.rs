//! What a member of an action is before its templates are filled.

/// Whether the member is the same for every message.
pub(crate) fn is_constant(text: &str) -> bool {
    !text.contains("${")
}

/// What stands before the first template.
pub(crate) fn constant_prefix(text: &str) -> &str {
    text.split("${").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_first_template_is_constant() {
        assert_eq!(constant_prefix("https://a/${b}/c"), "https://a/");
        assert!(is_constant("$$aws/things") && !is_constant("a${b}"));
    }
}
