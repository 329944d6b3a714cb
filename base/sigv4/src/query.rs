//! The query parameters that carry a presigned request's signature.

use std::borrow::Cow;

use crate::encoding::decoded;
use crate::error::AuthError;

/// The signature's query parameters, decoded.
#[derive(Debug, Default)]
pub(crate) struct Presigned<'a> {
    pub(crate) algorithm: Option<Cow<'a, str>>,
    pub(crate) credential: Option<Cow<'a, str>>,
    pub(crate) date: Option<Cow<'a, str>>,
    pub(crate) expires: Option<Cow<'a, str>>,
    pub(crate) signed_headers: Option<Cow<'a, str>>,
    pub(crate) signature: Option<Cow<'a, str>>,
    pub(crate) security_token: Option<Cow<'a, str>>,
}

impl<'a> Presigned<'a> {
    /// Reads the parameters. A parameter given twice is refused.
    pub(crate) fn read(raw_query: &'a str) -> Result<Self, AuthError> {
        let mut found = Self::default();
        for (name, value) in pairs(raw_query) {
            let Some(slot) = found.slot(name) else { continue };
            if slot.is_some() {
                let text = format!("AWS query-string parameter '{name}' must be given once.");
                return Err(AuthError::Incomplete(text));
            }
            *slot = Some(decoded(value).unwrap_or(Cow::Borrowed(value)));
        }
        Ok(found)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        match name {
            "X-Amz-Algorithm" => Some(&mut self.algorithm),
            "X-Amz-Credential" => Some(&mut self.credential),
            "X-Amz-Date" => Some(&mut self.date),
            "X-Amz-Expires" => Some(&mut self.expires),
            "X-Amz-SignedHeaders" => Some(&mut self.signed_headers),
            "X-Amz-Signature" => Some(&mut self.signature),
            "X-Amz-Security-Token" => Some(&mut self.security_token),
            _ => None,
        }
    }
}

/// The raw names and values of a query; an empty parameter (`a&&b`) is none.
pub(crate) fn pairs(raw_query: &str) -> impl Iterator<Item = (&str, &str)> {
    raw_query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}
