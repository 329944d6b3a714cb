//! Substitution templates in the members of actions: the one place that reads `${…}`.

use service::ApiError;

use crate::statement::Statement;

/// Whether the member is the same for every message.
pub(crate) fn is_constant(text: &str) -> bool {
    !text.contains("${")
}

/// What stands before the first template.
pub(crate) fn constant_prefix(text: &str) -> &str {
    text.split("${").next().unwrap_or_default()
}

/// Refuses a member whose templates cannot be read.
pub(crate) fn check(member: &str, text: &str, _statement: &Statement) -> Result<(), ApiError> {
    let mut rest = text;
    while let Some((_, template)) = rest.split_once("${") {
        let end = template_end(template).filter(|end| {
            template.get(..*end).is_some_and(|expression| !expression.trim().is_empty())
        });
        let end = end.ok_or_else(|| {
            ApiError::invalid(format!("The substitution template of {member} is invalid: {text}"))
        })?;
        rest = template.get(end + 1..).unwrap_or_default();
    }
    Ok(())
}

/// Where the brace is that ends an expression.
fn template_end(expression: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, character) in expression.char_indices() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Version;

    #[test]
    fn a_template_is_an_expression_in_braces() {
        let statement = Statement::parse("SELECT * FROM 'a'", Version::V2).unwrap();
        for good in ["", "a", "${a}", "x/${topic(2)}/${get({'}': 1}, '}')}", "$", "a}"] {
            assert!(check("key", good, &statement).is_ok(), "{good}");
        }
        for wrong in ["${", "${}", "${ }", "a${b", "${a}${", "${'}"] {
            let refused = check("key", wrong, &statement).unwrap_err();
            assert_eq!(refused.code, ApiError::INVALID, "{wrong}");
            assert!(refused.message.contains("key") && refused.message.contains(wrong));
        }
    }

    #[test]
    fn what_stands_before_the_first_template_is_constant() {
        assert_eq!(constant_prefix("https://a/${b}/c"), "https://a/");
        assert!(is_constant("$$aws/things") && !is_constant("a${b}"));
    }
}
