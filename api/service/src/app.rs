//! What one server has: its store, its environment, its keys and its settings.

use std::path::PathBuf;

use env::Env;
use journal::Journal;
use secrets::Keyring;
use store::Store;
use types::{AccountId, Region, Tenant};

use crate::tags::Taggable;
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
    /// What carries tags.
    pub taggable: Taggable,
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
    /// The port of HTTPS, if that door is open.
    pub https_port: Option<u16>,
    /// The port of plain HTTP.
    pub http_port: u16,
    /// Where the server keeps its files.
    pub data_dir: PathBuf,
    /// Whether any access key is accepted, on loopback only.
    pub is_dev: bool,
}

impl Settings {
    /// Where a person's browser finds the APIs of `tenant`: over TLS, if that door is open, under a
    /// name that the server's certificate has.
    pub fn api_url(&self, tenant: &Tenant) -> String {
        let host = match &self.endpoint_domain {
            Some(domain) => {
                format!("{}-ats.iot.{}.{domain}", tenant.endpoint_prefix(), tenant.region)
            }
            None => "localhost".to_owned(),
        };
        match self.https_port {
            Some(443) => format!("https://{host}"),
            Some(port) => format!("https://{host}:{port}"),
            None => format!("http://{host}:{}", self.http_port),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::TenantId;

    use super::*;

    #[test]
    fn a_link_leads_to_the_door_that_is_open() {
        let region: Region = "eu-west-1".parse().unwrap();
        let tenant =
            Tenant { id: TenantId(1), account: AccountId::DEFAULT, region: region.clone() };
        let url = |https_port, domain: Option<&str>| {
            let settings = Settings {
                account: AccountId::DEFAULT,
                region: region.clone(),
                endpoint_domain: domain.map(str::to_owned),
                https_port,
                http_port: 4566,
                data_dir: PathBuf::new(),
                is_dev: false,
            };
            settings.api_url(&tenant)
        };
        assert_eq!(url(Some(8443), None), "https://localhost:8443");
        assert_eq!(url(None, None), "http://localhost:4566");
        let host = format!("{}-ats.iot.eu-west-1.example.com", tenant.endpoint_prefix());
        assert_eq!(url(Some(443), Some("example.com")), format!("https://{host}"));
    }
}
