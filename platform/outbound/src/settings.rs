//! The settings under `outbound`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// What is permitted and what is bounded. Every field is a key of the section `outbound`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What may be reached although it is not public: addresses (`10.1.2.3`), networks
    /// (`10.0.0.0/8`, `fd00::/8`), or host names (`s3.mill.example`, `*.mill.example`) with
    /// whatever addresses they have.
    pub allow: Vec<String>,
    /// Certificates that are trusted besides the system's: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Whether the system's certificates are trusted.
    pub system_roots: bool,
    /// How long a request may take from first to last, unless the request says otherwise.
    pub timeout_s: u64,
    /// How long it may take until there is a connection: name, TCP and TLS.
    pub connect_timeout_s: u64,
    /// The longest body that is read, unless the request says otherwise.
    pub response_bytes_max: usize,
    /// How many requests may be under way; others wait, within their own time.
    pub requests_max: usize,
    /// How many of them may go to one host and port: one that hangs leaves places for others.
    pub requests_per_host_max: usize,
    /// How many connections to one host and port are kept when nobody uses them.
    pub idle_per_host_max: usize,
    /// How many are kept to all hosts together.
    pub idle_max: usize,
    /// How long a connection is kept when nobody uses it.
    pub idle_s: u64,
    /// How many names may be looked up at one time.
    pub lookups_max: usize,
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An entry of `outbound.allow`.
    #[error("outbound.allow: `{entry}` is neither an address, a network nor a host name")]
    Allow {
        /// The entry.
        entry: String,
    },
    /// A bound of nothing.
    #[error("outbound.{key} must be at least 1")]
    Zero {
        /// The key's last part.
        key: &'static str,
    },
    /// The file of certificates.
    #[error("outbound.ca_file: could not read certificates from {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file has no certificate in it.
    #[error("outbound.ca_file: {} has no certificate", path.display())]
    CaFileEmpty {
        /// The file.
        path: PathBuf,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            ca_file: None,
            system_roots: true,
            timeout_s: 30,
            connect_timeout_s: 5,
            response_bytes_max: 8 << 20,
            requests_max: 256,
            requests_per_host_max: 64,
            idle_per_host_max: 16,
            idle_max: 256,
            idle_s: 15,
            lookups_max: 32,
        }
    }
}

impl Settings {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_s)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_s)
    }

    /// Refuses what would never let a request through.
    pub(crate) fn check_bounds(&self) -> Result<(), SettingsError> {
        let bounds = [
            ("timeout_s", self.timeout_s == 0),
            ("connect_timeout_s", self.connect_timeout_s == 0),
            ("response_bytes_max", self.response_bytes_max == 0),
            ("requests_max", self.requests_max == 0),
            ("requests_per_host_max", self.requests_per_host_max == 0),
            ("idle_s", self.idle_s == 0),
            ("lookups_max", self.lookups_max == 0),
        ];
        match bounds.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((key, _)) => Err(SettingsError::Zero { key }),
            None => Ok(()),
        }
    }
}
