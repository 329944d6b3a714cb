//! Tenants: one (account, region) pair, in which every resource lives.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::AccountId;

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
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_names_its_resources() {
        let tenant = Tenant {
            id: TenantId(1),
            account: "123456789012".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        assert_eq!(tenant.arn("iot", "thing/a"), "arn:aws:iot:eu-west-1:123456789012:thing/a");
    }

    #[test]
    fn a_region_is_a_short_lower_case_word() {
        for wrong in ["", "ab", "US-EAST-1", "1-east", "us/east", &"a".repeat(33)] {
            assert!(wrong.parse::<Region>().is_err(), "{wrong}");
        }
    }
}
