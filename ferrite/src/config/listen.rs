//! The settings of the doors: where they are, and which are behind a load balancer.

use std::net::SocketAddr;

use anyhow::ensure;
use doors::Network;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::values;

/// The doors by their names.
const DOORS: [&str; 4] = ["http", "https", "mqtts", "mqtt"];

/// Where the doors are; nothing for one that stays shut.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Listen {
    pub(crate) http: SocketAddr,
    #[serde(deserialize_with = "values::door")]
    pub(crate) https: Option<SocketAddr>,
    /// MQTT over TLS.
    #[serde(deserialize_with = "values::door")]
    pub(crate) mqtts: Option<SocketAddr>,
    /// Plain MQTT.
    #[serde(deserialize_with = "values::door")]
    pub(crate) mqtt: Option<SocketAddr>,
    proxy_protocol: ProxyProtocol,
    #[serde(deserialize_with = "values::networks")]
    proxy_from: Vec<Network>,
    #[serde(deserialize_with = "doors")]
    proxy_doors: Vec<String>,
}

/// Whether load balancers say for whom they connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ProxyProtocol {
    Off,
    V2,
}

impl Listen {
    /// The load balancers that the door called `name` is for, or none.
    pub(crate) fn proxies(&self, name: &str) -> Vec<Network> {
        let is_behind_one = self.proxy_protocol == ProxyProtocol::V2
            && self.proxy_doors.iter().any(|door| door == name);
        if is_behind_one { self.proxy_from.clone() } else { Vec::new() }
    }

    /// What no setting shows alone.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (self.proxy_protocol == ProxyProtocol::V2) != self.proxy_from.is_empty(),
            "`listen.proxy_protocol = \"v2\"` and `listen.proxy_from`, the addresses of the load \
             balancers, come together: set both, or neither"
        );
        Ok(())
    }

    /// Whoever may reach a server under `--dev` may do everything in it.
    pub(super) fn check_loopback(&self) -> anyhow::Result<()> {
        let addresses = [Some(self.http), self.https, self.mqtts, self.mqtt];
        for (name, address) in DOORS.into_iter().zip(addresses) {
            let Some(address) = address else { continue };
            ensure!(
                address.ip().is_loopback(),
                "--dev accepts any access key and listens on loopback only: listen.{name} is \
                 {address}"
            );
        }
        Ok(())
    }
}

/// Names of doors.
fn doors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let doors = values::list(deserializer)?;
    match doors.iter().find(|door| !DOORS.contains(&door.as_str())) {
        Some(wrong) => {
            let known = DOORS.join(", ");
            Err(D::Error::custom(format!("`{wrong}` is no door; the doors are {known}")))
        }
        None => Ok(doors),
    }
}
