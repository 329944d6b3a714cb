//! Secrets Manager: secrets, as they are now.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::Secret;

use crate::aws::{Call, region_of};
use crate::{Backend, Caller, Service, TargetError, Targets};

const SERVICE: Service = Service::SecretsManager;
const JSON: &str = "application/x-amz-json-1.1";
/// Which version of a secret is read.
const CURRENT: &str = "AWSCURRENT";
/// Bytes of a secret's name or ARN, as of Secrets Manager.
const ID_BYTES_MAX: usize = 2048;

/// What a secret is. `Debug` redacts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretValue {
    /// Text: `SecretString`.
    Text(Secret),
    /// Bytes, in base64: `SecretBinary`.
    Binary(Secret),
}

/// Secrets, wherever they are.
#[derive(Clone, Copy)]
pub struct SecretsManager<'t>(pub(crate) &'t Targets);

impl SecretsManager<'_> {
    /// A secret, by its name or ARN, as it is now or was some minutes ago.
    pub async fn get_secret_value(
        &self,
        caller: &Caller,
        secret_id: &str,
    ) -> Result<Arc<SecretValue>, TargetError> {
        check(secret_id, caller)?;
        let (cache, now) = (self.0.secret_cache(), self.0.now());
        if let Some(known) = cache.get(caller, secret_id, now) {
            return Ok(known);
        }
        let value = match self.0.backend(SERVICE) {
            Backend::Local => self.0.local().secrets.get(&caller.tenant, secret_id).await?,
            Backend::Aws => self.ask(caller, secret_id).await?,
        };
        Ok(cache.keep(caller, secret_id, now, value))
    }

    async fn ask(&self, caller: &Caller, secret_id: &str) -> Result<SecretValue, TargetError> {
        let body = Wire { secret_id, version_stage: CURRENT };
        let mut call = Call::json(SERVICE, JSON, "secretsmanager.GetSecretValue", &body);
        call.region = region_of(secret_id);
        let response = self.0.aws().send(caller, call).await?;
        let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
        // What was wrong with the answer is not told: it would quote the secret.
        answer.and_then(Answer::into_value).ok_or_else(|| {
            TargetError::unanswered(SERVICE, "The answer to GetSecretValue cannot be read.")
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    secret_id: &'a str,
    version_stage: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    secret_string: Option<Secret>,
    secret_binary: Option<Secret>,
}

impl Answer {
    fn into_value(self) -> Option<SecretValue> {
        let binary = self.secret_binary.map(SecretValue::Binary);
        self.secret_string.map(SecretValue::Text).or(binary)
    }
}

/// Refuses what is no id, so that nothing longer is remembered.
fn check(secret_id: &str, caller: &Caller) -> Result<(), TargetError> {
    let role = caller.role_arn.as_deref().unwrap_or_default();
    for (member, text, bytes_min) in [("secretId", secret_id, 1), ("roleArn", role, 0)] {
        if !(bytes_min..=ID_BYTES_MAX).contains(&text.len()) {
            let message = format!(
                "1 validation error detected: Value at '{member}' failed to satisfy constraint: \
                 Member must have length between {bytes_min} and {ID_BYTES_MAX}"
            );
            return Err(TargetError::refused(SERVICE, "ValidationException", message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_text_or_bytes_and_is_not_printed() {
        let read = |json: &str| serde_json::from_str::<Answer>(json).unwrap().into_value();
        let text = read(r#"{"Name":"a","SecretString":"word","VersionStages":["AWSCURRENT"]}"#);
        assert_eq!(text, Some(SecretValue::Text("word".to_owned().into())));
        assert_eq!(format!("{text:?}"), "Some(Text(…redacted…))");
        let binary = read(r#"{"Name":"a","SecretBinary":"AAE="}"#);
        assert_eq!(binary, Some(SecretValue::Binary("AAE=".to_owned().into())));
        assert_eq!(read(r#"{"Name":"a"}"#), None);
    }
}
