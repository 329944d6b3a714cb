//! Tenants: one (account, region) pair, in which every resource lives.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{AccountId, Arn};

/// The part of AWS that ARNs are said to be of.
const PARTITION: &str = "aws";
/// Characters of an endpoint's prefix after its `a`.
const PREFIX_CHARS: usize = 13;

/// A region's name, such as `us-east-1`: lower-case letters, digits and hyphens, 3 to 32 of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

/// The text cannot name a region.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a region is 3 to 32 lower-case letters, digits and hyphens, such as us-east-1")]
pub struct InvalidRegion;

impl Region {
    /// The region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(text: &str) -> Result<Self, InvalidRegion> {
        let is_known_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let starts_with_letter = text.starts_with(|c: char| c.is_ascii_lowercase());
        if (3..=32).contains(&text.len()) && starts_with_letter && text.bytes().all(is_known_byte) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidRegion)
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number that stands for a tenant in every key of the store. `GLOBAL` holds what no tenant
/// owns: accounts, access keys, the tenants' own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u32);

impl TenantId {
    /// Holds what belongs to the server rather than to a tenant.
    pub const GLOBAL: Self = Self(0);
}

/// An (account, region) pair with its number: the scope of every name and ARN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// The number in keys.
    pub id: TenantId,
    /// Who owns the resources.
    pub account: AccountId,
    /// Where they are said to be.
    pub region: Region,
}

impl Tenant {
    /// `arn:aws:<service>:<region>:<account>:<resource>`, for example
    /// `tenant.arn("iot", "thing/lamp")`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{PARTITION}:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// Whether `arn` names something of the tenant's, as [`Tenant::arn`] writes it. One of another
    /// partition does not: policies are asked about the ARN as it was sent.
    pub fn owns(&self, arn: &Arn<'_>) -> bool {
        arn.partition == PARTITION
            && arn.region == self.region.as_str()
            && arn.account == self.account.as_str()
    }

    /// What the names of the tenant's endpoints begin with: `a` and 13 letters or digits, the same
    /// for ever for an account and region.
    pub fn endpoint_prefix(&self) -> String {
        let mut rest = fnv1a(format!("{}/{}", self.account, self.region).as_bytes());
        let mut prefix = String::from("a");
        for _ in 0..PREFIX_CHARS {
            let digit = u32::try_from(rest % 36).unwrap_or(0);
            prefix.push(char::from_digit(digit, 36).unwrap_or('0'));
            rest /= 36;
        }
        prefix
    }
}

/// FNV-1a of 128 bits: spreads names, and hides nothing.
fn fnv1a(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(region: &str) -> Tenant {
        let account = "123456789012".parse().unwrap();
        Tenant { id: TenantId(1), account, region: region.parse().unwrap() }
    }

    #[test]
    fn a_tenant_names_its_resources() {
        let arn = tenant("eu-west-1").arn("iot", "thing/a");
        assert_eq!(arn, "arn:aws:iot:eu-west-1:123456789012:thing/a");
    }

    #[test]
    fn a_prefix_never_changes_and_differs_between_regions() {
        let first = tenant("eu-west-1").endpoint_prefix();
        assert_eq!(first, "agbt2231re2jzz");
        assert_ne!(first, tenant("eu-west-2").endpoint_prefix());
    }

    #[test]
    fn a_region_is_a_short_lower_case_word() {
        for wrong in ["", "ab", "US-EAST-1", "1-east", "us/east", &"a".repeat(33)] {
            assert!(wrong.parse::<Region>().is_err(), "{wrong}");
        }
    }
}
