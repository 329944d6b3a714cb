//! Access keys for the Lambda API: of the settings, the environment, or AWS's shared files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::secret::Secret;
use crate::settings::KeySettings;

/// How long what a file said is believed.
const BELIEVED: Duration = Duration::from_secs(30);
/// A shared file is no longer than this.
const FILE_BYTES_MAX: usize = 1 << 20;

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    pub(crate) token: Option<Secret>,
}

/// Where the key comes from, and what it was.
pub(crate) struct Credentials {
    settings: KeySettings,
    read: Mutex<Option<(Instant, AccessKey)>>,
}

impl Credentials {
    pub(crate) fn new(settings: KeySettings) -> Self {
        Self { settings, read: Mutex::default() }
    }

    /// The key, or what is missing. Without a profile or file in the settings it is the
    /// environment's, else the shared file's profile `default`, or `AWS_PROFILE`'s.
    pub(crate) async fn key(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<AccessKey, String> {
        let (profile, file) = match &self.settings {
            KeySettings::Static { id, secret, token } => {
                let (secret, token) = (secret.clone(), token.clone());
                return Ok(AccessKey { id: id.clone(), secret, token });
            }
            KeySettings::Shared { profile, file } => (profile, file),
        };
        let own = of_environment(environment).filter(|_| profile.is_none() && file.is_none());
        if let Some(key) = own {
            return Ok(key);
        }
        if let Some(key) = self.believed() {
            return Ok(key);
        }
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let profile = profile.as_ref().or(variable("AWS_PROFILE"));
        let path = file.clone().or_else(|| shared_file(environment));
        let path = path.ok_or("neither a key nor a home directory is set")?;
        let key = of_file(path, profile.map_or("default", String::as_str).to_owned()).await?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), key.clone()));
        Ok(key)
    }

    fn believed(&self) -> Option<AccessKey> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, key) = read.as_ref()?;
        (since.elapsed() < BELIEVED).then(|| key.clone())
    }
}

fn of_environment(environment: &BTreeMap<String, String>) -> Option<AccessKey> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    Some(AccessKey {
        id: variable("AWS_ACCESS_KEY_ID")?,
        secret: variable("AWS_SECRET_ACCESS_KEY")?.into(),
        token: variable("AWS_SESSION_TOKEN").map(Secret::from),
    })
}

fn shared_file(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    match environment.get("AWS_SHARED_CREDENTIALS_FILE") {
        Some(path) => Some(path.into()),
        None => Some(Path::new(environment.get("HOME")?).join(".aws/credentials")),
    }
}

async fn of_file(path: PathBuf, profile: String) -> Result<AccessKey, String> {
    let read = tokio::task::spawn_blocking(move || {
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| format!("{} cannot be read ({error})", path.display()))?;
        if text.len() > FILE_BYTES_MAX {
            return Err(format!("{} is too long", path.display()));
        }
        let missing =
            || format!("{} has no access key for the profile `{profile}`", path.display());
        of_profile(&text, &profile).ok_or_else(missing)
    });
    read.await.unwrap_or_else(|_| Err("the shared file was not read".to_owned()))
}

/// The key of one section of a shared file.
fn of_profile(text: &str, profile: &str) -> Option<AccessKey> {
    let mut found = BTreeMap::new();
    let mut is_meant = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_meant = section.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_meant) {
            found.insert(name.trim(), value.trim());
        }
    }
    Some(AccessKey {
        id: (*found.get("aws_access_key_id")?).to_owned(),
        secret: (*found.get("aws_secret_access_key")?).to_owned().into(),
        token: found.get("aws_session_token").map(|token| (*token).to_owned().into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mill\n[default]\naws_access_key_id = AKID\naws_secret_access_key=se=cret\n\
                        \n[ other ]\naws_access_key_id=OTHER\n aws_secret_access_key = two\n\
                        aws_session_token = three\n[broken]\naws_access_key_id = X\n";

    fn check(profile: &str, expect: Option<(&str, &str, Option<&str>)>) {
        let secret = |text: &str| Secret::from(text.to_owned());
        let expect = expect.map(|(id, key, token)| AccessKey {
            id: id.to_owned(),
            secret: secret(key),
            token: token.map(secret),
        });
        assert_eq!(of_profile(FILE, profile), expect, "{profile}");
    }

    #[test]
    fn a_profile_is_a_section_of_the_shared_file() {
        check("default", Some(("AKID", "se=cret", None)));
        check("other", Some(("OTHER", "two", Some("three"))));
        check("broken", None);
        check("missing", None);
    }

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
            assert_eq!(credentials.key(environment).await.unwrap().id, expect);
            assert_eq!(credentials.key(environment).await.unwrap().id, expect);
        }
        let error = Credentials::new(any()).key(&BTreeMap::new()).await.unwrap_err();
        assert_eq!(error, "neither a key nor a home directory is set");
    }
}
