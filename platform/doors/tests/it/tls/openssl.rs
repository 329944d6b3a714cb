//! The `openssl` command, as a maker of certificates and as a client.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use ferrite_doors::{ClientCertificate, HandshakeError, Tls};
use tempfile::TempDir;

use super::material::Material;
use super::{Seen, meet};

pub(crate) const RSA_2048: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
pub(crate) const RSA_1024: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
pub(crate) const RSA_PSS: &str = "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048";
pub(crate) const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
pub(crate) const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
pub(crate) const P521: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
pub(crate) const P192: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-192";
pub(crate) const SECP256K1: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1";
pub(crate) const ED25519: &str = "-algorithm ED25519";

/// The arguments of a client that shows `cert.pem` and holds `key.pem`.
pub(crate) const WITH_CERTIFICATE: &str = "-cert cert.pem -key key.pem";

/// A directory that `openssl` runs in; files are named relative to it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Openssl(Arc<TempDir>);

/// What a client printed.
#[derive(Debug)]
pub(crate) struct Said(String);

impl Openssl {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// A client's directory: it trusts `ca.pem`, and has no certificate yet.
    pub(crate) fn client() -> Self {
        let openssl = Self::new();
        openssl.write("ca.pem", &Material::shared().ca_pem);
        openssl
    }

    /// A client's directory with a new key and a self-signed certificate of it.
    pub(crate) fn client_with(kind: &str) -> Self {
        let openssl = Self::client();
        openssl.run(&format!("genpkey {kind} -out key.pem"));
        openssl.run("req -x509 -key key.pem -days 30 -subj /O=Mill/CN=pump -out cert.pem");
        openssl
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The certificate in `cert.pem` as DER.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.run("x509 -in cert.pem -outform DER -out cert.der");
        fs::read(self.path("cert.der")).unwrap()
    }

    /// Runs a command line whose words hold no spaces, and gives its output.
    pub(crate) fn run(&self, line: &str) -> String {
        let output = self.output(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Connects to a server of `tls` with more `s_client` arguments.
    pub(crate) async fn connect(
        &self,
        tls: &Tls,
        ask: ClientCertificate,
        more: &str,
    ) -> (Result<Seen, HandshakeError>, Said) {
        let client = |address: SocketAddr| {
            let openssl = self.clone();
            let line = format!("s_client -connect {address} -CAfile ca.pem -ign_eof {more}");
            async move {
                let output = tokio::task::spawn_blocking(move || openssl.output(&line));
                Said::of(&output.await.unwrap())
            }
        };
        meet(tls, ask, client).await
    }

    fn output(&self, line: &str) -> Output {
        let words = line.split_whitespace();
        let mut command = Command::new("openssl");
        command.args(words).current_dir(self.0.path()).stdin(Stdio::null());
        command.output().expect("these tests need the openssl command")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Said {
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    fn of(output: &Output) -> Self {
        let texts = [&output.stdout, &output.stderr];
        Self(texts.map(|text| String::from_utf8_lossy(text).into_owned()).concat())
    }
}
