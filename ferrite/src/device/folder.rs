//! The folder of a device: who it is, its key, and where its server is.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

const CERTIFICATE: &str = "certificate.pem";
const PRIVATE_KEY: &str = "private.key";
const ROOT_CA: &str = "root-ca.pem";
const DEVICE: &str = "device.json";
const POLICY: &str = "policy.json";
const CONNECT: &str = "connect.py";
/// Keeps the key out of whatever repository the folder lies in.
const IGNORE: (&str, &str) = (".gitignore", "*\n");

/// Everything for the owner, nothing for anybody else.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const PROGRAM_MODE: u32 = 0o700;

/// What `device.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Device {
    pub(crate) thing_name: String,
    pub(crate) thing_arn: String,
    pub(crate) client_id: String,
    /// The server's host.
    pub(crate) endpoint: String,
    /// MQTT over TLS.
    pub(crate) port: u16,
    /// HTTPS, and MQTT with ALPN.
    pub(crate) https_port: Option<u16>,
    pub(crate) certificate_id: String,
    pub(crate) certificate_arn: String,
    pub(crate) policy_name: String,
}

/// What the folder holds besides `device.json` and the program.
pub(super) struct Files<'f> {
    pub(super) certificate: &'f str,
    pub(super) private_key: &'f str,
    pub(super) root_ca: &'f str,
    pub(super) policy: &'f str,
}

/// The folder of one device.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder, for its owner alone; refuses one that is there.
    pub(super) fn make(path: &Path) -> anyhow::Result<Self> {
        match DirBuilder::new().mode(FOLDER_MODE).create(path) {
            Ok(()) => Ok(Self(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!(
                "{0} is there already, and the key in it would be lost: move it away, or name \
                 another folder with --folder",
                path.display()
            ),
            Err(error) => Err(error).with_context(|| format!("could not make {}", path.display())),
        }
    }

    /// The folder that `ferrite device create` made, and what it says.
    pub(crate) fn open(path: &Path) -> anyhow::Result<(Self, Device)> {
        let file = path.join(DEVICE);
        let text = fs::read(&file).with_context(|| {
            format!(
                "{} is no folder of a device; make one with: ferrite device create NAME",
                path.display()
            )
        })?;
        let device = serde_json::from_slice(&text)
            .with_context(|| format!("could not read {}", file.display()))?;
        Ok((Self(path.to_owned()), device))
    }

    pub(super) fn write(&self, device: &Device, files: &Files<'_>) -> anyhow::Result<()> {
        let description = serde_json::to_string_pretty(device).context("a device is JSON")?;
        // The key first: it is the one thing that nobody can give again.
        self.put(PRIVATE_KEY, files.private_key, FILE_MODE)?;
        self.put(CERTIFICATE, files.certificate, FILE_MODE)?;
        self.put(ROOT_CA, files.root_ca, FILE_MODE)?;
        self.put(POLICY, files.policy, FILE_MODE)?;
        self.put(CONNECT, include_str!("connect.py"), PROGRAM_MODE)?;
        self.put(IGNORE.0, IGNORE.1, FILE_MODE)?;
        self.put(DEVICE, &format!("{description}\n"), FILE_MODE)
    }

    /// Removes what this command made.
    pub(super) fn remove(&self) {
        drop(fs::remove_dir_all(&self.0));
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.0.join(CERTIFICATE)
    }

    pub(crate) fn private_key(&self) -> PathBuf {
        self.0.join(PRIVATE_KEY)
    }

    pub(crate) fn root_ca(&self) -> PathBuf {
        self.0.join(ROOT_CA)
    }

    pub(super) fn program(&self) -> PathBuf {
        self.0.join(CONNECT)
    }

    fn put(&self, name: &str, text: &str, mode: u32) -> anyhow::Result<()> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("could not write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn device() -> Device {
        Device {
            thing_name: "pump".into(),
            thing_arn: "arn:aws:iot:us-east-1:000000000000:thing/pump".into(),
            client_id: "pump".into(),
            endpoint: "localhost".into(),
            port: 8883,
            https_port: Some(8443),
            certificate_id: "c".into(),
            certificate_arn: "arn:aws:iot:us-east-1:000000000000:cert/c".into(),
            policy_name: "pump-policy".into(),
        }
    }

    #[test]
    fn what_is_written_is_read_again_by_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pump");
        let folder = Folder::make(&path).unwrap();
        let files = Files { certificate: "c", private_key: "k", root_ca: "r", policy: "{}" };
        folder.write(&device(), &files).unwrap();
        let (found, read) = Folder::open(&path).unwrap();
        assert_eq!(read, device());
        assert_eq!(fs::read_to_string(found.private_key()).unwrap(), "k");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), FOLDER_MODE);
        assert_eq!(mode(&found.private_key()), FILE_MODE);
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let error = Folder::make(directory.path()).unwrap_err().to_string();
        assert!(error.contains("--folder"), "{error}");
    }

    #[test]
    fn a_folder_of_something_else_says_how_to_make_one() {
        let directory = tempfile::tempdir().unwrap();
        let error = Folder::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("ferrite device create"), "{error}");
    }
}
