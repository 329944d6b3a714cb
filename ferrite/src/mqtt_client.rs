//! A small MQTT 5 client: connects as a device or through the plain door, sends, receives.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use mqtt::{
    Ack, Connect, ConnectProperties, Decoder, Disconnect, Packet, PacketId, Publish, QoS,
    RetainHandling, Subscribe, SubscribeProperties, Subscription, SubscriptionOptions, Version,
    reason,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::credentials::local;
use crate::device::{Device, Folder};

/// How long the server may take for each answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often a silent client says that it is there.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Twice the ping's interval.
const KEEP_ALIVE_S: u16 = 60;
/// The largest packet that is taken: AWS's payload and its topic, properties included.
const PACKET_BYTES_MAX: usize = 256 * 1024;
/// From here on a reason code is a refusal.
const REFUSALS: u8 = 0x80;
/// One thing is asked at a time, so that one identifier does.
const PACKET_ID: PacketId = NonZeroU16::MIN;

/// Where to connect, and as whom.
pub(crate) enum Place {
    /// Over TLS, with the certificate of a device.
    Device(Folder, Device),
    /// Plain.
    Plain(SocketAddr),
}

/// Something that the server does not let a client do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    /// `iot:Publish` …
    pub(crate) action: &'static str,
    /// `topic/pump/hello`: what stands behind the account in its ARN.
    pub(crate) resource: String,
    /// What the server said; nothing if it closed the connection without a word.
    code: Option<u8>,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, resource, code } = self;
        match code {
            Some(code) => {
                write!(f, "{action} on {resource} was refused: {}", reason_name(*code))?;
                write!(f, " (0x{code:02X})")
            }
            None => write!(f, "{action} on {resource}: the server closed the connection"),
        }
    }
}

impl std::error::Error for Denied {}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A connected client.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    incoming: BytesMut,
    client_id: String,
}

impl Client {
    /// Connects, or says why the server does not let the client in.
    pub(crate) async fn connect(place: &Place, client_id: &str) -> anyhow::Result<Self> {
        let stream = timeout(ANSWER_WITHIN, open(place)).await;
        let mut client = Self {
            stream: stream.context("the server does not answer")??,
            decoder: Decoder::of(Version::V5, PACKET_BYTES_MAX),
            incoming: BytesMut::new(),
            client_id: client_id.to_owned(),
        };
        // A server that refuses the certificate may close before it has read anything.
        let sent = client.send(&connect_packet(client_id)).await;
        let answer = client.answer().await;
        match answer {
            Ok(Some(Packet::Connack(connack))) if connack.code < REFUSALS => {
                sent?;
                Ok(client)
            }
            Ok(Some(Packet::Connack(connack))) => Err(client.denied_to_connect(Some(connack.code))),
            Ok(Some(packet)) => bail!("the server answered CONNECT with {}", kind(&packet)),
            Ok(None) => Err(client.denied_to_connect(None)),
            Err(error) if is_closed(&error) => Err(client.denied_to_connect(None)),
            Err(error) => Err(error),
        }
    }

    /// Publishes, and waits until the server has taken the message.
    pub(crate) async fn publish(
        &mut self,
        topic: &str,
        payload: Bytes,
        qos: QoS,
    ) -> anyhow::Result<()> {
        let is_answered = qos != QoS::AtMostOnce;
        let publish = Publish {
            dup: false,
            qos,
            retain: false,
            topic: ByteString::from(topic),
            packet_id: is_answered.then_some(PACKET_ID),
            properties: None,
            payload,
        };
        self.send(&Packet::Publish(publish)).await?;
        if !is_answered {
            // The answer to a ping shows that the connection has survived the message.
            self.send(&Packet::Pingreq).await?;
        }
        let denied = |code| denied("iot:Publish", format!("topic/{topic}"), code);
        match self.answer().await {
            Ok(Some(Packet::Puback(ack))) if ack.code < REFUSALS => Ok(()),
            Ok(Some(Packet::Puback(ack))) => Err(denied(Some(ack.code))),
            Ok(Some(Packet::Pingresp)) => Ok(()),
            Ok(Some(Packet::Disconnect(end))) => Err(denied(Some(end.code))),
            Ok(Some(packet)) => bail!("the server answered PUBLISH with {}", kind(&packet)),
            Ok(None) => Err(denied(None)),
            Err(error) if is_closed(&error) => Err(denied(None)),
            Err(error) => Err(error),
        }
    }

    /// Subscribes, and waits until the server has agreed.
    pub(crate) async fn subscribe(&mut self, filter: &str, qos: QoS) -> anyhow::Result<()> {
        self.send(&subscribe_packet(filter, qos)).await?;
        let denied = |code| denied("iot:Subscribe", format!("topicfilter/{filter}"), code);
        match self.answer().await {
            Ok(Some(Packet::Suback(ack))) => match ack.codes.first() {
                Some(code) if *code < REFUSALS => Ok(()),
                code => Err(denied(code.copied())),
            },
            Ok(Some(Packet::Disconnect(end))) => Err(denied(Some(end.code))),
            Ok(Some(packet)) => bail!("the server answered SUBSCRIBE with {}", kind(&packet)),
            Ok(None) => Err(denied(None)),
            Err(error) if is_closed(&error) => Err(denied(None)),
            Err(error) => Err(error),
        }
    }

    /// The next message, acknowledged if it has to be. May be dropped and called again.
    pub(crate) async fn message(&mut self) -> anyhow::Result<Publish> {
        loop {
            match self.receive().await? {
                Some(Packet::Publish(publish)) => return Ok(publish),
                Some(Packet::Disconnect(end)) => bail!("{}", farewell(end.code)),
                Some(_) => {}
                None => bail!("the server closed the connection"),
            }
        }
    }

    /// Acknowledges a message that wants it.
    pub(crate) async fn acknowledge(&mut self, publish: &Publish) -> anyhow::Result<()> {
        let Some(packet_id) = publish.packet_id else { return Ok(()) };
        self.send(&Packet::Puback(Ack { packet_id, code: reason::SUCCESS, properties: None })).await
    }

    /// Tells the server that the client is there.
    pub(crate) async fn ping(&mut self) -> anyhow::Result<()> {
        self.send(&Packet::Pingreq).await
    }

    /// Says goodbye. What goes wrong with that is of no interest to anybody.
    pub(crate) async fn disconnect(mut self) {
        drop(self.send(&Packet::Disconnect(Disconnect::default())).await);
        drop(self.stream.shutdown().await);
    }

    fn denied_to_connect(&self, code: Option<u8>) -> anyhow::Error {
        denied("iot:Connect", format!("client/{}", self.client_id), code)
    }

    async fn send(&mut self, packet: &Packet) -> anyhow::Result<()> {
        let mut bytes = BytesMut::new();
        packet.encode(Version::V5, &mut bytes);
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next packet, if it comes in time.
    async fn answer(&mut self) -> anyhow::Result<Option<Packet>> {
        let answer = timeout(ANSWER_WITHIN, self.receive()).await;
        answer.context("the server does not answer")?
    }

    /// The next packet; nothing once the server has closed the connection.
    async fn receive(&mut self) -> anyhow::Result<Option<Packet>> {
        loop {
            if let Some(packet) = self.decoder.decode(&mut self.incoming)? {
                return Ok(Some(packet));
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Ok(None);
            }
        }
    }
}

async fn open(place: &Place) -> anyhow::Result<Box<dyn Stream>> {
    let (folder, device) = match place {
        Place::Plain(address) => {
            let address = local(*address);
            let stream = TcpStream::connect(address).await;
            return Ok(Box::new(stream.with_context(|| unreachable(&address.to_string()))?));
        }
        Place::Device(folder, device) => (folder, device),
    };
    let Device { endpoint, port, .. } = device;
    let stream = TcpStream::connect((endpoint.as_str(), *port)).await;
    let stream = stream.with_context(|| unreachable(&format!("{endpoint}:{port}")))?;
    let name = ServerName::try_from(endpoint.clone())?;
    let tls = TlsConnector::from(Arc::new(tls_config(folder)?)).connect(name, stream).await;
    Ok(Box::new(tls.with_context(|| format!("no TLS with {endpoint}:{port}"))?))
}

/// Trusts the root of the device's folder alone, and shows the device's certificate.
fn tls_config(folder: &Folder) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(folder.root_ca())
        .with_context(|| format!("could not read {}", folder.root_ca().display()))?;
    roots.add(root)?;
    let certificate = CertificateDer::from_pem_file(folder.certificate())
        .with_context(|| format!("could not read {}", folder.certificate().display()))?;
    let key = PrivateKeyDer::from_pem_file(folder.private_key())
        .with_context(|| format!("could not read {}", folder.private_key().display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_client_auth_cert(vec![certificate], key)?)
}

fn connect_packet(client_id: &str) -> Packet {
    Packet::Connect(Box::new(Connect {
        version: Version::V5,
        clean: true,
        keep_alive_s: KEEP_ALIVE_S,
        client_id: ByteString::from(client_id),
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }))
}

fn subscribe_packet(filter: &str, qos: QoS) -> Packet {
    let options = SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
    };
    Packet::Subscribe(Subscribe {
        packet_id: PACKET_ID,
        properties: SubscribeProperties::default(),
        subscriptions: vec![Subscription { filter: ByteString::from(filter), options }],
    })
}

fn denied(action: &'static str, resource: String, code: Option<u8>) -> anyhow::Error {
    anyhow::Error::new(Denied { action, resource, code })
}

/// Whether the connection ended, with whatever noise.
fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some()
}

fn unreachable(place: &str) -> String {
    format!("nothing answers at {place}; is the server running?")
}

fn farewell(code: u8) -> String {
    let hint = match code {
        reason::SESSION_TAKEN_OVER => ": somebody else connected with this client id (--client-id)",
        _ => "",
    };
    format!("the server ended the connection: {} (0x{code:02X}){hint}", reason_name(code))
}

fn kind(packet: &Packet) -> String {
    format!("{:?}", packet.packet_type()).to_uppercase()
}

/// What the standard calls a reason.
fn reason_name(code: u8) -> &'static str {
    match code {
        reason::UNSPECIFIED_ERROR => "Unspecified error",
        reason::MALFORMED_PACKET => "Malformed packet",
        reason::PROTOCOL_ERROR => "Protocol error",
        reason::IMPLEMENTATION_SPECIFIC_ERROR => "Implementation specific error",
        reason::UNSUPPORTED_PROTOCOL_VERSION => "Unsupported protocol version",
        reason::CLIENT_IDENTIFIER_NOT_VALID => "Client identifier not valid",
        reason::BAD_USER_NAME_OR_PASSWORD => "Bad user name or password",
        reason::NOT_AUTHORIZED => "Not authorized",
        reason::SERVER_UNAVAILABLE => "Server unavailable",
        reason::SERVER_BUSY => "Server busy",
        reason::SERVER_SHUTTING_DOWN => "Server shutting down",
        reason::KEEP_ALIVE_TIMEOUT => "Keep alive timeout",
        reason::SESSION_TAKEN_OVER => "Session taken over",
        reason::TOPIC_FILTER_INVALID => "Topic filter invalid",
        reason::TOPIC_NAME_INVALID => "Topic name invalid",
        reason::PACKET_TOO_LARGE => "Packet too large",
        reason::MESSAGE_RATE_TOO_HIGH => "Message rate too high",
        reason::QUOTA_EXCEEDED => "Quota exceeded",
        reason::ADMINISTRATIVE_ACTION => "Administrative action",
        reason::PAYLOAD_FORMAT_INVALID => "Payload format invalid",
        reason::RETAIN_NOT_SUPPORTED => "Retain not supported",
        reason::QOS_NOT_SUPPORTED => "QoS not supported",
        reason::CONNECTION_RATE_EXCEEDED => "Connection rate exceeded",
        _ => "an unusual reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_reason_and_its_code() {
        let error = denied("iot:Publish", "topic/a".into(), Some(reason::NOT_AUTHORIZED));
        assert_eq!(error.to_string(), "iot:Publish on topic/a was refused: Not authorized (0x87)");
        let error = denied("iot:Connect", "client/a".into(), None);
        assert_eq!(error.to_string(), "iot:Connect on client/a: the server closed the connection");
    }

    #[test]
    fn a_client_that_was_taken_over_learns_how_to_avoid_it() {
        assert!(farewell(reason::SESSION_TAKEN_OVER).contains("--client-id"));
    }
}
