//! A client of rustls that may show any bytes as its certificate, and sign with any key.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::material::Material;
use super::openssl::Openssl;

/// What a client shows and what it signs with, whether they belong together or not.
#[derive(Debug)]
pub(crate) struct Shown(Arc<CertifiedKey>);

impl Shown {
    /// `certificate`, signed for with `key.pem` of `openssl`.
    pub(crate) fn new(certificate: Vec<u8>, openssl: &Openssl) -> Arc<Self> {
        let key = PrivateKeyDer::from_pem_slice(openssl.read("key.pem").as_bytes()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Arc::new(Self(Arc::new(CertifiedKey::new(vec![certificate.into()], key))))
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The configuration of a client that trusts the root, for one version.
pub(crate) fn config(
    version: &'static SupportedProtocolVersion,
    shown: Option<Arc<Shown>>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(Material::shared().ca_pem.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    match shown {
        Some(shown) => builder.with_client_cert_resolver(shown),
        None => builder.with_no_client_auth(),
    }
}

/// Shakes hands with the server at `address`.
pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// Shakes hands and gives what the server says.
pub(crate) async fn hear(address: SocketAddr, config: ClientConfig) -> std::io::Result<String> {
    let mut heard = String::new();
    connect(address, config).await?.read_to_string(&mut heard).await?;
    Ok(heard)
}

/// The bytes that a client begins with.
pub(crate) fn client_hello(config: ClientConfig) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}
