//! Access keys for the Lambda API: of the settings, the environment, or AWS's shared files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outbound::{AccessKey, SharedFile};
use types::{Secret, Timestamp};

use crate::settings::KeySettings;

/// Where the key comes from.
pub(crate) struct Credentials {
    settings: KeySettings,
    shared: SharedFile,
}

impl Credentials {
    pub(crate) fn new(settings: KeySettings) -> Self {
        Self { settings, shared: SharedFile::default() }
    }

    /// The key, or what is missing. Without a profile or file in the settings it is the
    /// environment's, else the shared file's profile `default`, or `AWS_PROFILE`'s.
    pub(crate) async fn key(
        &self,
        environment: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<AccessKey, String> {
        let (profile, file) = match &self.settings {
            KeySettings::Static { id, secret, token } => {
                let (secret, session_token) = (secret.clone(), token.clone());
                return Ok(AccessKey { id: id.clone(), secret, session_token });
            }
            KeySettings::Shared { profile, file } => (profile, file),
        };
        let own = of_environment(environment).filter(|_| profile.is_none() && file.is_none());
        if let Some(key) = own {
            return Ok(key);
        }
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let profile = profile.as_ref().or(variable("AWS_PROFILE"));
        let path = file.clone().or_else(|| shared_file(environment));
        let path = path.ok_or("neither a key nor a home directory is set")?;
        let key = self.shared.key(&path, profile.map(String::as_str), now).await;
        key.map_err(|error| outbound::chain(&error))
    }
}

fn of_environment(environment: &BTreeMap<String, String>) -> Option<AccessKey> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    Some(AccessKey {
        id: variable("AWS_ACCESS_KEY_ID")?,
        secret: variable("AWS_SECRET_ACCESS_KEY")?.into(),
        session_token: variable("AWS_SESSION_TOKEN").map(Secret::from),
    })
}

fn shared_file(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    match environment.get("AWS_SHARED_CREDENTIALS_FILE") {
        Some(path) => Some(path.into()),
        None => Some(Path::new(environment.get("HOME")?).join(".aws/credentials")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[default]\naws_access_key_id = AKID\naws_secret_access_key=secret\n\
                        [other]\naws_access_key_id=OTHER\naws_secret_access_key = two\n";

    #[tokio::test]
    async fn settings_come_before_the_environment_and_that_before_files() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("credentials");
        std::fs::write(&file, FILE).unwrap();
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let shared = variable("AWS_SHARED_CREDENTIALS_FILE", &file.display().to_string());
        let with_key = BTreeMap::from([
            shared.clone(),
            variable("AWS_ACCESS_KEY_ID", "ENV"),
            variable("AWS_SECRET_ACCESS_KEY", "env"),
        ]);
        let with_profile = BTreeMap::from([shared.clone(), variable("AWS_PROFILE", "other")]);
        let without = BTreeMap::from([shared]);
        let own =
            KeySettings::Static { id: "OWN".into(), secret: "own".to_owned().into(), token: None };
        let any = || KeySettings::Shared { profile: None, file: None };
        let other = KeySettings::Shared { profile: Some("other".to_owned()), file: None };
        for (settings, environment, expect) in [
            (own, &with_key, "OWN"),
            (any(), &with_key, "ENV"),
            (other, &with_key, "OTHER"),
            (any(), &with_profile, "OTHER"),
            (any(), &without, "AKID"),
        ] {
            let credentials = Credentials::new(settings);
            let key = credentials.key(environment, Timestamp::EPOCH).await.unwrap();
            assert_eq!(key.id, expect);
        }
        let error =
            Credentials::new(any()).key(&BTreeMap::new(), Timestamp::EPOCH).await.unwrap_err();
        assert_eq!(error, "neither a key nor a home directory is set");
    }
}
