//! The doors: opens each one that the settings name, and sends whoever comes in to the gateway or
//! to the broker.

use std::net::SocketAddr;
use std::sync::Arc;

use broker::Broker;
use doors::{ClientCertificate, Door, DoorLimits, HandshakeError, Listener, Peer, Protocol, Tls};
use env::{TaskKind, Workers};
use gateway::Gateway;
use service::{App, DeviceEvent, Knock};
use tokio::net::TcpStream;

use crate::addresses::Addresses;
use crate::config::Listen;

/// The names of the doors, in their settings, metrics and logs.
const HTTP: &str = "http";
const HTTPS: &str = "https";
const MQTTS: &str = "mqtts";
const MQTT: &str = "mqtt";

/// Every door, open, and nobody let in yet.
pub(crate) struct Doors {
    http: Listener,
    https: Option<Listener>,
    mqtts: Option<Listener>,
    mqtt: Option<Listener>,
}

/// Where those who come in are sent.
#[derive(Clone)]
pub(crate) struct Inside {
    pub(crate) app: Arc<App>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) tls: Tls,
}

impl Doors {
    /// Opens every door that `listen` names.
    pub(crate) async fn open(listen: &Listen, app: &App) -> anyhow::Result<Self> {
        let (http_max, mqtt_max) =
            (app.limits.http_connections_max, app.limits.mqtt_connections_max);
        Ok(Self {
            http: open(HTTP, listen.http, http_max, app).await?,
            https: open_if(HTTPS, listen.https, mqtt_max, app).await?,
            mqtts: open_if(MQTTS, listen.mqtts, mqtt_max, app).await?,
            mqtt: open_if(MQTT, listen.mqtt, mqtt_max, app).await?,
        })
    }

    /// Where the doors are, with the ports that port 0 became.
    pub(crate) fn addresses(&self) -> Addresses {
        let address = |door: &Option<Listener>| door.as_ref().map(Listener::local_addr);
        Addresses {
            http: self.http.local_addr(),
            https: address(&self.https),
            mqtts: address(&self.mqtts),
            mqtt: address(&self.mqtt),
        }
    }

    /// Lets everybody in until shutdown begins. Devices stay on the worker that they come to.
    pub(crate) fn let_in(self, inside: &Inside, workers: &Workers) {
        let tasks = &inside.app.env.tasks;
        let gateway = Arc::clone(&inside.gateway);
        tasks.spawn(
            "http-door",
            TaskKind::Vital,
            self.http.serve(move |stream, peer| {
                let gateway = Arc::clone(&gateway);
                let knock = Knock {
                    door: HTTP,
                    peer: peer.address,
                    local: None,
                    server_name: None,
                    certificate: None,
                };
                async move { gateway.serve_connection(stream, knock).await }
            }),
        );
        if let Some(door) = self.https {
            let (inside, workers) = (inside.clone(), workers.clone());
            tasks.spawn("https-door", TaskKind::Vital, async move {
                door.serve_on(&workers, move |s, p| inside.clone().by_protocol(s, p)).await;
            });
        }
        if let Some(door) = self.mqtts {
            let (inside, workers) = (inside.clone(), workers.clone());
            tasks.spawn("mqtts-door", TaskKind::Vital, async move {
                door.serve_on(&workers, move |s, p| inside.clone().mqtts(s, p)).await;
            });
        }
        if let Some(door) = self.mqtt {
            let (inside, workers) = (inside.clone(), workers.clone());
            tasks.spawn("mqtt-door", TaskKind::Vital, async move {
                door.serve_on(&workers, move |s, p| inside.clone().plain_mqtt(s, p)).await;
            });
        }
    }
}

impl Inside {
    /// A device on the port of MQTT over TLS.
    async fn mqtts(self, stream: TcpStream, peer: Peer) {
        let local = stream.local_addr().ok();
        match self.tls.accept(stream, ClientCertificate::Required).await {
            Ok(secured) => {
                let knock = Knock {
                    door: MQTTS,
                    peer: peer.address,
                    local,
                    server_name: secured.server_name,
                    certificate: secured.certificate,
                };
                self.broker.serve_connection(secured.stream, knock).await;
            }
            Err(error) => self.log(peer, &error),
        }
    }

    /// Whoever comes to the port that HTTPS and MQTT share.
    async fn by_protocol(self, stream: TcpStream, peer: Peer) {
        let local = stream.local_addr().ok();
        let secured = match self.tls.accept(stream, ClientCertificate::ByProtocol).await {
            Ok(secured) => secured,
            Err(error) => return self.log(peer, &error),
        };
        let knock = Knock {
            door: HTTPS,
            peer: peer.address,
            local,
            server_name: secured.server_name,
            certificate: secured.certificate,
        };
        match secured.protocol {
            Some(Protocol::Mqtt | Protocol::MqttCustomAuth) => {
                self.broker.serve_connection(secured.stream, knock).await;
            }
            Some(Protocol::Http) | None => {
                self.gateway.serve_connection(secured.stream, knock).await;
            }
        }
    }

    /// A device on the plain port.
    async fn plain_mqtt(self, stream: TcpStream, peer: Peer) {
        let local = stream.local_addr().ok();
        let knock =
            Knock { door: MQTT, peer: peer.address, local, server_name: None, certificate: None };
        self.broker.serve_connection(stream, knock).await;
    }

    fn log(&self, peer: Peer, error: &HandshakeError) {
        self.app.device_log.record(DeviceEvent {
            protocol: "TLS",
            source: Some(peer.address),
            ..DeviceEvent::failure("Connect", error.reason(), error.to_string())
        });
    }
}

async fn open_if(
    name: &'static str,
    address: Option<SocketAddr>,
    connections_max: usize,
    app: &App,
) -> anyhow::Result<Option<Listener>> {
    match address {
        Some(address) => open(name, address, connections_max, app).await.map(Some),
        None => Ok(None),
    }
}

async fn open(
    name: &'static str,
    address: SocketAddr,
    connections_max: usize,
    app: &App,
) -> anyhow::Result<Listener> {
    let limits = DoorLimits { connections_max };
    Ok(doors::open(Door { name, address, limits }, &app.env).await?)
}
