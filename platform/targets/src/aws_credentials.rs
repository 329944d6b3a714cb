//! AWS credentials: from settings, or from the credentials file that AWS's own tools share.
//!
//! Nothing is read from the environment: what is to be used of it comes in as settings.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use types::Timestamp;

use crate::CredentialSettings;

/// Who signs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
}

/// Why there are no credentials.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("set access_key_id and secret_access_key, or a profile, under targets.credentials")]
    None,
    #[error("access_key_id comes with secret_access_key")]
    Half,
    #[error("could not read {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: Arc<std::io::Error>,
    },
    #[error("{} has no profile `{profile}` with an access key", path.display())]
    Profile { path: PathBuf, profile: String },
}

/// The shared credentials file, read again when somebody may have changed it.
#[derive(Default)]
pub(crate) struct SharedFile(Mutex<HashMap<PathBuf, Read>>);

#[derive(Clone)]
struct Read {
    text: Arc<str>,
    at: Timestamp,
}

/// For how long the file is taken for what it was.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The profile of who names none.
const DEFAULT_PROFILE: &str = "default";

impl Credentials {
    pub(crate) fn to_signer(&self) -> sigv4::Credentials<'_> {
        sigv4::Credentials {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            session_token: self.session_token.as_deref(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.access_key_id)
    }
}

impl SharedFile {
    /// The credentials that `settings` name.
    pub(crate) async fn credentials(
        &self,
        settings: &CredentialSettings,
        now: Timestamp,
    ) -> Result<Credentials, CredentialsError> {
        match (&settings.access_key_id, &settings.secret_access_key) {
            (Some(id), Some(secret)) => {
                return Ok(Credentials {
                    access_key_id: id.clone(),
                    secret_access_key: secret.clone(),
                    session_token: settings.session_token.clone(),
                });
            }
            (None, None) => {}
            _ => return Err(CredentialsError::Half),
        }
        let path = settings.credentials_file.as_ref().ok_or(CredentialsError::None)?;
        let profile = settings.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
        let text = self.text(path, now).await?;
        parse(&text, profile).ok_or_else(|| CredentialsError::Profile {
            path: path.clone(),
            profile: profile.to_owned(),
        })
    }

    async fn text(&self, path: &Path, now: Timestamp) -> Result<Arc<str>, CredentialsError> {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(read) = read.filter(|read| now.since(read.at) < READ_AGAIN_AFTER) {
            return Ok(read.text);
        }
        let owned = path.to_owned();
        let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(owned)).await;
        let text = text.unwrap_or_else(|_| Err(std::io::Error::other("the server is stopping")));
        let failed =
            |source| CredentialsError::File { path: path.to_owned(), source: Arc::new(source) };
        let text: Arc<str> = text.map_err(failed)?.into();
        let read = Read { text: Arc::clone(&text), at: now };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), read);
        Ok(text)
    }
}

/// The access key of a profile.
fn parse(text: &str, profile: &str) -> Option<Credentials> {
    let mut is_in = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            is_in = section.0.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_in) {
            let value = Some(value.trim().to_owned());
            match name.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    Some(Credentials { access_key_id: id?, secret_access_key: secret?, session_token: token })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s/1=\n\n\
                        [ edge ]\r\naws_access_key_id=AKIA2\r\naws_secret_access_key=s2\r\n\
                        aws_session_token = t2\n[half]\naws_access_key_id=AKIA3\n";

    #[test]
    fn a_profile_has_its_own_key() {
        let default = parse(FILE, "default").unwrap();
        assert_eq!(
            (default.access_key_id.as_str(), default.secret_access_key.as_str()),
            ("AKIA1", "s/1=")
        );
        assert_eq!(parse(FILE, "edge").unwrap().session_token.as_deref(), Some("t2"));
        assert!(parse(FILE, "half").is_none());
        assert!(parse(FILE, "absent").is_none());
        assert_eq!(format!("{default:?}"), "Credentials(AKIA1)");
    }

    #[tokio::test]
    async fn the_file_is_read_again_after_a_while() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("credentials");
        std::fs::write(&path, FILE).unwrap();
        let settings = CredentialSettings {
            credentials_file: Some(path.clone()),
            profile: Some("edge".into()),
            ..CredentialSettings::default()
        };
        let file = SharedFile::default();
        let at = |s| file.credentials(&settings, Timestamp::from_secs(s));
        assert_eq!(at(0).await.unwrap().access_key_id, "AKIA2");
        std::fs::write(&path, FILE.replace("AKIA2", "AKIA4")).unwrap();
        assert_eq!(at(29).await.unwrap().access_key_id, "AKIA2");
        assert_eq!(at(30).await.unwrap().access_key_id, "AKIA4");
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let settings = |id: Option<&str>| CredentialSettings {
            access_key_id: id.map(str::to_owned),
            ..CredentialSettings::default()
        };
        let file = SharedFile::default();
        let of = |settings| {
            let file = &file;
            async move { file.credentials(&settings, Timestamp::EPOCH).await.unwrap_err().to_string() }
        };
        assert!(of(settings(None)).await.starts_with("set access_key_id"));
        assert_eq!(of(settings(Some("a"))).await, "access_key_id comes with secret_access_key");
    }
}
