//! Access keys as they are stored, and how new ones are made.

use std::sync::Arc;

use data_encoding::{BASE32_NOPAD, BASE64};
use env::{Env, Random};
use policy::{Dialect, Document};
use secrets::Keyring;
use serde::{Deserialize, Serialize};
use service::{AccessKey, ApiError};
use types::{AccountId, Secret, Timestamp};

/// Characters of a user's name, as in IAM.
const NAME_CHARS_MAX: usize = 64;

/// What a new key is to be.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The user's name. A key with neither name nor policy is a root key.
    pub(crate) name: Option<String>,
    /// The text of an IAM policy. Without one the key may do everything.
    pub(crate) policy: Option<String>,
}

/// A key that was just made. Its secret is not shown again.
#[derive(Clone, Debug)]
pub struct NewAccessKey {
    /// `AKIA…`.
    pub id: String,
    /// What requests are signed with.
    pub secret: Secret,
    /// Whose resources it reaches.
    pub account: AccountId,
    /// Whom it stands for.
    pub arn: String,
}

/// An access key's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredKey {
    /// The record's format.
    v: u8,
    pub(crate) id: String,
    pub(crate) account: AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The principal's unique id.
    pub(crate) user_id: String,
    /// Sealed by the keyring.
    secret: String,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    pub(crate) created_at: Timestamp,
}

impl Plan {
    /// Refuses names that no user can have and policies that are none.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if let Some(name) = &self.name
            && !is_user_name(name)
        {
            return Err(ApiError::invalid(format!(
                "The name must be 1 to {NAME_CHARS_MAX} letters, digits and characters of _+=,.@-."
            )));
        }
        self.policy.as_deref().map(parse_policy).transpose().map(drop)
    }
}

impl StoredKey {
    /// A new key of `account`, and its secret.
    pub(crate) fn make(
        account: AccountId,
        plan: Plan,
        env: &Env,
        keyring: &Keyring,
    ) -> (Self, NewAccessKey) {
        let id = format!("AKIA{}", base32_id(&env.random));
        let secret = Secret::from(BASE64.encode(&env.random.bytes::<30>()));
        let sealed = keyring.seal(&purpose(&id), secret.expose().as_bytes(), &env.random);
        let is_root = plan.name.is_none() && plan.policy.is_none();
        let key = Self {
            v: 1,
            account,
            name: if is_root { None } else { Some(plan.name.unwrap_or_else(|| id.clone())) },
            user_id: if is_root {
                account.to_string()
            } else {
                format!("AIDA{}", base32_id(&env.random))
            },
            secret: sealed,
            policy: plan.policy,
            created_at: env.clock.now(),
            id: id.clone(),
        };
        let arn = key.arn();
        (key, NewAccessKey { id, secret, account, arn })
    }

    /// Whether it is one of the account's root keys.
    pub(crate) fn is_root(&self) -> bool {
        self.name.is_none()
    }

    /// `arn:aws:iam::123456789012:root` or `…:user/NAME`.
    pub(crate) fn arn(&self) -> String {
        match &self.name {
            None => root_arn(self.account),
            Some(name) => format!("arn:aws:iam::{}:user/{name}", self.account),
        }
    }

    /// The key with its secret opened and its policy parsed, ready to check requests with.
    pub(crate) fn unseal(self, keyring: &Keyring) -> Result<AccessKey, ApiError> {
        let secret = keyring.open(&purpose(&self.id), &self.secret).map_err(ApiError::internal)?;
        let secret = String::from_utf8(secret).map_err(ApiError::internal)?;
        let policy = self.policy.as_deref().map(parse_policy).transpose()?;
        Ok(AccessKey {
            arn: self.arn(),
            id: self.id,
            secret: Secret::from(secret),
            account: self.account,
            user_id: self.user_id,
            policy: policy.map(Arc::new),
        })
    }
}

/// The principal of an account's root keys.
pub(crate) fn root_arn(account: AccountId) -> String {
    format!("arn:aws:iam::{account}:root")
}

fn parse_policy(text: &str) -> Result<Document, ApiError> {
    Document::parse(text, Dialect::Iam).map_err(|malformed| {
        ApiError::new("MalformedPolicyException", format!("The policy is malformed: {malformed}"))
    })
}

fn is_user_name(name: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(is_known)
}

/// Binds a sealed secret to its key, so that it opens nothing in another's place.
fn purpose(id: &str) -> String {
    format!("access-key:{id}")
}

/// Sixteen characters of base32, as AWS's ids end.
fn base32_id(random: &Random) -> String {
    BASE32_NOPAD.encode(&random.bytes::<10>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(plan: Plan) -> (StoredKey, NewAccessKey, Keyring) {
        let env = Env::simulated(Timestamp::from_secs(1), 3);
        let keyring = Keyring::ephemeral(&env.random);
        let (key, new) = StoredKey::make(AccountId::DEFAULT, plan, &env, &keyring);
        (key, new, keyring)
    }

    #[test]
    fn a_key_has_the_form_that_tools_expect_and_opens_again() {
        let (key, new, keyring) = make(Plan::default());
        assert_eq!((new.id.len(), new.secret.expose().len()), (20, 40));
        assert!(new.id.starts_with("AKIA"));
        assert!(new.id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        assert!(
            !service::encode(&key).windows(8).any(|w| w == &new.secret.expose().as_bytes()[..8])
        );
        let opened = key.unseal(&keyring).unwrap();
        assert_eq!(opened.secret.expose(), new.secret.expose());
        assert_eq!(opened.arn, "arn:aws:iam::000000000000:root");
        assert_eq!(opened.user_id, "000000000000");
    }

    #[test]
    fn a_secret_does_not_open_under_another_id() {
        let (mut key, _, keyring) = make(Plan::default());
        key.id = "AKIAAAAAAAAAAAAAAAAA".to_owned();
        assert!(key.unseal(&keyring).is_err());
    }

    #[test]
    fn a_name_or_a_policy_makes_a_user() {
        let text = r#"{"Version":"2012-10-17","Statement":[]}"#;
        let (named, ..) = make(Plan { name: Some("ci".into()), policy: None });
        assert_eq!(named.arn(), "arn:aws:iam::000000000000:user/ci");
        assert!(named.user_id.starts_with("AIDA"));
        let (limited, new, _) = make(Plan { name: None, policy: Some(text.into()) });
        assert_eq!(limited.arn(), format!("arn:aws:iam::000000000000:user/{}", new.id));
    }

    #[test]
    fn names_that_iam_refuses_are_refused() {
        for wrong in ["", "a b", "a/b", "ü", &"a".repeat(65)] {
            let plan = Plan { name: Some(wrong.to_owned()), policy: None };
            assert!(plan.check().is_err(), "{wrong}");
        }
        assert!(Plan { name: Some("ci+test@example.org".into()), policy: None }.check().is_ok());
    }
}
