//! AWS credentials: from settings, or from the credentials file that AWS's own tools share.

use outbound::{AccessKey, SharedFile, SharedFileError};
use types::Timestamp;

use crate::CredentialSettings;

/// Why there are no credentials.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("set access_key_id and secret_access_key, or a profile, under targets.credentials")]
    None,
    #[error("access_key_id comes with secret_access_key")]
    Half,
    #[error(transparent)]
    File(#[from] SharedFileError),
}

/// The access key that `settings` name.
pub(crate) async fn access_key(
    settings: &CredentialSettings,
    file: &SharedFile,
    now: Timestamp,
) -> Result<AccessKey, CredentialsError> {
    match (&settings.access_key_id, &settings.secret_access_key) {
        (Some(id), Some(secret)) => Ok(AccessKey {
            id: id.clone(),
            secret: secret.clone(),
            session_token: settings.session_token.clone(),
        }),
        (None, None) => {
            let path = settings.credentials_file.as_ref().ok_or(CredentialsError::None)?;
            Ok(file.key(path, settings.profile.as_deref(), now).await?)
        }
        _ => Err(CredentialsError::Half),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let of = async |id: Option<&str>| {
            let access_key_id = id.map(str::to_owned);
            let settings = CredentialSettings { access_key_id, ..CredentialSettings::default() };
            let file = SharedFile::default();
            access_key(&settings, &file, Timestamp::EPOCH).await.unwrap_err().to_string()
        };
        assert!(of(None).await.starts_with("set access_key_id"));
        assert_eq!(of(Some("a")).await, "access_key_id comes with secret_access_key");
    }
}
