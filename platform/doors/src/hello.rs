//! What a client says of itself before anything is agreed.

use rustls::crypto::CryptoProvider;
use rustls::server::ClientHello;
use rustls::{AlertDescription, CipherSuite};

/// How many of the offered cipher suites are kept for a message.
const SUITES_KEPT: usize = 20;
/// The content type of a handshake record, and the handshake type of a ClientHello.
const HANDSHAKE: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;
/// TLS 1.2 as a ClientHello writes it.
const TLS_1_2: u16 = 0x0303;

/// Values among the suites that say "no renegotiation" and "this is a second, lower attempt".
const SIGNALS: [u16; 2] = [0x00ff, 0x5600];

/// What is spoken inside TLS, as the client asked for it by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// MQTT under a client certificate (`x-amzn-mqtt-ca`).
    Mqtt,
    /// MQTT under a custom authorizer (`mqtt`).
    MqttCustomAuth,
    /// HTTP (`x-amzn-http-ca`, `http/1.1`).
    Http,
}

/// A protocol name that this server echoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Alpn {
    MqttCa,
    HttpCa,
    Mqtt,
    Http11,
}

/// The part of a ClientHello that decides, and that a message may need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hello {
    /// The name that was asked for, in lower case.
    pub(crate) server_name: Option<String>,
    /// The known names among the offered protocols, in the client's order.
    pub(crate) alpn: Vec<Alpn>,
    suites: Vec<CipherSuite>,
    shares_suite: bool,
}

impl Alpn {
    pub(crate) const ALL: [Self; 4] = [Self::MqttCa, Self::HttpCa, Self::Mqtt, Self::Http11];

    /// The name on the wire.
    pub(crate) fn id(self) -> &'static [u8] {
        match self {
            Self::MqttCa => b"x-amzn-mqtt-ca",
            Self::HttpCa => b"x-amzn-http-ca",
            Self::Mqtt => b"mqtt",
            Self::Http11 => b"http/1.1",
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::MqttCa => Protocol::Mqtt,
            Self::Mqtt => Protocol::MqttCustomAuth,
            Self::HttpCa | Self::Http11 => Protocol::Http,
        }
    }

    fn of(id: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.id() == id)
    }
}

impl Hello {
    pub(crate) fn read(hello: &ClientHello<'_>, provider: &CryptoProvider) -> Self {
        let offered = hello.cipher_suites();
        let mut alpn: Vec<_> = hello.alpn().into_iter().flatten().filter_map(Alpn::of).collect();
        alpn.truncate(Alpn::ALL.len());
        Self {
            server_name: hello.server_name().map(str::to_ascii_lowercase),
            alpn,
            suites: offered.iter().copied().filter(is_real).take(SUITES_KEPT).collect(),
            shares_suite: provider
                .cipher_suites
                .iter()
                .any(|suite| offered.contains(&suite.suite())),
        }
    }

    /// Whether the client offers any cipher suite that this server has.
    pub(crate) fn shares_suite(&self) -> bool {
        self.shares_suite
    }

    /// Whether the client has come far enough to offer any.
    pub(crate) fn offers_suites(&self) -> bool {
        !self.suites.is_empty()
    }

    /// The offered cipher suites by their standard names.
    pub(crate) fn suite_names(&self) -> String {
        let names: Vec<_> = self.suites.iter().copied().map(suite_name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// The highest version that a client from before TLS 1.2 offers, if the first bytes of its
/// connection are such a ClientHello.
pub(crate) fn old_version(first: &[u8]) -> Option<&'static str> {
    let [HANDSHAKE, _, _, _, _, CLIENT_HELLO, _, _, _, major, minor, ..] = *first else {
        return None;
    };
    match u16::from_be_bytes([major, minor]) {
        TLS_1_2.. => None,
        0x0302 => Some("TLS 1.1"),
        0x0301 => Some("TLS 1.0"),
        _ => Some("SSL 3.0"),
    }
}

/// The name of an alert as the standard writes it: `unknown_ca`.
pub(crate) fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    let mut follows_lower = false;
    for character in format!("{alert:?}").chars() {
        if character.is_ascii_uppercase() && follows_lower {
            name.push('_');
        }
        follows_lower = character.is_ascii_lowercase();
        name.push(character.to_ascii_lowercase());
    }
    name
}

/// Whether a suite is one, and not a signal or a value that keeps servers tolerant.
fn is_real(suite: &CipherSuite) -> bool {
    let code = u16::from(*suite);
    let [high, low] = code.to_be_bytes();
    let is_grease = high == low && high & 0x0f == 0x0a;
    !is_grease && !SIGNALS.contains(&code)
}

fn suite_name(suite: CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("0x{:04x}", u16::from(suite)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_their_standard_names() {
        let check = |alert, name: &str| assert_eq!(alert_name(alert), name);
        check(AlertDescription::UnknownCA, "unknown_ca");
        check(AlertDescription::BadCertificate, "bad_certificate");
        check(AlertDescription::HandshakeFailure, "handshake_failure");
    }

    #[test]
    fn suites_have_their_standard_names() {
        let check = |suite: u16, name: &str| assert_eq!(suite_name(suite.into()), name);
        check(0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA");
        check(0x1301, "TLS_AES_128_GCM_SHA256");
        check(0xc0ff, "0xc0ff");
        let suites = [0x00ff, 0x5600, 0x1a1a, 0xfafa, 0x0a0a, 0x0a1a, 0x002f];
        let real: Vec<_> = suites.into_iter().filter(|suite| is_real(&(*suite).into())).collect();
        assert_eq!(real, [0x0a1a, 0x002f]);
    }

    #[test]
    fn the_version_of_an_old_hello_is_seen() {
        let hello = |minor| [0x16, 3, 1, 0, 90, 1, 0, 0, 86, 3, minor];
        assert_eq!(old_version(&hello(0)), Some("SSL 3.0"));
        assert_eq!(old_version(&hello(1)), Some("TLS 1.0"));
        assert_eq!(old_version(&hello(2)), Some("TLS 1.1"));
        assert_eq!(old_version(&hello(3)), None);
        assert_eq!(old_version(&[0x16, 3, 1]), None);
        assert_eq!(old_version(b"GET / HTTP/1.1"), None);
    }
}
