//! The broker of a test, and those it asks: who a client is and what it may do.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use env::TaskKind;
use ferrite_broker::Broker;
use mqtt::{Connack, Connect, Packet, Version};
use policy::{Dialect, Document};
use serde_json::json;
use service::{
    Authenticator, BoundThing, BoxFuture, DeviceEvent, Knock, Limits, Login, Permissions,
    PolicySource, Principal, PrincipalKind, Refusal, Rights,
};
use testing::{Choices, Server};
use types::{AccountId, Tenant};

use crate::client::{Client, connect};

/// The region of whoever does not name a server.
const REGION: &str = "us-east-1";
/// The region of whoever does.
const ABROAD: &str = "eu-west-1";
/// What a pipe holds each way.
const PIPE_BYTES: usize = 64 * 1024;

/// A broker and its surroundings.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) broker: Arc<Broker>,
    registry: Arc<Registry>,
}

/// Knows the devices and their policies.
#[derive(Default)]
struct Registry {
    policies: Mutex<HashMap<String, String>>,
    given: Mutex<HashMap<String, Arc<Permissions>>>,
    things: Mutex<HashMap<String, BoundThing>>,
    /// The tenant of whoever names no server, and that of whoever names one.
    tenants: OnceLock<[Tenant; 2]>,
}

impl World {
    /// A broker where everybody may do everything until told otherwise. The timers' clock jumps.
    pub(crate) async fn new() -> Self {
        let world = Self::in_real_time().await;
        tokio::time::pause();
        world
    }

    /// As [`World::new`], with limits that `change` changes.
    pub(crate) async fn within(change: impl FnOnce(&mut Limits)) -> Self {
        Self::chosen(|choices| change(&mut choices.limits)).await
    }

    /// As [`World::new`], with choices that `change` changes.
    pub(crate) async fn chosen(change: impl FnOnce(&mut Choices)) -> Self {
        let world = Self::make(change).await;
        tokio::time::pause();
        world
    }

    /// As [`World::new`], on the machine's clock.
    pub(crate) async fn in_real_time() -> Self {
        Self::make(|_| {}).await
    }

    async fn make(change: impl FnOnce(&mut Choices)) -> Self {
        let registry = Arc::new(Registry::default());
        let mut made = None;
        let server = Server::build_with(change, |app| {
            let broker = Broker::new(Arc::clone(app), registry.clone(), registry.clone());
            let feature = ferrite_broker::feature(&broker);
            made = Some(broker);
            vec![feature]
        });
        let server = server.await;
        let tenant = async |region: &str| {
            let region = region.parse().unwrap();
            server.app().tenants.find(AccountId::DEFAULT, region).await.unwrap()
        };
        registry.tenants.set([tenant(REGION).await, tenant(ABROAD).await]).unwrap();
        Self { server, broker: made.unwrap(), registry }
    }

    /// Gives `client_id` this policy, from its next connection on.
    pub(crate) fn set_policy(&self, client_id: &str, text: &str) {
        self.registry.policies.lock().unwrap().insert(client_id.to_owned(), text.to_owned());
    }

    /// Binds `client_id` to a thing, from its next connection on.
    pub(crate) fn bind(&self, client_id: &str, thing: &str, is_exclusive: bool) {
        let thing = BoundThing { name: thing.to_owned(), is_exclusive };
        self.registry.things.lock().unwrap().insert(client_id.to_owned(), thing);
    }

    /// What `client_id` was last given.
    pub(crate) fn permissions(&self, client_id: &str) -> Arc<Permissions> {
        Arc::clone(&self.registry.given.lock().unwrap()[client_id])
    }

    /// Changes what `client_id` may do while it is connected.
    pub(crate) fn replace_policy(&self, client_id: &str, text: &str) {
        self.permissions(client_id).replace(rights(client_id, text));
    }

    /// A connection over which nothing was sent yet.
    pub(crate) fn dial(&self, version: Version) -> Client {
        self.dial_as(version, knock(), PIPE_BYTES)
    }

    /// As [`World::dial`], by somebody else, through a pipe that holds `pipe_bytes` each way.
    pub(crate) fn dial_as(&self, version: Version, knock: Knock, pipe_bytes: usize) -> Client {
        let (near, far) = tokio::io::duplex(pipe_bytes);
        let broker = Arc::clone(&self.broker);
        let serve = async move { broker.serve_connection(far, knock).await };
        self.server.app().env.tasks.spawn("connection", TaskKind::Vital, serve);
        Client::new(near, version)
    }

    /// A client that is in.
    pub(crate) async fn connect(&self, version: Version, id: &str) -> Client {
        self.connect_with(connect(version, id)).await
    }

    /// A client that is in with this CONNECT.
    pub(crate) async fn connect_with(&self, connect: Connect) -> Client {
        let mut client = self.dial(connect.version);
        client.let_in(connect).await;
        client
    }

    /// What a CONNECT is answered; none if the connection is closed without a word. A refused
    /// connection is closed.
    pub(crate) async fn answer(&self, connect: Connect) -> Option<Connack> {
        let mut client = self.dial(connect.version);
        client.send(Packet::Connect(Box::new(connect))).await;
        let connack = match client.next().await? {
            Packet::Connack(connack) => *connack,
            other => panic!("CONNACK comes first, not {other:?}"),
        };
        if connack.code != 0 {
            assert_eq!(client.next().await, None, "a refused client is cut off");
        }
        Some(connack)
    }

    /// Says which connection has panicked, if one has.
    pub(crate) fn panic(&self) -> Option<String> {
        self.server.app().env.tasks.shutdown_reason()
    }

    /// What the device log has of this kind, oldest first.
    pub(crate) fn logged(&self, event_type: &str) -> Vec<DeviceEvent> {
        let log = &self.server.app().device_log;
        let mut events = log.newest(usize::MAX, |event| event.event_type == event_type);
        events.reverse();
        events
    }

    /// The client and the reason of each such entry, oldest first.
    pub(crate) fn reasons(&self, event_type: &str) -> Vec<(String, &'static str)> {
        let events = self.logged(event_type).into_iter();
        events.map(|event| (event.client_id.unwrap_or_default(), event.reason)).collect()
    }
}

impl Registry {
    fn principal(&self, knock: &Knock) -> Principal {
        let [home, abroad] = self.tenants.get().unwrap();
        let tenant = if knock.server_name.is_some() { abroad } else { home }.clone();
        let arn = tenant.arn("iot", "cert/c0ffee");
        let kind = PrincipalKind::Certificate { arn };
        Principal { tenant, id: "c0ffee".to_owned(), kind, knock: knock.clone() }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.panic(), None);
        }
    }
}

impl Authenticator for Registry {
    fn authenticate<'a>(
        &'a self,
        knock: &'a Knock,
        login: Option<&'a Login>,
    ) -> BoxFuture<'a, Result<Arc<Principal>, Refusal>> {
        let refused = |reason, detail: &str| Err(Refusal { reason, detail: detail.to_owned() });
        let user_name = login.and_then(|login| login.user_name.as_deref());
        let found = match (&knock.certificate, user_name) {
            (Some(der), _) if der.as_ref() == b"inactive" => {
                refused("CERTIFICATE_INACTIVE", "the certificate is INACTIVE")
            }
            (None, Some("stranger")) => refused("UNKNOWN_USER", "nobody knows stranger"),
            _ => Ok(Arc::new(self.principal(knock))),
        };
        Box::pin(std::future::ready(found))
    }
}

impl PolicySource for Registry {
    fn permissions<'a>(
        &'a self,
        _: &'a Arc<Principal>,
        client_id: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<Permissions>, Refusal>> {
        let client_id = client_id.unwrap_or_default();
        let found = if client_id == "unbound" {
            let detail = "the thing unbound is not attached".to_owned();
            Err(Refusal { reason: "NOT_ATTACHED", detail })
        } else {
            let policies = self.policies.lock().unwrap();
            let text = policies.get(client_id).map_or(EVERYTHING, String::as_str);
            let thing = self.things.lock().unwrap().get(client_id).cloned();
            let rights = Rights { thing, ..rights(client_id, text) };
            let permissions = Arc::new(Permissions::new(rights));
            let mut given = self.given.lock().unwrap();
            given.insert(client_id.to_owned(), Arc::clone(&permissions));
            Ok(permissions)
        };
        Box::pin(std::future::ready(found))
    }
}

/// Allows everything.
pub(crate) const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":
    [{"Sid":"everything","Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// A policy of statements, each an effect, an action and the end of a resource's ARN.
pub(crate) fn policy(statements: &[(&str, &str, &str)]) -> String {
    let statement = |(effect, action, resource): &(&str, &str, &str)| {
        json!({
            "Effect": effect,
            "Action": format!("iot:{action}"),
            "Resource": arn(resource),
        })
    };
    let statements: Vec<_> = statements.iter().map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// The ARN of a resource of whoever does not name a server.
pub(crate) fn arn(resource: &str) -> String {
    format!("arn:aws:iot:{REGION}:{}:{resource}", AccountId::DEFAULT)
}

/// Somebody with a certificate.
pub(crate) fn knock() -> Knock {
    Knock {
        door: "mqtts",
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)),
        local: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8883))),
        server_name: None,
        certificate: Some(Bytes::from_static(b"a certificate")),
    }
}

/// The rights that a policy gives to a client.
pub(crate) fn rights(client_id: &str, text: &str) -> Rights {
    let document = Document::parse(text, Dialect::Iot).unwrap();
    Rights {
        depends_on_time: document.depends_on_time(),
        policies: vec![("its-policy".to_owned(), Arc::new(document))],
        context: vec![("iot:ClientId".to_owned(), vec![client_id.to_owned()])],
        ..Rights::default()
    }
}
