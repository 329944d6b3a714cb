//! URLs that a request can go to, checked once.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery};

/// The longest URL.
const URL_BYTES_MAX: usize = 8192;

/// An absolute URL of `http` or `https`, without user, password or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    origin: Origin,
    target: PathAndQuery,
}

/// Why a text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than a URL may be.
    #[error("a URL has at most {URL_BYTES_MAX} bytes")]
    TooLong,
    /// Not a URL at all, or a relative one.
    #[error("not a URL with scheme and host")]
    Malformed,
    /// Something else than `http` or `https`.
    #[error("the scheme must be http or https")]
    Scheme,
    /// `user:password@`; they belong in a header.
    #[error("a URL may hold neither user nor password")]
    User,
    /// `#…`, which is never sent.
    #[error("a URL may hold no fragment")]
    Fragment,
    /// Not a host name, and not an address either.
    #[error("the host is neither a name nor an address")]
    Host,
    /// Port 0, or one that is no number.
    #[error("the port must be between 1 and 65535")]
    Port,
}

/// Where requests of a kind go: what connections are kept for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) is_tls: bool,
    /// In lower case; an address of version 6 without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Url {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return Err(UrlError::Scheme),
            None => return Err(UrlError::Malformed),
        };
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::User);
        }
        let host = checked_host(authority.host()).ok_or(UrlError::Host)?;
        let port = checked_port(authority, is_tls).ok_or(UrlError::Port)?;
        let target = checked_target(&uri).ok_or(UrlError::Malformed)?;
        Ok(Self { origin: Origin { is_tls, host, port }, target })
    }

    /// Whether it is `https`.
    pub fn is_https(&self) -> bool {
        self.origin.is_tls
    }

    /// The host in lower case, an address of version 6 without its brackets.
    pub fn host(&self) -> &str {
        &self.origin.host
    }

    /// The port, given or the scheme's own.
    pub fn port(&self) -> u16 {
        self.origin.port
    }

    /// What stands in the header `host`: the port only if it is not the scheme's own.
    pub fn authority(&self) -> String {
        self.origin.authority()
    }

    /// The path as it is sent, percent-encoded as given.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// What follows `?`, percent-encoded as given; empty if there is no query.
    pub fn query(&self) -> &str {
        self.target.query().unwrap_or("")
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Path and query as they stand in the first line of a request.
    pub(crate) fn target(&self) -> &PathAndQuery {
        &self.target
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.origin.is_tls { "https" } else { "http" };
        write!(out, "{scheme}://{}{}", self.authority(), self.target)
    }
}

impl Origin {
    pub(crate) fn authority(&self) -> String {
        let is_default = self.port == default_port(self.is_tls);
        let host = match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.clone(),
        };
        if is_default { host } else { format!("{host}:{}", self.port) }
    }
}

fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

fn checked_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    if let Ok(IpAddr::V4(address)) = host.parse() {
        return Some(address.to_string());
    }
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_name.then(|| host.to_ascii_lowercase())
}

/// The path begins with `/` also where the URL has nothing after its host, or a query at once.
fn checked_target(uri: &Uri) -> Option<PathAndQuery> {
    match uri.path_and_query().map_or("", PathAndQuery::as_str) {
        target if target.starts_with('/') => uri.path_and_query().cloned(),
        target => format!("/{target}").parse().ok(),
    }
}

fn checked_port(authority: &Authority, is_tls: bool) -> Option<u16> {
    let text = authority.as_str().strip_prefix(authority.host())?;
    match text.strip_prefix(':') {
        None => Some(default_port(is_tls)),
        Some(digits) => digits.parse().ok().filter(|port| *port != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<(&str, u16, &str, &str, &str), UrlError>) {
        let url = Url::parse(text);
        let found = url
            .as_ref()
            .map_err(|error| *error)
            .map(|url| (url.host(), url.port(), url.path(), url.query(), url.target().as_str()));
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn a_url_is_taken_apart() {
        check("https://a.example", Ok(("a.example", 443, "/", "", "/")));
        check("HTTP://A.Example:8080/P%20q?x=%2F&y", {
            Ok(("a.example", 8080, "/P%20q", "x=%2F&y", "/P%20q?x=%2F&y"))
        });
        check("http://a?x=1", Ok(("a", 80, "/", "x=1", "/?x=1")));
        check("http://127.0.0.1/", Ok(("127.0.0.1", 80, "/", "", "/")));
        check("http://[::1]:81/a", Ok(("::1", 81, "/a", "", "/a")));
        check("http://[0:0::1]/", Ok(("::1", 80, "/", "", "/")));
    }

    #[test]
    fn what_a_request_cannot_go_to_is_refused() {
        check("", Err(UrlError::Malformed));
        check("/path", Err(UrlError::Malformed));
        check("a.example:443", Err(UrlError::Malformed));
        check("ftp://a.example/", Err(UrlError::Scheme));
        check("http://u:p@a.example/", Err(UrlError::User));
        check("http://a.example/#x", Err(UrlError::Fragment));
        check("http://a.example:0/", Err(UrlError::Port));
        check("http://a.example:99999/", Err(UrlError::Port));
        check("http://a.example/a b", Err(UrlError::Malformed));
        check("http://a.example/\r\nx: y", Err(UrlError::Malformed));
        check("http://a,b/", Err(UrlError::Host));
        check("http://[::1%25lo]/", Err(UrlError::Host));
        check("http://é.example/", Err(UrlError::Malformed));
        check(&format!("http://a/{}", "a".repeat(9000)), Err(UrlError::TooLong));
    }

    #[test]
    fn a_url_reads_back_as_it_is_sent() {
        for text in ["https://a.example/x?y=1", "http://a:8080/", "http://[::1]:81/a", "http://a/"]
        {
            assert_eq!(Url::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Url::parse("https://A:443").unwrap().authority(), "a");
    }
}
