//! Certificates that are good, and those that are not. `openssl` makes them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use env::Env;
use ferrite_outbound::{Client, Error, Names, Settings};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::server::Server;
use crate::{client, post};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An authority and what it signed, in one directory.
struct Material(TempDir);

impl Material {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Material> = OnceLock::new();
        SHARED.get_or_init(Self::make)
    }

    fn make() -> Self {
        let material = Self(tempfile::tempdir().unwrap());
        let authority = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
        material.openssl(&format!("{authority} -subj /CN=Root -keyout ca.key -out ca.pem"));
        material.openssl(&format!("{authority} -subj /CN=Other -keyout other.key -out other.pem"));
        material.sign("good", "ca", "DNS:mill.example,IP:127.0.0.1", 30);
        material.sign("stranger", "other", "IP:127.0.0.1", 30);
        material.sign("misnamed", "ca", "DNS:other.example", 30);
        material.sign("expired", "ca", "IP:127.0.0.1", -1);
        fs::write(material.path("empty.pem"), "nothing").unwrap();
        material
    }

    fn sign(&self, name: &str, authority: &str, names: &str, days: i32) {
        fs::write(self.path("names"), format!("subjectAltName={names}\n")).unwrap();
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x \
             -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial \
             -days {days} -extfile names -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A server's side of TLS under the certificate `name`.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn trusting(settings: &mut Settings) {
    settings.ca_file = Some(Material::shared().path("ca.pem"));
}

async fn start(env: &Env, certificate: &str) -> Server {
    let acceptor = Material::shared().acceptor(certificate);
    Server::start_tls(env, acceptor, |_, mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(OK).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_certificate_of_the_file_is_trusted_and_its_connection_used_again() {
    let env = Env::system();
    let server = start(&env, "good").await;
    let client = client(&env, trusting);
    for _ in 0..3 {
        let url = format!("https://{}/", server.address);
        assert_eq!(&client.send(post(&url, "x")).await.unwrap().body[..], b"ok");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_name_is_what_the_certificate_must_have() {
    let env = Env::system();
    let server = start(&env, "good").await;
    let mut settings = Settings { system_roots: false, ..Settings::default() };
    settings.allow = vec!["127.0.0.1".to_owned()];
    trusting(&mut settings);
    let address = vec![server.address.ip()];
    let names = ["mill.example", "well.example"].map(|name| (name.to_owned(), address.clone()));
    let client = Client::with_names(&settings, &env, Names::fixed(names.into())).unwrap();
    for (name, is_good) in [("mill.example", true), ("well.example", false)] {
        let url = format!("https://{name}:{}/", server.address.port());
        assert_eq!(client.send(post(&url, "x")).await.is_ok(), is_good, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_not_tried_again() {
    let env = Env::system();
    for certificate in ["stranger", "misnamed", "expired"] {
        let server = start(&env, certificate).await;
        let url = format!("https://{}/", server.address);
        let error = client(&env, trusting).send(post(&url, "x")).await.unwrap_err();
        assert!(matches!(error, Error::Tls { .. }), "{certificate} {error:?}");
        assert!(!error.is_transient() && error.was_not_sent());
        assert!(error.chain().contains("invalid peer certificate"), "{}", error.chain());
    }
}

#[tokio::test]
async fn a_line_that_is_cut_in_the_handshake_is_worth_another_try() {
    let env = Env::system();
    let server = Server::start(&env, |_, _| async {}).await;
    let url = format!("https://{}/", server.address);
    let error = client(&env, trusting).send(post(&url, "x")).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_as_such() {
    let env = Env::system();
    let server = Server::start(&env, |_, mut peer| async move {
        peer.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer.gone().await;
    })
    .await;
    let url = format!("https://{}/", server.address);
    let error = client(&env, trusting).send(post(&url, "x")).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }) && !error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_as_a_connection_that_was_not_made() {
    let env = Env::system();
    let server = Server::start(&env, |_, mut peer| async move { peer.gone().await }).await;
    let mut request = post(&format!("https://{}/", server.address), "x");
    request.timeout = Some(std::time::Duration::from_millis(200));
    let error = client(&env, trusting).send(request).await.unwrap_err();
    assert!(error.to_string().starts_with("127.0.0.1 did not connect within"), "{error}");
    assert!(error.is_transient() && error.was_not_sent());
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() {
    let env = Env::system();
    let path = Material::shared().path("empty.pem");
    let settings = Settings { ca_file: Some(path.clone()), ..Settings::default() };
    let error = Client::new(&settings, &env).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("outbound.ca_file: {} has no certificate", path.display())
    );
}
