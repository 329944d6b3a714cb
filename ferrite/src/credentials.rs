//! `DATA/credentials` and `DATA/config`: the AWS shared files that lead tools to this server.
//!
//! The commands of this binary find their server by the same two files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use types::{Region, Secret};

/// Read and write for the owner, nothing for anybody else.
const FILE_MODE: u32 = 0o600;

/// What the two files say.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) access_key_id: String,
    pub(crate) secret: Secret,
    pub(crate) region: Region,
    /// `http://127.0.0.1:4566`.
    pub(crate) url: String,
}

/// The names that tools have for the services that are served here: `IoT Data Plane` and the
/// like, for section and variable names.
pub(crate) fn services() -> impl Iterator<Item = String> {
    let iot = model::SERVICES.iter().map(|service| service.name.replace(' ', "_"));
    iot.chain(["STS".to_owned()])
}

/// Where programs on this machine reach the plain door for HTTP.
pub(crate) fn local_url(address: SocketAddr) -> String {
    format!("http://{}", local(address))
}

/// Where programs on this machine reach a door.
pub(crate) fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl Profile {
    /// Writes both files whole, for their owner alone.
    pub(crate) fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let credentials = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            self.access_key_id,
            self.secret.expose()
        );
        replace(&data_dir.join("credentials"), &credentials)?;
        replace(&data_dir.join("config"), &self.config_text())
    }

    /// Reads both files; nothing if a server never wrote them.
    pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let Some(credentials) = read_if_there(&data_dir.join("credentials"))? else {
            return Ok(None);
        };
        let Some(config) = read_if_there(&data_dir.join("config"))? else { return Ok(None) };
        let value = |text: &str, name: &str| {
            let found = value_of(text, name).map(str::to_owned);
            found.with_context(|| {
                format!("{name} is missing in the files of {}", data_dir.display())
            })
        };
        Ok(Some(Self {
            access_key_id: value(&credentials, "aws_access_key_id")?,
            secret: Secret::from(value(&credentials, "aws_secret_access_key")?),
            region: value(&config, "region")?.parse()?,
            url: value(&config, "endpoint_url")?,
        }))
    }

    fn config_text(&self) -> String {
        let mut text = format!(
            "[default]\nregion = {}\nservices = ferrite\n\n[services ferrite]\n",
            self.region
        );
        for service in services() {
            let name = service.to_ascii_lowercase();
            text.push_str(&format!("{name} =\n  endpoint_url = {}\n", self.url));
        }
        text
    }
}

fn value_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn read_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
    }
}

/// Replaces a file in one step, so that no reader sees half of it.
pub(crate) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        options.open(&draft)?.write_all(text.as_bytes())?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn profile() -> Profile {
        Profile {
            access_key_id: "AKIAEXAMPLE".into(),
            secret: Secret::from("se/cr+et=".to_owned()),
            region: "eu-west-1".parse().unwrap(),
            url: "http://127.0.0.1:4566".into(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        profile().write(directory.path()).unwrap();
        let read = Profile::read(directory.path()).unwrap().unwrap();
        assert_eq!(read.access_key_id, "AKIAEXAMPLE");
        assert_eq!(read.secret.expose(), "se/cr+et=");
        assert_eq!(read.region.as_str(), "eu-west-1");
        assert_eq!(read.url, "http://127.0.0.1:4566");
        let mode = fs::metadata(directory.path().join("credentials")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, FILE_MODE);
    }

    #[test]
    fn every_service_of_iot_and_sts_alone_come_here() {
        let text = profile().config_text();
        for name in ["iot", "iot_data_plane", "iot_jobs_data_plane", "iotsecuretunneling", "sts"] {
            assert!(text.contains(&format!("\n{name} =\n")), "{name}\n{text}");
        }
        assert_eq!(text.matches("endpoint_url").count(), 11);
        assert!(!text.contains("s3"));
    }

    #[test]
    fn a_door_on_every_interface_is_reached_on_loopback() {
        for (address, url) in [
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("10.0.0.1:80", "http://10.0.0.1:80"),
        ] {
            assert_eq!(local_url(address.parse().unwrap()), url);
        }
    }
}
