//! How a client comes in: who it is, its CONNECT, its policies, the connection it replaces.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use bytestring::ByteString;
use mqtt::{
    Connack, ConnackProperties, Connect, Decoder, Malformed, Packet, QoS, Version, Will, reason,
};
use service::{
    App, DeviceEvent, DeviceStatus, Knock, Limits, Login, Permissions, Principal, RefusalV311,
    Sender, Visitor, Wish,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ending::{Ending, Fault};
use crate::exactly_once::Received;
use crate::lifecycle::Lifecycle;
use crate::mailbox::{Mailbox, MailboxLimits};
use crate::message::detached_will;
use crate::pace::Pace;
use crate::receipts::Receipts;
use crate::routing::Routing;
use crate::session::Session;
use crate::sessions::{Opened, Unavailable};
use crate::space::{Client, Space};
use crate::told::Told;
use crate::verdicts::Verdicts;
use crate::window::Window;
use crate::{Broker, bounds};

/// What a CONNACK that refuses has beside its reason string, at most.
const CONNACK_BESIDE_REASON_BYTES: usize = 16;
/// How much of a CONNECT is read at once.
const READ_BYTES: usize = 4096;
/// How long a connection that is replaced may take to end.
const TAKE_OVER: Duration = Duration::from_secs(5);

/// Somebody who wants to come in.
pub(crate) enum Newcomer {
    /// Nothing is known but what shows at the door.
    Stranger(Knock),
    /// Who it is and what it may do is known.
    Visitor(Visitor),
}

/// Why a client does not come in.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What it is told, if anything.
    pub(crate) answer: Option<(Version, u8)>,
    /// The largest packet that it takes.
    pub(crate) packet_bytes_max: usize,
    /// A word for it in the device log.
    pub(crate) reason: &'static str,
    /// What happened and what to do, in a sentence.
    pub(crate) detail: String,
    /// As it named itself, if it came so far.
    pub(crate) client_id: Option<String>,
    /// The certificate's id, if it was recognized.
    pub(crate) principal: Option<Arc<Principal>>,
    /// Whether a client of MQTT 5 hears the reason in words.
    pub(crate) tells_reason: bool,
}

/// A client that is in, and what it is told.
pub(crate) struct Admitted {
    pub(crate) session: Session,
    pub(crate) connack: Connack,
    /// How long it may be silent.
    pub(crate) patience: Duration,
}

impl Newcomer {
    pub(crate) fn knock(&self) -> &Knock {
        match self {
            Self::Stranger(knock) => knock,
            Self::Visitor(visitor) => &visitor.principal.knock,
        }
    }
}

impl Refused {
    fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            answer: None,
            packet_bytes_max: usize::MAX,
            reason,
            detail,
            client_id: None,
            principal: None,
            tells_reason: true,
        }
    }

    fn by(refusal: service::Refusal) -> Self {
        Self::new(refusal.reason, refusal.detail)
    }

    /// For what MQTT 5 has a code; a client of MQTT 3.1.1 finds its connection closed, as on AWS.
    fn telling(self, connect: &Connect, code: u8) -> Self {
        let answer = (connect.version == Version::V5).then_some((Version::V5, code));
        Self { answer, packet_bytes_max: packet_bytes_max(connect), ..self }
    }

    /// For what both versions have a code.
    fn telling_both(self, connect: &Connect, v5: u8, v311: u8) -> Self {
        let code = if connect.version == Version::V5 { v5 } else { v311 };
        Self {
            answer: Some((connect.version, code)),
            packet_bytes_max: packet_bytes_max(connect),
            ..self
        }
    }

    fn event(&self, knock: &Knock) -> DeviceEvent {
        let tenant = self.principal.as_ref().map(|principal| &principal.tenant);
        DeviceEvent {
            source: Some(knock.peer),
            account_id: tenant.map(|tenant| tenant.account.to_string()),
            region: tenant.map(|tenant| tenant.region.to_string()),
            client_id: self.client_id.clone(),
            principal_id: self.principal.as_ref().map(|principal| principal.id.clone()),
            ..DeviceEvent::failure("Connect", self.reason, self.detail.clone())
        }
    }
}

impl Broker {
    /// Lets a client in: from the first byte of its CONNECT to the session it gets.
    pub(crate) async fn admit<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        newcomer: &Newcomer,
        stream: &mut S,
        decoder: &mut Decoder,
        input: &mut BytesMut,
    ) -> Result<Admitted, Refused> {
        let knock = newcomer.knock();
        let early = self.recognize(newcomer).await?;
        let read = self.first_packet(stream, decoder, input).await;
        let connect = read.map_err(|refused| refused_as(refused, early.as_ref(), None))?;
        let client_id = connect.client_id.to_string();
        let tells_reason = connect.properties.request_problem_information.unwrap_or(true);
        let refused = |refused, principal| Refused {
            tells_reason,
            ..refused_as(refused, principal, Some(client_id.clone()))
        };
        let principal = match early {
            Some(principal) => principal,
            None => self.log_in(knock, &connect).await.map_err(|r| refused(r, None))?,
        };
        let established = self.establish(connect, &principal, newcomer).await;
        established.map_err(|r| refused(r, Some(&principal)))
    }

    /// Who it is, as far as that is known before CONNECT. A certificate that is not good is closed
    /// before its first byte counts.
    async fn recognize(&self, newcomer: &Newcomer) -> Result<Option<Arc<Principal>>, Refused> {
        match newcomer {
            Newcomer::Visitor(visitor) => Ok(Some(Arc::clone(&visitor.principal))),
            Newcomer::Stranger(knock) if knock.certificate.is_some() => {
                let found = self.authenticator.authenticate(knock, None).await;
                found.map(Some).map_err(Refused::by)
            }
            Newcomer::Stranger(_) => Ok(None),
        }
    }

    /// The CONNECT that a client begins with, in time.
    async fn first_packet<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        decoder: &mut Decoder,
        input: &mut BytesMut,
    ) -> Result<Connect, Refused> {
        let limit = Duration::from_secs(self.app.limits.mqtt_connect_s);
        tokio::select! {
            biased;
            read = tokio::time::timeout(limit, read_connect(stream, decoder, input)) => {
                read.unwrap_or_else(|_| {
                    let why = format!("no CONNECT came within {} s", limit.as_secs());
                    Err(Refused::new("CONNECT_TIMEOUT", why))
                })
            }
            () = self.stopped() => {
                Err(Refused::new("SERVER_INITIATED_DISCONNECT", "the server stops"))
            }
        }
    }

    /// The principal of a client without a certificate.
    async fn log_in(&self, knock: &Knock, connect: &Connect) -> Result<Arc<Principal>, Refused> {
        let login = Login {
            user_name: connect.user_name.as_ref().map(ToString::to_string),
            password: connect.password.clone(),
        };
        let found = self.authenticator.authenticate(knock, Some(&login)).await;
        found.map_err(|refusal| self.not_authorized(Refused::by(refusal), connect))
    }

    /// What is true of every CONNECT, whoever sends it.
    async fn establish(
        &self,
        mut connect: Connect,
        principal: &Arc<Principal>,
        newcomer: &Newcomer,
    ) -> Result<Admitted, Refused> {
        check_shape(&mut connect, &self.app, &self.routing)?;
        let space = self.space(&principal.tenant);
        check_crowd(&space, &connect, &self.app.limits)?;
        let is_assigned = connect.client_id.is_empty();
        if is_assigned {
            connect.client_id = self.new_client_id(connect.version).into();
        }
        let permissions = match newcomer {
            Newcomer::Visitor(visitor) => Ok(Arc::clone(&visitor.permissions)),
            Newcomer::Stranger(_) => {
                self.policies.permissions(principal, Some(&connect.client_id)).await
            }
        };
        let permissions = permissions.map_err(|r| self.not_authorized(Refused::by(r), &connect))?;
        let mut client = self.new_client(&connect, principal, &permissions);
        if let Err(refused) = self.authorize(&connect, principal, &permissions) {
            self.tell(&space, &client, &Lifecycle::ConnectFailed);
            return Err(refused);
        }
        // Not before: whoever may not connect with an id takes nothing from whoever may.
        if !space.quotas.connects.take_of(&connect.client_id, Instant::now()) {
            let why = format!("the client id {} connects too often", connect.client_id);
            return Err(too_much("THROTTLED", why, &connect));
        }
        // One after the other: what one leaves of the session, the next finds.
        let door = space.door(&client.id).lock().await;
        make_room(&space, &client.id).await;
        let opened = self.sessions.open(&space, &connect).await;
        let Opened { session: kept, is_present, will } =
            opened.map_err(|unavailable| no_session(&unavailable, &connect))?;
        if let Some(session) = &kept {
            client.subscriptions = Arc::clone(&session.subscriptions);
            client.kept = Some(Arc::clone(session));
        }
        let client = space.enter(client);
        let session = self.new_session(&connect, Arc::clone(&space), client);
        drop(door);
        if let Some(will) = will {
            let client_id = Some(connect.client_id.to_string());
            self.publish_will(&space, &will, Sender { client_id, ..Sender::default() });
        }
        let client = &session.client;
        if self.is_stopping() {
            drop(client.mailbox.close(Ending::ShuttingDown));
        }
        let mut connack = self.connack(&connect, is_assigned, &session);
        connack.session_present = is_present;
        // One and a half times the keep alive (MQTT-3.1.2-22).
        let patience = Duration::from_millis(u64::from(client.keep_alive_s) * 1500);
        Ok(Admitted { session, connack, patience })
    }

    /// Connect itself, and what the Will would do.
    fn authorize(
        &self,
        connect: &Connect,
        principal: &Principal,
        permissions: &Permissions,
    ) -> Result<(), Refused> {
        let rights = permissions.rights();
        if rights.is_unlimited {
            return Ok(());
        }
        let arn = |resource: String| principal.tenant.arn("iot", &resource);
        let mut attributes = Vec::new();
        if asks_to_persist(connect) {
            attributes.push("PersistentConnect");
        }
        let will_topic = connect.will.as_ref().map(|will| arn(format!("topic/{}", will.topic)));
        if connect.will.is_some() {
            attributes.push("LastWill");
        }
        let will_topics: Vec<&str> = will_topic.as_deref().into_iter().collect();
        let mut context: Vec<(&str, &[&str])> = vec![("iot:ConnectAttributes", &attributes)];
        if !will_topics.is_empty() {
            context.push(("iot:LastWillTopic", &will_topics));
        }
        let client = arn(format!("client/{}", connect.client_id));
        let mut wishes = vec![("iot:Connect", client.as_str(), context.as_slice())];
        if let Some(topic) = &will_topic {
            wishes.push(("iot:Publish", topic, &[]));
            if connect.will.as_ref().is_some_and(|will| will.retain) {
                wishes.push(("iot:RetainPublish", topic, &[]));
            }
        }
        for (action, resource, context) in wishes {
            let wish = Wish { action, resource, context, now: self.app.env.clock.now() };
            let decision = rights.decide(&wish);
            if !decision.is_allowed() {
                let why = format!("{action} on {resource}: {decision}");
                let refused = Refused::new("AUTHORIZATION_FAILURE", why);
                return Err(self.not_authorized(refused, connect));
            }
        }
        Ok(())
    }

    /// For want of a policy or a login. AWS closes the connection of MQTT 3.1.1.
    fn not_authorized(&self, refused: Refused, connect: &Connect) -> Refused {
        match self.app.dialect.refusal_v311 {
            RefusalV311::Close => refused.telling(connect, reason::NOT_AUTHORIZED),
            RefusalV311::Answer => {
                let v311 = reason::connack::NOT_AUTHORIZED;
                refused.telling_both(connect, reason::NOT_AUTHORIZED, v311)
            }
        }
    }

    fn new_client(
        &self,
        connect: &Connect,
        principal: &Arc<Principal>,
        permissions: &Arc<Permissions>,
    ) -> Client {
        let limits = &self.app.limits;
        Client {
            number: self.sessions.next_number(),
            // A copy: the id must not hold the buffer that it came in.
            id: ByteString::from(&*connect.client_id),
            version: connect.version,
            principal: Arc::clone(principal),
            permissions: Arc::clone(permissions),
            mailbox: Mailbox::new(MailboxLimits {
                messages_max: limits.mqtt_waiting_messages_max,
                bytes_max: limits.mqtt_waiting_bytes_max,
            }),
            subscriptions: Arc::default(),
            kept: None,
            bringing: std::sync::atomic::AtomicUsize::new(0),
            asked: std::sync::atomic::AtomicUsize::new(0),
            session_id: self.new_uuid(),
            version_number: 0,
            connected_at: self.app.env.clock.now(),
            is_clean: connect.clean && !asks_to_persist(connect),
            keep_alive_s: keep_alive_s(connect.keep_alive_s, limits),
        }
    }

    fn new_session(&self, connect: &Connect, space: Arc<Space>, client: Arc<Client>) -> Session {
        let limits = &self.app.limits;
        let inflight_max = limits.mqtt_inflight_max;
        let asked = &connect.properties;
        let is_v5 = connect.version == Version::V5;
        let aliases = if is_v5 { usize::from(limits.mqtt_topic_alias_max) } else { 0 };
        let packet_bytes_max = packet_bytes_max(connect);
        let mut session = Session {
            app: Arc::clone(&self.app),
            space,
            verdicts: Verdicts::new(Arc::clone(&client.permissions)),
            client,
            window: Window::new(asked.receive_maximum.unwrap_or(inflight_max).min(inflight_max)),
            received: Received::default(),
            receipts: Receipts::default(),
            aliases: Vec::new(),
            told: Told::new(asked.topic_alias_maximum, limits.mqtt_topic_alias_max),
            aliases_max: aliases,
            packet_bytes_max,
            tells_reasons: self.app.dialect.gives_reason_strings
                && asked.request_problem_information.unwrap_or(true),
            expiry_s: self.sessions.asked_expiry_s(connect),
            pace: Pace::new(limits),
            line: None,
            log_budget: service::LogBudget::default(),
            retained: Arc::clone(&self.retained),
            sessions: Arc::clone(&self.sessions),
            shares: Vec::new(),
            unsafe_messages: 0,
            unsafe_answers: 0,
            will: connect.will.clone().map(detached_will).map(Box::new),
        };
        session.resume();
        session
    }

    /// What the client is told of its session (MQTT 5), or that it is in (3.1.1).
    fn connack(&self, connect: &Connect, is_assigned: bool, session: &Session) -> Connack {
        if connect.version == Version::V311 {
            return Connack::default();
        }
        let limits = &self.app.limits;
        let dialect = &self.app.dialect;
        let (asked_s, granted_s) = (connect.properties.session_expiry_s, session.expiry_s);
        let properties = ConnackProperties {
            // Only what differs from what was asked for has to be told (MQTT 5, 3.2.2.3.2).
            session_expiry_s: (asked_s.unwrap_or(0) != granted_s).then_some(granted_s),
            receive_maximum: Some(limits.mqtt_inflight_max),
            maximum_qos: (dialect.qos_max < QoS::ExactlyOnce).then_some(dialect.qos_max as u8),
            retain_available: Some(true),
            maximum_packet_size: u32::try_from(limits.mqtt_packet_bytes_max).ok(),
            assigned_client_id: is_assigned.then(|| connect.client_id.clone()),
            topic_alias_maximum: Some(limits.mqtt_topic_alias_max),
            wildcard_subscription_available: Some(true),
            subscription_identifiers_available: Some(dialect.is_standard),
            shared_subscription_available: Some(true),
            server_keep_alive_s: Some(session.client.keep_alive_s),
            ..ConnackProperties::default()
        };
        Connack { properties, ..Connack::default() }
    }

    /// The id of a client that brought none.
    fn new_client_id(&self, version: Version) -> String {
        let random = self.new_uuid();
        match version {
            Version::V5 => random.to_string(),
            Version::V311 => format!("$GEN/{random}"),
        }
    }

    fn new_uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.app.env.random.bytes()).into_uuid()
    }

    /// Tells a client that it does not come in, as far as it is told, and the log why.
    pub(crate) async fn turn_away<S: AsyncWrite + Unpin>(
        &self,
        knock: &Knock,
        stream: &mut S,
        refused: &Refused,
    ) {
        self.app.device_log.record(refused.event(knock));
        let mut output = BytesMut::new();
        if let Some((version, code)) = refused.answer {
            let mut connack = Connack { code, ..Connack::default() };
            // What the client cannot take is left out (MQTT-3.2.2-19).
            let bytes = refused.detail.len() + CONNACK_BESIDE_REASON_BYTES;
            let is_wanted = refused.tells_reason && self.app.dialect.gives_reason_strings;
            let is_told = version == Version::V5 && is_wanted && bytes <= refused.packet_bytes_max;
            connack.properties.reason_string = is_told.then(|| refused.detail.as_str().into());
            Packet::Connack(Box::new(connack)).encode(version, &mut output);
        }
        let goodbye = async {
            stream.write_all_buf(&mut output).await?;
            stream.shutdown().await
        };
        drop(tokio::time::timeout(TAKE_OVER, goodbye).await);
    }
}

/// `refused` with what was known by then of who it is.
fn refused_as(
    refused: Refused,
    principal: Option<&Arc<Principal>>,
    client_id: Option<String>,
) -> Refused {
    Refused { principal: principal.cloned(), client_id, ..refused }
}

async fn read_connect<S: AsyncRead + Unpin>(
    stream: &mut S,
    decoder: &mut Decoder,
    input: &mut BytesMut,
) -> Result<Connect, Refused> {
    loop {
        match decoder.decode(input) {
            Ok(Some(Packet::Connect(connect))) => return Ok(*connect),
            Ok(Some(_)) => return Err(Refused::new("PROTOCOL_ERROR", "CONNECT comes first")),
            Ok(None) => {}
            Err(malformed) => return Err(unreadable(&malformed)),
        }
        input.reserve(READ_BYTES);
        match stream.read_buf(input).await {
            Ok(0) => {
                let why = "the client closed the connection before its CONNECT";
                return Err(Refused::new("CONNECTION_LOST", why));
            }
            Ok(_) => {}
            Err(error) => {
                let why = format!("the connection broke off before CONNECT: {error}");
                return Err(Refused::new("CONNECTION_LOST", why));
            }
        }
    }
}

/// What a CONNECT that cannot be read is answered: only one of another version is.
fn unreadable(malformed: &Malformed) -> Refused {
    let refused = Refused::new("MALFORMED_CONNECT", malformed.to_string());
    let answer = match malformed {
        Malformed::UnsupportedProtocol { level, .. } if *level > 5 => {
            Some((Version::V5, reason::UNSUPPORTED_PROTOCOL_VERSION))
        }
        Malformed::UnsupportedProtocol { .. } => {
            Some((Version::V311, reason::connack::UNACCEPTABLE_PROTOCOL_VERSION))
        }
        _ => None,
    };
    Refused { answer, ..refused }
}

/// Refuses what AWS does not take, and what is not built.
fn check_shape(connect: &mut Connect, app: &App, routing: &Routing) -> Result<(), Refused> {
    let limits = &app.limits;
    check_client_id(connect, limits)?;
    let refuse = |code, word, why: String| Err(Refused::new(word, why).telling(connect, code));
    if connect.properties.authentication_method.is_some() {
        let why = "enhanced authentication (AUTH) is not offered".to_owned();
        return refuse(reason::BAD_AUTHENTICATION_METHOD, "BAD_AUTHENTICATION_METHOD", why);
    }
    let least = limits.mqtt_client_packet_bytes_min;
    if connect.properties.maximum_packet_size.is_some_and(|most| most < least) {
        let why = format!("a client must take packets of {least} bytes at least");
        return refuse(reason::UNSPECIFIED_ERROR, "MAXIMUM_PACKET_SIZE_TOO_SMALL", why);
    }
    if let Err(fault) = bounds::check_user_properties(&connect.properties.user_properties, limits) {
        return refuse(fault.code, fault.reason, fault.detail);
    }
    let checked = connect.will.as_mut().map_or(Ok(()), |will| check_will(will, app, routing));
    checked.map_err(|fault| Refused::new(fault.reason, fault.detail).telling(connect, fault.code))
}

/// Refuses whom an account may not have beside those that are there, or not so soon after others.
fn check_crowd(space: &Space, connect: &Connect, limits: &Limits) -> Result<(), Refused> {
    if !space.has_room_for(&connect.client_id, limits.mqtt_connections_per_account_max) {
        let why = "the account has as many connections as it may".to_owned();
        return Err(too_much("QUOTA_EXCEEDED", why, connect));
    }
    if !space.quotas.connects.take_of_all(Instant::now()) {
        let most = limits.mqtt_connects_per_s;
        let why = format!("more than {most} clients of the account connect in a second");
        return Err(too_much("THROTTLED", why, connect));
    }
    Ok(())
}

fn too_much(reason: &'static str, why: String, connect: &Connect) -> Refused {
    let v311 = reason::connack::SERVER_UNAVAILABLE;
    Refused::new(reason, why).telling_both(connect, reason::QUOTA_EXCEEDED, v311)
}

/// Holds a Will to what a message may be.
fn check_will(will: &mut Will, app: &App, routing: &Routing) -> Result<(), Fault> {
    let App { limits, dialect, .. } = app;
    if will.qos > dialect.qos_max {
        let why = format!("the Will has QoS {}, which is not offered", will.qos as u8);
        return Err(Fault::new(reason::QOS_NOT_SUPPORTED, "QOS_NOT_SUPPORTED", why));
    }
    bounds::check_will_topic(&will.topic, limits, routing)?;
    bounds::check_payload(&will.topic, &will.payload, limits)?;
    bounds::check_format(&will.payload, will.properties.as_deref(), dialect)?;
    match will.properties.as_deref_mut() {
        Some(properties) => bounds::check_properties(properties, limits),
        None => Ok(()),
    }
}

fn check_client_id(connect: &Connect, limits: &Limits) -> Result<(), Refused> {
    let (bytes, bytes_max) = (connect.client_id.len(), limits.mqtt_client_id_bytes_max);
    let why = if bytes > bytes_max {
        format!("the client id has {bytes} bytes of at most {bytes_max}")
    } else if bytes == 0 && connect.version == Version::V311 && !connect.clean {
        "an empty client id needs a clean session (MQTT-3.1.3-8)".to_owned()
    } else {
        return Ok(());
    };
    let refused = Refused::new("CLIENT_IDENTIFIER_NOT_VALID", why);
    let v311 = reason::connack::IDENTIFIER_REJECTED;
    Err(refused.telling_both(connect, reason::CLIENT_IDENTIFIER_NOT_VALID, v311))
}

/// The largest packet that the client takes.
fn packet_bytes_max(connect: &Connect) -> usize {
    connect.properties.maximum_packet_size.map_or(usize::MAX, |most| most as usize)
}

/// Whether the client wants a session that outlives its connection.
fn asks_to_persist(connect: &Connect) -> bool {
    match connect.version {
        Version::V311 => !connect.clean,
        Version::V5 => connect.properties.session_expiry_s.is_some_and(|expiry_s| expiry_s > 0),
    }
}

/// The keep alive in force: 0 is AWS's longest.
fn keep_alive_s(asked_s: u16, limits: &Limits) -> u16 {
    let longest_s = limits.mqtt_keep_alive_s_max;
    if asked_s == 0 { longest_s } else { asked_s.clamp(limits.mqtt_keep_alive_s_min, longest_s) }
}

/// Ends the connection of whoever has this id. It is gone when this returns: a device that
/// reconnects must not receive its own Will.
async fn make_room(space: &Space, id: &str) {
    let Some(other) = space.client(id) else { return };
    let ended = other.mailbox.close(Ending::TakenOver);
    // An error says that it has ended. One that does not end in time is out of the way by then:
    // its mailbox is closed, and it finds itself replaced.
    drop(tokio::time::timeout(TAKE_OVER, ended).await);
}

/// What a client is told for whom there can be no session.
fn no_session(unavailable: &Unavailable, connect: &Connect) -> Refused {
    let v311 = reason::connack::SERVER_UNAVAILABLE;
    match unavailable {
        Unavailable::TooMany => {
            let why = "there are as many persistent sessions as there may be";
            Refused::new("QUOTA_EXCEEDED", why).telling_both(connect, reason::QUOTA_EXCEEDED, v311)
        }
        Unavailable::Store => {
            let why = "the session could not be written; connect again";
            let refused = Refused::new("SERVER_ERROR", why);
            refused.telling_both(connect, reason::SERVER_UNAVAILABLE, v311)
        }
    }
}

impl Admitted {
    /// An entry of the device log.
    pub(crate) fn event(&self) -> DeviceEvent {
        let client = &self.session.client;
        client.event("Connect", DeviceStatus::Success, "CONNECTED", "connected".into())
    }
}
