//! The broker of a test, and those it asks: who a client is and what it may do.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use env::{Random, TaskKind};
use ferrite_broker::Broker;
use journal::MemoryDisk;
use mqtt::{Connack, Connect, Packet, Version};
use policy::Document;
use serde_json::json;
use service::{
    App, Authenticator, BoundThing, BoxFuture, DeviceEvent, Dialect, Knock, Limits, Login,
    Permissions, PolicySource, Principal, PrincipalKind, Refusal, Rights,
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
/// How long a server may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

thread_local! {
    /// Whether the timers' clock of this test jumps already.
    static IS_PAUSED: Cell<bool> = const { Cell::new(false) };
}

/// What a test chooses for each of its servers.
type Choose = Box<dyn Fn(&mut Choices) + Send + Sync>;

/// A broker and its surroundings.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) broker: Arc<Broker>,
    /// Where messages wait.
    pub(crate) disk: MemoryDisk,
    registry: Arc<Registry>,
    choose: Choose,
    /// Servers from before: the first one's directory may be the store's.
    earlier: Vec<Server>,
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
        Self::with(|_| {}).await
    }

    /// As [`World::new`], with limits that `change` changes.
    pub(crate) async fn within(change: impl Fn(&mut Limits) + Send + Sync + 'static) -> Self {
        Self::with(move |choices| change(&mut choices.limits)).await
    }

    /// As [`World::new`], on the machine's clock.
    pub(crate) async fn in_real_time() -> Self {
        Self::begin(Box::new(|_| {})).await
    }

    /// As [`World::new`], with what `choose` changes.
    pub(crate) async fn with(choose: impl Fn(&mut Choices) + Send + Sync + 'static) -> Self {
        let world = Self::begin(Box::new(choose)).await;
        if !IS_PAUSED.replace(true) {
            tokio::time::pause();
        }
        world
    }

    /// As [`World::new`], where MQTT is spoken as the standards have it.
    pub(crate) async fn standard() -> Self {
        Self::with(|choices| choices.dialect = Dialect::standard()).await
    }

    async fn begin(choose: Choose) -> Self {
        let registry = Arc::new(Registry::default());
        let disk = MemoryDisk::new();
        let on_disk = |choices: &mut Choices| {
            choices.disk = disk.clone();
            choose(choices);
        };
        let (server, broker) = start(&registry, on_disk).await;
        let tenant = async |region: &str| {
            let region = region.parse().unwrap();
            server.app().tenants.find(AccountId::DEFAULT, region).await.unwrap()
        };
        registry.tenants.set([tenant(REGION).await, tenant(ABROAD).await]).unwrap();
        broker.bring_back_sessions(server.take_waiting()).await.unwrap();
        Self { server, broker, disk, registry, choose, earlier: Vec::new() }
    }

    /// Stops the server as an operator does, and begins the next one.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.server.app().journal.close().await;
        self.begin_next().await;
    }

    /// Ends the server as a crash does, and begins the next one: what was promised is there, and of
    /// what was being written `random` decides. Whoever was connected should be dropped before.
    pub(crate) async fn crash(&mut self, random: &Random) {
        let app = Arc::clone(self.server.app());
        // The old server writes nothing more. No other store can be held off, and one of them
        // may learn that its clients have left.
        let faults = app.store.faults();
        faults.inspect(|faults| faults.set_full(true));
        self.disk.crash(random);
        self.stop().await;
        faults.inspect(|faults| faults.set_full(false));
        self.begin_next().await;
    }

    async fn stop(&self) {
        let tasks = &self.server.app().env.tasks;
        tasks.begin_shutdown("the test ends it");
        self.broker.stop();
        tasks.finished(STOP_WITHIN).await;
    }

    async fn begin_next(&mut self) {
        let App { store, env, .. } = &**self.server.app();
        let next = |choices: &mut Choices| {
            choices.store = Some(store.clone());
            choices.disk = self.disk.clone();
            choices.clock = Some(env.clock.clone());
            (self.choose)(choices);
            choices.seed += 1 + self.earlier.len() as u64;
        };
        let (server, broker) = start(&self.registry, next).await;
        broker.bring_back_sessions(server.take_waiting()).await.unwrap();
        self.earlier.push(std::mem::replace(&mut self.server, server));
        self.broker = broker;
    }

    /// Moves the clock on, and lets what is due by then happen.
    pub(crate) async fn pass(&self, span: Duration) {
        settle().await;
        self.server.clock().advance(span);
        // Timers are looked for once a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
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

    /// A client that is in with this CONNECT, and whether its session was there before.
    pub(crate) async fn come(&self, connect: Connect) -> (Client, bool) {
        let mut client = self.dial(connect.version);
        client.send(Packet::Connect(Box::new(connect))).await;
        match client.packet().await {
            Packet::Connack(connack) if connack.code == 0 => (client, connack.session_present),
            other => panic!("CONNACK is expected, not {other:?}"),
        }
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

/// Says that the timers' clock of this thread jumps already.
pub(crate) fn time_is_paused() {
    IS_PAUSED.set(true);
}

/// Resolves when nothing is left to do: the clock moves on when everything else waits.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A server with a broker.
async fn start(
    registry: &Arc<Registry>,
    choose: impl FnOnce(&mut Choices),
) -> (Server, Arc<Broker>) {
    let mut made = None;
    let server = Server::build_with(choose, |app| {
        let broker = Broker::new(Arc::clone(app), registry.clone(), registry.clone());
        let feature = ferrite_broker::feature(&broker);
        made = Some(broker);
        vec![feature]
    });
    (server.await, made.unwrap())
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
    let document = Document::parse(text, policy::Dialect::Iot).unwrap();
    Rights {
        depends_on_time: document.depends_on_time(),
        policies: vec![("its-policy".to_owned(), Arc::new(document))],
        context: vec![("iot:ClientId".to_owned(), vec![client_id.to_owned()])],
        ..Rights::default()
    }
}
