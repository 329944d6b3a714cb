//! An authority and the server's certificates, made once by `openssl` for all tests.

use std::sync::OnceLock;

use ferrite_doors::ServerIdentity;

use super::openssl::{Openssl, P256, RSA_2048};

/// What a server has, and what its clients trust.
pub(crate) struct Material {
    pub(crate) ca_pem: String,
    pub(crate) ca_key_pem: String,
    pub(crate) rsa: ServerIdentity,
    pub(crate) ec: ServerIdentity,
}

impl Material {
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Material> = OnceLock::new();
        SHARED.get_or_init(Self::make)
    }

    fn make() -> Self {
        let openssl = Openssl::new();
        openssl.run(&format!("genpkey {P256} -out ca.key"));
        openssl.run("req -x509 -key ca.key -days 30 -subj /CN=Root -out ca.pem");
        openssl.write("names", "subjectAltName=DNS:localhost,DNS:*.iot.test,IP:127.0.0.1\n");
        Self {
            rsa: identity(&openssl, RSA_2048),
            ec: identity(&openssl, P256),
            ca_pem: openssl.read("ca.pem"),
            ca_key_pem: openssl.read("ca.key"),
        }
    }
}

fn identity(openssl: &Openssl, kind: &str) -> ServerIdentity {
    openssl.run(&format!("genpkey {kind} -out server.key"));
    openssl.run("req -new -key server.key -subj /CN=localhost -out server.csr");
    openssl.run(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
         -extfile names -out server.pem",
    );
    ServerIdentity {
        certificates_pem: openssl.read("server.pem"),
        private_key_pem: openssl.read("server.key"),
    }
}
