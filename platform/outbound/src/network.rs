//! Networks as CIDR writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that share their first bits with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    V4 { bits: u32, mask: u32 },
    V6 { bits: u128, mask: u128 },
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length: u32 = match length {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
            None => longest,
        };
        (length <= longest).then(|| match address {
            IpAddr::V4(address) => Self::v4(address, length),
            IpAddr::V6(address) => Self::v6(address, length),
        })
    }

    pub(crate) const fn v4(address: Ipv4Addr, length: u32) -> Self {
        let mask = match length {
            0 => 0,
            length => u32::MAX << (32 - length),
        };
        Self::V4 { bits: address.to_bits() & mask, mask }
    }

    pub(crate) const fn v6(address: Ipv6Addr, length: u32) -> Self {
        let mask = match length {
            0 => 0,
            length => u128::MAX << (128 - length),
        };
        Self::V6 { bits: address.to_bits() & mask, mask }
    }

    /// Whether `address` lies in it. Neither family has addresses of the other.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4 { bits, mask }, IpAddr::V4(address)) => address.to_bits() & mask == bits,
            (Self::V6 { bits, mask }, IpAddr::V6(address)) => address.to_bits() & mask == bits,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, address: &str, expect: Option<bool>) {
        let address = address.parse().unwrap();
        let found = Network::parse(network).map(|network| network.contains(address));
        assert_eq!(found, expect, "{network} {address}");
    }

    #[test]
    fn a_network_has_the_addresses_that_share_its_bits() {
        check("10.0.0.0/8", "10.255.0.1", Some(true));
        check("10.9.9.9/8", "10.255.0.1", Some(true));
        check("10.0.0.0/8", "11.0.0.0", Some(false));
        check("10.0.0.0/8", "::a00:1", Some(false));
        check("0.0.0.0/0", "203.0.113.1", Some(true));
        check("0.0.0.0/0", "::1", Some(false));
        check("10.1.2.3", "10.1.2.3", Some(true));
        check("10.1.2.3", "10.1.2.4", Some(false));
        check("fd00::/8", "fdff::1", Some(true));
        check("fd00::/8", "fe00::1", Some(false));
        check("::/0", "fe00::1", Some(true));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "/", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/+8", "10.0.0.0/", "a"]
        {
            check(text, "10.0.0.1", None);
        }
    }
}
