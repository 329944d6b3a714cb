//! Secrets that the settings name: texts, and files that are read when they are asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use types::{Arn, Secret, Tenant};
use zeroize::Zeroizing;

use crate::{SecretSettings, SecretValue, Service, TargetError};

/// Bytes of a secret, as of Secrets Manager.
const SECRET_BYTES_MAX: u64 = 65_536;
/// Letters and digits that AWS puts behind a secret's name in its ARN, after a hyphen.
const SUFFIX_CHARS: usize = 6;

/// Local secrets, by name or ARN.
pub(crate) struct Secrets(BTreeMap<String, Source>);

/// Where a secret is.
#[derive(Clone)]
enum Source {
    Text(Secret),
    TextFile(PathBuf),
    BinaryFile(PathBuf),
}

impl Secrets {
    pub(crate) fn new(settings: &BTreeMap<String, SecretSettings>) -> io::Result<Self> {
        let read = |(id, settings): (&String, &SecretSettings)| match source(settings) {
            Ok(source) => Ok((id.clone(), source)),
            Err(problem) => {
                let text = format!("targets.secretsmanager.secrets, `{id}`: {problem}");
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
        };
        settings.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The secret `id`, as it is now.
    pub(crate) async fn get(&self, tenant: &Tenant, id: &str) -> Result<SecretValue, TargetError> {
        let keys = keys(tenant, id);
        let source = keys.iter().find_map(|key| self.0.get(key)).ok_or_else(not_found)?;
        let source = source.clone();
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        let read = read.unwrap_or_else(|_| Err(io::Error::other("the server is stopping")));
        read.map_err(|error| {
            let message = format!("The secret {id} could not be read: {error}");
            TargetError::unavailable(Service::SecretsManager, message).caused_by(error)
        })
    }
}

impl Source {
    fn read(self) -> io::Result<SecretValue> {
        match self {
            Self::Text(text) => Ok(SecretValue::Text(text)),
            Self::TextFile(path) => {
                let bytes = bytes_of(&path)?;
                let text = str::from_utf8(without_line_end(&bytes)).map_err(|_| {
                    let message = "the file is not UTF-8: name it as binary_file";
                    io::Error::new(io::ErrorKind::InvalidData, message)
                })?;
                Ok(SecretValue::Text(text.to_owned().into()))
            }
            Self::BinaryFile(path) => {
                Ok(SecretValue::Binary(STANDARD.encode(&*bytes_of(&path)?).into()))
            }
        }
    }
}

fn source(settings: &SecretSettings) -> Result<Source, &'static str> {
    match (&settings.text, &settings.file, &settings.binary_file) {
        (Some(text), None, None) if text.expose().len() as u64 > SECRET_BYTES_MAX => {
            Err("a secret has at most 65536 bytes")
        }
        (Some(text), None, None) => Ok(Source::Text(text.clone())),
        (None, Some(path), None) => Ok(Source::TextFile(path.clone())),
        (None, None, Some(path)) => Ok(Source::BinaryFile(path.clone())),
        _ => Err("set one of text, file and binary_file"),
    }
}

fn bytes_of(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        let message = format!("the file has more than {SECRET_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Whoever writes a secret into a file by hand ends the line.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line.strip_suffix(b"\r").filter(|_| line.len() < bytes.len()).unwrap_or(line)
}

/// What the settings may call the secret that somebody of `tenant` asks for: its ARN, which is of
/// one account and region, or its name, which is of all. Other accounts' secrets have no keys.
fn keys(tenant: &Tenant, id: &str) -> Vec<String> {
    let account = tenant.account.to_string();
    let (partition, region, name, is_arn) = match Arn::parse(id) {
        Err(_) => ("aws", tenant.region.as_str(), id, false),
        Ok(arn) => match arn.resource.strip_prefix("secret:") {
            Some(name) if arn.service == "secretsmanager" && arn.account == account => {
                (arn.partition, arn.region, name, true)
            }
            _ => return Vec::new(),
        },
    };
    let short = without_suffix(name).filter(|_| is_arn);
    let keys_of = |name: &str| {
        let arn = format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}");
        [arn, name.to_owned()]
    };
    [Some(name), short].into_iter().flatten().flat_map(keys_of).collect()
}

/// The name of a secret whose ARN ends in `name`, unless the ARN is one without AWS's characters.
fn without_suffix(name: &str) -> Option<&str> {
    let (name, suffix) = name.rsplit_once('-')?;
    let is_suffix =
        suffix.len() == SUFFIX_CHARS && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_suffix.then_some(name)
}

fn not_found() -> TargetError {
    let message = "Secrets Manager can't find the specified secret.";
    TargetError::refused(Service::SecretsManager, "ResourceNotFoundException", message)
}

#[cfg(test)]
mod tests {
    use types::TenantId;

    use super::*;

    fn check(id: &str, expect: &[&str]) {
        let account = "123456789012".parse().unwrap();
        let region = "us-east-1".parse().unwrap();
        let tenant = Tenant { id: TenantId(1), account, region };
        assert_eq!(keys(&tenant, id), expect, "{id}");
    }

    #[test]
    fn a_secret_goes_by_its_name_and_its_arns() {
        let arn =
            |name: &str| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}");
        check("mill/key", &[&arn("mill/key"), "mill/key"]);
        check(&arn("mill/key"), &[&arn("mill/key"), "mill/key"]);
        let full = arn("mill/key-a1B2c3");
        check(&full, &[&full, "mill/key-a1B2c3", &arn("mill/key"), "mill/key"]);
        check("key-a1B2c3", &[&arn("key-a1B2c3"), "key-a1B2c3"]);
        check(&arn("key").replace("123456789012", "210987654321"), &[]);
        check(&arn("key").replace("secretsmanager", "ssm"), &[]);
    }

    #[test]
    fn one_line_end_is_not_the_secrets() {
        let check = |bytes: &[u8], expect: &[u8]| assert_eq!(without_line_end(bytes), expect);
        check(b"word\n", b"word");
        check(b"word\r\n", b"word");
        check(b"word\n\n", b"word\n");
        check(b"word\r", b"word\r");
        check(b"", b"");
    }
}
