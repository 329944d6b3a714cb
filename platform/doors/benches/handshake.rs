//! What a full handshake with a client certificate costs the server: the processor time of its
//! thread alone, so that one over it is handshakes per second and core. Bars: 3,000 with an EC key
//! of the server's, 1,500 with an RSA key.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fs;
use std::hint::black_box;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ferrite_doors::{ClientCertificate, Deadline, ServerIdentity, ServerNames, Tls, TlsSettings};
use rustix::time::{ClockId, clock_gettime};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use tokio::net::TcpListener;

const RSA: &str = "rsa:2048";
const P256: &str = "ec";

/// A self-signed certificate for localhost with its key, as PEM.
fn certificate(directory: &Path, kind: &str) -> (String, String) {
    let status = Command::new("openssl")
        .args(["req", "-x509", "-newkey", kind, "-nodes", "-keyout", "key.pem", "-out", "cert.pem"])
        .args([
            "-pkeyopt",
            if kind == P256 { "ec_paramgen_curve:P-256" } else { "rsa_keygen_bits:2048" },
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(status.status.success());
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    (read("cert.pem"), read("key.pem"))
}

fn client(
    version: &'static SupportedProtocolVersion,
    root: &str,
    own: &(String, String),
    resumption: Resumption,
) -> Arc<ClientConfig> {
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(der(root)).unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.1.as_bytes()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![der(&own.0)], key)
        .unwrap();
    config.resumption = resumption;
    Arc::new(config)
}

/// Shakes hands `times` times, one after the other, each until the server hangs up.
fn knock(address: SocketAddr, config: &Arc<ClientConfig>, times: u64) {
    for _ in 0..times {
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut stream = StreamOwned::new(session, TcpStream::connect(address).unwrap());
        // The server says nothing and hangs up without a farewell.
        drop(stream.read(&mut [0]));
    }
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap())
}

async fn serve(tls: &Tls, listener: &TcpListener, times: u64) -> Duration {
    let before = thread_time();
    for _ in 0..times {
        let (stream, _) = listener.accept().await.unwrap();
        let secured =
            tls.accept(stream, ClientCertificate::Required, Deadline::within(10)).await.unwrap();
        assert!(black_box(secured).certificate.is_some());
    }
    thread_time() - before
}

fn handshakes(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (rsa, ec) = (certificate(directory.path(), RSA), certificate(directory.path(), P256));
    let mut group = criterion.benchmark_group("handshake");
    for (name, version, server, own, resumes) in [
        ("1.3/server-p256/client-p256", &TLS13, &ec, &ec, false),
        ("1.3/server-p256/client-rsa", &TLS13, &ec, &rsa, false),
        ("1.3/server-rsa/client-p256", &TLS13, &rsa, &ec, false),
        ("1.3/server-rsa/client-rsa", &TLS13, &rsa, &rsa, false),
        ("1.3/server-p256/client-p256/resumed", &TLS13, &ec, &ec, true),
        ("1.2/server-p256/client-p256", &TLS12, &ec, &ec, false),
        ("1.2/server-rsa/client-rsa", &TLS12, &rsa, &rsa, false),
        ("1.2/server-p256/client-p256/resumed", &TLS12, &ec, &ec, true),
    ] {
        let identity = ServerIdentity {
            certificates_pem: server.0.clone(),
            private_key_pem: server.1.clone(),
        };
        let names = ServerNames::new(["localhost"]);
        let tls = Tls::new(TlsSettings { identities: vec![identity], names, resumes: true });
        let tls = tls.unwrap();
        let resumption =
            if resumes { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
        let config = client(version, &server.0, own, resumption);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let config = Arc::clone(&config);
                let clients = thread::spawn(move || knock(address, &config, times));
                let spent = runtime.block_on(serve(&tls, &listener, times));
                clients.join().unwrap();
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, handshakes);
criterion_main!(benches);
