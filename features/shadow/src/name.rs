//! Which shadow: a thing's own, or one of those that it has by name.

/// The names of a shadow, as the model or a topic was checked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ShadowName {
    /// The thing's.
    pub(crate) thing: String,
    /// None is the classic shadow.
    pub(crate) shadow: Option<String>,
}

/// Bounds of the names in topics; over HTTP the gateway holds requests to them.
const THING_BYTES_MAX: usize = 128;
const SHADOW_BYTES_MAX: usize = 64;

impl ShadowName {
    /// The shadow, if both names are within AWS's patterns.
    pub(crate) fn checked(thing: &str, shadow: Option<&str>) -> Option<Self> {
        let is_named = |text: &str, most: usize, more: &[u8]| {
            let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || more.contains(byte);
            (1..=most).contains(&text.len()) && text.as_bytes().iter().all(is_fine)
        };
        let is_fine = is_named(thing, THING_BYTES_MAX, b":_-")
            && shadow.is_none_or(|shadow| is_named(shadow, SHADOW_BYTES_MAX, b":_-$"));
        is_fine.then(|| Self { thing: thing.to_owned(), shadow: shadow.map(str::to_owned) })
    }

    /// How messages call it: the thing, or `thing~shadow`.
    pub(crate) fn label(&self) -> String {
        match &self.shadow {
            None => self.thing.clone(),
            Some(shadow) => format!("{}~{shadow}", self.thing),
        }
    }

    /// The topic of one of its messages, such as `update/accepted`.
    pub(crate) fn topic(&self, message: &str) -> String {
        let thing = &self.thing;
        match &self.shadow {
            None => format!("$aws/things/{thing}/shadow/{message}"),
            Some(shadow) => format!("$aws/things/{thing}/shadow/name/{shadow}/{message}"),
        }
    }
}
