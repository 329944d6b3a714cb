//! What a request is about, beyond its action and resource.

use std::borrow::Cow;

/// The values of condition keys and policy variables. Keys are case-insensitive.
pub trait Context {
    /// The values of `key`, in order; `None` if the request has no such key. A key that takes
    /// several values may be there with none.
    ///
    /// The index and list forms of certificate variables (`….1`, `….List`) need no answer of
    /// their own: they are derived from the plain key.
    fn values(&self, key: &str) -> Option<Cow<'_, [Cow<'_, str>]>>;
}

/// A context held in memory; the empty one knows no key.
#[derive(Debug, Clone, Default)]
pub struct ContextMap<'a> {
    entries: Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>,
}

impl<'a> ContextMap<'a> {
    /// A context without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the single value `value` for `key`.
    #[must_use]
    pub fn with(self, key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.with_all(key, [value])
    }

    /// With `values` for `key`, in place of those it had.
    #[must_use]
    pub fn with_all<V: Into<Cow<'a, str>>>(
        mut self,
        key: impl Into<Cow<'a, str>>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let key = key.into();
        self.entries.retain(|(other, _)| !other.eq_ignore_ascii_case(&key));
        self.entries.push((key, values.into_iter().map(Into::into).collect()));
        self
    }
}

impl Context for ContextMap<'_> {
    fn values(&self, key: &str) -> Option<Cow<'_, [Cow<'_, str>]>> {
        let entry = self.entries.iter().find(|(other, _)| other.eq_ignore_ascii_case(key));
        entry.map(|(_, values)| Cow::Borrowed(values.as_slice()))
    }
}
