//! Policy variables: `${iot:ClientId}` and what it stands for in a request.

use std::borrow::Cow;

use crate::context::Context;

/// How many values of a certificate field count; AWS ignores the rest.
const CERTIFICATE_VALUES_MAX: usize = 5;
/// How long a certificate field may be to be substituted.
const CERTIFICATE_VALUE_CHARS_MAX: usize = 1024;

/// A variable in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: Box<str>,
    /// What `${name, 'text'}` falls back to.
    default: Option<Box<str>>,
}

/// What a variable stands for; never empty.
pub(crate) type Values<'a> = Vec<Cow<'a, str>>;

impl Variable {
    /// Reads what stands between `${` and `}`; `None` if it can be no variable.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, default) = match text.split_once(',') {
            Some((name, rest)) => {
                let default = rest.trim().strip_prefix('\'')?.strip_suffix('\'')?;
                (name.trim(), Some(default.into()))
            }
            None => (text, None),
        };
        let is_name = !name.is_empty() && !name.contains(['*', '?', '$', '{', '\'']);
        is_name.then(|| Self { name: name.into(), default })
    }

    /// The values that may stand in the variable's place, or `None` if the request has none.
    pub(crate) fn resolve<'a>(&'a self, context: &'a dyn Context) -> Option<Values<'a>> {
        lookup(&self.name, context)
            .or_else(|| self.default.as_deref().map(|text| vec![Cow::Borrowed(text)]))
    }
}

/// The values of `name`: the first one for a plain name, one of them for `name.N`, all for
/// `name.List`.
fn lookup<'a>(name: &str, context: &'a dyn Context) -> Option<Values<'a>> {
    if let Some(values) = context.values(name) {
        return pick(name, &values, 0, 1);
    }
    let (base, suffix) = name.rsplit_once('.')?;
    let values = context.values(base)?;
    if suffix.eq_ignore_ascii_case("List") {
        return pick(name, &values, 0, values.len());
    }
    pick(name, &values, suffix.parse().ok()?, 1)
}

/// `count` values from the one at `first` on, as far as they count.
fn pick<'a>(name: &str, values: &[Cow<'a, str>], first: usize, count: usize) -> Option<Values<'a>> {
    let start = name.get(.."iot:Certificate.".len());
    let is_certificate = start.is_some_and(|s| s.eq_ignore_ascii_case("iot:Certificate."));
    let bound = if is_certificate { CERTIFICATE_VALUES_MAX } else { values.len() };
    let chosen: Vec<_> = values.iter().take(bound).skip(first).take(count).cloned().collect();
    if chosen.is_empty() || is_certificate && !chosen.iter().all(|v| is_substitutable(v)) {
        return None;
    }
    Some(chosen)
}

fn is_substitutable(value: &str) -> bool {
    value.chars().nth(CERTIFICATE_VALUE_CHARS_MAX).is_none()
        && !value.contains(['*', '$', '+', '?', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextMap;

    fn check(name: &str, expect: Option<&[&str]>) {
        let context = ContextMap::new()
            .with_all("iot:Certificate.Subject.Organization", ["a", "b", "c", "d", "e", "f"])
            .with("iot:Certificate.Subject.CommonName", "x*")
            .with("iot:ClientId", "c+");
        let variable = Variable::parse(name).unwrap();
        let values = variable.resolve(&context);
        let values: Option<Vec<&str>> =
            values.as_ref().map(|values| values.iter().map(AsRef::as_ref).collect());
        assert_eq!(values.as_deref(), expect, "{name}");
    }

    #[test]
    fn certificate_fields_have_a_first_an_indexed_and_a_list_form() {
        let name = "iot:Certificate.Subject.Organization";
        check(name, Some(&["a"]));
        check(&name.to_lowercase(), Some(&["a"]));
        check(&format!("{name}.1"), Some(&["b"]));
        check(&format!("{name}.5"), None);
        check(&format!("{name}.List"), Some(&["a", "b", "c", "d", "e"]));
    }

    #[test]
    fn a_certificate_field_with_special_characters_is_not_substituted() {
        check("iot:Certificate.Subject.CommonName", None);
        check("iot:ClientId", Some(&["c+"]));
    }

    #[test]
    fn a_default_stands_in_for_a_missing_value() {
        check("aws:username, 'nobody'", Some(&["nobody"]));
        check("iot:ClientId,'nobody'", Some(&["c+"]));
        check("aws:username", None);
        assert_eq!(Variable::parse("a, b"), None);
        assert_eq!(Variable::parse(""), None);
    }
}
