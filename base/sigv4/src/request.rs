//! The parts of an HTTP request that a signature covers.

/// A request as it stands on the wire: nothing decoded, nothing normalised.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST` …
    pub method: &'a str,
    /// The path before `?`, still percent-encoded.
    pub raw_path: &'a str,
    /// What follows `?`, still percent-encoded; empty if there is no query.
    pub raw_query: &'a str,
    /// Every header in the order of arrival: lower-case name, value. HTTP/2's `:authority` is to
    /// be given as `host`.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body, or what is known of it.
    pub payload: Payload<'a>,
}

/// How the body takes part in the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// The whole body.
    Bytes(&'a [u8]),
    /// The body is not signed: `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// The body's SHA-256 in lower-case hexadecimal, computed by the caller.
    Hash(&'a str),
}

impl<'a> Request<'a> {
    /// The first header of that (lower-case) name.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }
}
