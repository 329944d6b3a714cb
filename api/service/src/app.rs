//! What one server has: its store, its environment, its keys and its settings.

use std::path::PathBuf;

use env::Env;
use journal::Journal;
use secrets::Keyring;
use store::Store;
use types::{AccountId, Region};

use crate::{
    Audit, DeviceLog, Dialect, Limits, Outbox, Publisher, Schedule, Sessions, Slot, Tenants,
};

/// The parts of a running server that features share.
pub struct App {
    /// Documents.
    pub store: Store,
    /// Messages that wait.
    pub journal: Journal,
    /// Time, randomness, tasks.
    pub env: Env,
    /// Seals secrets and page tokens.
    pub keyring: Keyring,
    /// Issues device certificates.
    pub authority: pki::CurrentAuthority,
    /// Ready RSA keys for device certificates.
    pub keys: pki::KeyPool,
    /// What the operator chose.
    pub settings: Settings,
    /// Every bound.
    pub limits: Limits,
    /// How MQTT is spoken.
    pub dialect: Dialect,
    /// The numbers of (account, region) pairs.
    pub tenants: Tenants,
    /// Who changed what.
    pub audit: Audit,
    /// What happened to devices.
    pub device_log: DeviceLog,
    /// What is to be done later.
    pub schedule: Schedule,
    /// What follows from changes and is to be published.
    pub outbox: Outbox,
    /// Brings messages to devices.
    pub publisher: Slot<dyn Publisher>,
    /// Knows who is connected.
    pub sessions: Slot<dyn Sessions>,
}

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account of a fresh server.
    pub account: AccountId,
    /// Where requests without a region go.
    pub region: Region,
    /// The domain below which endpoints have names; `localhost` serves all of them without one.
    pub endpoint_domain: Option<String>,
    /// Where the server keeps its files.
    pub data_dir: PathBuf,
    /// Whether any access key is accepted, on loopback only.
    pub is_dev: bool,
}
