//! Clients that show a certificate without holding its key, and other tries.

use ferrite_doors::{ClientCertificate, Deadline, HandshakeError, ServerIdentity, Tls, TlsError};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::material::Material;
use super::openssl::{Openssl, P256, P384, RSA_2048};
use super::rustls_client::{Shown, config, connect, hear};
use super::{HANDSHAKE_S, WELCOME, meet, settings, tls};

async fn refused(config: ClientConfig) -> HandshakeError {
    let ask = ClientCertificate::Required;
    let (seen, heard) = meet(&tls(), ask, |address| hear(address, config)).await;
    // The client is told, and not merely cut off.
    let heard = heard.unwrap_err().to_string();
    assert!(heard.contains("received fatal alert"), "{heard}");
    seen.unwrap_err()
}

#[tokio::test]
async fn the_holder_of_the_key_is_let_in() {
    for kind in [RSA_2048, P256, P384] {
        let client = Openssl::client_with(kind);
        for version in [&TLS12, &TLS13] {
            let config = config(version, Some(Shown::new(client.certificate(), &client)));
            let ask = ClientCertificate::Required;
            let (seen, heard) = meet(&tls(), ask, |address| hear(address, config)).await;
            assert_eq!(seen.unwrap().certificate, Some(client.certificate()));
            assert_eq!(heard.unwrap(), WELCOME);
        }
    }
}

#[tokio::test]
async fn anothers_certificate_is_refused() {
    for kind in [RSA_2048, P256] {
        let (victim, thief) = (Openssl::client_with(kind), Openssl::client_with(kind));
        for version in [&TLS12, &TLS13] {
            let error =
                refused(config(version, Some(Shown::new(victim.certificate(), &thief)))).await;
            assert!(matches!(error, HandshakeError::PossessionNotProven), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_key_of_another_kind_proves_nothing() {
    for (shown, held) in [(RSA_2048, P256), (P256, RSA_2048), (P256, P384)] {
        let (victim, thief) = (Openssl::client_with(shown), Openssl::client_with(held));
        for version in [&TLS12, &TLS13] {
            let error =
                refused(config(version, Some(Shown::new(victim.certificate(), &thief)))).await;
            assert!(matches!(error, HandshakeError::PossessionNotProven), "{error:?}");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_certificate_are_refused() {
    let client = Openssl::client_with(P256);
    let whole = client.certificate();
    let trailing = [whole.as_slice(), &[0]].concat();
    let cut = whole[..whole.len() - 1].to_vec();
    for bytes in [b"certificate".to_vec(), vec![0x30], trailing, cut] {
        for version in [&TLS12, &TLS13] {
            let shown = Shown::new(bytes.clone(), &client);
            let error = refused(config(version, Some(shown))).await;
            assert!(matches!(error, HandshakeError::CertificateMalformed), "{error:?}");
        }
    }
}

#[tokio::test]
async fn settings_are_replaced_under_open_connections() {
    let material = Material::shared();
    let tls = Tls::new(settings(&[&material.rsa])).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let leaf_shown_to = async |tls: &Tls| {
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            tls.accept(stream, ClientCertificate::Wanted, Deadline::within(HANDSHAKE_S))
                .await
                .unwrap()
        };
        tokio::join!(server, async { connect(address, config(&TLS13, None)).await.unwrap() })
    };
    let (mut old_server, mut old_client) = leaf_shown_to(&tls).await;
    tls.clone().replace(settings(&[&material.ec])).unwrap();
    let (_, new_client) = leaf_shown_to(&tls).await;
    let leaf = |session: &rustls::ClientConnection| {
        session.peer_certificates().unwrap().first().unwrap().clone()
    };
    assert_ne!(leaf(old_client.get_ref().1), leaf(new_client.get_ref().1));
    old_server.stream.write_all(b"still here").await.unwrap();
    let mut heard = [0; 10];
    old_client.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, *b"still here");
    // Settings that are refused change nothing.
    assert!(matches!(tls.replace(settings(&[])), Err(TlsError::NoIdentity)));
    leaf_shown_to(&tls).await;
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let Material { rsa, ec, .. } = Material::shared();
    let mixed = |certificates: &str, key: &str| {
        let identity = ServerIdentity {
            certificates_pem: certificates.to_owned(),
            private_key_pem: key.to_owned(),
        };
        Tls::new(settings(&[&identity])).err().unwrap()
    };
    let chain = &rsa.certificates_pem;
    assert!(matches!(mixed(chain, &ec.private_key_pem), TlsError::KeyMismatch));
    assert!(matches!(mixed(chain, chain), TlsError::PrivateKey));
    assert!(matches!(mixed("", &rsa.private_key_pem), TlsError::Chain));
    assert!(matches!(mixed(&rsa.private_key_pem, &rsa.private_key_pem), TlsError::Chain));
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(mixed(not_der, &rsa.private_key_pem), TlsError::Certificate { .. }));
    let mut named = settings(&[rsa]);
    named.names.insert("a.*.test");
    assert!(matches!(Tls::new(named), Err(TlsError::ServerName { .. })));
    assert!(!format!("{rsa:?}").contains("PRIVATE"));
}
