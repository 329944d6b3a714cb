//! AWS access keys, and the credentials file in which AWS's own tools keep them.
//!
//! Nothing is read from the environment: what is to be used of it comes in as settings.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use types::{Secret, Timestamp};

/// For how long the file is taken for what it was.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The file is no longer than this.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The profile of who names none.
const DEFAULT_PROFILE: &str = "default";

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: Secret,
    /// What temporary keys carry besides.
    pub session_token: Option<Secret>,
}

/// Why the shared file has no key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SharedFileError {
    /// It cannot be read, or is too long.
    #[error("could not read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// It has no such profile, or one without a key.
    #[error("{} has no profile `{profile}` with an access key", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
    },
}

/// The shared credentials file, read again when somebody may have changed it.
#[derive(Default)]
pub struct SharedFile(Mutex<HashMap<PathBuf, Read>>);

#[derive(Clone)]
struct Read {
    text: Arc<Secret>,
    at: Timestamp,
}

impl SharedFile {
    /// The key of a profile of the file at `path`; of `default` where none is named.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the profile has no key in it.
    pub async fn key(
        &self,
        path: &Path,
        profile: Option<&str>,
        now: Timestamp,
    ) -> Result<AccessKey, SharedFileError> {
        let profile = profile.unwrap_or(DEFAULT_PROFILE);
        let text = self.text(path, now).await?;
        parse(text.expose(), profile).ok_or_else(|| SharedFileError::Profile {
            path: path.to_owned(),
            profile: profile.to_owned(),
        })
    }

    async fn text(&self, path: &Path, now: Timestamp) -> Result<Arc<Secret>, SharedFileError> {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(read) = read.filter(|read| now.since(read.at) < READ_AGAIN_AFTER) {
            return Ok(read.text);
        }
        let owned = path.to_owned();
        let text = tokio::task::spawn_blocking(move || read_file(&owned)).await;
        let text = text.unwrap_or_else(|_| Err(io::Error::other("the server is stopping")));
        let failed =
            |source| SharedFileError::File { path: path.to_owned(), source: Arc::new(source) };
        let text = Arc::new(Secret::from(text.map_err(failed)?));
        let read = Read { text: Arc::clone(&text), at: now };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), read);
        Ok(text)
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let bytes = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if bytes as u64 > FILE_BYTES_MAX {
        let message = format!("it is longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// The access key of a profile.
fn parse(text: &str, profile: &str) -> Option<AccessKey> {
    let mut is_in = false;
    let (mut id, mut secret, mut session_token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            is_in = section.0.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_in) {
            let value = value.trim().to_owned();
            match name.trim() {
                "aws_access_key_id" => id = Some(value),
                "aws_secret_access_key" => secret = Some(Secret::from(value)),
                "aws_session_token" => session_token = Some(Secret::from(value)),
                _ => {}
            }
        }
    }
    Some(AccessKey { id: id?, secret: secret?, session_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s/1=\n\n\
                        [ edge ]\r\naws_access_key_id=AKIA2\r\n aws_secret_access_key = s2\r\n\
                        aws_session_token = t2\n[half]\naws_access_key_id=AKIA3\n";

    fn check(profile: &str, expect: Option<(&str, &str, Option<&str>)>) {
        let key = parse(FILE, profile);
        let found = key.as_ref().map(|key| {
            let token = key.session_token.as_ref().map(Secret::expose);
            (key.id.as_str(), key.secret.expose(), token)
        });
        assert_eq!(found, expect, "{profile}");
    }

    #[test]
    fn a_profile_has_its_own_key() {
        check("default", Some(("AKIA1", "s/1=", None)));
        check("edge", Some(("AKIA2", "s2", Some("t2"))));
        check("half", None);
        check("absent", None);
        assert!(!format!("{:?}", parse(FILE, "default")).contains("s/1="));
    }

    #[tokio::test]
    async fn the_file_is_read_again_after_a_while() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("credentials");
        std::fs::write(&path, FILE).unwrap();
        let file = SharedFile::default();
        let at = async |s| {
            file.key(&path, Some("edge"), Timestamp::from_secs(s)).await.map(|key| key.id)
        };
        assert_eq!(at(0).await.unwrap(), "AKIA2");
        std::fs::write(&path, FILE.replace("AKIA2", "AKIA4")).unwrap();
        assert_eq!(at(29).await.unwrap(), "AKIA2");
        assert_eq!(at(30).await.unwrap(), "AKIA4");
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_file_is_said() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("credentials");
        let file = SharedFile::default();
        let at = async |profile, s| {
            let error = file.key(&path, profile, Timestamp::from_secs(s)).await.unwrap_err();
            crate::chain(&error).replace(&path.display().to_string(), "FILE")
        };
        assert!(at(None, 0).await.starts_with("could not read FILE: No such file"));
        std::fs::write(&path, FILE).unwrap();
        let absent = "FILE has no profile `absent` with an access key";
        assert_eq!(at(Some("absent"), 0).await, absent);
        std::fs::write(&path, FILE.repeat(10_000)).unwrap();
        let long = "could not read FILE: it is longer than 1048576 bytes";
        assert_eq!(at(None, 30).await, long);
    }
}
