//! TLS at a door, with clients that share no code with it and with clients that misbehave.

mod certificates;
mod hostile;
mod material;
mod negotiation;
mod openssl;
mod possession;
mod post_handshake;
mod resumption;
mod rustls_client;
mod streams;

use std::future::Future;
use std::net::SocketAddr;

use ferrite_doors::{
    ClientCertificate, Deadline, HandshakeError, Protocol, Secured, ServerIdentity, ServerNames,
    Tls, TlsSettings,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use material::Material;

/// What a server says to a client that it let in.
pub(crate) const WELCOME: &str = "welcome";
/// Longer than any handshake takes here.
pub(crate) const HANDSHAKE_S: u64 = 60;

/// What the server knows of a client that it let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) server_name: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) tls: &'static str,
    pub(crate) is_resumed: bool,
}

pub(crate) fn settings(identities: &[&ServerIdentity]) -> TlsSettings {
    TlsSettings {
        identities: identities.iter().map(|identity| (*identity).clone()).collect(),
        names: ServerNames::new(["localhost", "*.iot.test"]),
        resumes: true,
    }
}

/// TLS with an RSA and an EC key, as the server has it.
pub(crate) fn tls() -> Tls {
    let material = Material::shared();
    Tls::new(settings(&[&material.rsa, &material.ec])).unwrap()
}

/// Lets one client of `client` come, and gives what both ends saw.
pub(crate) async fn meet<F: Future>(
    tls: &Tls,
    ask: ClientCertificate,
    client: impl FnOnce(SocketAddr) -> F,
) -> (Result<Seen, HandshakeError>, F::Output) {
    meet_within(HANDSHAKE_S, tls, ask, client).await
}

/// As [`meet`], with a handshake that may take so long.
pub(crate) async fn meet_within<F: Future>(
    handshake_s: u64,
    tls: &Tls,
    ask: ClientCertificate,
    client: impl FnOnce(SocketAddr) -> F,
) -> (Result<Seen, HandshakeError>, F::Output) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        match tls.accept(stream, ask, Deadline::within(handshake_s)).await {
            Ok(secured) => Ok(welcome(secured).await),
            Err(error) => Err(error),
        }
    };
    tokio::join!(server, client(address))
}

/// Greets and waits for the client to leave.
async fn welcome(secured: Secured) -> Seen {
    let mut stream = secured.stream;
    let is_resumed = stream.is_resumed();
    stream.write_all(WELCOME.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    // A client may close without a farewell.
    drop(stream.read_to_end(&mut Vec::new()).await);
    Seen {
        server_name: secured.server_name,
        protocol: secured.protocol,
        certificate: secured.certificate.map(|der| der.to_vec()),
        tls: secured.tls,
        is_resumed,
    }
}
