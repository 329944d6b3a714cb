//! Which addresses may be reached: the public ones, and what the operator permits besides.
//!
//! A device's owner may write a URL into a rule. Without these rules the server would fetch, on
//! their behalf, whatever its own network keeps from them: the cloud's metadata, a database on
//! loopback, a router's console.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::Network;
use crate::settings::SettingsError;

/// Addresses of version 4 that are not some other party's on the internet (IANA's registry of
/// special-purpose addresses), 6to4's relays and multicast included.
const SPECIAL_V4: [Network; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// All of version 6 that is ever given to somebody on the internet.
const GLOBAL_V6: Network = v6([0x2000, 0, 0], 3);
/// What of it is not: protocols (Teredo among them), documentation, 6to4.
const SPECIAL_V6: [Network; 4] = [
    v6([0x2001, 0, 0], 23),
    v6([0x2001, 0xdb8, 0], 32),
    v6([0x2002, 0, 0], 16),
    v6([0x3fff, 0, 0], 20),
];
/// Addresses of version 4 as a network of version 6 alone writes them (RFC 6052).
const TRANSLATED: Network = v6([0x64, 0xff9b, 0], 96);

/// What a request may reach.
#[derive(Debug)]
pub(crate) struct AddressRules {
    networks: Vec<Network>,
    hosts: Vec<HostPattern>,
}

/// A host name, or all names below one.
#[derive(Debug, PartialEq, Eq)]
enum HostPattern {
    Exactly(String),
    Below(String),
}

/// Whether `address` is one of the public internet: not of this host or its networks, of no
/// protocol's own, and not one of these in the disguise of version 6.
pub fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(_) => !contain(&SPECIAL_V4, plain(address)),
        IpAddr::V6(_) => GLOBAL_V6.contains(address) && !contain(&SPECIAL_V6, address),
    }
}

impl AddressRules {
    /// Reads the entries of `outbound.allow`.
    pub(crate) fn parse(allow: &[String]) -> Result<Self, SettingsError> {
        let mut rules = Self { networks: Vec::new(), hosts: Vec::new() };
        for entry in allow {
            if let Some(network) = Network::parse(entry) {
                rules.networks.push(network);
            } else if let Some(host) = HostPattern::parse(entry) {
                rules.hosts.push(host);
            } else {
                return Err(SettingsError::Allow { entry: entry.clone() });
            }
        }
        Ok(rules)
    }

    /// Whether `host`, which has the address `address`, may be reached there.
    pub(crate) fn permit(&self, host: &str, address: IpAddr) -> bool {
        is_public(address)
            || contain(&self.networks, plain(address))
            || self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

impl HostPattern {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.to_ascii_lowercase();
        let (name, below) = match entry.strip_prefix("*.") {
            Some(name) => (name.to_owned(), true),
            None => (entry, false),
        };
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        // A name that ends in digits is an address with a mistake in it.
        let is_number = name.rsplit('.').next()?.bytes().all(|byte| byte.is_ascii_digit());
        (name.split('.').all(is_label) && !is_number)
            .then(|| if below { Self::Below(format!(".{name}")) } else { Self::Exactly(name) })
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exactly(name) => host == name,
            Self::Below(suffix) => host.ends_with(suffix.as_str()),
        }
    }
}

/// The address of version 4 that is meant, where one of version 6 only carries it.
fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(carrier) if TRANSLATED.contains(address) => {
            let [.., a, b, c, d] = carrier.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        address => address,
    }
}

fn contain(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

const fn v4([a, b, c, d]: [u8; 4], length: u32) -> Network {
    Network::v4(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c]: [u16; 3], length: u32) -> Network {
    Network::v6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "198.17.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn all_others_are_not() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    fn check(allow: &str, host: &str, address: &str, expect: bool) {
        let rules = AddressRules::parse(&[allow.to_owned()]).unwrap();
        assert_eq!(
            rules.permit(host, address.parse().unwrap()),
            expect,
            "{allow} {host} {address}"
        );
    }

    #[test]
    fn what_the_operator_permits_may_be_reached() {
        check("10.0.0.0/8", "db.example", "10.1.2.3", true);
        check("10.0.0.0/8", "db.example", "::ffff:10.1.2.3", true);
        check("10.0.0.0/8", "db.example", "192.168.0.1", false);
        check("10.0.0.0/8", "db.example", "1.1.1.1", true);
        check("fd00::/8", "db.example", "fd12::1", true);
        check("db.example", "db.example", "192.168.0.1", true);
        check("DB.Example", "db.example", "192.168.0.1", true);
        check("db.example", "a.db.example", "192.168.0.1", false);
        check("*.example", "db.example", "192.168.0.1", true);
        check("*.example", "a.db.example", "192.168.0.1", true);
        check("*.example", "example", "192.168.0.1", false);
        check("*.example", "dbexample", "192.168.0.1", false);
        check("localhost", "localhost", "127.0.0.1", true);
    }

    #[test]
    fn an_entry_that_means_nothing_is_named() {
        for entry in ["", "*", "*.", "10.0.0.0/40", "10.0.0", "a..b", "http://a", "a:80", "[::1]"] {
            let error = AddressRules::parse(&[entry.to_owned()]).unwrap_err();
            let expect = format!(
                "outbound.allow: `{entry}` is neither an address, a network nor a host name"
            );
            assert_eq!(error.to_string(), expect);
        }
    }
}
