//! Secrets in settings: not printed by accident, wiped from memory when dropped.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A secret text. `Debug` redacts it; only [`Secret::expose`] shows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…redacted…")
    }
}
