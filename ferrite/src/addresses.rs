//! `DATA/doors.json`: where the running server listens, for the commands of this binary.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::credentials;

const FILE: &str = "doors.json";

/// Where each door is; nothing for one that is shut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
    /// MQTT over TLS.
    pub(crate) mqtts: Option<SocketAddr>,
    /// Plain MQTT.
    pub(crate) mqtt: Option<SocketAddr>,
}

impl Addresses {
    /// Writes the file whole.
    pub(crate) fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("addresses are JSON")?;
        credentials::replace(&data_dir.join(FILE), &format!("{text}\n"))
    }

    /// Where the server of this data directory listens. The settings answer if none has written
    /// it down.
    pub(crate) fn find(config: &Config) -> anyhow::Result<Self> {
        let path = config.data_dir.join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} does not say where the doors are", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::configured(config)),
            Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
        }
    }

    fn configured(config: &Config) -> Self {
        let listen = &config.listen;
        Self { http: listen.http, https: listen.https, mqtts: listen.mqtts, mqtt: listen.mqtt }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn what_the_server_wrote_outranks_the_settings() {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources { data_dir: Some(directory.path().into()), ..Sources::default() };
        let config = Config::load(sources).unwrap();
        let found = Addresses::find(&config).unwrap();
        assert_eq!(found.mqtts.unwrap().port(), 8883);
        let mqtts = "127.0.0.1:40001".parse().ok();
        let addresses = Addresses { mqtts, https: None, ..found };
        addresses.write(directory.path()).unwrap();
        assert_eq!(Addresses::find(&config).unwrap(), addresses);
    }
}
