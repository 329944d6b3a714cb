//! Policy variables: `${iot:ClientId}` and what it stands for in a request.

use std::borrow::Cow;

use crate::context::Context;

/// How many values of a certificate field count; AWS ignores the rest.
const CERTIFICATE_VALUES_MAX: usize = 5;
/// How long a certificate field may be to be substituted.
const CERTIFICATE_VALUE_CHARS_MAX: usize = 1024;

/// What the names of a certificate's fields begin with.
const CERTIFICATE: &str = "iot:Certificate.";

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
        let (name, default) = match split_default(text) {
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

/// Splits at the comma behind the name. One in brackets is part of an attribute's name:
/// `iot:Connection.Thing.Attributes[a,b]`.
fn split_default(text: &str) -> Option<(&str, &str)> {
    let is_attribute = text.find('[') < text.find(',') && text.contains('[');
    let name_end = if is_attribute { text.find(']').map_or(text.len(), |end| end + 1) } else { 0 };
    let (start, rest) = text.split_at_checked(name_end)?;
    let (end, default) = rest.split_once(',')?;
    Some((text.get(..start.len() + end.len())?, default))
}

/// The values that a condition on `key` is about. As in variables, a certificate's field stands
/// for its first value, `….N` for another one and `….List` for all.
pub(crate) fn condition_values<'a>(key: &str, context: &'a dyn Context) -> Values<'a> {
    if let Some(values) = context.values(key) {
        let count = if is_certificate_field(key) { 1 } else { values.len() };
        return values.iter().take(count).cloned().collect();
    }
    let all =
        key.rsplit_once('.').and_then(|(base, suffix)| Some((base, suffix, context.values(base)?)));
    let Some((base, suffix, values)) = all else { return Values::new() };
    let bound = if is_certificate_field(base) { CERTIFICATE_VALUES_MAX } else { values.len() };
    let values = values.iter().take(bound).cloned();
    if suffix.eq_ignore_ascii_case("List") {
        return values.collect();
    }
    suffix.parse().ok().and_then(|index| values.into_iter().nth(index)).into_iter().collect()
}

/// Whether `name` is that of a field of the certificate, of which there may be several.
fn is_certificate_field(name: &str) -> bool {
    let start = name.get(..CERTIFICATE.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(CERTIFICATE))
        && !name.get(CERTIFICATE.len()..).is_some_and(|f| f.eq_ignore_ascii_case("AvailableKeys"))
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
    let is_certificate = is_certificate_field(name);
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

    #[test]
    fn an_attributes_name_may_have_commas() {
        for (text, name, default) in [
            ("iot:Connection.Thing.Attributes[a,b]", "iot:Connection.Thing.Attributes[a,b]", None),
            ("Attributes[a,b], 'none'", "Attributes[a,b]", Some("none")),
            ("a, '[,]'", "a", Some("[,]")),
        ] {
            let variable = Variable::parse(text).unwrap();
            assert_eq!((&*variable.name, variable.default.as_deref()), (name, default), "{text}");
        }
        assert_eq!(Variable::parse("Attributes[a,b], none"), None);
    }
}
