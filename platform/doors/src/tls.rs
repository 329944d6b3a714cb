//! TLS of the doors: one set of identities, one rule for names, clients known by possession alone.
//!
//! The ClientHello is read first, and what it asks for decides: a name that is not ours ends the
//! handshake, the protocol says whether a certificate is demanded. Nothing of a client is trusted
//! here but that it holds the key of the certificate that it showed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CipherSuite, CommonState, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::deadline::Deadline;
use crate::greeting::Greeting;
use crate::hello::{Alpn, Hello, Protocol, old_version};
use crate::identity::{Identities, ServerIdentity};
use crate::plain_text::{LOOKED_AT, PlainText};
use crate::possession::Possession;
use crate::resumption::Sessions;
use crate::secure_stream::SecureStream;
use crate::{HandshakeError, ServerNames, TlsError};

/// How long, and over how many bytes, a refused client is listened to, so that what was said to
/// it is not lost to a reset.
const PARTING: Duration = Duration::from_secs(1);
const PARTING_BYTES_MAX: usize = 64 * 1024;
/// A fatal unrecognized_name as TLS 1.2 and 1.3 write it before anything is agreed.
const UNRECOGNIZED_NAME: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 112];

/// Shakes hands on every door. Cheap to clone; clones are replaced together.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    terms: RwLock<Arc<Terms>>,
    /// What may be resumed outlives the settings under which it began.
    sessions: HashMap<Demand, Sessions>,
}

/// What a server presents and answers to.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Chains with their keys, of different kinds. RSA is presented by default, another kind to
    /// clients that prefer it.
    pub identities: Vec<ServerIdentity>,
    /// The names that clients may ask for. A client that names none is welcome.
    pub names: ServerNames,
    /// Whether sessions may be resumed.
    pub resumes: bool,
}

/// Whether a door asks for client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// A client without one is refused. This is the door of MQTT: whatever a client asks for by
    /// ALPN, MQTT is spoken.
    Required,
    /// Asked for, and may be absent.
    Wanted,
    /// Required with `x-amzn-mqtt-ca` and `x-amzn-http-ca`, not asked for with `mqtt` (that is
    /// for custom authorizers), wanted otherwise.
    ByProtocol,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Secured {
    /// What is said from here on. In a box: it is large, and handed on several times.
    pub stream: Box<SecureStream>,
    /// The name that the client asked for, in lower case.
    pub server_name: Option<String>,
    /// The protocol that was asked for by ALPN, and echoed.
    pub protocol: Option<Protocol>,
    /// The DER of the certificate whose key the client proved to hold.
    pub certificate: Option<Bytes>,
    /// Version and cipher suite, for logs.
    pub tls: &'static str,
}

/// Settings in the form that handshakes use.
struct Terms {
    provider: Arc<CryptoProvider>,
    names: ServerNames,
    configs: HashMap<(Demand, Option<Alpn>), Arc<ServerConfig>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Demand {
    Required,
    Wanted,
    Nothing,
}

/// A failed handshake, and the connection if there is something left to say or to hear.
struct Failed {
    error: HandshakeError,
    stream: Option<TcpStream>,
}

impl Tls {
    /// Checks `settings` and makes them usable.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let sessions = Demand::ALL.into_iter().map(|demand| Ok((demand, Sessions::new()?)));
        let sessions = sessions.collect::<Result<_, TlsError>>()?;
        let terms = RwLock::new(Arc::new(Terms::new(settings, &sessions)?));
        Ok(Self(Arc::new(Shared { terms, sessions })))
    }

    /// Uses other settings from the next handshake on. Connections stay as they are; if the
    /// settings are refused, so does everything.
    pub fn replace(&self, settings: TlsSettings) -> Result<(), TlsError> {
        let terms = Arc::new(Terms::new(settings, &self.0.sessions)?);
        *self.0.terms.write().unwrap_or_else(PoisonError::into_inner) = terms;
        Ok(())
    }

    /// Shakes hands with the client of `stream`, in time.
    pub async fn accept(
        &self,
        stream: TcpStream,
        ask: ClientCertificate,
        deadline: Deadline,
    ) -> Result<Secured, HandshakeError> {
        let terms = Arc::clone(&self.0.terms.read().unwrap_or_else(PoisonError::into_inner));
        let mut hello_came = false;
        let handshake = Box::pin(terms.shake_hands(stream, ask, &mut hello_came));
        let failed = match deadline.bound(handshake).await {
            Some(Ok(secured)) => return Ok(secured),
            Some(Err(failed)) => failed,
            None => {
                let handshake_s = deadline.limit_s();
                HandshakeError::Timeout { handshake_s, hello_came }.into()
            }
        };
        if let Some(stream) = failed.stream {
            part(stream).await;
        }
        Err(failed.error)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Terms {
    fn new(settings: TlsSettings, sessions: &HashMap<Demand, Sessions>) -> Result<Self, TlsError> {
        settings.names.check()?;
        let provider = Arc::new(provider());
        let identities = Arc::new(Identities::load(&settings.identities, &provider)?);
        let mut configs = HashMap::new();
        for demand in Demand::ALL {
            let mut config = config(demand, &provider, &identities)?;
            let resumed = sessions.get(&demand).filter(|_| settings.resumes);
            Sessions::install(resumed, &mut config);
            for alpn in Alpn::ALL {
                let mut config = config.clone();
                config.alpn_protocols = vec![alpn.id().to_vec()];
                configs.insert((demand, Some(alpn)), Arc::new(config));
            }
            configs.insert((demand, None), Arc::new(config));
        }
        Ok(Self { provider, names: settings.names, configs })
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        ask: ClientCertificate,
        hello_came: &mut bool,
    ) -> Result<Secured, Failed> {
        let (stream, old_version) = look(stream).await?;
        let (stream, greeting) = read_greeting(stream, old_version).await?;
        *hello_came = true;
        let hello = Hello::read(&greeting.hello(), &self.provider);
        let stream = self.check_name(stream, &hello).await?;
        let alpn = choose(&hello.alpn, ask);
        let config = self.configs.get(&(Demand::of(ask, alpn), alpn));
        let config = Arc::clone(config.expect("there is a configuration for each pair"));
        match SecureStream::accept(stream, config, greeting.into_bytes()).await {
            Ok(stream) => secured(stream, hello, alpn, Demand::of(ask, alpn)),
            Err((error, stream)) => {
                let error = HandshakeError::explain(error, old_version, &hello);
                Err(Failed { error, stream: Some(stream) })
            }
        }
    }

    /// Ends the handshake if the client asked for another server.
    async fn check_name(&self, mut stream: TcpStream, hello: &Hello) -> Result<TcpStream, Failed> {
        let unknown = hello.server_name.as_ref().filter(|name| !self.names.contains(name));
        let Some(name) = unknown else { return Ok(stream) };
        // The client may be gone, which changes nothing.
        drop(stream.write_all(&UNRECOGNIZED_NAME).await);
        let error =
            HandshakeError::UnknownServerName { name: name.clone(), known: self.names.shown() };
        Err(Failed { error, stream: Some(stream) })
    }
}

impl Demand {
    const ALL: [Self; 3] = [Self::Required, Self::Wanted, Self::Nothing];

    fn of(ask: ClientCertificate, alpn: Option<Alpn>) -> Self {
        match (ask, alpn) {
            (ClientCertificate::Required, _)
            | (ClientCertificate::ByProtocol, Some(Alpn::MqttCa | Alpn::HttpCa)) => Self::Required,
            (ClientCertificate::ByProtocol, Some(Alpn::Mqtt)) => Self::Nothing,
            (ClientCertificate::ByProtocol | ClientCertificate::Wanted, _) => Self::Wanted,
        }
    }
}

impl From<HandshakeError> for Failed {
    fn from(error: HandshakeError) -> Self {
        Self { error, stream: None }
    }
}

/// What handshakes are made of. Of what a client offers, AES-128 is taken first, as AWS does: its
/// key schedule is hashed by SHA-256, which processors have instructions for.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !is_aes_128(suite.suite()));
    provider
}

fn is_aes_128(suite: CipherSuite) -> bool {
    use CipherSuite as Suite;
    matches!(
        suite,
        Suite::TLS13_AES_128_GCM_SHA256
            | Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// One configuration per demand.
fn config(
    demand: Demand,
    provider: &Arc<CryptoProvider>,
    identities: &Arc<Identities>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Setup { source })?;
    let is_required = demand == Demand::Required;
    let builder = match demand {
        Demand::Nothing => builder.with_no_client_auth(),
        _ => builder.with_client_cert_verifier(Arc::new(Possession { is_required })),
    };
    let mut config = builder.with_cert_resolver(Arc::clone(identities) as _);
    config.ignore_client_order = true;
    Ok(config)
}

/// Looks at the first bytes without taking them: are they TLS, and how old?
async fn look(mut stream: TcpStream) -> Result<(TcpStream, Option<&'static str>), Failed> {
    let mut first = [0; LOOKED_AT];
    let looked = stream.peek(&mut first).await.map_err(HandshakeError::Broken)?;
    let first = first.get(..looked).unwrap_or_default();
    if first.is_empty() {
        return Err(HandshakeError::ClosedSilently.into());
    }
    let Some(plain) = PlainText::recognize(first) else {
        return Ok((stream, old_version(first)));
    };
    if let Some(answer) = plain.answer() {
        // The client may be gone, which changes nothing.
        drop(stream.write_all(answer.as_bytes()).await);
    }
    Err(Failed { error: HandshakeError::PlainText(plain), stream: Some(stream) })
}

async fn read_greeting(
    mut stream: TcpStream,
    old_version: Option<&'static str>,
) -> Result<(TcpStream, Greeting), Failed> {
    match Greeting::read(&mut stream).await {
        Ok(greeting) => Ok((stream, greeting)),
        Err(error) => {
            let error = HandshakeError::explain(error, old_version, &Hello::default());
            Err(Failed { error, stream: Some(stream) })
        }
    }
}

/// The protocol to echo. On the door of MQTT there is only one.
fn choose(offered: &[Alpn], ask: ClientCertificate) -> Option<Alpn> {
    let is_spoken = |alpn: &Alpn| ask != ClientCertificate::Required || *alpn == Alpn::MqttCa;
    offered.iter().copied().find(is_spoken)
}

fn secured(
    stream: SecureStream,
    hello: Hello,
    alpn: Option<Alpn>,
    demand: Demand,
) -> Result<Secured, Failed> {
    let session = stream.agreed();
    let certificate = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| Bytes::copy_from_slice(leaf));
    if demand == Demand::Required && certificate.is_none() {
        let error = HandshakeError::CertificateMissing;
        return Err(Failed { error, stream: Some(stream.into_socket()) });
    }
    Ok(Secured {
        tls: version_and_suite(session),
        server_name: hello.server_name,
        protocol: alpn.map(Alpn::protocol),
        certificate,
        stream: Box::new(stream),
    })
}

/// Lets a refused client read what it was told: closing with its bytes unread would reset the
/// connection and throw the answer away.
async fn part(mut stream: TcpStream) {
    let farewell = async {
        stream.shutdown().await?;
        let mut rest = stream.take(PARTING_BYTES_MAX as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // However it ends, it is over.
    drop(timeout(PARTING, farewell).await);
}

fn version_and_suite(session: &CommonState) -> &'static str {
    use CipherSuite as Suite;
    let suite = session.negotiated_cipher_suite().map(|suite| suite.suite());
    match (session.protocol_version(), suite) {
        (_, Some(Suite::TLS13_AES_128_GCM_SHA256)) => "TLSv1.3 TLS_AES_128_GCM_SHA256",
        (_, Some(Suite::TLS13_AES_256_GCM_SHA384)) => "TLSv1.3 TLS_AES_256_GCM_SHA384",
        (_, Some(Suite::TLS13_CHACHA20_POLY1305_SHA256)) => "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256",
        (_, Some(Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)) => {
            "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        }
        (_, Some(Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)) => {
            "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
        }
        (_, Some(Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)) => {
            "TLSv1.2 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
        }
        (_, Some(Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)) => {
            "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        }
        (_, Some(Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384)) => {
            "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
        }
        (_, Some(Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256)) => {
            "TLSv1.2 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
        }
        (Some(ProtocolVersion::TLSv1_3), _) => "TLSv1.3",
        _ => "TLSv1.2",
    }
}
