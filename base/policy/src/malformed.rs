//! Why a text is no policy document, and where.

/// The text is no policy document. `Display` names the place and the rule:
/// `Statement[1].Effect: must be Allow or Deny`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Malformed {
    place: String,
    reason: String,
}

impl Malformed {
    pub(crate) fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }

    /// Where: `Statement[1].Effect`, or `document` for the whole.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The rule that is broken.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
