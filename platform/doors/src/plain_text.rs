//! Plain text on a port that speaks TLS: what it is, and the answer to it.

use std::fmt;

/// How much of the first bytes is looked at.
pub(crate) const LOOKED_AT: usize = 16;

/// TLS content types, one of which begins each record.
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 0x14..=0x18;
/// The first byte of an MQTT CONNECT.
const MQTT_CONNECT: u8 = 0x10;

/// The header that load balancers put before a connection: as text, and how its binary form
/// begins.
const PROXY_TEXT: &[u8] = b"PROXY ";
const PROXY_BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What was found where TLS should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainText {
    /// An MQTT CONNECT.
    Mqtt,
    /// A line of text, such as an HTTP request.
    Http {
        /// Its first word.
        method: String,
    },
    /// The header of the PROXY protocol.
    ProxyHeader,
    /// Anything else.
    Other {
        /// The first byte.
        first: u8,
    },
}

impl PlainText {
    /// What `first`, the first bytes of a connection, look like if they are not TLS.
    pub(crate) fn recognize(first: &[u8]) -> Option<Self> {
        let [byte, ..] = *first else { return None };
        if CONTENT_TYPES.contains(&byte) {
            return None;
        }
        if first.starts_with(PROXY_TEXT) || first.starts_with(PROXY_BINARY) {
            return Some(Self::ProxyHeader);
        }
        let word: String =
            first.iter().copied().take_while(u8::is_ascii_uppercase).map(char::from).collect();
        Some(match byte {
            MQTT_CONNECT => Self::Mqtt,
            b'A'..=b'Z' => Self::Http { method: word },
            first => Self::Other { first },
        })
    }

    /// What to tell the client in its own language, if it has one for this.
    pub(crate) fn answer(&self) -> Option<String> {
        let Self::Http { .. } = self else { return None };
        let sentence = "This port speaks TLS: use https:// instead of http://.\n";
        Some(format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{sentence}",
            sentence.len()
        ))
    }
}

impl fmt::Display for PlainText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mqtt => f.write_str(
                "an MQTT CONNECT without TLS: turn TLS on in the client (CA file, certificate, \
                 key), or use a plain MQTT port (`listen.mqtt`)",
            ),
            Self::Http { method } => write!(
                f,
                "what looks like an HTTP request without TLS ({method}): use https://, or the \
                 plain port (`listen.http`)"
            ),
            Self::ProxyHeader => f.write_str(
                "a header of the PROXY protocol: turn that protocol off in the load balancer, or \
                 on here (`listen.proxy_protocol`)",
            ),
            Self::Other { first } => {
                write!(f, "something that is not TLS (first byte 0x{first:02x})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_it_is() {
        let check = |first: &[u8], expected: Option<PlainText>| {
            assert_eq!(PlainText::recognize(first), expected, "{first:?}");
        };
        let http = |method: &str| Some(PlainText::Http { method: method.to_owned() });
        check(&[0x16, 3, 1], None);
        check(&[0x15, 3, 1], None);
        check(b"", None);
        check(b"\x10\x0c\x00\x04MQTT", Some(PlainText::Mqtt));
        check(b"GET / HTTP/1.1\r\n", http("GET"));
        check(b"P", http("P"));
        check(&[0x80, 0x2e], Some(PlainText::Other { first: 0x80 }));
        check(b"PROXY TCP4 192.0", Some(PlainText::ProxyHeader));
        check(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Some(PlainText::ProxyHeader));
        check(b"PROXYING", http("PROXYING"));
        check(b"\x00", Some(PlainText::Other { first: 0 }));
    }
}
