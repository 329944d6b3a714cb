//! Accounts as they are stored.

use env::Random;
use serde::{Deserialize, Serialize};
use types::{AccountId, Timestamp};

/// An account, with the counts that its bounds are held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    /// The record's format.
    v: u8,
    pub(crate) id: AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) created_at: Timestamp,
    /// How many access keys it has.
    pub(crate) access_keys: usize,
    /// How many of them are root keys.
    pub(crate) root_keys: usize,
}

impl Account {
    /// An account without keys.
    pub(crate) fn new(id: AccountId, name: Option<String>, created_at: Timestamp) -> Self {
        Self { v: 1, id, name, created_at, access_keys: 0, root_keys: 0 }
    }
}

/// Twelve random digits, the first of them not zero.
pub(crate) fn random_id(random: &Random) -> AccountId {
    let number = u64::from_be_bytes(random.bytes());
    let id = 100_000_000_000 + number % 900_000_000_000;
    id.to_string().parse().expect("a number of twelve digits is an account id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_has_twelve_digits() {
        let random = Random::seeded(1);
        for _ in 0..1000 {
            assert!(!random_id(&random).as_str().starts_with('0'));
        }
    }
}
