//! The doors: opens each one that the settings name, and sends whoever comes in to the gateway or
//! to the broker.

use std::net::SocketAddr;
use std::sync::Arc;

use broker::Broker;
use doors::{
    Arrival, ClientCertificate, Conversation, Door, DoorLimits, Listener, Peer, Protocol, Tls,
};
use env::{TaskKind, Workers};
use gateway::Gateway;
use service::{App, Knock};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::addresses::Addresses;
use crate::config::Listen;
use crate::door_log::DoorLog;

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
    log: Arc<DoorLog>,
}

/// Where those who come in are sent.
#[derive(Clone)]
pub(crate) struct Inside {
    pub(crate) app: Arc<App>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) tls: Tls,
}

/// What a door needs for each of its connections.
#[derive(Clone)]
struct Threshold {
    inside: Inside,
    log: Arc<DoorLog>,
}

/// Opens doors.
struct Opener<'a> {
    listen: &'a Listen,
    app: &'a App,
    log: &'a Arc<DoorLog>,
}

impl Doors {
    /// Opens every door that `listen` names.
    pub(crate) async fn open(listen: &Listen, app: &Arc<App>) -> anyhow::Result<Self> {
        let log = Arc::new(DoorLog::new(app));
        let opener = Opener { listen, app, log: &log };
        let (http_max, mqtt_max) =
            (app.limits.http_connections_max, app.limits.mqtt_connections_max);
        Ok(Self {
            http: opener.open(HTTP, listen.http, http_max).await?,
            https: opener.open_if(HTTPS, listen.https, mqtt_max).await?,
            mqtts: opener.open_if(MQTTS, listen.mqtts, mqtt_max).await?,
            mqtt: opener.open_if(MQTT, listen.mqtt, mqtt_max).await?,
            log,
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

    /// Lets everybody in until shutdown begins. Devices stay on the worker that they come to; their
    /// doors are on workers too, so that no other thread is woken to let somebody in.
    pub(crate) fn let_in(self, inside: &Inside, workers: &Workers) {
        let tasks = &inside.app.env.tasks;
        let threshold = Threshold { inside: inside.clone(), log: self.log };
        let http = threshold.clone();
        let serving = self.http.serve(move |arrival| http.clone().plain_http(arrival));
        tasks.spawn("http-door", TaskKind::Vital, serving);
        if let Some(door) = self.https {
            let (threshold, all) = (threshold.clone(), workers.clone());
            workers.spawn("https-door", TaskKind::Vital, async move {
                door.serve_on(&all, move |arrival| threshold.clone().by_protocol(arrival)).await;
            });
        }
        if let Some(door) = self.mqtts {
            let (threshold, all) = (threshold.clone(), workers.clone());
            workers.spawn("mqtts-door", TaskKind::Vital, async move {
                door.serve_on(&all, move |arrival| threshold.clone().mqtts(arrival)).await;
            });
        }
        if let Some(door) = self.mqtt {
            let all = workers.clone();
            workers.spawn("mqtt-door", TaskKind::Vital, async move {
                door.serve_on(&all, move |arrival| threshold.clone().plain_mqtt(arrival)).await;
            });
        }
    }
}

/// Each lets somebody in, and returns what is said from then on.
impl Threshold {
    /// Whoever comes to the plain port of the APIs.
    async fn plain_http(self, arrival: Arrival) {
        match arrival.plain().await {
            Ok((stream, peer)) => {
                let knock = Knock { local: None, ..knock(HTTP, peer) };
                self.inside.gateway.serve_connection(stream, knock).await;
            }
            Err(unready) => self.log.failed(HTTP, &unready),
        }
    }

    /// A device on the port of MQTT over TLS.
    async fn mqtts(self, arrival: Arrival) -> Option<Conversation> {
        match arrival.secured(&self.inside.tls, ClientCertificate::Required).await {
            Ok((secured, peer)) => {
                let knock = Knock {
                    server_name: secured.server_name,
                    certificate: secured.certificate,
                    ..knock(MQTTS, peer)
                };
                Some(self.with_device(secured.stream, knock))
            }
            Err(unready) => {
                self.log.failed(MQTTS, &unready);
                None
            }
        }
    }

    /// Whoever comes to the port that HTTPS and MQTT share.
    async fn by_protocol(self, arrival: Arrival) -> Option<Conversation> {
        let arrived = arrival.secured(&self.inside.tls, ClientCertificate::ByProtocol).await;
        let (secured, peer) = match arrived {
            Ok(arrived) => arrived,
            Err(unready) => {
                self.log.failed(HTTPS, &unready);
                return None;
            }
        };
        let knock = Knock {
            server_name: secured.server_name,
            certificate: secured.certificate,
            ..knock(HTTPS, peer)
        };
        Some(match secured.protocol {
            Some(Protocol::Mqtt | Protocol::MqttCustomAuth) => {
                self.with_device(secured.stream, knock)
            }
            Some(Protocol::Http) | None => {
                let gateway = Arc::clone(&self.inside.gateway);
                let stream = secured.stream;
                Box::pin(async move { gateway.serve_connection(stream, knock).await })
            }
        })
    }

    /// A device on the plain port.
    async fn plain_mqtt(self, arrival: Arrival) -> Option<Conversation> {
        match arrival.plain().await {
            Ok((stream, peer)) => Some(self.with_device(stream, knock(MQTT, peer))),
            Err(unready) => {
                self.log.failed(MQTT, &unready);
                None
            }
        }
    }

    fn with_device<S>(&self, stream: S, knock: Knock) -> Conversation
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Box::pin(self.inside.broker.serve_connection(stream, knock))
    }
}

impl Opener<'_> {
    async fn open_if(
        &self,
        name: &'static str,
        address: Option<SocketAddr>,
        connections_max: usize,
    ) -> anyhow::Result<Option<Listener>> {
        match address {
            Some(address) => self.open(name, address, connections_max).await.map(Some),
            None => Ok(None),
        }
    }

    async fn open(
        &self,
        name: &'static str,
        address: SocketAddr,
        connections_max: usize,
    ) -> anyhow::Result<Listener> {
        let limits = DoorLimits {
            connections_max,
            handshakes_max: self.app.limits.door_handshakes_max,
            handshake_s: self.app.limits.door_handshake_s,
        };
        let door = Door { name, address, limits, proxies: self.listen.proxies(name) };
        let mut listener = doors::open(door, &self.app.env).await?;
        let log = Arc::clone(self.log);
        listener.tell(move |away| log.turned_away(&away));
        Ok(listener)
    }
}

/// Somebody about whom no more is known than where they are.
fn knock(door: &'static str, peer: Peer) -> Knock {
    Knock { door, peer: peer.address, local: peer.local, server_name: None, certificate: None }
}
